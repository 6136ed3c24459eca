"""Makes music: from the space of piano rolls, and bar by bar with a network of tokens."""
