"""Networks of the piano-roll VAE: encoders, decoders and losses (Kingma & Welling 2014).

The default encoder reads notes, not cells, since a piano roll is sparse: of 80,640 cells of four
bars some hundred begin a note. Its first layers are convolutions over time and pitch evaluated at
the notes alone: each note sees itself (position in the bar, duration, instrument) and its
neighbours, by their distance in time and pitch. They read no absolute pitch but that of drums, so
one part of the latent, used for similarity, is invariant to transposition. The other part reads
pitches, for the decoder. Published encoders, convolutions over the roll as an image and an LSTM,
are here for comparison.

Shape legend: B windows, D latent, C channels, T steps, P pitches, I instruments, N notes,
F frames (a sixteenth in the LSTM, a quarter note elsewhere), S bars.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.records import BoolArray, IntArray
from segue.score.piano_roll import (
    INSTRUMENTS,
    N_PITCHES,
    STEPS_PER_BAR,
    WINDOW_SHAPE,
    WINDOW_STEPS,
    RollNotes,
    extract_notes,
)

# --- decoders ---

#: Initial bias of the logits: few cells sound.
_INITIAL_LOGIT: Final = -5.0
_QUARTERS: Final = 16
#: With plain ReLU half of the widest layer died within minutes.
_NEGATIVE_SLOPE: Final = 0.02


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
    """Decoder: a hidden state for each quarter note, upsampled in time, and a linear layer.

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


# --- encoders ---

#: Strides over time and pitch, and channels, of each convolution.
STRIDES: Final = ((2, 2), (2, 2), (2, 3))
CHANNELS: Final = (16, 32, 64)
#: Steps in a frame of the LSTM: a sixteenth.
_LSTM_FRAME: Final = 3
_CELLS: Final = N_PITCHES * len(INSTRUMENTS)


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


# --- note encoder ---


#: Neighbours of a note on each side: of its own instrument, and of all pitched instruments.
N_SAME_INSTRUMENT: Final = 8
N_PITCHED: Final = 6
STEPS_PER_FRAME: Final = 12  # a quarter note
N_FRAMES: Final = WINDOW_STEPS // STEPS_PER_FRAME
_PER_BAR: Final = STEPS_PER_BAR // STEPS_PER_FRAME
#: Widest interval with a class of its own; wider ones are reduced by octaves.
_MAX_INTERVAL: Final = 24
_INTERVALS: Final = 2 * _MAX_INTERVAL + 1
_OCTAVE: Final = 12
#: Classes of time lags: single steps up to two quarter notes, then sixteenths up to four.
_FINE_LAGS: Final = 24
_MAX_LAG: Final = 48
_LAGS: Final = _FINE_LAGS + (_MAX_LAG - _FINE_LAGS) // 3
_DURATION_EDGES: Final = np.array([1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 36, 48, 72, 96])
_SIXTEENTHS: Final = STEPS_PER_BAR // 3
#: Scale of the histogram of melodic motions.
_HISTOGRAM_SCALE: Final = 10.0
#: Initial log-variance: little noise, against posterior collapse.
_INITIAL_LOG_VARIANCE: Final = -4.0
_DRUMS: Final = 0
_RELATIONS: Final = len(INSTRUMENTS)  # the same instrument, or each pitched one


class NoteLatents(NamedTuple):
    """Mean and log-variance of the invariant and the absolute part of latents, float32.

    Attributes
    ----------
    invariant, invariant_log_variance : Tensor, shape (B, invariant)
    absolute, absolute_log_variance : Tensor, shape (count, absolute)
    """

    invariant: Tensor
    invariant_log_variance: Tensor
    absolute: Tensor
    absolute_log_variance: Tensor


class NoteEncoder(nn.Module):
    """Encoder of the notes of windows, to an invariant and an absolute part of the latent.

    Parameters
    ----------
    invariant, absolute : int
        Dimensions of the part that is invariant to transposition, and of the other.
    width : int
        Channels of a note.
    """

    def __init__(self, invariant: int, absolute: int, width: int) -> None:
        super().__init__()
        #: Whether the invariant part is frozen.
        self.frozen = False
        self.pairs = nn.EmbeddingBag(
            2 * _RELATIONS * _LAGS * _INTERVALS + 1, width, mode="sum", padding_idx=0
        )
        self.motions = nn.Embedding(_SIXTEENTHS * _INTERVALS + 1, width, padding_idx=0)
        self.places = nn.Embedding(len(INSTRUMENTS) * STEPS_PER_BAR, width)
        self.lengths = nn.Embedding(len(INSTRUMENTS) * (len(_DURATION_EDGES) + 1), width)
        self.drums = nn.Embedding(N_PITCHES, width)
        self.pitches = nn.Embedding(len(INSTRUMENTS) * N_PITCHES, width)
        for table in (
            self.pairs,
            self.motions,
            self.places,
            self.lengths,
            self.drums,
            self.pitches,
        ):
            nn.init.normal_(table.weight, std=0.3)
        self.relative = _Frames(width)
        self.pitched = _Frames(width)
        self.over_time = nn.Sequential(
            nn.Conv1d(2 * width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
            nn.Conv1d(2 * width, 3 * width, _PER_BAR, stride=_PER_BAR, bias=False),
            nn.BatchNorm1d(3 * width),
            nn.ReLU(),
        )
        self.to_invariant = nn.Linear(7 * width, 2 * invariant)
        self.dense = nn.Sequential(
            nn.Linear(2 * width * N_FRAMES, 2 * width, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
        )
        self.to_absolute = nn.Linear(2 * width, 2 * absolute)
        for layer in (self.to_invariant, self.to_absolute):
            nn.init.constant_(layer.bias[layer.out_features // 2 :], _INITIAL_LOG_VARIANCE)

    def forward(self, notes: RollNotes, count: int | None = None) -> NoteLatents:
        """Encode windows.

        Parameters
        ----------
        notes : RollNotes
            Notes of B windows of four bars, sorted.
        count : int, optional
            Number of windows, from the first, whose absolute part is encoded.

        Returns
        -------
        Parts
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            self.over_time.train(self.training and not self.frozen)
            note_NC = self._embed_notes(notes)
            context_NC, invariant = self._invariant(notes, note_NC)
        head = notes if count is None else notes.head(count)
        h_NC = (note_NC + context_NC)[: len(head.window)]
        absolute = self._absolute(head, h_NC) if head.windows else invariant[:0]
        return NoteLatents(*invariant.float().chunk(2, 1), *absolute.float().chunk(2, 1))

    def _embed_notes(self, notes: RollNotes) -> Tensor:
        """Embed each note by position in the bar, duration, instrument and drum."""
        duration = np.searchsorted(_DURATION_EDGES, notes.length, side="right")
        is_drum = notes.instrument == _DRUMS
        h_NC: Tensor = self.places(
            self._index(notes.instrument * STEPS_PER_BAR + notes.step % STEPS_PER_BAR)
        )
        h_NC = h_NC + self.lengths(
            self._index(notes.instrument * (len(_DURATION_EDGES) + 1) + duration)
        )
        drum_NC = self.drums(self._index(notes.pitch)) * self._index(is_drum)[:, None]
        return torch.add(h_NC, drum_NC)

    def _invariant(self, notes: RollNotes, note_NC: Tensor) -> tuple[Tensor, Tensor]:
        motion_NC = self.motions(self._index(melodic_motions(notes)))
        context_NC = self.pairs(self._index(note_relations(notes))) + motion_NC
        h_BCF = self.relative(note_NC + context_NC, self._frame(notes), notes.windows)
        h_BCS = self.over_time(h_BCF)
        # A random projection of the histogram of motions separates songs before any training.
        histogram_BC = motion_NC.new_zeros(notes.windows, motion_NC.shape[1])
        histogram_BC = histogram_BC.index_add(0, self._index(notes.window), motion_NC)
        histogram_BC = F.normalize(histogram_BC, dim=1) * _HISTOGRAM_SCALE
        pooled_BC = torch.cat([h_BCS.mean(2), h_BCS.amax(2), histogram_BC], dim=1)
        return context_NC, self.to_invariant(pooled_BC)

    def _absolute(self, notes: RollNotes, note_NC: Tensor) -> Tensor:
        pitch_NC = self.pitches(self._index(notes.instrument * N_PITCHES + notes.pitch))
        h_BCF = self.pitched(note_NC + pitch_NC, self._frame(notes), notes.windows)
        return torch.as_tensor(self.to_absolute(self.dense(h_BCF.flatten(1))))

    def _frame(self, notes: RollNotes) -> Tensor:
        return self._index(notes.window * N_FRAMES + notes.step // STEPS_PER_FRAME)

    def _index(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.places.weight.device)


class _Frames(nn.Module):
    """An MLP on each note, then log-sum and max pooling of the notes of each frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.each = nn.Sequential(
            nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 2 * width),
        )  # fmt: skip

    def forward(self, h_NC: Tensor, frame_N: Tensor, windows: int) -> Tensor:
        h_NC = self.each(h_NC).float()
        summed, maximum = h_NC.relu().chunk(2, dim=1)
        empty = h_NC.new_zeros(windows * N_FRAMES, self.width)
        index = frame_N[:, None].expand(-1, self.width)
        pooled = torch.cat(
            [
                empty.scatter_add(0, index, summed).add(1).log(),
                empty.scatter_reduce(0, index, maximum, "amax"),
            ],
            dim=1,
        )
        return pooled.reshape(windows, N_FRAMES, 2 * self.width).transpose(1, 2)


def note_relations(notes: RollNotes) -> IntArray:
    """Return the class of the relation of each note to each of its neighbours.

    A class stands for: the same instrument, or which other one; the time lag; the interval, where
    those wider than two octaves are reduced by octaves.

    Returns
    -------
    ndarray, shape (N, 2 * (N_SAME_INSTRUMENT + N_PITCHED)), int64
        0 where there is no neighbour.
    """
    relations = np.zeros((len(notes.window), 2 * (N_SAME_INSTRUMENT + N_PITCHED)), np.int64)
    same, others = np.split(relations, [2 * N_SAME_INSTRUMENT], axis=1)
    _relate(notes, np.arange(len(notes.window)), N_SAME_INSTRUMENT, same, same=True)
    order = np.lexsort((notes.pitch, notes.instrument, notes.step, notes.window))
    _relate(notes, order, N_PITCHED, others, same=False)
    return relations


def _relate(
    notes: RollNotes, order: IntArray, count: int, relations: IntArray, *, same: bool
) -> None:
    """Fill in the relations to the `count` notes that follow in an order, and back from them."""
    window, instrument, step, pitch = (
        column[order] for column in (notes.window, notes.instrument, notes.step, notes.pitch)
    )
    size = _LAGS * _INTERVALS
    for ahead in range(1, min(count, len(order) - 1) + 1):
        lag = step[ahead:] - step[:-ahead]
        related = (window[ahead:] == window[:-ahead]) & (lag < _MAX_LAG)
        related &= (instrument[ahead:] != _DRUMS) & (instrument[:-ahead] != _DRUMS)
        if same:
            related &= instrument[ahead:] == instrument[:-ahead]
        first = np.flatnonzero(related)
        lag, second = lag[first], first + ahead
        lag = np.where(lag < _FINE_LAGS, lag, _FINE_LAGS + (lag - _FINE_LAGS) // 3)
        relation = lag * _INTERVALS + _interval_class(pitch[second] - pitch[first])
        following, preceding = [0 if same else instrument[note] for note in (second, first)]
        relations[order[first], 2 * (ahead - 1)] = 1 + following * size + relation
        back = (_RELATIONS + preceding) * size
        relations[order[second], 2 * (ahead - 1) + 1] = 1 + back + relation


def melodic_motions(notes: RollNotes) -> IntArray:
    """Return the class of each note's position in the bar and interval from the note before.

    The note before is that of the same instrument.

    Returns
    -------
    ndarray, shape (N,), int64
        0 where there is no note before, and for drums.
    """
    motions = np.zeros(len(notes.window), np.int64)
    if not len(motions):
        return motions
    same = (notes.window[1:] == notes.window[:-1]) & (notes.instrument[1:] == notes.instrument[:-1])
    interval = _interval_class(np.diff(notes.pitch))
    position = notes.step[1:] % STEPS_PER_BAR // (STEPS_PER_BAR // _SIXTEENTHS)
    motions[1:] = np.where(
        same & (notes.instrument[1:] != _DRUMS), 1 + position * _INTERVALS + interval, 0
    )
    return motions


def _interval_class(semitones: IntArray) -> IntArray:
    """Map intervals to classes from 0; those beyond two octaves are reduced to the second."""
    octave = np.sign(semitones) * (_OCTAVE + np.abs(semitones) % _OCTAVE)
    reduced = np.where(np.abs(semitones) > _MAX_INTERVAL, octave, semitones)
    return np.asarray(reduced + _MAX_INTERVAL)


# --- variational autoencoder ---

Encoder = Literal["notes", "conv", "lstm"]

#: Log-variances are clipped to ± this.
_MAX_LOG_VARIANCE: Final = 10.0
TEMPERATURE: Final = 0.1


@dataclass(frozen=True, slots=True)
class RollVAEConfig:
    """Configuration of the network.

    Attributes
    ----------
    encoder : {"notes", "conv", "lstm"}
        The default, or one of the published encoders.
    latent : int
        Dimension of the latent.
    invariant : int
        Dimension of its first part, which is invariant to transposition and alone used for
        similarity; 0 for the published encoders, where all of the latent is used.
    convolutions : int
        Number of convolutions of "conv", 2 or 3.
    width : int
        Channels of the other encoders and decoders.
    counted : int
        Dimension of the projected pattern histograms (`segue.score.vae.model`) that an embedding
        has besides; they are no part of the latent. 0 for none.
    """

    encoder: Encoder = "notes"
    latent: int = 256
    invariant: int = 96
    convolutions: int = 2
    width: int = 96
    counted: int = 0

    def __post_init__(self) -> None:
        """Check that the options go together.

        Raises
        ------
        BadArgument
        """
        most = len(STRIDES)
        fits = 0 < self.invariant < self.latent if self.encoder == "notes" else not self.invariant
        if (
            not fits
            or self.latent < 1
            or not 2 <= self.convolutions <= most
            or self.width < 1
            or self.counted < 0
        ):
            raise BadArgument(
                f"no such network: {self}; convolutions are 2 to {most}, and the encoder 'notes' "
                "alone has an invariant part, smaller than the latent"
            )

    @property
    def dimension(self) -> int:
        """Dimension of an embedding."""
        return (self.invariant or self.latent) + self.counted


def conv_config(convolutions: int = 2) -> RollVAEConfig:
    """Return the published convolutional configuration."""
    return RollVAEConfig("conv", latent=128, invariant=0, convolutions=convolutions)


def lstm_config() -> RollVAEConfig:
    """Return the published configuration with an LSTM encoder."""
    return RollVAEConfig("lstm", latent=128, invariant=0)


def default_config() -> RollVAEConfig:
    """Return the configuration of the pretrained network."""
    return RollVAEConfig(counted=128)


class Latents(NamedTuple):
    """Mean and log-variance of the approximate posterior, each of shape (B, D), float32."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """Sample with the reparameterisation trick."""
        return self.mean + torch.randn_like(self.mean) * (self.log_variance / 2).exp()


class Losses(NamedTuple):
    """The terms of the loss of a batch, in nats.

    Attributes
    ----------
    reconstruction : Tensor, scalar
        Mean reconstruction loss of a window, summed over its cells.
    kl : Tensor, shape (B, D)
        KL divergence of each dimension of each latent.
    contrast : Tensor, scalar
        Contrastive loss; 0 where there is no invariant part.
    """

    reconstruction: Tensor
    kl: Tensor
    contrast: Tensor


class RollVAE(nn.Module):
    """Variational autoencoder of windows of four bars.

    Parameters
    ----------
    config : RollVAEConfig
    """

    seen: Tensor

    def __init__(self, config: RollVAEConfig) -> None:
        super().__init__()
        self.config = config
        #: Training steps so far, for the warm-up of the KL weight.
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.encoder: nn.Module
        if config.encoder == "notes":
            absolute = config.latent - config.invariant
            self.encoder = NoteEncoder(config.invariant, absolute, config.width)
        elif config.encoder == "lstm":
            self.encoder = LSTMEncoder(config.latent, config.width)
        else:
            self.encoder = ConvEncoder(config.latent, config.convolutions)
        self.decoder: nn.Module = (
            StepDecoder(config.latent, config.width)
            if config.encoder == "notes"
            else ConvDecoder(config.latent, config.convolutions)
        )

    def encode(self, cells: BoolArray) -> Latents:
        """Encode windows.

        Parameters
        ----------
        cells : ndarray, shape (B, 4, 48, 84, 5), bool

        Returns
        -------
        Latents
        """
        if isinstance(self.encoder, NoteEncoder):
            return _concatenate(self.encoder(extract_notes(cells)))
        mean, log_variance = self.encoder(cells)
        return Latents(mean, log_variance.clamp(-_MAX_LOG_VARIANCE, _MAX_LOG_VARIANCE))

    def decode(self, z_BD: Tensor) -> Tensor:
        """Return logits of the cells, shape (B, 4, 48, 84, 5)."""
        logits: Tensor = self.decoder(z_BD)
        return logits

    def embed(self, cells: BoolArray, notes: RollNotes) -> Tensor:
        """Return the mean of the invariant part of the latents, or of all if there is none.

        Parameters
        ----------
        cells : ndarray, shape (B, 4, 48, 84, 5), bool
        notes : RollNotes
            The notes of the cells.

        Returns
        -------
        Tensor, shape (B, invariant or latent)
        """
        if isinstance(self.encoder, NoteEncoder):
            return torch.as_tensor(self.encoder(notes, 0).invariant)
        return self.encode(cells).mean

    def loss(self, target: Tensor, table: Tensor | None = None) -> Losses:
        """Return the terms of the loss of a batch.

        Parameters
        ----------
        target : Tensor, shape (b, 4, 48, 84, 5), bool
            Windows to reconstruct.
        table : Tensor, shape (N, 5), int64, optional
            For a note encoder: the notes of 2n windows in n positive pairs (i, n + i) of the
            same song, of which the first b windows correspond to `target`. Columns are those of
            `RollNotes`, sorted; each window has a note.

        Returns
        -------
        LossParts
        """
        if table is None or not isinstance(self.encoder, NoteEncoder):
            latents = self.encode(target.cpu().numpy())
            contrast = target.new_zeros((), dtype=torch.float32)
        else:
            columns = table.cpu().numpy().T
            notes = RollNotes.from_columns(columns, int(columns[0, -1]) + 1)
            parts: NoteLatents = self.encoder(notes, len(target))
            latents = _concatenate(parts)
            contrast = nt_xent_loss(*parts.invariant.chunk(2))
        reconstruction = reconstruction_loss(self.decode(latents.sample()), target)
        return Losses(reconstruction.mean(), kl_divergence(latents), contrast)


def _concatenate(parts: NoteLatents) -> Latents:
    count = len(parts.absolute)
    mean = torch.cat([parts.invariant[:count], parts.absolute], dim=1)
    log_variance = torch.cat(
        [parts.invariant_log_variance[:count], parts.absolute_log_variance], dim=1
    )
    return Latents(mean, log_variance.clamp(-_MAX_LOG_VARIANCE, _MAX_LOG_VARIANCE))


def reconstruction_loss(logits: Tensor, cells: Tensor) -> Tensor:
    """Return the binary cross-entropy, summed over the cells of each window, shape (B,).

    Parameters
    ----------
    logits : Tensor, shape (B, 4, 48, 84, 5)
    cells : Tensor, shape (B, 4, 48, 84, 5), bool or uint8
    """
    # BCE = softplus(logit) - logit * cell, and few cells are 1.
    softplus = F.softplus(logits).flatten(1).sum(dim=1, dtype=torch.float32)
    index = torch.nonzero(cells.flatten())[:, 0]
    window = torch.div(index, logits[0].numel(), rounding_mode="floor")
    return softplus.index_add(0, window, logits.flatten()[index].float(), alpha=-1)


def kl_divergence(latents: Latents) -> Tensor:
    """Return the KL divergence from the standard normal prior per dimension, shape (B, D)."""
    mean, log_variance = latents
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)


def nt_xent_loss(first_BD: Tensor, second_BD: Tensor) -> Tensor:
    """Return the NT-Xent loss of SimCLR, with windows of one song as positive pairs."""
    z = F.normalize(torch.cat([first_BD, second_BD]).float(), dim=1)
    logits = z @ z.T / TEMPERATURE
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -np.inf)
    count = len(first_BD)
    positive = torch.arange(2 * count, device=z.device).roll(count)
    return F.cross_entropy(logits, positive)
