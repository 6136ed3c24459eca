"""Variational autoencoders of four bars of a piano roll (Kingma & Welling 2014).

Shape legend: B windows, D latent.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.model.score.decoders import ConvDecoder, StepDecoder
from segue.model.score.encoders import STRIDES, ConvEncoder, LSTMEncoder
from segue.model.score.note_encoder import NoteEncoder, Parts
from segue.represent.score.roll_notes import BoolArray, RollNotes, notes_of

Encoder = Literal["notes", "conv", "lstm"]

#: Variances are kept within e to the power of ± this, so that none overflows.
_WIDEST: Final = 10.0
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
        (`segue.represent.score.roll_figures`); 0 for none. They are no part of a latent.
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


def classic(convolutions: int = 2) -> RollVAEConfig:
    """Return the published network: so many convolutions and a dense layer, and back."""
    return RollVAEConfig("conv", latent=128, invariant=0, convolutions=convolutions)


def lstm() -> RollVAEConfig:
    """Return the published network with an LSTM for its encoder."""
    return RollVAEConfig("lstm", latent=128, invariant=0)


def default() -> RollVAEConfig:
    """Return the network that is shipped."""
    return RollVAEConfig(counted=128)


class Latents(NamedTuple):
    """Mean and log-variance, each of shape (B, D), float32."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """Draw with torch's generator."""
        return self.mean + torch.randn_like(self.mean) * (self.log_variance / 2).exp()


class LossParts(NamedTuple):
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
            return _joined(self.encoder(notes_of(cells)))
        mean, log_variance = self.encoder(cells)
        return Latents(mean, log_variance.clamp(-_WIDEST, _WIDEST))

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

    def loss(self, wanted: Tensor, table: Tensor | None = None) -> "LossParts":
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
            parts: Parts = self.encoder(notes, len(wanted))
            latents = _joined(parts)
            contrast = likeness_loss(*parts.invariant.chunk(2))
        reconstruction = reconstruction_loss(self.decode(latents.sample()), wanted)
        return LossParts(reconstruction.mean(), kl_divergence(latents), contrast)


def _joined(parts: Parts) -> Latents:
    count = len(parts.absolute)
    mean = torch.cat([parts.invariant[:count], parts.absolute], dim=1)
    both = (parts.invariant_log_variance[:count], parts.absolute_log_variance)
    return Latents(mean, torch.cat(both, dim=1).clamp(-_WIDEST, _WIDEST))


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


def likeness_loss(first_BD: Tensor, second_BD: Tensor) -> Tensor:
    """Two windows of a song should be nearest of all (NT-Xent; see train/contrastive.py)."""
    z = F.normalize(torch.cat([first_BD, second_BD]).float(), dim=1)
    scores = z @ z.T / TEMPERATURE
    scores = scores.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -np.inf)
    count = len(first_BD)
    partner = torch.arange(2 * count, device=z.device).roll(count)
    return F.cross_entropy(scores, partner)
