"""Activations of the published ONNX file, which tests hold `segue.audio.note_events` to.

python tests/audio/make_basic_pitch_reference.py nmp.onnx

It needs onnxruntime; see recipes/basic_pitch.py for the file.
"""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np

#: Outputs of the ONNX file, by their names here.
OUTPUTS = {
    "contour": "StatefulPartitionedCall:0",
    "note": "StatefulPartitionedCall:1",
    "onset": "StatefulPartitionedCall:2",
}


def windows() -> np.ndarray:
    """Return a chord with noise, a melody and noise, shape (3, 43844), float32."""
    time_s = np.arange(43_844) / 22_050
    noise = np.random.default_rng(0).normal(0, 0.02, (3, len(time_s)))
    chord = sum(
        np.sin(2 * np.pi * hz * harmonic * time_s) / harmonic
        for hz in (110, 277.2, 440)
        for harmonic in range(1, 6)
    )
    pitches_hz = np.array([523.3, 587.3, 659.3, 784.0])[(2 * time_s).astype(int)]
    melody = np.sin(2 * np.pi * pitches_hz * time_s)
    clean = np.stack([0.1 * chord, melody, 0 * time_s])
    return np.asarray(clean + noise, np.float32)


def main() -> None:
    session = import_module("onnxruntime").InferenceSession(
        sys.argv[1], providers=["CPUExecutionProvider"]
    )
    samples = {"serving_default_input_2:0": windows()[..., None]}
    arrays = session.run(list(OUTPUTS.values()), samples)
    target = Path(__file__).with_name("basic_pitch_reference.npz")
    np.savez_compressed(
        target, **{name: array[:, ::16] for name, array in zip(OUTPUTS, arrays, strict=True)}
    )


if __name__ == "__main__":
    main()
