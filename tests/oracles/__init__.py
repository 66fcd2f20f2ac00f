"""Logs that the libraries of others write, held against what these say themselves: `make oracles` runs these tests.

They need libraries that the other tests do without; where one is missing, its tests are skipped.
"""
