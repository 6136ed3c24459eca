"""Score fingerprints: retrieval of tunes that two collections share.

    python -m bench.score_fingerprints --data ../shared/data

O'Neill's and Ryan's collections share tunes. The ground truth is equal cleaned titles: it misses
tunes under another name, and has different tunes of one name; so precision is a lower bound. Pairs
under different names are checked by another measure: at the best alignment and in the best key,
three of five pitches must agree, eighth by eighth. It is strict: most pairs that it rejects are the
same tune by ear and by name ("Captain Kelly's Reel", "Captain Kelley's -- Reel"), so that precision
by it is a lower bound, too.
"""

import argparse
import itertools
import random
import re
import time
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.result_tables import table, write_table
from recipes.datasets.pop909 import half_of, songs
from segue.io.midi import read_midi
from segue.records import Part, Score
from segue.score.fingerprint import SAME_TUNE_THRESHOLD, minhash, minhash_similarity, similar_pairs
from segue.score.lines import melodic_lines

LEAST: Final = (0.08, 0.1, 0.12, 0.15, 0.2, 0.3)
SAME_TUNE: Final = 0.6
#: Words that say what kind of tune it is, or nothing.
EMPTY: Final = frozenset(
    ["the", "a", "an", "of", "reel", "jig", "hornpipe", "and", "no", "in", "on", "to"]
)
MANY: Final = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "scores"
    with zipfile.ZipFile(folder / "folk_tunes.zip") as opened:
        names = [name for name in sorted(opened.namelist()) if name.endswith(".mid")]
        scores = [read_midi(opened.read(name)) for name in names]
    begun = time.process_time()
    prints = np.stack([minhash(score) for score in scores])
    each_ms = (time.process_time() - begun) / len(scores) * 1000
    titles = [cleaned(score.title) for score in scores]
    books = [name.split("/")[0] for name in names]
    sections = [_found(scores, prints, titles, books, half) for half in ("develop", "test")]
    sections += [_changed(folder, scores), _speed(prints, each_ms)]
    write_table("score_fingerprints", "Score fingerprints: tunes in two collections", sections)


def cleaned(title: str) -> str:
    """Return a title's own words, in order of the alphabet."""
    text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    text = re.sub(r"--.*|\(.*?\)", " ", text)
    text = re.sub(r"'s\b|s'(?=\W|$)|'", "", text)
    words = [word.rstrip("s") for word in re.findall("[a-z]+", text) if word not in EMPTY]
    return " ".join(sorted(words))


def _found(
    scores: list[Score], prints: NDArray[np.uint32], titles: list[str], books: list[str], half: str
) -> str:
    """Compare within a half, which is drawn by title, so that both of a pair are in one."""
    mine = [index for index, title in enumerate(titles) if title and half_of(title) == half]
    by_title = defaultdict(list)
    for index in mine:
        by_title[titles[index]].append(index)
    truth = {
        pair
        for same in by_title.values()
        if len(same) < 6
        for pair in itertools.combinations(same, 2)
        if books[pair[0]] != books[pair[1]]
    }
    # All others too, or a tune under another name could not be found.
    everything = [
        (i, j, similarity)
        for i, j, similarity in similar_pairs(prints, min(LEAST))
        if books[i] != books[j] and (half_of(titles[i]) == half or half_of(titles[j]) == half)
    ]
    same_tune = {pair for pair in truth if alignment(scores, *pair) >= SAME_TUNE}
    rows = []
    for least in LEAST:
        pairs = {(i, j) for i, j, similarity in everything if similarity >= least}
        titled, untitled = pairs & truth, pairs - truth
        aligned = sum(alignment(scores, *pair) >= SAME_TUNE for pair in untitled)
        rows.append(
            (least, len(pairs), len(titled), aligned, len(untitled) - aligned,
             (len(titled) + aligned) / max(len(pairs), 1), len(titled) / max(len(truth), 1),
             len(titled & same_tune) / max(len(same_tune), 1))
        )  # fmt: skip
    rng = random.Random(0)
    chance = np.mean([
        alignment(scores, *rng.sample(range(len(scores)), 2)) >= SAME_TUNE for _ in range(400)
    ])  # fmt: skip
    return (
        f"## {half} half\n\n{len(truth)} pairs of one title, in {len(same_tune)} of which three of "
        f"five eighths agree (of pairs drawn by chance: in {chance:.3f}).\n\n"
        + table(
            (
                "similarity at least",
                "pairs found",
                "of one title",
                "other title, agree",
                "other title, not",
                "precision",
                "recall of titles",
                "recall of titles that agree",
            ),
            rows,
        )
    )


def alignment(scores: Sequence[Score], i: int, j: int) -> float:
    """Return at which share of its first 64 eighths a tune agrees with another, at its best.

    In whatever key and place; the other may be written at half or double length.
    """
    first_line = _eighths(scores[i], 1.0)[:64]
    best = 0.0
    for scale in (0.5, 1.0, 2.0):
        second_line = _eighths(scores[j], scale)
        if len(second_line) < len(first_line):
            first_line, second_line = second_line, first_line
        places = np.lib.stride_tricks.sliding_window_view(second_line, len(first_line))
        interval = (places - first_line) % 12
        equal = max(int((interval == up).sum(axis=1).max()) for up in range(12))
        best = max(best, equal / len(first_line) if len(first_line) >= 32 else 0.0)
    return best


def _eighths(score: Score, scale: float) -> NDArray[np.int64]:
    """Return the pitch that sounds at each eighth."""
    line = melodic_lines(score)[0]
    ticks = np.arange(line.onset[0] * scale, line.onset[-1] * scale, 0.5)
    return line.pitch[np.searchsorted(line.onset * scale, ticks + 0.01, side="right") - 1]


def _changed(folder: Path, folk: list[Score]) -> str:
    """Compare scores with themselves, changed as arrangers and programs change them."""
    rng = random.Random(0)
    sample = rng.sample(folk, 200) + [
        song.score for song in itertools.islice(songs(folder / "pop909.zip", "develop"), 100)
    ]
    rows = []
    for name, change in (
        ("a third up, at another tempo, on other instruments", _other),
        ("a grid of sixteenths and triplets", _on_grid),
        ("one part of those that play", _one_part),
        ("one note in ten left out", lambda score: _thinned(score, rng)),
    ):
        similarity = [
            minhash_similarity(minhash(score), minhash(change(score))) for score in sample
        ]
        rows.append((name, float(np.mean(similarity)), float(np.quantile(similarity, 0.05)),
                     float(np.mean(np.array(similarity) >= SAME_TUNE_THRESHOLD))))  # fmt: skip
    return "## The same score, changed (200 folk tunes, 100 songs of POP909)\n\n" + table(
        ("", "mean similarity", "5th percentile", f"at least {SAME_TUNE_THRESHOLD}"), rows
    )


def _with(score: Score, parts: Sequence[Part]) -> Score:
    return replace(score, parts=tuple(part for part in parts if len(part.notes)))


def _other(score: Score) -> Score:
    parts = [
        replace(part, program=73, notes=part.notes + np.array([0, 0, 4, 0], np.int32))
        for part in score.parts
    ]
    return replace(_with(score, parts), tempos=np.array([[0, 77.0]]))


def _on_grid(score: Score) -> Score:
    parts = []
    for part in score.parts:
        notes = part.notes.copy()
        step = score.ticks_per_quarter / 12
        notes[:, :2] = np.rint(np.rint(notes[:, :2] / step) * step)
        notes[:, 1] = np.maximum(notes[:, 1], 1)
        parts.append(replace(part, notes=notes[np.lexsort((notes[:, 2], notes[:, 0]))]))
    return _with(score, parts)


def _one_part(score: Score) -> Score:
    return _with(score, [max(score.parts, key=lambda part: len(part.notes))])


def _thinned(score: Score, rng: random.Random) -> Score:
    return _with(
        score,
        [
            replace(part, notes=part.notes[[rng.random() > 0.1 for _ in part.notes]])
            for part in score.parts
        ],
    )


def _speed(prints: NDArray[np.uint32], each_ms: float) -> str:
    """Look for the same among a hundred thousand: the tunes, and others made of their parts."""
    rng = np.random.default_rng(0)
    copies = prints[rng.integers(0, len(prints), (MANY, prints.shape[1])), np.arange(128)]
    copies[: len(prints)] = prints
    begun = time.perf_counter()
    pairs = similar_pairs(copies)
    return (
        f"Computing a fingerprint: {each_ms:.2f} ms. Among {MANY} fingerprints the {len(pairs)} "
        "pairs "
        f"that are similar are found in {time.perf_counter() - begun:.1f} s.\n"
    )


if __name__ == "__main__":
    main()
