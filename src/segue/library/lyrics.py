"""The lyrics of a library: found by a half-remembered line, read, generated."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.deprecation import renamed_arguments
from segue.errors import BadArgument, NotFound
from segue.lyrics.matching import LineIndex
from segue.records import LineHit
from segue.search.query import find_track
from segue.store import Store
from segue.text import normalise

if TYPE_CHECKING:
    from segue.generate.lyrics.report import GeneratedLyrics
    from segue.generate.lyrics.sampler import ArtistStyle, BlendMode, LyricsOptions, TurnBy


_INDEX_NAME: Final = "line-index"
_SPACE: Final = "style"  # holds every track with lyrics, so the index expires with it
#: Share of a line's length from which on a query is also compared with two lines.
_TWO_LINES: Final = 0.6
_CANDIDATES: Final = 200  # lines
#: Lines of lower similarity have no more than a few letters in common with the query.
LEAST: Final = 0.2


def find_line(store: Store, line: str, n: int = 10) -> list[LineHit]:
    """Find the songs with the lines most similar to a remembered one.

    Parameters
    ----------
    store : Store
        Database of the library.
    line : str
        Remembered line, possibly misspelt or incomplete; it may span two lines.
    n : int
        Maximum number of songs, at least 1.

    Returns
    -------
    list of LineHit
        Best first, the most similar line of each song.

    Raises
    ------
    BadArgument
        `line` has no letters, or `n` is below 1.
    NotFound
        The library has no lyrics.
    """
    if not normalise(line):
        raise BadArgument(f"{line!r} has no letters; give some words of the line")
    if n < 1:
        raise BadArgument(f"{n} results: give a number of at least 1")
    if not store.lyrics.count():
        raise NotFound("this library knows no lyrics; add some with `segue add FOLDER`")
    index = _index(store)
    query = index.query(line)
    similarities = index.similarities(query)
    rows = np.argsort(-similarities, kind="stable")[:_CANDIDATES]
    texts = dict(store.lyrics.texts(sorted(set(index.texts[rows].tolist()))))
    length = len(normalise(line))
    best: dict[int, tuple[float, str]] = {}
    for row in rows.tolist():
        track, at = int(index.texts[row]), int(index.numbers[row])
        lines = texts[track].split("\n")
        text, similarity = lines[at], float(similarities[row])
        if length > _TWO_LINES * len(text) and at + 1 < len(lines) and lines[at + 1]:
            # So long a query may begin within the line and continue in the next.
            both = query.similarity(f"{text} {lines[at + 1]}")
            if both > similarity:
                text, similarity = f"{text} / {lines[at + 1]}", both
        if similarity > best.get(track, (LEAST, ""))[0]:
            best[track] = (similarity, text)
    present = best.keys() - store.missing_tracks()
    ordered = sorted(present, key=lambda track: (-best[track][0], track))[:n]
    return [
        LineHit(rank, best[track.id][0], track, best[track.id][1])
        for rank, track in enumerate(store.tracks(ordered), start=1)
    ]


def _index(store: Store) -> LineIndex:
    """Load the index of all lines; build it if lyrics were added or removed since."""
    arrays = store.spaces.derived(_SPACE, _INDEX_NAME)
    if arrays is not None:
        with suppress(KeyError):  # the index of another version
            return LineIndex.from_arrays(arrays)
    index = LineIndex.build(store.lyrics.texts())
    store.spaces.save_derived(_SPACE, _INDEX_NAME, index.arrays())
    return index


Query = str | int | Path


class Songbook:
    """The lyrics of a library, available as `segue.Library.lyrics`.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, line: str, n: int = 10) -> list[LineHit]:
        """Find the songs with the lines most similar to a remembered one.

        Parameters
        ----------
        line : str
            Remembered line, possibly misspelt or incomplete.
        n : int
            Maximum number of songs.

        Returns
        -------
        list of LineHit
            Best first; empty if no line is similar.
        """
        return find_line(self._store, line, n)

    def text(self, query: Query) -> str:
        """Return the lyrics of a track of any medium; "" if none are known."""
        return self._store.lyrics.text(find_track(self._store, query).id)

    def artist(self, name: str) -> str:
        """Return the full name of an artist with lyrics in this library, also by a part of it.

        Raises
        ------
        NotFound
            No artist matches, or several; the message names them, or the most similar.
        """
        from segue.training.lyrics import resolve_artist, songs_by_artist  # imports torch

        return resolve_artist(name, songs_by_artist(self._store))

    def model_name(self, artist: str) -> str:
        """Return the default name of a model trained on an artist or, for "", on all."""
        from segue.training.lyrics import model_name  # imports torch

        return model_name(self._store, artist)

    @renamed_arguments(wishes="options")
    def write(
        self, artist: str, options: "LyricsOptions | None" = None, *, model: str = ""
    ) -> "GeneratedLyrics":
        """Generate lyrics in the style of an artist.

        Parameters
        ----------
        artist : str
            Artist known to a model of this library or to the bundled one.
        options : LyricsOptions, optional
        model : str
            Name of the model; by default the best one for the artist.

        Returns
        -------
        GeneratedLyrics
            Lines are generated while it is iterated over.

        Raises
        ------
        NotFound
            No model knows the artist; the message gives the most similar names.
        """
        from segue.generate.lyrics.report import GeneratedLyrics  # imports torch
        from segue.generate.lyrics.sampler import LyricsOptions

        return GeneratedLyrics([self._style(artist, model)], options or LyricsOptions())

    @renamed_arguments(wishes="options")
    def duet(
        self,
        first: str,
        second: str,
        options: "LyricsOptions | None" = None,
        *,
        by: "TurnBy" = "line",
        blend: float | None = None,
        how: "BlendMode" = "mixture",
        model: str = "",
    ) -> "GeneratedLyrics":
        """Generate lyrics in the styles of two artists, who take turns or are blended.

        Parameters
        ----------
        first, second : str
            Artists, see `write`.
        options : LyricsOptions, optional
        by : {"line", "stanza", "word"}
            Unit of a turn; each artist continues the text of the other.
        blend : float, optional
            Weight of the second style, from 0 to 1, in a blend of both.
        how : {"mixture", "product", "contrast"}
            Method of the blend, see `segue.generate.lyrics.sampler.blend_styles`.
        model : str
            Name of the model; by default the best one for each artist.
        """
        from segue.generate.lyrics.report import GeneratedLyrics  # imports torch
        from segue.generate.lyrics.sampler import LyricsOptions

        styles = [self._style(first, model), self._style(second, model)]
        return GeneratedLyrics(
            styles, options or LyricsOptions(), by=by, blend=blend, blend_mode=how
        )

    def _style(self, artist: str, model: str) -> "ArtistStyle":
        from segue.generate.lyrics.sampler import ArtistStyle
        from segue.training.lyrics import find_style

        trained = find_style(self._store, artist, model)
        return ArtistStyle(trained.artist, trained.model, trained.index, source=trained.file.source)
