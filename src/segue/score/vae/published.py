"""Published and earlier networks of the piano-roll VAE.

For comparison, convolutions over the roll as an image, and an LSTM over time; and the decoder of
version 0.1, whose models can still be loaded.

Shape legend: B windows, D latent, C channels, T steps, P pitches, I instruments, F sixteenths.
"""

from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from segue.records import BoolArray
from segue.score.piano_roll import INSTRUMENTS, N_PITCHES, WINDOW_SHAPE, WINDOW_STEPS

#: Initial bias of the logits: few cells sound.
_INITIAL_LOGIT: Final = -5.0
_QUARTERS: Final = 16
#: With plain ReLU half of the widest layer died within minutes.
_NEGATIVE_SLOPE: Final = 0.02
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
