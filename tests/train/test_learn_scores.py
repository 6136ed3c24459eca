"""Spaces of scores: what is drawn, what is learned, and what is kept of it."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from segue.errors import BadArgument, BadCheckpoint, TrainingFailed
from segue.model.score.roll_vae import RollVAE, classic, default, lstm
from segue.model.score.rolls import RollModel
from segue.represent.score.roll_notes import unpacked
from segue.train import score
from segue.train.loop import Progress
from segue.train.score import RollTrack, Windows, split, train_score
from segue.train.score_options import ScoreTraining


def tune(seed: int, bars: int = 9) -> RollTrack:
    """Make a song of a motif that comes again, over a bass and drums."""
    rng = np.random.default_rng(seed)
    cells = np.zeros((bars, 48, 84, 5), np.bool_)
    motif = 40 + rng.integers(0, 12, 8)
    for bar in range(bars):
        shift = int(rng.integers(0, 3))
        for place, pitch in enumerate(motif.tolist()):
            cells[bar, 6 * place : 6 * place + 5, pitch + shift, 1] = True
        cells[bar, :24, 12 + shift, 3] = True
        cells[bar, ::12, 12, 0] = True
    return RollTrack.of(f"tune {seed}", cells)


TUNES = [tune(seed) for seed in range(12)]
TRAININGS = [
    ScoreTraining(epochs=1, device="cpu"),
    ScoreTraining("conv", epochs=1, device="cpu"),
    ScoreTraining("conv", convolutions=3, epochs=1, device="cpu"),
    ScoreTraining("lstm", epochs=1, device="cpu"),
]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "BATCH", 8)
    monkeypatch.setattr(score, "DECODED", 5)
    monkeypatch.setattr(score, "STEPS_PER_EPOCH", 10)
    monkeypatch.setattr(score, "VALIDATION_BATCHES", 1)
    monkeypatch.setattr(score, "SETTLING_WINDOWS", 20)


@pytest.mark.parametrize("training", TRAININGS, ids=str)
def test_ten_steps_lower_the_loss_and_the_model_loads_again(
    tmp_path: Path, training: ScoreTraining
) -> None:
    told: list[Progress] = []
    model, trained = train_score(training, TUNES, tmp_path, watch=told.append)
    assert len(told) == 10
    assert trained.best.loss < told[0].loss
    assert set(told[-1].parts) == {"reconstruction", "kl", "contrast"}
    assert (told[-1].parts["contrast"] > 0) == (training.encoder == "default")
    assert model.about["validation_parts"]["kl"] > 0
    again = RollModel.load(tmp_path)
    windows = unpacked(np.stack([track.window(0) for track in TUNES]))
    for one, other in zip(again.encode(windows), model.encode(windows), strict=True):
        assert np.array_equal(one, other)
    assert again.fingerprint == model.fingerprint
    vector = again.embed(unpacked(TUNES[0].bars))
    assert vector is not None
    assert vector.shape == (again.dimension,)
    assert again.decode(again.sample(2, 0)).shape == (2, 4, 48, 84, 5)


@pytest.mark.parametrize("encoder", ["default", "conv"])
def test_an_interrupted_run_that_is_resumed_equals_one_that_was_not(
    tmp_path: Path, encoder: str
) -> None:
    training = ScoreTraining(encoder, epochs=2, warm_up=12, device="cpu")  # type: ignore[arg-type]
    whole, _ = train_score(training, TUNES, tmp_path / "whole")
    steps = 0

    def interrupt(_at: Progress) -> None:
        nonlocal steps
        steps += 1
        if steps == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_score(training, TUNES, tmp_path / "cut", watch=interrupt)
    resumed, _ = train_score(training, TUNES, tmp_path / "cut", resume=True)
    pairs = zip(
        whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True
    )
    assert all(torch.equal(one, other) for one, other in pairs)
    assert np.array_equal(whole.thresholds, resumed.thresholds)
    with pytest.raises(BadCheckpoint, match="another beta"):
        train_score(
            ScoreTraining(encoder, epochs=3, beta=0.7, warm_up=12, device="cpu"),  # type: ignore[arg-type]
            TUNES,
            tmp_path / "cut",
            resume=True,
        )


def test_the_weight_of_the_divergence_rises(tmp_path: Path) -> None:
    network = train_score(ScoreTraining(epochs=1, device="cpu"), TUNES, tmp_path)[0].network
    assert int(network.seen) == 10


def test_batches_depend_on_the_seed_alone_and_pair_windows_of_a_song() -> None:
    windows = Windows(TUNES, contrast=True)
    (given, wanted), (again, _) = (windows.draw(np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(given, again)
    assert given.shape == (8, 2, 4, 48, 84, 5)
    assert wanted.shape == (5, 4, 48, 84, 5)
    assert not (given[:5, 0] & ~wanted).any()  # thinned
    plain, same = Windows(TUNES, contrast=False).draw(np.random.default_rng(3))
    assert torch.equal(plain[:, 0], same)


def test_scores_shorter_than_a_window_are_filled_with_silence() -> None:
    short = tune(1, bars=2)
    assert short.starts().tolist() == [0]
    assert unpacked(short.window(0))[2:].sum() == 0
    silent = np.zeros((6, 48, 84, 5), np.bool_)
    silent[5, 0, 0, 1] = True
    assert RollTrack.of("late", silent).starts().tolist() == [2]


def test_groups_are_not_divided() -> None:
    grouped = [RollTrack(t.name, t.bars, f"album {n % 4}") for n, t in enumerate(TUNES)]
    learn, validate = split(grouped)
    assert validate
    assert not {one.group for one in learn} & {one.group for one in validate}
    assert split(grouped[::-1])[1][::-1] == validate


def test_too_few_scores_are_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="2 scores"):
        train_score(ScoreTraining(epochs=1), TUNES[:2], tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"convolutions": 4}, "two, or three"),
        ({"convolutions": 3}, "belongs to --encoder conv"),
        ({"beta": -1.0}, "0 or above"),
        ({"warm_up": -1}, "0 or above"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, float], told: str) -> None:
    with pytest.raises(BadArgument, match=told):
        ScoreTraining(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [classic(2), classic(3), lstm(), default()], ids=str)
def test_networks_encode_and_decode(config: "object") -> None:
    torch.manual_seed(0)
    network = RollVAE(config).eval()  # type: ignore[arg-type]
    windows = unpacked(np.stack([track.window(0) for track in TUNES[:3]]))
    with torch.no_grad():
        latents = network.encode(windows)
        assert latents.mean.shape == latents.log_variance.shape == (3, network.config.latent)
        assert network.decode(latents.mean).shape == (3, 4, 48, 84, 5)
        assert network.likeness(windows).shape == (3, network.config.dimension)
