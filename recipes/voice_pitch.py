"""The weights of SwiftF0: weights/voice-pitch.safetensors, converted from its ONNX file.

pip download --no-deps swift-f0==0.3.0 && unzip swift_f0-*.whl
python -m recipes.voice_pitch --onnx swift_f0/model.onnx

The package onnx reads the file; nothing is trained.
"""

import argparse
from importlib import import_module
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from segue.audio.voice_pitch import WINDOWS
from segue.builtin_spaces import WEIGHTS

#: Names of the convolutions in the order of the graph.
_LAYERS = (
    "input",
    *(f"block-{index}.{layer}" for index in range(6) for layer in (0, 1)),
    "head", "salience", "pitch", "voicing.0", "voicing.1",
)  # fmt: skip


def convert(path: Path) -> dict[str, np.ndarray]:
    """Return the weights for `segue.audio.voice_pitch` from the published ONNX file."""
    onnx = import_module("onnx")
    graph = onnx.load(str(path)).graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    weights: dict[str, np.ndarray] = {}
    layers = iter(_LAYERS)
    for node in graph.node:
        if node.op_type == "Conv":
            name = next(layers)
            kernel = constants[node.input[1]]
            # Convolutions along time alone have one band.
            weights[f"{name}.weight"] = kernel if kernel.ndim == 4 else kernel[:, :, None]
            weights[f"{name}.bias"] = constants[node.input[2]]
    scattered = [node for node in graph.node if node.op_type == "ScatterElements"]
    for size, node in zip(WINDOWS, scattered, strict=True):
        weights[f"bands-{size}.index"] = constants[node.input[1]]
        weights[f"bands-{size}.value"] = constants[node.input[2]]
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=WEIGHTS / "voice-pitch.safetensors")
    arguments = parser.parse_args()
    save_file(convert(arguments.onnx), arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
