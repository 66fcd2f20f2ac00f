"""`diff`: compare two dumps, or two runs step by step."""
