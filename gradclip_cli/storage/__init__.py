"""Files and streams: read by position, and written whole or not at all; another kind of storage is another `RandomAccess`."""
