"""Checks of tracks: same music by fingerprint, and recordings that are not music."""

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.audio.fingerprint import same_recording
from segue.lyrics.matching import N_HASHES, SAME_TEXT_THRESHOLD, text_minhash_similarity
from segue.records import Medium, Track
from segue.score.fingerprint import minhash_similarity
from segue.store import Store

#: Minimum similarity of two scores of the same music; other arrangements of a tune are below.
SAME_SCORE_SIMILARITY: Final = 0.8
#: Shorter recordings are ring tones, effects or jingles.
MIN_DURATION_S: Final = 10.0
NonMusic = Literal["speech", "noise", "short"]
_SOUND_KINDS: Final[tuple[NonMusic, ...]] = ("speech", "noise")


def _same_score(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    return minhash_similarity(a, b) >= SAME_SCORE_SIMILARITY


def _same_text(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    # A space of lyrics also holds recordings and scores, with other fingerprints.
    return (
        a.shape == b.shape == (N_HASHES,) and text_minhash_similarity(a, b) >= SAME_TEXT_THRESHOLD
    )


#: Tests of whether two fingerprints of a kind of music are of duplicates.
DUPLICATE_TESTS: Final[dict[Medium, Callable[[NDArray[np.uint32], NDArray[np.uint32]], bool]]] = {
    "sound": same_recording,
    "score": _same_score,
    "lyrics": _same_text,
}


def non_music_type(track: Track) -> NonMusic | None:
    """Return what a recording is that is not music: "short" if shorter than 10 s.

    Tracks added by a version without this check count as music until `segue add` reads them again.
    """
    if track.kind != "sound":
        return None
    if track.duration_s < MIN_DURATION_S:
        return "short"
    return next((kind for kind in _SOUND_KINDS if track.facts.get("sound_kind") == kind), None)


def non_music_ids(store: Store) -> list[int]:
    """Return the ids of the recordings in a library that are not music."""
    return store.where(
        "kind = 'sound' AND (duration_s < ? OR json_extract(facts, '$.sound_kind') IN (?, ?))",
        (MIN_DURATION_S, *_SOUND_KINDS),
    )
