"""Filters: which tracks may be results, by tags, tempo, plays and the tracks of the query."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Track
from segue.search.track_checks import non_music_ids
from segue.store import Store
from segue.text import name_keys, normalise

#: The lowest and the highest that pass, both included.
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tracks may be answers: those that pass every filter.

    Attributes
    ----------
    artist, album, genre : str or tuple of str
        Words that the field must contain; case and accents do not count. Of several, one.
    year, bpm : tuple of two numbers or tuple of such, optional
        Lowest and highest that pass, both included; tempos as they are shown, in whole numbers.
        Of several, one.
    bpm_octaves : bool
        Tempos twice and half as fast pass, too.
    min_plays, max_plays : int, optional
        How often all users together played it, as far as is known from imported listens.
    max_per_artist : int, optional
        At least 1. Tracks without an artist are not limited.
    exclude_same_artist, exclude_same_album : bool
        Leave out what shares the artist or album of a query.
    all_sounds : bool
        What is no music passes, too: speech, noise, and what lasts less than 10 s.
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
        """Refuse octaves of no tempo.

        Raises
        ------
        BadArgument
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
    """Tell which tracks may be answers: there, not asked with, within the filters.

    Parameters
    ----------
    ids : ndarray, shape (n,), int64
        Track ids, rising.
    missing : bool
        Those whose files are gone may be, too.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    gone = set() if missing else store.missing_tracks()
    passes = ~np.isin(ids, [*gone, *(track.id for track in queries)])
    if not filters.all_sounds:
        passes &= ~np.isin(ids, non_music_ids(store))
    factors = (1, 2, 0.5) if filters.bpm_octaves else (1,)
    tempos = [f"round(json_extract(facts, '$.tempo_bpm') * {factor})" for factor in factors]
    for columns, limits in ((["year"], filters.year), (tempos, filters.bpm)):
        if limits:
            tests = [(column, ends) for column in columns for ends in _ranges(limits)]
            one_of = " OR ".join(f"{column} BETWEEN ? AND ?" for column, _ in tests)
            values = [end for _, ends in tests for end in ends]
            passes &= np.isin(ids, store.where(one_of, values))
    for field, words in (
        ("artist", filters.artist),
        ("album", filters.album),
        ("genre", filters.genre),
    ):
        if words:
            passes &= np.isin(ids, _with_words(store, field, words))
    for field, excluded in (
        ("artist", filters.exclude_same_artist),
        ("album", filters.exclude_same_album),
    ):
        if excluded:
            taken = {key for track in queries for key in name_keys(getattr(track.tags, field))}
            same = [name for name in store.spellings(field) if taken & name_keys(name)]
            passes &= ~np.isin(ids, store.called(field, same))
    if filters.min_plays is not None or filters.max_plays is not None:
        passes &= _played(store, ids, filters.min_plays or 0, filters.max_plays)
    return passes


def _ranges(limits: Range | tuple[Range, ...]) -> tuple[Range, ...]:
    return tuple(limits) if isinstance(limits[0], tuple) else (limits,)


def _with_words(store: Store, field: str, words: str | tuple[str, ...]) -> list[int]:
    """List the tracks whose artist, album or genre has one of some words."""
    wanted = (words,) if isinstance(words, str) else words
    # What is no word is looked for as it is written: nothing of it is left when it is folded.
    folded, signs = [normalise(text) for text in wanted], [text.strip() for text in wanted]
    return store.called(
        field,
        [
            name
            for name in store.spellings(field)
            for plain in (normalise(name),)
            if any(
                text in plain if text else sign in name
                for text, sign in zip(folded, signs, strict=True)
            )
        ],
    )


def _played(
    store: Store, ids: NDArray[np.int64], least: int, most: int | None
) -> NDArray[np.bool_]:
    if not store.listens.any():
        raise BadArgument(
            "nothing is known of plays; import what you listened to with `segue listens import`"
        )
    known = store.listens.plays_by_track()
    plays = np.array([known.get(track, 0) for track in ids.tolist()], np.int64)
    return (plays >= least) & (plays <= (most if most is not None else plays.max(initial=0)))
