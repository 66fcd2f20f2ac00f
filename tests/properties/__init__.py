"""Laws tried on dumps that a machine thinks up: shapes, dtypes, names and bits."""
