"""Records as arrays: pure functions, no files."""
