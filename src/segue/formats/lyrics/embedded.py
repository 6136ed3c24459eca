"""Words that music carries along: in the tags of recordings, in MIDI files and in MusicXML."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from segue.errors import Unreadable
from segue.formats.lyrics.midi_words import midi_words
from segue.formats.lyrics.plain import read_one
from segue.formats.lyrics.tag_words import words_in_tags
from segue.formats.lyrics.text import PLAIN, TextForm, formed, tidied
from segue.formats.lyrics.xml_words import xml_words

_READERS: Final[dict[str, Callable[[bytes], str]]] = {
    ".mid": midi_words,
    ".midi": midi_words,
    ".rmi": midi_words,
    ".kar": midi_words,
    ".musicxml": xml_words,
    ".xml": xml_words,
    ".mxl": xml_words,
}


def words_in_score(path: Path, form: TextForm = PLAIN) -> str:
    """Read the words that stand under the notes of a score.

    Returns
    -------
    str
        As `segue.records.Lyrics.text`; "" where there are none, or the format has none.
    """
    read = _READERS.get(path.suffix.lower())
    try:
        return _formed(read(path.read_bytes()), form) if read else ""
    except (Unreadable, OSError):
        return ""  # what reads the notes says what is wrong


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
