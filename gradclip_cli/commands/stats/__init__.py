"""`stats`: `collect` alone knows dumps, the rest norm tables; a new figure of a series is a module here, and a line in `report`."""
