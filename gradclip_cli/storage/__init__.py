"""Files and streams: read by position, written completely or not at all. To add a kind of storage, implement `RandomAccess`."""
