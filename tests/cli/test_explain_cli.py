"""The command that explains, run as a user runs it."""

from pathlib import Path
from typing import Any

import pytest
from test_cli import answer, segue

from conftest import little_score, write_score


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of six pieces, one of them twice in another key, and a model trained on them."""
    folder = tmp_path_factory.mktemp("scores")
    for seed in range(6):
        write_score(folder / f"{seed}.mid", little_score(seed))
    write_score(folder / "higher.mid", little_score(0, transposed=4))
    library = folder / "library"
    assert segue("add", folder, "--workers", "1", library=library).returncode == 0
    learned = answer(
        "train", "score", "--preset", "note-lstm", "--space", "mine", "--epochs", "1",
        "--device", "cpu", library=library,
    )  # fmt: skip
    assert learned["tracks"] == 7
    assert learned["failures"] == []
    return library


def test_the_shipped_model_explains_without_a_library(tmp_path: Path) -> None:
    document = answer("explain", "1.9.11", library=tmp_path / "none")["explained"][0]
    assert document["name"] == "Aadd2, no fifth"
    assert document["notes"] == ["A", "B", "C#"]
    assert len(document["neighbours"]) == 8
    done = segue("explain", "A2", library=tmp_path / "none")
    assert "of as many random vectors" in done.stdout
    assert not (tmp_path / "none").exists()


def test_a_user_trained_model_explains(scores: Path) -> None:
    document = answer("explain", "0.5", "--model", "mine", "-n", "2", library=scores)
    assert document["model"] == "mine"
    assert {each["stream"] for each in document["explained"]} >= {"durations"}


@pytest.mark.parametrize("ending", [".html", ".png"])
def test_the_table_is_written(tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"table{ending}"
    document = answer("explain", "--table", "-o", target, "-n", "20", library=tmp_path / "none")
    assert len(document["words"]) == 20
    assert target.stat().st_size > 5000


def test_theory_is_compared(tmp_path: Path) -> None:
    document = answer("explain", "--theory", library=tmp_path / "none")
    names = [claim["name"] for claim in document["claims"]]
    assert names[0] == "circle of fifths"
    assert all(claim["network"]["pairs"] > 9 for claim in document["claims"])
    assert {near["stream"] for near in document["nearness"]} == {"notes", "durations"}
    assert "circle of fifths" in segue("explain", "--theory", library=tmp_path / "none").stdout


def test_two_scores_are_compared(scores: Path) -> None:
    tracks = {Path(t["path"]).name: t["id"] for t in answer("list", library=scores)["tracks"]}
    document: Any = answer(
        "explain", str(tracks["0.mid"]), str(tracks["higher.mid"]), library=scores
    )
    assert document["similarities"]["score-features"] > 0.95
    assert document["bars"][0]["overlap"] == 1
    assert {bar["semitones"] for bar in document["bars"]} == {4}
    shares = sum(group["alike"] for group in document["groups"])
    assert shares == pytest.approx(document["similarities"]["score-features"], abs=1e-4)
    done = segue("explain", str(tracks["1.mid"]), str(tracks["2.mid"]), library=scores)
    assert "most similar bars" in done.stdout


def test_two_recordings_are_compared(filled: Path) -> None:
    document: Any = answer("explain", "1", "2", library=filled)
    assert len(document["tags"]) == 50
    assert document["bars"] == []
    assert len(document["alike"]) == 6
    assert sum(tag["alike"] for tag in document["tags"]) == pytest.approx(
        document["similarities"]["tags"], abs=1e-4
    )
    assert all(abs(trait["first"]) < 4.01 for trait in document["alike"])
    assert "tags that set them apart" in segue("explain", "1", "2", library=filled).stdout


def test_invalid_arguments_are_refused(scores: Path, tmp_path: Path) -> None:
    for arguments, code, message in (
        (["explain"], 2, "one of these"),
        (["explain", "A2", "--theory"], 2, "one of these"),
        (["explain", "--table"], 2, "belong together"),
        (["explain", "--table", "-o", tmp_path / "a.txt"], 2, "name a file that ends in"),
        (["explain", "A2", "--model", "none"], 1, "there are: mine, note-lstm"),
        (["explain", "X2"], 1, "is no note"),
        (["explain", "1", "1"], 2, "name two"),
        (["train", "score", "--preset", "note-lstm", "--encoder", "conv"], 2, "belong to"),
        (["train", "score", "--preset", "note-lstm", "--space", "roll-vae"], 2, "a space"),
    ):
        done = segue(*arguments, library=scores)
        assert done.returncode == code, done.stdout + done.stderr
        assert message in done.stderr
