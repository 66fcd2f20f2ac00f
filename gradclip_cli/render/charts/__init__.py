"""Norms as charts: what is drawn (`data`), and how characters draw it."""
