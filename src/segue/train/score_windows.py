"""Scores to learn from, and the windows of four bars that are drawn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from segue.represent.score import roll_changes
from segue.represent.score.piano_roll import PITCHES, STEPS
from segue.represent.score.roll_notes import (
    WINDOW_BARS,
    WINDOW_STEPS,
    BoolArray,
    RollNotes,
    cells_of,
    notes_of,
    packed,
    unpacked,
)
from segue.train.loop import Batch

BATCH: Final = 96
#: So many of a batch that learns by contrast are decoded, too: decoding is dear.
DECODED: Final = 40
TRANSPOSED: Final = 0.25  # of the windows
SEMITONES: Final = 6  # up or down
THINNED: Final = 0.15  # of the notes, at most
SILENCED: Final = 0.3  # of the windows lose an instrument
REPLAYED: Final = 0.2  # of the windows are given to other instruments
#: Instruments that may play for one another: all but drums and bass.
_EXCHANGED: Final = np.array([1, 2, 4])
_OCTAVE: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class RollTrack:
    """A score to learn from.

    Attributes
    ----------
    name : str
        Its content hash, say: the same scores are always divided alike.
    bars : ndarray, shape (bars, 2520), uint8
        Its cells, packed by `segue.represent.score.roll_notes.packed`.
    group : str
        What is never divided between learning and judging, an album say; "" for itself.
    weight : float
        How often it is drawn, beside the others.
    """

    name: str
    bars: NDArray[np.uint8]
    group: str = ""
    weight: float = 1.0

    @classmethod
    def of(cls, name: str, cells: BoolArray, group: str = "") -> "RollTrack":
        """Pack a roll's cells, shape (bars, 48, 84, 5), bool."""
        return cls(name, packed(cells), group)

    def starts(self) -> NDArray[np.int64]:
        """Return where windows with a note begin; of a shorter score, its first bar."""
        sounds = np.flatnonzero(self.bars.any(axis=1))
        last = max(len(self.bars) - WINDOW_BARS, 0)
        from_each = sounds[:, None] - np.arange(WINDOW_BARS)
        return np.unique(from_each.clip(0, last))

    def window(self, start: int) -> NDArray[np.uint8]:
        """Return four packed bars; silence where the score has fewer."""
        found = self.bars[start : start + WINDOW_BARS]
        if len(found) == WINDOW_BARS:
            return found
        return np.pad(found, ((0, WINDOW_BARS - len(found)), (0, 0)))


class Windows:
    """Draws windows of four bars.

    Parameters
    ----------
    tracks : sequence of RollTrack
    contrast : bool
        Draw two windows of each song, changed: transposed, thinned, without an instrument, by
        other instruments. Else one, as it is.
    moved : bool
        Without contrast: transposed by up to `SEMITONES`.
    """

    def __init__(self, tracks: Sequence[RollTrack], *, contrast: bool, moved: bool = False) -> None:
        self._moved = moved
        self._tracks = tracks
        self._starts = [track.starts() for track in tracks]
        weights = np.array([track.weight for track in tracks])
        self._weights = weights / weights.sum()
        self._notes = [notes_of(unpacked(track.bars)[None]) for track in tracks] if contrast else []

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch, as `RollVAE.loss` takes it."""
        if not self._notes:
            cells = self.some(BATCH, rng)
            if self._moved:
                by = rng.integers(-SEMITONES, SEMITONES + 1, len(cells)).tolist()
                pairs = zip(cells, by, strict=True)
                cells = np.stack([roll_changes.transposed(one, moved) for one, moved in pairs])
            return (torch.from_numpy(cells),)
        count = min(BATCH, int(np.count_nonzero(self._weights)))
        chosen = rng.choice(len(self._tracks), count, replace=False, p=self._weights).tolist()
        starts = np.array([self._two(number, rng) for number in chosen])
        windows = [
            (self._notes[number], start)
            for side in range(2)
            for number, start in zip(chosen, starts[:, side].tolist(), strict=True)
        ]
        notes = replayed(transposed(together(windows), rng), rng)
        wanted = cells_of(notes.first(min(DECODED, count)))
        # What is given is not all that is wanted, so that the rest is learned to be filled in.
        notes = thinned(without_some(notes, count, rng), rng)
        columns = (notes.window, notes.instrument, notes.step, notes.pitch, notes.length)
        return torch.from_numpy(wanted), torch.from_numpy(np.stack(columns, axis=1))

    def fixed(self, count: int, seed: int) -> list[Batch]:
        """Draw batches that are always the same."""
        return [self.draw(np.random.default_rng([seed, number])) for number in range(count)]

    def some(self, count: int, rng: np.random.Generator) -> BoolArray:
        """Draw windows as they are, shape (count, 4, 48, 84, 5)."""
        chosen = rng.choice(len(self._tracks), count, p=self._weights).tolist()
        starts = [int(rng.choice(self._starts[number])) for number in chosen]
        tracks = [self._tracks[number] for number in chosen]
        return unpacked(
            np.stack([track.window(start) for track, start in zip(tracks, starts, strict=True)])
        )

    def _two(self, number: int, rng: np.random.Generator) -> tuple[int, int]:
        """Draw where two windows begin, which share no bar where the song is long enough."""
        starts = self._starts[number]
        first = int(rng.choice(starts))
        apart = starts[np.abs(starts - first) >= WINDOW_BARS]
        return first, int(rng.choice(apart if len(apart) else starts))


def together(windows: Sequence[tuple[RollNotes, int]]) -> RollNotes:
    """Cut windows out of songs: from each the notes, and the bar at which the window begins."""
    columns: list[list[NDArray[np.int64]]] = [[], [], [], [], []]
    for number, (song, start) in enumerate(windows):
        first = start * STEPS
        end = song.step + song.length
        here = np.flatnonzero((song.step < first + WINDOW_STEPS) & (end > first))
        step = np.maximum(song.step[here] - first, 0)
        length = np.minimum(end[here] - first, WINDOW_STEPS) - step
        found = (np.full(len(here), number), song.instrument[here], step, song.pitch[here], length)
        for column, values in zip(columns, found, strict=True):
            column.append(values)
    return RollNotes.of([np.concatenate(column) for column in columns], len(windows))


def transposed(notes: RollNotes, rng: np.random.Generator) -> RollNotes:
    """Move some windows, but for their drums; what would leave the grid moves by an octave."""
    by = rng.integers(-SEMITONES, SEMITONES + 1, notes.windows)
    by[rng.random(notes.windows) >= TRANSPOSED] = 0
    pitch = notes.pitch + np.where(notes.instrument > 0, by[notes.window], 0)
    pitch += np.where(pitch < 0, _OCTAVE, 0) - np.where(pitch >= PITCHES, _OCTAVE, 0)
    return RollNotes(
        notes.window, notes.instrument, notes.step, pitch, notes.length, notes.windows
    ).ordered()


def replayed(notes: RollNotes, rng: np.random.Generator) -> RollNotes:
    """Give the parts of some windows to other instruments; drums and bass stay."""
    plays = np.tile(np.arange(_EXCHANGED.max() + 1), (notes.windows, 1))
    for window in np.flatnonzero(rng.random(notes.windows) < REPLAYED):
        plays[window, _EXCHANGED] = rng.permutation(_EXCHANGED)
    instrument = plays[notes.window, notes.instrument]
    return RollNotes(
        notes.window, instrument, notes.step, notes.pitch, notes.length, notes.windows
    ).ordered()


def without_some(notes: RollNotes, since: int, rng: np.random.Generator) -> RollNotes:
    """Leave out one instrument of some windows from `since` on, where two or more play."""
    gone = np.full(notes.windows, -1)
    for window in since + np.flatnonzero(rng.random(notes.windows - since) < SILENCED):
        first, last = np.searchsorted(notes.window, (window, window + 1))
        playing = np.unique(notes.instrument[first:last])
        if len(playing) > 1:
            gone[window] = rng.choice(playing)
    return notes.only(notes.instrument != gone[notes.window])


def thinned(notes: RollNotes, rng: np.random.Generator) -> RollNotes:
    """Leave out a share of each window's notes, but never the first."""
    share = rng.uniform(0, THINNED, notes.windows)
    kept = rng.random(len(notes.window)) >= share[notes.window]
    kept[np.unique(notes.window, return_index=True)[1]] = True
    return notes.only(kept)
