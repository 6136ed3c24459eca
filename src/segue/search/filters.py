"""Which tracks are results: filters, recordings that are no music, and one of several duplicates.

Duplicates are the same recording, tune or text in another file. Candidates are pairs of tracks
whose embeddings are close; their fingerprints decide. Statistics and overviews of a library count
one track of each set of duplicates, and only music.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.audio.fingerprint import same_recording
from segue.errors import BadArgument, NothingToMeasure
from segue.lyrics.matching import N_HASHES, SAME_TEXT_THRESHOLD, text_minhash_similarity
from segue.media import MEDIA
from segue.records import Medium, Track
from segue.score.fingerprint import minhash_similarity
from segue.search.neighbours import Neighbours, nearest_neighbours
from segue.store import Store
from segue.store.spaces import Matrix
from segue.text import name_keys, normalise

#: Minimum cosine similarity of tracks whose fingerprints are compared.
DUPLICATE_COSINE: Final = 0.8
#: Number of neighbours of each track that are candidates; larger sets of duplicates are still
#: found, as duplicates of duplicates.
CANDIDATE_NEIGHBOURS: Final = 24
#: Minimum similarity of two scores of the same music; other arrangements of a tune are below.
SAME_SCORE_SIMILARITY: Final = 0.8
#: Lowest and highest value that pass, both inclusive.
Range = tuple[float, float]
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


#: Tests of whether two fingerprints of a medium are of duplicates.
DUPLICATE_TESTS: Final[dict[Medium, Callable[[NDArray[np.uint32], NDArray[np.uint32]], bool]]] = {
    "sound": same_recording,
    "score": _same_score,
    "lyrics": _same_text,
}


def duplicate_map(store: Store) -> dict[int, int]:
    """Return the tracks that are duplicates of another.

    Returns
    -------
    dict of int to int
        From the id of a duplicate to that of its representative: the first track of the set whose
        file is not missing. Representatives are no keys.
    """
    pairs = store.equal_files()
    for kind, count in store.kinds().items():
        if count > 1:
            pairs += _pairs_by_fingerprint(store, kind)
    sets: dict[int, set[int]] = {}
    for first, second in pairs:
        merged = sets.get(first, {first}) | sets.get(second, {second})
        sets |= dict.fromkeys(merged, merged)
    missing = store.missing_tracks()
    duplicates: dict[int, int] = {}
    for tracks in {id(tracks): tracks for tracks in sets.values()}.values():
        representative = min(tracks, key=lambda track: (track in missing, track))
        duplicates |= {track: representative for track in tracks if track != representative}
    return duplicates


def drop_duplicates(
    representatives: Mapping[int, int], tracks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Keep the first track of each recording, in the same order.

    Parameters
    ----------
    representatives : mapping of int to int
        Result of `duplicate_map`.
    tracks : ndarray of int64, shape (n,)
        Track ids.
    """
    first_tracks: dict[int, int] = {}
    for track in tracks.tolist():
        first_tracks.setdefault(representatives.get(track, track), track)
    return np.array(list(first_tracks.values()), np.int64)


def candidate_pairs(near: Neighbours) -> list[tuple[int, int]]:
    """Return the pairs of rows that are similar enough to be duplicates, the lower row first."""
    close = 1 - near.distances**2 / 2 > DUPLICATE_COSINE
    pairs = {
        (min(row, other), max(row, other))
        for row, column in np.argwhere(close).tolist()
        for other in [int(near.rows[row, column])]
    }
    return sorted(pairs)


def _pairs_by_fingerprint(store: Store, kind: Medium) -> list[tuple[int, int]]:
    """Return pairs of duplicates of a kind; they are stored until their space changes."""
    space = MEDIA[kind].duplicate_space
    stored = store.spaces.derived(space, "copies")
    if stored is None:
        stored = {"pairs": _compare_fingerprints(store, space, kind)}
        store.spaces.save_derived(space, "copies", stored)
    return [(first, second) for first, second in stored["pairs"].tolist()]


def _compare_fingerprints(store: Store, space: str, kind: Medium) -> NDArray[np.int64]:
    """Return the ids of pairs of duplicates, shape (pairs, 2)."""
    if len(store.spaces.matrix(space).ids) < 2:
        return np.empty((0, 2), np.int64)
    near = nearest_neighbours(store, space, CANDIDATE_NEIGHBOURS)
    pairs = near.ids[np.array(candidate_pairs(near), np.int64).reshape(-1, 2)]
    ids = np.array(store.where("kind = ?", (kind,)), np.int64)
    pairs = pairs[np.isin(pairs, ids).all(axis=1)]
    is_same, prints = DUPLICATE_TESTS[kind], store.fingerprints(np.unique(pairs).tolist())
    duplicates = [pair for pair in pairs.tolist() if is_same(prints[pair[0]], prints[pair[1]])]
    return np.array(duplicates, np.int64).reshape(-1, 2)


def remove_duplicates(
    store: Store, matrix: Matrix, rows: NDArray[np.int64], taken: Sequence[int] = ()
) -> NDArray[np.int64]:
    """Remove rows that are duplicates of taken rows, or of earlier ones.

    Parameters
    ----------
    store : Store
        Database of the library.
    matrix : Matrix
        Embeddings.
    rows : ndarray, shape (n,), int64
        Rows of the matrix by preference.
    taken : sequence of int
        Rows whose duplicates are removed.

    Returns
    -------
    ndarray of int64
        The remaining rows, in the same order.
    """
    all_rows = np.concatenate([np.asarray(taken, np.int64), rows])
    unit = np.asarray(matrix.unit[all_rows], np.float32)
    close = np.argwhere(np.triu(unit @ unit.T > DUPLICATE_COSINE, 1))
    if not len(close):
        return rows
    is_same = DUPLICATE_TESTS[matrix.space.kind]
    prints = store.fingerprints(matrix.ids[all_rows[np.unique(close)]].tolist())
    removed: set[int] = set()
    for first, second in close.tolist():
        if first in removed or second in removed:
            continue
        a, b = (prints[int(matrix.ids[all_rows[i]])] for i in (first, second))
        if is_same(a, b):
            removed.add(second)
    remaining = [i for i in range(len(taken), len(all_rows)) if i not in removed]
    return all_rows[remaining]


def representative_mask(
    store: Store, ids: NDArray[np.int64], *, all_sounds: bool = False, at_least: int = 1
) -> NDArray[np.bool_]:
    """Return which tracks count in an overview of a library: music, one of each recording.

    Parameters
    ----------
    store : Store
        Database of the library.
    ids : ndarray, shape (n,), int64
        Track ids.
    all_sounds : bool
        Include recordings that are not music.
    at_least : int
        Number of tracks that are needed.

    Returns
    -------
    ndarray of bool, shape (n,)
        Mask of `ids`.

    Raises
    ------
    NothingToMeasure
        There are too few tracks because some are not music.
    """
    unique = np.asarray(~np.isin(ids, [*duplicate_map(store)]))
    if all_sounds:
        return unique
    music = unique & ~np.isin(ids, non_music_ids(store))
    if music.sum() < min(at_least, unique.sum()) and music.sum() < unique.sum():
        raise NothingToMeasure(
            f"{unique.sum() - music.sum()} of {unique.sum()} tracks are speech, noise or under "
            "10 s long, and left out; --all takes them, too"
        )
    return np.asarray(music)


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


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on results, all of which must hold.

    Attributes
    ----------
    artist, album, genre : str or tuple of str
        Text that the field must contain, ignoring case and accents; any one of several.
    year, bpm : tuple of two numbers or tuple of such, optional
        Inclusive range, or any one of several; tempos are rounded to whole BPM.
    bpm_octaves : bool
        Also accept twice and half the tempos (tempo octave errors).
    min_plays, max_plays : int, optional
        Range of the number of plays by all users, from imported listens.
    max_per_artist : int, optional
        Maximum number of results by an artist, at least 1; tracks without artist are unlimited.
    exclude_same_artist, exclude_same_album : bool
        Exclude tracks by the artist, or of the album, of a query.
    all_sounds : bool
        Include recordings that are not music: speech, noise, and those shorter than 10 s.

    Examples
    --------
    >>> filters = Filters(genre="jazz", year=(1950, 1969), max_per_artist=1)
    """

    artist: str | tuple[str, ...] = ()
    album: str | tuple[str, ...] = ()
    genre: str | tuple[str, ...] = ()
    year: Range | tuple[Range, ...] | None = None
    bpm: Range | tuple[Range, ...] | None = None
    bpm_octaves: bool = False
    min_plays: int | None = None
    max_plays: int | None = None
    max_per_artist: int | None = None
    exclude_same_artist: bool = False
    exclude_same_album: bool = False
    all_sounds: bool = False

    def __post_init__(self) -> None:
        """Validate the filters.

        Raises
        ------
        BadArgument
            `bpm_octaves` is set without `bpm`.
        """
        if self.bpm_octaves and not self.bpm:
            raise BadArgument("--bpm-octaves widens --bpm: name a tempo, as in --bpm 118-126")


def filter_mask(
    store: Store,
    filters: Filters,
    ids: NDArray[np.int64],
    queries: Sequence[Track],
    *,
    missing: bool = False,
) -> NDArray[np.bool_]:
    """Return which tracks may be results: present, not a query, and within the filters.

    Parameters
    ----------
    store : Store
        Database of the library.
    filters : Filters
        Conditions.
    ids : ndarray, shape (n,), int64
        Track ids, ascending.
    queries : sequence of Track
        Tracks of the query.
    missing : bool
        Include tracks whose files are missing.

    Returns
    -------
    ndarray of bool, shape (n,)
        Mask of `ids`.
    """
    missing_ids = set() if missing else store.missing_tracks()
    mask = ~np.isin(ids, [*missing_ids, *(track.id for track in queries)])
    if not filters.all_sounds:
        mask &= ~np.isin(ids, non_music_ids(store))
    factors = (1, 2, 0.5) if filters.bpm_octaves else (1,)
    tempos = [f"round(json_extract(facts, '$.tempo_bpm') * {factor})" for factor in factors]
    for columns, ranges in ((["year"], filters.year), (tempos, filters.bpm)):
        if ranges:
            tests = [(column, limits) for column in columns for limits in _as_ranges(ranges)]
            condition = " OR ".join(f"{column} BETWEEN ? AND ?" for column, _ in tests)
            values = [value for _, limits in tests for value in limits]
            mask &= np.isin(ids, store.where(condition, values))
    for field, texts in (
        ("artist", filters.artist),
        ("album", filters.album),
        ("genre", filters.genre),
    ):
        if texts:
            mask &= np.isin(ids, _containing(store, field, texts))
    for field, is_excluded in (
        ("artist", filters.exclude_same_artist),
        ("album", filters.exclude_same_album),
    ):
        if is_excluded:
            keys = {key for track in queries for key in name_keys(getattr(track.tags, field))}
            names = [name for name in store.spellings(field) if keys & name_keys(name)]
            mask &= ~np.isin(ids, store.called(field, names))
    if filters.min_plays is not None or filters.max_plays is not None:
        mask &= _plays_mask(store, ids, filters.min_plays or 0, filters.max_plays)
    return mask


def _as_ranges(ranges: Range | tuple[Range, ...]) -> tuple[Range, ...]:
    return tuple(ranges) if isinstance(ranges[0], tuple) else (ranges,)


def _containing(store: Store, field: str, texts: str | tuple[str, ...]) -> list[int]:
    """Return the tracks whose artist, album or genre contains one of the texts."""
    texts = (texts,) if isinstance(texts, str) else texts
    # Text without letters or digits is empty once normalised: it is compared verbatim.
    pairs = [(normalise(text), text.strip()) for text in texts]
    return store.called(
        field,
        [
            name
            for name in store.spellings(field)
            for normalised in (normalise(name),)
            if any(text in normalised if text else symbols in name for text, symbols in pairs)
        ],
    )


def _plays_mask(
    store: Store, ids: NDArray[np.int64], minimum: int, maximum: int | None
) -> NDArray[np.bool_]:
    if not store.listens.any():
        raise BadArgument(
            "nothing is known of plays; import what you listened to with `segue listens import`"
        )
    counts = store.listens.plays_by_track()
    plays = np.array([counts.get(track, 0) for track in ids.tolist()], np.int64)
    return (plays >= minimum) & (
        plays <= (maximum if maximum is not None else plays.max(initial=0))
    )
