"""The lyrics of a library: found by a half-remembered line, read, generated."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.errors import BadArgument, NotFound
from segue.lyrics.matching import LineIndex
from segue.records import LineHit
from segue.search.query import find_track
from segue.store import Store
from segue.text import normalise

if TYPE_CHECKING:
    from segue.generate.lyrics.report import GeneratedLyrics
    from segue.generate.lyrics.sampler import ArtistStyle, BlendMode, LyricsOptions, TurnBy


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
        Database of the library.
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
    if not store.lyrics.count():
        raise NotFound("this library knows no lyrics; add some with `segue add FOLDER`")
    index = _index(store)
    query = index.query(asked)
    near = index.similarities(query)
    rows = np.argsort(-near, kind="stable")[:_LOOKED_AT]
    texts = dict(store.lyrics.texts(sorted(set(index.texts[rows].tolist()))))
    length = len(normalise(asked))
    best: dict[int, tuple[float, str]] = {}
    for row in rows.tolist():
        track, at = int(index.texts[row]), int(index.numbers[row])
        lines = texts[track].split("\n")
        told, likeness = lines[at], float(near[row])
        if length > _OF_NEXT * len(told) and at + 1 < len(lines) and lines[at + 1]:
            # Who remembers so much may have begun within the line, and gone on to the next.
            both = query.similarity(f"{told} {lines[at + 1]}")
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
    index = LineIndex.build(store.lyrics.texts())
    store.spaces.save_derived(_SPACE, _KEPT, index.arrays())
    return index


Query = str | int | Path


class Songbook:
    """What is sung; `segue.Library.lyrics`.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, line: str, n: int = 10) -> list[LineHit]:
        """Find the songs whose words come closest to a line half remembered.

        Parameters
        ----------
        line : str
            Typing errors, other spellings and missing words do little harm.
        n : int
            How many songs at most.

        Returns
        -------
        list of LineHit
            Best first; empty where nothing comes near.
        """
        return find_line(self._store, line, n)

    def text(self, query: Query) -> str:
        """Read the words of a track, of whichever kind; "" where none are known."""
        return self._store.lyrics.text(find_track(self._store, query).id)

    def artist(self, name: str) -> str:
        """Return the artist of this library's songs that is meant, also by a part of the name.

        Raises
        ------
        NotFound
            There is none, or several; the text names them, or the nearest.
        """
        from segue.training.lyrics import resolve_artist, songs_by_artist  # imports torch

        return resolve_artist(name, songs_by_artist(self._store))

    def model_name(self, artist: str) -> str:
        """Name the model that is learned of an artist, or with "" of everybody, by default."""
        from segue.training.lyrics import model_name  # brings in torch

        return model_name(self._store, artist)

    def write(
        self, artist: str, wishes: "LyricsOptions | None" = None, *, model: str = ""
    ) -> "GeneratedLyrics":
        """Write lyrics like an artist's.

        Parameters
        ----------
        artist : str
            Somebody that a model of this library, or the bundled one, knows.
        wishes : LyricsOptions, optional
        model : str
            Its name; else whichever suits best.

        Returns
        -------
        GeneratedLyrics
            Iterate: it is written line by line.

        Raises
        ------
        NotFound
            Nothing has learned to write like that artist; the nearest names are told.
        """
        from segue.generate.lyrics.report import GeneratedLyrics  # brings in torch
        from segue.generate.lyrics.sampler import LyricsOptions

        return GeneratedLyrics([self._style(artist, model)], wishes or LyricsOptions())

    def duet(
        self,
        first: str,
        second: str,
        wishes: "LyricsOptions | None" = None,
        *,
        by: "TurnBy" = "line",
        blend: float | None = None,
        how: "BlendMode" = "mixture",
        model: str = "",
    ) -> "GeneratedLyrics":
        """Write lyrics with two artists' voices: in turn, or as one.

        Parameters
        ----------
        first, second : str
            Artists, as of `write`.
        wishes : LyricsOptions, optional
        by : {"line", "stanza", "word"}
            When it is the other's turn; each goes on from what the other wrote.
        blend : float, optional
            The share of the second where both write as one voice, from 0 to 1.
        how : {"mixture", "product", "contrast"}
            How they are blended, see `segue.generate.lyrics.sampler.blend_styles`.
        model : str
            Its name; else whichever suits best, for each.
        """
        from segue.generate.lyrics.report import GeneratedLyrics  # brings in torch
        from segue.generate.lyrics.sampler import LyricsOptions

        styles = [self._style(first, model), self._style(second, model)]
        return GeneratedLyrics(
            styles, wishes or LyricsOptions(), by=by, blend=blend, blend_mode=how
        )

    def _style(self, artist: str, model: str) -> "ArtistStyle":
        from segue.generate.lyrics.sampler import ArtistStyle
        from segue.training.lyrics import find_style

        found = find_style(self._store, artist, model)
        return ArtistStyle(found.artist, found.model, found.index, source=found.file.source)
