"""Rankings in the space `sound`, in two folds: hubness correction, averaging with neighbours.

    python -m bench.sound_rankings --data ../shared/data --cache DIR [--sisters FILE]

Folds and cache are those of `bench/sound_space.py`. Averaging with neighbours (DBA: Arandjelović
and Zisserman, CVPR 2012) adds to each vector of the library, or also of the query, a weight
times the mean of its k nearest. Weights and k are chosen inside each training fold: the projection
is fitted on a half of its packages and judged on the other. `--sisters` names activations of other
networks of the PyPI package `musicnn` 0.1.0 on the same clips; they are projected by the same
discriminant, each beside `sound`.
"""

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import scipy.linalg
import torch

from bench.result_tables import table, write_table
from bench.sound_space import mean, project, ranged
from recipes.datasets.game_music import COPIES, TEST, Clips, cached, read_clips
from recipes.sound import fit_projection
from recipes.sound_projection import SoundSpaceConfig
from segue.evaluation.retrieval import (
    MetricName,
    RetrievalMetrics,
    bootstrap_difference,
    bootstrap_interval,
    evaluate_retrieval,
)
from segue.records import BoolArray, FloatArray
from segue.search.neighbours import compute_hubness_corrections

FIGURES: Final[tuple[MetricName, ...]] = (
    "precision_at_1", "precision_at_5", "mean_average_precision",
)  # fmt: skip
WEIGHTS_OF_NEIGHBOURS: Final = (0.15, 0.3, 0.5, 0.8)
NEIGHBOURS: Final = (2, 3, 5)


@dataclass(frozen=True, slots=True)
class Ranking:
    """How a fold is ranked: vectors of library and queries, then with or without CSLS."""

    name: str
    weight: float = 0.0
    k: int = 0
    queries_too: bool = False
    csls: bool = False

    def evaluate(
        self, library: FloatArray, queries: FloatArray | None, labels: Sequence[str]
    ) -> RetrievalMetrics:
        """Evaluate on unit vectors; `queries` are degraded copies, by default the library."""
        asked = library if queries is None else queries
        indexed = averaged(library, library, self.weight, self.k, own=True)
        if self.queries_too:
            asked = averaged(asked, library, self.weight, self.k, own=queries is None)
        corrections = compute_hubness_corrections(indexed) if self.csls else None
        return evaluate_retrieval(indexed, labels, queries=asked, corrections=corrections)


def averaged(
    vectors: FloatArray, library: FloatArray, weight: float, k: int, *, own: bool
) -> FloatArray:
    """Add to unit vectors the mean of their nearest in a library, and normalise."""
    if not weight:
        return vectors
    similar = vectors @ library.T
    if own:
        np.fill_diagonal(similar, -np.inf)
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :k]
    return unit(vectors + weight * library[nearest].mean(axis=1))


def unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


#: From the mask of the clips to fit on to unit vectors of all, clean and degraded.
Fit = Callable[[BoolArray], tuple[FloatArray, FloatArray | None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--sisters", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_clips(options.data / "audio" / "tracks.csv")
    audio = options.data / "audio"
    versions = {name: cached(options.cache, audio, clips, name) for name in ("clean", *COPIES)}
    fitted: dict[bytes, tuple[FloatArray, FloatArray | None]] = {}

    def sound(train: BoolArray) -> tuple[FloatArray, FloatArray | None]:
        key = train.tobytes()
        if key not in fitted:
            head = fit_projection(versions, SoundSpaceConfig(), train)
            fitted[key] = (
                unit(project(head, versions["clean"])),
                unit(project(head, versions[TEST])),
            )
        return fitted[key]

    fits: dict[str, Fit] = {"`sound`": sound}
    if options.sisters:
        fits |= with_sisters(options.sisters, sound)
    sections = [section(fits, clips)]
    write_table("sound_rankings", "Rankings of recordings", sections)


def with_sisters(file: Path, sound: Fit) -> dict[str, Fit]:
    """Return spaces of `sound` beside projections of other networks, at weights 0.3 and 0.6."""
    fits: dict[str, Fit] = {}
    with np.load(file) as arrays:
        names = [name for name in arrays.files if not name.endswith("_tracks")]
        blocks = {name: (arrays[name], arrays[f"{name}_tracks"]) for name in names}
    for (name, (patches, tracks)), weight in product(blocks.items(), (0.3, 0.6)):

        def beside(
            train: BoolArray,
            patches: FloatArray = patches,
            tracks: np.ndarray = tracks,
            weight: float = weight,
        ) -> tuple[FloatArray, None]:
            other = discriminant(patches, tracks, train)
            return unit(np.concatenate([sound(train)[0], weight * other], axis=1)), None

        fits[f"`sound` and {name} at {weight:g}"] = beside
    return fits


def discriminant(patches: FloatArray, tracks: np.ndarray, train: BoolArray) -> FloatArray:
    """Project the mean patches of tracks as `sound` does, without degraded copies."""
    counts = np.bincount(tracks)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = np.add.reduceat(patches.astype(np.float64), starts, axis=0) / counts[:, None]
    inside = train[tracks]
    mean_, scale = means[train].mean(axis=0), patches[inside].std(axis=0) + 1e-4
    standard = (means - mean_) / scale
    residuals = (patches[inside] - means[tracks[inside]]) / scale
    scatter = residuals.T @ residuals / (len(residuals) - train.sum())
    scatter = 0.5 * scatter + 0.5 * np.eye(len(scatter)) * np.trace(scatter) / len(scatter)
    centroids = standard[train] - standard[train].mean(axis=0)
    solved = scipy.linalg.cho_solve(scipy.linalg.cho_factor(scatter), centroids.T)
    values, vectors = scipy.linalg.eigh(centroids @ solved)
    order = np.argsort(values)[::-1][:160]
    return unit(standard @ (solved @ (vectors[:, order] / np.sqrt(values[order]))))


def half_of(clips: Clips) -> BoolArray:
    """Divide packages once more, by another digit of their hash."""
    digests = [int(hashlib.sha256(name.encode()).hexdigest(), 16) for name in clips.packages]
    return np.array([digest >> 8 & 1 for digest in digests], np.bool_)


def chosen(fit: Fit, clips: Clips, train: BoolArray, *, csls: bool, queries_too: bool) -> Ranking:
    """Choose weight and number of neighbours by mean mAP within a training fold."""
    halves = half_of(clips)
    best, best_score = Ranking("", csls=csls), -1.0
    for weight, k in product(WEIGHTS_OF_NEIGHBOURS, NEIGHBOURS):
        ranking = Ranking("", weight, k, queries_too, csls)
        scores = []
        for side in (False, True):
            judged = np.flatnonzero(train & (halves == side))
            vectors = fit(train & (halves != side))[0][judged]
            result = ranking.evaluate(vectors, None, [clips.packages[i] for i in judged])
            scores.append(result.mean_average_precision + result.precision_at_1)
        if np.mean(scores) > best_score:
            best, best_score = ranking, float(np.mean(scores))
    return best


def section(fits: dict[str, Fit], clips: Clips) -> str:
    columns = (
        "vectors", "ranking", "P@1 (95 % over albums)", "P@5", "mAP", "P@1 − `sound` by cosine",
        "P@5 −", "mAP −", "degraded query P@1", "chosen in the two training folds",
    )  # fmt: skip
    rows = []
    base: tuple[RetrievalMetrics, ...] = ()
    for name, fit in fits.items():
        for csls, averaging in product((False, True), ("", "library", "library and query")):
            results, degraded, choices = [], [], []
            for fold in (0, 1):
                train, test = clips.folds != fold, np.flatnonzero(clips.folds == fold)
                ranking = Ranking("", csls=csls)
                if averaging:
                    both = averaging != "library"
                    ranking = chosen(fit, clips, train, csls=csls, queries_too=both)
                    choices.append(f"{ranking.weight:g} × {ranking.k}")
                clean, changed = fit(train)
                labels = [clips.packages[i] for i in test]
                results.append(ranking.evaluate(clean[test], None, labels))
                if changed is not None:
                    degraded.append(ranking.evaluate(clean[test], changed[test], labels))
            base = base or tuple(results)
            label = "CSLS" if csls else "cosine"
            label += f", DBA of the {averaging}" if averaging else ""
            differences = [
                ranged(bootstrap_difference(tuple(results), base, figure), "+")
                for figure in FIGURES
            ]
            rows.append(
                (
                    name, label, ranged(bootstrap_interval(tuple(results))),
                    *(mean(results, figure) for figure in FIGURES[1:]), *differences,
                    mean(degraded, "precision_at_1"), ", ".join(choices) or "–",
                )
            )  # fmt: skip
    return "\n" + table(columns, rows)


if __name__ == "__main__":
    main()
