"""Tests of `gradclip_cli.render.charts`."""
