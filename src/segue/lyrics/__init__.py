"""Lyrics: features, similarity and embeddings.

Lyrics: what can be said of them, as numbers.

Models of lyrics.
"""
