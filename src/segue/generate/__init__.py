"""Generation of music and lyrics."""
