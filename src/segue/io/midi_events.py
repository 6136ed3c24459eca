"""Standard MIDI files as events: reading and writing of tracks.

The reader is Segue's own, since other readers omit what synthesisers play: symusic 0.5.5 drops
notes without a note-off and program changes of other tracks, and reads past the end of a file that
has fewer tracks than its header says; mido refuses such files and takes five times as long.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from segue.errors import Unreadable

MAX_BYTES: Final = 16 << 20
TEXT, TRACK_NAME, LYRIC, PORT, END_OF_TRACK = 0x01, 0x03, 0x05, 0x21, 0x2F
TEMPO, TIME_SIGNATURE, KEY_SIGNATURE = 0x51, 0x58, 0x59
_HEADER: Final = struct.Struct(">4sIHHH")
_CHUNK: Final = struct.Struct(">4sI")
_SMPTE: Final = 0x8000
_MAX_TEXT: Final = 0x3FFF
_CONTROLLERS: Final = frozenset([0, 64, *range(120, 128)])
_MAX_WRAPPER: Final = 1024
_MAX_TICK: Final = (1 << 31) - 1  # tick that an int32 holds
#: How many bytes follow the system messages, which do not belong in a file.
_SYSTEM: Final = {0xF1: 1, 0xF2: 2, 0xF3: 1}


@dataclass(slots=True)
class MidiTrack:
    """The events of a track, each kind in the order of the file; ticks from the start.

    Attributes
    ----------
    notes : list of (int, int, int)
        Tick, channel times 128 plus pitch, and velocity: 0 for a note-off.
    controls : list of (int, int, int, int)
        Tick, channel, number and value of the control changes that are used: bank select, the
        sustain pedal, and those from 120 on, which end notes.
    programs : list of (int, int, int)
        Tick, channel and program.
    metas : list of (int, int, bytes)
        Tick, kind and content of meta events, without the end of the track.
    exclusive : list of bytes
        System exclusive messages, without their first byte.
    end : int
        Tick at which the track ends.
    opening : int
        Number of the meta events before its first note.
    """

    notes: list[tuple[int, int, int]] = field(default_factory=list)
    controls: list[tuple[int, int, int, int]] = field(default_factory=list)
    programs: list[tuple[int, int, int]] = field(default_factory=list)
    metas: list[tuple[int, int, bytes]] = field(default_factory=list)
    exclusive: list[bytes] = field(default_factory=list)
    end: int = 0
    opening: int | None = None

    @property
    def port(self) -> int:
        """The port of its channels; 0 without a port event."""
        return next((content[0] for _, kind, content in self.metas if kind == PORT and content), 0)


def read_smf(content: bytes) -> tuple[int, list[MidiTrack]]:
    """Read the events of a Standard MIDI File, also one wrapped in RIFF (.rmi) or MacBinary.

    The number of tracks in the header is ignored, since it may be wrong.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    int
        Ticks to the quarter.
    list of MidiTrack

    Raises
    ------
    Unreadable
        It is no MIDI file, too large, damaged or cut off, or measures time in SMPTE frames.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"a MIDI file of more than {MAX_BYTES >> 20} MB")
    content = _unwrapped(content)
    if len(content) < _HEADER.size or content[:4] != b"MThd":
        raise Unreadable("no MIDI file")
    _, size, _, _, division = _HEADER.unpack_from(content)
    if division & _SMPTE:
        raise Unreadable("a MIDI file in seconds and frames (SMPTE), which knows no beats")
    if division == 0:
        raise Unreadable("a MIDI file of no ticks to the quarter")
    tracks: list[MidiTrack] = []
    at = _CHUNK.size + size
    while at + _CHUNK.size <= len(content):
        name, length = _CHUNK.unpack_from(content, at)
        at += _CHUNK.size
        if name == b"MTrk":
            cut_off = at + length > len(content)
            try:
                track, ended = _track(content[at : at + length])
            except IndexError:
                track, ended = MidiTrack(), False
                cut_off = True
            if cut_off and not ended:
                raise Unreadable(f"damaged MIDI file (track {len(tracks) + 1} is cut off)")
            tracks.append(track)
        at += length
    return division, tracks


def _unwrapped(content: bytes) -> bytes:
    """Return the file without what RIFF and MacBinary put before the MIDI header."""
    if content[:4] == b"RIFF" and content[8:12] != b"RMID":
        return content
    at = content.find(b"MThd", 0, _MAX_WRAPPER)
    return content[max(at, 0) :]


def _track(data: bytes) -> tuple[MidiTrack, bool]:  # noqa: PLR0912, PLR0915  # one loop, for speed
    """Read a track's events, and whether it has an end; IndexError where an event is cut off."""
    track = MidiTrack()
    notes, controls = track.notes, track.controls
    at = tick = status = 0
    size = len(data)
    while at < size:
        byte = data[at]
        at += 1
        if byte < 0x80:
            tick += byte
        elif data[at] < 0x80:  # by far the most that are longer
            tick += (byte & 0x7F) << 7 | data[at]
            at += 1
        else:
            delta, at = _read_vlq(data, at - 1)
            tick += delta
        byte = data[at]
        if byte >= 0x80:
            at += 1
            if byte >= 0xF0:
                if byte == 0xFF:
                    kind = data[at]
                    length, at = _read_vlq(data, at + 1)
                    if kind == END_OF_TRACK:
                        track.end = _checked(tick)
                        return track, True
                    if at + length > size:
                        raise IndexError
                    track.metas.append((tick, kind, data[at : at + length]))
                    at += length
                elif byte in (0xF0, 0xF7):
                    length, at = _read_vlq(data, at)
                    if at + length > size:
                        raise IndexError
                    track.exclusive.append(data[at : at + length])
                    at += length
                else:
                    at += _SYSTEM.get(byte, 0)
                continue
            status = byte
            byte = data[at]
        elif not status:
            raise Unreadable("damaged MIDI file (an event of no kind)")
        at += 1
        kind = status & 0xF0
        if kind <= 0x90:
            velocity = data[at]
            at += 1
            if byte | velocity > 0x7F:
                raise Unreadable("damaged MIDI file (a note above 127)")
            if kind == 0x80:
                velocity = 0
            if track.opening is None:
                track.opening = len(track.metas)
            notes.append((tick, (status & 15) << 7 | byte, velocity))
        elif kind == 0xB0:
            if byte in _CONTROLLERS:
                controls.append((tick, status & 15, byte, data[at]))
            at += 1
        elif kind == 0xC0:
            track.programs.append((tick, status & 15, byte & 0x7F))
        elif kind != 0xD0:
            at += 1
    track.end = _checked(tick)
    return track, False


def _checked(tick: int) -> int:
    if tick > _MAX_TICK:
        raise Unreadable(f"damaged MIDI file (a track of more than {_MAX_TICK} ticks)")
    return tick


def _read_vlq(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length quantity; return it, and where it ends."""
    value = 0
    for _ in range(4):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    raise Unreadable("damaged MIDI file (a number of more than four bytes)")


# ---- writing -----------------------------------------------------------------------------


def write_smf(ticks_per_quarter: int, tracks: Iterable[Iterable[tuple[int, bytes]]]) -> bytes:
    """Write a Standard MIDI File of type 1.

    Parameters
    ----------
    ticks_per_quarter : int
    tracks : iterable of iterables of (int, bytes)
        Ticks and events of each track, in order; the first has tempo, time signature and key.
    """
    chunks = []
    for events in tracks:
        data = bytearray()
        before = 0
        for tick, event in events:
            data += _write_vlq(tick - before) + event
            before = tick
        data += _write_vlq(0) + meta_event(END_OF_TRACK, b"")
        chunks.append(_CHUNK.pack(b"MTrk", len(data)) + data)
    return _HEADER.pack(b"MThd", 6, 1, len(chunks), ticks_per_quarter) + b"".join(chunks)


def meta_event(kind: int, content: bytes) -> bytes:
    """Return a meta event."""
    return bytes([0xFF, kind]) + _write_vlq(len(content)) + content


def text_event(kind: int, text: str) -> bytes:
    """Return a meta event of a text, in UTF-8, cut where it would be too long."""
    return meta_event(kind, text.encode()[:_MAX_TEXT].decode(errors="ignore").encode())


def _write_vlq(number: int) -> bytes:
    """Write a variable-length quantity."""
    septets = [number & 0x7F]
    while number := number >> 7:
        septets.append(number & 0x7F | 0x80)
    return bytes(reversed(septets))
