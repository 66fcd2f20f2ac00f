"""Decode stored numbers and compute with them: arrays in, numbers out, no files. A new dtype is a line in `dtypes`."""
