"""Queries of four bars, whose song is to be retrieved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recipes.datasets.piano_rolls import Song
from segue.records import BoolArray, FloatArray
from segue.score.piano_roll import WINDOW_BARS, transpose, unpack_bars
from segue.score.vae.model import l2_normalise

FEWEST_NOTES = 12
FEWEST_BARS = 12
FEWEST_STARTS = 9
QUERIES = 4  # of each song
AT_ONCE = 512

Place = Callable[[BoolArray], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked, and among what.

    Attributes
    ----------
    songs : list of Song
    window_song, window_start : ndarray, shape (windows,)
        Of the candidates: every four bars of every song.
    query_song, query_start, query_shift : ndarray, shape (queries,)
    """

    songs: list[Song]
    window_song: NDArray[np.int64]
    window_start: NDArray[np.int64]
    query_song: NDArray[np.int64]
    query_start: NDArray[np.int64]
    query_shift: NDArray[np.int64]

    def windows(self, some: slice) -> BoolArray:
        """Return candidates, shape (n, 4, 48, 84, 5)."""
        return unpack_bars(
            np.stack(
                [
                    self.songs[song].bars[at : at + WINDOW_BARS]
                    for song, at in zip(
                        self.window_song[some], self.window_start[some], strict=True
                    )
                ]
            )
        )

    def queries(self) -> BoolArray:
        """Return what is asked, transposed."""
        return np.stack(
            [
                transpose(unpack_bars(self.songs[song].bars[at : at + WINDOW_BARS]), int(shift))
                for song, at, shift in zip(
                    self.query_song, self.query_start, self.query_shift, strict=True
                )
            ]
        )

    def places(self, place: Place) -> tuple[FloatArray, FloatArray]:
        """Place candidates and queries in a space, by vectors of length 1."""
        count = len(self.window_song)
        found = [place(self.windows(slice(at, at + AT_ONCE))) for at in range(0, count, AT_ONCE)]
        return l2_normalise(np.concatenate(found)), l2_normalise(place(self.queries()))


def starts(song: Song) -> NDArray[np.int64]:
    """Return where four bars begin that have enough notes."""
    cells = song.cells
    on = cells.copy().reshape(-1, *cells.shape[2:])
    on[1:] &= ~cells.reshape(-1, *cells.shape[2:])[:-1]
    notes = on.reshape(len(cells), -1).sum(axis=1)
    together = np.convolve(notes, np.ones(WINDOW_BARS, np.int64), "valid")
    return np.flatnonzero(together >= FEWEST_NOTES)


def question(held: Sequence[Song]) -> Question:
    """Draw queries; tunes of the folk collections are too short to have other bars."""
    rng = np.random.default_rng(5)
    kept: list[Song] = []
    windows, queries = [], []
    for song in held:
        if song.source == "folk" or len(song.bars) < FEWEST_BARS:
            continue
        at = starts(song)
        if len(at) < FEWEST_STARTS:
            continue
        number = len(kept)
        kept.append(song)
        windows += [(number, start) for start in at.tolist()]
        chosen = rng.choice(at, QUERIES, replace=False).tolist()
        queries += [(number, start, int(rng.integers(-5, 7))) for start in chosen]
    return Question(kept, *np.array(windows).T, *np.array(queries).T)


@dataclass(frozen=True, slots=True, eq=False)
class Similar:
    """How alike each query is to each song, shape (queries, songs), by two rules."""

    nearest: FloatArray
    mean: FloatArray


def compared(asked: Question, place: Place) -> Similar:
    return similar(asked, *asked.places(place))


def similar(asked: Question, stored: FloatArray, query: FloatArray) -> Similar:
    count = len(asked.songs)
    nearest = np.full((len(query), count), -1.0, np.float32)
    mean = np.empty_like(nearest)
    bounds = np.searchsorted(asked.window_song, np.arange(count + 1))
    for song, (first, last) in enumerate(pairwise(bounds.tolist())):
        alike = query @ stored[first:last].T
        whole = stored[first:last].sum(axis=0)
        nearest[:, song] = alike.max(axis=1)
        mean[:, song] = query @ (whole / max(float(np.linalg.norm(whole)), 1e-9))
        for row in np.flatnonzero(asked.query_song == song):
            apart = np.abs(asked.window_start[first:last] - asked.query_start[row]) >= WINDOW_BARS
            nearest[row, song] = alike[row, apart].max() if apart.any() else -1
            rest = stored[first:last][apart].sum(axis=0)
            mean[row, song] = query[row] @ (rest / max(float(np.linalg.norm(rest)), 1e-9))
    return Similar(nearest, mean)


def ranks(alike: FloatArray, asked: Question) -> NDArray[np.int64]:
    """Return the rank of the right song for each query; ties count against it."""
    own = alike[np.arange(len(alike)), asked.query_song]
    return np.asarray((alike >= own[:, None]).sum(axis=1))
