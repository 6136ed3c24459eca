"""Authorship attribution of songs and lines by the space `style` of lyrics.

    python -m bench.lyrics_style --data ../shared/data

On the second half of each author's songs (the constants of the space come from the first), in five
folds of consecutive songs, so that parts of a long poem are in one fold. Equal texts count once.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.result_tables import table, write_table
from recipes.datasets.poems import is_develop, verse
from recipes.style import GROUP_WEIGHTS, unique_texts
from segue.feature_names import FUNCTION_WORDS, STYLE_FEATURE_GROUPS, STYLE_FEATURE_NAMES
from segue.lyrics.features import VERSION, standardise_style, style_features
from segue.lyrics.phonetics import split_words
from segue.records import FloatArray, Lyrics

FOLDS: Final = 5
Labels = NDArray[np.str_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    songs = unique_texts(verse(arguments.data))
    begun = time.process_time()
    raw = np.stack([style_features(song.text) for song in songs])
    took_ms = (time.process_time() - begun) / len(songs) * 1000
    develop = np.array(is_develop(songs))
    space = standardise_style(raw)
    test = [song for song, is_for_choice in zip(songs, develop, strict=True) if not is_for_choice]
    sections = [
        f"Version {VERSION}; {len(songs)} songs of {len(set(_authors(songs)))} authors, "
        f"{len(test)} of them in the test set; {took_ms:.1f} ms of processor time each.\n",
        "## Songs\n\n" + _songs(test, space[~develop]),
        "## Recall by author, by style\n\n" + _each(test, space[~develop]),
        "## Lines\n\n" + _lines(songs, develop),
    ]
    write_table("lyrics_style", "Authorship attribution by the style of lyrics", sections)


def _authors(songs: list[Lyrics]) -> Labels:
    return np.array([song.tags.artist for song in songs])


def _folds(authors: Labels) -> NDArray[np.int64]:
    """Cut each author's songs into runs of neighbours."""
    fold = np.empty(len(authors), np.int64)
    for author in np.unique(authors):
        at = np.flatnonzero(authors == author)
        fold[at] = np.arange(len(at)) * FOLDS // len(at)
    return fold


def _songs(songs: list[Lyrics], space: FloatArray) -> str:
    authors = _authors(songs)
    texts = np.array([song.text for song in songs])
    counted = np.array([_function_shares(song.text) for song in songs])
    rows: list[tuple[object, ...]] = []
    ways: list[tuple[str, int | str, Any, Any]] = [
        ("`style`, logistic regression", space.shape[1], space, _regression(10.0)),
        (
            "character 1- to 4-grams, tf-idf, logistic regression",
            "all",
            texts,
            make_pipeline(_runs(), _regression(100.0)),
        ),
        (
            "function words alone, logistic regression",
            len(FUNCTION_WORDS),
            counted,
            make_pipeline(StandardScaler(), _regression(0.1)),
        ),
    ]
    for name, size, given, model in ways:
        right = _told(model, given, authors) == authors
        rows.append((name, size, float(right.mean()), _balanced(right, authors)))
    for group, at in STYLE_FEATURE_GROUPS.items():
        part = space[:, at] * (4.0 / GROUP_WEIGHTS[group])
        right = _told(_regression(10.0), part, authors) == authors
        rows.append(
            (f"of `style`: {group}", at.stop - at.start, float(right.mean()),
             _balanced(right, authors))
        )  # fmt: skip
    without = np.delete(
        space, np.arange(len(STYLE_FEATURE_NAMES))[STYLE_FEATURE_GROUPS["lines"]], 1
    )
    right = _told(_regression(10.0), without, authors) == authors
    rows.append(
        ("of `style`: all but lines, where the set of the page is", without.shape[1],
         float(right.mean()), _balanced(right, authors))
    )  # fmt: skip
    nearest = _nearest(space, authors) == authors
    rows.append(
        ("`style`, nearest neighbour by cosine", space.shape[1], float(nearest.mean()),
         _balanced(nearest, authors))
    )  # fmt: skip
    commonest = max(np.mean(authors == author) for author in np.unique(authors))
    rows.append(("the commonest author always", "", float(commonest), 1 / len(np.unique(authors))))
    return table(("", "numbers", "accuracy", "mean over authors"), rows)


def _each(songs: list[Lyrics], space: FloatArray) -> str:
    authors = _authors(songs)
    predicted = _told(_regression(10.0), space, authors)
    rows = []
    for author in np.unique(authors):
        of = predicted[authors == author]
        wrong = [name for name in of.tolist() if name != author]
        most = max(set(wrong), key=wrong.count) if wrong else ""
        rows.append((author, len(of), float(np.mean(of == author)), most))
    return table(("author", "songs", "recall", "most frequent confusion"), rows)


def _lines(songs: list[Lyrics], develop: NDArray[np.bool_]) -> str:
    """Train on songs of the first halves and on their lines, ask with single lines and fours."""
    parts = {True: _cut(songs, develop), False: _cut(songs, ~develop)}
    rows = []
    for lines, train in parts[True].items():
        ask = parts[False][lines]
        known = np.concatenate([_authors(train), _authors(songs)[develop]])
        texts = [song.text for song in train]
        texts += [song.text for song, of in zip(songs, develop, strict=True) if of]
        authors = _authors(ask)
        style = _regression(10.0, balanced=True).fit(_style(texts), known)
        predicted = style.predict(_style([song.text for song in ask]))
        runs = make_pipeline(_runs(), _regression(100.0, balanced=True)).fit(texts, known)
        by_runs = runs.predict([song.text for song in ask])
        rows.append(
            (lines, len(ask), _balanced(predicted == authors, authors),
             _balanced(by_runs == authors, authors))
        )  # fmt: skip
    return (
        "Mean over authors, at most 300 excerpts of each for training and 150 for testing.\n\n"
        + table(("lines", "asked", "`style`", "character n-grams, tf-idf"), rows)
    )


def _cut(songs: list[Lyrics], which: NDArray[np.bool_]) -> dict[int, list[Lyrics]]:
    rng = np.random.default_rng(0)
    cut: dict[int, list[Lyrics]] = {}
    for size in (1, 4):
        found: dict[str, list[Lyrics]] = {}
        for song, wanted in zip(songs, which, strict=True):
            if wanted:
                lines = [line for line in song.text.split("\n") if len(line.split()) > 2]
                for at in range(0, len(lines) - size + 1, size):
                    part = Lyrics("\n".join(lines[at : at + size]), song.tags)
                    found.setdefault(song.tags.artist, []).append(part)
        most = 300 if which[0] else 150
        cut[size] = [
            some[at] for some in found.values() for at in rng.permutation(len(some))[:most]
        ]
    return cut


def _style(texts: list[str]) -> FloatArray:
    return standardise_style(np.stack([style_features(text) for text in texts]))


def _regression(c: float, *, balanced: bool = False) -> Any:
    weight = "balanced" if balanced else None
    return LogisticRegression(C=c, max_iter=500, class_weight=weight)


def _runs() -> Any:
    return TfidfVectorizer(analyzer="char", ngram_range=(1, 4), lowercase=False, sublinear_tf=True,
                           min_df=2, max_features=60_000)  # fmt: skip


def _told(model: Any, given: NDArray[Any], authors: Labels) -> Labels:
    """Classify each fold by a model of the others."""
    fold, predicted = _folds(authors), np.empty_like(authors)
    for number in range(FOLDS):
        model.fit(given[fold != number], authors[fold != number])
        predicted[fold == number] = model.predict(given[fold == number])
    return predicted


def _nearest(space: FloatArray, authors: Labels) -> Labels:
    unit = space / np.linalg.norm(space, axis=1, keepdims=True)
    cosines, fold = unit @ unit.T, _folds(authors)
    cosines[fold[:, None] == fold] = -2
    return np.asarray(authors[cosines.argmax(axis=1)])


def _balanced(right: NDArray[np.bool_], authors: Labels) -> float:
    return float(np.mean([right[authors == author].mean() for author in np.unique(authors)]))


def _function_shares(text: str) -> list[float]:
    words = [word.lower() for word in split_words(text)]
    return [words.count(word) / max(len(words), 1) for word in FUNCTION_WORDS]


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    main()
