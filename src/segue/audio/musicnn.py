"""MusiCNN in PyTorch.

Architecture and weights: Pons & Serra, "musicnn: pre-trained convolutional neural networks
for music audio tagging", ISMIR 2019 late-breaking (weights ISC licence, see
``segue/weights/musicnn.md``).

Shape legend: B batch, T time frames, M mel bands, C channels, R = B * T rows,
W = M * 7 columns, P positions.

Of the front end's 561 filters training left 64 alive: the kernels of all others are zero to
within 3e-7, and what they give is the same number in every frame of any sound. Only the
living ones are computed; the others' share of what follows is worked out once.

Convolutions with a single input channel run far below what a CPU can do. Here they are
matrix products with little or no unfolded copy of the input:

- Timbre: every frame's row holds, band after band, the 7 frames around it. A kernel's window
  at any frequency is then a contiguous stretch of the row, so that a product takes a strided
  view as it lies.
- Rhythm: stretches of each band just wide enough for some positions.

Either is multiplied with a matrix that holds the kernels once per position, shifted (a
Toeplitz matrix). `bench/musicnn_variants.py` compares this form with the alternatives.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument

PATCH_FRAMES = 187
MEL_BANDS = 96
BATCH_NORM_EPSILON = 1e-3
TIMBRE_FRAMES = 7
TIMBRE_BLOCK = 4  # frequency positions per product; chosen in bench/musicnn_variants.py
RHYTHM_BLOCK = 16  # time positions per product
#: A kernel whose greatest weight is below this is dead: the living have 9e-4 and more, the
#: dead at most 2.2e-7.
DEAD = 1e-6


@dataclass(frozen=True, slots=True)
class Activations:
    """What MusiCNN computes for a batch of 3-s patches.

    Attributes
    ----------
    pooled : Tensor, shape (B, 1506), float32
        Maximum and mean over time of the 753 features of a frame, interleaved.
    logits : Tensor, shape (B, 50), float32
        One per tag of `segue.audio.spectrogram.TAGS`, before the sigmoid.
    """

    pooled: Tensor
    logits: Tensor


@dataclass(frozen=True, slots=True)
class Affine:
    """A batch norm at inference: ``x * scale + shift``."""

    scale: Tensor
    shift: Tensor


class Musicnn(nn.Module):
    """The trained network, for inference, in float32.

    Parameters
    ----------
    weights : dict of str to Tensor
        The published checkpoint's tensors under their own names.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self._input_norm = _affine(weights, "batch_normalization")
        filters = [
            _Filters(weights, f"conv2d_{i}" if i else "conv2d", f"batch_normalization_{i + 1}")
            for i in range(5)
        ]
        self._timbre = [_TimbreFilters(one) for one in filters[:2]]
        self._rhythm = [_RhythmFilters(one) for one in filters[2:]]
        self._living = torch.cat([one.living for one in filters]).nonzero()[:, 0]
        self._constant = torch.cat([one.constant for one in filters])
        self._middle = [
            _FrameLayer(weights, f"conv2d_{i}", f"batch_normalization_{i + 1}") for i in (5, 6, 7)
        ]
        self._middle[0].fix(self._constant, self._living)
        self._pooled_norm = _affine(weights, "batch_normalization_9")
        self._dense = (weights["dense.kernel"], weights["dense.bias"])
        self._dense_norm = _affine(weights, "batch_normalization_10")
        self._output = (weights["dense_1.kernel"], weights["dense_1.bias"])

    @torch.inference_mode()
    def forward(self, log_mel: Tensor) -> Activations:
        """Run the network.

        Parameters
        ----------
        log_mel : Tensor, shape (B, 187, 96), float32
            ``log10(10000 * power + 1)``, see `segue.audio.spectrogram.musicnn_log_mel`.

        Returns
        -------
        Activations
        """
        if log_mel.ndim != 3 or log_mel.shape[1:] != (PATCH_FRAMES, MEL_BANDS):
            raise BadArgument(
                f"MusiCNN takes patches of shape (B, {PATCH_FRAMES}, {MEL_BANDS}), "
                f"not {tuple(log_mel.shape)}"
            )
        x_BTM = log_mel * self._input_norm.scale + self._input_norm.shift
        around_RW = _frames_around(x_BTM)
        timbre = [filters(around_RW).view(*x_BTM.shape[:2], -1) for filters in self._timbre]
        front_BTC = torch.cat([*timbre, *(filters(x_BTM) for filters in self._rhythm)], dim=2)
        first_BTC = self._middle[0](front_BTC)
        second_BTC = self._middle[1](first_BTC) + first_BTC
        third_BTC = self._middle[2](second_BTC) + second_BTC
        middle_BTC = torch.cat([first_BTC, second_BTC, third_BTC], dim=2)
        pooled = torch.stack(
            [
                torch.cat([self._with_constant(front), middle], dim=1)
                for front, middle in (
                    (front_BTC.amax(1), middle_BTC.amax(1)),
                    (front_BTC.mean(1), middle_BTC.mean(1)),
                )
            ],
            dim=2,
        ).flatten(1)
        return Activations(pooled, self.tag_logits(pooled))

    def _with_constant(self, living_BC: Tensor) -> Tensor:
        full_BC = self._constant.repeat(len(living_BC), 1)
        full_BC[:, self._living] = living_BC
        return full_BC

    def tag_logits(self, pooled: Tensor) -> Tensor:
        """Map pooled activations (B, 1506) to the 50 tags' logits (B, 50)."""
        return self.penultimate(pooled) @ self._output[0] + self._output[1]

    def penultimate(self, pooled: Tensor) -> Tensor:
        """Map pooled activations (B, 1506) to the last layer but one, shape (B, 200)."""
        hidden = _apply(self._pooled_norm, pooled) @ self._dense[0] + self._dense[1]
        return _apply(self._dense_norm, hidden.relu())


def load_musicnn(path: Path) -> Musicnn:
    """Load MusiCNN from a safetensors file."""
    return Musicnn(load_file(path))


class _Filters:
    """The living filters of a layer of the front end.

    The maximum over frequency is taken of the bare products: bias, ReLU and batch norm are
    monotone in each channel. Where the norm's scale is negative the kernel's sign is turned
    round, so that one maximum serves both directions.
    """

    def __init__(self, weights: dict[str, Tensor], kernel: str, norm: str) -> None:
        kernel_TMC = weights[f"{kernel}.kernel"][:, :, 0, :]
        bias, affine = weights[f"{kernel}.bias"], _affine(weights, norm)
        self.living = kernel_TMC.abs().amax((0, 1)) >= DEAD
        self.constant = _apply(affine, bias.relu())  # right for the dead alone
        self._affine = Affine(affine.scale[self.living], affine.shift[self.living])
        self._sign = torch.where(self._affine.scale < 0, -1.0, 1.0)
        self._bias = bias[self.living]
        self.kernel_TMC = kernel_TMC[..., self.living] * self._sign

    def finish(self, best: Tensor) -> Tensor:
        """Map the greatest products, shape (..., living channels), to features."""
        return _apply(self._affine, (best * self._sign + self._bias).relu())


class _TimbreFilters:
    """Kernels tall in frequency: convolution, ReLU, batch norm, maximum over frequency."""

    def __init__(self, filters: _Filters) -> None:
        self._filters = filters
        _, height, self._channels = filters.kernel_TMC.shape
        self._matrix = _shifted(filters.kernel_TMC.transpose(0, 1), TIMBRE_BLOCK)
        last = MEL_BANDS - height + 1 - TIMBRE_BLOCK
        # The last block may overlap the one before: a maximum does not mind.
        self._starts = [*range(0, last, TIMBRE_BLOCK), last]

    def __call__(self, around_RW: Tensor) -> Tensor:
        """Map `_frames_around` to features, shape (R, C)."""
        width = len(self._matrix)
        best = around_RW[:, :width] @ self._matrix
        product = torch.empty_like(best)
        for position in self._starts[1:]:
            start = position * TIMBRE_FRAMES
            torch.mm(around_RW[:, start : start + width], self._matrix, out=product)
            torch.maximum(best, product, out=best)
        return self._filters.finish(best.view(len(best), TIMBRE_BLOCK, self._channels).amax(1))


class _RhythmFilters:
    """Kernels long in time: convolution, ReLU, batch norm, maximum over the bands."""

    def __init__(self, filters: _Filters) -> None:
        self._filters = filters
        length, _, self._channels = filters.kernel_TMC.shape
        self._matrix = _shifted(filters.kernel_TMC, RHYTHM_BLOCK)
        self._blocks = -(-PATCH_FRAMES // RHYTHM_BLOCK)
        # TensorFlow's odd pad is at the end.
        self._before = (length - 1) // 2
        self._after = length - 1 - self._before + self._blocks * RHYTHM_BLOCK - PATCH_FRAMES

    def __call__(self, x_BTM: Tensor) -> Tensor:
        """Return features of shape (B, T, C)."""
        width = len(self._matrix)
        padded_MBT = F.pad(x_BTM.permute(2, 0, 1), (self._before, self._after)).contiguous()
        windows = padded_MBT.unfold(2, width, RHYTHM_BLOCK)  # M, B, blocks, width
        product = windows.reshape(-1, width) @ self._matrix
        best = product.view(MEL_BANDS, len(x_BTM) * self._blocks, -1).amax(0)
        frames = best.view(len(x_BTM), self._blocks * RHYTHM_BLOCK, self._channels)
        return self._filters.finish(frames[:, :PATCH_FRAMES])


class _FrameLayer:
    """A convolution over 7 frames and all features of each, ReLU, batch norm.

    One product for all 7 places of the kernel, whose parts are then shifted and added.
    """

    def __init__(self, weights: dict[str, Tensor], kernel: str, norm: str) -> None:
        self._kernel_TCK = weights[f"{kernel}.kernel"][:, :, 0, :]
        self._start_TK = weights[f"{kernel}.bias"].repeat(PATCH_FRAMES, 1)
        self._affine = _affine(weights, norm)

    def fix(self, constant: Tensor, free: Tensor) -> None:
        """Take all input features but `free` (their numbers) for constant."""
        fixed = constant.clone()
        fixed[free] = 0
        self._start_TK = self._sum(fixed.repeat(1, PATCH_FRAMES, 1))[0]
        self._kernel_TCK = self._kernel_TCK[:, free]

    def __call__(self, x_BTC: Tensor) -> Tensor:
        return _apply(self._affine, self._sum(x_BTC).relu())

    def _sum(self, x_BTC: Tensor) -> Tensor:
        duration, features, channels = self._kernel_TCK.shape
        matrix = self._kernel_TCK.transpose(0, 1).reshape(features, duration * channels)
        parts = (x_BTC.flatten(0, 1) @ matrix).view(*x_BTC.shape[:2], duration, channels)
        total = self._start_TK.repeat(len(x_BTC), 1, 1)
        for place in range(duration):
            shift = place - duration // 2  # frame t of the output takes frame t + shift
            to = slice(max(0, -shift), PATCH_FRAMES - max(0, shift))
            of = slice(max(0, shift), PATCH_FRAMES - max(0, -shift))
            total[:, to] += parts[:, of, place]
        return total


def _frames_around(x_BTM: Tensor) -> Tensor:
    """Put the 7 frames around each frame side by side, band after band: shape (R, W)."""
    half = TIMBRE_FRAMES // 2
    padded = F.pad(x_BTM, (0, 0, half, half))
    return padded.unfold(1, TIMBRE_FRAMES, 1).reshape(-1, MEL_BANDS * TIMBRE_FRAMES)


def _shifted(kernel: Tensor, count: int) -> Tensor:
    """Hold `count` copies of a kernel, each shifted by one along its first axis.

    Parameters
    ----------
    kernel : Tensor, shape (L, A, C)

    Returns
    -------
    Tensor, shape ((L + count - 1) * A, count * C)
    """
    length, second, channels = kernel.shape
    matrix = torch.zeros(length + count - 1, second, count, channels)
    for shift in range(count):
        matrix[shift : shift + length, :, shift] = kernel
    return matrix.flatten(2).flatten(0, 1)


def _affine(weights: dict[str, Tensor], name: str) -> Affine:
    scale = weights[f"{name}.gamma"] * torch.rsqrt(
        weights[f"{name}.moving_variance"] + BATCH_NORM_EPSILON
    )
    return Affine(scale, weights[f"{name}.beta"] - weights[f"{name}.moving_mean"] * scale)


def _apply(affine: Affine, x: Tensor) -> Tensor:
    return x * affine.scale + affine.shift
