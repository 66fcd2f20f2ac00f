"""Unit tests of the command `diff`."""
