"""From latents to logits of the cells.

Shape legend: B windows, D latent, C channels, T steps, P pitches, I instruments, F frames.
"""

from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from segue.model.score.encoders import CHANNELS, STRIDES, small
from segue.represent.score.piano_roll import INSTRUMENTS, PITCHES
from segue.represent.score.roll_notes import WINDOW_SHAPE

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
        self.shape = small(convolutions)
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
        self.cells = nn.Linear(width, PITCHES * len(INSTRUMENTS))
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
