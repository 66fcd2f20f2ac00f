"""How numbers lie in files, and the arithmetic on them: arrays in, numbers out, no files; a new dtype is a line in `dtypes`."""
