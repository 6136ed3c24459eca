"""The lyrics language model: weights/lyrics.safetensors; and the encoder of the space `lyrics`.

    python -m recipes.lyrics --data ../shared/data --base LETTERS
    python -m recipes.lyrics --data ../shared/data --work .bench-cache/letters --train encoder
    python -m recipes.lyrics --data ../shared/data --work .bench-cache/letters --save
    python -m recipes.lyrics --data ../shared/data --work .bench-cache/letters --train large

The first makes the bundled model of a transformer that was trained on English verse on a GPU
(LETTERS is ../shared/pretrained/letters-384x6.safetensors): with the songs of the authors' training
sets, their n-gram models, and the n-grams of the verse. The second trains the LSTM of the space
`lyrics` on all authors but those of the trecento (whose sources reserve rights), or continues a
run; the third writes its weights. The fourth trains the base "large" of
`bench/lyrics_language_model.py`, on the authors of many characters.
"""

import argparse
import bz2
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor

from recipes import print_progress
from recipes.datasets.poems import verse
from segue.builtin_spaces import LYRICS_ENCODER, LYRICS_SPACE
from segue.generate.copying import NgramFilter
from segue.generate.lyrics.language_model import MODEL_FILE, PRETRAINED, LanguageModel
from segue.generate.lyrics.network import CharNetwork, CharNetworkConfig
from segue.generate.lyrics.training import (
    LyricsTraining,
    Split,
    bits_per_character,
    split_by_artist,
    tokenize_song,
    train_lyrics,
    tune_ngram_weights,
)
from segue.ingest.embedding import pooled_states
from segue.lyrics.phonetics import normalised_words
from segue.nn.checkpoint import rename_parameters
from segue.nn.trainer import STATE
from segue.records import Lyrics

TRECENTO: Final = "14th-c. Italian/Latin/French poets"
#: Characters, with titles, below which an author is not in the training set of the base "large".
SMALL_ARTIST: Final = 110_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(".bench-cache/letters"))
    parser.add_argument("--base", type=Path, help="weights of a transformer trained on verse")
    parser.add_argument("--train", choices=("encoder", "large"))
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--epochs", type=int, default=110)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    songs = verse(options.data)
    if options.train:
        train(options.train, songs, options.work / options.train, options.epochs)
    if options.base:
        save_base(songs, options.base, options.data)
    if options.save:
        save_encoder(songs, options.work / "encoder")


def train(name: str, songs: Sequence[Lyrics], work: Path, epochs: int) -> None:
    """Train, or continue a run."""
    excluded = [TRECENTO] if name == "encoder" else small_artists(songs)
    split = split_songs([song for song in songs if song.tags.artist not in excluded])
    model, _ = train_lyrics(
        LyricsTraining(epochs=epochs),
        split,
        work,
        resume=(work / STATE).exists(),
        watch=print_progress(),
    )
    print(model.metadata)


def save_base(songs: Sequence[Lyrics], weights: Path, data: Path) -> None:
    """Write the bundled model, and print the loss before and after quantisation."""
    with safe_open(weights, "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    artists = [artist for artist in about["voices"] if artist != TRECENTO]
    network = base_network(about, tensors, len(artists))
    split = split_songs([song for song in songs if song.tags.artist in artists])
    verse_text = bz2.decompress((data / "lyrics" / "gutenberg_verse.txt.bz2").read_bytes()).decode()
    metadata = {
        "training": {"preset": "default"},
        "artist": "",
        "songs": len(split.train),
        "characters": len(verse_text),
    }
    training_songs = tuple(song.lyrics for song in split.train)
    model = LanguageModel(network, tuple(artists), training_songs, metadata)
    model = replace(model, ngram_weights=tune_ngram_weights(model, split.validation))
    filtered = NgramFilter.build(map(normalised_words, verse_text.split("\0")))
    replace(model, corpus=filtered).save(PRETRAINED, quantize=True)
    print(f"{PRETRAINED}: {PRETRAINED.stat().st_size / 1e6:.2f} MB")
    for name, each in (("as given", model), ("quantised", LanguageModel.pretrained())):
        bits = bits_per_character(each, split.test)
        print(f"{name}: {bits:.4f} bits per character of the test songs")


def base_network(about: dict[str, Any], tensors: dict[str, Tensor], styles: int) -> CharNetwork:
    """Build the network from matrices in 8 bits; the style of the trecento is left out."""
    dequantised = {
        name.removesuffix(".int8"): tensor.float()
        * (tensors[name.replace(".int8", ".scale")].float() if name.endswith(".int8") else 1)
        for name, tensor in tensors.items()
        if not name.endswith(".scale")
    }
    state = rename_parameters(dequantised, "lyrics")
    names = ["", *about["voices"]]
    rows = [at for at, name in enumerate(names) if name != TRECENTO]
    state["styles.weight"] = state["styles.weight"][rows]
    config = CharNetworkConfig(
        about["width"],
        about["layers"],
        "transformer",
        tuple(about["runs"]),
        about["run_width"],
        styles,
        dropout=0.05,
        ngram_dropout=0.1,
        heads=about["heads"],
        context=about["context"],
    )
    network = CharNetwork(config)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def save_encoder(songs: Sequence[Lyrics], work: Path) -> None:
    """Write the encoder of the space `lyrics`, and the scale of the space."""
    model = replace(LanguageModel.load(work / MODEL_FILE), training_songs=(), ngram_weights={})
    model.save(LYRICS_ENCODER, quantize=True)
    split = split_songs([song for song in songs if song.tags.artist != TRECENTO])
    network = LanguageModel.load(LYRICS_ENCODER).network
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
