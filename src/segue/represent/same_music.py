"""Whether two tracks hold the same recording, tune or text, by their fingerprints."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Kind
from segue.represent.fingerprint import same_recording
from segue.represent.lyrics.sameness import HASHES, SAME_TEXT, text_likeness
from segue.represent.score.shingles import shingle_likeness

#: So much alike are two scores that hold the same music, and not the same tune set otherwise.
SAME_SCORE: Final = 0.8


def _same_score(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    return shingle_likeness(a, b) >= SAME_SCORE


def _same_text(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    # In a space of words there are recordings and scores, too, with fingerprints of their own.
    return a.shape == b.shape == (HASHES,) and text_likeness(a, b) >= SAME_TEXT


#: Tells by their fingerprints whether two tracks of a kind hold the same.
SAME_MUSIC: Final[dict[Kind, Callable[[NDArray[np.uint32], NDArray[np.uint32]], bool]]] = {
    "sound": same_recording,
    "score": _same_score,
    "lyrics": _same_text,
}
