"""Training from a library."""
