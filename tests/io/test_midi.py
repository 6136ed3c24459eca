"""MIDI files come back as they were written, and damaged ones are refused in words."""

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import Unreadable
from segue.io.midi import read_midi, write_midi
from segue.records import Part, Score

REAL = Path(__file__).parents[3] / "shared" / "data" / "scores"


def score_of(parts: tuple[Part, ...], title: str = "", tempos: object = ()) -> Score:
    return Score(
        title,
        480,
        parts,
        np.array(tempos, np.float64).reshape(-1, 2),
        np.array([[0, 3, 4], [1440, 4, 4]], np.int32),
        np.array([[0, -3, 1]], np.int32),
    )


@st.composite
def parts(draw: st.DrawFn) -> Part:
    """Draw a part in which notes of one pitch follow one another, and of pedals down and up."""
    notes: list[list[int]] = []
    for pitch in draw(st.lists(st.integers(0, 127), min_size=1, max_size=5, unique=True)):
        at = 0
        for rest, length in draw(
            st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 2000)), min_size=1, max_size=5)
        ):
            notes.append([at + rest, length, pitch, draw(st.integers(1, 127))])
            at += rest + length
    notes.sort(key=lambda note: (note[0], note[2], note[1]))
    is_drum = draw(st.booleans())
    name = draw(st.sampled_from(["", "Flute", "Große Flöte", "笛"]))
    waits = draw(st.lists(st.integers(0, 3000), max_size=9))
    pedals = np.column_stack([np.cumsum(waits), (np.arange(len(waits)) + 1) % 2]).astype(np.int32)
    return Part(name, draw(st.integers(0, 127)), is_drum, np.array(notes, np.int32), pedals)


def same(first: Score, second: Score) -> bool:
    return (
        (first.title, first.ticks_per_quarter) == (second.title, second.ticks_per_quarter)
        and [(p.name, p.program, p.is_drum) for p in first.parts]
        == [(p.name, p.program, p.is_drum) for p in second.parts]
        and all(
            np.array_equal(a.notes, b.notes) and np.array_equal(a.pedals, b.pedals)
            for a, b in zip(first.parts, second.parts, strict=True)
        )
        and np.allclose(first.tempos, second.tempos, rtol=1e-5)
        and np.array_equal(first.time_signatures, second.time_signatures)
        and np.array_equal(first.keys, second.keys)
    )  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    st.lists(parts(), min_size=1, max_size=4),
    st.sampled_from(["", "Für Elise", "夜想曲", "x" * 300]),
    st.floats(20, 300),
)
def test_a_score_comes_back_as_it_was_written(
    drawn_parts: list[Part], title: str, bpm: float
) -> None:
    score = score_of(tuple(drawn_parts), title, [[0, bpm], [960, 120.0]])
    assert same(read_midi(write_midi(score)), score)


ONE = Part("", 0, False, np.array([[0, 480, 60, 90]], np.int32))


def test_titles_in_older_encodings_are_read() -> None:
    written = write_midi(score_of((ONE,), "Fuer Elise"))
    assert read_midi(written.replace(b"Fuer", b"F\xfcr ")).title == "Für Elise"
    assert read_midi(written.replace(b"Fuer", b"\x1b[31")).title == "[31 Elise"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no MIDI file"),
        (b"MThd", "no MIDI file"),
        (b"RIFF....WAVE" * 100, "no MIDI file"),
        (b"MThd\0\0\0\x06\0\x01\0\x01\0\0", "no ticks"),
        (b"MThd\0\0\0\x06\0\x01\0\x01\xe7\x28", "SMPTE"),
        (b"MThd\0\0\0\x06\0\x01\0\0\x01\xe0", "without a note"),
        (write_midi(score_of((ONE,)))[:-9], "damaged"),
        (b"MThd" + b"\0" * (17 << 20), "more than 16 MB"),
    ],
)
def test_what_is_no_music_says_why(content: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        read_midi(content)


def test_absurd_tempos_do_not_count() -> None:
    events = (
        b"\0\xff\x51\x03\0\0\0"  # no time at all to the quarter
        b"\0\xff\x51\x03\xff\xff\xff"  # sixteen seconds
        b"\0\xff\x51\x03\x07\xa1\x20"  # half a second
        b"\0\x90\x3c\x40\x83\x60\x80\x3c\0\0\xff\x2f\0"
    )
    content = b"MThd\0\0\0\x06\0\0\0\x01\x01\xe0MTrk" + struct.pack(">I", len(events)) + events
    score = read_midi(content)
    assert score.tempos.tolist() == [[0, 120]]
    assert score.parts[0].notes.tolist() == [[0, 480, 60, 64]]


def test_a_pedal_is_down_from_half_way_and_what_holds_already_is_dropped() -> None:
    presses = b"".join(
        b"\x0a\xb0\x40" + bytes([value]) for value in (0, 63, 64, 127, 90, 63, 0, 64)
    )
    others = b"\0\xb0\x07\x64\0\xb0\x43\x7f"  # loudness, the soft pedal
    events = others + presses + b"\0\x90\x3c\x40\x60\x80\x3c\0\0\xff\x2f\0"
    content = b"MThd\0\0\0\x06\0\0\0\x01\x01\xe0MTrk" + struct.pack(">I", len(events)) + events
    assert read_midi(content).parts[0].pedals.tolist() == [[30, 1], [60, 0], [80, 1]]


def test_notes_that_last_no_time_are_left_out() -> None:
    events = b"\0\x90\x3c\x40\0\x80\x3c\0\0\x90\x40\x40\x60\x80\x40\0\0\xff\x2f\0"
    content = b"MThd\0\0\0\x06\0\0\0\x01\x01\xe0MTrk" + struct.pack(">I", len(events)) + events
    assert read_midi(content).parts[0].notes[:, 2].tolist() == [64]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="needs the music beside the project")
def test_real_midi_comes_back_as_it_was_written() -> None:
    contents = {path.name: path.read_bytes() for path in (REAL / "multitrack").glob("*.mid")}
    with zipfile.ZipFile(REAL / "folk_tunes.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".mid")]
        contents |= {name: archive.read(name) for name in names}
    assert len(contents) > 2000
    scores = {name: read_midi(content) for name, content in contents.items()}
    assert [
        name for name, score in scores.items() if not same(read_midi(write_midi(score)), score)
    ] == []
