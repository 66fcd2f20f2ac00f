"""Frozen plans: what can be checked without reading a dump is checked when a plan is made."""
