"""Tests of gradclip_cli.api."""
