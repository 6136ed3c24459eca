"""The lyrics of a library: found by a line, and read."""

from pathlib import Path

from segue.answers.lines import find_line
from segue.query import track_named
from segue.records import LineHit
from segue.store import Store

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
