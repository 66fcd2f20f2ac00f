"""Passes over elements: split, measure, rewrite and compare tensors piece by piece."""
