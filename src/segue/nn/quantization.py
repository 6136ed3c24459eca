"""Quantisation of weights to 8 bits, on disk and while sampling.

Weights of 8 bits on disk: a quarter of the room, each row of a matrix with its own scale.

Makes a network that has learned write faster, with weights of fewer bits.
"""

import copy
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

import torch
from torch import Tensor, nn

from segue.nn.transformer import KVCache, Transformer

# --- short weights ---

_SCALE: Final = ".scale"
_LEAST: Final = 1e-6  # a scale that half precision still holds


def shortened(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round matrices to 8 bits; what is no matrix stays as it is."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 2:
            scale = (tensor.abs().amax(dim=1) / 127).clamp(min=_LEAST).half()
            found[name] = (tensor / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
            found[name + _SCALE] = scale
        else:
            found[name] = tensor
    return found


def restored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return matrices of 32 bits again; tensors that were never shortened stay as they are."""
    return {
        name: tensor * tensors[name + _SCALE].float()[:, None]
        if name + _SCALE in tensors
        else tensor
        for name, tensor in tensors.items()
        if not name.endswith(_SCALE)
    }


# --- precision ---

#: Steps that find out which precision writes faster; the first ones are slower.
PROBE_STEPS: Final = 12
#: Rows that packed weights are laid out for; with others they work as well.
_ROWS: Final = 16

Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "bfloat16", "int8")


def for_writing(
    network: Transformer, precision: Precision | None = None, rows: int = 1
) -> Transformer:
    """Return a copy that writes fast: it does not learn, and has the fastest precision.

    One row at a time, what takes long is to fetch the weights: "int8" keeps those of the layers
    in 8 bits, each row of a matrix with its own scale, and computes in bfloat16. Many rows at a
    time, it is to compute: "bfloat16" lays the weights out once as the processor wants them.

    Parameters
    ----------
    network : Transformer
    precision : {"float32", "bfloat16", "int8"}, optional
        Else whichever takes least time here: some steps are tried.
    rows : int
        Sequences that will be written at once.
    """
    if precision:
        return _in(network, precision)
    copies = [_in(network, one) for one in PRECISIONS]
    return min(copies, key=lambda one: _step_s(one, rows))


def _in(network: Transformer, precision: Precision) -> Transformer:
    found = copy.deepcopy(network).eval().requires_grad_(False)
    short: Callable[[nn.Linear], nn.Module] | None = None
    if precision == "int8":
        short = _ShortLinear
    elif precision == "bfloat16" and _packs():
        short = _PackedLinear
    if short:
        for module in [*found.modules()]:
            for name, linear in [*module.named_children()]:
                if isinstance(linear, nn.Linear):
                    setattr(module, name, short(linear))
    return found.to(torch.float32 if precision == "float32" else torch.bfloat16)


class _ShortLinear(nn.Module):
    """A linear map without a bias whose weights have 8 bits; what it is given is bfloat16."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        largest = linear.weight.abs().amax(dim=1).clamp(min=1e-12)
        self.weight: Tensor
        self.scale: Tensor
        short = (linear.weight * (127 / largest)[:, None]).round().to(torch.int8)
        self.register_buffer("weight", short)
        self.register_buffer("scale", largest / 127)

    def forward(self, x: Tensor) -> Tensor:
        found = torch._weight_int8pack_mm(x.flatten(0, -2), self.weight, self.scale)  # noqa: SLF001
        return found.view(*x.shape[:-1], -1)


class _PackedLinear(nn.Module):
    """A linear map without a bias in bfloat16 whose weights are laid out once as oneDNN reads them.

    Else it lays them out anew at each step, which takes as long as all else it does with few rows.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().to(torch.bfloat16).contiguous()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)  # noqa: SLF001

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
            x, self._weight, None, "none", [], ""
        )
        return found


def _packs() -> bool:
    """Tell whether this processor and this torch can pack weights of bfloat16."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def _step_s(network: Transformer, rows: int) -> float:
    cache = KVCache(network.config.stack, rows, network.tokens.weight.dtype)
    token = torch.zeros(rows, 1, dtype=torch.int64)
    times = []
    with torch.inference_mode():
        for _ in range(min(PROBE_STEPS, cache.free)):
            began = time.perf_counter()
            network.next_logits(token, cache)
            times.append(time.perf_counter() - began)
    return min(times)
