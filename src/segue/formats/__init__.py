"""Files ↔ records: the only rooms that know file formats."""
