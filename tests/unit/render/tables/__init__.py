"""Tests of `gradclip_cli.render.tables`."""
