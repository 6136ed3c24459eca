"""N-grams of the training set of the chorale network: weights/chorale-runs.safetensors.

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
from segue.generate.copying import PassageIndex, melody_ngrams
from segue.generate.harmony.chorale_frames import (
    CHECKPOINT_KIND,
    PRETRAINED,
    VOICE_NAMES,
    KnownChorales,
    voice_notes,
)
from segue.generate.harmony.chorale_network import LOWEST_PITCH
from segue.nn.checkpoint import save_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    pitches = {
        side: [np.where(piece.tokens > 0, piece.tokens + LOWEST_PITCH - 1, -1) for piece in pieces]
        for side, pieces in read_chorales(parser.parse_args().data).items()
    }
    names = [f"chorale {n} of those for learning" for n in range(1, len(pitches["train"]) + 1)]
    known = index_chorales(names, pitches["train"])
    print(save_known_chorales(known), sum(len(index.keys) for index in known.voices), "n-grams")
    shared = [known.report(chorale)["notes"] for chorale in pitches["test"]]
    print("notes shared by a chorale of the test set:", np.percentile(shared, [0, 25, 50, 75, 100]))


def index_chorales(names: Sequence[str], chorales: Sequence[NDArray[np.integer]]) -> KnownChorales:
    """Index chorales, each of shape (frames, 4): MIDI pitches, below 0 for silence."""
    return KnownChorales(
        tuple(
            PassageIndex.from_sequences(
                [melody_ngrams(voice_notes(chorale[:, voice])) for chorale in chorales], names
            )
            for voice in range(1, len(VOICE_NAMES))
        )
    )


def save_known_chorales(known: KnownChorales, path: Path = PRETRAINED) -> str:
    """Write the n-grams; return the file's fingerprint."""
    tensors = {}
    for name, index in zip(VOICE_NAMES[1:], known.voices, strict=True):
        tensors[f"{name}.runs"] = torch.from_numpy(index.keys.view(np.int16))
        tensors[f"{name}.starts"] = torch.from_numpy(index.starts.astype(np.int32))
    names = list(known.voices[0].names)
    return save_checkpoint(path, CHECKPOINT_KIND, {"names": names}, tensors)


if __name__ == "__main__":
    main()
