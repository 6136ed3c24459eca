"""Lyrics: stylometric features, phonetics and line matching."""
