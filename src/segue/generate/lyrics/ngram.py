"""Character n-gram language model with interpolated modified Kneser-Ney smoothing.

Chen & Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", TR-10-98,
Harvard 1998. On the songs of one artist (some 80,000 characters) it complements the neural network:
the two interpolated predict better than either alone. Neubig & Dyer (EMNLP 2016) mix them inside
the network, which overfits collections as small as these too soon for that.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.generate.lyrics.vocabulary import SONG_BOUNDARY, VOCABULARY_SIZE

Tokens = NDArray[np.int64]
Real = NDArray[np.float64]

#: Length of the longest n-gram, the predicted character included.
ORDER: Final = 6
#: Lower bound of the discounts, so that unseen characters keep some probability.
_MIN_DISCOUNT: Final = 0.1


class NgramLM:
    """Interpolated modified Kneser-Ney language model.

    Parameters
    ----------
    songs : sequence of ndarray of int64
        At least one, each from `SONG_BOUNDARY` to `SONG_BOUNDARY`.
    order : int
        Length of the longest n-gram, the predicted token included.
    size : int
        Size of the vocabulary.

    Raises
    ------
    BadArgument
        N-grams of this order do not fit into 63 bits.
    """

    def __init__(
        self, songs: Sequence[Tokens], order: int = ORDER, size: int = VOCABULARY_SIZE
    ) -> None:
        if size**order >= 1 << 63:
            raise BadArgument(f"n-grams of order {order} over {size} tokens are more than 2^63")
        self.order = order
        self._size = size
        corpus, positions = self._concatenate(songs)
        self._levels: list[_Level] = []
        longer: Tokens = np.zeros(0, np.int64)
        for n in range(order, 0, -1):
            ngrams, counts = np.unique(self._ngram_codes(corpus, positions, n), return_counts=True)
            if n < order:
                # Continuation count: the number of distinct tokens before the n-gram. Nothing
                # comes before the beginning of a song, so its n-grams keep their raw counts.
                continuations = np.unique(longer % size**n, return_counts=True)[1]
                starts_song = ngrams // size ** (n - 1) == SONG_BOUNDARY
                counts = np.where(starts_song & (n > 1), counts, continuations)
            self._levels.insert(0, _Level(ngrams, counts, size))
            longer = ngrams

    def probabilities(self, tokens: Tokens) -> Real:
        """Return the next-token distribution at each position of a song but the first.

        Parameters
        ----------
        tokens : ndarray, shape (n,), int64
            Tokens from `SONG_BOUNDARY` on.

        Returns
        -------
        ndarray, shape (n - 1, size)
        """
        known = tokens.tolist()
        return np.stack(
            [
                self.next_probabilities(known[max(at - self.order + 1, 0) : at])
                for at in range(1, len(known))
            ]
        )

    def next_probabilities(self, context: Sequence[int]) -> Real:
        """Return the distribution of the next token, shape (size,).

        Parameters
        ----------
        context : sequence of int
            Preceding tokens, from `SONG_BOUNDARY` on if the song has just begun; the last
            ``order - 1`` count.
        """
        probabilities = np.full(self._size, 1 / self._size)
        known = [SONG_BOUNDARY] * (self.order - 1) + [*context]
        code = 0
        for n, level in enumerate(self._levels, start=1):
            if n > 1:
                code += known[1 - n] * self._size ** (n - 2)
            level.interpolate(code, probabilities)
        return probabilities

    def _concatenate(self, songs: Sequence[Tokens]) -> tuple[Tokens, Tokens]:
        """Return all songs, each padded in front, and the positions of the predicted tokens."""
        padding = np.full(self.order - 1, SONG_BOUNDARY, np.int64)
        corpus = np.concatenate([part for song in songs for part in (padding, song[1:])])
        ends = np.cumsum([len(padding) + len(song) - 1 for song in songs])
        positions = [
            np.arange(end - len(song) + 1, end) for end, song in zip(ends, songs, strict=True)
        ]
        return corpus, np.concatenate(positions)

    def _ngram_codes(self, corpus: Tokens, positions: Tokens, n: int) -> Tokens:
        """Return the n-gram that ends at each position, as a number to the base `size`."""
        codes = np.zeros(len(positions), np.int64)
        for back in range(n - 1, -1, -1):
            codes = codes * self._size + corpus[positions - back]
        return codes


class _Level:
    """N-grams of one length: discounted probabilities and the mass left to the lower order."""

    def __init__(self, ngrams: Tokens, counts: Tokens, size: int) -> None:
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        contexts, context_of = np.unique(ngrams // size, return_inverse=True)
        totals = np.bincount(context_of, counts)
        self._contexts = contexts
        self._bounds = np.append(np.searchsorted(ngrams, contexts * size), len(ngrams))
        self._tokens = ngrams % size
        self._probabilities = (counts - discounts) / totals[context_of]
        self._backoff = np.bincount(context_of, discounts) / totals

    def interpolate(self, context: int, lower: Real) -> None:
        """Interpolate with the lower-order distribution, in place."""
        at = int(np.searchsorted(self._contexts, context))
        if at < len(self._contexts) and self._contexts[at] == context:
            seen = slice(self._bounds[at], self._bounds[at + 1])
            lower *= self._backoff[at]
            lower[self._tokens[seen]] += self._probabilities[seen]


def _discounts(counts: Tokens) -> Real:
    """Return the discounts of counts 0, 1, 2, and 3 or more (Chen & Goodman, equation 26)."""
    one, two, three, four = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if not (one and two and three and four):  # too few n-grams for an estimate
        return np.array([0, 0.5, 1, 1.5])
    y = one / (one + 2 * two)
    discounts = [1 - 2 * y * two / one, 2 - 3 * y * three / two, 3 - 4 * y * four / three]
    return np.array([0, *np.clip(discounts, _MIN_DISCOUNT, [1, 2, 3])])
