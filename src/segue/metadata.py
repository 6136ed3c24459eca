"""How alike two tracks are by what they say of themselves: artist, album, genre, year."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from segue.formats.names import name_keys, normalise, split_genres
from segue.records import FloatArray, Tags
from segue.store.rows import Labels

#: What each agreement gives; together 1. Nothing is given for what one of the two does not say.
SHARES: Final = {"artist": 0.4, "album": 0.3, "genre": 0.2, "year": 0.1}
#: What `--blend` calls it.
PART: Final = "metadata"
#: So many years apart, the year gives nothing; between, proportionally.
YEARS_APART: Final = 20


def similarities(tags: Tags, labels: Sequence[Labels]) -> FloatArray:
    """Compare one track with many by their tags.

    Parameters
    ----------
    tags : Tags
    labels : sequence of Labels, length n

    Returns
    -------
    ndarray, shape (n,), float32
        0…1, the sum of the `SHARES`: artist and album give theirs where they are the same, of
        several artists where one is;
        genres as much as they overlap (common ones by all of both); years the more, the closer
        they lie. NaN where one of the two says nothing at all.
    """
    if not says_anything(tags):
        return np.full(len(labels), np.nan, np.float32)
    artists, album, genres = name_keys(tags.artist), normalise(tags.album), _genres(tags.genre)
    columns = {
        "artist": _each(
            [label.artist for label in labels], lambda name: float(bool(artists & name_keys(name)))
        ),
        "album": _each([label.album for label in labels], lambda name: _same(album, name)),
        "genre": _each([label.genre for label in labels], lambda text: _overlap(genres, text)),
        "year": [_near(tags.year, label.year) for label in labels],
    }
    total = sum(SHARES[name] * np.asarray(column) for name, column in columns.items())
    silent = [
        not (label.artist or label.album or label.genre or label.year is not None)
        for label in labels
    ]
    return np.where(silent, np.nan, total).astype(np.float32)


def says_anything(tags: Tags) -> bool:
    """Tell whether tags hold anything that is compared."""
    return bool(tags.artist or tags.album or tags.genre or tags.year is not None)


def _each(texts: Sequence[str], compare: Callable[[str], float]) -> list[float]:
    """Compare texts, each different one once: libraries repeat them."""
    known = {text: compare(text) for text in set(texts)}
    return [known[text] for text in texts]


def _genres(text: str) -> frozenset[str]:
    return frozenset(normalise(genre) for genre in split_genres(text))


def _same(name: str, other: str) -> float:
    return float(bool(name) and name == normalise(other))


def _overlap(genres: frozenset[str], text: str) -> float:
    others = _genres(text)
    return len(genres & others) / len(genres | others) if genres and others else 0.0


def _near(year: int | None, other: int | None) -> float:
    if year is None or other is None:
        return 0.0
    return max(0.0, 1 - abs(year - other) / YEARS_APART)
