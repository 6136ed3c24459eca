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
    images = [image(file) for file in files]
    joint = learned(images, steps * len(images), seed=0)
    joint_vectors = np.stack([vector(joint, image_) for image_ in images])
    own_vectors = np.stack(
        [
            vector(learned([image_], steps, seed=number), image_)
            for number, image_ in enumerate(images)
        ]
    )
    same_start = np.stack([vector(learned([image_], steps, seed=0), image_) for image_ in images])
    untrained = learned(images, 0, seed=0)
    before = np.stack([vector(untrained, image_) for image_ in images])
    rows = []
    for name, vectors in (
        ("one network for all tracks", joint_vectors),
        ("one network per track, different initial weights", own_vectors),
        ("one network per track, the same initial weights", same_start),
        ("no training", before),
    ):
        standard = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)
        metrics = evaluate_retrieval(standard, albums)
        rows.append(
            (
                name,
                ranged(bootstrap_interval([metrics])),
                metrics.precision_at_5,
                metrics.mean_average_precision,
            )
        )
    write_table(
        "per_track_autoencoders",
        "One autoencoder for all tracks, or one per track",
        [
            f"{len(files)} tracks, {steps} steps of {BATCH} tiles for each song, "
            f"{metrics.queries} of them ask; chance {metrics.chance_precision:.3f}.\n",
            table(("trained", "album P@1 (95 % over albums)", "P@5", "mAP"), rows),
        ],
    )


def image(file: Path) -> ByteArray:
    samples = read_recording(file, SAMPLE_RATE_HZ, training_span).excerpts[0]
    return log_mel_image(samples, LOG_MEL_SPECS["mel128"])


def learned(images: list[ByteArray], steps: int, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = build(AutoencoderConfig("dual-axis"))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    for _ in range(steps):
        tiles = []
        for number in rng.integers(len(images), size=BATCH):
            last_start = images[number].shape[2] - 128
            tiles.append(tile_at(images[number], int(rng.integers(last_start + 1)), 128))
        with torch.autocast("cpu", torch.bfloat16):
            loss = network.loss(to_tensor(np.stack(tiles)))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return network.eval()


@torch.inference_mode()
def vector(network: torch.nn.Module, image_: ByteArray) -> FloatArray:
    tiles = to_tensor(evenly_spaced_tiles(image_, 128, 32))
    return np.asarray(network.vector(tiles).mean(0).numpy())  # type: ignore[operator]


if __name__ == "__main__":
    main()
