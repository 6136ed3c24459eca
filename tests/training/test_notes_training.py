"""Guessing what comes next: what is drawn, what is learned, and what is kept of it."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from segue.errors import BadArgument, BadCheckpoint, TrainingFailed
from segue.generate.notes import training as note_lstm
from segue.generate.notes.network import (
    CHECKPOINT_KIND,
    IGNORED,
    MODEL,
    STREAMS,
    NoteModel,
    NoteSequence,
    Vocabulary,
)
from segue.generate.notes.training import NoteTraining, Piece, WindowSampler, train_notes
from segue.nn.checkpoint import load_checkpoint, save_checkpoint
from segue.nn.split import train_validation_split
from segue.nn.trainer import Progress
from segue.training.run import vocabulary_remark


def piece(seed: int, length: int = 150, group: str = "") -> Piece:
    """Make a piece that goes up and down a scale, in two durations by turns."""
    rng = np.random.default_rng(seed)
    scale = ["C4", "D4", "E4", "0.4.7", "G4", "9.11.1", "A4"]
    start = int(rng.integers(0, 12))
    notes = [scale[abs((start + i) % 12 - 6)] for i in range(length)]
    durations = ["0.5" if (start + i) % 2 else "1/3" for i in range(length)]
    return Piece(f"piece {seed}", NoteSequence(tuple(notes), tuple(durations)), group)


PIECES = [piece(seed) for seed in range(12)]
TRAINING = NoteTraining(epochs=2, hidden=16, device="cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(note_lstm, "BATCH_SIZE", 8)
    monkeypatch.setattr(note_lstm, "STEPS_PER_EPOCH", 10)
    monkeypatch.setattr(note_lstm, "VALIDATION_BATCHES", 2)


def test_training_lowers_the_loss_and_the_model_reloads(tmp_path: Path) -> None:
    reports: list[Progress] = []
    training = NoteTraining(epochs=8, hidden=32, learning_rate=1e-2, device="cpu")
    model, trained = train_notes(training, PIECES, tmp_path, watch=reports.append)
    assert len(reports) == 80
    assert set(reports[-1].loss_terms) == set(STREAMS)
    assert trained.best.loss < reports[0].loss
    held_out = model.metadata["losses"]["held_out"]
    assert held_out["durations"] < 0.1  # they alternate
    assert held_out["notes"] < 0.7  # of log 7 = 1.95 by chance
    reloaded = NoteModel.load(tmp_path / MODEL)
    assert reloaded.vocabularies == model.vocabularies
    assert reloaded.metadata == model.metadata
    for stream in STREAMS:
        assert np.array_equal(reloaded.embedding(stream), model.embedding(stream))
        assert np.array_equal(reloaded.cooccurrence[stream], model.cooccurrence[stream])
    costs = reloaded.nll("durations", ["0.5", "1/3"] * 20)
    assert costs.shape == (39,)
    assert costs[-1] < 0.2
    with pytest.raises(BadArgument, match="at least 2"):
        reloaded.nll("notes", ["A2"])


def test_an_interrupted_run_that_is_resumed_equals_one_that_was_not(tmp_path: Path) -> None:
    whole, _ = train_notes(TRAINING, PIECES, tmp_path / "whole")
    steps = 0

    def interrupt(_at: Progress) -> None:
        nonlocal steps
        steps += 1
        if steps == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_notes(TRAINING, PIECES, tmp_path / "cut", watch=interrupt)
    resumed, _ = train_notes(TRAINING, PIECES, tmp_path / "cut", resume=True)
    pairs = zip(
        whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True
    )
    assert all(torch.equal(expected, actual) for expected, actual in pairs)
    with pytest.raises(BadCheckpoint, match="another pieces"):
        train_notes(TRAINING, PIECES[1:], tmp_path / "cut", resume=True)


def test_windows_lie_within_a_piece_and_are_padded() -> None:
    short = piece(20, length=30)
    words = {name: Vocabulary.build([getattr(short.words, name)]) for name in STREAMS}
    notes, durations = WindowSampler([short], words).draw(np.random.default_rng(0))
    assert notes.shape == durations.shape == (8, 101)
    assert (notes[:, :30] > 0).all()
    assert (notes[:, 30:] == IGNORED).all()
    first, second = (
        WindowSampler(PIECES, words).draw(np.random.default_rng(3))[0] for _ in range(2)
    )
    assert torch.equal(first, second)


def test_groups_are_not_divided() -> None:
    grouped = [piece(n, group=f"album {n % 4}") for n in range(12)]
    train, validate = train_validation_split(grouped)
    assert validate
    assert not {piece_.group for piece_ in train} & {piece_.group for piece_ in validate}


def test_rare_tokens_are_unknown_and_counted(tmp_path: Path) -> None:
    rare = Piece("rare", NoteSequence(("B7",) + ("C4",) * 120, ("0.25",) + ("1.0",) * 120))
    model, _ = train_notes(TRAINING, [*PIECES, rare], tmp_path)
    assert "B7" not in model.vocabularies["notes"].tokens
    unknown = model.metadata["unknown"]
    assert unknown["training"]["notes"] + unknown["held_out"]["notes"] > 0


@pytest.mark.parametrize(
    ("share", "is_small"), [(0.0, False), (0.1, False), (0.11, True), (1.0, True)]
)
def test_a_small_vocabulary_is_reported(tmp_path: Path, share: float, is_small: bool) -> None:
    model, _ = train_notes(TRAINING, PIECES, tmp_path)
    model.metadata["unknown"]["held_out"]["notes"] = share
    remark = vocabulary_remark(model, TRAINING)
    known = len(model.vocabularies["notes"]) - 1
    assert remark.startswith(f"it knows {known} notes and chords, those met at least 2 times")
    assert ("That is few" in remark) == is_small
    assert (f"{share:.0%} of what the scores" in remark) == is_small


def test_too_few_pieces_are_reported(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="2 scores"):
        train_notes(TRAINING, PIECES[:2], tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"learning_rate": 0.0}, "above 0"), ({"fewest": 0}, "at least 1"), ({"seed": -1}, "seed")],
)
def test_invalid_options_are_rejected(options: dict[str, float], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        NoteTraining(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("version", 0),
        ("config", {"notes": -1, "durations": 3}),
        ("config", {"notes": 3, "durations": 3, "hidden": 16}),
        ("words", {}),
        ("words", {name: {"tokens": ["A2"], "counts": [1]} for name in STREAMS}),
    ],
)
def test_a_model_that_is_not_whole_is_refused(tmp_path: Path, what: str, value: object) -> None:
    train_notes(TRAINING, PIECES, tmp_path)
    saved = load_checkpoint(tmp_path / MODEL, CHECKPOINT_KIND)
    save_checkpoint(
        tmp_path / "other", CHECKPOINT_KIND, saved.metadata | {what: value}, saved.tensors
    )
    with pytest.raises(BadCheckpoint, match="train it again"):
        NoteModel.load(tmp_path / "other")
