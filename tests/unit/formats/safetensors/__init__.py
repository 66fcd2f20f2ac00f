"""Tests of `gradclip_cli.formats.safetensors`."""
