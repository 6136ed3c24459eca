"""Files → analysed records in the library: worker processes, limits, resuming."""
