"""The command that writes melodies, run as a user runs it, with the shipped model."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from test_cli import answer, segue

from conftest import little_score, write_score
from midi_files import assert_conducted
from segue.io.midi import read_midi
from segue.io.musicxml_read import read_music_xml

CHORDS = "Dm7 G7 | Cmaj7 | Am7 | Dm7 G7"


def test_candidates_are_written_and_reported(tmp_path: Path) -> None:
    target, report = tmp_path / "tune.mid", tmp_path / "tune.json"
    document = answer(
        "melody", CHORDS, "-o", target, "--style", "pop", "-n", "2", "--seed", "5", "--png",
        "--wav", "--report", report, library=tmp_path / "none",
    )  # fmt: skip
    assert document["chords_by_bar"] == [["Dm7", "G7"], ["Cmaj7"], ["Am7"], ["Dm7", "G7"]]
    assert [each["rank"] for each in document["melodies"]] == [1, 2]
    assert json.loads(report.read_text(encoding="utf-8")) == document
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        f"tune{end}" for end in
        (".mid", "-2.mid", ".png", "-2.png", ".wav", "-2.wav", ".json")
    }  # fmt: skip
    assert_conducted(target)
    score = read_midi(target.read_bytes())
    assert [part.name for part in score.parts] == ["Melody", "Chords", "Bass"]
    melody = score.parts[0].notes
    assert len(melody) == document["melodies"][0]["notes"]
    assert int((melody[:, 0] + melody[:, 1]).max()) <= 4 * 4 * score.ticks_per_quarter
    assert set(np.unique(melody[:, 3]).tolist()) <= {104, 94, 84}
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")
    with wave.open(str(tmp_path / "tune.wav")) as sound:
        assert sound.getnframes() > 44_100


def test_form_and_range(tmp_path: Path) -> None:
    target = tmp_path / "tune.mid"
    chords = "C | F G | C | G | C | F G | G7 | C"
    document = answer(
        "melody", chords, "-o", target, "--form", "AA", "--range", "C4-E5", "-n", "1", "--seed",
        "1", library=tmp_path / "none",
    )  # fmt: skip
    assert (document["form"], document["range"]) == ("AA", "C4-E5")
    melody = read_midi(target.read_bytes()).parts[0].notes
    assert 60 <= melody[:, 2].min() <= melody[:, 2].max() <= 76
    assert melody[-1, 2] % 12 == 0
    for wrong in (["--form", "AAA"], ["--form", "A?"], ["--range", "C4"], ["--range", "C4-D4"]):
        refused = segue("melody", chords, "-o", target, *wrong, library=tmp_path / "none")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_roman_numerals_time_signature_tempo_and_seed(tmp_path: Path) -> None:
    arguments = [
        "--roman",
        "I IV V7 I",
        "--key",
        "D",
        "--metre",
        "6/8",
        "--tempo",
        "110",
        "-n",
        "1",
        "--seed",
        "3",
    ]
    files = []
    notation = tmp_path / "one.musicxml"
    for name in ("one", "two"):
        target = tmp_path / f"{name}.mid"
        outputs: list[str | Path] = ["-o", target, "-o", notation]
        done = segue("melody", *arguments, *outputs, library=tmp_path / "none")
        assert done.returncode == 0, done.stderr
        assert "chord tones" in done.stdout
        files.append(target.read_bytes())
    assert files[0] == files[1]
    score = read_midi(files[0])
    assert score.time_signatures.tolist() == [[0, 6, 8]]
    symbols = [name for _, name in read_music_xml(notation.read_bytes()).chords]
    assert symbols == ["D", "G", "A7", "D"]
    assert score.tempos[0, 1] == pytest.approx(165, abs=0.01)  # dotted quarters


def test_the_chords_of_a_file_are_estimated(tmp_path: Path) -> None:
    file = write_score(tmp_path / "one.mid", little_score(3))
    target = tmp_path / "new.mid"
    document = answer("melody", file, "-o", target, "-n", "1", library=tmp_path / "none")
    assert document["bars"] == 8
    assert document["chords_from"] == "found"
    assert target.exists()


def test_the_chords_above_a_tune_are_used_and_written_again(tmp_path: Path) -> None:
    tune = tmp_path / "reel.abc"
    music = 'c|"Am"e2 e2|"G7/b"d2 "Dal segno"d2|"C"c2 "Em"B2|"Am"A4|]'
    tune.write_text(f"X:1\nT:A Reel\nM:4/4\nL:1/4\nK:Am\n{music}\n")
    target, none = tmp_path / "new.abc", tmp_path / "none"
    done = segue("melody", tune, "-o", target, "-n", "1", library=none)
    assert done.returncode == 0, done.stderr
    assert "the chord symbols of the score; 4 bars of 4/4" in done.stdout
    bars = [["Am"], ["G7/B"], ["C", "Em"], ["Am"]]
    for file in (tune, target):
        document = answer("melody", file, "-o", tmp_path / "b.musicxml", "-n", "1", library=none)
        assert (document["chords_from"], document["chords_by_bar"]) == ("written", bars)
    assert "<harmony>" in (tmp_path / "b.musicxml").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Dm7 Cmaj8 | F"], "did you mean Cmaj7?\n  Dm7 Cmaj8 | F\n      ^^^^^"),
        ([], "--roman with --key"),
        (["--roman", "ii V I"], "--roman and --key belong together"),
        (["C", "--metre", "4"], "no time signature"),
        (["C", "--metre", "4/7"], "metre of 4/7"),
        (["C", "--style", "jazz"], "no style 'jazz'"),
        (["C", "--temperature", "-1"], "temperature"),
        (["C", "--model", "mine"], "no model 'mine' of melodies"),
        (["nowhere.mid"], "nowhere.mid"),
    ],
)
def test_invalid_arguments_are_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    target = tmp_path / "new.mid"
    done = segue("melody", *arguments, "-o", target, library=tmp_path / "none")
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert not target.exists()


def test_a_user_trained_model_generates(tmp_path: Path) -> None:
    for seed in range(5):
        write_score(tmp_path / f"{seed}.mid", little_score(seed))
    library = tmp_path / "library"
    assert segue("add", tmp_path, "--workers", "1", library=library).returncode == 0
    learned = answer(
        "train", "score", "--preset", "melody", "--minutes", "0.02", "--device", "cpu",
        library=library,
    )  # fmt: skip
    assert learned["space"] == "my-melodies"
    document = answer(
        "melody", "C | F | G | C", "--model", "my-melodies", "-n", "1", "-o", tmp_path / "new.mid",
        library=library,
    )  # fmt: skip
    assert document["style"] == "own"
    for start in ("shipped", "my-melodies"):
        learned = answer(
            "train", "score", "--preset", "melody", "--from", start, "--space", f"from-{start}",
            "--minutes", "0.02", "--device", "cpu", library=library,
        )  # fmt: skip
        assert learned["space"] == f"from-{start}"
        document = answer(
            "melody", "C | F", "--model", f"from-{start}", "-n", "1", "-o", tmp_path / "new.mid",
            library=library,
        )  # fmt: skip
        assert document["style"] == "own"
    again = segue("train", "score", "--preset", "melody", "--from", "nobody", library=library)
    assert (
        "no model 'nobody' of melodies; there are: from-my-melodies, from-shipped, melody"
        in again.stderr
    )
    again = segue("train", "score", "--preset", "note-lstm", "--from", "shipped", library=library)
    assert "--from belongs to --preset transformer and --preset melody" in again.stderr
    again = segue("train", "score", "--preset", "melody", "--encoder", "lstm", library=library)
    assert "belong to --preset roll-vae" in again.stderr


def test_a_melody_for_words(tmp_path: Path) -> None:
    words, target = tmp_path / "words.txt", tmp_path / "song.musicxml"
    words.write_text("Am Brunnen vor dem Tore,\nDa steht ein Lindenbaum;\n", encoding="utf-8")
    document = answer(
        "melody", "--words", words, "--key", "G", "-n", "1", "--seed", "1", "-o", target,
        library=tmp_path / "none",
    )  # fmt: skip
    assert document["chords_from"] == "simple"
    part = read_music_xml(target.read_bytes()).parts[0]
    assert "".join(each.text for each in part.syllables).startswith("AmBrunnenvordemTore,")
    assert [each.tick for each in part.syllables] == part.notes[:, 0].tolist()


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("Lorem ipsum dolor sit amet", [], "--language"),
        ("The sea, the sea", ["--roman", "I V"], "--roman and --words"),
        ("The sea, the sea", ["C | G", "--key", "G"], "--key is for words"),
        ("The sea " * 10_000, [], "64 KB"),
    ],
)
def test_words_that_get_no_melody(
    content: str, options: list[str], message: str, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text(content)
    done = segue("melody", *options, "--words", words, library=tmp_path / "none")
    assert done.returncode == 2
    assert message in done.stderr
