"""The lyrics of a library: found by a line, read, and written anew."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from segue.answers.lines import find_line
from segue.query import track_named
from segue.records import LineHit
from segue.store import Store

if TYPE_CHECKING:
    from segue.compose.verse_making import Verse
    from segue.compose.voices import By, How, VerseWishes, Voice

Query = str | int | Path


class Songbook:
    """What is sung; `segue.Library.lyrics`.

    Parameters
    ----------
    store : Store
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
        return self._store.words.text(track_named(self._store, query).id)

    def artist(self, name: str) -> str:
        """Return the artist of this library's songs that is meant, also by a part of the name.

        Raises
        ------
        NotFound
            There is none, or several; the text names them, or the nearest.
        """
        from segue.learning.lyrics import artist_named, songs  # brings in torch

        return artist_named(name, Counter(one.tags.artist for one in songs(self._store)))

    def model_name(self, artist: str) -> str:
        """Name the model that is learned of an artist, or with "" of everybody, by default."""
        from segue.learning.lyrics import model_name  # brings in torch

        return model_name(self._store, artist)

    def write(
        self, artist: str, wishes: "VerseWishes | None" = None, *, model: str = ""
    ) -> "Verse":
        """Write lyrics like an artist's.

        Parameters
        ----------
        artist : str
            Somebody that a model of this library, or the one that comes with Segue, knows.
        wishes : VerseWishes, optional
        model : str
            Its name; else whichever suits best.

        Returns
        -------
        Verse
            Iterate: it is written line by line.

        Raises
        ------
        NotFound
            Nothing has learned to write like that artist; the nearest names are told.
        """
        from segue.compose.verse_making import Verse  # brings in torch
        from segue.compose.voices import VerseWishes

        return Verse([self._voice(artist, model)], wishes or VerseWishes())

    def duet(
        self,
        first: str,
        second: str,
        wishes: "VerseWishes | None" = None,
        *,
        by: "By" = "line",
        blend: float | None = None,
        how: "How" = "mixture",
        model: str = "",
    ) -> "Verse":
        """Write lyrics with two artists' voices: in turn, or as one.

        Parameters
        ----------
        first, second : str
            Artists, as of `write`.
        wishes : VerseWishes, optional
        by : {"line", "stanza", "word"}
            When it is the other's turn; each goes on from what the other wrote.
        blend : float, optional
            The share of the second where both write as one voice, from 0 to 1.
        how : {"mixture", "product", "contrast"}
            How they are blended, see `segue.compose.voices.blended`.
        model : str
            Its name; else whichever suits best, for each.
        """
        from segue.compose.verse_making import Verse  # brings in torch
        from segue.compose.voices import VerseWishes

        voices = [self._voice(first, model), self._voice(second, model)]
        return Verse(voices, wishes or VerseWishes(), by=by, blend=blend, how=how)

    def _voice(self, artist: str, model: str) -> "Voice":
        from segue.compose.voices import Voice
        from segue.learning.lyrics import voice_of

        found = voice_of(self._store, artist, model)
        return Voice(found.artist, found.model, found.number, source=found.file.source)
