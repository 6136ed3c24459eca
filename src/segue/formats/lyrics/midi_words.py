"""Words of MIDI files: lyric events, and the texts of karaoke files (.kar)."""

import struct
from collections.abc import Iterator
from typing import Final

from segue.formats.lyrics.text import text_of

_TEXT, _LYRIC = 0x01, 0x05
_META, _EXCLUSIVE = 0xFF, (0xF0, 0xF7)
_ONE_BYTE: Final = (0xC, 0xD)  # what program changes and pressure of a channel carry
_FEWEST: Final = 4  # syllables: less is a remark


def midi_words(content: bytes) -> str:
    r"""Read the words of a MIDI file; "" where it has none.

    Lyric events (MIDI 1.0, meta event 5; ends of lines by RP-017), of the track that has most;
    where there are none, the texts of a karaoke file: ``/`` begins a line, ``\`` a verse, and
    what begins with ``@`` is about the file.
    """
    best: list[bytes] = []
    kind = _TEXT
    for events in map(list, _tracks(content)):
        for wanted in (_TEXT, _LYRIC):
            told = [text for is_of, text in events if is_of == wanted and text]
            if wanted == _TEXT:
                told = [text for text in told if not text.startswith(b"@")]
                if not any(text[:1] in {b"/", b"\\"} for text in told):
                    continue  # remarks of a program
            if len(told) >= _FEWEST and (wanted, len(told)) > (kind, len(best)):
                kind, best = wanted, told
    if not best:
        return ""
    # Together: in one syllable there is too little to tell an encoding by.
    plain = (text.replace(b"\0", b"").replace(b"\t", b" ") for text in best)
    texts = text_of(b"\t".join(plain)).split("\t")
    return "\n".join(line.strip() for line in _joined(texts).split("\n"))


def _joined(texts: list[str]) -> str:
    """Put syllables together: where none ends or begins with a space, hyphens tell words."""
    spaced = any(text[:1] in " /\\" or text[-1:] in " \r\n" for text in texts if text)
    parts = []
    for text in texts:
        told = text.replace("\r\n", "\n").replace("\r", "\n")
        if told.startswith(("\\", "/")):
            told = ("\n\n" if told[0] == "\\" else "\n") + told[1:]
        if spaced:
            parts.append(told)
        else:
            parts.append(told.removesuffix("-") if told.endswith("-") else told + " ")
    return "".join(parts)


def _tracks(content: bytes) -> Iterator[Iterator[tuple[int, bytes]]]:
    """Yield of each track its meta events, kind and content."""
    at = 8 + int.from_bytes(content[4:8])
    while at + 8 <= len(content):
        name, length = struct.unpack_from(">4sI", content, at)
        if name == b"MTrk":
            yield _metas(content[at + 8 : at + 8 + length])
        at += 8 + length


def _metas(track: bytes) -> Iterator[tuple[int, bytes]]:
    at, status = 0, 0
    while at < len(track):
        _, at = _number(track, at)  # the time since the event before
        if at >= len(track):
            return
        if track[at] >= 0x80:
            status = track[at]
            at += 1
        if status == _META:
            kind = track[at] if at < len(track) else 0
            length, at = _number(track, at + 1)
            yield kind, track[at : at + length]
            at += length
        elif status in _EXCLUSIVE:
            length, at = _number(track, at)
            at += length
        elif status < 0x80:
            return  # damaged: what was found before is kept
        else:
            at += 1 if status >> 4 in _ONE_BYTE else 2


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits to the byte; return it, and where it ends."""
    value = 0
    for byte in content[at : at + 4]:
        value = value << 7 | byte & 0x7F
        at += 1
        if byte < 0x80:
            break
    return value, at
