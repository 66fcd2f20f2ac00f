"""What `apply` does once dumps are measured: decide, transform, write, report."""
