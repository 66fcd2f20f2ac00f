"""What `check` reads, and what its rules find in it."""
