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
    train: Sequence[Numbers],
    test: Sequence[Numbers],
    vocabulary: int,
    order: Sequence[int],
    beat: int = 1,
) -> Iterator[NDArray[np.float64]]:
    """Yield the negative log-likelihood of test tokens, in nats, by contexts of 0, 1, … tokens.

    Parameters
    ----------
    train, test : sequence of ndarray
        Pieces of the training and of the test set: tokens from 0 to below
        `vocabulary`, read in memory order.
    vocabulary : int
    order : sequence of int
        Distances of the tokens of a context from the predicted token, the most informative first.
    beat : int
        Number of tokens per beat: contexts include the position within a beat.

    Yields
    ------
    ndarray, shape (tokens of all test pieces,)
    """
    training, tested = _Stream(train, vocabulary, beat), _Stream(test, vocabulary, beat)
    likely = np.full(len(tested.tokens), 1 / vocabulary)
    for back in (0, *order):
        if back:
            training.look_back(back)
            tested.look_back(back)
        pairs, first, times = np.unique(training.pairs(), return_index=True, return_counts=True)
        contexts, total = np.unique(training.contexts, return_counts=True)
        kinds = np.bincount(np.searchsorted(contexts, training.contexts[first]))
        seen, of_context = _find(contexts, tested.contexts)
        count = np.where(seen, total[of_context], 0)
        different = np.where(seen, kinds[of_context], 0)
        seen, of_pair = _find(pairs, tested.pairs())
        hits = np.where(seen, times[of_pair], 0)
        mixed = (hits + different * likely) / np.maximum(count + different, 1)
        likely = np.where(count > 0, mixed, likely)
        yield -np.log(likely)


class _Stream:
    """Concatenated tokens, with a hash of the context of each."""

    def __init__(self, pieces: Sequence[Numbers], vocabulary: int, beat: int) -> None:
        self.tokens = np.concatenate([piece.ravel() for piece in pieces]).astype(np.uint64)
        sizes = [piece.size for piece in pieces]
        self._places = np.concatenate([np.arange(size) for size in sizes])
        self._beginning = np.uint64(vocabulary)
        self.contexts: Hashes = _mixed(self._places.astype(np.uint64) % np.uint64(beat))

    def look_back(self, back: int) -> None:
        """Add the token at a distance before to the contexts."""
        before = np.roll(self.tokens, back)
        before[self._places < back] = self._beginning
        self.contexts = _mixed(self.contexts + before + np.uint64(1))

    def pairs(self) -> Hashes:
        """Return a hash of each context with the token after it."""
        return _mixed(self.contexts + self.tokens + np.uint64(1))


def _mixed(values: Hashes) -> Hashes:
    values = values * _FACTOR
    return (values ^ (values >> _SHIFT)) * _FACTOR


def _find(ordered: Hashes, values: Hashes) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    places = np.searchsorted(ordered, values).clip(max=len(ordered) - 1)
    return ordered[places] == values, places
