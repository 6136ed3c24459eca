"""Harmonisation: chords for a melody, four-part chorales."""
