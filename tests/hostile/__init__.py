"""Files that were made to mislead, each with the reason why it is refused or read."""
