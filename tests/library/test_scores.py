from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conftest import little_score, write_score
from segue.errors import BadArgument, NotFound, WrongSpace
from segue.library import Library
from segue.score.piano_roll import STEPS_PER_BAR
from segue.score.vae.model import RollModel, interpolate, padded_windows, reconstruct, sample
from segue.score.vae.training import ScoreTraining

Opener = Callable[[], Library]


@pytest.fixture(scope="module")
def model() -> RollModel:
    return RollModel.pretrained()


def test_samples_sound_and_are_the_same_for_the_same_seed(model: RollModel) -> None:
    rolls = sample(model, 3, seed=5)
    assert [roll.cells.shape[0] for roll in rolls] == [4, 4, 4]
    assert all(roll.cells.any() for roll in rolls)
    again = sample(model, 3, seed=5)
    assert all(
        np.array_equal(roll.cells, other.cells) for roll, other in zip(rolls, again, strict=True)
    )
    assert not np.array_equal(rolls[0].cells, sample(model, 1, seed=6)[0].cells)
    with pytest.raises(BadArgument, match="0 samples"):
        sample(model, 0)


def test_a_journey_begins_and_ends_with_the_two(model: RollModel) -> None:
    first, last = little_score(1), little_score(2)
    rolls = interpolate(model, first, last, 5)
    assert len(rolls) == 5
    tempos = [roll.tempo_bpm for roll in rolls]
    assert tempos == pytest.approx(np.geomspace(110, 120, 5))
    for end, score in ((rolls[0], first), (rolls[-1], last)):
        _, back = reconstruct(model, score)
        assert any(np.array_equal(end.cells, window) for window in padded_windows(back.cells))
    with pytest.raises(BadArgument, match="1 steps"):
        interpolate(model, first, last, 1)
    with pytest.raises(BadArgument, match="4/4"):
        interpolate(model, first, little_score(3, beats=3))


def test_what_is_given_back_is_of_as_many_bars(model: RollModel) -> None:
    roll, reconstruction = reconstruct(model, little_score(4, bars=6))
    assert roll.cells.shape == reconstruction.cells.shape
    assert roll.tempo_bpm == reconstruction.tempo_bpm


def test_windows_are_filled_up() -> None:
    cells = np.zeros((6, STEPS_PER_BAR, 84, 5), np.bool_)
    cells[5, 3, 40, 1] = True
    cut = padded_windows(cells)
    assert cut.shape == (2, 4, STEPS_PER_BAR, 84, 5)
    assert cut[1, 1, 3, 40, 1]
    assert cut.sum() == 1
    with pytest.raises(BadArgument, match="no note"):
        padded_windows(cells[:3])


def test_a_space_is_learned_from_the_scores_of_a_library(
    library: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.score.vae.training.STEPS_PER_EPOCH", 2)
    for seed in range(5):
        write_score(tmp_path / f"{seed}.mid", little_score(seed))
    write_score(tmp_path / "waltz.mid", little_score(9, beats=3))
    with library() as lib:
        lib.add([tmp_path], workers=1)
        learned = lib.learning.train("mine", ScoreTraining(epochs=1), workers=1)
        assert learned.tracks == 5  # of the waltz there is no roll
        assert len(lib.like("Piece 1", space="mine")) == 4
        assert len(lib.scores.sample(1, space="mine")) == 1
        with pytest.raises(WrongSpace, match="have an embedding"):
            lib.like("Piece 9", space="mine")
        query = write_score(tmp_path / "asked.mid", little_score(3, transposed=2))
        assert lib.like(query, space="mine")[0].track.kind == "score"
        report = lib.add([query], workers=1)
        assert not report.failures
        assert len(lib.vectors("mine")[0]) == 6  # placed with the model that is there


def test_scores_are_read_by_what_names_them(library: Opener, tmp_path: Path) -> None:
    file = write_score(tmp_path / "one.mid", little_score(1))
    with library() as lib:
        assert lib.scores.read(file).title == "Piece 1"
        lib.add([file], workers=1)
        for query in (1, "Piece 1", file):
            assert len(lib.scores.read(query).parts) == 3
        with pytest.raises(NotFound, match="trained"):
            lib.scores.sample(1, space="nothing")
