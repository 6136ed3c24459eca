"""Queries of two dissimilar tracks: mean of the query vectors compared with results in turn.

    python -m bench.separate_queries --library FOLDER

Results for random pairs of recordings are compared with those for each alone: a result is near a
query if it is among the tenth of the library that is most similar to it.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np

from bench.result_tables import table, write_table
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
    by_share: dict[int, list[tuple[float, ...]]] = {}
    for a, b in pairs:
        scores = unit @ query_vector([unit[a], unit[b]])
        scores[[a, b]] = -np.inf
        bin_ = int(SHARES * max(place[a, b], place[b, a]))
        by_share.setdefault(bin_, []).append(_near(place, a, b, np.argsort(-scores)[:ANSWERS]))
    row_of = {track: row for row, track in enumerate(ids.tolist())}
    by_separate: dict[bool, list[tuple[float, ...]]] = {}
    for a, b in pairs[:ASKED]:
        hits = lib.like(int(ids[a]), int(ids[b]), n=ANSWERS)
        rows = np.array([row_of[hit.track.id] for hit in hits])
        by_separate.setdefault(any(hit.asked_with for hit in hits), []).append(
            _near(place, a, b, rows)
        )
    columns = (
        "pairs",
        "near the less represented query",
        "near both",
        "near either",
        "none near one",
    )
    write_table(
        "separate_queries",
        "Queries of two dissimilar tracks",
        [
            f"{PAIRS:,} pairs of {len(ids)} recordings, sampled at random, their query vectors "
            f"averaged; means of the first {ANSWERS} results. The first column is the share of all "
            "tracks that are nearer to one track than the other is, the larger of both "
            "directions.\n",
            table(
                ("distance rank", *columns),
                [
                    (f"{bin_ / SHARES:.1f}", *_means(values))
                    for bin_, values in sorted(by_share.items())
                ],
            ),
            f"The command `like`, for the first {ASKED} of these pairs: averaged if each is among "
            "the nearest 0.3 of the other, else in turn.\n",
            table(
                ("results", *columns),
                [
                    ("in turn" if way else "averaged", *_means(by_separate[way]))
                    for way in sorted(by_separate)
                ],
            ),
        ],
    )


def _near(place: np.ndarray, a: int, b: int, rows: np.ndarray) -> tuple[float, ...]:
    first, second = place[a][rows] <= NEAR, place[b][rows] <= NEAR
    fewer = min(first.mean(), second.mean())
    return fewer, (first & second).mean(), (first | second).mean(), float(fewer == 0)


def _means(values: list[tuple[float, ...]]) -> tuple[float, ...]:
    return len(values), *np.mean(values, axis=0).round(3).tolist()


if __name__ == "__main__":
    main()
