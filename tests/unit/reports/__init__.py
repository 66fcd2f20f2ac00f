"""Tests of the package gradclip_cli.reports."""
