"""Lyrics: what can be said of them, as numbers."""
