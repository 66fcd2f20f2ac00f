"""Numbers that were computed once, and are held against what is computed now."""
