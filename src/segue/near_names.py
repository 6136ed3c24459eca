"""What in a library is called nearly so: found by the runs of three letters that names share."""

import difflib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.formats.names import normalise, split_genres
from segue.records import Track
from segue.store import Store

_RUN: Final = 3  # bytes of UTF-8: three Latin letters, or one of Chinese
_MOST_BYTES: Final = 60  # of what was asked, that are looked for
_LOOKED_THROUGH: Final = 200  # tracks that share most runs with what was asked
_SUGGESTED: Final = 4
_NEAR: Final = 0.65  # of `difflib`'s ratio, 1 for the same


def nearly_called(store: Store, text: str) -> list[str]:
    """Name tracks, artists, albums and genres that are called nearly so.

    Parameters
    ----------
    store : Store
    text : str
        Normalised.

    Returns
    -------
    list of str
        As a user is told of them, the likeliest first; at most four.
    """
    likely: dict[str, str] = {}
    ids, words = store.searched_words()
    alike = ids[sharing_most(words, text, _LOOKED_THROUGH)]
    for track in store.tracks(alike.tolist()):
        for name, told in _names(track):
            if name:
                likely.setdefault(normalise(name), told)
    tagged = store.spellings("genre")
    for genre in sorted({part for name in tagged for part in split_genres(name)}):
        likely.setdefault(normalise(genre), f"the genre {genre!r}")
    near = difflib.get_close_matches(text, likely, n=_SUGGESTED, cutoff=_NEAR)
    return list(dict.fromkeys(likely[name] for name in near))


def _names(track: Track) -> Sequence[tuple[str, str]]:
    tags = track.tags
    by = f" by {tags.artist}" if tags.artist else ""
    told = f"{tags.title!r}{by} ({track.id})"
    return (
        (tags.title, told),
        (f"{tags.artist} {tags.title}", told),
        (tags.artist, f"the artist {tags.artist!r}"),
        (tags.album, f"the album {tags.album!r}"),
    )


def sharing_most(lines: str, text: str, n: int) -> NDArray[np.int64]:
    """Find the lines that have most of a text's runs of three bytes.

    Parameters
    ----------
    lines : str
        Divided by line feeds.
    text : str
    n : int
        How many at most, at least 1.

    Returns
    -------
    ndarray of int64
        Numbers of lines that share a run at least, those that share most first.
    """
    runs = _runs(lines.encode())
    wanted = np.unique(_runs(text.encode()[:_MOST_BYTES]))
    known = np.zeros(1 << 8 * _RUN, np.bool_)
    known[wanted] = True
    at = np.flatnonzero(known[runs])
    ends = np.flatnonzero((runs >> 8 * (_RUN - 1)) == ord("\n"))
    has = np.zeros(
        (len(ends) + 1, len(wanted)), np.bool_
    )  # a run that a line has twice counts once
    has[np.searchsorted(ends, at), np.searchsorted(wanted, runs[at])] = True
    shared = has.sum(axis=1)
    best = np.argsort(-shared, kind="stable")[:n].astype(np.int64)
    return np.asarray(best[shared[best] > 0])


def _runs(text: bytes) -> NDArray[np.uint32]:
    """Return the number of each run of bytes; of a text too short the one that it begins."""
    letters = np.frombuffer(text.ljust(_RUN, b" "), np.uint8).astype(np.uint32)
    return np.asarray(letters[:-2] << 16 | letters[1:-1] << 8 | letters[2:], np.uint32)
