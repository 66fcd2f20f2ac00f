"""Files and streams: read by position, and written whole or not at all."""
