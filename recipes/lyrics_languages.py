"""The base of German, French, Spanish and Italian verse: weights/lyrics-languages.safetensors.

    python -m recipes.lyrics_languages --data ../shared/data --work .bench-cache/languages
    python -m recipes.lyrics_languages --data ../shared/data --work .bench-cache/languages --save

The first trains, or continues a run; the second writes the weights. One character network learns
all four languages, each with a style of its own; weights/verse-words.safetensors has the words of
each with their frequencies, for lines of a metre. With `--start` the network begins with the
weights of the LSTM that learned English verse. Authors whose names hash first are held out: of each
language `TEST_AUTHORS` for the bench, and `VALIDATION_AUTHORS` for early stopping.

On a GPU, `--device cuda --width 1024 --layers 2 --minutes 20` makes a better one.
"""

import argparse
import lzma
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.numpy import save_file

from recipes import print_progress
from recipes.datasets.poems import foreign_verse, hold_out_authors
from segue.builtin_spaces import LYRICS_ENCODER
from segue.generate.copying import NgramFilter
from segue.generate.lyrics.language_model import LANGUAGES_BASE, VERSE_STYLES, LanguageModel
from segue.generate.lyrics.network import CharNetwork, CharNetworkConfig
from segue.generate.lyrics.training import RECIPES, TokenizedSong, WindowSampler, tokenize_song
from segue.lyrics.phonetics import normalised_words
from segue.lyrics.pronunciation import VERSE_WORDS
from segue.nn.lm_training import LMTrainingConfig, fit_lm, load_best
from segue.nn.trainer import STATE, data_fingerprint
from segue.records import Lyrics

LANGUAGES: Final = ("de", "es", "fr", "it")
#: Authors held out of each language: for the bench, and for early stopping.
TEST_AUTHORS: Final = 3
VALIDATION_AUTHORS: Final = 2
#: Characters of an author that is held out, at least; in Spanish, where poems are by many, fewer.
FEWEST: Final[Mapping[str, int]] = {"de": 60_000, "es": 17_000, "fr": 60_000, "it": 60_000}
#: A word is in the lexicon if so many authors use it so often.
FEWEST_USES: Final = 5
FEWEST_AUTHORS: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
NGRAM_SIZES: Final = (4096, 16384, 32768, 32768, 32768)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--steps", type=int, default=200, help="of an epoch")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    languages = options.languages.split(",")
    parts = divided(foreign_verse(options.data), languages)
    network = CharNetwork(
        CharNetworkConfig(
            options.width, options.layers, ngram_sizes=NGRAM_SIZES, num_styles=len(languages),
            dropout=0.1, ngram_dropout=0.2,
        )
    )  # fmt: skip
    if options.save:
        load_best(network, options.work)
        save(network, parts)
        return
    if options.start:
        begin_with_english(network)
    recipe = replace(RECIPES["default"], config=network.config, batch_size=options.batch)
    settings = LMTrainingConfig(
        recipe.context, batch_size=options.batch, epochs=options.epochs,
        steps_per_epoch=options.steps, learning_rate=options.rate, weight_decay=0.05,
        max_transpose=0, ema_decay=0.995, patience=6, minutes=options.minutes,
        device=options.device,
    )  # fmt: skip
    windows = WindowSampler(parts["train"], languages, recipe)
    validation = WindowSampler(parts["validation"], languages, recipe).all()
    run = {"songs": data_fingerprint(song.lyrics.text for song in parts["train"])}
    fitted = fit_lm(
        network, settings, windows.draw, validation, options.work, run,
        resume=(options.work / STATE).exists(), watch=print_progress(),
    )  # fmt: skip
    print(fitted.best, fitted.summary())
    for language in languages:
        own = [song for song in parts["validation"] if song.artist == language]
        bits = validation_bits(network, WindowSampler(own, languages, recipe))
        print(f"{language}: {bits:.3f} bits")


def save(network: CharNetwork, parts: Mapping[str, Sequence[TokenizedSong]]) -> None:
    """Write the base with the n-grams of its corpus, and the words of each language."""
    train = parts["train"]
    metadata = {
        "training": {"preset": "default"},
        "artist": "",
        "songs": len(train),
        "characters": sum(len(song.lyrics.text) for song in train),
    }
    corpus = NgramFilter.build(normalised_words(song.lyrics.text) for song in train)
    styles = tuple(VERSE_STYLES[language] for language in LANGUAGES)
    LanguageModel(network, styles, (), metadata, corpus=corpus).save(LANGUAGES_BASE, quantize=True)
    tensors = {}
    for language in LANGUAGES:
        words = frequent_words([song for song in train if song.artist == language])
        packed = lzma.compress("\n".join(words).encode(), preset=9 | lzma.PRESET_EXTREME)
        tensors[f"{language}.words"] = np.frombuffer(packed, np.uint8)
        tensors[f"{language}.counts"] = np.array([*words.values()], np.uint8)
    save_file(tensors, VERSE_WORDS)
    for path in (LANGUAGES_BASE, VERSE_WORDS):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


def frequent_words(songs: Sequence[TokenizedSong]) -> dict[str, int]:
    """Return the words of several authors, with ten times the logarithm of their counts."""
    counts: Counter[str] = Counter()
    authors: dict[str, set[str]] = {}
    for song in songs:
        for word in normalised_words(song.lyrics.text):
            counts[word] += 1
            authors.setdefault(word, set()).add(song.lyrics.tags.album)
    return {
        word: min(round(10 * math.log(count)), 255)
        for word, count in sorted(counts.items())
        if count >= FEWEST_USES and len(authors[word]) >= FEWEST_AUTHORS and _WORD.fullmatch(word)
    }


def divided(
    songs: Mapping[str, Sequence[Lyrics]], languages: Sequence[str]
) -> dict[str, list[TokenizedSong]]:
    """Return the poems for training, validation and test, by author; the artist is the language."""
    parts: dict[str, list[TokenizedSong]] = {"train": [], "validation": [], "test": []}
    for language in languages:
        own = songs[language]
        held = hold_out_authors(own, FEWEST[language], TEST_AUTHORS + VALIDATION_AUTHORS)
        for song in own:
            part = "train"
            if song.tags.artist in held:
                part = "test" if song.tags.artist in held[:TEST_AUTHORS] else "validation"
            tags = replace(song.tags, artist=language, album=song.tags.artist)
            parts[part].append(tokenize_song(replace(song, tags=tags)))
    return parts


@torch.inference_mode()
def validation_bits(network: CharNetwork, windows: WindowSampler) -> float:
    """Return the bits per character of windows."""
    losses = [float(network.loss(*batch)) for batch in windows.all()]
    return float(np.mean(losses)) / math.log(2)


def begin_with_english(network: CharNetwork) -> None:
    """Copy the weights that fit of the LSTM that learned English verse."""
    english = LanguageModel.load(LYRICS_ENCODER).network.state_dict()
    own = network.state_dict()
    for name, tensor in english.items():
        if name in own and own[name].shape == tensor.shape and not name.startswith("styles"):
            own[name].copy_(tensor)


if __name__ == "__main__":
    main()
