"""What `stats` makes of a series: figures, thresholds and advice."""
