"""Norms over steps, and the rules that choose a threshold from them."""
