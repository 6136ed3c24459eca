"""Hubness correction of rankings: CSLS and local scaling against the plain cosine.

    python -m bench.hubness --library DIR

DIR is a library into which `segue add` put the clips of `../shared/data/audio`. Queries are clips
of an album (source package) of at least three, among all other clips. Albums are divided by
int(sha256(name), 16) % 2 into a validation half, by which the number of neighbours is chosen, and a
test half. The projection of `sound` was fitted on the same clips, without their albums; all
rankings of a space compare the same vectors.
"""

import argparse
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.result_tables import table, write_table
from bench.sound_space import ranged
from segue.builtin_spaces import builtin_spaces
from segue.evaluation.retrieval import (
    MetricName,
    RetrievalMetrics,
    bootstrap_difference,
    bootstrap_interval,
    evaluate_retrieval,
)
from segue.records import FloatArray
from segue.search.neighbours import compute_hubness_corrections, cosine_similarities
from segue.store import Store
from segue.store.spaces import Matrix

SPACES = ("sound", "musicnn")
NEIGHBOURS = (5, 7, 10, 15, 20, 30)
FIGURES: tuple[MetricName, ...] = ("precision_at_1", "precision_at_5", "mean_average_precision")
HALVES = ("validation", "test")
SIZES = (30, 60, 120, 240)
DRAWS = 100
#: Vectors and dimension of the made library in which time is measured.
TIMED = (300_000, 256)
QUERIES = 15


@dataclass(frozen=True, slots=True)
class Clips:
    """Unit vectors of the clips in a space, their albums, and the half that each album is in."""

    unit: FloatArray
    albums: list[str]
    halves: list[str]


#: From unit vectors and a number of neighbours to the scores of all pairs, queries in rows.
Scores = Callable[[FloatArray, int], FloatArray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, required=True)
    options = parser.parse_args()
    clips = {space: read(options.library, space) for space in SPACES}
    methods: dict[str, Scores] = {"CSLS": csls, "local scaling": local_scaling, "NICDM": nicdm}
    k = {name: choose(score, clips) for name, score in methods.items()}
    rankings: dict[str, Callable[[FloatArray], FloatArray]] = {
        "cosine": lambda unit: unit @ unit.T,
        **{
            f"{name}, k = {k[name]}": lambda unit, score=score, k=k[name]: score(unit, k)  # type: ignore[misc]
            for name, score in methods.items()
        },
        "CSLS, k = 15": lambda unit: csls(unit, 15),
        **{
            f"CSLS, k = {k['CSLS']}, every {step}. clip as reference": lambda unit, step=step: csls(  # type: ignore[misc]
                unit, k["CSLS"], -(-len(unit) // step)
            )
            for step in (2, 4)
        },
    }
    write_table(
        "hubness",
        "Hubness correction of rankings",
        [
            *(retrieval(space, clips[space], rankings) for space in SPACES),
            choice(methods, clips),
            small_libraries(clips["sound"]),
            speed(),
        ],
    )


def read(folder: Path, space: str) -> Clips:
    store = Store(folder, builtin_spaces("sound").values())
    ids, vectors = store.spaces.vectors(space)
    paths = {track.id: track.path for track in store.tracks()}
    store.close()
    albums = [paths[track].parent.name for track in ids.tolist()]
    halves = [HALVES[int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2] for name in albums]
    return Clips(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), albums, halves)


# ---- rankings ----------------------------------------------------------------------------


def csls(unit: FloatArray, k: int, max_references: int = 1 << 30) -> FloatArray:
    """Cross-domain similarity local scaling (Conneau et al. 2018)."""
    return np.asarray(unit @ unit.T - compute_hubness_corrections(unit, k, max_references))


def local_scaling(unit: FloatArray, k: int) -> FloatArray:
    """Squared distance over the distance to the k-th neighbour (Schnitzer et al. 2012)."""
    squared = np.maximum(2 - 2 * unit @ unit.T, 0)
    return np.asarray(-squared / np.sqrt(np.sort(squared, axis=1)[:, k]))


def nicdm(unit: FloatArray, k: int) -> FloatArray:
    """Distance over the root of the mean distance to k neighbours (Schnitzer et al. 2012)."""
    distances = np.sqrt(np.maximum(2 - 2 * unit @ unit.T, 0))
    return np.asarray(-distances / np.sqrt(np.sort(distances, axis=1)[:, 1 : k + 1].mean(axis=1)))


def evaluate(scores: FloatArray, clips: Clips, half: str | None = None) -> RetrievalMetrics:
    labels = [
        album if half in (None, of) else None
        for album, of in zip(clips.albums, clips.halves, strict=True)
    ]
    return evaluate_retrieval(-scores, labels, metric="precomputed")


def choose(score: Scores, clips: dict[str, Clips]) -> int:
    """Return the number of neighbours of the highest mean P@1 on the validation half."""
    return max(NEIGHBOURS, key=lambda k: validation_precision(score, clips, k))


def validation_precision(score: Scores, clips: dict[str, Clips], k: int) -> float:
    results = [evaluate(score(c.unit, k), c, "validation").precision_at_1 for c in clips.values()]
    return float(np.mean(results))


def skewness(scores: FloatArray, k: int = 10) -> tuple[float, int]:
    """Return the skewness and the maximum of the number of lists of k that each clip is in."""
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    counts = np.bincount(nearest.ravel(), minlength=len(scores))
    centred = counts - counts.mean()
    return float((centred**3).mean() / (centred**2).mean() ** 1.5), int(counts.max())


# ---- tables ------------------------------------------------------------------------------


def retrieval(
    space: str, clips: Clips, rankings: dict[str, Callable[[FloatArray], FloatArray]]
) -> str:
    rows = []
    plain: dict[str | None, RetrievalMetrics] = {}
    for name, ranking in rankings.items():
        scores = ranking(clips.unit)
        whole, test = (evaluate(scores, clips, half) for half in (None, "test"))
        plain = plain or {None: whole, "test": test}
        compared = name != "cosine"
        rows.append(
            (
                name,
                *(ranged(bootstrap_interval([whole], figure)) for figure in FIGURES),
                *(
                    ranged(bootstrap_difference([whole], [plain[None]], figure), "+")
                    if compared
                    else "–"
                    for figure in FIGURES
                ),
                ranged(bootstrap_interval([test])),
                ranged(bootstrap_difference([test], [plain["test"]]), "+") if compared else "–",
                *skewness(scores),
            )
        )
    columns = (
        "ranking", "P@1 (95 % over albums)", "P@5", "mAP", "P@1 − cosine", "P@5 − cosine",
        "mAP − cosine", "test half: P@1", "P@1 − cosine", "skewness of 10-occurrence", "maximum",
    )  # fmt: skip
    return (
        f"Space `{space}`, {len(clips.albums)} clips. 10-occurrence: in how many lists of the ten "
        "nearest a clip is, 10 on average.\n\n" + table(columns, rows)
    )


def choice(methods: dict[str, Scores], clips: dict[str, Clips]) -> str:
    plain = np.mean(
        [evaluate(c.unit @ c.unit.T, c, "validation").precision_at_1 for c in clips.values()]
    )
    rows = [
        (name, *(validation_precision(score, clips, k) for k in NEIGHBOURS))
        for name, score in methods.items()
    ]
    return (
        f"Choice of k: mean P@1 of both spaces on the validation half; cosine {plain:.3f}.\n\n"
        + table(("ranking", *(f"k = {k}" for k in NEIGHBOURS)), rows)
    )


def small_libraries(clips: Clips) -> str:
    """Rank in random small libraries of whole albums, of which the last is cut to the size."""
    rng = np.random.default_rng(0)
    albums = np.array(clips.albums)
    names = sorted({name for name in clips.albums if clips.albums.count(name) >= 3})
    rows = []
    for size in SIZES:
        differences, cosines = [], []
        for _ in range(DRAWS):
            order = [np.flatnonzero(albums == name)[:10] for name in rng.permutation(names)]
            inside = np.concatenate(order)[:size]
            unit = clips.unit[inside]
            labels = albums[inside].tolist()
            plain = evaluate_retrieval(unit, labels)
            corrected = evaluate_retrieval(
                unit, labels, corrections=compute_hubness_corrections(unit)
            )
            cosines.append(plain.precision_at_1)
            differences.append([getattr(corrected, f) - getattr(plain, f) for f in FIGURES])
        rows.append((size, float(np.mean(cosines)), *np.mean(differences, axis=0).tolist()))
    return (
        f"Small libraries: {DRAWS} random ones of each size, of at most ten clips an album, in "
        "`sound`; CSLS as Segue uses it minus cosine, means.\n\n"
        + table(("clips", "P@1 of cosine", "P@1", "P@5", "mAP"), rows)
    )


def speed() -> str:
    """Measure the time of a query without and with correction, and of the corrections."""
    n, dimension = TIMED
    rng = np.random.default_rng(0)
    unit = rng.standard_normal((n, dimension), dtype=np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    matrix = Matrix(builtin_spaces()["sound"], np.arange(n), unit)
    started = time.perf_counter()
    corrections = compute_hubness_corrections(unit)
    computed_s = time.perf_counter() - started
    times = np.zeros((2, QUERIES))
    for query in range(QUERIES):
        for corrected in (0, 1):
            started = time.perf_counter()
            scores = cosine_similarities(matrix, unit[query])
            if corrected:
                scores = scores - corrections
            times[corrected, query] = time.perf_counter() - started
    plain_ms, corrected_ms = (1000 * np.median(times, axis=1)).tolist()
    return (
        f"{n:,} made vectors of {dimension} dimensions: similarities to a query "
        f"{plain_ms:.1f} ms, corrected {corrected_ms:.1f} ms (medians of {QUERIES}); the "
        f"corrections, computed once after each change of the library, {computed_s:.1f} s.\n"
    )


if __name__ == "__main__":
    main()
