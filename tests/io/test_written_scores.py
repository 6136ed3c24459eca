"""Scores written as MusicXML and ABC come back as they were, to Segue and to music21."""

import io
import re
import zipfile
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from make_written import GOLDEN, everything

from scores import chord_part, part_of, piece, score_of, tune
from segue.errors import BadArgument
from segue.io.abc_read import read_tune, split_tune_book
from segue.io.abc_write import write_abc
from segue.io.musicxml_read import read_music_xml
from segue.io.musicxml_write import write_music_xml, write_mxl
from segue.io.note_values import QUARTER, divide_into_values
from segue.io.scores import WRITTEN_SUFFIXES, read_scores, write_score
from segue.records import Part, Score
from segue.score.harmony import with_estimated_key
from segue.score.timing import bar_grid
from segue.theory.keys import spell_pitch

GRID = 12  # to the quarter
TIME_SIGNATURES = [
    (4, 4),
    (3, 4),
    (2, 4),
    (6, 8),
    (9, 8),
    (5, 4),
    (7, 8),
    (2, 2),
    (3, 8),
    (12, 8),
    (1, 4),
]


@st.composite
def parts(draw: st.DrawFn) -> Part:
    """Draw notes and pedals on the grid; those of one pitch follow one another."""
    notes: list[list[int]] = []
    for pitch in draw(st.lists(st.integers(21, 108), min_size=1, max_size=6, unique=True)):
        at = 0
        for rest, length in draw(
            st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60)), min_size=1, max_size=6)
        ):
            notes.append([at + rest, length, pitch, draw(st.integers(1, 127))])
            at += rest + length
    notes.sort(key=lambda note: (note[0], note[2]))
    pedals = np.cumsum(draw(st.lists(st.integers(1, 50), max_size=3).map(lambda at: at + at)))
    name = draw(st.sampled_from(["Flute", "Große Flöte & <Oboe>", "笛", "drums"]))
    return Part(
        name,
        draw(st.integers(0, 127)),
        draw(st.booleans()),
        np.array(notes, np.int32),
        np.column_stack([pedals, (np.arange(len(pedals)) + 1) % 2]).astype(np.int32),
    )


@st.composite
def chords(draw: st.DrawFn) -> tuple[tuple[int, str], ...]:
    """Draw chord symbols on the grid, each another one than the one before."""
    names = ("C", "F#m7b5", "Bb/D", "N.C.", "G7", "A-7", "Ebmaj7", "C6/9", "Dadd9/F#", "E7#9")
    symbols: list[tuple[int, str]] = []
    at = 0
    for _ in range(draw(st.integers(0, 6))):
        at += draw(st.integers(0 if not symbols else 1, 30))
        name = draw(st.sampled_from(names))
        if not symbols or symbols[-1][1] != name:
            symbols.append((at, name))
    return tuple(symbols)


def chord_rows(score: Score) -> list[tuple[float, str]]:
    """Return the chords up to the last note's beginning, in quarters."""
    rows = [(tick / score.ticks_per_quarter, name) for tick, name in score.chords]
    return [row for row in rows if row[0] <= length_of(score)]


@st.composite
def scores(draw: st.DrawFn) -> Score:
    at, time_signatures = 0, []
    for number, (beats, unit) in draw(
        st.lists(
            st.tuples(st.integers(1, 3), st.sampled_from(TIME_SIGNATURES)), min_size=1, max_size=3
        )
    ):
        time_signatures.append([at, beats, unit])
        at += number * GRID * 4 * beats // unit
    # Thousandths, so that rounding to the four places that files keep changes nothing.
    tempos = [number / 1000 for number in draw(st.lists(st.integers(20_000, 300_000), max_size=3))]
    ticks = np.cumsum([0, *draw(st.lists(st.integers(1, 60), min_size=3, max_size=3))])
    drawn_parts = draw(st.lists(parts(), min_size=1, max_size=3))
    return Score(
        draw(st.sampled_from(["", "Für Elise", "夜想曲 <&>"])),
        GRID,
        tuple(drawn_parts),
        np.array([[t, bpm] for t, bpm in zip(ticks, tempos, strict=False)]).reshape(-1, 2),
        np.array(time_signatures, np.int32),
        np.array([[0, draw(st.integers(-7, 7)), draw(st.integers(0, 1))]], np.int32),
        draw(st.sampled_from(["", "Clara Schumann"])),
        chords=draw(chords()),
    )


def crossing_ties(*, drum: bool) -> Score:
    """Return notes that are tied on under one another: some of a chord are, and others are not."""
    notes = [(0, 24, 40), (3, 21, 41), (6, 18, 42), (9, 15, 43), (12, 3, 36), (15, 3, 36),
             (18, 3, 36)]  # fmt: skip
    part = Part("Flute", 0, drum, np.array([[*note, 80] for note in notes], np.int32))
    time_signatures = np.array([[0, 1, 4]], np.int32)
    return Score(
        "", GRID, (part,), np.empty((0, 2)), time_signatures, np.array([[0, 0, 0]], np.int32)
    )


def rows(score: Score, part: Part, *columns: int) -> list[list[int]]:
    """Return notes in ticks of 480 to the quarter; all columns where none is named."""
    table = part.notes.copy()
    table[:, :2] *= 480 // score.ticks_per_quarter
    return sorted(table[:, list(columns or range(4))].tolist())


def bar_lines(score: Score, quarters: float) -> list[float]:
    at = bar_grid(score).edges / score.ticks_per_quarter
    return at[at < quarters].tolist()  # type: ignore[no-any-return]


def length_of(score: Score) -> float:
    """Return the quarters until the last note begins."""
    return max(int(part.notes[:, 0].max()) for part in score.parts) / score.ticks_per_quarter


def tempo_rows(score: Score) -> list[tuple[float, float]]:
    """Return quarters and tempo, without what says what holds already."""
    rows: list[tuple[float, float]] = []
    for tick, bpm in score.tempos.tolist():
        if not rows or abs(rows[-1][1] - bpm) > 1e-4:
            rows.append((tick / score.ticks_per_quarter, round(bpm, 4)))
    return rows


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(scores())
@example(crossing_ties(drum=False))
@example(crossing_ties(drum=True))
def test_music_xml_comes_back_as_it_was(score: Score) -> None:
    read_back = read_music_xml(write_music_xml(score))
    assert (read_back.title, read_back.composer) == (score.title, score.composer)
    assert len(read_back.parts) == len(score.parts)
    for part, read in zip(score.parts, read_back.parts, strict=True):
        assert (read.name, read.program, read.is_drum) == (part.name, part.program, part.is_drum)
        assert rows(read_back, read) == rows(score, part)
        assert read.pedals.tolist() == (part.pedals * [480 // GRID, 1]).tolist()
    assert bar_lines(read_back, length_of(score)) == bar_lines(score, length_of(score))
    assert tempo_rows(read_back) == tempo_rows(score)
    assert read_back.keys.tolist() == score.keys.tolist()
    assert chord_rows(read_back) == chord_rows(score)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(scores())
def test_abc_comes_back_as_it_was_but_for_loudness(score: Score) -> None:
    (book,) = split_tune_book(write_abc(score).encode())
    read_back = read_tune(book)
    assert (read_back.title, read_back.composer) == (score.title, score.composer)
    for part, read in zip(score.parts, read_back.parts, strict=True):
        assert (read.name, read.program, read.is_drum) == (part.name, part.program, part.is_drum)
        assert rows(read_back, read, 0, 1, 2) == rows(score, part, 0, 1, 2)
    assert bar_lines(read_back, length_of(score)) == bar_lines(score, length_of(score))
    assert read_back.keys.tolist() == score.keys.tolist()
    assert chord_rows(read_back) == chord_rows(score)


def test_an_overlay_says_again_what_was_signed_before_it() -> None:
    notes = np.array([[0, 12, 70, 80], [0, 36, 60, 80], [12, 12, 69, 80], [24, 12, 71, 80]])
    low = np.array([[0, 2, 21, 1], [0, 1, 22, 1], [1, 1, 22, 1], [2, 47, 22, 1]])
    for rows_of in (notes, low):
        score = Score(
            "", GRID, (Part("", 0, False, rows_of.astype(np.int32)),), np.empty((0, 2)),
            np.array([[0, 4, 4]], np.int32), np.array([[0, 2, 0]], np.int32),
        )  # fmt: skip
        (book,) = split_tune_book(write_abc(score).encode())
        read_back = read_tune(book)
        assert rows(read_back, read_back.parts[0], 0, 1, 2) == rows(score, score.parts[0], 0, 1, 2)


def by_music21(stream: Any) -> list[list[list[Any]]]:
    """Return what music21 makes of each part: onset, end and pitch (None of drums), velocity."""
    parts_by_staff: dict[str, list[list[Any]]] = defaultdict(list)
    for number, staff in enumerate(stream.parts):
        is_one_of_two = "PartStaff" in staff.classes
        part = parts_by_staff[
            str(staff.id).partition("-Staff")[0] if is_one_of_two else f"#{number}"
        ]
        held: list[list[Any]] = []
        for element in staff.flatten().notes:
            if "ChordSymbol" in element.classes:
                continue
            on = Fraction(element.offset).limit_denominator(96)
            end = on + Fraction(element.quarterLength).limit_denominator(96)
            for note in getattr(element, "notes", (element,)):
                pitch = note.pitch.midi if hasattr(note, "pitch") else None
                tie = note.tie.type if note.tie else ""  # of a chord, each note has its own
                before = next((h for h in held if h[1:3] == [on, pitch]), None)
                if tie in {"stop", "continue"} and before:
                    before[1] = end
                else:
                    before = [on, end, pitch, note.volume.velocity]
                    part.append(before)
                    held.append(before)
                if tie not in {"start", "continue"} and before in held:
                    held.remove(before)
    return [sorted(part, key=lambda row: (row[0], row[2] or 0, row[1], row[3]))
            for part in parts_by_staff.values()]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*does not map to a valid instrument")  # a drum it lacks
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(scores())
@example(crossing_ties(drum=False))
@example(crossing_ties(drum=True))
def test_music21_reads_music_xml_without_complaint(score: Score) -> None:
    from music21 import converter

    stream: Any = converter.parse(write_music_xml(score).decode(), format="musicxml")
    heard = by_music21(stream)
    for part, read in zip(score.parts, heard, strict=True):
        # It reads what is written, which may be rounded to be readable; not what is played.
        onsets = sorted((0 if part.is_drum else pitch, on / GRID, velocity)
                        for on, _, pitch, velocity in part.notes.tolist())  # fmt: skip
        notes = sorted((pitch or 0, float(on), velocity) for on, _, pitch, velocity in read)
        assert len(notes) == len(onsets)
        if part.is_drum:  # which drum it is, music21 does not read: so the onsets alone
            for (_, on, _), read_on in zip(
                sorted(onsets, key=lambda row: row[1]), sorted(row[1] for row in notes), strict=True
            ):
                assert abs(read_on - on) <= 0.25
            continue
        for (pitch, on, velocity), (read_pitch, read_on, read_velocity) in zip(
            onsets, notes, strict=True
        ):
            assert (read_pitch, read_velocity) == (pitch, velocity)
            assert abs(read_on - on) <= 0.25
    programs = [p.getInstrument().midiProgram for p in stream.parts]
    assert set(programs) >= {part.program for part in score.parts if not part.is_drum}
    first = stream.parts[0]
    time_signatures = [(float(m.offset), m.numerator, m.denominator)
              for m in first.flatten().getElementsByClass("TimeSignature")]  # fmt: skip
    last = bar_grid(score).edges[-1]
    expected = [(tick / GRID, beats, unit) for tick, beats, unit in score.time_signatures.tolist()]
    expected = [row for n, row in enumerate(expected) if not n or row[1:] != expected[n - 1][1:]]
    assert (
        time_signatures == [row for row in expected if row[0] * GRID < last][: len(time_signatures)]
    )
    marks = [(float(m.offset), m.getQuarterBPM())
             for m in first.flatten().getElementsByClass("MetronomeMark")]  # fmt: skip
    for tick, bpm in score.tempos.tolist():
        assert any(at == tick / GRID and abs(marked_bpm - bpm) < 0.76 for at, marked_bpm in marks)


# ---- what is written ----------------------------------------------------------------------


def test_the_format_is_that_of_the_ending(tmp_path: Path) -> None:
    score = with_estimated_key(piece(2))
    for suffix in WRITTEN_SUFFIXES:
        write_score(score, tmp_path / f"a{suffix}")
        (read_back,) = read_scores(tmp_path / f"a{suffix}")
        assert isinstance(read_back, Score)
        assert [rows(read_back, part, 0, 1, 2) for part in read_back.parts] == [
            rows(score, part, 0, 1, 2) for part in score.parts
        ]
    with pytest.raises(BadArgument, match=r"a\.krn has no known score format; expected .*\.abc"):
        write_score(score, tmp_path / "a.krn")
    assert {path.name for path in tmp_path.iterdir()} == {f"a{one}" for one in WRITTEN_SUFFIXES}


def test_compressed_music_xml_is_an_archive_that_is_always_the_same() -> None:
    score = piece(1)
    with zipfile.ZipFile(io.BytesIO(write_mxl(score))) as archive:
        assert archive.namelist() == ["META-INF/container.xml", "score.musicxml"]
        assert archive.read("score.musicxml") == write_music_xml(score)
    assert write_mxl(score) == write_mxl(score)


def test_music_xml_is_what_it_was() -> None:
    """`make_written.py` wrote the golden file."""
    xml = write_music_xml(everything()).decode()
    assert re.sub("Segue [0-9.]+", "Segue", xml) == GOLDEN.read_text(encoding="utf-8")


def test_every_part_ends_with_a_final_barline() -> None:
    parts = write_music_xml(everything()).decode().split("<part id=")[1:]
    assert len(parts) > 1
    assert all(part.count("light-heavy") == 1 for part in parts)
    assert all(part.rindex("light-heavy") > part.rindex("<measure") for part in parts)


def test_a_score_without_a_note_is_not_written() -> None:
    for write in (write_music_xml, write_abc):
        with pytest.raises(BadArgument, match="without a note"):
            write(score_of())
    with pytest.raises(BadArgument, match="more than 20000 bars"):
        write_music_xml(score_of(part_of((0, 1, 60), (90_000, 1, 60))))


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([(0, 1.5, 60), (1.5, 1.5, 62), (3, 1, 64)], "C3D- D2 E2 |]"),
        ([(0.5, 3, 60)], "zC3- C3z |]"),
        ([(0, 4, 61), (4, 1, 60)], "^C8 | C2 z2 z4 |]"),
        ([(0, 1, 61), (1, 1, 60), (2, 1, 61)], "^C2 =C2 ^C2 z2 |]"),
        ([(0, 1, 60), (0, 1, 64), (1, 3, 64), (1, 1, 60)], "[CE]2 E6 & z2 C2 z4 |]"),
        ([(0, 1 / 3, 60), (1 / 3, 1 / 3, 62), (2 / 3, 1 / 3, 64)], "(3CDE z2 z4 |]"),
        ([(0, 2 / 3, 60), (2 / 3, 2 / 3, 62), (4 / 3, 2 / 3, 64)], "(3C2D2E2 z4 |]"),
        ([(3, 2, 61), (5, 1, 60)], "z4 z2 ^C2- | ^C2 =C2 z4 |]"),
    ],
)
def test_abc_is_written_as_musicians_would(
    notes: list[tuple[float, float, int]], expected: str
) -> None:
    assert write_abc(score_of(part_of(*notes))).splitlines()[-1] == expected


def test_chords_stand_above_the_notes_they_begin_with() -> None:
    score = replace(
        score_of(part_of((0, 2, 60), (2, 2, 62), (4, 4, 64))),
        chords=((0, "C"), (2 * 24, "G7"), (4 * 24, "Am"), (6 * 24, "F/A")),
    )
    last = write_abc(score).splitlines()[-1]
    assert last == '"C"C4 "G7"D4 | E8 & "Am"x4"F/A"x4 |]'
    xml = write_music_xml(score).decode()
    assert '<kind text="7">dominant</kind>' in xml
    assert "<bass><bass-step>A</bass-step></bass>" in xml
    from music21 import converter, harmony

    read = converter.parse(xml, format="musicxml").recurse().getElementsByClass(harmony.Harmony)
    assert [chord.figure for chord in read] == ["C", "G7", "Am", "F/A"]


def test_notes_are_spelled_by_their_key() -> None:
    assert "".join(spell_pitch(pitch, 0)[0] for pitch in range(60, 72)) == "CCDEEFFGGABB"
    assert spell_pitch(61, 4) == ("C", 1, 4)
    assert spell_pitch(61, -4) == ("D", -1, 4)
    assert spell_pitch(71, -7) == ("C", -1, 5)
    assert spell_pitch(60, 7) == ("B", 1, 3)
    for pitch in range(128):
        for sharps in range(-7, 8):
            letter, alteration, octave = spell_pitch(pitch, sharps)
            assert "C D EF G A B".index(letter) + alteration + 12 * (octave + 1) == pitch


def test_short_notes_have_dots_and_come_back_short() -> None:
    score = score_of(part_of(*((beat, 0.25, 60 + beat) for beat in range(4)), (4, 4, 60)))
    xml = write_music_xml(score).decode()
    assert xml.count("<staccato/>") == 4
    assert "<rest" not in xml
    (part,) = read_music_xml(xml.encode()).parts
    assert part.notes[:, 1].tolist() == [120, 120, 120, 120, 1920]


def test_a_performance_is_written_plainly_and_comes_back_as_it_was_played() -> None:
    rng = np.random.default_rng(5)
    notes = np.array([[480 * n, 470, 60 + n % 8, 80] for n in range(16)], np.int32)
    notes[1:, 0] += rng.integers(-20, 21, 15)
    notes[:, 1] += rng.integers(-30, 31, 16)
    played = Part("", 0, False, notes)
    nothing = np.empty((0, 3), np.int32)
    score = Score("", 480, (played,), np.empty((0, 2)), nothing, nothing)
    xml = write_music_xml(score).decode()
    assert xml.count("<type>quarter</type>") == 16
    assert "<tie" not in xml
    assert np.abs(read_music_xml(xml.encode()).parts[0].notes - notes).max() <= 1


def test_a_wide_piano_is_on_two_staves() -> None:
    piano = chord_part((36, 48, 64, 76), (43, 50, 67, 79))
    xml = write_music_xml(score_of(piano)).decode()
    assert "<staves>2</staves>" in xml
    assert rows(read_music_xml(xml.encode()), read_music_xml(xml.encode()).parts[0]) == rows(
        score_of(piano), piano
    )
    assert "<staves>" not in write_music_xml(score_of(tune(36, 76, program=33))).decode()


def test_drums_are_told_by_their_pitch() -> None:
    beat = part_of((0, 0.1, 36), (1, 0.1, 38), (1, 0.1, 42), (2, 0.1, 49), drum=True)
    xml = write_music_xml(score_of(beat)).decode()
    assert "<midi-unpitched>37</midi-unpitched>" in xml
    (part,) = read_music_xml(xml.encode()).parts
    assert part.is_drum
    assert part.notes[:, 2].tolist() == [36, 38, 42, 49]


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("up", range(12))
def test_a_score_without_a_key_is_given_its_own(up: int, minor: bool) -> None:
    third = 63 if minor else 64
    chords = ((48, third, 67), (53, 65, 68 if minor else 69), (55, 62, 71), (48, third, 67))
    score = with_estimated_key(
        score_of(chord_part(*(tuple(p + up for p in chord) for chord in chords)))
    )
    sharps = int(score.keys[0, 1])
    assert score.keys.tolist() == [[0, sharps, int(minor)]]
    tonic = (7 * sharps + (9 if minor else 0)) % 12
    assert tonic == up
    assert with_estimated_key(score) is score


@pytest.mark.parametrize(
    ("time_signature", "ends", "expected"),
    [
        # in eighths; dotted beats are shown
        ((6, 8), (4, 6), "quarter. eighth quarter"),
        ((6, 8), (2, 6), "quarter eighth quarter."),
        ((6, 8), (2, 4, 6), "quarter eighth eighth quarter"),
        ((9, 8), (4, 9), "quarter. eighth quarter quarter."),
        ((12, 8), (4, 8, 12), "quarter. eighth quarter quarter eighth quarter."),
        ((6, 4), (8, 12), "half. quarter half"),
        # what is made of whole dotted beats is one value; other metres have no dotted beat
        ((6, 8), (6,), "half."),
        ((9, 8), (6, 9), "half. quarter."),
        ((12, 8), (12,), "whole."),
        ((3, 4), (1, 5, 6), "eighth half eighth"),
        ((3, 4), (2, 6), "quarter half"),
        ((4, 4), (1, 3, 8), "eighth quarter eighth half"),
    ],
)
def test_values_show_dotted_beats(
    time_signature: tuple[int, int], ends: tuple[int, ...], expected: str
) -> None:
    eighth = QUARTER // 2
    edges = [0, *(end * eighth for end in ends)]
    stretches = [(start, end, False) for start, end in pairwise(edges)]
    values = [value for _, value in divide_into_values(stretches, edges[-1], *time_signature)]
    assert " ".join(value.kind + "." * value.dots for value in values) == expected
