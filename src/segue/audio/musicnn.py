"""MusiCNN in PyTorch, for inference.

Architecture and weights: Pons & Serra, "musicnn: pre-trained convolutional neural networks
for music audio tagging", ISMIR 2019 late-breaking (weights ISC licence, see
``segue/weights/musicnn.md``).

Of the 561 filters of the front end, training left 64 active: the kernels of the others are zero
within 3e-7, so that their output is constant. Only the active ones are computed; what follows of
the constant ones is computed once.

Convolutions with a single input channel are slow on a CPU. Here they are matrix products that copy
little of the input. For timbre filters, the row of a frame has, band after band, the 7 frames
around it, so that the input of a kernel at any frequency is a contiguous slice of the row. For
rhythm filters, slices of each band cover several positions. Both are multiplied by a Toeplitz
matrix of kernels shifted once per position. `bench/musicnn_variants.py` compares alternatives.

Shape legend: B batch, T time frames, M mel bands, C channels, R = B * T rows, W = M * 7 columns.
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
TIMBRE_BLOCK = 4  # frequency positions per product; see bench/musicnn_variants.py
RHYTHM_BLOCK = 16  # time positions per product
#: Minimum of the largest weight of an active kernel: active ones have 9e-4 and more, the others at
#: most 2.2e-7.
MIN_WEIGHT = 1e-6


@dataclass(frozen=True, slots=True)
class Activations:
    """Output of MusiCNN for a batch of patches of 3 s.

    Attributes
    ----------
    pooled : Tensor, shape (B, 1506), float32
        Maximum and mean over time of 753 features, interleaved.
    logits : Tensor, shape (B, 50), float32
        Logits of `segue.builtin_spaces.MUSICNN_TAGS`.
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
        Tensors of the published checkpoint by their names.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self._input_norm = _affine(weights, "batch_normalization")
        filters = [
            _Filters(weights, f"conv2d_{i}" if i else "conv2d", f"batch_normalization_{i + 1}")
            for i in range(5)
        ]
        self._timbre = [_TimbreFilters(each) for each in filters[:2]]
        self._rhythm = [_RhythmFilters(each) for each in filters[2:]]
        self._active = torch.cat([each.active for each in filters]).nonzero()[:, 0]
        self._constant = torch.cat([each.constant for each in filters])
        self._middle = [
            _FrameLayer(weights, f"conv2d_{i}", f"batch_normalization_{i + 1}") for i in (5, 6, 7)
        ]
        self._middle[0].fold_constant(self._constant, self._active)
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

    def _with_constant(self, active_BC: Tensor) -> Tensor:
        full_BC = self._constant.repeat(len(active_BC), 1)
        full_BC[:, self._active] = active_BC
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
    """The active filters of a layer of the front end.

    The maximum over frequency is taken of the products, since bias, ReLU and batch norm are
    monotone in each channel. If the scale of the norm is negative, the sign of the kernel is
    flipped, so that a maximum serves both directions.
    """

    def __init__(self, weights: dict[str, Tensor], kernel: str, norm: str) -> None:
        kernel_TMC = weights[f"{kernel}.kernel"][:, :, 0, :]
        bias, affine = weights[f"{kernel}.bias"], _affine(weights, norm)
        self.active = kernel_TMC.abs().amax((0, 1)) >= MIN_WEIGHT
        self.constant = _apply(affine, bias.relu())  # valid for inactive filters only
        self._affine = Affine(affine.scale[self.active], affine.shift[self.active])
        self._sign = torch.where(self._affine.scale < 0, -1.0, 1.0)
        self._bias = bias[self.active]
        self.kernel_TMC = kernel_TMC[..., self.active] * self._sign

    def activate(self, best: Tensor) -> Tensor:
        """Map maximum products, shape (..., active channels), to features."""
        return _apply(self._affine, (best * self._sign + self._bias).relu())


class _TimbreFilters:
    """Kernels tall in frequency: convolution, ReLU, batch norm, maximum over frequency."""

    def __init__(self, filters: _Filters) -> None:
        self._filters = filters
        _, height, self._channels = filters.kernel_TMC.shape
        self._matrix = _toeplitz(filters.kernel_TMC.transpose(0, 1), TIMBRE_BLOCK)
        last = MEL_BANDS - height + 1 - TIMBRE_BLOCK
        # The last block may overlap the previous one, which does not change a maximum.
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
        return self._filters.activate(best.view(len(best), TIMBRE_BLOCK, self._channels).amax(1))


class _RhythmFilters:
    """Kernels long in time: convolution, ReLU, batch norm, maximum over the bands."""

    def __init__(self, filters: _Filters) -> None:
        self._filters = filters
        length, _, self._channels = filters.kernel_TMC.shape
        self._matrix = _toeplitz(filters.kernel_TMC, RHYTHM_BLOCK)
        self._blocks = -(-PATCH_FRAMES // RHYTHM_BLOCK)
        # As in TensorFlow, odd padding is at the end.
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
        return self._filters.activate(frames[:, :PATCH_FRAMES])


class _FrameLayer:
    """A convolution over 7 frames and all of their features, ReLU, batch norm.

    One product serves all 7 positions of the kernel; its parts are then shifted and added.
    """

    def __init__(self, weights: dict[str, Tensor], kernel: str, norm: str) -> None:
        self._kernel_TCK = weights[f"{kernel}.kernel"][:, :, 0, :]
        self._bias_TK = weights[f"{kernel}.bias"].repeat(PATCH_FRAMES, 1)
        self._affine = _affine(weights, norm)

    def fold_constant(self, constant: Tensor, active: Tensor) -> None:
        """Fold all input features but those with the indices `active` into the bias."""
        inactive = constant.clone()
        inactive[active] = 0
        self._bias_TK = self._sum(inactive.repeat(1, PATCH_FRAMES, 1))[0]
        self._kernel_TCK = self._kernel_TCK[:, active]

    def __call__(self, x_BTC: Tensor) -> Tensor:
        return _apply(self._affine, self._sum(x_BTC).relu())

    def _sum(self, x_BTC: Tensor) -> Tensor:
        duration, features, channels = self._kernel_TCK.shape
        matrix = self._kernel_TCK.transpose(0, 1).reshape(features, duration * channels)
        parts = (x_BTC.flatten(0, 1) @ matrix).view(*x_BTC.shape[:2], duration, channels)
        total = self._bias_TK.repeat(len(x_BTC), 1, 1)
        for position in range(duration):
            shift = position - duration // 2  # output frame t takes input frame t + shift
            target = slice(max(0, -shift), PATCH_FRAMES - max(0, shift))
            source = slice(max(0, shift), PATCH_FRAMES - max(0, -shift))
            total[:, target] += parts[:, source, position]
        return total


def _frames_around(x_BTM: Tensor) -> Tensor:
    """Concatenate the 7 frames around each frame, band after band, shape (R, W)."""
    half = TIMBRE_FRAMES // 2
    padded = F.pad(x_BTM, (0, 0, half, half))
    return padded.unfold(1, TIMBRE_FRAMES, 1).reshape(-1, MEL_BANDS * TIMBRE_FRAMES)


def _toeplitz(kernel: Tensor, count: int) -> Tensor:
    """Return a matrix of `count` copies of a kernel, each shifted by one along its first axis.

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
