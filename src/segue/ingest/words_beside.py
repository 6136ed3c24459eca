"""The words of texts that lie beside music of the same name: given to the music, kept fresh."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from segue.formats.scan import Found
from segue.ingest.analyse import FoundWords
from segue.model.lyrics.embed import embed_lyrics
from segue.store import Store
from segue.store.files import KnownFile
from segue.store.words import KnownBeside


@dataclass(frozen=True, slots=True)
class Outdated:
    """A track of whose words something changed, and what is there now."""

    track: int
    found: Found


def outdated(
    store: Store, music: Iterable[Found], known: Mapping[bytes, KnownFile]
) -> list[Outdated]:
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
    changed: list[Outdated] = []
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
            changed.append(Outdated(tracks[0].id, found))
    return changed


def give_words(store: Store, music: Outdated, answer: FoundWords) -> None:
    """Store the words of some music, and what a text says of it. Inside a transaction.

    Its texts are no tracks of their own any more.
    """
    words = answer.words
    store.spaces.register({"lyrics"})
    store.spaces.put_words(
        music.track, {} if words is None else embed_lyrics(words.text, words.features)
    )
    beside = [
        KnownBeside(os.path.basename(text.path), text.state, text.path == answer.source)
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
