"""Development of a motif: a melody of its transformations, with gaps that the network fills.

The motif is stated, repeated in sequence, inverted and broken into fragments, all within the scale
(Schoenberg, "Fundamentals of Musical Composition", 1967, chapters 3 and 7), and returns before the
end. Between these, bars are left open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.generate.compose.tokens import Bar, Note, score_to_bars, steps_per_bar
from segue.records import Score
from segue.score.lines import extract_melody
from segue.theory.keys import MAJOR_SCALE, MINOR_SCALE

#: A longer score is a motif by its first bars.
MAX_BARS: Final = 4
FIRST_BARS: Final = 2
#: Penalties in nats of departing from the motif itself, and from its transformations.
STATEMENT_PENALTY: Final = 14.0
VARIATION_PENALTY: Final = 7.0
#: Transformations in turn, as often as there is room: name and degrees of the scale that it moves.
_DEVELOPMENT: Final = (
    ("statement", 0), ("sequence", 1), ("open", 0), ("statement", 0),
    ("inversion", 0), ("sequence", -2), ("fragment", 1), ("statement", 0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DevelopedBar:
    """A bar of a development.

    Attributes
    ----------
    transformation : str
        "statement", "sequence", "inversion", "fragment", or "open" for a bar without notes.
    notes : tuple of Note
    """

    transformation: str
    notes: tuple[Note, ...]


def read_motif(score: Score) -> list[Bar]:
    """Return the bars of the melody of a score, the first ones where it is longer than a motif.

    Raises
    ------
    BadArgument
        There is no melody in it.
    """
    bars = score_to_bars(replace(score, parts=(extract_melody(score),)))
    first = next(index for index, bar in enumerate(bars) if bar.notes)
    bars = bars[first:]
    return bars if len(bars) <= MAX_BARS else bars[:FIRST_BARS]


def develop(motif: Sequence[Bar], count: int, key: int, instrument: int) -> list[DevelopedBar]:
    """Develop a motif.

    Parameters
    ----------
    motif : sequence of Bar
        Bars of one time signature.
    count : int
        Number of bars.
    key : int
        Index of the key, from 0: C major, C minor, C♯ major … B minor.
    instrument : int
        Program that plays it.

    Returns
    -------
    list of DevelopedBar
        The last one is open, for an ending.

    Raises
    ------
    BadArgument
        There is no room for the motif, or its time signature changes.
    """
    if len({bar.time_signature for bar in motif}) > 1:
        raise BadArgument("the time signature changes within the motif; give one that keeps it")
    if count <= len(motif):
        raise BadArgument(
            f"--bars {count} leaves no room for a motif of {len(motif)} bars or the ending; "
            f"write --bars {4 * len(motif)} or more"
        )
    bars: list[DevelopedBar] = []
    length = steps_per_bar(motif[0].time_signature)
    slots = (count - 1) // len(motif)
    for slot in range(slots):
        name, degrees = _DEVELOPMENT[slot % len(_DEVELOPMENT)]
        if slot == slots - 1 and slots > 2:  # it returns before the end
            name, degrees = "statement", 0
        transformed = _transform(motif, name, degrees, key, length)
        bars += [
            DevelopedBar(name, tuple(note._replace(instrument=instrument) for note in notes))
            for notes in transformed
        ]
    return bars + [DevelopedBar("open", ())] * (count - len(bars))


def _transform(
    motif: Sequence[Bar], name: str, degrees: int, key: int, length: int
) -> list[tuple[Note, ...]]:
    """Return the notes of each bar of a transformed motif."""
    notes = [bar.notes for bar in motif]
    if name == "open":
        return [()] * len(motif)
    if name == "inversion":
        axis = _degree(next(note for bar in notes for note in bar).pitch, key)[0]
        return [
            tuple(note._replace(pitch=_invert(note.pitch, axis, key)) for note in bar)
            for bar in notes
        ]
    if name == "fragment":  # its first half, and the same in sequence
        half = _first_half(motif, length)
        moved = [_move(note, degrees, key) for note in half]
        total, middle = length * len(motif), length * len(motif) // 2
        placed = half + [note._replace(onset=note.onset + middle) for note in moved]
        return [
            tuple(
                note._replace(onset=note.onset - start)
                for note in placed
                if start <= note.onset < start + length
            )
            for start in range(0, total, length)
        ]
    return [tuple(_move(note, degrees, key) for note in bar) for bar in notes]


def _first_half(motif: Sequence[Bar], length: int) -> list[Note]:
    """Return the notes of the first half of a motif, counted from its beginning, and cut off."""
    middle = length * len(motif) // 2
    notes = [
        note._replace(onset=note.onset + length * index)
        for index, bar in enumerate(motif)
        for note in bar.notes
    ]
    return [
        note._replace(duration=min(note.duration, middle - note.onset))
        for note in notes
        if note.onset < middle
    ]


def _move(note: Note, degrees: int, key: int) -> Note:
    degree, alteration = _degree(note.pitch, key)
    return note._replace(pitch=_pitch(degree + degrees, alteration, key))


def _invert(pitch: int, axis: int, key: int) -> int:
    degree, alteration = _degree(pitch, key)
    return _pitch(2 * axis - degree, -alteration, key)


def _scale(key: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(MINOR_SCALE if key % 2 else MAJOR_SCALE, np.int64)


def _degree(pitch: int, key: int) -> tuple[int, int]:
    """Return the degree of the scale, seven an octave, at or below a pitch, and the alteration."""
    octave, above = divmod(pitch - key // 2, 12)
    index = int(np.searchsorted(_scale(key), above, side="right")) - 1
    return 7 * octave + index, above - int(_scale(key)[index])


def _pitch(degree: int, alteration: int, key: int) -> int:
    octave, index = divmod(degree, 7)
    pitch = key // 2 + 12 * octave + int(_scale(key)[index]) + alteration
    return min(max(pitch, 0), 127)
