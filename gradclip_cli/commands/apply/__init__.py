"""`apply`: measure, decide by groups, rewrite and report, in the order of `flow`; what is to be said of a dump goes into `report`."""
