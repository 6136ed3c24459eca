"""Constants of the space `tags` of recordings: weights/tags.safetensors.

python -m recipes.tags --data ../shared/data
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from segue.audio.musicnn import load_musicnn
from segue.audio.spectrogram import SAMPLE_RATE_HZ, musicnn_patches, spans_to_analyse
from segue.builtin_spaces import WEIGHTS
from segue.io.audio import read_recording


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    network = load_musicnn(WEIGHTS / "musicnn.safetensors")
    logits = []
    for path in sorted((options.data / "audio").glob("*/*.ogg")):
        patches = musicnn_patches(read_recording(path, SAMPLE_RATE_HZ, spans_to_analyse))
        parts = [network(torch.from_numpy(part)).logits for part in np.array_split(patches, 3)]
        logits.append(torch.cat(parts).mean(0).numpy())
    mean = np.mean(logits, axis=0).astype(np.float32)
    scale = np.std(logits, axis=0).astype(np.float32)
    save_file({"mean": mean, "scale": scale}, WEIGHTS / "tags.safetensors")


if __name__ == "__main__":
    main()
