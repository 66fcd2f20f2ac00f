"""Norms over a series, and the thresholds that they suggest."""
