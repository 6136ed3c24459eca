"""Encoder and decoder of piano rolls with a latent for each quarter note.

A window of four bars becomes a sequence of 16 latents. The encoder reads the notes that begin in a
quarter note, and by a convolution over time those of its neighbours. The decoder, convolutional
over time, too, gives the logit of an onset for each cell, and for each onset a distribution over
classes of durations. All layers are shared by all quarter notes, so that few pieces teach much:
one latent for the whole window reconstructed a third as many notes (bench/tables).

Windows are sampled from an autoregressive prior of these latents, as samples from a normal
distribution are poor where latents are many: the aggregate posterior is far from normal. A GRU
predicts the latent of each quarter note from those before it, as a mixture of normal distributions
(a mixture density network, Bishop 1994; as in sketch-rnn, Ha & Eck 2018). It is trained on the
means of the posterior once the VAE is trained.

For comparison, and for models of version 0.1, there are convolutions over the roll as an image, an
LSTM over time, and the decoder of that version.

Shape legend: B windows, D latent, F quarter notes (of the LSTM: sixteenths), T steps, P pitches, I
instruments, C channels, K dimensions of a quarter note's latent, N notes.
"""

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from segue.records import BoolArray, FloatArray
from segue.score.piano_roll import (
    INSTRUMENTS,
    N_PITCHES,
    STEPS_PER_QUARTER,
    WINDOW_SHAPE,
    WINDOW_STEPS,
    RollNotes,
    rasterise_notes,
)

N_FRAMES: Final = WINDOW_STEPS // STEPS_PER_QUARTER
#: Lower edges of the duration classes, in steps; a decoded note lasts as long as its edge.
DURATION_EDGES: Final = np.array([1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 36, 48, 72, 96])
_DURATIONS: Final = len(DURATION_EDGES) + 1
_CELLS: Final = N_PITCHES * len(INSTRUMENTS)
_STEP_WIDTH: Final = 128
_OCTAVE: Final = 12
#: With plain ReLU half of the widest layer died within minutes.
_NEGATIVE_SLOPE: Final = 0.02
_INITIAL_LOGIT: Final = -5.0  # few cells begin a note
_INITIAL_LOG_VARIANCE: Final = -4.0
_EMBEDDING_STD: Final = 0.3
_PRIOR_WIDTH: Final = 256
_PRIOR_COMPONENTS: Final = 12
#: Scales the standard deviations of the prior's components. Below, samples have ever fewer notes
#: (20 a window at 0.5, 56 at 1, music 74); above, more of them are out of the key.
_PRIOR_TEMPERATURE: Final = 0.9
_PRIOR_LEARNING_RATE: Final = 2e-3
_PRIOR_BATCH_SIZE: Final = 96
_MIN_LOG_SCALE: Final = -4.0
_CLIP_NORM: Final = 1.0
_EPSILON: Final = 1e-6
_QUARTERS: Final = 16
#: Strides over time and pitch, and channels, of each convolution.
STRIDES: Final = ((2, 2), (2, 2), (2, 3))
CHANNELS: Final = (16, 32, 64)
#: Steps in a frame of the LSTM: a sixteenth.
_LSTM_FRAME: Final = 3


class FrameEncoder(nn.Module):
    """Encoder of notes to a latent for each quarter note.

    Parameters
    ----------
    latent : int
        Dimensions of a quarter note's latent.
    width : int
        Number of channels.
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        count = len(INSTRUMENTS)
        self.position = nn.Embedding(count * STEPS_PER_QUARTER, width)
        self.duration = nn.Embedding(count * _DURATIONS, width)
        self.pitch = nn.Embedding(count * N_PITCHES, width)
        self.pitch_class = nn.Embedding(count * _OCTAVE, width)
        for table in (self.position, self.duration, self.pitch, self.pitch_class):
            nn.init.normal_(table.weight, std=_EMBEDDING_STD)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
        )  # fmt: skip
        self.over_time = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Conv1d(width, 2 * latent, 1),
        )  # fmt: skip
        head = self.over_time[-1]
        nn.init.constant_(head.bias[latent:], _INITIAL_LOG_VARIANCE)  # type: ignore[index]

    def forward(self, notes: RollNotes) -> tuple[Tensor, Tensor]:
        """Encode notes to mean and log-variance, each of shape (B, F * K), float32."""
        instrument = notes.instrument
        h_NC = (
            self.position(
                self._index(instrument * STEPS_PER_QUARTER + notes.step % STEPS_PER_QUARTER)
            )
            + self.duration(self._index(instrument * _DURATIONS + duration_class(notes.length)))
            + self.pitch(self._index(instrument * N_PITCHES + notes.pitch))
            + self.pitch_class(self._index(instrument * _OCTAVE + notes.pitch % _OCTAVE))
        )
        h_NC = self.mlp(h_NC).float()
        frame = self._index(notes.window * N_FRAMES + notes.step // STEPS_PER_QUARTER)
        summed = h_NC.new_zeros(notes.windows * N_FRAMES, h_NC.shape[1])
        pooled = summed.index_add(0, frame, h_NC).add(1).log()
        h_BFC = pooled.reshape(notes.windows, N_FRAMES, -1)
        moments_BFC = self.over_time(h_BFC.transpose(1, 2)).float().transpose(1, 2)
        mean, log_variance = moments_BFC.chunk(2, dim=2)
        return mean.flatten(1), log_variance.flatten(1)

    def _index(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.pitch.weight.device)


class DecodedFrames(NamedTuple):
    """Output of the decoder.

    Attributes
    ----------
    onsets : Tensor, shape (B, 192, 84, 5)
        Logits of an onset in each cell.
    hidden : Tensor, shape (B, 192, C)
        Hidden states of the steps, from which durations are predicted.
    """

    onsets: Tensor
    hidden: Tensor


class FrameDecoder(nn.Module):
    """Decoder of the latents of the quarter notes of windows.

    Parameters
    ----------
    latent, width : int
        See `FrameEncoder`.
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.proj_in = nn.Conv1d(latent, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(width),
                nn.LeakyReLU(_NEGATIVE_SLOPE),
                nn.Conv1d(width, width, 3, padding=1),
            )
            for _ in range(2)
        )
        self.norm = nn.BatchNorm1d(width)
        self.steps = nn.Linear(width, STEPS_PER_QUARTER * _STEP_WIDTH)
        self.onset_head = nn.Linear(_STEP_WIDTH, _CELLS)
        nn.init.constant_(self.onset_head.bias, _INITIAL_LOGIT)
        self.cell = nn.Embedding(_CELLS, _STEP_WIDTH)
        nn.init.normal_(self.cell.weight, std=_EMBEDDING_STD)
        self.duration_hidden = nn.Linear(_STEP_WIDTH, _STEP_WIDTH)
        self.duration_head = nn.Linear(_STEP_WIDTH, _DURATIONS)

    def forward(self, z_BD: Tensor) -> DecodedFrames:
        """Decode latents, shape (B, F * K)."""
        h_BCF = self.proj_in(z_BD.reshape(len(z_BD), N_FRAMES, -1).transpose(1, 2))
        for block in self.blocks:
            h_BCF = h_BCF + block(h_BCF)
        h_BFC = F.leaky_relu(self.norm(h_BCF), _NEGATIVE_SLOPE).transpose(1, 2)
        hidden = F.leaky_relu(
            self.steps(h_BFC).reshape(len(z_BD), WINDOW_STEPS, _STEP_WIDTH), _NEGATIVE_SLOPE
        )
        onsets = self.onset_head(hidden)
        return DecodedFrames(onsets.reshape(*hidden.shape[:2], N_PITCHES, len(INSTRUMENTS)), hidden)

    def duration_logits(self, hidden: Tensor, notes: RollNotes) -> Tensor:
        """Return the logits of the duration classes of notes, shape (N, classes)."""
        cells = notes.pitch * len(INSTRUMENTS) + notes.instrument
        window, step, cell = (
            torch.from_numpy(index).to(hidden.device) for index in (notes.window, notes.step, cells)
        )
        h_NC = self.duration_hidden(hidden[window, step]) + self.cell(cell)
        logits: Tensor = self.duration_head(F.leaky_relu(h_NC, _NEGATIVE_SLOPE))
        return logits

    def nll(self, z_BD: Tensor, notes: RollNotes) -> Tensor:
        """Return the negative log-likelihood of the notes of each window in nats, shape (B,).

        The sum of the binary cross-entropy of all cells' onsets, and of the cross-entropy of the
        duration classes of the notes.
        """
        onsets, hidden = self(z_BD)
        window, step, pitch, instrument = (
            torch.from_numpy(column).to(onsets.device)
            for column in (notes.window, notes.step, notes.pitch, notes.instrument)
        )
        # BCE = softplus(logit) - logit * onset, and few cells are onsets.
        nll = F.softplus(onsets).flatten(1).sum(dim=1, dtype=torch.float32)
        nll = nll.index_add(0, window, onsets[window, step, pitch, instrument].float(), alpha=-1)
        duration = torch.from_numpy(duration_class(notes.length)).to(onsets.device)
        logits = self.duration_logits(hidden, notes).float()
        return nll.index_add(0, window, F.cross_entropy(logits, duration, reduction="none"))

    @torch.inference_mode()
    def decode(self, z_BD: Tensor, thresholds: FloatArray) -> BoolArray:
        """Decode latents to the cells of windows, shape (B, 4, 48, 84, 5).

        Parameters
        ----------
        z_BD : Tensor, shape (B, F * K)
        thresholds : ndarray, shape (5,), float32
            Probability of an onset from which on a note begins, by instrument.
        """
        onsets, hidden = self(z_BD)
        is_onset = onsets.float().sigmoid() >= torch.from_numpy(thresholds).to(onsets.device)
        columns = [column.cpu().numpy() for column in is_onset.nonzero(as_tuple=True)]
        window, step, pitch, instrument = columns
        notes = RollNotes(window, instrument, step, pitch, np.ones_like(step), len(z_BD))
        duration = self.duration_logits(hidden, notes).argmax(dim=1).cpu().numpy()
        end = np.minimum(step + DURATION_EDGES[np.maximum(duration - 1, 0)], WINDOW_STEPS)
        # A cell of silence before the next onset of a pitch keeps the two notes apart.
        order = np.lexsort((step, pitch, instrument, window))
        first, second = order[:-1], order[1:]
        same = (window[first] == window[second]) & (pitch[first] == pitch[second])
        same &= instrument[first] == instrument[second]
        last = np.maximum(step[second] - 1, step[first] + 1)
        end[first] = np.where(same, np.minimum(end[first], last), end[first])
        return rasterise_notes(RollNotes(window, instrument, step, pitch, end - step, len(z_BD)))


def duration_class(length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the classes of durations in steps, from 1."""
    return np.asarray(np.searchsorted(DURATION_EDGES, length, side="right"))


def calibrate_onset_thresholds(probabilities: FloatArray, notes: RollNotes) -> FloatArray:
    """Return the threshold of each instrument that gives as many onsets as the reference.

    Parameters
    ----------
    probabilities : ndarray, shape (B, 192, 84, 5), float32
        Probability of an onset in each cell.
    notes : RollNotes
        Notes of the same windows.

    Returns
    -------
    ndarray, shape (5,), float32
        0.5 for an instrument without notes.
    """
    counts = np.bincount(notes.instrument, minlength=len(INSTRUMENTS)).tolist()
    thresholds = np.full(len(INSTRUMENTS), 0.5, np.float32)
    for instrument, count in enumerate(counts):
        if count:
            values = probabilities[..., instrument].ravel()
            thresholds[instrument] = np.partition(values, -count)[-count]
    return thresholds


class LatentPrior(nn.Module):
    """Prior of sequences of latents.

    Parameters
    ----------
    latent : int
        Dimensions of a quarter note's latent.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("scale", torch.ones(latent))
        self.position = nn.Embedding(N_FRAMES, _PRIOR_WIDTH)
        self.proj_in = nn.Linear(latent, _PRIOR_WIDTH)
        self.gru = nn.GRU(_PRIOR_WIDTH, _PRIOR_WIDTH, batch_first=True)
        self.head = nn.Linear(_PRIOR_WIDTH, _PRIOR_COMPONENTS * (1 + 2 * latent))

    def nll(self, z_BD: Tensor) -> Tensor:
        """Return the negative log-likelihood of windows in nats, shape (B,)."""
        z_BFK = z_BD.reshape(len(z_BD), N_FRAMES, self.latent)
        standard = (z_BFK - self.mean) / self.scale
        before = torch.cat([torch.zeros_like(standard[:, :1]), standard[:, :-1]], dim=1)
        hidden, _ = self.gru(self.proj_in(before) + self.position.weight)
        weights, means, log_scales = self._mixture(hidden)
        deviation = (standard[:, :, None] - means) / log_scales.exp()
        log_density = -0.5 * deviation**2 - log_scales - 0.5 * np.log(2 * np.pi)
        likelihood = torch.logsumexp(weights.log_softmax(dim=-1) + log_density.sum(dim=-1), dim=-1)
        return -likelihood.sum(dim=1)

    def _mixture(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of the components' weights, their means and log standard deviations."""
        output = self.head(hidden).reshape(
            *hidden.shape[:-1], _PRIOR_COMPONENTS, 1 + 2 * self.latent
        )
        weights, means, log_scales = output.split([1, self.latent, self.latent], dim=-1)
        return weights[..., 0], means, log_scales.clamp(min=_MIN_LOG_SCALE)

    @torch.inference_mode()
    def sample(self, count: int, seed: int, temperature: float = _PRIOR_TEMPERATURE) -> Tensor:
        """Sample the latents of windows, shape (count, F * K)."""
        generator = torch.Generator().manual_seed(seed)
        before, state = torch.zeros(count, 1, self.latent), None
        frames = []
        for position in range(N_FRAMES):
            hidden, state = self.gru(self.proj_in(before) + self.position.weight[position], state)
            weights, means, log_scales = self._mixture(hidden[:, 0])
            chosen = torch.multinomial(weights.softmax(dim=-1), 1, generator=generator)[:, 0]
            row = torch.arange(count)
            noise = torch.randn(count, self.latent, generator=generator)
            frame = means[row, chosen] + temperature * log_scales[row, chosen].exp() * noise
            frames.append(frame)
            before = frame[:, None]
        z_BFK = torch.stack(frames, dim=1) * self.scale + self.mean
        return z_BFK.flatten(1)


def fit_prior(prior: LatentPrior, z_BD: Tensor, steps: int, seed: int) -> list[float]:
    """Train a prior on the latents of windows; return the loss of each step in nats per window.

    Parameters
    ----------
    prior : LatentPrior
    z_BD : Tensor, shape (B, F * K)
        Latents of the training set.
    steps : int
        Number of optimiser steps, of `_PRIOR_BATCH_SIZE` windows each.
    seed : int
        Random seed.
    """
    rng = np.random.default_rng(seed)
    frames = z_BD.reshape(-1, prior.latent)
    prior.mean.copy_(frames.mean(dim=0))
    prior.scale.copy_(frames.std(dim=0) + _EPSILON)
    optimiser = torch.optim.AdamW(prior.parameters(), lr=_PRIOR_LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    for _ in range(steps):
        batch = torch.from_numpy(rng.integers(len(z_BD), size=_PRIOR_BATCH_SIZE))
        loss = prior.nll(z_BD[batch]).mean()
        optimiser.zero_grad()
        (loss / N_FRAMES).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(prior.parameters(), _CLIP_NORM)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    prior.eval()
    return losses


class ConvEncoder(nn.Module):
    """Encoder: strided convolutions over time and pitch, and a linear layer.

    Parameters
    ----------
    latent : int
    convolutions : int
        Number of convolutions: 2, as published, or 3.
    """

    def __init__(self, latent: int, convolutions: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = (len(INSTRUMENTS), *CHANNELS[:convolutions])
        for (incoming, outgoing), stride in zip(pairwise(channels), STRIDES, strict=False):
            layers += [nn.Conv2d(incoming, outgoing, 3, stride=stride, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Linear(int(np.prod(bottleneck_shape(convolutions))), 2 * latent)

    def forward(self, cells: BoolArray) -> tuple[Tensor, Tensor]:
        """Encode windows, shape (B, 4, 48, 84, 5), bool, to mean and log-variance."""
        # Instruments are last in memory: channels_last without a copy.
        x_BTPI = _to_float(cells, self.dense.weight.device)
        h_BCTP = self.convolutions(x_BTPI.permute(0, 3, 1, 2))
        mean, log_variance = self.dense(h_BCTP.flatten(1)).float().chunk(2, dim=1)
        return mean, log_variance


def bottleneck_shape(convolutions: int) -> tuple[int, int, int]:
    """Return the shape of a window after the convolutions: channels, time, pitch."""
    strides = STRIDES[:convolutions]
    time, pitch = (int(np.prod([stride[axis] for stride in strides])) for axis in (0, 1))
    return CHANNELS[convolutions - 1], WINDOW_STEPS // time, N_PITCHES // pitch


class LSTMEncoder(nn.Module):
    """Encoder: a bidirectional LSTM over sixteenths, and a linear layer.

    Parameters
    ----------
    latent, width : int
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(_LSTM_FRAME * _CELLS, width), nn.ReLU())
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(4 * width, 2 * latent)

    def forward(self, cells: BoolArray) -> tuple[Tensor, Tensor]:
        """Encode windows, shape (B, 4, 48, 84, 5), bool, to mean and log-variance."""
        x_BTPI = _to_float(cells, self.dense.weight.device)
        x_BFC = x_BTPI.reshape(len(x_BTPI), WINDOW_STEPS // _LSTM_FRAME, _LSTM_FRAME * _CELLS)
        h_BFC, (last, _) = self.lstm(self.each(x_BFC))
        summary = torch.cat([last[0], last[1], h_BFC.mean(dim=1)], dim=1)
        mean, log_variance = self.dense(summary).float().chunk(2, dim=1)
        return mean, log_variance


def _to_float(cells: BoolArray, device: torch.device) -> Tensor:
    x = torch.from_numpy(np.ascontiguousarray(cells)).to(device)
    if torch.is_autocast_enabled(device.type):
        x = x.to(torch.get_autocast_dtype(device.type))
    else:
        x = x.float()
    return x.reshape(len(x), WINDOW_STEPS, N_PITCHES, len(INSTRUMENTS))


class ConvDecoder(nn.Module):
    """Decoder: a linear layer and transposed convolutions over time and pitch.

    Parameters
    ----------
    latent : int
    convolutions : int
    """

    def __init__(self, latent: int, convolutions: int) -> None:
        super().__init__()
        self.shape = bottleneck_shape(convolutions)
        self.dense = nn.Sequential(nn.Linear(latent, int(np.prod(self.shape))), nn.ReLU())
        layers: list[nn.Module] = []
        channels = (*CHANNELS[:convolutions][::-1], len(INSTRUMENTS))
        strides = STRIDES[:convolutions][::-1]
        for (incoming, outgoing), stride in zip(pairwise(channels), strides, strict=True):
            output_padding = (stride[0] - 1, stride[1] - 1)
            layers += [
                nn.ConvTranspose2d(
                    incoming, outgoing, 3, stride=stride, padding=1, output_padding=output_padding
                ),
                nn.ReLU(),
            ]
        self.convolutions = nn.Sequential(*layers[:-1])
        _init_silent(layers[-2])

    def forward(self, z_BD: Tensor) -> Tensor:
        """Return logits, shape (B, 4, 48, 84, 5)."""
        h_BCTP = self.dense(z_BD).reshape(-1, *self.shape)
        logits = self.convolutions(h_BCTP.contiguous(memory_format=torch.channels_last))
        return torch.as_tensor(logits.permute(0, 2, 3, 1).reshape(-1, *WINDOW_SHAPE))


class StepDecoder(nn.Module):
    """Decoder of version 0.1: a hidden state for each quarter note, upsampled, and a linear layer.

    Parameters
    ----------
    latent, width : int
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.dense = nn.Sequential(
            nn.Linear(latent, 4 * width),
            nn.LeakyReLU(_NEGATIVE_SLOPE),
            nn.Linear(4 * width, width * _QUARTERS),
            nn.LeakyReLU(_NEGATIVE_SLOPE),
        )
        self.over_time = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1), nn.LeakyReLU(_NEGATIVE_SLOPE),
            nn.ConvTranspose1d(width, width, 3, stride=3), nn.LeakyReLU(_NEGATIVE_SLOPE),
            nn.ConvTranspose1d(width, width, 4, stride=4), nn.LeakyReLU(_NEGATIVE_SLOPE),
        )  # fmt: skip
        self.cells = nn.Linear(width, N_PITCHES * len(INSTRUMENTS))
        _init_silent(self.cells)

    def forward(self, z_BD: Tensor) -> Tensor:
        """Return logits, shape (B, 4, 48, 84, 5)."""
        h_BCF = self.dense(z_BD).reshape(len(z_BD), self.width, _QUARTERS)
        logits: Tensor = self.cells(self.over_time(h_BCF).transpose(1, 2))
        return logits.reshape(-1, *WINDOW_SHAPE)


def _init_silent(layer: nn.Module) -> None:
    assert isinstance(layer, nn.Linear | nn.ConvTranspose2d)  # noqa: S101
    assert layer.bias is not None  # noqa: S101
    nn.init.constant_(layer.bias, _INITIAL_LOGIT)
