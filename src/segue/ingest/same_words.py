"""Which words a library holds already: one song of an artist in several spellings counts once."""

import numpy as np
from numpy.typing import NDArray

from segue.formats.names import normalise
from segue.represent.lyrics.sameness import HASHES, SAME_TEXT
from segue.store.words import Words

UInts = NDArray[np.uint32]


class KnownWords:
    """The fingerprints of all lyrics of a library, by artist.

    The words of one song by two artists are two songs; where one of the two is unknown, one.

    Parameters
    ----------
    words : Words
        Read when first asked.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self._read = False
        self._prints: dict[str, _Prints] = {}

    def forget(self, place: tuple[int, str]) -> None:
        """Leave out a file that is read anew: root and encoded path."""
        if not self._read:
            self._read = True
            for known in self._words.prints():
                self.add(known.artist, known.shingles, known.place)
        for prints in self._prints.values():
            prints.forget(place)

    def hold(self, artist: str, shingles: UInts) -> bool:
        """Tell whether the words are there, all but a few."""
        name = normalise(artist)
        near = list(self._prints) if not name else [name, ""]
        return any(self._prints[one].hold(shingles) for one in near if one in self._prints)

    def add(self, artist: str, shingles: UInts, place: tuple[int, str] = (0, "")) -> None:
        """Note the words of a song."""
        self._prints.setdefault(normalise(artist), _Prints()).add(shingles, place)


class _Prints:
    """Fingerprints in one array that grows."""

    def __init__(self) -> None:
        self._rows = np.zeros((4, HASHES), np.uint32)
        self._places: list[tuple[int, str]] = []

    def add(self, shingles: UInts, place: tuple[int, str]) -> None:
        if len(self._places) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._places)] = shingles
        self._places.append(place)

    def hold(self, shingles: UInts) -> bool:
        same = (self._rows[: len(self._places)] == shingles).mean(axis=1)
        return bool((same >= SAME_TEXT).any())

    def forget(self, place: tuple[int, str]) -> None:
        kept = [row for row, at in enumerate(self._places) if at != place]
        if len(kept) < len(self._places):
            self._rows = np.concatenate([self._rows[kept], np.zeros((4, HASHES), np.uint32)])
            self._places = [self._places[row] for row in kept]
