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

Embed = Callable[[BoolArray], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalTask:
    """Queries and the candidate windows.

    Attributes
    ----------
    songs : list of Song
    window_song, window_start : ndarray, shape (windows,)
        Song and first bar of the candidates: every four bars of every song.
    query_song, query_start, query_shift : ndarray, shape (queries,)
    """

    songs: list[Song]
    window_song: NDArray[np.int64]
    window_start: NDArray[np.int64]
    query_song: NDArray[np.int64]
    query_start: NDArray[np.int64]
    query_shift: NDArray[np.int64]

    def windows(self, rows: slice) -> BoolArray:
        """Return candidates, shape (n, 4, 48, 84, 5)."""
        return unpack_bars(
            np.stack(
                [
                    self.songs[song].bars[start : start + WINDOW_BARS]
                    for song, start in zip(
                        self.window_song[rows], self.window_start[rows], strict=True
                    )
                ]
            )
        )

    def queries(self) -> BoolArray:
        """Return the queries, transposed, shape (n, 4, 48, 84, 5)."""
        return np.stack(
            [
                transpose(
                    unpack_bars(self.songs[song].bars[start : start + WINDOW_BARS]), int(shift)
                )
                for song, start, shift in zip(
                    self.query_song, self.query_start, self.query_shift, strict=True
                )
            ]
        )

    def embeddings(self, embed: Embed) -> tuple[FloatArray, FloatArray]:
        """Return unit embeddings of the candidates and the queries."""
        count = len(self.window_song)
        embedded = [
            embed(self.windows(slice(first, first + AT_ONCE))) for first in range(0, count, AT_ONCE)
        ]
        return l2_normalise(np.concatenate(embedded)), l2_normalise(embed(self.queries()))


def starts(song: Song) -> NDArray[np.int64]:
    """Return the first bars of windows of four bars with enough notes."""
    cells = song.cells
    on = cells.copy().reshape(-1, *cells.shape[2:])
    on[1:] &= ~cells.reshape(-1, *cells.shape[2:])[:-1]
    notes = on.reshape(len(cells), -1).sum(axis=1)
    notes_in_window = np.convolve(notes, np.ones(WINDOW_BARS, np.int64), "valid")
    return np.flatnonzero(notes_in_window >= FEWEST_NOTES)


def retrieval_task(songs: Sequence[Song]) -> RetrievalTask:
    """Draw queries; tunes of the folk collections are too short to have other bars."""
    rng = np.random.default_rng(5)
    long_enough: list[Song] = []
    windows, queries = [], []
    for song in songs:
        if song.source == "folk" or len(song.bars) < FEWEST_BARS:
            continue
        first_bars = starts(song)
        if len(first_bars) < FEWEST_STARTS:
            continue
        number = len(long_enough)
        long_enough.append(song)
        windows += [(number, start) for start in first_bars.tolist()]
        chosen = rng.choice(first_bars, QUERIES, replace=False).tolist()
        queries += [(number, start, int(rng.integers(-5, 7))) for start in chosen]
    return RetrievalTask(long_enough, *np.array(windows).T, *np.array(queries).T)


@dataclass(frozen=True, slots=True, eq=False)
class Similar:
    """Similarity of each query to each song, shape (queries, songs), by two rules."""

    nearest: FloatArray
    mean: FloatArray


def compared(task: RetrievalTask, embed: Embed) -> Similar:
    return similar(task, *task.embeddings(embed))


def similar(task: RetrievalTask, stored: FloatArray, query: FloatArray) -> Similar:
    count = len(task.songs)
    nearest = np.full((len(query), count), -1.0, np.float32)
    mean = np.empty_like(nearest)
    bounds = np.searchsorted(task.window_song, np.arange(count + 1))
    for song, (first, last) in enumerate(pairwise(bounds.tolist())):
        similarity = query @ stored[first:last].T
        whole = stored[first:last].sum(axis=0)
        nearest[:, song] = similarity.max(axis=1)
        mean[:, song] = query @ (whole / max(float(np.linalg.norm(whole)), 1e-9))
        for row in np.flatnonzero(task.query_song == song):
            is_disjoint = (
                np.abs(task.window_start[first:last] - task.query_start[row]) >= WINDOW_BARS
            )
            nearest[row, song] = similarity[row, is_disjoint].max() if is_disjoint.any() else -1
            others = stored[first:last][is_disjoint].sum(axis=0)
            mean[row, song] = query[row] @ (others / max(float(np.linalg.norm(others)), 1e-9))
    return Similar(nearest, mean)


def ranks(similarity: FloatArray, task: RetrievalTask) -> NDArray[np.int64]:
    """Return the rank of the right song for each query; ties count against it."""
    own_similarity = similarity[np.arange(len(similarity)), task.query_song]
    return np.asarray((similarity >= own_similarity[:, None]).sum(axis=1))
