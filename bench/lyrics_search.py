"""Search for misremembered lines of lyrics: hit rate and time.

    python -m bench.lyrics_search --data ../shared/data [--lines 100]

Lines are sampled from the second half of each author's songs, and errors are inserted; one weight
(`LINE_WEIGHT` of `segue.lyrics.matching`) was tuned on lines of both halves. A result is correct if
its song has the line. The baselines rank songs by their best line.
"""

import argparse
import random
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rapidfuzz import fuzz, process

from bench.result_tables import table, write_table
from recipes.datasets.poems import is_develop, verse
from segue.library import Library
from segue.records import Lyrics
from segue.text import normalise

#: What people write one for the other.
SPELLINGS: Final = (
    ("ough", "uff"), ("ight", "ite"), ("ph", "f"), ("ck", "k"), ("ee", "ea"), ("ea", "ee"),
    ("ou", "u"), ("'d", "ed"), ("ie", "ei"), ("th", "d"), ("y", "i"), ("wh", "w"), ("qu", "kw"),
    ("ss", "s"), ("ll", "l"), ("c", "k"), ("ä", "ae"), ("ü", "ue"), ("j", "y"),
)  # fmt: skip
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
NEAREST: Final = 60


@dataclass(frozen=True)
class Question:
    """A line with errors of memory, and the songs that have it."""

    kind: str
    asked: str
    right: frozenset[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=100)
    arguments = parser.parse_args()
    songs = verse(arguments.data)
    questions = _questions(songs, arguments.lines)
    lines = [(song, line) for song in songs for line in song.text.split("\n") if line]
    names = [_name(song) for song, _ in lines]
    plain = [normalise(line) for _, line in lines]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows.append(_row("segue lyrics find", _segue(Path(folder), songs), questions))
    rows.append(_row("SQLite FTS5, trigrams, bm25", _fts(plain, names), questions))
    for scorer in (fuzz.ratio, fuzz.token_set_ratio):
        find = _rapidfuzz(scorer, plain, names)
        rows.append(_row(f"rapidfuzz {scorer.__name__} of all lines", find, questions[::5]))
    kinds = list(dict.fromkeys(question.kind for question in questions))
    caption = (
        f"{len(songs)} songs, {len(lines)} lines; {arguments.lines} lines of 4 to 14 words for "
        "each kind of error (for rapidfuzz, which is slow, every fifth). Hit rate at 1 / at 5. "
        "Milliseconds of processor time per query, once the index is loaded.\n"
    )
    write_table(
        "lyrics_search",
        "Search for lines of lyrics with errors",
        [caption, table(("", "ms", *kinds), rows)],
    )


def _questions(songs: list[Lyrics], count: int) -> list[Question]:
    rng = random.Random(0)
    having = defaultdict(set)
    pool, followed = [], []
    for song, chosen_on in zip(songs, is_develop(songs), strict=True):
        lines = song.text.split("\n")
        for at, line in enumerate(lines):
            having[normalise(line)].add(_name(song))
            if not chosen_on and 4 <= len(line.split()) <= 14:
                pool.append(line)
                if at + 1 < len(lines) and len(lines[at + 1].split()) > 3:
                    followed.append((line, lines[at + 1]))
    questions = []
    for kind, change in _ERRORS.items():
        for line in rng.sample(pool, count):
            right = frozenset(having[normalise(line)])
            questions.append(Question(kind, change(line.split(), rng), right))
    for line, following in rng.sample(followed, count):
        asked = _all([*line.split()[2:], *following.split()[:3]], rng)
        right = frozenset(having[normalise(line)] | having[normalise(following)])
        questions.append(Question("all, over two lines", asked, right))
    return questions


def _typing(words: list[str], rng: random.Random) -> str:
    return " ".join(_mistyped(word, rng) if rng.random() < 0.35 else word for word in words)


def _mistyped(word: str, rng: random.Random) -> str:
    if len(word) < 3:
        return word
    at, kind = rng.randrange(1, len(word) - 1), rng.randrange(4)
    middle = (
        "", rng.choice(LETTERS), rng.choice(LETTERS) + word[at], word[at + 1] + word[at]
    )[kind]  # fmt: skip
    return word[:at] + middle + word[at + 1 + (kind == 3) :]


def _spelling(words: list[str], rng: random.Random) -> str:
    return " ".join(_misspelt(word.lower(), rng) if rng.random() < 0.6 else word for word in words)


def _misspelt(word: str, rng: random.Random) -> str:
    for written, instead in rng.sample(SPELLINGS, len(SPELLINGS)):
        if written in word:
            return word.replace(written, instead, 1)
    return word


def _missing(words: list[str], rng: random.Random) -> str:
    kept = [word for word in words if rng.random() > 0.35]
    return " ".join(kept if len(kept) > 1 else words[:2])


def _all(words: list[str], rng: random.Random) -> str:
    return _typing(_spelling(_missing(words, rng).split(), rng).split(), rng)


_ERRORS: Final[dict[str, Callable[[list[str], random.Random], str]]] = {
    "as written": lambda words, _: " ".join(words),
    "typing": _typing,
    "spelling": _spelling,
    "a third of the words missing": _missing,
    "all three": _all,
}


def _row(
    name: str, find: Callable[[str], list[str]], questions: list[Question]
) -> tuple[object, ...]:
    found = defaultdict(list)
    find(questions[0].asked)  # loads what is to be loaded
    begun = time.process_time()
    for question in questions:
        songs = find(question.asked)
        first = bool(songs) and songs[0] in question.right
        found[question.kind].append((first, any(song in question.right for song in songs[:5])))
    took_ms = (time.process_time() - begun) / len(questions) * 1000
    shares = [np.mean(of, axis=0) for of in found.values()]
    return name, f"{took_ms:.1f}", *(f"{first:.2f} / {five:.2f}" for first, five in shares)


def _segue(folder: Path, songs: list[Lyrics]) -> Callable[[str], list[str]]:
    import json

    table_of_all = folder / "songs.json"
    rows = [
        {"artist": song.tags.artist, "title": song.tags.title, "lyrics": song.text}
        for song in songs
    ]
    table_of_all.write_text(json.dumps(rows), encoding="utf-8")
    library = Library.open(folder / "library")
    begun = time.process_time()
    report = library.add([table_of_all], workers=1)
    print(f"added in {time.process_time() - begun:.1f} s here and more in a worker; {report}")

    def find(asked: str) -> list[str]:
        hits = library.lyrics.find(asked, 5)
        return [f"{hit.track.tags.artist} {hit.track.tags.title}" for hit in hits]

    return find


def _fts(plain: list[str], names: list[str]) -> Callable[[str], list[str]]:
    database = sqlite3.connect(":memory:")
    database.execute('CREATE VIRTUAL TABLE lines USING fts5(line, tokenize="trigram")')
    database.executemany("INSERT INTO lines (rowid, line) VALUES (?, ?)", enumerate(plain))

    def find(asked: str) -> list[str]:
        padded = f" {normalise(asked)} "
        trigrams = sorted({padded[at : at + 3] for at in range(len(padded) - 2)})
        rows = database.execute(
            f"SELECT rowid FROM lines WHERE lines MATCH ? ORDER BY rank LIMIT {NEAREST}",
            (" OR ".join(f'"{trigram}"' for trigram in trigrams),),
        )
        return list(dict.fromkeys(names[row[0]] for row in rows))

    return find


def _rapidfuzz(
    scorer: Callable[..., float], plain: list[str], names: list[str]
) -> Callable[[str], list[str]]:
    def find(asked: str) -> list[str]:
        near = process.cdist([normalise(asked)], plain, scorer=scorer, dtype=np.float32)[0]
        return list(dict.fromkeys(names[row] for row in np.argsort(-near, kind="stable")[:NEAREST]))

    return find


def _name(song: Lyrics) -> str:
    return f"{song.tags.artist} {song.tags.title}"


if __name__ == "__main__":
    main()
