"""Lyrics in sidecar files, and detection of lyrics that the library already has.

A text beside music of the same name (``Song.lrc`` beside ``Song.mp3``) holds the lyrics of that
music and is no track of its own. Lyrics files of their own are deduplicated by artist and
shingles, so that one song in several spellings counts once.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.ingest.analysis import SidecarLyrics
from segue.ingest.embedding import embed_lyrics
from segue.io.scan import FoundFile
from segue.lyrics.matching import N_HASHES, SAME_TEXT_THRESHOLD
from segue.store import Store
from segue.store.files import KnownFile
from segue.store.lyrics import LyricsTable, StoredSidecar
from segue.text import normalise

UInts = NDArray[np.uint32]


class LyricsIndex:
    """The shingle fingerprints of all lyrics of a library, by artist.

    The same lyrics by two artists are two songs, or one where the artist of one is unknown.

    Parameters
    ----------
    table : LyricsTable
        Read on the first call of `forget`.
    """

    def __init__(self, table: LyricsTable) -> None:
        self._table = table
        self._loaded = False
        self._by_artist: dict[str, _Fingerprints] = {}

    def forget(self, place: tuple[int, str]) -> None:
        """Leave out a file, given by root and encoded path, that is about to be read again."""
        if not self._loaded:
            self._loaded = True
            for stored in self._table.fingerprints():
                self.add(stored.artist, stored.shingles, stored.place)
        for fingerprints in self._by_artist.values():
            fingerprints.forget(place)

    def contains(self, artist: str, shingles: UInts) -> bool:
        """Return whether nearly the same lyrics are in the index."""
        name = normalise(artist)
        candidates = list(self._by_artist) if not name else [name, ""]
        return any(
            self._by_artist[candidate].contains(shingles)
            for candidate in candidates
            if candidate in self._by_artist
        )

    def add(self, artist: str, shingles: UInts, place: tuple[int, str] = (0, "")) -> None:
        """Add the lyrics of a song."""
        self._by_artist.setdefault(normalise(artist), _Fingerprints()).add(shingles, place)


class _Fingerprints:
    """Fingerprints in one growing array."""

    def __init__(self) -> None:
        self._rows = np.zeros((4, N_HASHES), np.uint32)
        self._places: list[tuple[int, str]] = []

    def add(self, shingles: UInts, place: tuple[int, str]) -> None:
        if len(self._places) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._places)] = shingles
        self._places.append(place)

    def contains(self, shingles: UInts) -> bool:
        similarities = (self._rows[: len(self._places)] == shingles).mean(axis=1)
        return bool((similarities >= SAME_TEXT_THRESHOLD).any())

    def forget(self, place: tuple[int, str]) -> None:
        others = [row for row, other in enumerate(self._places) if other != place]
        if len(others) < len(self._places):
            self._rows = np.concatenate([self._rows[others], np.zeros((4, N_HASHES), np.uint32)])
            self._places = [self._places[row] for row in others]


@dataclass(frozen=True, slots=True)
class OutdatedLyrics:
    """A track whose sidecar texts changed, and its file with the present ones."""

    track: int
    file: FoundFile


def outdated_lyrics(
    store: Store, music: Iterable[FoundFile], known: Mapping[bytes, KnownFile]
) -> list[OutdatedLyrics]:
    """List the music whose sidecar texts were added, changed or removed since they were read.

    Parameters
    ----------
    store : Store
    music : iterable of FoundFile
        Existing recordings and scores.
    known : mapping of bytes to KnownFile
        Files of the library. A text that is a track of its own counts as added; one with a
        transient failure is read again.

    Returns
    -------
    list of OutdatedLyrics
        Without files of several tunes, which have no sidecar texts.
    """
    sidecars = store.lyrics.sidecars()
    changed: list[OutdatedLyrics] = []
    for file in music:
        before = {(sidecar.name, sidecar.state) for sidecar in sidecars.get(file.path, ())}
        now = {(os.path.basename(text.path), text.state) for text in file.texts}
        retry = any(
            text.path in known and (known[text.path].tracks or known[text.path].transient)
            for text in file.texts
        )
        if now == before and not retry:
            continue
        tracks = store.tracks(store.files.tracks_at(file.path))
        if len(tracks) == 1 and tracks[0].tune == 0:
            changed.append(OutdatedLyrics(tracks[0].id, file))
    return changed


def store_lyrics(store: Store, music: OutdatedLyrics, result: SidecarLyrics) -> None:
    """Store the lyrics and tags of music from its sidecar texts. Inside a transaction.

    The texts are no longer tracks of their own.
    """
    words = result.words
    store.spaces.register({"lyrics"})
    store.spaces.put_lyrics(
        music.track, {} if words is None else embed_lyrics(words.text, words.features)
    )
    texts = music.file.texts
    sidecars = [
        StoredSidecar(os.path.basename(text.path), text.state, text.path == result.source)
        for text in texts
    ]
    store.retag(music.track, result.tags)
    store.lyrics.put(music.track, "" if words is None else words.text, sidecars)
    for text in texts:
        tracks = store.files.tracks_at(text.path)
        for track in tracks:
            store.taste.move(track, music.track)
        store.remove_tracks(tracks)
    store.files.remove_failures([music.file.path, *(text.path for text in texts)])
