"""Music theory: pitches, keys, chords, instruments and time."""
