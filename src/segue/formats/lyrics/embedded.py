"""Words that music carries along: in the tags of recordings, and under the notes of scores."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from segue.errors import Unreadable
from segue.formats.lyrics.abc_words import abc_words
from segue.formats.lyrics.kern_words import kern_words
from segue.formats.lyrics.midi_words import midi_words
from segue.formats.lyrics.plain import read_one
from segue.formats.lyrics.tag_words import words_in_tags
from segue.formats.lyrics.text import PLAIN, TextForm, formed, tidied
from segue.formats.lyrics.xml_words import xml_words

#: Of each format, the words of each tune of a file: only ABC has more than one.
_READERS: Final[dict[str, Callable[[bytes], Sequence[str]]]] = {
    ".abc": abc_words,
    ".mid": lambda content: [midi_words(content)],
    ".midi": lambda content: [midi_words(content)],
    ".rmi": lambda content: [midi_words(content)],
    ".kar": lambda content: [midi_words(content)],
    ".musicxml": lambda content: [xml_words(content)],
    ".xml": lambda content: [xml_words(content)],
    ".mxl": lambda content: [xml_words(content)],
    ".krn": lambda content: [kern_words(content)],
}


def words_in_score(path: Path, form: TextForm = PLAIN) -> tuple[str, ...]:
    """Read the words that stand under the notes of a score.

    Returns
    -------
    tuple of str
        Of each tune, as `segue.formats.score.read_scores` gives them; each is as
        `segue.records.Lyrics.text`, "" where there are none. Empty for a file that cannot be read.
    """
    read = _READERS.get(path.suffix.lower())
    try:
        return tuple(_formed(text, form) for text in read(path.read_bytes())) if read else ()
    except (Unreadable, OSError):
        return ()  # what reads the notes says what is wrong


def words_in_sound(path: Path, form: TextForm = PLAIN) -> str:
    """Read the words in a recording's tags: ID3's USLT, MP4's ©lyr, Vorbis' LYRICS and the like.

    Returns
    -------
    str
        As `segue.records.Lyrics.text`; "" for none. Never a translation where there is another.
    """
    return _formed(words_in_tags(path), form)


def _formed(text: str, form: TextForm) -> str:
    try:
        return formed(tidied(read_one(text).text), form)
    except Unreadable:
        return ""
