"""Logs that hold norms: each layout is a module here, and a line in `registry`."""
