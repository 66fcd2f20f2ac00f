"""`apply`: measure, decide by groups, rewrite and report, in the order of `flow`. To report a new figure, add it in `report`."""
