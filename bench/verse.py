"""Verse of a given form: rhyme by sound, syllables, stress, word sequences, grammar and copies.

    python -m bench.verse --data ../shared/data --work .bench-cache/verse --poems 50

Quatrains in common metre in the styles of the bundled authors are compared with held-out quatrains
of the same data, and with markovify (a word-bigram chain) on the songs of the training set. Word
sequences are looked up in verse that nothing was trained on. Sentences are parsed by link-parser
(Debian's link-grammar, with link-grammar-dictionaries-en). Texts already in the work folder are not
generated again.
"""

import argparse
import bz2
import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.generated_lyrics import MOST_LINES, held_out
from bench.result_tables import table, write_table
from recipes.datasets.poems import verse
from segue.generate.copying import hash_ngrams
from segue.generate.lyrics.form import FORMS, stanza_forms
from segue.generate.lyrics.form_report import count_rhymes, form_figures
from segue.generate.lyrics.language_model import LanguageModel
from segue.generate.lyrics.report import fit_authorship
from segue.generate.lyrics.sampler import ArtistStyle, LyricsOptions, sample_lyrics
from segue.io.lyrics_text import sung_lines
from segue.lyrics.phonetics import normalised_words

FORM: Final = "common"
LINES: Final = 4
#: English authors; the hymns are German.
NOT_ENGLISH: Final = "Lutheran hymn writers"
ORDERS: Final = (2, 3)
MAX_COPY: Final = 40
#: Words of a sentence that is parsed, and seconds that the parser may take for it.
PARSED_WORDS: Final = range(3, 21)
PARSER_SECONDS: Final = 3
_SENTENCE_END: Final = re.compile(r"[.;:!?]+|--|—")
Poem = list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(".bench-cache/verse"))
    parser.add_argument("--poems", type=int, default=50)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="of parts, to share")
    parser.add_argument("--only-write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    model = LanguageModel.pretrained()
    written, seconds = generate(model, options.work, options.poems, *options.part)
    if options.only_write:
        return
    songs = [
        song for song in verse(options.data)
        if song.tags.artist in model.artists and song.tags.artist != NOT_ENGLISH
    ]  # fmt: skip
    trained = {song.text for song in model.training_songs}
    held_texts = [song.text for song in songs if song.text not in trained]
    stretches = (options.data / "lyrics" / "gutenberg_verse_held.txt").read_text().split("\0")
    texts = {
        "generated": written,
        "held-out songs of the authors": quatrains(held_texts, len(written)),
        "markovify": markov(
            [song.text for song in model.training_songs if song.tags.artist != NOT_ENGLISH],
            len(written),
        ),
    }
    corpus_text = bz2.decompress(
        (options.data / "lyrics" / "gutenberg_verse.txt.bz2").read_bytes()
    ).decode()
    longest = longest_copies(
        texts.values(), [*corpus_text.split("\0"), *(song.text for song in model.training_songs)]
    )
    forms = stanza_forms(FORMS[FORM].rhyme, FORMS[FORM].meters)
    learns, asks = held_out([song for song in songs if song.text not in trained])
    judge = fit_authorship(learns, max_lines=MOST_LINES)
    artists = english_artists(model)
    attributed = {
        "generated": [
            judge.attributed_share(
                [line for poem in written[at :: len(artists)] for line in poem],
                artist,
                neighbours=0,
            )
            for at, artist in enumerate(artists[: len(written)])
        ],
        "held-out songs of the authors": [
            judge.attributed_share(
                [line for text in asks[artist] for line in sung_lines(text)], artist, neighbours=0
            )
            for artist in artists[: len(written)]
        ],
    }
    rows: list[list[object]] = []
    for (name, poems), copy in zip(texts.items(), longest, strict=True):
        figures = form_figures(poems, forms, "en")
        found = [known_ngrams(poems, stretches, order) for order in ORDERS]
        rows.append([
            name, len(poems),
            figures.rhymes_kept / figures.rhymes_asked,
            sum(count_rhymes(poem, "en", lines_before=LINES) for poem in poems)
            / sum(map(len, poems)),
            figures.syllables_kept / figures.syllables_asked,
            figures.stresses_kept / figures.stresses_asked,
            *found, parsed_share(poems),
            float(np.mean(attributed[name])) if name in attributed else "–", copy,
        ])  # fmt: skip
    columns = ["", "quatrains", "rhymes as ABAB", "lines with a rhyme", "syllables as 8, 6, 8, 6",
               "stresses as iambic", "2-word sequences in held-out verse", "3-word",
               "sentences parsed", "lines read as the author's", "longest copy, words"]  # fmt: skip
    rate = sum(len("\n".join(poem)) for poem in written) / seconds if seconds else 0
    write_table(
        "verse",
        "Verse of a given form",
        [
            f"Common metre (iambic, 8, 6, 8 and 6 syllables, ABAB), as each of "
            f"{len(model.artists) - 1} authors in turn. The others were not written to that form: "
            "their figures of it are what chance, or their own forms, give. Rhymes are perfect "
            "rhymes by the CMU Pronouncing Dictionary. Sentences (of 3 to 20 words, between marks "
            "of punctuation) count as parsed if link-parser links all of their words. Whose lines "
            "they are says the classifier of `bench.generated_lyrics`, trained on held-out "
            "songs.\n",
            table(columns, rows),
            f"\n{rate:.0f} characters of finished verse a second of processor time, one thread."
            if rate else "",
            "\n## The first quatrains\n\n"
            + "\n\n".join("  \n".join(poem) for poem in written[:12]),
        ],
    )  # fmt: skip


def generate(
    model: LanguageModel, work: Path, count: int, part: int, parts: int
) -> tuple[list[Poem], float]:
    """Return poems and the processor time of those that were generated."""
    artists = english_artists(model)
    work.mkdir(parents=True, exist_ok=True)
    poems, seconds = [], 0.0
    for seed in range(count):
        path = work / f"{seed}.json"
        if not path.exists() and seed % parts == part:
            began = time.process_time()
            artist = artists[seed % len(artists)]
            style = ArtistStyle(artist, model, model.style_index(artist))
            options = LyricsOptions(LINES, form=FORM, seed=seed)
            lines = [line.text for line in sample_lyrics([style], options) if line.text]
            path.write_text(json.dumps([lines, time.process_time() - began]), "utf-8")
        if path.exists():
            lines, spent = json.loads(path.read_text("utf-8"))
            poems.append(lines)
            seconds += spent
    return poems, seconds


def english_artists(model: LanguageModel) -> list[str]:
    """Return the authors of the model whose poems are English."""
    return [artist for artist in model.artists if artist != NOT_ENGLISH]


def parsed_share(poems: Sequence[Poem]) -> float | str:
    """Return the share of sentences that link-parser links completely; "–" if it is missing."""
    if not shutil.which("link-parser"):
        return "–"
    sentences = [
        " ".join(words)
        for poem in poems
        for part in _SENTENCE_END.split(" ".join(poem))
        if len(words := re.findall(r"[\w']+|,", part)) in PARSED_WORDS
    ]
    options = ["-graphics=0", "-verbosity=1", "-limit=100", f"-timeout={PARSER_SECONDS}"]
    output = subprocess.run(
        ["link-parser", "en", *options],
        input="\n".join(sentences),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return output.count("UNUSED=0 ") / len(sentences)


def quatrains(texts: Sequence[str], count: int) -> list[Poem]:
    """Return stanzas of four lines, or else groups of four lines, spread over the texts."""
    stanzas = []
    for text in texts:
        for stanza in text.split("\n\n"):
            lines = sung_lines(stanza)
            if len(lines) % LINES == 0:
                stanzas += [lines[at : at + LINES] for at in range(0, len(lines), LINES)]
    return [stanzas[at * len(stanzas) // count] for at in range(count)]


def markov(texts: Sequence[str], count: int) -> list[Poem]:
    """Return lines of a Markov chain of word bigrams, in groups of four."""
    markovify = import_module("markovify")  # of no extra: pip install markovify
    random.seed(0)
    lines = "\n".join(line for text in texts for line in sung_lines(text))
    chain = markovify.NewlineText(lines, state_size=2)
    made: Poem = []
    while len(made) < LINES * count:
        if line := chain.make_sentence(tries=50):
            made.append(line)
    return [made[at : at + LINES] for at in range(0, len(made), LINES)]


def known_ngrams(poems: Sequence[Poem], stretches: Sequence[str], order: int) -> float:
    """Return the share of the word n-grams of lines that occur in the stretches."""
    known = {
        tuple(words[at : at + order])
        for stretch in stretches
        for words in [normalised_words(stretch)]
        for at in range(len(words) - order + 1)
    }
    ngrams = [
        tuple(words[at : at + order])
        for poem in poems
        for words in map(normalised_words, poem)
        for at in range(len(words) - order + 1)
    ]
    return sum(ngram in known for ngram in ngrams) / len(ngrams)


def longest_copies(groups: Iterable[Sequence[Poem]], corpus: Sequence[str]) -> list[int]:
    """Return the most words in a row that a poem of each group shares with the corpus."""
    index: dict[str, int] = {}
    ids = np.fromiter(
        (
            index.setdefault(word, len(index))
            for text in corpus
            for word in (*normalised_words(text), "\0")
        ),
        np.int32,
    )
    longest = []
    for poems in groups:
        longest.append(0)
        own = [
            np.array([index.get(word, -1) for line in poem for word in normalised_words(line)])
            for poem in poems
        ]
        for order in range(4, MAX_COPY):
            hashes = np.concatenate([hash_ngrams(words, order) for words in own])
            known = np.zeros(len(hashes), np.bool_)
            for start in range(0, len(ids), 1 << 21):
                of_corpus = hash_ngrams(ids[start : start + (1 << 21) + order], order)
                known |= np.isin(hashes, of_corpus)
            if not known.any():
                break
            longest[-1] = order
    return longest


if __name__ == "__main__":
    main()
