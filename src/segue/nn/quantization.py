"""Quantisation of weights to 8 bits, on disk and for inference.

Matrices are quantised symmetrically with one scale per row.
"""

import copy
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeGuard

import torch
from torch import Tensor, nn

from segue.nn.transformer import KVCache, Transformer, TransformerConfig

_SCALE: Final = ".scale"
_MIN_SCALE: Final = 1e-6  # representable in float16
#: Shares of the largest weight of a row that are tried as the largest quantised one.
_CLIPPING: Final = (1.0, 0.9, 0.8, 0.7, 0.6)
#: Decoding steps timed per precision; the first ones are slower.
BENCHMARK_STEPS: Final = 12
#: Batch size that packed weights are laid out for; others work as well.
_PACKED_BATCH: Final = 16

Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "bfloat16", "int8")


def quantize_weights(tensors: Mapping[str, Tensor], bits: int = 8) -> dict[str, Tensor]:
    """Quantise the matrices of a state dict to int8; other tensors stay as they are.

    The scales are stored in float16 under the name of the matrix and ".scale". Fewer than 8 bits
    are stored as int8, too, but compress better; then the largest weights of a row are clipped
    where that makes the squared error smaller.
    """
    largest = 2 ** (bits - 1) - 1
    quantized: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.ndim != 2:
            quantized[name] = tensor
            continue
        ranges = tensor.abs().amax(dim=1, keepdim=True) * torch.tensor(
            _CLIPPING if bits < 8 else _CLIPPING[:1]
        )
        scales = (ranges / largest).clamp(min=_MIN_SCALE).half()  # (rows, choices)
        errors = [
            (_steps(tensor, scale, largest) * scale.float()[:, None] - tensor).square().sum(dim=1)
            for scale in scales.T
        ]
        scale = scales.gather(1, torch.stack(errors).argmin(dim=0)[:, None])[:, 0]
        quantized[name] = _steps(tensor, scale, largest).to(torch.int8)
        quantized[name + _SCALE] = scale
    return quantized


def _steps(tensor: Tensor, scale: Tensor, largest: int) -> Tensor:
    return (tensor / scale.float()[:, None]).round().clamp(-largest, largest)


def dequantize_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Invert `quantize_weights`; tensors without a scale stay as they are."""
    return {
        name: tensor * tensors[name + _SCALE].float()[:, None]
        if name + _SCALE in tensors
        else tensor
        for name, tensor in tensors.items()
        if not name.endswith(_SCALE)
    }


def load_transformer(config: TransformerConfig, tensors: Mapping[str, Tensor]) -> Transformer:
    """Build a network from a state dict; linear layers in 8 bits stay so, for inference alone.

    Parameters
    ----------
    config : TransformerConfig
        Hyperparameters.
    tensors : mapping of str to Tensor
        Parameters in any floating-point type, or what `quantize_weights` makes of them.

    Returns
    -------
    Transformer
        In float32, or in bfloat16 around layers in 8 bits.

    Raises
    ------
    RuntimeError
        The tensors are not those of such a network.
    """
    with torch.device("meta"):  # without memory for weights
        network = Transformer(config)
    load_quantized(network, tensors)
    return network


def load_quantized(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load a state dict; linear layers without bias in 8 bits stay so, for inference alone.

    Parameters
    ----------
    network : Module
        On the meta device. It is in float32 after the call, or in bfloat16 around layers in 8 bits.
    tensors : mapping of str to Tensor
        See `load_transformer`.

    Raises
    ------
    RuntimeError
        The tensors are not those of such a network.
    """
    remaining = dict(tensors)
    for path, module in [*network.named_modules()]:
        for name, linear in [*module.named_children()]:
            key = f"{path}.{name}.weight".removeprefix(".")
            if _is_plain_linear(linear) and key + _SCALE in remaining:
                weight, scale = remaining.pop(key), remaining.pop(key + _SCALE)
                if weight.shape != linear.weight.shape or scale.shape != weight.shape[:1]:
                    raise RuntimeError(f"size mismatch for {key}: {tuple(weight.shape)}")
                setattr(module, name, Int8Linear(weight, scale))
    others = {name: tensor.float() for name, tensor in dequantize_weights(remaining).items()}
    network.load_state_dict(others, assign=True)
    network.to(torch.bfloat16 if is_quantized(network) else torch.float32).eval()


def _is_plain_linear(module: nn.Module) -> TypeGuard[nn.Linear]:
    return isinstance(module, nn.Linear) and module.bias is None


def float_state_dict(network: nn.Module) -> dict[str, Tensor]:
    """Return the parameters of a network in float32; layers in 8 bits are dequantised."""
    tensors = {name: tensor.float() for name, tensor in network.state_dict().items()}
    for path, module in network.named_modules():
        if isinstance(module, Int8Linear):
            tensors[f"{path}.weight"] = module.weight * module.scale.float()[:, None]
    return tensors


def for_inference(
    network: Transformer, precision: Precision | None = None, batch: int = 1
) -> Transformer:
    """Return a copy for fast decoding, without gradients.

    With a small batch, decoding is bound by memory bandwidth: "int8" keeps the linear layers in 8
    bits and computes in bfloat16. With a large batch it is bound by compute: "bfloat16" packs the
    weights once for oneDNN.

    Parameters
    ----------
    network : Transformer
    precision : {"float32", "bfloat16", "int8"}, optional
        By default the fastest on this machine, by timing some decoding steps.
    batch : int
        Number of sequences to decode at once.
    """
    if precision:
        return _convert(network, precision)
    copies = [_convert(network, each) for each in PRECISIONS]
    return min(copies, key=lambda network: _step_s(network, batch))


def _convert(network: Transformer, precision: Precision) -> Transformer:
    converted = network
    if not is_quantized(network):
        converted = copy.deepcopy(network)
    elif precision != "int8":
        converted = load_transformer(network.config, float_state_dict(network))
    converted.eval().requires_grad_(False)
    replacement: Callable[[nn.Linear], nn.Module] | None = None
    if precision == "int8":
        replacement = Int8Linear.quantize
    elif precision == "bfloat16" and _can_pack():
        replacement = _PackedLinear
    if replacement:
        for module in [*converted.modules()]:
            for name, linear in [*module.named_children()]:
                if isinstance(linear, nn.Linear):
                    setattr(module, name, replacement(linear))
    return converted.to(torch.float32 if precision == "float32" else torch.bfloat16)


def is_quantized(network: nn.Module) -> bool:
    """Return whether a network has layers in 8 bits, which cannot be trained."""
    return any(isinstance(module, Int8Linear) for module in network.modules())


class Int8Linear(nn.Module):
    """A linear layer without bias, with int8 weights and bfloat16 inputs, for inference.

    Parameters
    ----------
    weight : Tensor, shape (outputs, inputs), int8
    scale : Tensor, shape (outputs,)
        Factor of each row.
    """

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.weight: Tensor
        self.scale: Tensor
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    @classmethod
    def quantize(cls, linear: nn.Linear) -> "Int8Linear":
        """Quantise the weights of a layer."""
        largest = linear.weight.abs().amax(dim=1).clamp(min=1e-12)
        weight = (linear.weight * (127 / largest)[:, None]).round().to(torch.int8)
        return cls(weight, largest / 127)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (…, outputs)."""
        y = torch._weight_int8pack_mm(x.flatten(0, -2), self.weight, self.scale)  # noqa: SLF001
        return y.view(*x.shape[:-1], -1)


def pack_linear_layers(network: nn.Module) -> nn.Module:
    """Return a copy for fast decoding of several sequences at once: in bfloat16, without gradients.

    The weights of linear layers without bias are packed once for oneDNN. Where the CPU computes no
    bfloat16, the network itself is returned.
    """
    if not _can_pack():
        return network
    packed = copy.deepcopy(network).eval().requires_grad_(False)
    for module in [*packed.modules()]:
        for name, linear in [*module.named_children()]:
            if isinstance(linear, Int8Linear) or _is_plain_linear(linear):
                setattr(module, name, _PackedLinear(linear))
    return packed.to(torch.bfloat16)


class _PackedLinear(nn.Module):
    """A linear layer without bias in bfloat16, with weights packed once for oneDNN.

    Otherwise oneDNN packs them at each step, which dominates a step of a small batch.
    """

    def __init__(self, linear: nn.Linear | Int8Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        if isinstance(linear, Int8Linear):
            weight = weight * linear.scale.float()[:, None]
        weight = weight.to(torch.bfloat16).contiguous()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, _PACKED_BATCH)  # noqa: SLF001

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
            x, self._weight, None, "none", [], ""
        )
        return y


def _can_pack() -> bool:
    """Return whether this CPU and this torch can pack bfloat16 weights."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def _step_s(network: Transformer, batch: int) -> float:
    """Return the shortest duration of a decoding step, in seconds."""
    kv_cache = KVCache(network.config.stack, batch, network.tokens.weight.dtype)
    token = torch.zeros(batch, 1, dtype=torch.int64)
    durations = []
    with torch.inference_mode():
        for _ in range(min(BENCHMARK_STEPS, kv_cache.free)):
            began = time.perf_counter()
            network.next_logits(token, kv_cache)
            durations.append(time.perf_counter() - began)
    return min(durations)
