"""The songs whose words come closest to a line that is half remembered."""

from contextlib import suppress
from typing import Final

import numpy as np

from segue.errors import BadArgument, NotFound
from segue.formats.names import normalise
from segue.records import LineHit
from segue.represent.lyrics.line_index import LineIndex
from segue.store import Store

_KEPT: Final = "line-index"
_SPACE: Final = "style"  # which all that has words has a place in: it changes as they do
_OF_NEXT: Final = 0.6  # of a line's length
_LOOKED_AT: Final = 200  # lines that come closest
#: What is less near has no more than a few letters in common with it.
LEAST: Final = 0.2


def find_line(store: Store, asked: str, n: int = 10) -> list[LineHit]:
    """Find the songs whose words come closest to a line.

    Parameters
    ----------
    store : Store
    asked : str
        With typing errors, other spellings, words missing; it may run over two lines.
    n : int
        How many songs at most, at least 1.

    Returns
    -------
    list of LineHit
        Best first, of each song the line that comes closest.

    Raises
    ------
    BadArgument
        There is no letter in it.
    NotFound
        The library knows no words.
    """
    if not normalise(asked):
        raise BadArgument(f"{asked!r} has no letters; give some words of the line")
    if n < 1:
        raise BadArgument(f"{n} answers; at least 1 must be wanted")
    if not store.words.count():
        raise NotFound("this library knows no lyrics; add some with `segue add FOLDER`")
    index = _index(store)
    question = index.weigh(asked)
    near = index.likeness(question)
    rows = np.argsort(-near, kind="stable")[:_LOOKED_AT]
    texts = dict(store.words.texts(sorted(set(index.texts[rows].tolist()))))
    length = len(normalise(asked))
    best: dict[int, tuple[float, str]] = {}
    for row in rows.tolist():
        track, at = int(index.texts[row]), int(index.numbers[row])
        lines = texts[track].split("\n")
        told, likeness = lines[at], float(near[row])
        if length > _OF_NEXT * len(told) and at + 1 < len(lines) and lines[at + 1]:
            # Who remembers so much may have begun within the line, and gone on to the next.
            both = question.nearness_of(f"{told} {lines[at + 1]}")
            if both > likeness:
                told, likeness = f"{told} / {lines[at + 1]}", both
        if likeness > best.get(track, (LEAST, ""))[0]:
            best[track] = (likeness, told)
    there = best.keys() - store.missing_tracks()
    ordered = sorted(there, key=lambda track: (-best[track][0], track))[:n]
    return [
        LineHit(rank, best[track.id][0], track, best[track.id][1])
        for rank, track in enumerate(store.tracks(ordered), start=1)
    ]


def _index(store: Store) -> LineIndex:
    """Load the index of all lines, or make it where words came or went since."""
    kept = store.spaces.derived(_SPACE, _KEPT)
    if kept is not None:
        with suppress(KeyError):  # of another version's
            return LineIndex.from_arrays(kept)
    index = LineIndex.of(store.words.texts())
    store.spaces.keep_derived(_SPACE, _KEPT, index.arrays())
    return index
