"""What General MIDI's numbers mean, for the rooms that describe scores."""

from segue.formats.score.general_midi import DRUM_NAMES, PROGRAM_NAMES

__all__ = ["DRUM_NAMES", "PROGRAM_NAMES"]
