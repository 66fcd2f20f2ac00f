"""The tables of each report."""
