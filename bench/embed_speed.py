"""Embedding speed of the space `dual-axis`, from cached spectrograms.

    python -m bench.embed_speed --data ../shared/data [--tracks 2000]

Images of 30 s are made of the first clips of the data, under as many names as tracks. Reading,
tiling, encoding and standardisation are timed, without the commit to the database.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from bench.result_tables import median_range, table, write_table
from recipes.datasets import game_music
from segue.audio.autoencoders import AutoencoderConfig
from segue.audio.learned_space import LearnedConfig, LearnedSound, build
from segue.audio.spectrogram import LOG_MEL_SPECS, log_mel_image
from segue.audio.training import tiles_of
from segue.ingest.cache import Cache

CLIPS = 20
AT_ONCE = 64
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tracks", type=int, default=2000)
    options = parser.parse_args()
    audio = options.data / "audio"
    paths = game_music.read_clips(audio / "tracks.csv").paths[:CLIPS]
    images = [
        log_mel_image(game_music.read_clip(audio / p), LOG_MEL_SPECS["mel128"]) for p in paths
    ]
    config = LearnedConfig(AutoencoderConfig("dual-axis"), "mel128")
    torch.manual_seed(0)
    unit = np.ones(256, np.float32)
    sound = LearnedSound(config, build(config), 0 * unit, unit, {})
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        names = [f"{number:032x}" for number in range(options.tracks)]
        for number, name in enumerate(names):
            cache.write(name, images[number % CLIPS])
        for threads in (1, 2):
            torch.set_num_threads(threads)
            rates = [options.tracks / seconds(cache, names, sound) for _ in range(ROUNDS)]
            rows.append((threads, *median_range(rates)))
    write_table(
        "embed_speed",
        "Embedding speed of the space `dual-axis` from the cache",
        [
            f"{options.tracks} images of 30 s, {ROUNDS} rounds.\n",
            table(("threads", "tracks/s, median", "minimum", "maximum"), rows),
        ],
    )


def seconds(cache: Cache, names: list[str], sound: LearnedSound) -> float:
    began = time.perf_counter()
    for start in range(0, len(names), AT_ONCE):
        batch = [cache.read(name) for name in names[start : start + AT_ONCE]]
        tiles = [tiles_of(sound.config, image) for image in batch if image is not None]
        sound.vectors(tiles, [0.0] * len(tiles))
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
