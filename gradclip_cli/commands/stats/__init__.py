"""Norms over the dumps of a series, and the thresholds that they suggest: `collect` alone knows dumps, the rest a `NormTable`."""
