"""Splitting of texts into poems: number of poems found, and single poems that are split.

    python -m bench.poem_splitting --data ../shared/data

The files of four languages in `more_lyrics.csv` whose poems are separated by two empty lines, so
that their number is known; then each of these poems alone, which must not be split. The long lines
of Whitman's file were broken at 65 characters: lines that begin in lower case before and after
joining.
"""

import argparse
import csv
import re
from collections import Counter
from pathlib import Path

from bench.result_tables import table, write_table
from segue.io.lyrics import read_plain
from segue.io.lyrics_text import decode_text, split_lines
from segue.io.poems import unwrap_lines


def main() -> None:
    """Count, and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    folder = parser.parse_args().data / "lyrics"
    rows, alone = [], Counter[str]()
    languages: dict[str, list[tuple[int, int]]] = {}
    with (folder / "more_lyrics.csv").open(newline="", encoding="utf-8") as file:
        labels = [row for row in csv.DictReader(file) if (folder / row["path"]).suffix == ".txt"]
    for row in labels:
        text = decode_text((folder / row["path"]).read_bytes())
        estimate = len(read_plain(text))
        languages.setdefault(row["language"], []).append((int(row["poems"]), estimate))
        for poem in re.split(r"\n{3,}", text.strip("\n")):
            alone["divided" if len(read_plain(poem)) > 1 else "one"] += 1
    for language, counts in sorted(languages.items()):
        poems = sum(reference for reference, _ in counts)
        wrong = sum(abs(estimate - reference) for reference, estimate in counts)
        close = sum(
            abs(estimate - reference) <= max(1, 0.05 * reference) for reference, estimate in counts
        )
        rows.append((language, len(counts), close, poems, wrong, 1 - wrong / poems))
    lines = split_lines(decode_text((folder / "whitman.txt").read_bytes()))
    joined = unwrap_lines(lines)
    small = [sum(line[:1].islower() for line in each) for each in (lines, joined)]
    write_table(
        "poem_splitting",
        "Splitting of texts into poems",
        [
            table(
                (
                    "language",
                    "files",
                    "number right within 5 %",
                    "poems",
                    "too many or few",
                    "share",
                ),
                rows,
            ),
            f"Of {alone.total()} poems alone, {alone['divided']} are divided.\n",
            f"Whitman: {len(lines)} lines, {small[0]} of them begin in lower case; joined "
            f"{len(joined)} lines, {small[1]} of them.",
        ],
    )


if __name__ == "__main__":
    main()
