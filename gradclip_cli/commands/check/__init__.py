"""`check`: `collect` reduces dumps to figures, and `report` asks the checks about them; a new figure is a column of `collect`."""
