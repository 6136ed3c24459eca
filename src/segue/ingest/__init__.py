"""Files to analysed records in the library."""
