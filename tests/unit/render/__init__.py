"""Tests of the package gradclip_cli.render."""
