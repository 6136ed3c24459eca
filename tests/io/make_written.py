"""Write golden/written.musicxml: a short score with everything that MusicXML is to tell.

python tests/io/make_written.py

Run it when, and only when, MusicXML is written otherwise on purpose.
"""

import re
from pathlib import Path

import numpy as np

from segue.io.musicxml_write import write_music_xml
from segue.records import Part, Score

GOLDEN = Path(__file__).parent / "golden" / "written.musicxml"


def everything() -> Score:
    """Make three bars: chords, two voices, triplets, ties, dots, a pedal, drums, changes."""
    melody = [
        [0, 2, 67, 90], [6, 2, 70, 80], [12, 4, 72, 70], [16, 4, 74, 71], [20, 4, 75, 72],
        [24, 30, 77, 100], [36, 24, 63, 60], [60, 24, 74, 90],
    ]  # fmt: skip
    piano = [[0, 24, 43, 64], [0, 24, 50, 64], [0, 12, 70, 64], [24, 24, 36, 64], [48, 36, 67, 64]]
    beat = [[0, 1, 36, 110], [0, 1, 42, 60], [12, 1, 38, 99], [24, 1, 36, 110], [48, 1, 49, 127]]
    none = np.empty((0, 2), np.int32)
    return Score(
        "Everything <at> once",
        12,
        (
            Part("Clarinet", 71, False, np.array(melody, np.int32), none),
            Part("", 0, False, np.array(piano, np.int32), np.array([[0, 1], [22, 0]], np.int32)),
            Part("Kit", 8, True, np.array(beat, np.int32), none),
        ),
        np.array([[0, 96.5], [24, 120.0]]),
        np.array([[0, 4, 4], [48, 6, 8]], np.int32),
        np.array([[0, -2, 1]], np.int32),
        "Anon.",
    )


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    xml = write_music_xml(everything()).decode()
    GOLDEN.write_text(re.sub("Segue [0-9.]+", "Segue", xml), encoding="utf-8")
