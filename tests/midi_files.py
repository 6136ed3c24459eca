"""MIDI files that tests make, event by event, and what must hold of those that Segue writes."""

import io
import struct
import warnings
from pathlib import Path

import mido  # type: ignore[import-untyped]
import pretty_midi

END = b"\0\xff\x2f\0"


def midi(
    *tracks: bytes, kind: int = 1, quarter: int = 480, track_count: int | None = None
) -> bytes:
    """Put tracks into a file whose header states `track_count` tracks."""
    count = len(tracks) if track_count is None else track_count
    chunks = b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)
    return b"MThd" + struct.pack(">IHHH", 6, kind, count, quarter) + chunks


def events(*messages: tuple[int, bytes], end: int | None = None) -> bytes:
    """Write events at ticks, and the end of the track at the last of them or at `end`."""
    found, before = b"", 0
    for tick, event in messages:
        found += number(tick - before) + event
        before = tick
    return found + number((before if end is None else end) - before) + END[1:]


def number(value: int) -> bytes:
    """Write a number of seven bits to the byte."""
    found = bytes([value & 127])
    while value := value >> 7:
        found = bytes([value & 127 | 128]) + found
    return found


def on(pitch: int, channel: int = 0, velocity: int = 80) -> bytes:
    """Begin a note."""
    return bytes([0x90 | channel, pitch, velocity])


def off(pitch: int, channel: int = 0) -> bytes:
    """End a note."""
    return bytes([0x80 | channel, pitch, 64])


def control(controller: int, value: int = 0, channel: int = 0) -> bytes:
    """Turn a controller."""
    return bytes([0xB0 | channel, controller, value])


def program(value: int, channel: int = 0) -> bytes:
    """Choose a program."""
    return bytes([0xC0 | channel, value])


def text(kind: int, content: bytes) -> bytes:
    """Say something: 1 a text, 3 a track's name, 5 a syllable."""
    return bytes([0xFF, kind]) + number(len(content)) + content


def exclusive(content: bytes) -> bytes:
    """Say something to one make of instrument."""
    return b"\xf0" + number(len(content) + 1) + content + b"\xf7"


def read_elsewhere(content: bytes) -> tuple[pretty_midi.PrettyMIDI, mido.MidiFile]:
    """Read with what researchers read with; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return pretty_midi.PrettyMIDI(io.BytesIO(content)), mido.MidiFile(file=io.BytesIO(content))


def assert_conducted(path: Path) -> None:
    """Hold that what a file tells of tempo, time signature and key stands in its first track."""
    _, plain = read_elsewhere(path.read_bytes())
    kinds = [{message.type for message in track} for track in plain.tracks]
    assert "set_tempo" in kinds[0], path.name
    assert "note_on" not in kinds[0], path.name
    global_messages = {"set_tempo", "time_signature", "key_signature"}
    assert not any(global_messages & later for later in kinds[1:]), path.name
