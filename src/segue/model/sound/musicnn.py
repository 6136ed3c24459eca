"""MusiCNN in PyTorch, arranged as matrix products.

Architecture and weights: Pons & Serra, "musicnn: pre-trained convolutional neural networks
for music audio tagging", ISMIR 2019 late-breaking (weights ISC licence, see
``segue/weights/musicnn.md``).

Shape legend: B batch, T time frames, M mel bands, C channels.

Convolutions with a single input channel run far below what a CPU can do. Here each one
becomes a dense matrix product: a stretch of the input just wide enough for `block`
neighbouring output positions is multiplied with a matrix that holds the kernel once per
position, shifted (a Toeplitz matrix). That costs about a quarter more multiplications than
the convolution and no unfolded copy of the input. `bench/musicnn_forms.py` compares it with
the alternatives.
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
POOLED_SIZE = 1506
BATCH_NORM_EPSILON = 1e-3
TIMBRE_BLOCK = 12  # frequency positions per product; chosen in bench/musicnn_forms.py
RHYTHM_BLOCK = 16  # time positions per product


@dataclass(frozen=True, slots=True)
class Activations:
    """What MusiCNN computes for a batch of 3-s patches.

    Attributes
    ----------
    pooled : Tensor, shape (B, 1506), float32
        Maximum and mean over time of the 753 features of a frame, interleaved.
    logits : Tensor, shape (B, 50), float32
        One per tag of `segue.represent.sound.TAGS`, before the sigmoid.
    """

    pooled: Tensor
    logits: Tensor


@dataclass(frozen=True, slots=True)
class Affine:
    """A batch norm at inference: ``x * scale + shift``."""

    scale: Tensor
    shift: Tensor


class Musicnn(nn.Module):
    """The trained network, for inference.

    Parameters
    ----------
    weights : dict of str to Tensor
        The published checkpoint's tensors under their own names.
    dtype : torch.float32 or torch.bfloat16
        Precision of the large products; sums and everything after the front end's
        maxima are at least as precise.
    """

    def __init__(self, weights: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self._input_norm = _affine(weights, "batch_normalization")
        self._timbre = [
            _TimbreFilters(weights, kernel, norm, dtype)
            for kernel, norm in (
                ("conv2d", "batch_normalization_1"),
                ("conv2d_1", "batch_normalization_2"),
            )
        ]
        self._rhythm = _RhythmFilters(weights, dtype)
        self._middle = [
            _FrameLayer(weights, f"conv2d_{i}", f"batch_normalization_{i + 1}") for i in (5, 6, 7)
        ]
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
            ``log10(10000 * power + 1)``, see `segue.represent.sound.musicnn_log_mel`.

        Returns
        -------
        Activations
        """
        if log_mel.ndim != 3 or log_mel.shape[1:] != (PATCH_FRAMES, MEL_BANDS):
            raise BadArgument(
                f"MusiCNN takes patches of shape (B, {PATCH_FRAMES}, {MEL_BANDS}), "
                f"not {tuple(log_mel.shape)}"
            )
        x_BTM = (log_mel * self._input_norm.scale + self._input_norm.shift).to(self.dtype)
        front_BTC = torch.cat(
            [*(filters(x_BTM) for filters in self._timbre), self._rhythm(x_BTM)], dim=2
        )
        first_BTC = self._middle[0](front_BTC)
        second_BTC = self._middle[1](first_BTC) + first_BTC
        third_BTC = self._middle[2](second_BTC) + second_BTC
        frames_BTC = torch.cat([front_BTC, first_BTC, second_BTC, third_BTC], dim=2)
        pooled = torch.stack([frames_BTC.amax(1), frames_BTC.mean(1)], dim=2).flatten(1)
        return Activations(pooled, self.tag_logits(pooled))

    def tag_logits(self, pooled: Tensor) -> Tensor:
        """Map pooled activations (B, 1506) to the 50 tags' logits (B, 50)."""
        hidden = _apply(self._pooled_norm, pooled) @ self._dense[0] + self._dense[1]
        return _apply(self._dense_norm, hidden.relu()) @ self._output[0] + self._output[1]


def load_musicnn(path: Path, dtype: torch.dtype = torch.float32) -> Musicnn:
    """Load MusiCNN from a safetensors file."""
    return Musicnn(load_file(path), dtype)


class _TimbreFilters:
    """Kernels tall in frequency: convolution, ReLU, batch norm, maximum over frequency.

    The maximum is taken first: bias, ReLU and batch norm are monotone in each channel.
    Where the norm's scale is negative the kernel's sign is turned round, so that one
    maximum serves both directions.
    """

    def __init__(
        self, weights: dict[str, Tensor], kernel: str, norm: str, dtype: torch.dtype
    ) -> None:
        kernel_TMC = weights[f"{kernel}.kernel"][:, :, 0, :]
        self._affine = _affine(weights, norm)
        self._sign = torch.where(self._affine.scale < 0, -1.0, 1.0)
        self._bias = weights[f"{kernel}.bias"]
        self._duration, self._height, self._channels = kernel_TMC.shape
        positions = MEL_BANDS - self._height + 1
        signed = kernel_TMC * self._sign
        starts = range(0, positions, TIMBRE_BLOCK)
        self._blocks = [
            (start, _shifted(signed, min(TIMBRE_BLOCK, positions - start), dtype))
            for start in starts
        ]

    def __call__(self, x_BTM: Tensor) -> Tensor:
        half = self._duration // 2
        windows = F.pad(x_BTM, (0, 0, half, half)).unfold(1, self._duration, 1).transpose(2, 3)
        best: Tensor | None = None
        for start, matrix in self._blocks:
            height = len(matrix) // self._duration
            rows = windows[..., start : start + height].reshape(-1, len(matrix))
            product = (rows @ matrix).view(len(rows), -1, self._channels).amax(1)
            best = product if best is None else torch.maximum(best, product)
        assert best is not None
        value = best.float() * self._sign + self._bias
        return _apply(self._affine, value.relu()).view(*x_BTM.shape[:2], self._channels)


class _RhythmFilters:
    """Kernels long in time, one band at a time: the three lengths in one product."""

    LENGTHS = (128, 64, 32)

    def __init__(self, weights: dict[str, Tensor], dtype: torch.dtype) -> None:
        longest = self.LENGTHS[0]
        kernels, biases, scales, shifts = [], [], [], []
        for i, length in enumerate(self.LENGTHS, start=2):
            before = (longest - 1) // 2 - (length - 1) // 2  # TensorFlow's odd pad is at the end
            kernel = weights[f"conv2d_{i}.kernel"][:, 0, 0, :]
            kernels.append(F.pad(kernel, (0, 0, before, longest - length - before)))
            biases.append(weights[f"conv2d_{i}.bias"])
            affine = _affine(weights, f"batch_normalization_{i + 1}")
            scales.append(affine.scale)
            shifts.append(affine.shift)
        self._affine = Affine(torch.cat(scales), torch.cat(shifts))
        self._sign = torch.where(self._affine.scale < 0, -1.0, 1.0)
        self._bias = torch.cat(biases)
        kernel_TC = torch.cat(kernels, dim=1) * self._sign
        self._channels = kernel_TC.shape[1]
        self._matrix = _shifted(kernel_TC[None], RHYTHM_BLOCK, dtype)
        self._blocks = -(-PATCH_FRAMES // RHYTHM_BLOCK)

    def __call__(self, x_BTM: Tensor) -> Tensor:
        longest = self.LENGTHS[0]
        before = (longest - 1) // 2
        after = longest - 1 - before + self._blocks * RHYTHM_BLOCK - PATCH_FRAMES
        padded_BMT = F.pad(x_BTM.transpose(1, 2), (before, after))
        windows = padded_BMT.contiguous().unfold(2, len(self._matrix), RHYTHM_BLOCK)
        product = windows.reshape(-1, len(self._matrix)) @ self._matrix
        best = product.view(*windows.shape[:3], -1).amax(1)  # over the bands: B, blocks, block * C
        frames = best.view(len(x_BTM), -1, self._channels)[:, :PATCH_FRAMES]
        return _apply(self._affine, (frames.float() * self._sign + self._bias).relu())


class _FrameLayer:
    """A convolution over 7 frames and all features of each, ReLU, batch norm."""

    def __init__(self, weights: dict[str, Tensor], kernel: str, norm: str) -> None:
        kernel_TCK = weights[f"{kernel}.kernel"]  # 7, C, 1, K
        self._duration = kernel_TCK.shape[0]
        self._matrix = kernel_TCK.flatten(0, 2)
        self._bias = weights[f"{kernel}.bias"]
        self._affine = _affine(weights, norm)

    def __call__(self, x_BTC: Tensor) -> Tensor:
        batch, time, _ = x_BTC.shape
        half = self._duration // 2
        padded = F.pad(x_BTC, (0, 0, half, half))
        rows = padded.unfold(1, self._duration, 1).transpose(2, 3).reshape(batch * time, -1)
        value = rows @ self._matrix + self._bias
        return _apply(self._affine, value.relu()).view(batch, time, -1)


def _shifted(kernel: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """Hold `count` copies of a kernel, each shifted by one along its second axis.

    Parameters
    ----------
    kernel : Tensor, shape (A, L, C)

    Returns
    -------
    Tensor, shape (A * (L + count - 1), count * C)
    """
    first, length, channels = kernel.shape
    matrix = torch.zeros(first, length + count - 1, count, channels)
    for shift in range(count):
        matrix[:, shift : shift + length, shift] = kernel
    return matrix.flatten(0, 1).flatten(1).to(dtype)


def _affine(weights: dict[str, Tensor], name: str) -> Affine:
    scale = weights[f"{name}.gamma"] * torch.rsqrt(
        weights[f"{name}.moving_variance"] + BATCH_NORM_EPSILON
    )
    return Affine(scale, weights[f"{name}.beta"] - weights[f"{name}.moving_mean"] * scale)


def _apply(affine: Affine, x: Tensor) -> Tensor:
    return x * affine.scale + affine.shift
