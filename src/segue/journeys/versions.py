"""Which tracks that may come on a list are versions of one piece: one of them is enough."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import SegueError
from segue.formats.names import normalise
from segue.ingest.images import COURSE, fill
from segue.records import FloatArray, Track
from segue.represent.score.shingles import likely_same
from segue.represent.versions import LIKELY, VERSION, likenesses
from segue.store import Store
from segue.store.cache import Cache

#: Recordings whose cosine is higher are compared; where their names are alike, from less on.
CLOSE: Final = 0.7
CLOSE_BY_NAME: Final = 0.3
_LONG_WORD: Final = 4  # letters of a word of a title that tells something


def versions_among(
    store: Store,
    tracks: Sequence[Track],
    unit: FloatArray,
    watch: Callable[[int, int], None] | None = None,
) -> dict[int, set[int]]:
    """Find which of some tracks are versions of one piece, in whatever key, tempo or instruments.

    Parameters
    ----------
    store : Store
    tracks : sequence of Track
    unit : ndarray, shape (len(tracks), dimension)
        Their vectors, of length 1, or zero.
    watch : callable, optional
        Told how many files are read, of how many: those of recordings that may be versions and
        were never compared.

    Returns
    -------
    dict of int to set of int
        From the id of a track to those of its versions.
    """
    found: dict[int, set[int]] = {}
    for one, other in [
        *_recordings([(t, row) for t, row in zip(tracks, unit, strict=True) if t.kind == "sound"],
                     store, watch),
        *_scores(store, [track for track in tracks if track.kind == "score"]),
    ]:  # fmt: skip
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


def _recordings(
    placed: Sequence[tuple[Track, FloatArray]],
    store: Store,
    watch: Callable[[int, int], None] | None,
) -> list[tuple[int, int]]:
    pairs = [
        (one, other)
        for (one, here), (other, there) in combinations(placed, 2)
        if one.id != other.id
        and float(here @ there) > (CLOSE_BY_NAME if _names_alike(one, other) else CLOSE)
    ]
    if not pairs:
        return []
    courses = _courses(store, list({t.id: t for pair in pairs for t in pair}.values()), watch)
    found = []
    for one in dict.fromkeys(one.id for one, _ in pairs):
        others = [other.id for first, other in pairs if first.id == one]
        known = [other for other in others if other in courses]
        if one in courses and known:
            alike = likenesses(courses[one], [courses[other] for other in known]) >= LIKELY
            found += [(one, other) for other, is_one in zip(known, alike, strict=True) if is_one]
    return found


def _courses(
    store: Store, tracks: Sequence[Track], watch: Callable[[int, int], None] | None
) -> dict[int, NDArray[np.uint8]]:
    """Return the courses of pitches of tracks; what cannot be read has none."""
    cache = Cache(store.folder / "cache" / f"{COURSE}-v{VERSION}")
    lacking = [t for t in tracks if t.content_hash not in cache and os.path.lexists(t.path)]
    if lacking:
        workers = min(os.cpu_count() or 1, len(lacking))
        with suppress(SegueError, OSError):  # nothing can be kept: what is known must do
            fill(cache, lacking, COURSE, stereo=False, workers=workers, watch=watch)
    read = ((track.id, cache.read(track.content_hash)) for track in tracks)
    return {track: np.asarray(found, np.uint8) for track, found in read if found is not None}


def _names_alike(one: Track, other: Track) -> bool:
    """Tell whether two tracks share an artist, or a word of their titles that tells something."""
    artists = {normalise(track.tags.artist) for track in (one, other)}
    words, others = (
        {word for word in normalise(track.tags.title).split() if len(word) >= _LONG_WORD}
        for track in (one, other)
    )
    return (len(artists) == 1 and artists != {""}) or bool(words & others)


def _scores(store: Store, tracks: Sequence[Track]) -> list[tuple[int, int]]:
    if len(tracks) < 2:
        return []
    prints = store.fingerprints([track.id for track in tracks])
    pairs = likely_same([prints[track.id] for track in tracks])
    return [(tracks[first].id, tracks[second].id) for first, second, _ in pairs]
