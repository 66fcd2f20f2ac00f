"""How numbers lie in files, and the arithmetic on them."""
