"""The names of the features of scores, by group, and the tables behind them.

jSymbolic's where it has the feature: see `segue.represent.score_features`.
"""

from typing import Final

DEGREES: Final = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")
INTERVALS: Final = tuple(range(-12, 13))
PLACES: Final = 16  # sixteenths of a bar
#: Quarters of the notes that the Rhythmic Value Histogram tells apart, and their names.
VALUES: Final[dict[str, float]] = {
    "thirty-second": 0.125,
    "sixteenth": 0.25,
    "eighth": 0.5,
    "dotted eighth": 0.75,
    "quarter": 1.0,
    "dotted quarter": 1.5,
    "half": 2.0,
    "dotted half": 3.0,
    "whole": 4.0,
    "longer": 6.0,
}
METRES: Final = ("2/4 or 2/2", "3/4", "4/4", "6/8 or 12/8", "9/8 or 3/8", "other")
CHORDS: Final[dict[str, tuple[int, ...]]] = {
    "Minor": (0, 3, 7),
    "Major": (0, 4, 7),
    "Diminished": (0, 3, 6),
    "Augmented": (0, 4, 8),
    "Dominant Seventh": (0, 4, 7, 10),
    "Minor Seventh": (0, 3, 7, 10),
    "Major Seventh": (0, 4, 7, 11),
}
NO_CHORD: Final = len(CHORDS)
#: General MIDI programs, from and to, of jSymbolic's families and what else there is.
FAMILIES: Final[dict[str, tuple[int, int]]] = {
    "String Keyboard": (0, 8),
    "Mallet": (8, 16),
    "Organ": (16, 24),
    "Acoustic Guitar": (24, 26),
    "Electric Guitar": (26, 32),
    "Bass": (32, 40),
    "Orchestral Strings": (40, 48),
    "String Ensemble": (48, 52),
    "Voice": (52, 56),
    "Brass": (56, 64),
    "Saxophone": (64, 68),
    "Woodwinds": (68, 80),
    "Synthesiser": (80, 104),
    "Other": (104, 128),
}

CONTENTS: Final[dict[str, tuple[str, ...]]] = {
    "pitch": (
        *(f"Pitch Class Histogram {degree}" for degree in DEGREES),
        *(f"Pitch Class Periodicity {order}" for order in range(1, 7)),
        "Range",
        "Pitch Variability",
        "Pitch Variety",
        "Pitch Class Variety",
        "Pitch Skewness",
        "Prevalence of Most Common Pitch Class",
        "Interval Between Most Prevalent Pitch Classes",
        "Major or Minor",
    ),
    "melody": (
        *(f"Melodic Interval Histogram {interval:+d}" for interval in INTERVALS),
        "Average Note to Note Change in Pitch",
        "Amount of Arpeggiation",
        "Repeated Notes",
        "Chromatic Motion",
        "Stepwise Motion",
        "Melodic Large Intervals",
        "Direction of Melodic Motion",
        "Average Length of Melodic Arcs",
        "Average Interval Spanned by Melodic Arcs",
    ),
    "harmony": (
        *(f"Wrapped Vertical Interval Histogram {interval}" for interval in range(12)),
        *(f"{name} Chords Prevalence" for name in CHORDS),
        *(f"Bass Pitch Class Histogram {degree}" for degree in DEGREES),
        "Average Number of Simultaneous Pitch Classes",
        "Variability of Number of Simultaneous Pitch Classes",
    ),
    "rhythm": (
        *(f"Rhythmic Value Histogram {name}" for name in VALUES),
        *(f"Time Between Attacks Histogram {name}" for name in VALUES),
        "Note Density per Quarter Note",
        "Note Density",
        "Average Time Between Attacks",
        "Variability of Time Between Attacks",
        "Mean Tempo",
        "Mean Rhythmic Value",
        "Variability in Rhythmic Values",
    ),
    "metre": (
        *(f"Metre {name}" for name in METRES),
        *(f"Onsets at Sixteenth {place + 1}" for place in range(PLACES)),
    ),
    "figures": tuple(
        f"Interval Class {interval} at Sixteenth {place + 1}"
        for place in range(PLACES)
        for interval in range(12)
    ),
    "texture": (
        "Average Number of Independent Voices",
        "Maximum Number of Independent Voices",
        "Variability of Number of Independent Voices",
        "Complete Rests Fraction",
        "Simultaneous Attacks",
        "Amount of Overlap",
    ),
    "instruments": (
        *(f"{name} Prevalence" for name in FAMILIES),
        "Number of Pitched Instruments",
        "Unpitched Percussion Prevalence",
        "Number of Unpitched Instruments",
    ),
}

#: One name for each number of a vector.
SCORE_FEATURE_NAMES: Final = tuple(name for names in CONTENTS.values() for name in names)


def _slices() -> dict[str, slice]:
    found, start = {}, 0
    for group, names in CONTENTS.items():
        found[group] = slice(start, start + len(names))
        start += len(names)
    return found


#: Where in a vector each group lies, by the name that people are shown.
SCORE_FEATURE_GROUPS: Final = _slices()
