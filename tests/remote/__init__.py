"""Tests against servers that others wrote; `make remote` installs and runs them."""
