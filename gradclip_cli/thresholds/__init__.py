"""Norms over steps, and the rules that choose a threshold from them: a new rule is an entry of `rules` or of `adaptive`."""
