"""Tests of `gradclip_cli.inputs.layouts`."""
