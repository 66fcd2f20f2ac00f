"""Norms over steps, and the rules that choose thresholds from them. To add a rule, list it in `rules` or `adaptive`."""
