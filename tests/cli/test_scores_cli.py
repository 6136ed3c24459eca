"""The commands that read and make scores, run as a user runs them."""

import wave
from pathlib import Path
from typing import Any

import pytest
from test_cli import answer, segue

from conftest import little_score, write_score
from midi_files import assert_conducted
from segue.io.midi import read_midi
from segue.score.piano_roll import INSTRUMENTS, PROGRAMS


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of six pieces, one of them twice in another key."""
    folder = tmp_path_factory.mktemp("scores")
    for seed in range(6):
        write_score(folder / f"{seed}.mid", little_score(seed))
    write_score(folder / "higher.mid", little_score(0, transposed=4))
    library = folder / "library"
    assert segue("add", folder, "--album", "Pieces", library=library).returncode == 0
    return library


def test_show_describes_a_score(scores: Path, tmp_path: Path) -> None:
    shown = answer("show", "1", "-o", tmp_path / "roll.png", library=scores)
    assert shown["features"]["metre"] == "4/4"
    assert len({chord["bar"] for chord in shown["chords"]}) == 8
    assert (tmp_path / "roll.png").read_bytes().startswith(b"\x89PNG")


def test_show_takes_a_file_without_a_library(tmp_path: Path) -> None:
    file = write_score(tmp_path / "one.mid", little_score(3))
    done = segue("show", file, "-o", tmp_path / "one.wav", library=tmp_path / "none")
    assert done.returncode == 0, done.stderr
    assert "violin" in done.stdout
    assert "bar 1" in done.stdout
    with wave.open(str(tmp_path / "one.wav")) as sound:
        assert sound.getnchannels() == 2
        assert sound.getnframes() > 44_100
    assert not (tmp_path / "none").exists()


def test_a_tempo_is_in_beats_of_the_time_signature(tmp_path: Path) -> None:
    jig = tmp_path / "jig.abc"
    jig.write_text("X:1\nT:Jig\nM:6/8\nL:1/8\nQ:3/8=70\nK:D\nDED F2A|d3 A3|BAF E2D|D6|]\n")
    features = answer("show", jig, library=tmp_path / "none")["features"]
    assert features["tempo_bpm"] == 70
    assert features["tempo_beat"] == "dotted quarter"
    assert features["duration_s"] == pytest.approx(8 * 60 / 70, rel=0.01)
    jig.write_text(jig.read_text().replace("6/8", "2/4").replace("3/8=70", "1/4=70"))
    features = answer("show", jig, library=tmp_path / "none")["features"]
    assert features["tempo_bpm"] == 70
    assert "tempo_beat" not in features


def test_duplicates_lists_a_tune_in_two_keys(scores: Path) -> None:
    result = answer("twins", library=scores)["tunes"]
    pairs = [{Path(pair[side]["path"]).name for side in ("first", "second")} for pair in result]
    assert pairs[0] == {"0.mid", "higher.mid"}
    assert "1 pairs of one tune" in segue("twins", library=scores).stdout


@pytest.fixture(scope="module")
def waltz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_score(tmp_path_factory.mktemp("w") / "waltz.mid", little_score(9, 8, 3))


def test_the_space_of_scores_is_named(scores: Path, waltz: Path) -> None:
    assert "searched in the space roll-vae" in segue("like", "1", library=scores).stdout
    done = segue("like", waltz, library=scores)
    assert done.returncode == 0, done.stderr
    assert "searched in the space score-features: roll-vae holds scores in 4/4 alone" in done.stdout
    assert "asked in" not in segue("like", "1", "--space", "roll-vae", library=scores).stdout


def test_a_score_without_bars_in_four_four_is_refused(scores: Path, waltz: Path) -> None:
    for arguments in (["reconstruct", str(waltz)], ["blend", str(waltz), "1"]):
        done = segue(*arguments, "-o", waltz.with_suffix(".png"), library=scores)
        assert done.returncode == 2
        assert "is in 3/4, without a note in a bar of 4/4" in done.stderr


def test_reconstructed_notes_are_counted(scores: Path, tmp_path: Path) -> None:
    done = segue("reconstruct", "Piece 2", "-o", tmp_path / "back.mid", library=scores)
    document = answer("reconstruct", "Piece 2", "-o", tmp_path / "back.mid", library=scores)
    # A note struck again at once is the same one in a piano roll.
    assert 80 < document["notes"] <= sum(len(part.notes) for part in little_score(2).parts)
    assert 0 <= document["notes_found"] <= min(document["notes"], document["notes_made"])
    counts = f"of {document['notes']} notes {document['notes_found']} came back"
    assert counts in done.stdout
    recall = document["notes_found"] / document["notes"]
    assert ("does not keep this piece" in done.stdout) == (recall < 0.15)


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (
            ["sample", "-n", "2", "--seed", "0", "--sketch"],
            ["sample-1.mid", "sample-2.mid", "sample.png"],
        ),
        (
            ["blend", "Piece 1", "Piece 2", "--steps", "3"],
            ["blend-1.mid", "blend-2.mid", "blend-3.mid", "blend-all.mid", "blend.png"],
        ),
    ],
)
def test_music_is_generated(
    scores: Path, tmp_path: Path, arguments: list[str], files: list[str]
) -> None:
    result: Any = answer(*arguments, "-o", tmp_path / "new", library=scores)
    assert [Path(file).name for file in result["files"]] == files
    for file in files:
        content = (tmp_path / "new" / file).read_bytes()
        if file.endswith(".mid"):
            assert_conducted(tmp_path / "new" / file)
            score = read_midi(content)
            assert score.parts
            assert score.time_signatures.tolist() == [[0, 4, 4]]
            assert 60 <= score.tempos[0, 1] <= 200
            named = {part.name: (part.program, part.is_drum) for part in score.parts}
            written = zip(PROGRAMS, INSTRUMENTS, strict=True)
            document = {name: (program, name == "drums") for program, name in written}
            assert named.items() <= document.items()
        else:
            assert content.startswith(b"\x89PNG")


def test_samples_are_composed_from_their_sketches(scores: Path, tmp_path: Path) -> None:
    result: Any = answer("sample", "-n", "1", "--seed", "0", "-o", tmp_path, library=scores)
    assert [Path(file).name for file in result["files"]] == ["sample-1.mid", "sample.png"]
    (similarity,) = result["similarities"]
    assert -1 <= similarity < 1
    score = read_midi((tmp_path / "sample-1.mid").read_bytes())
    assert score.parts
    assert score.time_signatures.tolist() == [[0, 4, 4]]


@pytest.mark.parametrize("ending", [".mid", ".png", ".wav"])
def test_a_score_is_reconstructed(scores: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"back{ending}"
    document = answer("reconstruct", "Piece 2", "-o", target, library=scores)
    assert 0 <= document["note_f1"] <= 1
    content = target.read_bytes()
    if ending == ".mid":
        assert read_midi(content).parts
        assert target.with_suffix(".png").exists()  # the picture beside it
    else:
        assert content.startswith({".png": b"\x89PNG", ".wav": b"RIFF"}[ending])


def test_invalid_arguments_are_refused(scores: Path, tmp_path: Path) -> None:
    for arguments, code, message in (
        (["sample", "-o", tmp_path, "--space", "nothing"], 1, "segue train score"),
        (["sample", "-o", tmp_path / "a.mid"], 2, "a folder of several files"),
        (["blend", "Piece 1", "no such piece", "-o", tmp_path], 1, "nothing in the library"),
        (["reconstruct", "1", "-o", tmp_path / "a.txt"], 2, "name a file that ends in"),
        (["show", "1", "-o", tmp_path / "a.txt"], 2, "name a file that ends in"),
        (["like", "1", "--at", "0:01-0:02"], 2, "recordings"),
        (["map", "-o", tmp_path / "m.png", "--colour", "tag:ambient"], 2, "recordings"),
    ):
        done = segue(*arguments, library=scores)
        assert done.returncode == code, done.stdout + done.stderr
        assert message in done.stderr
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["like", "1"],
        ["groups"],
        ["path", "1", "2", "-n", "3"],
        ["evaluate"],
        ["spaces"],
        ["outliers", "-n", "2"],
        ["map", "-o", "{tmp}/map.html"],
        ["map", "-o", "{tmp}/map.png", "--colour", "album"],
        ["tree", "-o", "{tmp}/tree.png"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_for_recordings_work_with_scores(
    scores: Path, tmp_path: Path, arguments: list[str]
) -> None:
    document = answer(*[part.replace("{tmp}", str(tmp_path)) for part in arguments], library=scores)
    if "space" in document:
        assert document["space"] == "roll-vae"


@pytest.mark.slow
def test_a_space_is_trained_on_scores(scores: Path, tmp_path: Path) -> None:
    learned = answer("train", "score", "--epochs", "1", library=scores)
    assert learned["tracks"] == 7
    hits = answer("like", "1", "--space", "learned-rolls", library=scores)["hits"]
    assert len(hits) == 5
    arguments = "-n", "1", "--sketch", "--space", "learned-rolls"
    result = segue("sample", *arguments, "-o", tmp_path, library=scores)
    assert result.returncode == 0, result.stderr
