"""The weights of Basic Pitch: weights/basic-pitch.safetensors, converted from its ONNX file.

pip download --no-deps basic-pitch==0.4.0 && unzip basic_pitch-*.whl
python -m recipes.basic_pitch --onnx basic_pitch/saved_models/icassp_2022/nmp.onnx

The package onnx reads the file; nothing is trained.
"""

import argparse
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from segue.audio.note_events import BINS_PER_OCTAVE, CQT_BINS, BasicPitch
from segue.builtin_spaces import WEIGHTS

#: Convolutions of the network, by the shape of their kernels.
_LAYERS = {
    (8, 8, 3, 39): "contour_conv",
    (1, 8, 5, 5): "contour_output",
    (32, 1, 7, 7): "note_conv",
    (1, 32, 7, 3): "note_output",
    (32, 8, 5, 5): "onset_conv",
    (1, 33, 3, 3): "onset_output",
}
_CQT_KERNEL = (BINS_PER_OCTAVE, 1, 1, 256)


def convert(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict of `BasicPitch` from the published ONNX file."""
    onnx = import_module("onnx")
    graph = onnx.load(str(path)).graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    weights: dict[str, np.ndarray] = {}
    cqt_kernels: dict[str, np.ndarray] = {}
    negated = {node.input[0] for node in graph.node if node.op_type == "Neg"}
    for node in graph.node:
        if node.op_type == "Conv":
            kernel, bias = constants[node.input[1]], constants[node.input[2]]
            if kernel.shape == _CQT_KERNEL:
                part = "imaginary" if node.output[0] in negated else "real"
                cqt_kernels[part] = kernel[:, :, 0]
            elif kernel.shape == (1, 1, 1, 256):
                weights["low_pass"] = kernel[:, :, 0]
            else:
                layer = _LAYERS[kernel.shape]
                weights |= {f"{layer}.weight": kernel, f"{layer}.bias": bias}
        elif node.op_type == "Mul" and node.input[1] in constants:
            factor = constants[node.input[1]]
            if factor.shape == (CQT_BINS, 1, 1):
                weights["cqt_scale"] = factor.ravel()
            elif factor.shape == (1,):  # the batch norm of the input, followed by its shift
                (shift,) = (
                    constants[other.input[1]]
                    for other in graph.node
                    if other.op_type == "Add" and other.input[0] == node.output[0]
                )
                weights["norm"] = np.concatenate([factor, shift])
    weights["cqt_kernels"] = np.concatenate([cqt_kernels["real"], cqt_kernels["imaginary"]])
    return {name: torch.from_numpy(array.copy()) for name, array in weights.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", type=Path, required=True)
    weights = convert(parser.parse_args().onnx)
    BasicPitch().load_state_dict(weights)  # all of them, and no others
    save_file(weights, WEIGHTS / "basic-pitch.safetensors")


if __name__ == "__main__":
    main()
