"""The base of German, French, Spanish and Italian verse: bits per character of unseen authors.

    python -m bench.lyrics_languages --data ../shared/data --work .bench-cache/languages

For authors that the base did not learn from (`recipes/lyrics_languages.py` holds them out), poems
of the author's test set are predicted by the base as it is, by the base after fine-tuning on the
author's training set, by a network that is trained on that from scratch for as many steps, and by
Kneser–Ney. What is in the work folder already is not measured again.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.lyrics_baselines import kneser_ney_bits
from bench.result_tables import table, write_table
from recipes.datasets.poems import foreign_verse, hold_out_authors
from recipes.lyrics import split_songs
from recipes.lyrics_languages import FEWEST, LANGUAGES, TEST_AUTHORS
from segue.generate.lyrics.language_model import LANGUAGES_BASE, VERSE_STYLES, LanguageModel
from segue.generate.lyrics.training import (
    LyricsTraining,
    Split,
    TokenizedSong,
    bits_per_character,
    train_lyrics,
)
from segue.generate.lyrics.vocabulary import encode_song
from segue.records import Lyrics

Result = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--authors", type=int, default=TEST_AUTHORS, help="of each language")
    parser.add_argument("--epochs", type=int, default=8, help="of 100 steps, for both networks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = LanguageModel.load(LANGUAGES_BASE)
    verse = foreign_verse(options.data)
    results: list[Result] = []
    for number in range(options.authors):
        for language in LANGUAGES:
            author = hold_out_authors(verse[language], FEWEST[language], TEST_AUTHORS)[number]
            songs = [song for song in verse[language] if song.tags.artist == author]
            path = options.work / f"{language} {number}.json"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                found = measured(songs, language, base, options.work / "run", options.epochs)
                path.write_text(json.dumps({"author": author, "language": language, **found}))
            results.append(json.loads(path.read_text()))
            print(results[-1], flush=True)
    show(results, options.epochs)


def measured(
    songs: Sequence[Lyrics], language: str, base: LanguageModel, folder: Path, epochs: int
) -> Result:
    """Return the bits per character of an author's test set."""
    split = split_songs(songs)
    known, test = ([song.lyrics.text for song in some] for some in (split.train, split.test))
    found: Result = {
        "characters": sum(map(len, known)),
        "kneser-ney": kneser_ney_bits(known, test),
        "base": bits_of_style(base, VERSE_STYLES[language], split.test),  # type: ignore[index]
    }
    for name, start in (("fine-tuned", base), ("scratch", None)):
        shutil.rmtree(folder, ignore_errors=True)
        found[name], found[f"{name}, seconds"] = trained(split, start, folder, epochs)
    return found


def bits_of_style(model: LanguageModel, style: str, songs: Sequence[TokenizedSong]) -> float:
    """Return the bits per character of songs in one style of a model, their ends included."""
    lm = model.ensemble(model.style_index(style))
    nats = sum(float(lm.nll(encode_song(song.lyrics.text)).sum()) for song in songs)
    return nats / 0.6931472 / sum(len(song.lyrics.text) + 1 for song in songs)


def trained(
    split: Split, start: LanguageModel | None, folder: Path, epochs: int
) -> tuple[float, float]:
    """Train, and return bits per character and seconds of processor time."""
    began = time.process_time()
    model, _ = train_lyrics(LyricsTraining(epochs=epochs), split, folder, start=start)
    spent = time.process_time() - began
    bits = bits_per_character(model, split.test)
    assert bits is not None
    return bits, spent


def show(results: Sequence[Result], epochs: int) -> None:
    """Make the table."""
    names = ("base", "kneser-ney", "scratch", "fine-tuned")
    rows = [
        (one["author"], one["language"], f"{one['characters']:,}", *(one[name] for name in names),
         f"{one['fine-tuned, seconds']:.0f}", f"{one['scratch, seconds']:.0f}")
        for one in sorted(results, key=lambda each: each["language"])
    ]  # fmt: skip
    best = sum(
        one["fine-tuned"] < min(one["scratch"], one["kneser-ney"], one["base"]) for one in results
    )
    write_table(
        "lyrics_languages",
        "Verse in German, French, Spanish and Italian: authors that the base has not seen",
        [
            "Bits per character of the author's test set (a tenth of the poems, by hash). Both "
            f"trained networks have at most {epochs} times 100 steps of 16 windows of 128 "
            "characters, and the n-gram model of the author's training set beside them; "
            "seconds are of processor time, one thread, with the tuning of its weight.\n",
            table(
                ["author", "language", "characters to learn from", "base as it is",
                 "Kneser–Ney of order 5", "from scratch", "**base, fine-tuned**",
                 "seconds, fine-tuning", "seconds, from scratch"],
                rows,
            ),
            f"\nThe fine-tuned base predicts best for {best} of {len(results)} authors.\n",
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
