"""The lyrics language model: weights/lyrics.safetensors and lyrics-space.safetensors.

    python -m recipes.lyrics --data ../shared/data --work .bench-cache/letters --train bundled
    python -m recipes.lyrics --data ../shared/data --work .bench-cache/letters --save
    python -m recipes.lyrics --data ../shared/data --work .bench-cache/letters --train large

The first trains on all authors but those of the trecento (whose sources reserve rights), or
continues a run; the second writes the weights. The third trains the base "large" of
`bench/lyrics_language_model.py`, on the authors of many characters.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.numpy import save_file

from recipes import print_progress
from recipes.datasets.poems import verse
from segue.builtin_spaces import LYRICS_SPACE
from segue.generate.lyrics.language_model import MODEL_FILE, PRETRAINED, LanguageModel
from segue.generate.lyrics.training import (
    LyricsTraining,
    Split,
    bits_per_character,
    split_by_artist,
    tokenize_song,
    train_lyrics,
)
from segue.ingest.embedding import pooled_states
from segue.nn.trainer import STATE
from segue.records import Lyrics

TRECENTO: Final = "14th-c. Italian/Latin/French poets"
#: Characters, with titles, below which an author is not in the training set of the base "large".
SMALL_ARTIST: Final = 110_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--train", choices=("bundled", "large"))
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--epochs", type=int, default=110)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    songs = verse(options.data)
    if options.train:
        train(options.train, songs, options.work / options.train, options.epochs)
    if options.save:
        save(songs, options.work / "bundled")


def train(name: str, songs: Sequence[Lyrics], work: Path, epochs: int) -> None:
    """Train, or continue a run."""
    excluded = [TRECENTO] if name == "bundled" else small_artists(songs)
    split = split_songs([song for song in songs if song.tags.artist not in excluded])
    model, _ = train_lyrics(
        LyricsTraining(epochs=epochs),
        split,
        work,
        resume=(work / STATE).exists(),
        watch=print_progress(),
    )
    print(model.metadata)


def save(songs: Sequence[Lyrics], work: Path) -> None:
    """Write the bundled weights, and print the loss before and after quantisation."""
    model = LanguageModel.load(work / MODEL_FILE)
    model.save(PRETRAINED, quantize=True)
    split = split_songs([song for song in songs if song.tags.artist != TRECENTO])
    for name, one in (("trained", model), ("quantised", LanguageModel.pretrained())):
        bits = bits_per_character(one, split.test)
        print(f"{name}: {bits:.4f} bits per character of the test songs")
    print(f"{PRETRAINED}: {PRETRAINED.stat().st_size / 1e6:.2f} MB")
    network = LanguageModel.pretrained().network
    states = np.stack([pooled_states(network, song.lyrics.text) for song in split.train])
    save_file({"mean": states.mean(axis=0), "scale": states.std(axis=0).clip(1e-3)}, LYRICS_SPACE)


def split_songs(songs: Sequence[Lyrics]) -> Split:
    return split_by_artist([tokenize_song(song) for song in songs])


def small_artists(songs: Sequence[Lyrics]) -> list[str]:
    """Return the artists of less than `SMALL_ARTIST` characters."""
    counts: dict[str, int] = {}
    for song in songs:
        counts[song.tags.artist] = counts.get(song.tags.artist, 0) + len(song.text)
    return [artist for artist, count in counts.items() if count < SMALL_ARTIST]


if __name__ == "__main__":
    main()
