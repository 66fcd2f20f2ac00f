"""What `diff` does: two dumps side by side."""
