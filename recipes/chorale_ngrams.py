"""Hashes of the training set of the chorale network: weights/chorale-runs.safetensors.

    python -m recipes.chorale_ngrams --data ../shared/data

Prints what the chorales of the test set share with them, too: what composers share by themselves.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.chorales import read_chorales
from segue.generate.copying import (
    CHECKPOINT_KIND,
    PRETRAINED,
    VOICES,
    KnownChorales,
    ngram_hashes,
    voice_notes,
)
from segue.generate.harmony.chorale_network import LOWEST_PITCH
from segue.nn.checkpoint import save_checkpoint


def hash_chorales(names: Sequence[str], chorales: Sequence[NDArray[np.integer]]) -> KnownChorales:
    """Hash chorales, each of shape (frames, 4): MIDI pitches, below 0 for silence."""
    hashes, starts = [], []
    for voice in range(1, 1 + len(VOICES)):
        of_voice = [ngram_hashes(voice_notes(chorale[:, voice])) for chorale in chorales]
        hashes.append(np.concatenate(of_voice))
        starts.append(np.cumsum([0, *map(len, of_voice)])[:-1].astype(np.int64))
    return KnownChorales(tuple(names), tuple(hashes), tuple(starts))


def save_known_chorales(known: KnownChorales, path: Path = PRETRAINED) -> str:
    """Write the hashes; return the file's fingerprint."""
    tensors = {}
    for name, hashes, starts in zip(VOICES, known.hashes, known.starts, strict=True):
        tensors[f"{name}.runs"] = torch.from_numpy(hashes.view(np.int16))
        tensors[f"{name}.starts"] = torch.from_numpy(starts.astype(np.int32))
    return save_checkpoint(path, CHECKPOINT_KIND, {"names": list(known.names)}, tensors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    found = {
        side: [np.where(piece.tokens > 0, piece.tokens + LOWEST_PITCH - 1, -1) for piece in pieces]
        for side, pieces in read_chorales(parser.parse_args().data).items()
    }
    names = [f"chorale {place + 1} of those for learning" for place in range(len(found["train"]))]
    known = hash_chorales(names, found["train"])
    print(save_known_chorales(known), sum(map(len, known.hashes)), "n-grams")
    notes = [known.longest_shared_passage(one).notes for one in found["test"]]
    print("notes shared by a chorale for testing:", np.percentile(notes, [0, 25, 50, 75, 100]))


if __name__ == "__main__":
    main()
