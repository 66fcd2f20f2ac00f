"""`stats`: only `collect` reads dumps, the rest works on norm tables. To add a figure, add a module and a line in `report`."""
