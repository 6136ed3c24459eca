"""Networks of the piano-roll variational autoencoder: encoders and decoders.

From latents to logits of the cells.

Shape legend: B windows, D latent, C channels, T steps, P pitches, I instruments, F frames.

The encoders of the published kind: convolutions over the roll as an image, and an LSTM.

Shape legend: B windows, T steps, P pitches, I instruments, F frames, C channels.

The encoder of the default: it reads notes, and one part of what it finds knows no key.

A roll is sparse: of 80,640 cells of four bars some hundred begin a note. So the first layers are
convolutions evaluated at the notes alone: each note sees itself (its place in the bar, length,
instrument) and the notes about it by how far they are in time and pitch, which are the weights
of a convolution over time and pitch at those places. No pitch but the drums' is read in that
part, so a transposed window gives the same numbers. The other part reads pitches, for the decoder.

Shape legend: B windows, N notes, K neighbours, F frames of a quarter, C channels, D latent.

Variational autoencoders of four bars of a piano roll (Kingma & Welling 2014).

Shape legend: B windows, D latent.
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
from segue.score.piano_roll import (
    INSTRUMENTS,
    N_PITCHES,
    STEPS_PER_BAR,
    WINDOW_SHAPE,
    WINDOW_STEPS,
    BoolArray,
    RollNotes,
    extract_notes,
)

# --- decoders ---

#: Few cells sound: a decoder that begins by saying so needs not learn it.
_FIRST_LOGIT: Final = -5.0
_QUARTERS: Final = 16
#: With no slope below 0 half of the widest layer fell silent for good in the first minutes.
_LEAK: Final = 0.02


class ConvDecoder(nn.Module):
    """A dense layer and transposed convolutions over time and pitch.

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
            further = (stride[0] - 1, stride[1] - 1)
            layers += [
                nn.ConvTranspose2d(
                    incoming, outgoing, 3, stride=stride, padding=1, output_padding=further
                ),
                nn.ReLU(),
            ]
        self.convolutions = nn.Sequential(*layers[:-1])
        _begin_silent(layers[-2])

    def forward(self, z_BD: Tensor) -> Tensor:
        """Return logits, shape (B, 4, 48, 84, 5)."""
        h_BCTP = self.dense(z_BD).reshape(-1, *self.shape)
        logits = self.convolutions(h_BCTP.contiguous(memory_format=torch.channels_last))
        return torch.as_tensor(logits.permute(0, 2, 3, 1).reshape(-1, *WINDOW_SHAPE))


class StepDecoder(nn.Module):
    """Quarters, then steps by transposed convolutions along time, then the cells of each step.

    Parameters
    ----------
    latent, width : int
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.dense = nn.Sequential(
            nn.Linear(latent, 4 * width),
            nn.LeakyReLU(_LEAK),
            nn.Linear(4 * width, width * _QUARTERS),
            nn.LeakyReLU(_LEAK),
        )
        self.over_time = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1), nn.LeakyReLU(_LEAK),
            nn.ConvTranspose1d(width, width, 3, stride=3), nn.LeakyReLU(_LEAK),
            nn.ConvTranspose1d(width, width, 4, stride=4), nn.LeakyReLU(_LEAK),
        )  # fmt: skip
        self.cells = nn.Linear(width, N_PITCHES * len(INSTRUMENTS))
        _begin_silent(self.cells)

    def forward(self, z_BD: Tensor) -> Tensor:
        """Return logits, shape (B, 4, 48, 84, 5)."""
        h_BCF = self.dense(z_BD).reshape(len(z_BD), self.width, _QUARTERS)
        logits: Tensor = self.cells(self.over_time(h_BCF).transpose(1, 2))
        return logits.reshape(-1, *WINDOW_SHAPE)


def _begin_silent(layer: nn.Module) -> None:
    assert isinstance(layer, nn.Linear | nn.ConvTranspose2d)  # noqa: S101
    assert layer.bias is not None  # noqa: S101
    nn.init.constant_(layer.bias, _FIRST_LOGIT)


# --- encoders ---

#: How each convolution strides along time and pitch, and its channels.
STRIDES: Final = ((2, 2), (2, 2), (2, 3))
CHANNELS: Final = (16, 32, 64)
#: Steps that an LSTM reads at once: a sixteenth.
_FRAME: Final = 3
_CELLS: Final = N_PITCHES * len(INSTRUMENTS)


class ConvEncoder(nn.Module):
    """Strided convolutions over time and pitch, and a dense layer to mean and log-variance.

    Parameters
    ----------
    latent : int
    convolutions : int
        Two, as published, or three.
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
        # The instruments come last in memory: as they lie, they are the channels.
        x_BTPI = _floats(cells, self.dense.weight.device)
        h_BCTP = self.convolutions(x_BTPI.permute(0, 3, 1, 2))
        mean, log_variance = self.dense(h_BCTP.flatten(1)).float().chunk(2, dim=1)
        return mean, log_variance


def bottleneck_shape(convolutions: int) -> tuple[int, int, int]:
    """Return the shape that so many convolutions make of a window: channels, time, pitch."""
    strides = STRIDES[:convolutions]
    time, pitch = (int(np.prod([stride[axis] for stride in strides])) for axis in (0, 1))
    return CHANNELS[convolutions - 1], WINDOW_STEPS // time, N_PITCHES // pitch


class LSTMEncoder(nn.Module):
    """An LSTM in both directions over sixteenths, and a dense layer to mean and log-variance.

    Parameters
    ----------
    latent, width : int
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(_FRAME * _CELLS, width), nn.ReLU())
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(4 * width, 2 * latent)

    def forward(self, cells: BoolArray) -> tuple[Tensor, Tensor]:
        """Encode windows, shape (B, 4, 48, 84, 5), bool, to mean and log-variance."""
        x_BTPI = _floats(cells, self.dense.weight.device)
        x_BFC = x_BTPI.reshape(len(x_BTPI), WINDOW_STEPS // _FRAME, _FRAME * _CELLS)
        h_BFC, (last, _) = self.lstm(self.each(x_BFC))
        both = torch.cat([last[0], last[1], h_BFC.mean(dim=1)], dim=1)
        mean, log_variance = self.dense(both).float().chunk(2, dim=1)
        return mean, log_variance


def _floats(cells: BoolArray, device: torch.device) -> Tensor:
    x = torch.from_numpy(np.ascontiguousarray(cells)).to(device)
    if torch.is_autocast_enabled(device.type):
        x = x.to(torch.get_autocast_dtype(device.type))
    else:
        x = x.float()
    return x.reshape(len(x), WINDOW_STEPS, N_PITCHES, len(INSTRUMENTS))


# --- note encoder ---

IntArray = NDArray[np.int64]

#: Neighbours of a note, before and after it: of its own instrument, and of all that are pitched.
N_SAME_INSTRUMENT: Final = 8
N_PITCHED: Final = 6
STEPS_PER_FRAME: Final = 12  # steps: a quarter
N_FRAMES: Final = WINDOW_STEPS // STEPS_PER_FRAME
_PER_BAR: Final = STEPS_PER_BAR // STEPS_PER_FRAME
#: Widest interval that is told from its octave's.
_WIDEST: Final = 24
_INTERVALS: Final = 2 * _WIDEST + 1
_OCTAVE: Final = 12
#: How far apart in steps: each one up to two quarters, then by quarters of a quarter.
_NEAR: Final = 24
_FAR: Final = 48
_LAGS: Final = _NEAR + (_FAR - _NEAR) // 3
_LENGTHS: Final = np.array([1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 36, 48, 72, 96])
_SIXTEENTHS: Final = STEPS_PER_BAR // 3
#: How much the histogram of motions weighs at first.
_COUNTED: Final = 10.0
#: Latents begin with little noise: a decoder that hears nothing in them learns to do without.
_FIRST_LOG_VARIANCE: Final = -4.0
_DRUMS: Final = 0
_KINDS: Final = len(INSTRUMENTS)  # of one's own instrument, or of another pitched one


class NoteLatents(NamedTuple):
    """Mean and log-variance of both parts of latents, float32.

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
    """From windows of a roll to the two parts of the latents' mean and log-variance.

    Parameters
    ----------
    invariant, absolute : int
        Numbers of the part that knows no key, and of the other.
    width : int
        Channels of a note.
    """

    def __init__(self, invariant: int, absolute: int, width: int) -> None:
        super().__init__()
        #: The invariant part is learned no further.
        self.settled = False
        self.pairs = nn.EmbeddingBag(
            2 * _KINDS * _LAGS * _INTERVALS + 1, width, mode="sum", padding_idx=0
        )
        self.motions = nn.Embedding(_SIXTEENTHS * _INTERVALS + 1, width, padding_idx=0)
        self.places = nn.Embedding(len(INSTRUMENTS) * STEPS_PER_BAR, width)
        self.lengths = nn.Embedding(len(INSTRUMENTS) * (len(_LENGTHS) + 1), width)
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
            nn.init.constant_(layer.bias[layer.out_features // 2 :], _FIRST_LOG_VARIANCE)

    def forward(self, notes: RollNotes, count: int | None = None) -> NoteLatents:
        """Encode windows.

        Parameters
        ----------
        notes : RollNotes
            Of B windows of four bars; ordered.
        count : int, optional
            Encode the first windows alone to the absolute part; 0 for none.

        Returns
        -------
        Parts
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.settled):
            self.over_time.train(self.training and not self.settled)
            about_NC = self._about(notes)
            around_NC, first = self._invariant(notes, about_NC)
        some = notes if count is None else notes.first(count)
        near_NC = (about_NC + around_NC)[: len(some.window)]
        second = self._absolute(some, near_NC) if some.windows else first[:0]
        return NoteLatents(*first.float().chunk(2, 1), *second.float().chunk(2, 1))

    def _about(self, notes: RollNotes) -> Tensor:
        """Describe each note by itself: place in the bar, length, instrument, drum."""
        length = np.searchsorted(_LENGTHS, notes.length, side="right")
        is_drum = notes.instrument == _DRUMS
        h_NC: Tensor = self.places(
            self._index(notes.instrument * STEPS_PER_BAR + notes.step % STEPS_PER_BAR)
        )
        h_NC = h_NC + self.lengths(self._index(notes.instrument * (len(_LENGTHS) + 1) + length))
        drum_NC = self.drums(self._index(notes.pitch)) * self._index(is_drum)[:, None]
        return torch.add(h_NC, drum_NC)

    def _invariant(self, notes: RollNotes, about_NC: Tensor) -> tuple[Tensor, Tensor]:
        moved_NC = self.motions(self._index(melodic_motions(notes)))
        around_NC = self.pairs(self._index(note_relations(notes))) + moved_NC
        h_BCF = self.relative(about_NC + around_NC, self._frame(notes), notes.windows)
        h_BCS = self.over_time(h_BCF)
        # Beside what is learned of them, how often each motion comes: a histogram tells songs
        # apart before anything is learned.
        counted_BC = moved_NC.new_zeros(notes.windows, moved_NC.shape[1])
        counted_BC = counted_BC.index_add(0, self._index(notes.window), moved_NC)
        counted_BC = F.normalize(counted_BC, dim=1)
        joined = torch.cat([h_BCS.mean(2), h_BCS.amax(2), counted_BC * _COUNTED], dim=1)
        return around_NC, self.to_invariant(joined)

    def _absolute(self, notes: RollNotes, about_NC: Tensor) -> Tensor:
        pitch_NC = self.pitches(self._index(notes.instrument * N_PITCHES + notes.pitch))
        h_BCF = self.pitched(about_NC + pitch_NC, self._frame(notes), notes.windows)
        found: Tensor = self.to_absolute(self.dense(h_BCF.flatten(1)))
        return found

    def _frame(self, notes: RollNotes) -> Tensor:
        return self._index(notes.window * N_FRAMES + notes.step // STEPS_PER_FRAME)

    def _index(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.places.weight.device)


class _Frames(nn.Module):
    """Notes, each by itself, then together in their frames: their sum and their greatest."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.each = nn.Sequential(
            nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 2 * width),
        )  # fmt: skip

    def forward(self, h_NC: Tensor, frame_N: Tensor, windows: int) -> Tensor:
        h_NC = self.each(h_NC).float()
        added, highest = h_NC.relu().chunk(2, dim=1)
        empty = h_NC.new_zeros(windows * N_FRAMES, self.width)
        index = frame_N[:, None].expand(-1, self.width)
        together = torch.cat(
            [
                empty.scatter_add(0, index, added).add(1).log(),
                empty.scatter_reduce(0, index, highest, "amax"),
            ],
            dim=1,
        )
        return together.reshape(windows, N_FRAMES, 2 * self.width).transpose(1, 2)


def note_relations(notes: RollNotes) -> IntArray:
    """Give numbers to the relations of each note to the notes about it.

    Parameters
    ----------
    notes : RollNotes

    Returns
    -------
    ndarray, shape (N, 2 * (OWN + ANY)), int64
        By whether the other is of the same instrument, else by its instrument; by their distance
        in steps, and in semitones; 0 for none. No two relations are told apart that differ in
        more than an octave beyond two.
    """
    found = np.zeros((len(notes.window), 2 * (N_SAME_INSTRUMENT + N_PITCHED)), np.int64)
    _relate(
        notes,
        np.arange(len(notes.window)),
        N_SAME_INSTRUMENT,
        found[:, : 2 * N_SAME_INSTRUMENT],
        same=True,
    )
    order = np.lexsort((notes.pitch, notes.instrument, notes.step, notes.window))
    _relate(notes, order, N_PITCHED, found[:, 2 * N_SAME_INSTRUMENT :], same=False)
    return found


def _relate(notes: RollNotes, order: IntArray, count: int, found: IntArray, *, same: bool) -> None:
    """Fill in the relations to the next `count` notes in an order, and back from them."""
    window, instrument, step, pitch = (
        column[order] for column in (notes.window, notes.instrument, notes.step, notes.pitch)
    )
    for ahead in range(1, min(count, len(order) - 1) + 1):
        lag = step[ahead:] - step[:-ahead]
        there = (window[ahead:] == window[:-ahead]) & (lag < _FAR)
        there &= (instrument[ahead:] != _DRUMS) & (instrument[:-ahead] != _DRUMS)
        if same:
            there &= instrument[ahead:] == instrument[:-ahead]
        one = np.flatnonzero(there)
        lag, two = lag[one], one + ahead
        lag = np.where(lag < _NEAR, lag, _NEAR + (lag - _NEAR) // 3)
        interval = _interval(pitch[two] - pitch[one])
        relation = lag * _INTERVALS + interval
        size = _LAGS * _INTERVALS
        kinds = [0 if same else instrument[other] for other in (two, one)]
        found[order[one], 2 * (ahead - 1)] = 1 + kinds[0] * size + relation
        back = (_KINDS + kinds[1]) * size
        found[order[two], 2 * (ahead - 1) + 1] = 1 + back + relation


def melodic_motions(notes: RollNotes) -> IntArray:
    """Give a number to each place in the bar with the interval from the note before in its part.

    Returns
    -------
    ndarray, shape (N,), int64
        0 for none.
    """
    found = np.zeros(len(notes.window), np.int64)
    if not len(found):
        return found
    same = (notes.window[1:] == notes.window[:-1]) & (notes.instrument[1:] == notes.instrument[:-1])
    interval = _interval(np.diff(notes.pitch))
    place = notes.step[1:] % STEPS_PER_BAR // (STEPS_PER_BAR // _SIXTEENTHS)
    found[1:] = np.where(
        same & (notes.instrument[1:] != _DRUMS), 1 + place * _INTERVALS + interval, 0
    )
    return found


def _interval(semitones: IntArray) -> IntArray:
    """Count intervals from 0 up; those beyond two octaves are as in the second."""
    octave = np.sign(semitones) * (_OCTAVE + np.abs(semitones) % _OCTAVE)
    return np.asarray(np.where(np.abs(semitones) > _WIDEST, octave, semitones) + _WIDEST)


# --- roll vae ---

Encoder = Literal["notes", "conv", "lstm"]

#: Variances are kept within e to the power of ± this, so that none overflows.
_LARGEST_LOG_VARIANCE: Final = 10.0
TEMPERATURE: Final = 0.1


@dataclass(frozen=True, slots=True)
class RollVAEConfig:
    """Which network.

    Attributes
    ----------
    encoder : {"notes", "conv", "lstm"}
        "notes" is the default's; "conv" is the published one.
    latent : int
        Numbers of a latent.
    invariant : int
        How many of them, the first, are the same for a transposed window; 0 where the encoder
        knows no such thing. They are compared for likeness, else all.
    convolutions : int
        Of the encoder and decoder "conv"; 2 or 3.
    width : int
        Channels of the others.
    counted : int
        Numbers that stand beside those for likeness, made of counted figures
        (`segue.score.vae.model`); 0 for none. They are no part of a latent.
    """

    encoder: Encoder = "notes"
    latent: int = 256
    invariant: int = 96
    convolutions: int = 2
    width: int = 96
    counted: int = 0

    def __post_init__(self) -> None:
        """Refuse what does not go together.

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
        """Numbers that are compared for likeness."""
        return (self.invariant or self.latent) + self.counted


def conv_config(convolutions: int = 2) -> RollVAEConfig:
    """Return the published network: so many convolutions and a dense layer, and back."""
    return RollVAEConfig("conv", latent=128, invariant=0, convolutions=convolutions)


def lstm_config() -> RollVAEConfig:
    """Return the published network with an LSTM for its encoder."""
    return RollVAEConfig("lstm", latent=128, invariant=0)


def default_config() -> RollVAEConfig:
    """Return the network that is shipped."""
    return RollVAEConfig(counted=128)


class Latents(NamedTuple):
    """Mean and log-variance, each of shape (B, D), float32."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """Draw with torch's generator."""
        return self.mean + torch.randn_like(self.mean) * (self.log_variance / 2).exp()


class Losses(NamedTuple):
    """What a batch costs.

    Attributes
    ----------
    reconstruction : Tensor, scalar
        Nats for a window, over all its cells.
    kl : Tensor, shape (B, D)
        Nats for each number of each latent.
    contrast : Tensor, scalar
        Nats to tell which window is of the same song; 0 where there is no invariant part.
    """

    reconstruction: Tensor
    kl: Tensor
    contrast: Tensor


class RollVAE(nn.Module):
    """Encoder and decoder.

    Parameters
    ----------
    config : RollVAEConfig
    """

    seen: Tensor

    def __init__(self, config: RollVAEConfig) -> None:
        super().__init__()
        self.config = config
        #: Steps of training, which the weights of the loss go by.
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
            return _joined(self.encoder(extract_notes(cells)))
        mean, log_variance = self.encoder(cells)
        return Latents(mean, log_variance.clamp(-_LARGEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE))

    def decode(self, z_BD: Tensor) -> Tensor:
        """Return logits of the cells, shape (B, 4, 48, 84, 5)."""
        logits: Tensor = self.decoder(z_BD)
        return logits

    def likeness(self, cells: BoolArray, notes: RollNotes) -> Tensor:
        """Return the means of the latents' part for likeness: the invariant one, else all.

        Parameters
        ----------
        cells : ndarray, shape (B, 4, 48, 84, 5), bool
        notes : RollNotes
            Theirs.

        Returns
        -------
        Tensor, shape (B, invariant or latent)
        """
        if isinstance(self.encoder, NoteEncoder):
            return torch.as_tensor(self.encoder(notes, 0).invariant)
        return self.encode(cells).mean

    def loss(self, wanted: Tensor, table: Tensor | None = None) -> "Losses":
        """Tell what a batch costs.

        Parameters
        ----------
        wanted : Tensor, shape (b, 4, 48, 84, 5), bool
            Windows to decode.
        table : Tensor, shape (N, 5), int64, optional
            Where the encoder reads notes: those of an even number of windows, of which the
            first b are those to decode, and each in the second half is of the same song as the
            one in its place in the first. Columns as the arrays of `RollNotes`, ordered; every
            window has a note.

        Returns
        -------
        LossParts
        """
        if table is None or not isinstance(self.encoder, NoteEncoder):
            latents = self.encode(wanted.cpu().numpy())
            contrast = wanted.new_zeros((), dtype=torch.float32)
        else:
            columns = table.cpu().numpy().T
            notes = RollNotes.of(columns, int(columns[0, -1]) + 1)
            parts: NoteLatents = self.encoder(notes, len(wanted))
            latents = _joined(parts)
            contrast = nt_xent_loss(*parts.invariant.chunk(2))
        reconstruction = reconstruction_loss(self.decode(latents.sample()), wanted)
        return Losses(reconstruction.mean(), kl_divergence(latents), contrast)


def _joined(parts: NoteLatents) -> Latents:
    count = len(parts.absolute)
    mean = torch.cat([parts.invariant[:count], parts.absolute], dim=1)
    both = (parts.invariant_log_variance[:count], parts.absolute_log_variance)
    return Latents(
        mean, torch.cat(both, dim=1).clamp(-_LARGEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE)
    )


def reconstruction_loss(logits: Tensor, cells: Tensor) -> Tensor:
    """Binary cross-entropy, summed over the cells of each window, shape (B,).

    Parameters
    ----------
    logits : Tensor, shape (B, 4, 48, 84, 5)
    cells : Tensor, shape (B, 4, 48, 84, 5), bool or uint8
    """
    # Most cells are silent: what they cost is one sum, and few are subtracted.
    silent = F.softplus(logits).flatten(1).sum(dim=1, dtype=torch.float32)
    sounding = torch.nonzero(cells.flatten())[:, 0]
    window = torch.div(sounding, logits[0].numel(), rounding_mode="floor")
    heard = logits.flatten()[sounding].float()
    return silent.index_add(0, window, heard, alpha=-1)


def kl_divergence(latents: Latents) -> Tensor:
    """Kullback-Leibler divergence from the prior for each number, shape (B, D), in nats."""
    mean, log_variance = latents
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)


def nt_xent_loss(first_BD: Tensor, second_BD: Tensor) -> Tensor:
    """Two windows of a song should be nearest of all (NT-Xent; see train/contrastive.py)."""
    z = F.normalize(torch.cat([first_BD, second_BD]).float(), dim=1)
    scores = z @ z.T / TEMPERATURE
    scores = scores.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -np.inf)
    count = len(first_BD)
    partner = torch.arange(2 * count, device=z.device).roll(count)
    return F.cross_entropy(scores, partner)
