"""Melodies for chord progressions."""
