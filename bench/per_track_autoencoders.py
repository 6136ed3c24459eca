"""One autoencoder for all tracks compared with one per track, as in the published experiment.

    python -m bench.per_track_autoencoders [--steps 12]

On the bundled collection: the network `dual-axis`, trained on all tracks together, and on each
track alone with as many steps in total; retrieval of tracks of the same album. There is no test
set: the published work had none either.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import segue
from bench.result_tables import table, write_table
from bench.sound_space import ranged
from segue.audio.autoencoders import AutoencoderConfig, build
from segue.audio.spectrogram import (
    LOG_MEL_SPECS,
    SAMPLE_RATE_HZ,
    ByteArray,
    log_mel_image,
    training_span,
)
from segue.audio.training import evenly_spaced_tiles, tile_at, to_tensor
from segue.evaluation.retrieval import bootstrap_interval, evaluate_retrieval
from segue.io.audio import read_recording
from segue.records import FloatArray

COLLECTION = Path(segue.__file__).parent / "collection"
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12, help="for each song")
    steps: int = parser.parse_args().steps
    files = sorted(COLLECTION.rglob("*.ogg"))
    albums = [file.parent.name for file in files]
    shown = [image(file) for file in files]
    joint = learned(shown, steps * len(shown), seed=0)
    together = np.stack([vector(joint, one) for one in shown])
    apart = np.stack(
        [vector(learned([one], steps, seed=number), one) for number, one in enumerate(shown)]
    )
    same_start = np.stack([vector(learned([one], steps, seed=0), one) for one in shown])
    untrained = learned(shown, 0, seed=0)
    before = np.stack([vector(untrained, one) for one in shown])
    rows = []
    for name, vectors in (
        ("one network for all tracks", together),
        ("one network per track, different initial weights", apart),
        ("one network per track, the same initial weights", same_start),
        ("no training", before),
    ):
        standard = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)
        found = evaluate_retrieval(standard, albums)
        rows.append(
            (
                name,
                ranged(bootstrap_interval([found])),
                found.precision_at_5,
                found.mean_average_precision,
            )
        )
    write_table(
        "per_track_autoencoders",
        "One autoencoder for all tracks, or one per track",
        [
            f"{len(files)} tracks, {steps} steps of {BATCH} tiles for each song, "
            f"{found.queries} of them ask; chance {found.chance_precision:.3f}.\n",
            table(("trained", "album P@1 (95 % over albums)", "P@5", "mAP"), rows),
        ],
    )


def image(file: Path) -> ByteArray:
    samples = read_recording(file, SAMPLE_RATE_HZ, training_span).excerpts[0]
    return log_mel_image(samples, LOG_MEL_SPECS["mel128"])


def learned(shown: list[ByteArray], steps: int, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = build(AutoencoderConfig("dual-axis"))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    for _ in range(steps):
        tiles = []
        for number in rng.integers(len(shown), size=BATCH):
            most = shown[number].shape[2] - 128
            tiles.append(tile_at(shown[number], int(rng.integers(most + 1)), 128))
        with torch.autocast("cpu", torch.bfloat16):
            loss = network.loss(to_tensor(np.stack(tiles)))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return network.eval()


@torch.inference_mode()
def vector(network: torch.nn.Module, shown: ByteArray) -> FloatArray:
    tiles = to_tensor(evenly_spaced_tiles(shown, 128, 32))
    return np.asarray(network.vector(tiles).mean(0).numpy())  # type: ignore[operator]


if __name__ == "__main__":
    main()
