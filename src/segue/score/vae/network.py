"""Networks of the piano-roll VAE: encoders, decoders and losses (Kingma & Welling 2014).

The default encoder reads notes, not cells, since a piano roll is sparse: of 80,640 cells of four
bars some hundred begin a note. Its first layers are convolutions over time and pitch evaluated at
the notes alone: each note sees itself (position in the bar, duration, instrument) and its
neighbours, by their distance in time and pitch. They read no absolute pitch but that of drums, so
one part of the latent, used for similarity, is invariant to transposition. The other part, from
which rolls are decoded, has a latent for each quarter note (`segue.score.vae.frames`); in version
0.1 it was one for the whole window.

Shape legend: B windows, D latent, C channels, T steps, P pitches, I instruments, N notes,
F frames (a sixteenth in the LSTM, a quarter note elsewhere), S bars.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.records import BoolArray, FloatArray, IntArray
from segue.score.piano_roll import (
    INSTRUMENTS,
    N_PITCHES,
    STEPS_PER_BAR,
    WINDOW_SHAPE,
    RollNotes,
    extract_notes,
)
from segue.score.vae.frames import (
    N_FRAMES,
    STRIDES,
    ConvDecoder,
    ConvEncoder,
    FrameDecoder,
    FrameEncoder,
    LSTMEncoder,
    StepDecoder,
)

# --- note encoder ---


#: Neighbours of a note on each side: of its own instrument, and of all pitched instruments.
N_SAME_INSTRUMENT: Final = 8
N_PITCHED: Final = 6
STEPS_PER_FRAME: Final = 12  # a quarter note
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
        Dimensions of the part that is invariant to transposition, and of the other; 0 for none.
    width : int
        Channels of a note.
    """

    def __init__(self, invariant: int, absolute: int, width: int) -> None:
        super().__init__()
        self.pairs = nn.EmbeddingBag(
            2 * _RELATIONS * _LAGS * _INTERVALS + 1, width, mode="sum", padding_idx=0
        )
        self.motions = nn.Embedding(_SIXTEENTHS * _INTERVALS + 1, width, padding_idx=0)
        self.places = nn.Embedding(len(INSTRUMENTS) * STEPS_PER_BAR, width)
        self.lengths = nn.Embedding(len(INSTRUMENTS) * (len(_DURATION_EDGES) + 1), width)
        self.drums = nn.Embedding(N_PITCHES, width)
        tables: list[nn.Embedding | nn.EmbeddingBag] = [
            self.pairs,
            self.motions,
            self.places,
            self.lengths,
            self.drums,
        ]
        self.has_absolute = bool(absolute)
        # The order is that of version 0.1, by which the state of an optimiser is restored.
        if absolute:
            self.pitches = nn.Embedding(len(INSTRUMENTS) * N_PITCHES, width)
            tables.append(self.pitches)
        for table in tables:
            nn.init.normal_(table.weight, std=0.3)
        self.relative = _Frames(width)
        if absolute:
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
        heads = [self.to_invariant]
        if absolute:
            self.dense = nn.Sequential(
                nn.Linear(2 * width * N_FRAMES, 2 * width, bias=False),
                nn.BatchNorm1d(2 * width),
                nn.ReLU(),
            )
            self.to_absolute = nn.Linear(2 * width, 2 * absolute)
            heads.append(self.to_absolute)
        for layer in heads:
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
        note_NC = self._embed_notes(notes)
        context_NC, invariant = self._invariant(notes, note_NC)
        head = notes if count is None else notes.head(count)
        h_NC = (note_NC + context_NC)[: len(head.window)]
        if self.has_absolute and head.windows:
            absolute = self._absolute(head, h_NC)
        else:
            absolute = h_NC.new_zeros(head.windows, 0)
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
    frame_latent : int
        Dimensions of the latent of a quarter note, of which the rest of the latent consists; 0 for
        one latent of the window, as in version 0.1.
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
    frame_latent: int = 0

    def __post_init__(self) -> None:
        """Check that the options go together.

        Raises
        ------
        BadArgument
        """
        frames = self.invariant + N_FRAMES * self.frame_latent
        fits = 0 < self.invariant < self.latent if self.encoder == "notes" else not self.invariant
        if (
            not fits
            or (self.frame_latent and self.latent != frames)
            or self.latent < 1
            or not 2 <= self.convolutions <= len(STRIDES)
            or self.width < 1
            or self.counted < 0
        ):
            raise BadArgument(
                f"no such network: {self}; convolutions are 2 to {len(STRIDES)}, and the encoder "
                "'notes' alone has an invariant part, smaller than the latent"
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
    return RollVAEConfig(latent=96 + N_FRAMES * 24, invariant=96, counted=128, frame_latent=24)


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
        self.frames = None
        self.encoder: nn.Module
        self.decoder: nn.Module
        if config.encoder == "notes":
            absolute = 0 if config.frame_latent else config.latent - config.invariant
            self.encoder = NoteEncoder(config.invariant, absolute, config.width)
            if config.frame_latent:
                self.frames = FrameEncoder(config.frame_latent, 2 * config.width)
                self.decoder = FrameDecoder(config.frame_latent, 2 * config.width)
            else:
                self.decoder = StepDecoder(config.latent, config.width)
        else:
            self.encoder = (
                LSTMEncoder(config.latent, config.width)
                if config.encoder == "lstm"
                else ConvEncoder(config.latent, config.convolutions)
            )
            self.decoder = ConvDecoder(config.latent, config.convolutions)

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
            notes = extract_notes(cells)
            return self._latents(self.encoder(notes), notes)
        mean, log_variance = self.encoder(cells)
        return Latents(mean, log_variance.clamp(-_MAX_LOG_VARIANCE, _MAX_LOG_VARIANCE))

    def _latents(self, parts: NoteLatents, notes: RollNotes) -> Latents:
        """Join the parts of the latents of the first windows, those of `notes`."""
        absolute, absolute_log_variance = parts.absolute, parts.absolute_log_variance
        if self.frames is not None:
            absolute, absolute_log_variance = self.frames(notes)
        count = len(absolute)
        mean = torch.cat([parts.invariant[:count], absolute], dim=1)
        log_variance = torch.cat(
            [parts.invariant_log_variance[:count], absolute_log_variance], dim=1
        )
        return Latents(mean, log_variance.clamp(-_MAX_LOG_VARIANCE, _MAX_LOG_VARIANCE))

    def decode(self, z_BD: Tensor) -> Tensor:
        """Return logits, shape (B, 4, 48, 84, 5): of cells, or of onsets with `frame_latent`."""
        if isinstance(self.decoder, FrameDecoder):
            onsets: Tensor = self.decoder(self._decodable(z_BD)).onsets
            return onsets.reshape(-1, *WINDOW_SHAPE)
        logits: Tensor = self.decoder(z_BD)
        return logits

    def decode_notes(self, z_BD: Tensor, thresholds: FloatArray) -> BoolArray:
        """Decode latents to cells with onsets and durations; see `FrameDecoder.decode`."""
        assert isinstance(self.decoder, FrameDecoder)  # noqa: S101
        return self.decoder.decode(self._decodable(z_BD), thresholds)

    def _decodable(self, z_BD: Tensor) -> Tensor:
        return z_BD[:, self.config.invariant :]

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
        Losses
        """
        cells = target.cpu().numpy()
        contrast = target.new_zeros((), dtype=torch.float32)
        if table is None or not isinstance(self.encoder, NoteEncoder):
            latents = self.encode(cells)
        else:
            columns = table.cpu().numpy().T
            notes = RollNotes.from_columns(columns, int(columns[0, -1]) + 1)
            parts: NoteLatents = self.encoder(notes, len(target))
            latents = self._latents(parts, notes.head(len(target)))
            contrast = nt_xent_loss(*parts.invariant.chunk(2))
        kl = kl_divergence(latents)
        if self.frames is not None:  # the invariant part is not decoded
            kl = self._decodable(kl)
        return Losses(self._nll(latents.sample(), target), kl, contrast)

    def _nll(self, z_BD: Tensor, target: Tensor) -> Tensor:
        if isinstance(self.decoder, FrameDecoder):
            notes = extract_notes(target.cpu().numpy())
            return self.decoder.nll(self._decodable(z_BD), notes).mean()
        return reconstruction_loss(self.decoder(z_BD), target).mean()


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
