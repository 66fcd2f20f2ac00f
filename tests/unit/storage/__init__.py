"""Tests of gradclip_cli.storage."""
