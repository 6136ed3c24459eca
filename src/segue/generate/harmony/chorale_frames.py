"""Conversion between a melody and the frames of a chorale, its soprano.

A frame is a sixteenth. In compound time (6/8, 9/8, 12/8) the beat is a dotted quarter and counts as
a quarter of a chorale: its four frames are two eighths and two sixteenths, so that voices change on
the beat and on its last eighth. Chorale data do not distinguish repeated from held notes: where the
melody repeats a note, the other voices may hold theirs.

In rests of less than two beats the other voices hold their notes; longer rests are left out.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.copying import PassageIndex, longest_shared_notes
from segue.records import BoolArray, IntArray, Part, Score
from segue.score.timing import BarGrid, bar_grid

VOICE_NAMES: Final = ("Soprano", "Alto", "Tenor", "Bass")
CHOIR_PROGRAM: Final = 52  # General MIDI: choir aahs
MAX_BARS: Final = 1000
FRAMES_PER_BEAT: Final = 4
_LONG_REST: Final = 2 * FRAMES_PER_BEAT
#: Onsets of the frames of a compound beat, in sixteenths.
_COMPOUND_FRAMES: Final = (0, 2, 4, 5)
#: Range and mean of the sopranos of chorales, as MIDI pitches.
SOPRANO_RANGE: Final = (60, 81)
_SOPRANO_MEAN: Final = 70.4
#: Semitones from the lowest soprano to the lowest bass.
_BASS_BELOW_SOPRANO: Final = 24
_VELOCITY_FACTOR: Final = 0.85


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """A melody as frames, without long rests.

    Attributes
    ----------
    start, end : ndarray, shape (T,), int64
        Ticks.
    pitch : ndarray, shape (T,), int64
        MIDI pitch of the soprano, transposed by `shift`; in short rests, of the note before.
    is_sung : ndarray, shape (T,), bool
        False before the melody begins.
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


def melody_frames(melody: Part, score: Score) -> Frames:
    """Cut a melody into frames, and transpose it to the soprano's range.

    Parameters
    ----------
    melody : Part
        A monophonic part.
    score : Score
        Its time signatures.

    Raises
    ------
    BadArgument
        A time signature has no sixteenths, there are more than 1000 bars, or the melody is too low
        for voices below it.
    """
    grid = bar_grid(replace(score, parts=(melody,)))
    if len(grid) > MAX_BARS:
        raise BadArgument(
            f"{len(grid)} bars; at most {MAX_BARS} are harmonised at a time: cut the melody"
        )
    beats = _beat_edges(grid)
    onsets = melody.notes[:, 0].astype(np.int64)
    offsets = onsets + melody.notes[:, 1]
    first = int(np.searchsorted([edges[0] for edges in beats], onsets[0], side="right")) - 1
    edges = np.concatenate([beat[:-1] for beat in beats[max(first, 0) :]] + [beats[-1][-1:]])
    edges = edges[: int(np.searchsorted(edges, offsets.max())) + 1]
    start, end = edges[:-1], np.append(edges[1:-1], offsets.max())
    note = _sounding_note(onsets, offsets, start, edges[1:])
    rows, note, is_sung = _fill_rests(note)
    shift = soprano_shift(melody.notes[note, 2])
    pitch = _fold_into_range(melody.notes[note, 2].astype(np.int64) + shift)
    return Frames(start[rows], end[rows], pitch, is_sung, shift)


def soprano_shift(pitch: NDArray[np.integer]) -> int:
    """Return the transposition in semitones that best brings a melody into the soprano's range.

    Parameters
    ----------
    pitch : ndarray, shape (n,), int
        MIDI pitches.

    Raises
    ------
    BadArgument
        The melody is too low for voices below it.
    """
    low, high = SOPRANO_RANGE
    if pitch.min() >= low and pitch.max() <= high:
        return 0
    shifts = np.array(sorted(range(-72, 73), key=lambda shift: (abs(shift), shift)))
    shifted = pitch.astype(np.int64) + shifts[:, None]
    outside = ((shifted < low) | (shifted > high)).mean(axis=1)
    cost = 40 * outside + np.abs(shifted.mean(axis=1) - _SOPRANO_MEAN) / 4 + (shifts != 0)
    shift = int(shifts[cost.argmin()])
    if low - shift < _BASS_BELOW_SOPRANO + 12:
        raise BadArgument(
            f"the melody lies around MIDI pitch {pitch.mean():.0f}, too low for three voices "
            "below it: move it up by an octave or more"
        )
    return shift


def voice_parts(frames: Frames, voices: IntArray, melody: Part) -> tuple[Part, ...]:
    """Return soprano, alto, tenor and bass as parts.

    Parameters
    ----------
    frames : Frames
    voices : ndarray, shape (T, 3), int64
        MIDI pitches of alto, tenor and bass, below 0 for silence.
    melody : Part
        The soprano's notes, which are kept.

    Returns
    -------
    tuple of Part
        Equal successive frames are one note. A voice that is silent throughout is left out.
    """
    velocity = max(round(float(np.median(melody.notes[:, 3])) * _VELOCITY_FACTOR), 1)
    parts = [replace(melody, name=VOICE_NAMES[0], program=CHOIR_PROGRAM)]
    begin = int(melody.notes[:, 0].min())
    for name, pitch in zip(VOICE_NAMES[1:], voices.T, strict=True):
        sounds = frames.is_sung & (pitch >= 0)
        tied = np.zeros(len(frames), np.bool_)
        tied[1:] = (
            sounds[1:]
            & sounds[:-1]
            & (pitch[1:] == pitch[:-1])
            & (frames.start[1:] == frames.end[:-1])
        )
        first = np.flatnonzero(sounds & ~tied)
        last = np.flatnonzero(sounds & ~np.append(tied[1:], False))
        onset = np.maximum(frames.start[first], begin)
        notes = np.column_stack(
            [
                onset,
                frames.end[last] - onset,
                np.clip(pitch[first] - frames.shift, 0, 127),
                np.full(len(first), velocity),
            ]
        )
        if len(notes):
            parts.append(Part(name, CHOIR_PROGRAM, False, notes.astype(np.int32)))
    return tuple(parts)


def _beat_edges(grid: BarGrid) -> list[IntArray]:
    """Return the edges of the frames of each beat: one more than it has frames."""
    beats = []
    time_signatures = zip(grid.numerators.tolist(), grid.denominators.tolist(), strict=True)
    for bar, (count, unit) in enumerate(time_signatures):
        first, last = int(grid.edges[bar]), int(grid.edges[bar + 1])
        sixteenths, rest = divmod(16 * count, unit)
        if rest:
            raise BadArgument(
                f"bar {bar + 1} is in {count}/{unit}; a chorale's bars are made of sixteenths"
            )
        if unit == 8 and count % 3 == 0:
            onsets = [6 * beat + at for beat in range(count // 3) for at in _COMPOUND_FRAMES]
        else:
            onsets = list(range(sixteenths))
        edges = first + np.rint(np.array([*onsets, sixteenths]) * (last - first) / sixteenths)
        edges = edges.astype(np.int64)
        beats += [
            edges[at : at + FRAMES_PER_BEAT + 1] for at in range(0, len(edges) - 1, FRAMES_PER_BEAT)
        ]
    return beats


def _sounding_note(onsets: IntArray, offsets: IntArray, start: IntArray, end: IntArray) -> IntArray:
    """Return the index of the note that sounds in each frame; -1 for none."""
    middle = (start + end) // 2
    last = np.searchsorted(onsets, middle, side="right") - 1
    at_middle = np.where((last >= 0) & (offsets[last] > middle), last, -1)
    # A short note that misses the middle of the frame is better than none.
    latest = np.searchsorted(onsets, end, side="left") - 1
    return np.where((at_middle < 0) & (latest >= 0) & (offsets[latest] > start), latest, at_middle)


def _fill_rests(note: IntArray) -> tuple[IntArray, IntArray, BoolArray]:
    """Fill short rests with the note before, and leave out whole beats of long ones.

    Returns
    -------
    rows : ndarray of int64
        Indices of the remaining frames.
    note : ndarray of int64
        Index of the note of each of them.
    is_sung : ndarray of bool
    """
    count = len(note)
    has_note = note >= 0
    before = np.maximum.accumulate(np.where(has_note, np.arange(count), -1))
    after = np.minimum.accumulate(np.where(has_note, np.arange(count), count)[::-1])[::-1]
    rest = after - before - 1
    remains = np.ones(count, np.bool_)
    filled = note.copy()
    is_sung = np.ones(count, np.bool_)
    for at in np.flatnonzero(~has_note).tolist():
        previous, following = int(before[at]), int(after[at])
        is_short = previous >= 0 and (rest[at] < _LONG_REST or following == count)
        next_beat = -(-(previous + 1) // FRAMES_PER_BEAT) * FRAMES_PER_BEAT
        holds = previous >= 0 and (is_short or at < next_beat)
        same_beat = at >= following // FRAMES_PER_BEAT * FRAMES_PER_BEAT
        if holds:
            filled[at] = note[previous]
        elif following < count and same_beat:
            filled[at], is_sung[at] = note[following], False
        else:
            remains[at] = False
    return np.flatnonzero(remains), filled[remains], is_sung[remains]


def _fold_into_range(pitch: IntArray) -> IntArray:
    """Move pitches by octaves into the soprano's range: for the network only, not for notes."""
    low, high = SOPRANO_RANGE
    pitch = pitch - 12 * np.maximum(-(-(pitch - high) // 12), 0)
    return np.asarray(pitch + 12 * np.maximum(-(-(low - 3 - pitch) // 12), 0), np.int64)


# --- copy detection ---

CHECKPOINT_KIND: Final = "known chorales"
PRETRAINED: Final = WEIGHTS / "chorale-runs.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class KnownChorales:
    """The training set of the chorale network, as n-grams of its lower voices.

    Attributes
    ----------
    voices : tuple of PassageIndex
        Indexes of alto, tenor and bass; see `segue.generate.copying.melody_ngrams`.
    """

    voices: tuple[PassageIndex, ...]

    def report(self, pitches: NDArray[np.integer]) -> dict[str, Any]:
        """Report the longest passage that a voice shares with the same voice of a chorale.

        Parameters
        ----------
        pitches : ndarray of int, shape (frames, 4)
            MIDI pitches of soprano, alto, tenor and bass in each sixteenth; below 0 for silence.

        Returns
        -------
        dict
            "notes", 0 if there are not six; "sixteenths" from the first onset to the last; and
            the names of "voice" and "chorale".
        """
        report: dict[str, Any] = {"notes": 0, "sixteenths": 0, "voice": "", "chorale": ""}
        for index, name, voice in zip(self.voices, VOICE_NAMES[1:], pitches.T[1:], strict=True):
            notes = voice_notes(voice)
            shared = longest_shared_notes(index, notes)
            if shared.length > report["notes"]:
                report = {
                    "notes": shared.length,
                    "sixteenths": int(notes[shared.end, 1] - notes[shared.start, 1]),
                    "voice": name,
                    "chorale": index.names[shared.piece],
                }
        return report

    @classmethod
    def load(cls, path: Path = PRETRAINED) -> "KnownChorales":
        """Read n-grams, by default those of the bundled network's training set.

        Raises
        ------
        BadCheckpoint
            The file is missing or damaged.
        """
        from segue.nn.checkpoint import load_checkpoint

        checkpoint = load_checkpoint(path, CHECKPOINT_KIND)
        try:
            voices = [
                PassageIndex.from_starts(
                    checkpoint.tensors[f"{name}.runs"].numpy().view(np.uint16),
                    checkpoint.tensors[f"{name}.starts"].numpy(),
                    checkpoint.metadata["names"],
                )
                for name in VOICE_NAMES[1:]
            ]
        except (BadArgument, KeyError, TypeError, ValueError) as error:
            raise BadCheckpoint(f"{path} holds no chorales ({error})") from None
        return cls(tuple(voices))


def voice_notes(pitches: NDArray[np.integer]) -> IntArray:
    """Return pitch and first frame of each note of a voice; equal successive frames are one."""
    onsets = np.flatnonzero(np.diff(pitches, prepend=-2) != 0)
    onsets = onsets[pitches[onsets] >= 0]
    return np.column_stack([pitches[onsets], onsets]).astype(np.int64)
