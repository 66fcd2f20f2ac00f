"""What `show` says of one dump."""
