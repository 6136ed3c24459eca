"""Spaces of scores: what is drawn, what is learned, and what is kept of it."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes import roll_vae
from segue.errors import BadArgument, BadCheckpoint, TrainingFailed
from segue.nn.split import train_validation_split
from segue.nn.trainer import Progress
from segue.records import BoolArray
from segue.score.piano_roll import RollNotes, extract_notes, pack_bars, rasterise_notes, unpack_bars
from segue.score.vae import training as score
from segue.score.vae import training as score_windows
from segue.score.vae.model import RollModel
from segue.score.vae.network import RollVAE, conv_config, default_config, lstm_config
from segue.score.vae.training import (
    RollTrack,
    ScoreTraining,
    WindowSampler,
    cut_windows,
    drop_instruments,
    drop_notes,
    swap_instruments,
    train_score,
    transpose_windows,
)


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
    return RollTrack(f"tune {seed}", pack_bars(cells))


TUNES = [tune(seed) for seed in range(12)]
TRAININGS = [
    ScoreTraining(epochs=1, device="cpu"),
    ScoreTraining("conv", epochs=1, device="cpu"),
    ScoreTraining("conv", convolutions=3, epochs=1, device="cpu"),
    ScoreTraining("lstm", epochs=1, device="cpu"),
]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_windows, "BATCH_SIZE", 8)
    monkeypatch.setattr(score, "PRIOR_STEPS", 2)
    monkeypatch.setattr(score_windows, "DECODED", 5)
    monkeypatch.setattr(score, "STEPS_PER_EPOCH", 10)
    monkeypatch.setattr(score, "VALIDATION_BATCHES", 1)
    monkeypatch.setattr(score, "CALIBRATION_WINDOWS", 20)
    monkeypatch.setattr(score, "PATTERN_WINDOWS", 200)


@pytest.mark.parametrize("training", TRAININGS, ids=str)
def test_ten_steps_lower_the_loss_and_the_model_loads_again(
    tmp_path: Path, training: ScoreTraining
) -> None:
    reports: list[Progress] = []
    model, trained = train_score(training, TUNES, tmp_path, watch=reports.append)
    assert len(reports) == 10
    assert trained.best.loss < reports[0].loss
    assert set(reports[-1].loss_terms) == {"reconstruction", "kl", "contrast"}
    assert (reports[-1].loss_terms["contrast"] > 0) == (training.encoder == "default")
    assert model.metadata["validation_parts"]["kl"] > 0
    reloaded = RollModel.load(tmp_path)
    windows = unpack_bars(np.stack([track.window(0) for track in TUNES]))
    for expected, actual in zip(reloaded.encode(windows), model.encode(windows), strict=True):
        assert np.array_equal(expected, actual)
    assert reloaded.fingerprint == model.fingerprint
    vector = reloaded.embed(unpack_bars(TUNES[0].bars))
    assert vector is not None
    assert vector.shape == (reloaded.dimension,)
    assert reloaded.decode(reloaded.sample(2, 0)).shape == (2, 4, 48, 84, 5)


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
    assert all(torch.equal(expected, actual) for expected, actual in pairs)
    assert np.array_equal(whole.thresholds, resumed.thresholds)
    with pytest.raises(BadCheckpoint, match="another beta"):
        train_score(
            ScoreTraining(encoder, epochs=3, beta=0.7, warm_up=12, device="cpu"),  # type: ignore[arg-type]
            TUNES,
            tmp_path / "cut",
            resume=True,
        )


def test_the_kl_weight_warms_up(tmp_path: Path) -> None:
    network = train_score(ScoreTraining(epochs=1, device="cpu"), TUNES, tmp_path)[0].network
    assert int(network.seen) == 10


def test_the_decoder_is_trained_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_vae, "DECODER_STEPS", 4)
    monkeypatch.setattr(roll_vae, "DECODER_BATCH_SIZE", 4)
    train, validate = train_validation_split(TUNES)
    reports: list[Progress] = []
    model = roll_vae.train_decoder(
        train, validate, tmp_path, 5, prior_steps=2, watch=reports.append
    )
    assert len(reports) == 20
    assert reports[-1].loss < reports[0].loss
    assert model.metadata["epochs"] == 5
    model.save_decoder(tmp_path / "decoder.safetensors")
    cells = model.decode_cells(model.sample(2, seed=1))
    assert cells.shape == (2, 4, 48, 84, 5)


def test_batches_depend_on_the_seed_alone_and_pair_windows_of_a_song() -> None:
    windows = WindowSampler(TUNES, contrast=True)
    (target, table), (_, repeated) = (windows.batch(np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(table, repeated)
    assert target.shape == (5, 4, 48, 84, 5)
    notes = RollNotes.from_columns(table.numpy().T, 16)
    assert np.array_equal(np.unique(notes.window), np.arange(16))
    inputs = rasterise_notes(notes.head(5))
    assert not (inputs & ~target.numpy()).any()  # thinned
    assert inputs.sum() > 0.8 * target.sum()
    (plain,) = WindowSampler(TUNES, contrast=False).batch(np.random.default_rng(3))
    assert plain.shape == (8, 4, 48, 84, 5)


def song_notes(track: RollTrack) -> RollNotes:
    return extract_notes(unpack_bars(track.bars)[None])


def some_windows() -> tuple[RollNotes, BoolArray]:
    notes = cut_windows([(song_notes(track), start) for start, track in enumerate(TUNES[:6])])
    return notes, np.stack([unpack_bars(track.window(n)) for n, track in enumerate(TUNES[:6])])


def test_windows_cut_as_notes_are_those_cut_as_cells() -> None:
    notes, cells = some_windows()
    assert np.array_equal(rasterise_notes(notes), cells)
    sustained = np.ones((8, 48, 84, 5), np.bool_)
    sustained[..., :40, :] = sustained[..., 41:, :] = False
    (across,) = rasterise_notes(
        cut_windows([(song_notes(RollTrack("held", pack_bars(sustained))), 2)])
    )
    assert np.array_equal(across, sustained[:4])


def test_changes_keep_the_rhythm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_windows, "TRANSPOSED_SHARE", 1.0)
    notes, cells = some_windows()
    rng = np.random.default_rng(0)
    moved = rasterise_notes(transpose_windows(notes, rng))
    assert np.array_equal(moved[..., 0], cells[..., 0])
    assert np.array_equal(moved[..., 1:].any(axis=3), cells[..., 1:].any(axis=3))
    permuted = rasterise_notes(swap_instruments(notes, rng))
    assert np.array_equal(permuted[..., [0, 3]], cells[..., [0, 3]])
    assert np.array_equal(permuted.any(axis=-1), cells.any(axis=-1))
    left = rasterise_notes(drop_instruments(notes, 2, rng))
    assert np.array_equal(left[:2], cells[:2])
    playing = left.any(axis=(1, 2, 3)).sum(axis=1)
    assert set(playing.tolist()) == {2, 3}
    thin = drop_notes(notes, rng)
    assert 0.8 < len(thin.window) / len(notes.window) < 1
    assert np.array_equal(np.unique(thin.window), np.arange(6))


def test_scores_shorter_than_a_window_are_filled_with_silence() -> None:
    short = tune(1, bars=2)
    assert short.starts().tolist() == [0]
    assert unpack_bars(short.window(0))[2:].sum() == 0
    silent = np.zeros((6, 48, 84, 5), np.bool_)
    silent[5, 0, 0, 1] = True
    assert RollTrack("late", pack_bars(silent)).starts().tolist() == [2]


def test_groups_are_not_divided() -> None:
    grouped = [RollTrack(t.name, t.bars, f"album {n % 4}") for n, t in enumerate(TUNES)]
    train, validate = train_validation_split(grouped)
    assert validate
    assert not {track.group for track in train} & {track.group for track in validate}
    assert train_validation_split(grouped[::-1])[1][::-1] == validate


def test_too_few_scores_are_reported(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="2 scores"):
        train_score(ScoreTraining(epochs=1), TUNES[:2], tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"convolutions": 4}, "two, or three"),
        ({"convolutions": 3}, "belongs to --encoder conv"),
        ({"beta": -1.0}, "0 or above"),
        ({"warm_up": -1}, "0 or above"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"seed": -1}, "seed"),
    ],
)
def test_inconsistent_options_are_rejected(options: dict[str, float], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        ScoreTraining(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "config", [conv_config(2), conv_config(3), lstm_config(), default_config()], ids=str
)
def test_networks_encode_and_decode(config: "object") -> None:
    torch.manual_seed(0)
    network = RollVAE(config).eval()  # type: ignore[arg-type]
    windows = unpack_bars(np.stack([track.window(0) for track in TUNES[:3]]))
    with torch.no_grad():
        latents = network.encode(windows)
        assert latents.mean.shape == latents.log_variance.shape == (3, network.config.latent)
        assert network.decode(latents.mean).shape == (3, 4, 48, 84, 5)
        learned = network.config.dimension - network.config.counted
        assert network.embed(windows, extract_notes(windows)).shape == (3, learned)
