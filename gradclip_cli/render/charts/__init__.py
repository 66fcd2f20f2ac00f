"""Norms as charts: what is drawn (`data`), and how characters draw it; a new chart is a function in each of the two."""
