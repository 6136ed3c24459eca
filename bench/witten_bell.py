"""Witten-Bell n-grams (1991), interpolated down to a uniform distribution."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


def costs(
    learn: Sequence[Numbers],
    judge: Sequence[Numbers],
    vocabulary: int,
    order: Sequence[int],
    beat: int = 1,
) -> Iterator[NDArray[np.float64]]:
    """Yield what the tokens to be judged cost, in nats, by contexts of 0, 1, … tokens.

    Parameters
    ----------
    learn, judge : sequence of ndarray
        Pieces, of tokens from 0 to below `vocabulary`, read in memory order.
    vocabulary : int
    order : sequence of int
        How many tokens back the tokens of a context stand, those that count most first, or short
        contexts would know little.
    beat : int
        A context knows where in so many tokens it stands.

    Yields
    ------
    ndarray, shape (tokens of all pieces judged,)
    """
    known, asked = _Stream(learn, vocabulary, beat), _Stream(judge, vocabulary, beat)
    likely = np.full(len(asked.tokens), 1 / vocabulary)
    for back in (0, *order):
        if back:
            known.look_back(back)
            asked.look_back(back)
        pairs, first, times = np.unique(known.pairs(), return_index=True, return_counts=True)
        contexts, total = np.unique(known.contexts, return_counts=True)
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

    def __init__(self, pieces: Sequence[Numbers], vocabulary: int, beat: int) -> None:
        self.tokens = np.concatenate([piece.ravel() for piece in pieces]).astype(np.uint64)
        sizes = [piece.size for piece in pieces]
        self._places = np.concatenate([np.arange(size) for size in sizes])
        self._beginning = np.uint64(vocabulary)
        self.contexts: Hashes = _mixed(self._places.astype(np.uint64) % np.uint64(beat))

    def look_back(self, back: int) -> None:
        """Let the contexts hold the token so many places before, too."""
        before = np.roll(self.tokens, back)
        before[self._places < back] = self._beginning
        self.contexts = _mixed(self.contexts + before + np.uint64(1))

    def pairs(self) -> Hashes:
        """Return a hash of each context with the token after it."""
        return _mixed(self.contexts + self.tokens + np.uint64(1))


def _mixed(values: Hashes) -> Hashes:
    values = values * _FACTOR
    return (values ^ (values >> _SHIFT)) * _FACTOR


def _found(ordered: Hashes, wanted: Hashes) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    places = np.searchsorted(ordered, wanted).clip(max=len(ordered) - 1)
    return ordered[places] == wanted, places
