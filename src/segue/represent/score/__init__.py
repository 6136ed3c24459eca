"""Scores: what can be said of them, as numbers, pictures of bits, and sound."""
