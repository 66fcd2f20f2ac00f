"""What clipping does to a group."""
