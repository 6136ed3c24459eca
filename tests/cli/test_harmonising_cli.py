"""`segue harmonise`, run as a user runs it."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from test_cli import answer, segue

from conftest import write_score
from midi_files import assert_conducted
from scores import chord_part, part_of, score_of, tune
from segue.io.midi import read_midi
from segue.records import Score

#: Ode to Joy's first four bars.
JOY = [64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64, 64, 62]
LENGTHS = [1.0] * 12 + [1.5, 2.5]


@pytest.fixture
def joy() -> Score:
    starts = np.cumsum([0.0, *LENGTHS[:-1]]).tolist()
    notes = [(at, 0.9 * n, p) for at, n, p in zip(starts, LENGTHS, JOY, strict=True)]
    return score_of(part_of(*notes, program=73), tempos=[[0, 96.0]], title="Joy")


def test_a_melody_gets_chords_and_stays_as_it_is(joy: Score, tmp_path: Path) -> None:
    tune_, target = write_score(tmp_path / "joy.mid", joy), tmp_path / "with.mid"
    document = answer(
        "harmonise",
        tune_,
        "-o",
        target,
        "-n",
        "2",
        "--png",
        "--wav",
        "--seed",
        "0",
        library=tmp_path / "none",
    )
    assert document["style"] == "chords"
    first, second = document["made"]
    assert first["key"] == "C major"
    assert first["statistics"]["scale_consistency"] == 1
    assert first["statistics"]["empty_bar_rate"] == 0
    assert first["likelihood"] >= second["likelihood"]
    assert first["chords"][0]["bar"] == 1
    assert {chord["name"] for chord in first["chords"]} & {"C", "G", "Am", "F"}
    assert_conducted(target)
    written = read_midi(target.read_bytes())
    melody, played = written.parts
    assert melody.program == 73
    assert np.array_equal(melody.notes, joy.parts[0].notes)
    assert played.name == "Accompaniment"
    assert (tmp_path / "with-2.mid").exists()
    assert (tmp_path / "with.png").read_bytes().startswith(b"\x89PNG")
    with wave.open(str(tmp_path / "with-2.wav")) as sound:
        assert sound.getnframes() > 44_100


def test_a_melody_gets_three_voices_and_a_report(joy: Score, tmp_path: Path) -> None:
    tune_, target, report = (tmp_path / name for name in ("joy.mid", "sung.mid", "report.json"))
    write_score(tune_, joy)
    arguments: list[str | Path] = [
        "harmonise",
        tune_,
        "--style",
        "chorale",
        "-o",
        target,
        "--seed",
        "3",
    ]
    done = segue(*arguments, "--report", report, library=tmp_path / "none")
    assert done.returncode == 0, done.stderr
    assert "four voices" in done.stdout
    assert "bar 1" in done.stdout
    score = read_midi(target.read_bytes())
    assert [part.name for part in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert np.array_equal(score.parts[0].notes, joy.parts[0].notes)
    assert score.parts[3].notes[-1, 2] % 12 in {0, 7}  # the tonic, or, here, the dominant
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["seed"] == 3
    assert document["made"][0]["voice_leading"]["parallels"] == 0
    assert {"segue", "torch"} <= set(document)
    assert document["made"][0]["statistics"]["notes_per_bar"] > 4
    shared = document["made"][0]["longest_passage_shared"]
    assert (shared["notes"] > 0) == bool(shared["voice"]) == bool(shared["chorale"])
    again = answer(*arguments, library=tmp_path / "none")
    assert again["made"] == document["made"]


def test_invalid_arguments_are_refused(joy: Score, tmp_path: Path) -> None:
    write_score(tmp_path / "joy.mid", joy)
    write_score(tmp_path / "drums.mid", score_of(part_of((0, 1, 36), drum=True)))
    write_score(
        tmp_path / "two.mid", score_of(chord_part((60, 64, 67)), chord_part((48, 52), program=3))
    )
    write_score(tmp_path / "low.mid", score_of(tune(28, 30, 31)))
    write_score(tmp_path / "long.mid", score_of(part_of((0, 1, 72), (40_000, 1, 72))))
    (tmp_path / "empty.mid").write_bytes(b"")
    target = tmp_path / "out.mid"
    for name, options, code, message in (
        ("drums.mid", [], 2, "no note with a pitch"),
        ("two.mid", [], 2, "--part"),
        ("joy.mid", ["--part", "9"], 2, "no part with notes is called"),
        ("low.mid", ["--style", "chorale"], 2, "too low for three voices"),
        ("long.mid", ["--style", "chorale"], 2, "at most 1000"),
        ("joy.mid", ["--temperature", "-1"], 2, "temperature"),
        ("joy.mid", ["--temperature", "nan", "--style", "chorale"], 2, "temperature"),
        ("joy.mid", ["-n", "1000"], 2, "from 1 to 100"),
        ("empty.mid", [], 1, "empty.mid"),
        ("none.mid", [], 1, "there is no file"),
    ):
        done = segue(
            "harmonise", tmp_path / name, "-o", target, *options, library=tmp_path / "none"
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert message in done.stderr
        assert not target.exists()
    done = segue("harmonise", tmp_path / "joy.mid", "-o", tmp_path / "a.txt")
    assert done.returncode == 2
    assert "name a file that ends in" in done.stderr
