"""Songs as what is learned from: divided into those to learn from, to judge by and to test with."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from segue.errors import TrainingFailed
from segue.records import Lyrics
from segue.represent.lyrics.letters import Tokens, encode_song

FEWEST_SONGS: Final = 3
FEWEST_CHARACTERS: Final = 2_000
#: Of the songs of each artist, so many judge while it learns, and as many test what came of it.
HELD_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Song:
    """A song to learn from.

    Attributes
    ----------
    lyrics : Lyrics
    tokens : ndarray, shape (n,), int64
        From `SONG` to `SONG`.
    """

    lyrics: Lyrics
    tokens: Tokens


def song(lyrics: Lyrics) -> Song:
    """Make of a text what is learned from."""
    return Song(lyrics, encode_song(lyrics.text))


@dataclass(frozen=True, slots=True)
class Parts:
    """Songs divided: to learn from, to judge by while learning, to test with."""

    learn: list[Song]
    validate: list[Song]
    test: list[Song]


def divide(songs: Sequence[Song], known: Collection[str] = ()) -> Parts:
    """Divide songs artist by artist, by the hash of their words, so that it is always alike.

    Parameters
    ----------
    songs : sequence of Song
    known : collection of str
        Texts that what is learned on from has learned already: where there are others, they
        neither judge nor test.

    Raises
    ------
    TrainingFailed
        There are too few, or too short ones.
    """
    seen = frozenset(known)
    characters = sum(len(one.lyrics.text) for one in songs)
    if len(songs) < FEWEST_SONGS or characters < FEWEST_CHARACTERS:
        raise TrainingFailed(
            f"{len(songs)} songs of {characters} characters to learn from; at least "
            f"{FEWEST_SONGS} songs and {FEWEST_CHARACTERS} characters are needed (and 30,000 for "
            "what is worth reading): add more with `segue add`"
        )
    parts = Parts([], [], [])
    for artist in sorted({one.lyrics.tags.artist for one in songs}):
        own = [one for one in songs if one.lyrics.tags.artist == artist]
        own.sort(key=lambda one: (one.lyrics.text in seen, _digest(one.lyrics.text)))
        held = max(round(HELD_SHARE * len(own)), 1) if len(own) >= FEWEST_SONGS else 0
        parts.validate.extend(own[:held])
        parts.test.extend(own[held : 2 * held])
        parts.learn.extend(own[2 * held :])
    if not parts.validate:
        raise TrainingFailed(
            f"no artist has {FEWEST_SONGS} songs; that many are needed, so that some judge what is "
            "learned from others: add more with `segue add`"
        )
    return parts


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
