"""Checks of tracks: the same music by fingerprint; recordings that are not music.

Whether two tracks hold the same recording, tune or text, by their fingerprints.

Which recordings are no music: speech, noise, and what is too short to tell.
"""

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.audio.fingerprint import same_recording
from segue.lyrics.matching import HASHES, SAME_TEXT, text_likeness
from segue.records import Kind, Track
from segue.score.fingerprint import shingle_likeness
from segue.store import Store

# --- same music ---

#: So much alike are two scores that hold the same music, and not the same tune set otherwise.
SAME_SCORE_SIMILARITY: Final = 0.8


def _same_score(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    return shingle_likeness(a, b) >= SAME_SCORE_SIMILARITY


def _same_text(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    # In a space of words there are recordings and scores, too, with fingerprints of their own.
    return a.shape == b.shape == (HASHES,) and text_likeness(a, b) >= SAME_TEXT


#: Tells by their fingerprints whether two tracks of a kind hold the same.
DUPLICATE_TESTS: Final[dict[Kind, Callable[[NDArray[np.uint32], NDArray[np.uint32]], bool]]] = {
    "sound": same_recording,
    "score": _same_score,
    "lyrics": _same_text,
}


# --- sound kinds ---

NonMusic = Literal["speech", "noise", "short"]
#: What is shorter is a ring tone, an effect or a jingle.
MIN_DURATION_S: Final = 10.0
_OTHERS: Final[tuple[NonMusic, ...]] = ("speech", "noise")


def non_music_type(track: Track) -> NonMusic | None:
    """Tell what a track is that is no music: "short" where it lasts less than 10 s.

    What an older Segue described counts as music until `segue add` meets it again.
    """
    if track.kind != "sound":
        return None
    if track.duration_s < MIN_DURATION_S:
        return "short"
    return next((kind for kind in _OTHERS if track.facts.get("sound_kind") == kind), None)


def non_music_ids(store: Store) -> list[int]:
    """List the tracks of a library that are no music."""
    return store.where(
        "kind = 'sound' AND (duration_s < ? OR json_extract(facts, '$.sound_kind') IN (?, ?))",
        (MIN_DURATION_S, *_OTHERS),
    )
