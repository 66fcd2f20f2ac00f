"""How long gradclip takes and how much memory, beside what else would do the work: `make bench`, `make bench-cores`."""
