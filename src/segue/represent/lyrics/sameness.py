"""Whether two texts are the same song: by the runs of words that both have.

A MinHash (Broder, "On the Resemblance and Containment of Documents", SEQUENCES 1997) of the runs
of three words, without case and punctuation: the share of equal numbers in two of them estimates
the Jaccard index of the two sets of runs.
"""

import zlib
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.represent.lyrics.measured import MOST_MEASURED
from segue.represent.lyrics.words import words_of

HASHES: Final = 128
#: So much alike are two texts of one song: typing errors and a line more or less, not one refrain.
SAME_TEXT: Final = 0.6
_RUN: Final = 3
_PRIME: Final = (1 << 31) - 1

UInts = NDArray[np.uint32]


def text_shingles(text: str) -> UInts:
    """Return the MinHash of a text, shape (128,), uint32; one without words differs from all.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`; of very long ones the beginning counts.
    """
    words = [word.lower().strip("'") for word in words_of(text[:MOST_MEASURED])]
    runs = {" ".join(words[at : at + _RUN]) for at in range(max(len(words) - _RUN + 1, 1))}
    codes = np.array([zlib.crc32(run.encode()) % _PRIME for run in runs], np.uint64)
    factor, add = _hashes()
    least = np.full(HASHES, _PRIME, np.uint64)
    for at in range(0, len(codes), 1024):  # so that a long text needs little memory
        hashed = (codes[at : at + 1024, None] * factor + add) % np.uint64(_PRIME)
        least = np.minimum(least, hashed.min(axis=0))
    return least.astype(np.uint32)


def text_likeness(a: UInts, b: UInts) -> float:
    """Estimate the share of runs of words that two texts have in common, 0 to 1.

    Raises
    ------
    BadArgument
        One is no MinHash of a text.
    """
    if a.shape != (HASHES,) or b.shape != (HASHES,):
        raise BadArgument(f"expected {HASHES} numbers of each text, got {a.shape} and {b.shape}")
    return float((a == b).mean())


@cache
def _hashes() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    rng = np.random.default_rng(0)
    factor = rng.integers(1, _PRIME, HASHES).astype(np.uint64)
    return factor, rng.integers(0, _PRIME, HASHES).astype(np.uint64)
