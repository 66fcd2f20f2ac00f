"""Stored elements in, numbers out: dtypes, exact norms, statistics, scaling and comparing. Only numpy, no files."""
