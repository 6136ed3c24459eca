"""What a training says when it is over."""

from pathlib import Path

import pytest
from test_cli import answer, segue

from segue.library import Library
from segue.library.learning import Learning
from segue.nn.trainer import Epoch, FitResult
from segue.records import Failure
from segue.training.run import TrainingResult


@pytest.fixture
def learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library in which a training ends with one file that could not be used."""
    epoch = Epoch(1, 0.5, 0.6, 63.0)
    failure = Failure(tmp_path / "odd.mid", "bar 3 is in 10/4")
    done = TrainingResult(
        "mine", FitResult((epoch,), epoch, "done", "float32"), 221, (failure,), 0, tmp_path / "mine"
    )
    monkeypatch.setattr(Learning, "train", lambda *_, **__: done)
    Library.open(tmp_path / "library").close()
    return tmp_path / "library"


@pytest.mark.parametrize("preset", ["transformer", "melody", "note-lstm", "roll-vae"])
def test_a_run_with_failed_files_succeeds(learned: Path, preset: str) -> None:
    done = segue("train", "score", "--preset", preset, library=learned)
    assert done.returncode == 0
    assert "1 file could not be used; the others were" in done.stdout
    assert "10/4" in done.stdout
    assert "training 1:03" in done.stdout
    document = answer("train", "score", "--preset", preset, library=learned)
    assert document["failures"][0]["reason"] == "bar 3 is in 10/4"
