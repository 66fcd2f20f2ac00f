"""`report`: what `stats` and `check` say of a run, from one reading of it."""
