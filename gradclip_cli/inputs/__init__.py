"""What users give: files, folders, shards and series, and the dumps in them."""
