"""Scores: features, fingerprints and embeddings.

Scores: what can be said of them, as numbers, pictures of bits, and sound.

Models of scores.
"""
