"""Lyrics beside recordings, and lyrics that the library already has.

Which words a library holds already: one song of an artist in several spellings counts once.

The words of texts that lie beside music of the same name: given to the music, kept fresh.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.ingest.analysis import SidecarLyrics
from segue.ingest.embedding import embed_lyrics
from segue.io.scan import FoundFile
from segue.lyrics.matching import HASHES, SAME_TEXT
from segue.store import Store
from segue.store.files import KnownFile
from segue.store.lyrics import LyricsTable, StoredSidecar
from segue.text import normalise

# --- same words ---

UInts = NDArray[np.uint32]


class LyricsIndex:
    """The fingerprints of all lyrics of a library, by artist.

    The words of one song by two artists are two songs; where one of the two is unknown, one.

    Parameters
    ----------
    words : Words
        Read when first asked.
    """

    def __init__(self, words: LyricsTable) -> None:
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


# --- words beside ---


@dataclass(frozen=True, slots=True)
class OutdatedLyrics:
    """A track of whose words something changed, and what is there now."""

    track: int
    found: FoundFile


def outdated_lyrics(
    store: Store, music: Iterable[FoundFile], known: Mapping[bytes, KnownFile]
) -> list[OutdatedLyrics]:
    """List the music of which a text beside it came, changed or went since its words were read.

    Parameters
    ----------
    store : Store
    music : iterable of Found
        Recordings and scores that are there.
    known : mapping of bytes to KnownFile
        Files of the library: a text that is a track of its own is one that came; one that
        could not be read for a reason of the moment is read again.

    Returns
    -------
    list of Outdated
        Of a book of tunes no text is the words of one.
    """
    beside = store.words.beside()
    changed: list[OutdatedLyrics] = []
    for found in music:
        seen = {(one.name, one.state) for one in beside.get(found.path, ())}
        now = {(os.path.basename(text.path), text.state) for text in found.texts}
        again = any(
            text.path in known and (known[text.path].tracks or known[text.path].transient)
            for text in found.texts
        )
        if now == seen and not again:
            continue
        tracks = store.tracks(store.files.tracks_at(found.path))
        if len(tracks) == 1 and tracks[0].tune == 0:
            changed.append(OutdatedLyrics(tracks[0].id, found))
    return changed


def store_lyrics(store: Store, music: OutdatedLyrics, answer: SidecarLyrics) -> None:
    """Store the words of some music, and what a text says of it. Inside a transaction.

    Its texts are no tracks of their own any more.
    """
    words = answer.words
    store.spaces.register({"lyrics"})
    store.spaces.put_words(
        music.track, {} if words is None else embed_lyrics(words.text, words.features)
    )
    beside = [
        StoredSidecar(os.path.basename(text.path), text.state, text.path == answer.source)
        for text in music.found.texts
    ]
    store.retag(music.track, answer.tags)
    store.words.put(music.track, "" if words is None else words.text, beside)
    for text in music.found.texts:
        own = store.files.tracks_at(text.path)
        for track in own:
            store.taste.move(track, music.track)
        store.remove_tracks(own)
    store.files.remove_failures([music.found.path, *(text.path for text in music.found.texts)])
