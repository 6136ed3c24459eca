"""Models of lyrics."""
