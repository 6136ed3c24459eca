"""The projection of the space `sound`: weights/sound.safetensors.

    python -m recipes.sound --data ../shared/data --cache DIR

Fitted on all clips, clean and degraded; `--cache` keeps what is computed of them once (half an hour
on one core). `bench/sound_space.py` fits it on one fold and tests it on the other.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from recipes.datasets.game_music import COPIES, TEST, Version, cached, read_clips
from recipes.sound_projection import Described, SoundSpaceConfig, fit_head, head_to_bytes
from segue.audio.embedding import Head
from segue.builtin_spaces import WEIGHTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = fit_projection(read_versions(options.data, options.cache), SoundSpaceConfig())
    (WEIGHTS / "sound.safetensors").write_bytes(head_to_bytes(head))


def read_versions(data: Path, cache: Path) -> dict[str, Version]:
    """Return the clips as they are, with the start cut off, and degraded."""
    cache.mkdir(parents=True, exist_ok=True)
    clips = read_clips(data / "audio" / "tracks.csv")
    return {name: cached(cache, data / "audio", clips, name) for name in ("clean", "cut", *COPIES)}


def features_of(versions: dict[str, Version]) -> Described:
    first, second = versions["clean"].halves
    return Described(versions["clean"].features, (first, second), versions[TEST].features)


def fit_projection(
    versions: dict[str, Version], config: SoundSpaceConfig, train: np.ndarray | None = None
) -> Head:
    """Fit the projection on the clips of a mask, by default on all."""
    if train is None:
        train = np.ones(len(versions["clean"].features), bool)
    return fit_head(
        versions["clean"].patches.only(train),
        [versions[name].patches.only(train) for name in COPIES],
        features_of(versions).only(train),
        config,
    )


if __name__ == "__main__":
    main()
