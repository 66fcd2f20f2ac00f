"""Tests of what is remote, against servers on the loopback."""
