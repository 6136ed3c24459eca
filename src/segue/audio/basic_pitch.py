"""Basic Pitch in PyTorch, for inference: a network from audio to pitch, note and onset activations.

Architecture and weights: Bittner, Bosch, Rubinstein, Meseguer-Brocal & Ewert, "A lightweight
instrument-agnostic model for polyphonic note transcription and multipitch estimation", ICASSP 2022
(weights Apache-2.0, see ``segue/weights/basic-pitch.md``).

The input representation is a constant-Q transform computed octave by octave: the highest octave
from the audio, each lower one with the same kernels from audio of half the sample rate. The bins of
eight harmonics are stacked as channels, so that small convolutions see the harmonics of a pitch.

Shape legend: B batch, C channels, T time frames, M bins, S samples.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument

WINDOW_SAMPLES: Final = 43_844
WINDOW_FRAMES: Final = 172
HOP_LENGTH: Final = 256
PITCHES: Final = 88
BINS_PER_SEMITONE: Final = 3
#: Bins of the constant-Q transform, 103 semitones from A0, and of the output, 88 semitones.
CQT_BINS: Final = 309
CONTOUR_BINS: Final = PITCHES * BINS_PER_SEMITONE
OCTAVES: Final = 9
KERNEL_SAMPLES: Final = 256
BINS_PER_OCTAVE: Final = 12 * BINS_PER_SEMITONE
#: Distances of the harmonics 1/2 and 1 to 7 from the fundamental, in bins.
HARMONIC_SHIFTS: Final = (-36, 0, 36, 57, 72, 84, 93, 101)
_MIN_POWER: Final = 1e-10


@dataclass(frozen=True, slots=True)
class PitchActivations:
    """Output of Basic Pitch for a batch of windows of 2 s.

    Attributes
    ----------
    contour : Tensor, shape (B, 172, 264), float32
        Probability of each third of a semitone from A0.
    note : Tensor, shape (B, 172, 88), float32
        Probability that a note of each pitch from A0 sounds.
    onset : Tensor, shape (B, 172, 88), float32
        Probability that a note of each pitch begins.
    """

    contour: Tensor
    note: Tensor
    onset: Tensor


class BasicPitch(nn.Module):
    """The published network with its batch norms folded into the convolutions."""

    cqt_kernels: Tensor
    cqt_scale: Tensor
    low_pass: Tensor
    norm: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Real parts of the kernels of an octave, from the lowest bin up, then imaginary parts.
        self.register_buffer("cqt_kernels", torch.zeros(2 * BINS_PER_OCTAVE, 1, KERNEL_SAMPLES))
        self.register_buffer("cqt_scale", torch.ones(CQT_BINS))
        self.register_buffer("low_pass", torch.zeros(1, 1, KERNEL_SAMPLES))
        self.register_buffer("norm", torch.tensor([1.0, 0.0]))  # scale and shift
        harmonics = len(HARMONIC_SHIFTS)
        self.contour_conv = nn.Conv2d(harmonics, 8, (3, 39), padding=(1, 19))
        self.contour_output = nn.Conv2d(8, 1, 5, padding=2)
        self.note_conv = nn.Conv2d(1, 32, 7, stride=(1, BINS_PER_SEMITONE), padding=(3, 2))
        self.note_output = nn.Conv2d(32, 1, (7, 3), padding=(3, 1))
        self.onset_conv = nn.Conv2d(harmonics, 32, 5, stride=(1, BINS_PER_SEMITONE), padding=(2, 1))
        self.onset_output = nn.Conv2d(33, 1, 3, padding=1)

    @torch.inference_mode()
    def forward(self, audio_BS: Tensor) -> PitchActivations:
        """Run the network.

        Parameters
        ----------
        audio_BS : Tensor, shape (B, 43844), float32
            Mono windows at 22,050 Hz.
        """
        if audio_BS.ndim != 2 or audio_BS.shape[1] != WINDOW_SAMPLES:
            raise BadArgument(
                f"Basic Pitch takes windows of shape (B, {WINDOW_SAMPLES}), "
                f"not {tuple(audio_BS.shape)}"
            )
        stacked_BCTM = _stack_harmonics(self._log_cqt(audio_BS))
        contour = torch.sigmoid(self.contour_output(self.contour_conv(stacked_BCTM).relu()))
        note = torch.sigmoid(self.note_output(self.note_conv(contour).relu()))
        onset_features = torch.cat([note, self.onset_conv(stacked_BCTM).relu()], dim=1)
        onset = torch.sigmoid(self.onset_output(onset_features))
        return PitchActivations(contour[:, 0], note[:, 0], onset[:, 0])

    def _log_cqt(self, audio_BS: Tensor) -> Tensor:
        """Compute the constant-Q transform in decibels, scaled to 0 to 1 in each window, (B, T, M).

        As in nnAudio (Cheuk, Anderson, Agres & Herremans, IEEE Access 2020).
        """
        audio_B1S = audio_BS[:, None]
        half = KERNEL_SAMPLES // 2
        octaves = []
        for octave in range(OCTAVES):
            padded = F.pad(audio_B1S, (half, half), mode="reflect")
            parts = F.conv1d(padded, self.cqt_kernels, stride=HOP_LENGTH >> octave)
            real, imaginary = parts.chunk(2, dim=1)
            octaves.append(real**2 + imaginary**2)
            audio_B1S = F.conv1d(
                audio_B1S, self.low_pass, stride=2, padding=KERNEL_SAMPLES // 2 - 1
            )
        power_BMT = torch.cat(octaves[::-1], dim=1)[:, -CQT_BINS:] * self.cqt_scale[:, None] ** 2
        decibels = 10 * torch.log10(power_BMT + _MIN_POWER).transpose(1, 2)
        decibels = decibels - decibels.amin(dim=(1, 2), keepdim=True)
        loudest = decibels.amax(dim=(1, 2), keepdim=True)
        scaled = torch.where(loudest > 0, decibels / loudest, 0.0)
        return scaled * self.norm[0] + self.norm[1]


def load_basic_pitch(path: Path) -> BasicPitch:
    """Load the network from a safetensors file."""
    network = BasicPitch()
    network.load_state_dict(load_file(path))
    return network.eval()


def _stack_harmonics(cqt_BTM: Tensor) -> Tensor:
    """Return the bins of each harmonic of 264 fundamentals, shape (B, 8, T, 264)."""
    padded = F.pad(cqt_BTM, (-HARMONIC_SHIFTS[0], HARMONIC_SHIFTS[-1]))
    starts = [shift - HARMONIC_SHIFTS[0] for shift in HARMONIC_SHIFTS]
    return torch.stack([padded[:, :, start : start + CONTOUR_BINS] for start in starts], dim=1)
