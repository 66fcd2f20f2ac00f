"""Stored elements in, numbers out."""
