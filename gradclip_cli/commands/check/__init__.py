"""What is wrong with a series: dumps are measured, reduced to figures, and handed to the checks."""
