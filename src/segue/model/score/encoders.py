"""The encoders of the published kind: convolutions over the roll as an image, and an LSTM.

Shape legend: B windows, T steps, P pitches, I instruments, F frames, C channels.
"""

from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from segue.represent.score.piano_roll import INSTRUMENTS, PITCHES
from segue.represent.score.roll_notes import WINDOW_STEPS, BoolArray

#: How each convolution strides along time and pitch, and its channels.
STRIDES: Final = ((2, 2), (2, 2), (2, 3))
CHANNELS: Final = (16, 32, 64)
#: Steps that an LSTM reads at once: a sixteenth.
_FRAME: Final = 3
_CELLS: Final = PITCHES * len(INSTRUMENTS)


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
        self.dense = nn.Linear(int(np.prod(small(convolutions))), 2 * latent)

    def forward(self, cells: BoolArray) -> tuple[Tensor, Tensor]:
        """Encode windows, shape (B, 4, 48, 84, 5), bool, to mean and log-variance."""
        # The instruments come last in memory: as they lie, they are the channels.
        x_BTPI = _floats(cells, self.dense.weight.device)
        h_BCTP = self.convolutions(x_BTPI.permute(0, 3, 1, 2))
        mean, log_variance = self.dense(h_BCTP.flatten(1)).float().chunk(2, dim=1)
        return mean, log_variance


def small(convolutions: int) -> tuple[int, int, int]:
    """Return the shape that so many convolutions make of a window: channels, time, pitch."""
    strides = STRIDES[:convolutions]
    time, pitch = (int(np.prod([stride[axis] for stride in strides])) for axis in (0, 1))
    return CHANNELS[convolutions - 1], WINDOW_STEPS // time, PITCHES // pitch


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
    return x.reshape(len(x), WINDOW_STEPS, PITCHES, len(INSTRUMENTS))
