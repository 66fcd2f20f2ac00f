"""Tests of `gradclip_cli.formats.npz`."""
