"""Capture, where torch is installed."""
