"""Names for any set of pitch classes, and the keys that hold it."""

from collections.abc import Iterable
from typing import Final

from segue.represent.harmony import PITCH_CLASSES
from segue.represent.score.notes import normal_order

#: What musicians write after the root, and the pitch classes above it; those before win where a
#: set has several names (C6 is Am7, Csus2 is Gsus4). What lacks its fifth comes last.
_NAMES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "m(maj7)": (0, 3, 7, 11),
    "7sus4": (0, 5, 7, 10),
    "add2": (0, 2, 4, 7),
    "madd2": (0, 2, 3, 7),
    "add4": (0, 4, 5, 7),
    "madd4": (0, 3, 5, 7),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "m9": (0, 2, 3, 7, 10),
    "6/9": (0, 2, 4, 7, 9),
    "7b9": (0, 1, 4, 7, 10),
    "7#9": (0, 3, 4, 7, 10),
    "aug7": (0, 4, 8, 10),
    "maj7#5": (0, 4, 8, 11),
    "7b5": (0, 4, 6, 10),
    "m11": (0, 2, 3, 5, 7, 10),
    "maj7sus4": (0, 5, 7, 11),
    "add2, no fifth": (0, 2, 4),
    "madd2, no fifth": (0, 2, 3),
    "maj7, no fifth": (0, 4, 11),
    "7, no fifth": (0, 4, 10),
    "m7, no fifth": (0, 3, 10),
    "m(maj7), no fifth": (0, 3, 11),
    "maj7, no third": (0, 7, 11),
    "7, no third": (0, 7, 10),
    "add4, no fifth": (0, 4, 5),
}
_INTERVALS: Final = (
    "",
    "minor second",
    "major second",
    "minor third",
    "major third",
    "",  # written as the fifth below
    "tritone",
)
_MAJOR: Final = frozenset({0, 2, 4, 5, 7, 9, 11})


def chord_name(classes: Iterable[int]) -> str:
    """Name a set of pitch classes as musicians do.

    Parameters
    ----------
    classes : iterable of int
        0 for C.

    Returns
    -------
    str
        "Aadd2, no fifth" of 9, 11, 1; "G5" of 7, 2; "minor third on A" of 9, 0; "" where it has
        no usual name, and of a single pitch class.
    """
    order = normal_order(classes)
    if len(order) == 2:
        return _interval_name(*order)
    for name, above in _NAMES.items():
        for root in order:
            if {(root + each) % 12 for each in above} == set(order):
                return f"{PITCH_CLASSES[root]}{name}"
    return ""


def _interval_name(low: int, high: int) -> str:
    interval = (high - low) % 12
    if interval == 5:
        return f"{PITCH_CLASSES[high]}5"
    return f"{_INTERVALS[interval]} on {PITCH_CLASSES[low]}"


def class_names(classes: Iterable[int]) -> tuple[str, ...]:
    """Return the names of pitch classes: ("A", "B", "C#")."""
    return tuple(PITCH_CLASSES[each] for each in classes)


def keys_with(classes: Iterable[int]) -> tuple[str, ...]:
    """List the keys whose scale holds all of some pitch classes.

    Parameters
    ----------
    classes : iterable of int
        0 for C.

    Returns
    -------
    tuple of str
        Of the 24, along the circle of fifths from C: "C major", "A minor". The minor scale is the
        natural one, so that a key and its relative always come together.
    """
    wanted = set(classes)
    found = []
    for fifths in range(12):
        tonic = 7 * fifths % 12
        if wanted <= {(tonic + step) % 12 for step in _MAJOR}:
            found += [f"{PITCH_CLASSES[tonic]} major", f"{PITCH_CLASSES[(tonic + 9) % 12]} minor"]
    return tuple(found)
