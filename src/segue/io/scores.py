"""Score files of every format (MIDI, MusicXML, ABC, kern) to `Score`, and back."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from segue.errors import BadArgument, Unreadable, unreadable
from segue.files import atomic_output
from segue.io import abc_read, kern_read, midi, musicxml_read
from segue.io.abc_write import write_abc
from segue.io.midi import decode_texts
from segue.io.midi_events import read_smf
from segue.io.musicxml_elements import MAX_BYTES, read_header
from segue.io.musicxml_write import write_music_xml, write_mxl
from segue.io.tags import tags_from_name
from segue.media import MEDIA
from segue.records import NO_TAGS, Score, Tags


@dataclass(frozen=True, slots=True)
class UnreadableTune:
    """A tune of a file that cannot be read, and why."""

    reason: str


def read_scores(path: Path) -> tuple[Score | UnreadableTune, ...]:
    """Read the scores of a file.

    Parameters
    ----------
    path : Path
        Ends in one of the suffixes of scores in `segue.media.MEDIA`.

    Returns
    -------
    tuple of Score or Broken
        One for each tune of an ABC book, in its order; one in all other formats.

    Raises
    ------
    Unreadable
        Nothing of it can be read.
    """
    content = _content(path)
    suffix = path.suffix.lower()
    if suffix == ".abc":
        return _read_book(content)
    if suffix not in _READERS:
        suffixes = ", ".join(sorted(MEDIA["score"].suffixes))
        raise Unreadable(f"{path.name} is no score: expected {suffixes}")
    return (_READERS[suffix](content),)


def write_score(score: Score, path: Path) -> None:
    """Write a score to a file, in the format of its ending.

    Parameters
    ----------
    score : Score
        MusicXML and ABC write its key; see `segue.score.harmony.with_estimated_key`.
    path : Path
        Ends in one of `WRITTEN_SUFFIXES`. An existing file is replaced atomically.

    Raises
    ------
    BadArgument
        It has another ending, or cannot be written; or the score has no notes.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise BadArgument(
            f"{path.name} has no known score format; expected a name that ends in"
            f" {', '.join(WRITTEN_SUFFIXES)}"
        )
    content = write(score)
    with atomic_output(path) as partial:
        partial.write_bytes(content)


def read_score_tags(path: Path, given: Tags = NO_TAGS) -> tuple[Tags, ...]:
    """Read the tags of each tune of a file.

    Parameters
    ----------
    path : Path
    given : Tags
        Artist and album of tunes without any.

    Returns
    -------
    tuple of Tags
        As many as `read_scores` returns, in the same order; the composer is the artist. Missing
        tags, or all tags of an unreadable file, come from file names, see `tags.read_tags`.
    """
    named = tags_from_name(path, given)
    try:
        content = _content(path)
        suffix = path.suffix.lower()
        if suffix == ".abc":
            return tuple(_tags_of_tune(tune, named) for tune in abc_read.split_tune_book(content))
        title, composer, album = _HEADERS[suffix](content)
    except (Unreadable, KeyError):
        return (named,)
    return (
        replace(
            named,
            title=title or named.title,
            artist=composer or named.artist,
            album=album or named.album,
            track_number=None if title else named.track_number,
        ),
    )


def _tags_of_tune(tune: abc_read.Tune, named: Tags) -> Tags:
    """Fill in what a tune does not say; its book is its album."""
    number = "" if tune.number is None else f" {tune.number}"
    return Tags(
        title=tune.title or named.title + number,
        artist=tune.composer or named.artist,
        album=named.title,
        genre=tune.genre,
        track_number=tune.number,
    )


def _read_book(content: bytes) -> tuple[Score | UnreadableTune, ...]:
    scores: list[Score | UnreadableTune] = []
    for tune in abc_read.split_tune_book(content):
        try:
            scores.append(abc_read.read_tune(tune))
        except Unreadable as error:
            scores.append(UnreadableTune(str(error)))
    broken = [tune for tune in scores if isinstance(tune, UnreadableTune)]
    if len(broken) == len(scores):
        raise Unreadable(
            broken[0].reason
            if len(scores) == 1
            else f"none of its {len(scores)} tunes can be read; the first: {broken[0].reason}"
        )
    return tuple(scores)


def _content(path: Path) -> bytes:
    """Read a file, and no more of it than a score may have."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise Unreadable(f"a score of more than {MAX_BYTES >> 20} MB")
            content = file.read()
    except OSError as error:
        raise unreadable(error) from None
    if not content:
        raise Unreadable("an empty file")
    return content


def _midi_header(content: bytes) -> tuple[str, str, str]:
    return decode_texts(read_smf(content)[1]).title, "", ""


def _xml_header(content: bytes) -> tuple[str, str, str]:
    header = read_header(content)
    return header.title, header.composer, header.work


def _kern_header(content: bytes) -> tuple[str, str, str]:
    header = kern_read.read_reference_records(content)
    return header.title, header.composer, ""


_MIDI: Final = (".mid", ".midi", ".rmi", ".kar")
_MUSIC_XML: Final = (".musicxml", ".xml", ".mxl")
_READERS: Final[dict[str, Callable[[bytes], Score]]] = {
    **dict.fromkeys(_MIDI, midi.read_midi),
    **dict.fromkeys(_MUSIC_XML, musicxml_read.read_music_xml),
    ".krn": kern_read.read_kern,
}
#: Of each format, what reads a score's title, its composer and what it is a part of.
_HEADERS: Final[dict[str, Callable[[bytes], tuple[str, str, str]]]] = {
    **dict.fromkeys(_MIDI, _midi_header),
    **dict.fromkeys(_MUSIC_XML, _xml_header),
    ".krn": _kern_header,
}
_WRITERS: Final[dict[str, Callable[[Score], bytes]]] = {
    ".mid": midi.write_midi,
    ".midi": midi.write_midi,
    ".musicxml": write_music_xml,
    ".xml": write_music_xml,
    ".mxl": write_mxl,
    ".abc": lambda score: write_abc(score).encode(),
}
#: What `write_score` writes.
WRITTEN_SUFFIXES: Final = tuple(_WRITERS)
