"""Learning to write notes: what is drawn, what is learned, and going on where one stopped."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recipes.chorales import Piece, Tokens, WindowSampler, train_lm
from segue.errors import BadArgument, BadCheckpoint, TrainingFailed
from segue.generate.harmony.chorale_network import NUM_PITCHES, ChoraleConfig, ChoraleTransformer
from segue.nn.lm_training import LMTrainingConfig, load_best
from segue.nn.trainer import Progress
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig

TRAINING = LMTrainingConfig(
    24, batch_size=4, epochs=1, steps_per_epoch=10, learning_rate=5e-3, ema_decay=0.5, device="cpu"
)


def transposed(tokens: Tokens, semitones: int) -> Tokens | None:
    shifted = np.where(tokens > 0, tokens + semitones, 0)
    return (
        shifted if shifted.max() < NUM_PITCHES and ((shifted > 0) == (tokens > 0)).all() else None
    )


def piece(seed: int, length: int, *voices: int) -> Piece:
    """Make a piece of a few pitches that come again and again."""
    rng = np.random.default_rng(seed)
    motif = 15 + rng.integers(0, 8, (8, *voices))
    return Piece(f"piece {seed}", np.resize(motif, (length, *voices)).astype(np.int64))


LINES = [piece(seed, 40 + 9 * seed) for seed in range(5)]
FRAMES = [piece(seed, 40 + 9 * seed, 4) for seed in range(5)]


def of_tokens() -> Transformer:
    torch.manual_seed(0)
    return Transformer(TransformerConfig(NUM_PITCHES, StackConfig(32, 1, 2, 24, 0.1)))


def of_frames() -> ChoraleTransformer:
    torch.manual_seed(0)
    return ChoraleTransformer(ChoraleConfig(StackConfig(32, 1, 2, 24, 0.1), 1))


@pytest.mark.parametrize(("network", "pieces"), [(of_tokens(), LINES), (of_frames(), FRAMES)])
def test_ten_steps_lower_the_loss(tmp_path: Path, network: nn.Module, pieces: list[Piece]) -> None:
    reports: list[Progress] = []
    trained = train_lm(
        network, TRAINING, pieces[:4], pieces[4:], transposed, tmp_path, watch=reports.append
    )
    assert len(reports) == 10
    assert trained.best.loss < reports[0].loss - 0.1
    reloaded = of_tokens() if isinstance(network, Transformer) else of_frames()
    load_best(reloaded, tmp_path)
    pairs = zip(network.parameters(), reloaded.parameters(), strict=True)
    assert all(torch.equal(expected, actual) for expected, actual in pairs)
    batches = WindowSampler(pieces[4:], TRAINING, transposed).all()
    with torch.no_grad():
        losses = [float(network.loss(*batch)) for batch in batches]  # type: ignore[operator]
    assert np.mean(losses) == pytest.approx(trained.best.validation_loss, abs=0.1)


def test_an_interrupted_run_that_is_resumed_equals_one_that_was_not(tmp_path: Path) -> None:
    training = replace(TRAINING, epochs=2)

    def run(folder: str, *, resume: bool = False, stop_at: int = 0) -> dict[str, torch.Tensor]:
        steps = 0

        def interrupt(_at: Progress) -> None:
            nonlocal steps
            steps += 1
            if steps == stop_at:
                os.kill(os.getpid(), signal.SIGINT)

        network = of_frames()
        train_lm(
            network,
            training,
            FRAMES[:4],
            FRAMES[4:],
            transposed,
            tmp_path / folder,
            resume=resume,
            watch=interrupt,
        )
        return network.state_dict()

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("cut", stop_at=7)
    resumed = run("cut", resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    other_network = Transformer(TransformerConfig(9, StackConfig(32, 1, 2, 24, 0.1)))
    with pytest.raises(BadCheckpoint, match="of another network"):
        load_best(other_network, tmp_path / "cut")
    with pytest.raises(BadCheckpoint, match="another pieces"):
        train_lm(
            of_frames(), training, FRAMES[:3], FRAMES[4:], transposed, tmp_path / "cut", resume=True
        )


def test_windows_stay_inside_a_piece_and_keep_their_place_in_the_bar() -> None:
    training = replace(TRAINING, stride=16, max_transpose=0)
    windows = WindowSampler(FRAMES, training, transposed)
    starts = set()
    for seed in range(30):
        inputs, targets = windows.draw(np.random.default_rng(seed))
        for row, count in zip(inputs.numpy(), targets.numpy(), strict=True):
            frames = row[row[:, 0] >= 0]
            places = [
                start
                for piece_ in FRAMES
                for start in range(0, len(piece_.tokens), 16)
                if np.array_equal(piece_.tokens[start : start + 24], frames)
            ]
            assert places
            starts.update(places)
            # What a window begins with is known of the piece's beginning alone.
            assert (count[0] == -1).all() == (0 not in places) or len(places) > 1
            assert np.array_equal(count[1:], row[1:])
    assert {0, 16, 32, 64} <= starts


def test_transposed_windows_keep_their_intervals_and_their_range() -> None:
    windows = WindowSampler(LINES, TRAINING, transposed)
    shifts = set()
    for seed in range(20):
        inputs, _ = windows.draw(np.random.default_rng(seed))
        assert int(inputs.max()) < NUM_PITCHES
        for row in inputs.numpy():
            sung = row[row >= 0]
            for piece_ in LINES:
                for start in range(len(piece_.tokens) - len(sung) + 1):
                    intervals = np.unique(piece_.tokens[start : start + len(sung)] - sung)
                    if len(intervals) == 1:
                        shifts.add(int(intervals[0]))
    assert shifts >= set(range(-6, 7))


def test_validation_covers_every_position_once() -> None:
    inputs = [batch[0] for batch in WindowSampler(LINES, TRAINING, transposed).all()]
    assert sum(int((tokens >= 0).sum()) for tokens in inputs) == sum(
        len(tokens.tokens) for tokens in LINES
    )


def test_invalid_options_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="4 pieces to train on and 0 for validation"):
        train_lm(of_tokens(), TRAINING, LINES[:4], [], transposed, tmp_path)
    for change, message in (
        ({"batch_size": 0}, "batch size is 0"),
        ({"ema_decay": 1.0}, "an EMA decay of 1.0"),
        ({"max_transpose": -1}, "transposed by up to -1"),
    ):
        with pytest.raises(BadArgument, match=message):
            replace(TRAINING, **change)


@pytest.mark.parametrize("chosen", ["32-true", "bf16-mixed"])
def test_the_loss_is_computed_in_the_precision_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """Left to itself, Fabric keeps `loss` in 32 bits where there is one device."""
    monkeypatch.setattr("segue.nn.trainer.select_precision", lambda _: chosen)
    network, seen = of_tokens(), set()
    network.stack.register_forward_hook(
        lambda *_: seen.add((network.training, torch.is_autocast_enabled("cpu")))
    )
    trained = train_lm(network, TRAINING, LINES[:4], LINES[4:], transposed, tmp_path)
    assert trained.precision == chosen
    assert (True, chosen == "bf16-mixed") in seen
    assert (True, chosen != "bf16-mixed") not in seen
