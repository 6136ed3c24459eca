"""Witten-Bell n-grams (1991) of four interleaved voices, interpolated down to every pitch alike.

What counts most comes first in a context, or shorter contexts would know little: voice and place
in the beat, the voice's last pitch, then the three tokens before, then older pitches of the voice.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

#: How many tokens back the tokens of a context stand, in the order in which they count.
ORDER: Final = (4, 1, 2, 3, 8, 12, 16)
BEAT: Final = 16  # tokens: four voices in four sixteenths

_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


def costs(
    learn: Sequence[Numbers], judge: Sequence[Numbers], pitches: int
) -> Iterator[NDArray[np.float64]]:
    """Yield what the tokens to be judged cost, in nats, by contexts of 0, 1, … tokens in `ORDER`.

    Parameters
    ----------
    learn, judge : sequence of ndarray, shape (frames, 4)
        Pieces, their numbers from 0 to below `pitches`.
    pitches : int

    Yields
    ------
    ndarray, shape (tokens of all pieces judged,)
    """
    known, asked = _Stream(learn, pitches), _Stream(judge, pitches)
    likely = np.full(len(asked.tokens), 1 / pitches)
    for back in (0, *ORDER):
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

    def __init__(self, pieces: Sequence[Numbers], pitches: int) -> None:
        self.tokens = np.concatenate([piece.ravel() for piece in pieces]).astype(np.uint64)
        sizes = [piece.size for piece in pieces]
        self._places = np.concatenate([np.arange(size) for size in sizes])
        self._beginning = np.uint64(pitches)
        self.contexts: Hashes = _mixed(self._places.astype(np.uint64) % np.uint64(BEAT))

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
