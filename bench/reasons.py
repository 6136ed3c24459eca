"""Reasons of results: share of the similarity that they explain, and whether they are true.

    python -m bench.reasons --data ../shared/data [--keep FOLDER]

On libraries of the free recordings, of scores and of verse (`recipes/directions.py`): the share of
a similarity that no reason explains, the correlation of directions with the measured aspects on
held-out albums, and whether printed reasons are true of both tracks.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from bench.result_tables import table, write_table
from recipes.directions import FITTED_SPACES, SPACES, examples_of, levels_of, library_of
from segue.cli.output import format_reasons
from segue.library import Library
from segue.records import Medium
from segue.search.reasons import (
    OTHER,
    AspectLevels,
    aspect_named,
    fit_directions,
)

QUERIES, RESULTS, FOLDS = 100, 10, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        libraries = {kind: library_of(kind, options.data, folder / kind) for kind in SPACES}
        write_table("reasons", "Reasons of results", _sections(libraries))


def _sections(libraries: dict[Medium, Library]) -> list[str]:
    rows, examples = [], []
    for kind, lib in libraries.items():
        for space in SPACES[kind]:
            others, printed, examples_of_space = _measure_reasons(lib, space)
            held = _held_out(lib, kind, space) if space in FITTED_SPACES else "–"
            right = _share_of_true_reasons(lib, kind, space) if space in FITTED_SPACES else "–"
            rows.append(
                (
                    space,
                    len(others),
                    float(np.median(others)),
                    float(np.percentile(others, 99)),
                    float(others.max()),
                    float(printed.max()),
                    held,
                    right,
                )
            )
            examples += [(space, *line) for line in examples_of_space]
    return [
        f"{QUERIES} tracks sampled at random are the queries in each space; the first {RESULTS} "
        "results "
        'count. "Other" is the share of the similarity that no aspect explains; "printed" is all '
        'that is listed under "other" in the output. "Held-out r" is the mean correlation of a '
        "direction with the measured aspect, on held-out albums, folders or authors; the last "
        'column is how often a printed reason such as "both: fast" is true of both tracks.\n',
        table(
            (
                "space",
                "results",
                "other: median",
                "99th percentile",
                "maximum",
                "printed: maximum",
                "held-out r",
                "true reasons",
            ),
            rows,
        ),
        "First results of three queries each:\n",
        table(("space", "query", "result", "similarity", "reasons"), examples),
    ]


def _measure_reasons(
    lib: Library, space: str
) -> tuple[np.ndarray, np.ndarray, list[tuple[str, ...]]]:
    ids, _ = lib.vectors(space)
    rng = np.random.default_rng(0)
    queries = rng.choice(ids, min(QUERIES, len(ids)), replace=False).tolist()
    others, printed, examples_of_space = [], [], []
    for number, track in enumerate(queries):
        for hit in lib.like(int(track), n=RESULTS, space=space):
            text = format_reasons(hit)
            unnamed = sum(r.share for r in hit.reasons if r.name == OTHER)
            rest_share = float(text.rpartition("other ")[2]) if "other " in text else 0.0
            others.append(abs(unnamed) / abs(hit.similarity))
            printed.append(abs(rest_share) / abs(hit.similarity))
            if number < 3 and hit.rank == 1:
                names = [t.tags.title or t.path.stem for t in (lib.find(int(track))[0], hit.track)]
                examples_of_space.append((*names, f"{hit.similarity:.2f}", text))
    return np.array(others), np.array(printed), examples_of_space


def _share_of_true_reasons(lib: Library, kind: Medium, space: str) -> float:
    """Return the share of printed reasons that agree with the measurements of both tracks."""
    ids, _ = lib.vectors(space)
    known, levels = levels_of(lib, kind, ids)
    row = {track: index for index, track in enumerate(known.tolist())}
    column = {name: index for index, name in reversed(list(enumerate(levels.names)))}
    right = []
    for track in np.random.default_rng(0).choice(known, QUERIES, replace=False).tolist():
        for hit in lib.like(track, n=RESULTS, space=space):
            if hit.track.id not in row:
                continue
            printed = format_reasons(hit)
            for reason in hit.reasons:
                if reason.description.startswith("both: ") and reason.description in printed:
                    high = reason.description == f"both: {aspect_named(reason.name).high}"
                    pair = levels.values[[row[track], row[hit.track.id]], column[reason.name]]
                    right.append(bool((pair > 0).all() if high else (pair < 0).all()))
    return float(np.mean(right))


def _held_out(lib: Library, kind: Medium, space: str) -> float:
    vectors, levels, albums = examples_of(lib, kind, space)
    fold_of = np.unique(albums, return_inverse=True)[1] % FOLDS
    directed = list(dict.fromkeys(levels.names))
    indices = [levels.names.index(name) for name in directed]
    predicted = np.full((len(vectors), len(directed)), np.nan)
    for fold in range(FOLDS):
        out = fold_of == fold
        directions = fit_directions(vectors[~out], AspectLevels(levels.names, levels.values[~out]))
        for column, name in enumerate(directed):
            if name in directions.names:
                predicted[out, column] = (
                    vectors[out] @ directions.rows[directions.names.index(name)]
                )
    known = [
        (measured[np.isfinite(estimated)], estimated[np.isfinite(estimated)])
        for measured, estimated in zip(levels.values[:, indices].T, predicted.T, strict=True)
    ]
    return float(
        np.mean(
            [
                np.corrcoef(measured, estimated)[0, 1]
                for measured, estimated in known
                if measured.std() > 1e-6
            ]
        )
    )


if __name__ == "__main__":
    main()
