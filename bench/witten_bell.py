"""Witten-Bell n-grams (1991) of four interleaved voices, interpolated down to every pitch alike."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


def costs(
    learn: Sequence[Numbers], judge: Sequence[Numbers], longest: int, pitches: int
) -> Iterator[NDArray[np.float64]]:
    """Yield what the tokens to be judged cost, in nats, by contexts of 0, 1, … tokens.

    A context knows which voice it is for, and where a piece begins.

    Parameters
    ----------
    learn, judge : sequence of ndarray, shape (frames, 4)
        Pieces, their numbers from 0 to below `pitches`.
    longest : int
        Tokens of the longest context.
    pitches : int

    Yields
    ------
    ndarray, shape (tokens of all pieces judged,)
    """
    known, asked = _Stream(learn, pitches), _Stream(judge, pitches)
    likely = np.full(len(asked.tokens), 1 / pitches)
    for length in range(longest + 1):
        if length:
            known.look_back(length)
            asked.look_back(length)
        pairs, times = np.unique(known.pairs(), return_counts=True)
        # A pair's context: of any of its occurrences.
        contexts, total = np.unique(known.contexts, return_counts=True)
        first = np.unique(known.pairs(), return_index=True)[1]
        kinds = np.bincount(np.searchsorted(contexts, known.contexts[first]))
        seen, of_context = _found(contexts, asked.contexts)
        count = np.where(seen, total[of_context], 0)
        different = np.where(seen, kinds[of_context], 0)
        seen, of_pair = _found(pairs, asked.pairs())
        hits = np.where(seen, times[of_pair], 0)
        mixed = (hits + different * likely) / np.maximum(count + different, 1)
        likely = np.where(count > 0, mixed, likely)
        yield -np.log(likely)


class _Stream:
    """Tokens one after the other, with a hash of what stands before each."""

    def __init__(self, pieces: Sequence[Numbers], pitches: int) -> None:
        self.tokens = np.concatenate([piece.ravel() for piece in pieces]).astype(np.uint64)
        sizes = [piece.size for piece in pieces]
        self._places = np.concatenate([np.arange(size) for size in sizes])
        self._beginning = np.uint64(pitches)
        self.contexts: Hashes = _mixed(self._places.astype(np.uint64) % np.uint64(4))

    def look_back(self, length: int) -> None:
        """Let the contexts hold the token `length` before, too."""
        before = np.roll(self.tokens, length)
        before[self._places < length] = self._beginning
        self.contexts = _mixed(self.contexts + before + np.uint64(1))

    def pairs(self) -> Hashes:
        """Return a hash of each context with the token after it."""
        return _mixed(self.contexts ^ _mixed(self.tokens + np.uint64(1)))


def _mixed(values: Hashes) -> Hashes:
    values = values * _FACTOR
    return (values ^ (values >> _SHIFT)) * _FACTOR


def _found(ordered: Hashes, wanted: Hashes) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    places = np.searchsorted(ordered, wanted).clip(max=len(ordered) - 1)
    return ordered[places] == wanted, places
