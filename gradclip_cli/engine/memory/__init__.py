"""Remember what was measured of dumps, so that a later call need not read them again."""
