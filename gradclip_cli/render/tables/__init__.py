"""Reports as tables of text: a module with the tables of each report, and a line in `arrange`."""
