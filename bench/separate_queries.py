"""How far apart two queries may lie and still be blended, and what answers in turn give instead.

    python -m bench.separate_queries --library FOLDER

Of pairs of recordings drawn at random, the answers to both are compared with those to each alone:
an answer is near a query where it is among the tenth of the library that is most like it.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np

from bench.common import keep, table
from segue.library import Library
from segue.search.neighbours import query_vector

PAIRS, ANSWERS, NEAR, SHARES = 6000, 10, 0.1, 10
ASKED: Final = 150  # of the pairs, with `like` as it is


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, required=True)
    lib = Library.open(parser.parse_args().library)
    ids, vectors = lib.vectors("sound")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    place = np.argsort(np.argsort(-cosines, axis=1), axis=1) / len(ids)
    rng = np.random.default_rng(0)
    pairs = [tuple(rng.choice(len(ids), 2, replace=False).tolist()) for _ in range(PAIRS)]
    found: dict[int, list[tuple[float, ...]]] = {}
    for a, b in pairs:
        scores = unit @ query_vector([unit[a], unit[b]])
        scores[[a, b]] = -np.inf
        bin_ = int(SHARES * max(place[a, b], place[b, a]))
        found.setdefault(bin_, []).append(_near(place, a, b, np.argsort(-scores)[:ANSWERS]))
    row_of = {track: row for row, track in enumerate(ids.tolist())}
    asked: dict[bool, list[tuple[float, ...]]] = {}
    for a, b in pairs[:ASKED]:
        hits = lib.like(int(ids[a]), int(ids[b]), n=ANSWERS)
        rows = np.array([row_of[hit.track.id] for hit in hits])
        asked.setdefault(any(hit.asked_with for hit in hits), []).append(_near(place, a, b, rows))
    columns = ("pairs", "near the one less served", "near both", "near either", "nothing near one")
    keep(
        "separate_queries",
        "Questions of two tracks that lie apart",
        [
            f"{PAIRS:,} pairs of {len(ids)} recordings, drawn at random, blended as if all were "
            f"alike; the means of their first {ANSWERS} answers. The first column is how many of "
            "all tracks are nearer to the one than the other is, the larger of both ways.\n",
            table(
                ("apart", *columns),
                [(f"{bin_ / SHARES:.1f}", *_means(some)) for bin_, some in sorted(found.items())],
            ),
            f"`like` as it is, of the first {ASKED} of these pairs: blended where each is among "
            "the nearest 0.3 of the other, else in turn.\n",
            table(
                ("answers", *columns),
                [("in turn" if way else "blended", *_means(asked[way])) for way in sorted(asked)],
            ),
        ],
    )


def _near(place: np.ndarray, a: int, b: int, rows: np.ndarray) -> tuple[float, ...]:
    first, second = place[a][rows] <= NEAR, place[b][rows] <= NEAR
    fewer = min(first.mean(), second.mean())
    return fewer, (first & second).mean(), (first | second).mean(), float(fewer == 0)


def _means(some: list[tuple[float, ...]]) -> tuple[float, ...]:
    return len(some), *np.mean(some, axis=0).round(3).tolist()


if __name__ == "__main__":
    main()
