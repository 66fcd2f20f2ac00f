"""Tests of `gradclip_cli.commands`."""
