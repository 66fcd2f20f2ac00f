"""The command line: what is typed, and what comes back."""
