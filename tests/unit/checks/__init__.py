"""What may be wrong with a series."""
