"""MIDI files: bytes ↔ `Score`. The events are symusic's to read; what is checked is checked here.

symusic stays at 0.5.5: later versions played and wrote scores wrongly when tried.
"""

import re
import struct
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import Unreadable
from segue.formats.names import clean
from segue.records import Part, Score

MIDI_SUFFIXES: Final = (".mid", ".midi")
MOST_BYTES: Final = 16 << 20
MOST_NOTES: Final = 500_000
#: Tempos beyond are leftovers or mistakes; the one before goes on.
TEMPI_BPM: Final = (4.0, 1000.0)
_MICROSECONDS: Final = 60e6  # in a minute
_HEADER: Final = struct.Struct(">4sIHHH")
_SMPTE: Final = 0x8000
_TITLE: Final = 0x03
_KARAOKE_TITLE: Final = re.compile(rb"\xff\x01([\x03-\x7f])@T([^\xff]*)")
_SUSTAIN: Final = 64  # the controller
_DOWN: Final = 64  # the pedal, from this value on
_LONGEST_TITLE: Final = 0x3FFF  # what two bytes of seven bits tell


def read_midi(content: bytes) -> Score:
    """Read a MIDI file.

    Each channel and program of a track becomes a part; the patterns of a file of type 2, which
    may be played in any order, become parts that play at once. Of the controllers the sustain pedal
    alone is read; bends are left out.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    Score

    Raises
    ------
    Unreadable
        It is no MIDI file, damaged (one that is cut off may lack whole parts), too large, without
        a note, or counts time in a way that knows no quarters.
    """
    import symusic

    if len(content) > MOST_BYTES:
        raise Unreadable(f"a MIDI file of more than {MOST_BYTES >> 20} MB")
    _check_header(content)
    try:
        found = symusic.Score.from_midi(content, ttype=symusic.TimeUnit.tick)
        if found.note_num() > MOST_NOTES:
            raise Unreadable(f"more than {MOST_NOTES} notes")
        parts = tuple(part for track in found.tracks if len((part := _part(track)).notes))
    except (RuntimeError, ValueError, UnicodeDecodeError) as error:
        raise Unreadable(f"damaged MIDI file ({str(error).splitlines()[0]})") from None
    if not parts:
        raise Unreadable("a MIDI file without a note")
    return Score(
        title_of(content),
        int(found.ticks_per_quarter),
        parts,
        _tempos(found.tempos.numpy()),
        _metres(found.time_signatures.numpy()),
        _columns(found.key_signatures.numpy(), "time", "key", "tonality"),
    )


def write_midi(score: Score) -> bytes:
    """Write a score as a MIDI file of type 1.

    Parameters
    ----------
    score : Score

    Returns
    -------
    bytes
        `read_midi` gives the same score, as long as no two notes of one pitch and part overlap.
    """
    import symusic

    written = symusic.Score(score.ticks_per_quarter, ttype="tick")
    for part in score.parts:
        track = symusic.Track(part.name, part.program, part.is_drum, ttype="tick")
        onset, duration, pitch, velocity = np.ascontiguousarray(part.notes.T, np.int32)
        track.notes = symusic.Note.from_numpy(
            onset, duration, pitch.astype(np.int8), velocity.astype(np.int8), ttype="tick"
        )
        if len(part.pedals):
            at, down = np.ascontiguousarray(part.pedals.T, np.int32)
            track.controls = symusic.ControlChange.from_numpy(
                at,
                np.full(len(at), _SUSTAIN, np.uint8),
                np.where(down > 0, 127, 0).astype(np.uint8),
                ttype="tick",
            )
        written.tracks.append(track)
    for tick, bpm in score.tempos.tolist():
        microseconds = round(_MICROSECONDS / bpm)
        written.tempos.append(symusic.Tempo(int(tick), mspq=microseconds, ttype="tick"))
    for tick, beats, unit in score.metres.tolist():
        written.time_signatures.append(symusic.TimeSignature(tick, beats, unit, ttype="tick"))
    for tick, sharps, minor in score.keys.tolist():
        written.key_signatures.append(symusic.KeySignature(tick, sharps, minor, ttype="tick"))
    return _titled(bytes(written.dumps_midi()), score.title)


def _check_header(content: bytes) -> None:
    if len(content) < _HEADER.size or content[:4] != b"MThd":
        raise Unreadable("no MIDI file")
    *_, division = _HEADER.unpack_from(content)
    if division & _SMPTE:
        raise Unreadable("a MIDI file in seconds and frames (SMPTE), which knows no beats")
    if division == 0:
        raise Unreadable("a MIDI file of no ticks to the quarter")


def _part(track: Any) -> Part:
    notes = track.notes.numpy()
    table = _columns(notes, "time", "duration", "pitch", "velocity")
    sounds = (table >= (0, 1, 0, 1)).all(axis=1)
    if not sounds.all():
        table = table[sounds]
    order = np.lexsort((table[:, 1], table[:, 2], table[:, 0]))
    pedals = _pedals(track.controls.numpy())
    return Part(clean(track.name), int(track.program), bool(track.is_drum), table[order], pedals)


def _pedals(controls: dict[str, NDArray[Any]]) -> NDArray[np.int32]:
    """Return when the sustain pedal goes down and up; what says what holds already is dropped."""
    is_sustain = controls["number"] == _SUSTAIN
    at = controls["time"][is_sustain]
    down = (controls["value"][is_sustain] >= _DOWN).astype(np.int32)
    order = np.argsort(at, kind="stable")
    rows = np.column_stack([at[order], down[order]]).astype(np.int32)
    return np.asarray(rows[np.diff(rows[:, 1], prepend=0) != 0])


def _tempos(found: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return tick and quarters a minute, the last where several stand at one tick."""
    microseconds = np.maximum(found["mspq"].astype(np.float64), 1)
    rows = np.empty((len(microseconds), 2))
    rows[:, 0], rows[:, 1] = found["time"], _MICROSECONDS / microseconds
    low, high = TEMPI_BPM
    return _last_at_each_tick(rows[(rows[:, 1] >= low) & (rows[:, 1] <= high)])


def _metres(found: dict[str, NDArray[Any]]) -> NDArray[np.int32]:
    rows = _columns(found, "time", "numerator", "denominator")
    return _last_at_each_tick(rows[(rows[:, 1] > 0) & (rows[:, 2] > 0)])


def _last_at_each_tick(rows: NDArray[Any]) -> NDArray[Any]:
    if len(rows) < 2:
        return rows
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    is_last = np.append(rows[1:, 0] != rows[:-1, 0], True)[: len(rows)]
    return np.asarray(rows[is_last])


def _columns(found: dict[str, NDArray[Any]], *names: str) -> NDArray[np.int32]:
    table = np.empty((len(found[names[0]]), len(names)), np.int32)
    for number, name in enumerate(names):
        table[:, number] = found[name]
    return table


# ---- the title, which symusic leaves out -------------------------------------------------


def title_of(content: bytes) -> str:
    """Read a MIDI file's title.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    str
        What a karaoke file's first text of ``@T`` says; else the name of the first track, where
        that stands before any note.
    """
    if sung := _KARAOKE_TITLE.search(content):
        return clean(_text(sung[2][: sung[1][0] - 2]))
    for kind, text in _first_metas(content):
        if kind == _TITLE and text.strip(b"\0 "):
            return clean(_text(text))
    return ""


def _text(text: bytes) -> str:
    """Decode a text of unknown encoding: most are ASCII, newer ones UTF-8, older ones Windows'."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")


def _first_metas(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of the meta events that open the first track."""
    at = 8 + int.from_bytes(content[4:8])
    if content[at : at + 4] != b"MTrk":
        return
    at += 8
    while at < len(content):
        _, at = _number(content, at)
        if content[at : at + 1] != b"\xff":
            return
        kind = content[at + 1] if at + 1 < len(content) else 0
        length, at = _number(content, at + 2)
        yield kind, content[at : at + length]
        at += length


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits to the byte; return it, and where it ends."""
    value = 0
    for byte in content[at : at + 4]:
        value = value << 7 | byte & 0x7F
        at += 1
        if byte < 0x80:
            break
    return value, at


def _titled(content: bytes, title: str) -> bytes:
    """Put a track of the title before the others; without one its place stays empty."""
    text = title.encode()[:_LONGEST_TITLE]
    length = bytes([0x80 | len(text) >> 7, len(text) & 0x7F])
    named = b"\0\xff" + bytes([_TITLE]) + length + text if text else b""
    events = named + b"\0\xff\x2f\0"
    magic, size, _, tracks, division = _HEADER.unpack_from(content)
    header = _HEADER.pack(magic, size, 1, tracks + 1, division)
    return header + b"MTrk" + struct.pack(">I", len(events)) + events + content[_HEADER.size :]
