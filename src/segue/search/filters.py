"""Filters: conditions on the tags, tempo and plays of results, and recordings that are no music."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Track
from segue.store import Store
from segue.text import name_keys, normalise

#: Lowest and highest value that pass, both inclusive.
Range = tuple[float, float]
#: Shorter recordings are ring tones, effects or jingles.
MIN_DURATION_S: Final = 10.0
NonMusic = Literal["speech", "noise", "short"]
_SOUND_KINDS: Final[tuple[NonMusic, ...]] = ("speech", "noise")


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
