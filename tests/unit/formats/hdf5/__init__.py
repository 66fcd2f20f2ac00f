"""Tests of `gradclip_cli.formats.hdf5`."""
