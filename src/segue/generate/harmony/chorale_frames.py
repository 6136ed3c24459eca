"""Chorales as frames: a soprano and the voices below it.

A frame is a sixteenth. In compound time (6/8, 9/8, 12/8) the beat is a dotted quarter, and stands
for the quarter of a chorale: its four frames are two eighths and two sixteenths, so that voices
change with the beat and with its last eighth. A chorale's data cannot tell a note that is sung
again from one that is held: where the melody repeats a note, the other voices may hold theirs.

Where the melody rests for less than two beats, the others hold; where longer, they rest, too.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.score.timing import BarGrid, bar_grid

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

VOICE_NAMES: Final = ("Soprano", "Alto", "Tenor", "Bass")
CHOIR: Final = 52  # General MIDI: choir aahs
MOST_BARS: Final = 1000
BEAT: Final = 4  # frames
_LONG_REST: Final = 2 * BEAT
#: A beat of three eighths in frames: where each begins, in sixteenths.
_COMPOUND: Final = (0, 2, 4, 5)
#: What sopranos of chorales sing, and where they are in the mean.
SOPRANO: Final = (60, 81)
_USUAL: Final = 70.4
#: The lower voices lie up to so many semitones below the lowest soprano.
_BELOW: Final = 24
_SOFTER: Final = 0.85


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """A melody cut into frames; long rests are left out.

    Attributes
    ----------
    start, end : ndarray, shape (T,), int64
        Ticks.
    pitch : ndarray, shape (T,), int64
        What the soprano sings, moved by `shift`; in short rests, what it sang.
    is_sung : ndarray, shape (T,), bool
        Else the melody has not begun yet.
    shift : int
        Semitones from the melody to the soprano.
    """

    start: IntArray
    end: IntArray
    pitch: IntArray
    is_sung: BoolArray
    shift: int

    def __len__(self) -> int:
        return len(self.pitch)


def frames_of(melody: Part, score: Score) -> Frames:
    """Cut a melody into frames, and move it to where sopranos sing.

    Parameters
    ----------
    melody : Part
        One note at a time.
    score : Score
        Its metres.

    Returns
    -------
    Frames

    Raises
    ------
    BadArgument
        A metre has no sixteenths, there are more than 1000 bars, or the melody lies so low that
        nothing can be sung below it.
    """
    divided = bar_grid(replace(score, parts=(melody,)))
    if len(divided) > MOST_BARS:
        raise BadArgument(
            f"{len(divided)} bars; at most {MOST_BARS} are harmonised at a time: cut the melody"
        )
    beats = _beats(divided)
    begins = melody.notes[:, 0].astype(np.int64)
    ends = begins + melody.notes[:, 1]
    first = int(np.searchsorted([edges[0] for edges in beats], begins[0], side="right")) - 1
    edges = np.concatenate([beat[:-1] for beat in beats[max(first, 0) :]] + [beats[-1][-1:]])
    edges = edges[: int(np.searchsorted(edges, ends.max())) + 1]
    start, end = edges[:-1], np.append(edges[1:-1], ends.max())
    note = _sounding(begins, ends, start, edges[1:])
    kept, note, is_sung = _without_rests(note)
    shift = soprano_shift(melody.notes[note, 2])
    pitch = _folded(melody.notes[note, 2].astype(np.int64) + shift)
    return Frames(start[kept], end[kept], pitch, is_sung, shift)


def soprano_shift(pitch: NDArray[np.integer]) -> int:
    """Return by how many semitones a melody is best moved to be a soprano.

    Parameters
    ----------
    pitch : ndarray, shape (n,), int
        MIDI pitches.

    Raises
    ------
    BadArgument
        It lies too low for voices below it.
    """
    low, high = SOPRANO
    if pitch.min() >= low and pitch.max() <= high:
        return 0
    shifts = np.array(sorted(range(-72, 73), key=lambda shift: (abs(shift), shift)))
    moved = pitch.astype(np.int64) + shifts[:, None]
    outside = ((moved < low) | (moved > high)).mean(axis=1)
    cost = 40 * outside + np.abs(moved.mean(axis=1) - _USUAL) / 4 + (shifts != 0)
    shift = int(shifts[cost.argmin()])
    if low - shift < _BELOW + 12:
        raise BadArgument(
            f"the melody lies around MIDI pitch {pitch.mean():.0f}, too low for three voices "
            "below it: move it up by an octave or more"
        )
    return shift


def parts_of(frames: Frames, voices: IntArray, melody: Part) -> tuple[Part, ...]:
    """Return soprano, alto, tenor and bass.

    Parameters
    ----------
    frames : Frames
    voices : ndarray, shape (T, 3), int64
        MIDI pitches of alto, tenor and bass, below 0 for silence.
    melody : Part
        The soprano's notes, which stay as they are.

    Returns
    -------
    tuple of Part
        Equal frames are one note. A voice that is silent throughout is left out.
    """
    velocity = max(round(float(np.median(melody.notes[:, 3])) * _SOFTER), 1)
    found = [replace(melody, name=VOICE_NAMES[0], program=CHOIR)]
    begins = int(melody.notes[:, 0].min())
    for name, pitch in zip(VOICE_NAMES[1:], voices.T, strict=True):
        sounds = frames.is_sung & (pitch >= 0)
        follows = np.zeros(len(frames), np.bool_)
        follows[1:] = (
            sounds[1:]
            & sounds[:-1]
            & (pitch[1:] == pitch[:-1])
            & (frames.start[1:] == frames.end[:-1])
        )
        first = np.flatnonzero(sounds & ~follows)
        last = np.flatnonzero(sounds & ~np.append(follows[1:], False))
        onset = np.maximum(frames.start[first], begins)
        rows = np.stack(
            [
                onset,
                frames.end[last] - onset,
                np.clip(pitch[first] - frames.shift, 0, 127),
                np.full(len(first), velocity),
            ],
            axis=1,
        )
        if len(rows):
            found.append(Part(name, CHOIR, False, rows.astype(np.int32)))
    return tuple(found)


def _beats(divided: BarGrid) -> list[IntArray]:
    """Return the edges of the frames of each beat: one more than it has frames."""
    found = []
    metres = zip(divided.numerators.tolist(), divided.denominators.tolist(), strict=True)
    for bar, (count, unit) in enumerate(metres):
        first, last = int(divided.edges[bar]), int(divided.edges[bar + 1])
        steps, rest = divmod(16 * count, unit)
        if rest:
            raise BadArgument(
                f"bar {bar + 1} is in {count}/{unit}; a chorale's bars are made of sixteenths"
            )
        if unit == 8 and count % 3 == 0:
            places = [6 * beat + at for beat in range(count // 3) for at in _COMPOUND]
        else:
            places = list(range(steps))
        edges = first + np.rint(np.array([*places, steps]) * (last - first) / steps)
        edges = edges.astype(np.int64)
        found += [edges[at : at + BEAT + 1] for at in range(0, len(edges) - 1, BEAT)]
    return found


def _sounding(begins: IntArray, ends: IntArray, start: IntArray, end: IntArray) -> IntArray:
    """Return which note sounds in each frame, by its number; -1 where none does."""
    middle = (start + end) // 2
    last = np.searchsorted(begins, middle, side="right") - 1
    found = np.where((last >= 0) & (ends[last] > middle), last, -1)
    # A short note that sounds beside the middle is better than none.
    late = np.searchsorted(begins, end, side="left") - 1
    return np.where((found < 0) & (late >= 0) & (ends[late] > start), late, found)


def _without_rests(note: IntArray) -> tuple[IntArray, IntArray, BoolArray]:
    """Fill short rests, and leave out whole beats of long ones.

    Returns
    -------
    kept : ndarray of int64
        Frames that stay.
    note : ndarray of int64
        The note of each of them.
    is_sung : ndarray of bool
    """
    count = len(note)
    has = note >= 0
    before = np.maximum.accumulate(np.where(has, np.arange(count), -1))
    after = np.minimum.accumulate(np.where(has, np.arange(count), count)[::-1])[::-1]
    resting = after - before - 1
    kept = np.ones(count, np.bool_)
    filled = note.copy()
    is_sung = np.ones(count, np.bool_)
    for at in np.flatnonzero(~has).tolist():
        previous, following = int(before[at]), int(after[at])
        is_short = previous >= 0 and (resting[at] < _LONG_REST or following == count)
        holds = previous >= 0 and (is_short or at < -(-(previous + 1) // BEAT) * BEAT)
        leads = following < count and at >= following // BEAT * BEAT
        if holds:
            filled[at] = note[previous]
        elif leads:
            filled[at], is_sung[at] = note[following], False
        else:
            kept[at] = False
    return np.flatnonzero(kept), filled[kept], is_sung[kept]


def _folded(pitch: IntArray) -> IntArray:
    """Move by octaves what no soprano sings: only what the network is told, no note."""
    low, high = SOPRANO
    pitch = pitch - 12 * np.maximum(-(-(pitch - high) // 12), 0)
    return np.asarray(pitch + 12 * np.maximum(-(-(low - 3 - pitch) // 12), 0), np.int64)
