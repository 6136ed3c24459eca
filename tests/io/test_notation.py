"""Voices, hands, drums, tempos and bars of the notation that is written."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from segue.io.musicxml_read import read_music_xml
from segue.io.musicxml_write import write_music_xml
from segue.io.staves import split_hands
from segue.records import Part, Score

Notes = Sequence[tuple[float, float, int]]


def score_of(*parts: tuple[int, Notes], drums: bool = False, tempos: object = ()) -> Score:
    """Make a score of programs and notes: onset and duration in quarters, and pitch."""
    return Score(
        "",
        480,
        tuple(
            Part("", program, drums, np.array([[round(480 * on), round(480 * length), pitch, 80]
                                               for on, length, pitch in notes], np.int32))
            for program, notes in parts
        ),
        np.array(tempos, np.float64).reshape(-1, 2),
        np.array([[0, 4, 4]], np.int32),
        np.array([[0, 0, 0]], np.int32),
    )  # fmt: skip


def voices(score: Score) -> list[dict[str, str]]:
    """Return the visible notes and rests of each bar of the first part, by voice."""
    bars = []
    for measure in ET.fromstring(write_music_xml(score)).findall("part[1]/measure"):
        rows: dict[str, list[str]] = {}
        for note in measure.iter("note"):
            if note.find("chord") is None:
                pitch = f"{note.findtext('pitch/step') or 'x'}{note.findtext('pitch/octave') or ''}"
                name = "r" if note.find("rest") is not None else pitch
                kind = (note.findtext("type") or "bar") + "." * len(note.findall("dot"))
                rows.setdefault(note.findtext("voice") or "", []).append(f"{name}:{kind}")
        bars.append({voice: " ".join(row) for voice, row in rows.items()})
    return bars


def test_a_held_bass_is_a_second_voice() -> None:
    melody = [(n, 1, 72 + n) for n in range(4)]
    (bar,) = voices(score_of((40, [(0, 4, 60), *melody])))
    assert bar == {"1": "C5:quarter C5:quarter D5:quarter E5:quarter", "2": "C4:whole"}


def test_a_broken_chord_that_rings_is_notated_note_by_note() -> None:
    chord = [(n / 2, 4 - n / 2, pitch) for n, pitch in enumerate((40, 52, 55, 59, 64, 59, 55, 52))]
    score = score_of((24, chord))
    (bar,) = voices(score)
    assert bar["2"] == "E2:whole"
    assert bar["1"].split()[0] == "r:eighth"
    assert [value.split(":")[1] for value in bar["1"].split()] == ["eighth"] * 8
    (part,) = read_music_xml(write_music_xml(score)).parts
    assert sorted(part.notes.tolist()) == sorted(score.parts[0].notes.tolist())


def test_a_note_let_go_a_little_early_needs_no_tuplet() -> None:
    bass = [(0, 5 / 6, 41), (1.5, 0.5, 36), (2, 5 / 6, 36), (3.5, 0.5, 41)]
    (bar,) = voices(score_of((33, bass)))
    pattern = "F2:quarter r:eighth C2:eighth C2:quarter r:eighth F2:eighth"
    assert list(bar.values()) == [pattern]


def test_triplets_are_kept() -> None:
    (bar,) = voices(score_of((33, [(n / 3, 1 / 3, 41) for n in range(12)])))
    assert list(bar.values()) == [" ".join(["F2:eighth"] * 12)]


def test_a_swung_eighth_is_two_triplets_long() -> None:
    (bar,) = voices(score_of((25, [(n, 0.5, 60) for n in range(4)] + [(2 / 3, 1 / 3, 60)])))
    assert list(bar.values()) == [
        "C4:quarter C4:eighth C4:eighth r:eighth C4:eighth r:eighth C4:eighth r:eighth"
    ]


def test_a_wind_player_has_one_voice() -> None:
    legato = [(n, 1.2, 70 + n) for n in range(4)]
    (bar, *_) = voices(score_of((73, legato)))
    assert list(bar) == ["1"]


def test_a_second_voice_hides_the_rests_around_it() -> None:
    (bar,) = voices(score_of((0, [(0, 4, 76), (1, 1, 60), (2.5, 0.5, 60)])))
    assert bar == {"1": "E5:whole", "2": "C4:quarter r:eighth C4:eighth"}


def test_hands_follow_the_music() -> None:
    low = [(n, pitch) for n in range(4) for pitch in (40, 72)]
    high = [(n, pitch) for n in range(4, 12) for pitch in (62, 84)]  # no hand spans these two
    onsets, pitches = np.array(low + high, np.int64).T
    right = split_hands(0, onsets, pitches)
    assert right is not None
    assert right.tolist() == [False, True] * 12


def test_a_melody_above_middle_c_needs_one_staff() -> None:
    assert b"<staves>" not in write_music_xml(score_of((0, [(n, 1, 60 + n) for n in range(8)])))


def test_hands_and_feet_of_a_drummer_have_a_voice_each() -> None:
    hats = [(n / 2, 0.1, 42) for n in range(8)]
    beat = [(0, 0.1, 36), (1, 0.1, 38), (2.5, 0.1, 36), (3, 0.1, 38)]
    score = score_of((0, hats + beat), drums=True)
    (bar,) = voices(score)
    assert bar["1"] == " ".join(["x:eighth"] * 8)
    assert bar["2"] == "x:quarter x:eighth"
    xml = write_music_xml(score).decode()
    assert "<display-step>F</display-step><display-octave>4</display-octave>" in xml  # bass drum
    assert "<display-step>G</display-step><display-octave>5</display-octave>" in xml  # hi-hat
    assert xml.count("<notehead>x</notehead>") == 8


def test_a_note_released_late_adds_no_bar() -> None:
    notes = [(n, 0.97, 60) for n in range(3)] + [(3, 1.05, 60)]
    assert len(voices(score_of((40, notes)))) == 1


@pytest.mark.parametrize(
    ("tempos", "shown"),
    [
        ([(0, 100)], ["100"]),
        ([(0, 120), (10, 90)], ["120", "90"]),
        ([(0, 100), (480, 101), (960, 102)], ["100"]),  # too little to be read
        ([(0, 100), (480, 101), (960, 140)], ["100", "140"]),
    ],
)
def test_tempos_that_differ_are_shown(tempos: list[tuple[int, float]], shown: list[str]) -> None:
    score = score_of((40, [(0, 4, 60)]), tempos=tempos)
    xml = write_music_xml(score).decode()
    assert re.findall("<per-minute>(.*?)</per-minute>", xml) == shown
    assert read_music_xml(xml.encode()).tempos.tolist() == score.tempos.tolist()


def test_a_tempo_before_anything_sounds_is_not_shown() -> None:
    score = score_of((40, [(1, 3, 60)]), tempos=[(0, 120), (8, 70)])
    assert re.findall("<per-minute>(.*?)<", write_music_xml(score).decode()) == ["70"]


def band() -> Score:
    piano = [(n / 2, 0.4, pitch) for n in range(16) for pitch in (48, 64, 67, 72)]
    drums = score_of((0, [(n / 2, 0.1, (36, 42, 38, 42)[n % 4]) for n in range(16)]), drums=True)
    parts = score_of((0, piano), (33, [(n, 0.9, 36) for n in range(8)])).parts
    return replace(
        score_of((0, piano)), parts=(*parts, *drums.parts), chords=((0, "C"), (960, "G7"))
    )


def test_musescore_opens_it(tmp_path: Path) -> None:
    program = next(filter(shutil.which, ("musescore3", "mscore3", "mscore")), None)
    if program is None:
        pytest.skip("MuseScore is not installed")
    source, target = tmp_path / "a.musicxml", tmp_path / "a.mid"
    source.write_bytes(write_music_xml(band()))
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([program, "-o", target, source], env=environment, timeout=60, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert target.exists()
    assert not re.search(r"(?i)\berror|corrupt|incomplete", done.stderr), done.stderr


def test_verovio_engraves_it() -> None:
    verovio = pytest.importorskip("verovio")
    toolkit = verovio.toolkit()
    assert toolkit.loadData(write_music_xml(band()).decode())
    assert not toolkit.getLog()
    assert toolkit.getPageCount() == 1
