"""Clefs, readable rhythms and beams of what is written."""

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from segue.io.musicxml_read import read_music_xml
from segue.io.musicxml_write import write_music_xml
from segue.io.note_values import QUARTER, is_readable, notated_onsets, quantise
from segue.io.staves import (
    ALTO,
    BASS,
    BASS_8VB,
    PERCUSSION,
    TENOR,
    TREBLE,
    TREBLE_8VA,
    TREBLE_8VB,
    Clef,
    choose_clef,
    ledger_lines,
)
from segue.records import Part, Score

SIXTEENTH, TRIPLET = QUARTER // 4, QUARTER // 3


@pytest.mark.parametrize(
    ("program", "pitches", "clef"),
    [
        (40, (55, 88), TREBLE),  # violin
        (41, (48, 76), ALTO),  # viola
        (41, (76, 88), TREBLE),  # viola, high
        (42, (36, 60), BASS),  # cello
        (42, (55, 67), TENOR),  # cello, high
        (43, (28, 50), BASS_8VB),  # double bass
        (33, (28, 45), BASS_8VB),  # electric bass
        (24, (40, 76), TREBLE_8VB),  # guitar
        (57, (45, 62), BASS),  # trombone
        (70, (34, 58), BASS),  # bassoon
        (72, (74, 102), TREBLE_8VA),  # piccolo
        (73, (60, 90), TREBLE),  # flute
        (47, (40, 55), BASS),  # timpani
        (52, (60, 79), TREBLE),  # soprano
        (52, (50, 70), TREBLE_8VB),  # tenor
        (52, (40, 57), BASS),
        (0, (60, 84), TREBLE),
        (0, (36, 55), BASS),
        (80, (30, 50), BASS),  # a synthesizer that plays bass
    ],
)
def test_each_instrument_has_the_clef_that_its_players_read(
    program: int, pitches: tuple[int, int], clef: Clef
) -> None:
    assert choose_clef(program, np.arange(pitches[0], pitches[1] + 1, dtype=np.int32)) == clef


@pytest.mark.parametrize(
    ("name", "clef"),
    [("Alto", TREBLE), ("Tenor 2", TREBLE_8VB), ("Bass", BASS), ("Soprano", TREBLE)],
)
def test_a_voice_has_the_clef_of_its_name(name: str, clef: Clef) -> None:
    low = np.array([52, 55, 57, 60], np.int32)
    assert choose_clef(52, low, name=name) == clef
    assert choose_clef(42, low, name=name) == BASS  # a cello that plays the tenor's part


def test_drums_have_the_percussion_clef() -> None:
    assert choose_clef(0, np.array([36, 42], np.int32), is_drum=True) == PERCUSSION


@pytest.mark.parametrize(
    ("clef", "pitch", "count"),
    [
        (TREBLE, 62, 0), (TREBLE, 60, 1), (TREBLE, 57, 2), (TREBLE, 79, 0), (TREBLE, 81, 1),
        (BASS, 40, 1), (BASS, 60, 1), (BASS, 57, 0), (ALTO, 60, 0), (ALTO, 48, 1),
        (TENOR, 57, 0), (BASS_8VB, 28, 1), (TREBLE_8VB, 40, 3), (TREBLE_8VB, 52, 0),
        (TREBLE_8VA, 84, 0),
    ],
)  # fmt: skip
def test_ledger_lines(clef: Clef, pitch: int, count: int) -> None:
    assert ledger_lines(clef, [pitch]) == count


@pytest.mark.parametrize(
    ("places", "readable"),
    [
        ([0, 1 / 4, 1 / 2, 3 / 4], True),
        ([0, 1 / 8, 1 / 4], True),
        ([0, 3 / 8, 1 / 2], True),
        ([0, 5 / 8], False),  # a 32nd beside nothing
        ([0, 1 / 3, 2 / 3], True),
        ([0, 1 / 3, 1 / 2, 2 / 3], True),  # two against three
        ([0, 1 / 5, 2 / 5, 3 / 5, 4 / 5], True),
        ([k / 7 for k in range(7)], True),
        ([k / 16 for k in range(16)], True),
        ([0, 5 / 12], False),  # nothing else needs twelfths
        ([0, 1 / 4, 1 / 3], False),
        ([0, 1 / 24], False),
        ([0, 1 / 5], False),
    ],
)
def test_rhythms_that_a_reader_reads(places: list[float], readable: bool) -> None:
    on = np.rint(np.array(places) * QUARTER).astype(np.int64)
    off = np.append(on[1:], QUARTER)
    assert is_readable(on, off) is readable


@pytest.mark.parametrize(
    ("on", "off", "kinds"),
    [
        # A straight beat, played a little off: each note until the next.
        ([0.02, 0.24, 0.51, 0.77], [0.2, 0.45, 0.7, 0.95], "16th 16th 16th 16th"),
        # Long notes end on the beat; a short gap is no rest, a long one is.
        ([0, 2.05], [1.9, 3.95], "half half"),
        ([0.01, 2.05], [0.85, 3.9], "quarter rest half"),
        ([0, 1.02, 1.51, 3.0], [0.8, 1.45, 1.9, 3.8], "quarter eighth eighth rest quarter"),
        # A chord whose notes are let go one by one ends together.
        ([0, 0, 0], [1.0, 0.95, 0.88], "quarter quarter quarter"),
        # A sixteenth and its rests are one note with a dot.
        ([0.01, 1.02], [0.25, 1.9], "quarter. quarter"),
    ],
)
def test_what_is_played_is_written_in_plain_values(
    on: list[float], off: list[float], kinds: str
) -> None:
    times = zip(on, off, scale(len(on)).tolist(), strict=True)
    notes = [[round(480 * a), round(480 * (b - a)), pitch, 80] for a, b, pitch in times]
    xml = write_music_xml(replace(score(part(40, notes)), ticks_per_quarter=480)).decode()
    written = [
        ("rest" if "<rest" in note else re.findall("<type>(.*?)</type>", note)[0])
        + "." * note.count("<staccato/>")
        for note in re.findall("<note.*?</note>", xml)
    ]
    expected = kinds.split()
    assert written[: len(expected)] == expected


def test_swing_is_written_in_triplets_and_stray_ones_are_not() -> None:
    swing = np.array([at for beat in range(4) for at in (beat, beat + 0.66)])
    assert (quantise(swing, scale(len(swing))) % TRIPLET == 0).all()
    straight = np.array([*np.arange(0, 16, 0.5), 16.0, 16 + 5 / 12, 16.75])
    assert (quantise(straight, scale(len(straight))) % SIXTEENTH == 0).all()


def test_a_drum_stroke_off_the_grid_is_written_on_it() -> None:
    """One late stroke in sixteen plain beats, which elsewhere is left as it was played."""
    on = np.array([3, *range(24, 24 * 16, 12), 24 * 16])
    notes = np.column_stack([on, np.full(len(on), 3), np.full(len(on), 38), np.full(len(on), 80)])
    written = {
        is_drum: notated_onsets(notes.astype(np.int32), 24, is_drum=is_drum, shortened=True)
        for is_drum in (True, False)
    }
    assert (written[True] % SIXTEENTH == 0).all()
    assert written[False][0] == QUARTER // 8
    assert (written[True][1:] == written[False][1:]).all()
    roll = [0, 3, 6, 9, 12, 15, 18, 21, *range(24, 24 * 16, 12)]  # a written roll of 32nds stays
    notes = np.array([[at, 3, 38, 80] for at in roll], np.int32)
    places = notated_onsets(notes, 24, is_drum=True, shortened=True)
    assert places[:4].tolist() == [0, QUARTER // 8, QUARTER // 4, 3 * QUARTER // 8]


def scale(count: int) -> NDArray[np.int64]:
    """Make pitches of which none is struck again."""
    return np.arange(count) + 40


@pytest.mark.parametrize("apart", [1 / 12, 1 / 10, 1 / 8])
@pytest.mark.parametrize("first", [0.0, 1.0, 1.5, 1.8])
def test_what_is_struck_again_has_a_place_of_its_own(first: float, apart: float) -> None:
    on = np.array([first, first + apart, 2.0, 2.5])
    same = quantise(on, np.full(4, 60))
    assert (np.diff(same) > 0).all()
    assert (same % (QUARTER // 8) == 0).all()  # 32nds, nothing shorter
    other = quantise(on, scale(4))
    assert (other % (QUARTER // 4) == 0).all() or apart == 1 / 8 or first == 1.8


def part(program: int, notes: list[list[int]], *, is_drum: bool = False) -> Part:
    return Part("", program, is_drum, np.array(notes, np.int32), np.empty((0, 2), np.int32))


def score(*parts: Part, time_signature: tuple[int, int] = (4, 4)) -> Score:
    return Score(
        "A title", 24, parts, np.array([[0, 95.24]]), np.array([[0, *time_signature]], np.int32),
        np.array([[0, -1, 1]], np.int32),
    )  # fmt: skip


def test_what_is_written_is_readable_and_what_sounds_stays_exact() -> None:
    rng = np.random.default_rng(0)
    on = np.sort(rng.choice(16 * 24, 60, replace=False))
    lengths = rng.integers(1, 60, len(on)).tolist()
    played = zip(on.tolist(), lengths, strict=True)
    notes = [[at, length, 60 + k % 12, 80] for k, (at, length) in enumerate(played)]
    xml = write_music_xml(score(part(73, notes))).decode()
    assert not re.search("<type>(64th|128th)</type>", xml)
    (read_back,) = read_music_xml(xml.encode()).parts
    assert read_back.notes[:, :2].tolist() == [[20 * at, 20 * length] for at, length, _, _ in notes]


def test_drums_are_never_tied_and_show_no_key() -> None:
    beat = [[6 * k, 2, 42, 90] for k in range(0, 32, 3)] + [[0, 90, 36, 99]]
    beat.sort()
    xml = write_music_xml(score(part(0, beat, is_drum=True))).decode()
    assert "<tie " not in xml
    assert '<key print-object="no">' in xml
    assert "<sign>percussion</sign>" in xml


@pytest.mark.parametrize(
    ("time_signature", "lengths", "beams"),
    [
        ((4, 4), [12] * 8, "begin continue continue end begin continue continue end"),
        ((3, 4), [12] * 6, "begin end begin end begin end"),
        ((6, 8), [12] * 6, "begin continue end begin continue end"),
        ((2, 4), [18, 6, 12, 12], "begin end+backward_hook begin end"),
        ((2, 4), [6, 12, 6, 24], "begin+forward_hook continue end+backward_hook -"),
        ((4, 4), [12, 24, 12, 48], "- - - -"),
        ((2, 4), [6] * 8, "begin+begin continue+continue continue+continue end+end " * 2),
    ],
)
def test_short_notes_are_beamed_by_the_beat(
    time_signature: tuple[int, int], lengths: list[int], beams: str
) -> None:
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    notes = [[at, length, 72, 80] for at, length in zip(starts, lengths, strict=True)]
    xml = write_music_xml(score(part(73, notes), time_signature=time_signature)).decode()
    beams_of_notes = [
        "+".join(beam.replace(" ", "_") for beam in re.findall(r"<beam[^>]*>([^<]*)<", note)) or "-"
        for note in re.findall("<note.*?</note>", xml)
    ]
    assert beams_of_notes == beams.split()


def test_a_tempo_is_shown_as_a_whole_number_and_sounds_as_it_is() -> None:
    xml = write_music_xml(score(part(73, [[0, 24, 72, 80]]))).decode()
    assert "<per-minute>95</per-minute>" in xml
    assert read_music_xml(xml.encode()).tempos[0, 1] == pytest.approx(95.24)
