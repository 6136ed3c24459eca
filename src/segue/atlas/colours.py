"""What the colours of a map tell: an artist, an album, a genre, a year, a group, a tag."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.answers.descriptions import tag_column
from segue.atlas.groups import group_names
from segue.errors import BadArgument
from segue.formats.names import normalise, split_genres
from segue.model.sound.spaces import TAGS
from segue.pictures.maps import OTHER
from segue.records import FloatArray, Track
from segue.store import Store

NAMED: Final = ("artist", "album", "genre")
#: More colours than this no eye tells apart; the rest is "other".
MOST_NAMES: Final = 11
_TAG: Final = "tag:"


@dataclass(frozen=True, slots=True)
class Colouring:
    """One value for each track: a name out of a few, or a number.

    Attributes
    ----------
    title : str
    names : tuple of str
        The commonest first, `OTHER` last where there is one; empty where values are numbers.
    of : ndarray, shape (n,), int64
        Which name each track has, -1 for none; empty where values are numbers.
    values : ndarray, shape (n,), float32
        The numbers, NaN where unknown; empty where values are names.
    """

    title: str
    names: tuple[str, ...]
    of: NDArray[np.int64]
    values: FloatArray


def colour_by(
    store: Store, space: str, by: str, tracks: Sequence[Track], *, seed: int = 0
) -> Colouring:
    """Give every track what it is coloured by.

    Parameters
    ----------
    store : Store
    space : str
        In which groups are found.
    by : str
        "artist", "album", "genre", "year", "group", or "tag:" and one of the tags that Segue
        hears, as "tag:ambient".
    tracks : sequence of Track
        In order of id.

    Raises
    ------
    BadArgument
        There is nothing of that name.
    """
    check_colour(by)
    if by in NAMED:
        return _names(by, [_name(track, by) for track in tracks])
    if by == "year":
        years = [float(track.tags.year or "nan") for track in tracks]
        return _numbers(by, np.array(years, np.float32))
    if by == "group":
        return _groups(store, space, tracks, seed)
    column = tag_column(by.removeprefix(_TAG))
    if any(track.kind != "sound" for track in tracks):
        raise BadArgument(f"{by!r}: tags are heard in recordings; colour scores by group or genre")
    ids, strengths = store.spaces.vectors("tags")
    rows = np.searchsorted(ids, [track.id for track in tracks])
    return _numbers(f"how {TAGS[column]}", strengths[rows, column])


def _name(track: Track, by: str) -> str:
    if by == "genre":
        return next(iter(split_genres(track.tags.genre)), "")
    return str(getattr(track.tags, by))


def _names(title: str, found: Sequence[str]) -> Colouring:
    """Give each name a number; of several spellings of one, the commonest is shown."""
    keys = [normalise(name) for name in found]
    counts = Counter(key for key in keys if key)
    common = [key for key, _ in counts.most_common()]
    shown = common if len(common) <= MOST_NAMES + 1 else common[:MOST_NAMES]
    spelled = [
        Counter(name for name, own in zip(found, keys, strict=True) if own == key).most_common(1)
        for key in shown
    ]
    place = {key: number for number, key in enumerate(shown)}
    other = len(shown)
    of = np.array([place.get(key, other) if key else -1 for key in keys], np.int64)
    names = [spelling[0][0] for spelling in spelled]
    return Colouring(
        title,
        tuple(names + ([OTHER] if (of == other).any() else [])),
        of,
        np.empty(0, np.float32),
    )


def _numbers(title: str, values: FloatArray) -> Colouring:
    return Colouring(title, (), np.empty(0, np.int64), np.asarray(values, np.float32))


def _groups(store: Store, space: str, tracks: Sequence[Track], seed: int) -> Colouring:
    matrix = store.spaces.matrix(space)
    ids = np.array([track.id for track in tracks], np.int64)
    rows = np.searchsorted(matrix.ids, ids)
    names, of = group_names(store, ids, np.asarray(matrix.unit)[rows], seed=seed)
    return Colouring("group", names, of, np.empty(0, np.float32))


def check_colour(by: str) -> None:
    """Refuse what no map can be coloured by, before it is made.

    Raises
    ------
    BadArgument
    """
    if by.startswith(_TAG):
        tag_column(by.removeprefix(_TAG))
    elif by not in (*NAMED, "year", "group"):
        raise BadArgument(
            f"a map cannot be coloured by {by!r}; by artist, album, genre, year, group, or "
            "tag:ambient and the like"
        )
