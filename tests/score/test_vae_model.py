"""The autoencoder of rolls that comes with Segue, and its parts."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segue.builtin_spaces import ROLL_VAE_SIZE, ROLL_VAE_WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.evaluation.generated import note_scores
from segue.records import BoolArray
from segue.score.piano_roll import RollNotes, extract_notes, split_windows, transpose
from segue.score.vae.frames import (
    DecodedFrames,
    FrameDecoder,
    LatentPrior,
    calibrate_onset_thresholds,
    duration_class,
    fit_prior,
)
from segue.score.vae.model import (
    RELEASE_FACTOR,
    ROLL_DECODER_WEIGHTS,
    RollModel,
    calibrate_thresholds,
    hysteresis_threshold,
)
from segue.score.vae.network import (
    Latents,
    NoteEncoder,
    kl_divergence,
    nt_xent_loss,
    reconstruction_loss,
)


def song(shift: int = 0, bars: int = 8) -> BoolArray:
    cells = np.zeros((bars, 48, 84, 5), np.bool_)
    for bar in range(bars):
        for place, pitch in enumerate((36, 40, 43, 48, 43, 40, 45, 43)):
            cells[bar, 6 * place : 6 * place + 6, pitch + bar % 3, 4] = True
        cells[bar, :, 24 + bar % 3, 3] = True
        cells[bar, ::24, 12, 0] = True
    return transpose(cells, shift)


@pytest.fixture(scope="module")
def model() -> RollModel:
    return RollModel.pretrained()


def test_the_bundled_model_is_small() -> None:
    assert ROLL_VAE_WEIGHTS.stat().st_size <= 8e6
    data = ROLL_VAE_WEIGHTS.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["about"])
    assert about["config"]["invariant"] + about["config"]["counted"] == ROLL_VAE_SIZE


def test_a_song_lies_where_it_lies_transposed(model: RollModel) -> None:
    first, second = model.embed(song()), model.embed(song(5))
    assert first is not None
    assert second is not None
    assert first.shape == (ROLL_VAE_SIZE,)
    assert first.dtype == np.float32
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    assert first == pytest.approx(second, abs=1e-4)


def test_a_silent_score_has_no_embedding(model: RollModel) -> None:
    silent = np.zeros((3, 48, 84, 5), np.bool_)
    assert model.embed(silent) is None
    assert model.embed(silent[:0]) is None


def test_latents_are_decoded_and_drawn(model: RollModel) -> None:
    windows = split_windows(song())
    mean, log_variance = model.encode(windows)
    assert mean.shape == log_variance.shape == (len(windows), model.config.latent)
    probabilities = model.decode(mean)
    assert probabilities.shape == windows.shape
    assert 0 <= probabilities.min() <= probabilities.max() <= 1
    cells = model.decode_cells(mean)
    assert cells.dtype == np.bool_
    assert cells.shape == windows.shape
    drawn = model.sample(3, seed=1)
    assert drawn.shape == (3, model.config.latent)
    assert np.array_equal(drawn, model.sample(3, seed=1))
    assert not np.array_equal(drawn, model.sample(3, seed=2))
    assert len(model.decode(drawn[:0])) == len(model.decode_cells(drawn[:0])) == 0
    with pytest.raises(BadArgument, match="expected latents of shape"):
        model.decode(np.zeros((1, 3), np.float32))


def test_most_notes_are_reconstructed(model: RollModel) -> None:
    windows = split_windows(song())
    decoded = model.decode_cells(model.encode(windows)[0])
    shape = (len(windows), 192, -1)
    scores = note_scores(decoded.reshape(shape), windows.reshape(shape))
    assert scores.f1 > 0.3


def test_the_decoder_is_a_file_of_its_own_and_moves_no_vector(model: RollModel) -> None:
    encoder = RollModel.load(ROLL_VAE_WEIGHTS)
    assert ROLL_DECODER_WEIGHTS.stat().st_size <= 4e6
    assert model.fingerprint == encoder.fingerprint
    windows = split_windows(song())
    assert np.array_equal(model.embed_windows(windows), encoder.embed_windows(windows))


class FixedDecoder(FrameDecoder):
    """Two onsets of a pitch, a quarter note apart, of half a bar each."""

    def forward(self, z: Tensor) -> DecodedFrames:
        onsets = torch.full((len(z), 192, 84, 5), -9.0)
        onsets[:, [0, 12], 40, 1] = 9.0
        return DecodedFrames(onsets, torch.zeros(len(z), 192, 1))

    def duration_logits(self, _hidden: Tensor, notes: RollNotes) -> Tensor:
        return F.one_hot(torch.from_numpy(duration_class(notes.length * 24)), 16)


def test_a_repeated_note_is_decoded_as_two_notes() -> None:
    cells = FixedDecoder(2, 8).decode(torch.zeros(1, 32), np.full(5, 0.5, np.float32))
    sounding = np.flatnonzero(cells[0, ..., 40, 1].ravel())
    assert sounding.tolist() == [*range(11), *range(12, 36)]
    assert cells.sum() == 35


def test_thresholds_of_onsets_give_as_many_notes() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((3, 192, 84, 5)).astype(np.float32)
    windows = split_windows(song(bars=12))
    thresholds = calibrate_onset_thresholds(probabilities, extract_notes(windows))
    counts = (probabilities >= thresholds).sum(axis=(0, 1, 2))
    assert (
        counts[[0, 3, 4]].tolist()
        == np.bincount(extract_notes(windows).instrument)[[0, 3, 4]].tolist()
    )
    assert thresholds[1] == thresholds[2] == 0.5


def test_the_prior_learns_what_follows_what() -> None:
    torch.manual_seed(0)
    sign = torch.randint(2, (200, 1)) * 2.0 - 1
    prior = LatentPrior(2)
    losses = fit_prior(prior, sign.expand(200, 32), 40, seed=0)
    assert losses[-1] < losses[0] - 10
    samples = prior.sample(20, seed=1).reshape(20, 16, 2)
    assert torch.equal(samples, prior.sample(20, seed=1).reshape(20, 16, 2))
    signs = samples.mean(dim=2).sign()
    assert float((signs == signs[:, :1]).float().mean()) > 0.8


def test_half_precision_halves_the_file(model: RollModel, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    model.save(whole)
    model.save(half, torch.float16)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    again = RollModel.load(half)
    windows = split_windows(song())
    assert again.encode(windows)[0] == pytest.approx(model.encode(windows)[0], abs=2e-2)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(half.read_bytes()[:-4])
    with pytest.raises(BadCheckpoint, match="damaged"):
        RollModel.load(damaged)


def test_thresholds_let_as_many_notes_begin() -> None:
    rng = np.random.default_rng(0)
    cells = rng.random((2, 4, 48, 84, 5)) < 0.01
    cells[..., 2] = False
    probabilities = rng.random(cells.shape).astype(np.float32)
    thresholds = calibrate_thresholds(probabilities, cells)
    assert thresholds[2] == 0.5
    for number in (0, 1, 3, 4):
        measured, expected = (
            int((np.diff(np.pad(roll[..., number].reshape(2, 192, 84),
                                ((0, 0), (1, 0), (0, 0))).astype(np.int8), axis=1) == 1).sum())
            for roll in (hysteresis_threshold(probabilities, thresholds), cells)
        )  # fmt: skip
        assert measured == pytest.approx(expected, rel=0.02)


def test_a_note_goes_on_until_it_is_unlikely() -> None:
    probabilities = np.zeros((1, 2, 48, 84, 5), np.float32)
    probabilities[0, 0, 40:, 30, 1] = 0.6
    probabilities[0, 1, :6, 30, 1] = 0.5 * (RELEASE_FACTOR + 0.01)  # over the bar line
    probabilities[0, 1, 6:, 30, 1] = 0.5 * (RELEASE_FACTOR - 0.01)
    probabilities[0, 0, :, 31, 1] = 0.49  # never begins
    cells = hysteresis_threshold(probabilities, np.full(5, 0.5, np.float32))
    assert np.flatnonzero(cells[0].reshape(96, 84, 5)[:, 30, 1]).tolist() == [*range(40, 54)]
    assert cells.sum() == 14


def test_the_invariant_part_knows_no_key_even_untrained() -> None:
    torch.manual_seed(0)
    encoder = NoteEncoder(8, 4, 32).eval()
    windows = split_windows(song())
    with torch.no_grad():
        first, second, silent = (
            encoder(extract_notes(cells))
            for cells in (windows, transpose(windows, 3), np.zeros_like(windows))
        )
    assert first.invariant.numpy() == pytest.approx(second.invariant.numpy(), abs=1e-4)
    assert not np.allclose(first.absolute, second.absolute, atol=1e-3)
    assert all(torch.isfinite(part).all() for part in silent)


def test_the_reconstruction_is_the_binary_cross_entropy() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 4, 48, 84, 5)
    cells = torch.rand_like(logits) < 0.01
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, cells.float(), reduction="none"
    ).flatten(1)
    assert reconstruction_loss(logits, cells).numpy() == pytest.approx(
        expected.sum(1).numpy(), rel=1e-4
    )


def test_the_divergence_is_that_of_normals() -> None:
    mean, log_variance = torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, -1.0]])
    own = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0))
    assert kl_divergence(Latents(mean, log_variance)).numpy() == pytest.approx(expected.numpy())


def test_two_windows_of_a_song_should_be_nearest() -> None:
    same, second = torch.eye(6), torch.eye(6).roll(1, 0)
    assert float(nt_xent_loss(same, same)) < 0.01
    assert float(nt_xent_loss(same, second)) > 1
