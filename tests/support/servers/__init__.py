"""Servers for the tests of what is remote: they listen on the loopback, on free ports, and take any credentials."""
