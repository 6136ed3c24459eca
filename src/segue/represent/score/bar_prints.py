"""What tells a bar of a part from others, in whatever key: to find passages that were copied."""

import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from segue.represent.score.vocabulary import DRUMS, Bar

#: A bar with fewer different pitches is everywhere, and tells nothing.
TELLING_PITCHES: Final = 3


class Print(NamedTuple):
    """A bar of a part.

    Attributes
    ----------
    content : int
        A hash of its onsets and of the intervals between its notes; 0 where it has no note.
    first : int
        Pitch of its first note, the lowest of them.
    telling : bool
        It is not such as is everywhere.
    """

    content: int
    first: int
    telling: bool


SILENT: Final = Print(0, 0, False)


def bar_print(bar: Bar, instrument: int) -> Print:
    """Return what an instrument plays in a bar, in whatever key, however long and loud."""
    notes = [(note.onset, note.pitch) for note in bar.notes if note.instrument == instrument]
    if not notes:
        return SILENT
    first = notes[0][1]
    moved = np.array([(onset, pitch - first) for onset, pitch in notes], np.int16)
    pitches = {pitch for _, pitch in notes}
    return Print(zlib.crc32(moved.tobytes()) or 1, first, len(pitches) >= TELLING_PITCHES)


def part_prints(bars: Sequence[Bar]) -> dict[int, list[Print]]:
    """Return the prints of each part, bar by bar; drums are left out, for all beat alike."""
    playing = sorted(frozenset[int]().union(*(bar.instruments for bar in bars)) - {DRUMS})
    return {number: [bar_print(bar, number) for bar in bars] for number in playing}
