"""The verse of data/lyrics as songs."""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from segue.io.lyrics_text import TextOptions, apply_options, decode_text, normalise_layout
from segue.records import Lyrics, Tags

LINES: Final = 40  # of a song, where the source has no empty lines between poems
_NUMERAL: Final = re.compile(r"[IVXLC]+\.?")
_FEWEST: Final = 8  # a poem of fewer lines goes with the next


def verse(folder: Path) -> list[Lyrics]:
    """Read the songs of all authors, author by author, in the order of the source.

    Hymns and songs with a heading, and sonnets, are songs of their own; where a file has no
    empty lines, blocks of 40 lines are.
    """
    songs = []
    with (folder / "lyrics" / "lyrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        text = decode_text((folder / "lyrics" / row["path"]).read_bytes())
        author = row["author"].partition(" (")[0]
        for number, poem in enumerate(_poems(text), start=1):
            songs.append(
                Lyrics(
                    apply_options(normalise_layout(poem), TextOptions()), Tags(f"{number}", author)
                )
            )
    return songs


def _poems(text: str) -> list[str]:
    lines = text.split("\n")
    poems: list[list[str]] = [[]]
    has_empty_lines = "" in lines[:-1]
    for line in lines:
        if line.startswith("# ") or _NUMERAL.fullmatch(line.strip()):
            continue  # a heading
        if (not line and len(poems[-1]) >= _FEWEST) or (
            not has_empty_lines and len(poems[-1]) == LINES
        ):
            poems.append([])
        poems[-1].append(line)
    return ["\n".join(poem) for poem in poems if any(line.strip() for line in poem)]


def is_develop(songs: list[Lyrics]) -> list[bool]:
    """Return which songs are for development: the first half of each author's.

    The halves are contiguous, since neighbouring blocks are often of one poem.
    """
    counts: dict[str, int] = {}
    for song in songs:
        counts[song.tags.artist] = counts.get(song.tags.artist, 0) + 1
    return [int(song.tags.title) <= counts[song.tags.artist] / 2 for song in songs]


def foreign_verse(folder: Path) -> dict[str, list[Lyrics]]:
    """Read the German, French, Spanish and Italian poems, by language, author by author."""
    songs: dict[str, list[Lyrics]] = {}
    with (folder / "lyrics" / "more_lyrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        text = decode_text((folder / "lyrics" / row["path"]).read_bytes())
        for number, poem in enumerate(re.split(r"\n{3,}", text), start=1):
            if any(map(str.isalpha, poem)):
                clean = apply_options(normalise_layout(poem), TextOptions())
                songs.setdefault(row["language"], []).append(
                    Lyrics(clean, Tags(f"{number}", row["author"]))
                )
    return songs


def hold_out_authors(songs: Iterable[Lyrics], fewest: int, count: int) -> list[str]:
    """Return some authors of at least so many characters, in the order of a hash of their names."""
    characters: Counter[str] = Counter()
    for song in songs:
        characters[song.tags.artist] += len(song.text)
    names = [name for name, total in characters.items() if total >= fewest]
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count]
