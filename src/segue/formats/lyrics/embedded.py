"""Words that music carries along: in the tags of recordings, in MIDI files and in MusicXML."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from segue.errors import Unreadable
from segue.formats.lyrics.midi_words import midi_words
from segue.formats.lyrics.plain import read_one
from segue.formats.lyrics.text import PLAIN, TextForm, formed, tidied
from segue.formats.lyrics.xml_words import xml_words

#: What MP4, Vorbis comments, APE and Windows Media call them, in lower case.
_NAMES: Final = frozenset(["©lyr", "lyrics", "unsyncedlyrics", "unsynced lyrics", "wm/lyrics"])
_READERS: Final[dict[str, Callable[[bytes], str]]] = {
    ".mid": midi_words,
    ".midi": midi_words,
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
        As `segue.records.Lyrics.text`, the longest where there are several; "" for none.
    """
    import mutagen  # not needed by those who only search

    try:
        file = mutagen.File(path)
    except (mutagen.MutagenError, ValueError, OSError):
        return ""  # a broken tag does not make the music unreadable
    tags: Any = getattr(file, "tags", None)
    if not tags:
        return ""
    found = [str(frame.text) for frame in getattr(tags, "getall", lambda _: [])("USLT")]
    for name, value in [] if found else tags.items():
        if str(name).lower() in _NAMES:
            found += [str(one) for one in (value if isinstance(value, list) else [value])]
    return _formed(max(found, key=len, default=""), form)


def _formed(text: str, form: TextForm) -> str:
    try:
        return formed(tidied(read_one(text).text), form)
    except Unreadable:
        return ""
