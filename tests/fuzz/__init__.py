"""Random damage to dumps of every format: `make fuzz MINUTES=10 FORMAT=hdf5`, or one mutant by its number."""
