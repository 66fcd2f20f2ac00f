"""Tests of `gradclip_cli.engine.executors`."""
