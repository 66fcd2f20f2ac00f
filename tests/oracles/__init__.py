"""Programs that hold readers against the libraries that write; they run in a virtual environment of their own: `make oracles`."""
