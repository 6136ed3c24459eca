"""Small scores in the formats that Segue reads, for its tests."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from segue.io.scores import read_scores
from segue.records import Score

Read = Callable[[str, bytes | str], Score]

CONTAINER = (
    '<container><rootfiles><rootfile full-path="{}"/></rootfiles></container>'
)  # fmt: skip


def midi(kind: int, *tracks: bytes, division: int = 480) -> bytes:
    """Return a MIDI file of tracks of events, which it ends."""
    head = b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division)
    ended = [track + b"\0\xff\x2f\0" for track in tracks]
    return head + b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in ended)


def quarter(channel: int, pitch: int) -> bytes:
    """Return the events of a note of a quarter."""
    return bytes([0, 0x90 | channel, pitch, 64, 0x83, 0x60, 0x80 | channel, pitch, 0])


def meta(kind: int, text: bytes) -> bytes:
    """Return a meta event."""
    return b"\0\xff" + bytes([kind, len(text)]) + text


def note(step: str, octave: int, quarters: int, *, tie: str = "", more: str = "") -> str:
    """Return a note of MusicXML; a quarter has two divisions."""
    ties = "".join(f'<tie type="{kind}"/>' for kind in tie.split())
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    return f"<note>{pitch}<duration>{2 * quarters}</duration>{ties}{more}</note>"


def music_xml(*bars: str, part: str = "", head: str = "", title: str = "") -> str:
    """Return MusicXML of one part; the first bar's attributes are in 3/4."""
    attributes = (
        "<attributes><divisions>2</divisions><key><fifths>-1</fifths></key>"
        f"<time><beats>3</beats><beat-type>4</beat-type></time>{part}</attributes>"
    )
    measures = "".join(
        f'<measure number="{number}">{"" if number else attributes}{bar}</measure>'
        for number, bar in enumerate(bars)
    )
    return (
        f'<?xml version="1.0"?>{head}<score-partwise version="4.0">{title}<part-list>'
        '<score-part id="P1"><part-name>Viola</part-name>'
        '<score-instrument id="I1"><instrument-name>Viola</instrument-name></score-instrument>'
        '<midi-instrument id="I1"><midi-program>42</midi-program></midi-instrument>'
        f'</score-part></part-list><part id="P1">{measures}</part></score-partwise>'
    )


def zipped(members: dict[str, bytes]) -> bytes:
    """Return a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def reader(folder: Path) -> Read:
    """Return what reads the one score of a file of some content, which it writes to a folder."""

    def reading(name: str, content: bytes | str) -> Score:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        (score,) = read_scores(path)
        assert isinstance(score, Score)
        return score

    return reading


def melody(score: Score, part: int = 0) -> list[tuple[float, float, int]]:
    """Return onset and duration in quarters, and pitch."""
    notes = score.parts[part].notes
    return [(on / score.ticks_per_quarter, long / score.ticks_per_quarter, pitch)
            for on, long, pitch, _ in notes.tolist()]  # fmt: skip
