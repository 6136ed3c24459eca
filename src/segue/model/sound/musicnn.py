"""MusiCNN in PyTorch, arranged as matrix products.

Architecture and weights: Pons & Serra, "musicnn: pre-trained convolutional neural networks
for music audio tagging", ISMIR 2019 late-breaking (weights ISC licence, see
``segue/weights/musicnn.md``).

Shape legend: B batch, T time frames, M mel bands, C channels, R = B * T rows, W = M * 7.

Convolutions with a single input channel run far below what a CPU can do. Here they are
matrix products that need (almost) no unfolded copy of the input:

- Timbre: every frame's row holds, band after band, the 7 frames around it. A kernel's window
  at any frequency is then a contiguous stretch of the row, so the products for all frames at
  one frequency take a strided view as it lies, and as many products as there are positions
  give the convolution, without a multiplication too many.
- Rhythm: stretches of a band just wide enough for `RHYTHM_BLOCK` positions are multiplied
  with a matrix that holds the kernel once per position, shifted (a Toeplitz matrix).

The maximum over frequency runs after each product, while the product is still in the cache.
`bench/musicnn_forms.py` compares this form with the alternatives.
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
TIMBRE_FRAMES = 7
FRAME_PLACES = TIMBRE_FRAMES + 1  # and a one, to which the bias is the weight
#: What is subtracted before rounding, and comes back with the bias. Between -1 and 1 after
#: batch norm; near the mean of music, which falls evenly with the mel band.
TYPICAL_BAND = torch.linspace(0.25, -0.875, MEL_BANDS).bfloat16().float()
RHYTHM_BLOCK = 16  # time positions per product; chosen in bench/musicnn_forms.py
RHYTHM_BANDS = 16  # per product, so that it stays in the cache


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
        self._rhythm = [
            _RhythmFilters(weights, f"conv2d_{i}", f"batch_normalization_{i + 1}", dtype)
            for i in (2, 3, 4)
        ]
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
        x_BTM = log_mel * self._input_norm.scale + self._input_norm.shift
        around_RW = _frames_around(x_BTM, self.dtype)
        front_RC = torch.cat(
            [
                *(filters(around_RW) for filters in self._timbre),
                *(filters(x_BTM).flatten(0, 1) for filters in self._rhythm),
            ],
            dim=1,
        )
        front_BTC = front_RC.view(len(x_BTM), PATCH_FRAMES, -1)
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


class _Rectified:
    """The greatest of many products through ReLU and batch norm, in the norm's direction.

    A batch norm of negative scale turns the order round: there the least counts. Bias and
    ReLU come before, so the values compared matter only where they are not negative, and
    those are ordered alike as floating-point numbers and as the integers of the same bits,
    which processors compare several times faster in bfloat16. A negative one is also a
    negative integer, and 0 to the ReLU.

    Channels are kept in the order of `channels`: first those of which the least counts.
    """

    def __init__(self, weights: dict[str, Tensor], kernel: str, norm: str) -> None:
        affine = _affine(weights, norm)
        falling = affine.scale < 0
        self.channels = torch.cat([falling.nonzero()[:, 0], (~falling).nonzero()[:, 0]])
        self.falling = int(falling.sum())
        self.bias = weights[f"{kernel}.bias"][self.channels]
        self._affine = affine
        self._places = self.channels.argsort()

    def finish(self, best: Tensor) -> Tensor:
        """Map the best products, shape (..., channels), to features in the net's order."""
        return _apply(self._affine, best.float().relu()[..., self._places])


class _TimbreFilters:
    """Kernels tall in frequency: convolution, ReLU, batch norm, maximum over frequency."""

    def __init__(
        self, weights: dict[str, Tensor], kernel: str, norm: str, dtype: torch.dtype
    ) -> None:
        self._rectified = _Rectified(weights, kernel, norm)
        kernel_TMC = weights[f"{kernel}.kernel"][:, :, 0, self._rectified.channels]
        height = kernel_TMC.shape[1]
        with_bias = F.pad(kernel_TMC, (0, 0, 0, 0, 0, 1)).transpose(0, 1)  # M, 7 + 1, C
        self._matrices = []
        for start in range(MEL_BANDS - height + 1):
            centre = (kernel_TMC.sum(0) * TYPICAL_BAND[start : start + height, None]).sum(0)
            high, low = _halves(self._rectified.bias + centre, dtype)
            matrix = with_bias.to(dtype)
            matrix[0, -1] = high
            if low is not None:
                matrix[1, -1] = low
            self._matrices.append(matrix.flatten(0, 1))

    def __call__(self, around_RW: Tensor) -> Tensor:
        """Map `_frames_around` to features, shape (R, C)."""
        falling, (width, channels) = self._rectified.falling, self._matrices[0].shape
        best = around_RW.new_empty(len(around_RW), channels)
        product = torch.empty_like(best)
        least, greatest = best.view(_INTEGERS[best.dtype]).tensor_split([falling], dim=1)
        lower, upper = product.view(_INTEGERS[best.dtype]).tensor_split([falling], dim=1)
        for position, matrix in enumerate(self._matrices):
            start = position * FRAME_PLACES
            window = around_RW[:, start : start + width]
            if position == 0:
                torch.mm(window, matrix, out=best)
            else:
                torch.mm(window, matrix, out=product)
                torch.minimum(least, lower, out=least)
                torch.maximum(greatest, upper, out=greatest)
        return self._rectified.finish(best)


class _RhythmFilters:
    """Kernels long in time, one band at a time: convolution, …, maximum over the bands."""

    def __init__(
        self, weights: dict[str, Tensor], kernel: str, norm: str, dtype: torch.dtype
    ) -> None:
        self._rectified = _Rectified(weights, kernel, norm)
        kernel_TC = weights[f"{kernel}.kernel"][:, 0, 0, self._rectified.channels]
        length = len(kernel_TC)
        self._blocks = -(-PATCH_FRAMES // RHYTHM_BLOCK)
        # TensorFlow's odd pad is at the end.
        self._before = (length - 1) // 2
        self._after = length - 1 - self._before + self._blocks * RHYTHM_BLOCK - PATCH_FRAMES
        falling = self._rectified.falling
        exact = torch.cat(
            [_shifted(kernel_TC[:, :falling]), _shifted(kernel_TC[:, falling:])], dim=1
        )
        self._width = len(exact)
        high, low = _halves(exact, dtype)
        self._matrix = high if low is None else torch.cat([high, high, low])
        bias = self._rectified.bias
        self._bias = torch.cat(
            [bias[:falling].repeat(RHYTHM_BLOCK), bias[falling:].repeat(RHYTHM_BLOCK)]
        ).to(dtype)
        self._bias_rest = bias - bias.to(dtype).float()

    def __call__(self, x_BTM: Tensor) -> Tensor:
        """Return features of shape (B, T, C)."""
        width, columns = self._matrix.shape
        padded_MBT = F.pad(x_BTM.permute(2, 0, 1), (self._before, self._after))
        high, low = _halves(padded_MBT, self._matrix.dtype)
        parts = torch.stack([high] if low is None else [high, low, high], dim=2)
        windows = parts.unfold(3, self._width, RHYTHM_BLOCK).transpose(2, 3)
        rows = len(x_BTM) * self._blocks
        product = self._matrix.new_empty(RHYTHM_BANDS * rows, columns)
        bits = product.view(_INTEGERS[product.dtype]).view(RHYTHM_BANDS, rows, columns)
        split = self._rectified.falling * RHYTHM_BLOCK
        least: Tensor | None = None
        for start in range(0, MEL_BANDS, RHYTHM_BANDS):
            some = windows[start : start + RHYTHM_BANDS].reshape(-1, width)
            torch.addmm(self._bias, some, self._matrix, out=product)
            lower, upper = bits[..., :split].amin(0), bits[..., split:].amax(0)
            if least is None:
                least, greatest = lower, upper
            else:
                torch.minimum(least, lower, out=least)
                torch.maximum(greatest, upper, out=greatest)
        assert least is not None
        best = torch.cat(
            [
                part.view(product.dtype).view(len(x_BTM), self._blocks * RHYTHM_BLOCK, -1)
                for part in (least, greatest)
            ],
            dim=2,
        )
        return self._rectified.finish(best[:, :PATCH_FRAMES] + self._bias_rest)


class _FrameLayer:
    """A convolution over 7 frames and all features of each, ReLU, batch norm.

    One product for all 7 places of the kernel, whose parts are then shifted and added.
    """

    def __init__(self, weights: dict[str, Tensor], kernel: str, norm: str) -> None:
        kernel_TCK = weights[f"{kernel}.kernel"][:, :, 0, :]
        self._duration, _, self._channels = kernel_TCK.shape
        self._matrix = kernel_TCK.transpose(0, 1).flatten(1).contiguous()  # C, 7 * K
        self._bias = weights[f"{kernel}.bias"]
        self._affine = _affine(weights, norm)

    def __call__(self, x_BTC: Tensor) -> Tensor:
        half = self._duration // 2
        time = x_BTC.shape[1]
        parts = (x_BTC.flatten(0, 1) @ self._matrix).view(*x_BTC.shape[:2], self._duration, -1)
        total = self._bias.repeat(*x_BTC.shape[:2], 1)
        for place in range(self._duration):
            shift = place - half  # output frame t takes input frame t + shift
            to = slice(max(0, -shift), time - max(0, shift))
            of = slice(max(0, shift), time - max(0, -shift))
            total[:, to] += parts[:, of, place]
        return _apply(self._affine, total.relu())


#: Integers of the same size.
_INTEGERS = {torch.float32: torch.int32, torch.bfloat16: torch.int16}


def _frames_around(x_BTM: Tensor, dtype: torch.dtype) -> Tensor:
    """Put the 7 frames around each frame side by side, band after band: shape (R, W)."""
    half = TIMBRE_FRAMES // 2
    padded = (F.pad(x_BTM, (0, 0, half, half)) - TYPICAL_BAND).to(dtype)
    around = padded.new_ones(*x_BTM.shape, FRAME_PLACES)
    around[..., :TIMBRE_FRAMES] = padded.unfold(1, TIMBRE_FRAMES, 1)
    return around.view(-1, MEL_BANDS * FRAME_PLACES)


def _shifted(kernel_TC: Tensor) -> Tensor:
    """Hold `RHYTHM_BLOCK` copies of a kernel, each one frame later than the last.

    Returns
    -------
    Tensor, shape (T + RHYTHM_BLOCK - 1, RHYTHM_BLOCK * C)
    """
    length, channels = kernel_TC.shape
    matrix = torch.zeros(length + RHYTHM_BLOCK - 1, RHYTHM_BLOCK, channels)
    for shift in range(RHYTHM_BLOCK):
        matrix[shift : shift + length, shift] = kernel_TC
    return matrix.flatten(1)


def _halves(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Split numbers into one of `dtype` and what its rounding lost; None for float32.

    With a product of sums ``(a + b)(c + d)`` without ``bd``, two halves of bfloat16 give
    about the precision of float32.
    """
    high = x.to(dtype)
    return high, None if dtype == torch.float32 else (x - high).to(dtype)


def _affine(weights: dict[str, Tensor], name: str) -> Affine:
    scale = weights[f"{name}.gamma"] * torch.rsqrt(
        weights[f"{name}.moving_variance"] + BATCH_NORM_EPSILON
    )
    return Affine(scale, weights[f"{name}.beta"] - weights[f"{name}.moving_mean"] * scale)


def _apply(affine: Affine, x: Tensor) -> Tensor:
    return x * affine.scale + affine.shift
