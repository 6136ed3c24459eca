"""Retrieval quality of the spaces of recordings, in two folds.

    python -m bench.sound_space --data ../shared/data --cache DIR

Queries are tracks of an album (source package) or artist of at least three tracks, among all other
tracks of the fold. Packages are divided by int(sha256(name), 16) % 2; spaces are fitted on one fold
and tested on the other; figures are the mean of both. In "degraded" columns tracks went through
`degradation.degraded`: equaliser, low-pass, gain, codec; seeds are derived from the path. The first
run fills the cache (about half an hour on one core), later ones take two minutes.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from bench.result_tables import table, write_table
from recipes.datasets.game_music import (
    CUT_S,
    PATCHES_AT_ONCE,
    TEST,
    Clips,
    Version,
    musly_distances,
    read_clip,
    read_clips,
)
from recipes.sound import features_of, fit_projection, read_versions
from recipes.sound_projection import SoundSpaceConfig, fit_head
from segue.audio.embedding import Head
from segue.audio.features import describe
from segue.audio.musicnn import load_musicnn
from segue.audio.spectrogram import SAMPLE_RATE_HZ, musicnn_patches
from segue.builtin_spaces import WEIGHTS
from segue.evaluation.retrieval import (
    Estimate,
    MetricName,
    RetrievalMetrics,
    bootstrap_difference,
    bootstrap_interval,
    evaluate_retrieval,
)
from segue.records import FloatArray, Recording, Span

#: From the clips to learn from to all vectors, clean and degraded.
Place = Callable[[np.ndarray], tuple[FloatArray, FloatArray | None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One space on all clips, fitted on the training fold given."""

    name: str
    place: Place
    distances: bool = False  # what is placed are distances to all clips, no vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    audio = options.data / "audio"
    clips = read_clips(audio / "tracks.csv")
    versions = read_versions(options.data, options.cache)
    config = SoundSpaceConfig()

    def musly(in_training: np.ndarray) -> tuple[FloatArray, None]:
        return musly_distances(options.cache / "musly.npz", audio, clips, in_training), None

    chance, bliss, *others = rows(versions, config)
    compared = [chance, bliss, Row("musly, timbre", musly, distances=True), *others]
    measured = [measure(row, clips) for row in compared]
    sections = [quality(measured, clips), steadiness(versions, config, audio, clips)]
    write_table("sound_space", "Retrieval quality of the spaces of recordings", sections)


# ---- the table ---------------------------------------------------------------------------


def rows(versions: dict[str, Version], config: SoundSpaceConfig) -> list[Row]:
    clean, test = versions["clean"], versions[TEST]

    def standardised(a: FloatArray, b: FloatArray | None) -> Place:
        def place(in_training: np.ndarray) -> tuple[FloatArray, FloatArray | None]:
            mean, scale = a[in_training].mean(axis=0), a[in_training].std(axis=0) + 1e-6
            return (a - mean) / scale, None if b is None else (b - mean) / scale

        return place

    def learned(place: Callable[[np.ndarray], Head]) -> Place:
        def both(in_training: np.ndarray) -> tuple[FloatArray, FloatArray | None]:
            head = place(in_training)
            return project(head, clean), project(head, test)

        return both

    def trial(in_training: np.ndarray) -> Head:
        head = fit_head(
            clean.patches.only(in_training), [], features_of(versions).only(in_training), TRIAL
        )
        return replace(head, blend=np.array([1, 0], np.float32))

    def noise(in_training: np.ndarray) -> tuple[FloatArray, FloatArray | None]:
        random_vectors = np.random.default_rng(0).standard_normal((2, len(in_training), 64))
        return random_vectors[0].astype(np.float32), random_vectors[1].astype(np.float32)

    pooled = clean.patches.means.astype(np.float32), test.patches.means.astype(np.float32)
    return [
        Row("random vectors", noise),
        Row("bliss-audio, z-scored", standardised(clean.bliss, None)),
        Row("nine production descriptors", standardised(clean.production, test.production)),
        Row("`features`", standardised(clean.features, test.features)),
        Row("`tags` (MusiCNN's output)", standardised(clean.logits, test.logits)),
        Row("MusiCNN's penultimate layer", standardised(penultimate(clean), penultimate(test))),
        Row("`musicnn` (pooled, z-scored)", standardised(*pooled)),
        Row("trial projection", learned(trial)),
        Row(
            "`sound` without features",
            learned(
                lambda in_training: replace(
                    fit_projection(versions, config, in_training),
                    blend=np.array([1, 0], np.float32),
                )
            ),
        ),
        Row(
            "**`sound`**",
            learned(lambda in_training: fit_projection(versions, config, in_training)),
        ),
    ]


@torch.inference_mode()
def penultimate(version: Version) -> FloatArray:
    network = load_musicnn(WEIGHTS / "musicnn.safetensors")
    return network.penultimate(torch.from_numpy(version.patches.means.astype(np.float32))).numpy()


TRIAL = SoundSpaceConfig(pooled_dimension=256, pooled_shrinkage=0.3)


def project(head: Head, version: Version) -> FloatArray:
    patches = version.patches
    starts = np.searchsorted(patches.tracks, np.arange(len(version.features) + 1))
    return np.stack(
        [
            head.project(patches.pooled[a:b], features)
            for a, b, features in zip(starts[:-1], starts[1:], version.features, strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """One row's results by fold."""

    name: str
    whole: RetrievalMetrics
    album: tuple[RetrievalMetrics, ...]
    artist: tuple[RetrievalMetrics, ...]
    asked: tuple[RetrievalMetrics, ...]  # degraded query, clean library
    both: tuple[RetrievalMetrics, ...]  # all degraded


def measure(row: Row, clips: Clips) -> Measured:
    metric: Literal["cosine", "precomputed"] = "precomputed" if row.distances else "cosine"
    album, artist, degraded_query, degraded_both = [], [], [], []
    for fold in (0, 1):
        test = np.flatnonzero(clips.folds == fold)
        clean, changed = row.place(clips.folds != fold)
        packages = [clips.packages[i] for i in test]
        inside = clean[np.ix_(test, test)] if row.distances else clean[test]
        album.append(evaluate_retrieval(inside, packages, metric=metric))
        artist.append(evaluate_retrieval(inside, [clips.artists[i] for i in test], metric=metric))
        if changed is not None:
            degraded_query.append(evaluate_retrieval(clean[test], packages, queries=changed[test]))
            degraded_both.append(evaluate_retrieval(changed[test], packages))
    everything = np.ones(len(clips.paths), bool)
    whole = evaluate_retrieval(row.place(everything)[0], clips.packages, metric=metric)
    return Measured(
        row.name, whole, tuple(album), tuple(artist), tuple(degraded_query), tuple(degraded_both)
    )


def mean(results: Sequence[RetrievalMetrics], figure: MetricName) -> float | str:
    if not results:
        return "–"
    return float(np.mean([getattr(result, figure) for result in results]))


def ranged(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.value:{sign}.3f} ({estimate.low:{sign}.3f} … {estimate.high:{sign}.3f})"


def quality(measured: Sequence[Measured], clips: Clips) -> str:
    columns = (
        "space", "all 693: P@1", "P@5", "mAP", "two folds: P@1 (95 % over albums)", "P@5", "mAP",
        "macro P@1", "artist P@1", "degraded query P@1", "all degraded P@1",
    )  # fmt: skip
    body = [
        (
            row.name,
            row.whole.precision_at_1,
            row.whole.precision_at_5,
            row.whole.mean_average_precision,
            ranged(bootstrap_interval(row.album)),
            mean(row.album, "precision_at_5"),
            mean(row.album, "mean_average_precision"),
            mean(row.album, "macro_precision_at_1"),
            mean(row.artist, "precision_at_1"),
            mean(row.asked, "precision_at_1"),
            mean(row.both, "precision_at_1"),
        )
        for row in measured
    ]
    *_, musicnn, trial, _, sound = measured
    figures: tuple[MetricName, ...] = ("precision_at_1", "precision_at_5", "mean_average_precision")
    differences = [
        (
            f"`sound` − {reference.name}",
            *(ranged(bootstrap_difference(sound.album, reference.album, f), "+") for f in figures),
        )
        for reference in (musicnn, trial)
    ]
    chance = measured[0].whole
    return "\n".join(
        [
            f"Of {len(clips.paths)} clips {chance.queries} ask in the whole, "
            f"{' and '.join(str(r.queries) for r in sound.album)} in the folds "
            f"({' and '.join(str(r.queries) for r in sound.artist)} by artist). Chance: P@1 and "
            f"P@5 {chance.chance_precision:.3f}, mAP {chance.chance_average_precision:.3f}. In "
            "the columns of all 693, learned spaces were fitted on the same clips.\n",
            table(columns, body),
            table(("paired difference, two folds", "P@1", "P@5", "mAP"), differences),
        ]
    )


def steadiness(
    versions: dict[str, Version], config: SoundSpaceConfig, audio: Path, clips: Clips
) -> str:
    head = fit_projection(versions, config)
    clean, cut = (project(head, versions[name]) for name in ("clean", "cut"))
    same = (clean * cut).sum(axis=1)
    return "\n".join(
        [
            "Cosine similarity of a clip of 30 s to itself without the first 1.2 s: median "
            f"{np.median(same):.3f}, 5th percentile {np.percentile(same, 5):.3f}.",
            coverage(head, audio, clips),
        ]
    )


def coverage(head: Head, audio: Path, clips: Clips) -> str:
    """Join each album's clips to one long track; analyse it as Segue does, and whole."""
    from segue.audio.spectrogram import spans_to_analyse

    network = load_musicnn(WEIGHTS / "musicnn.safetensors")
    short, late = [], []
    names = sorted({name for name in clips.packages if clips.packages.count(name) >= 8})[:10]
    for name in names:
        paths = [p for p, of in zip(clips.paths, clips.packages, strict=True) if of == name][:8]
        samples = np.concatenate([read_clip(audio / path) for path in paths])
        vectors = []
        for start_s in (None, 0.0, CUT_S):
            cut = samples[round((start_s or 0.0) * SAMPLE_RATE_HZ) :]
            duration_s = len(cut) / SAMPLE_RATE_HZ
            spans = (Span(0.0, duration_s),) if start_s is None else spans_to_analyse(duration_s)
            pieces = tuple(
                cut[round(s.start_s * SAMPLE_RATE_HZ) : round(s.end_s * SAMPLE_RATE_HZ)]
                for s in spans
            )
            track = Recording(pieces, tuple(spans), duration_s, SAMPLE_RATE_HZ, 1, "")
            patches = torch.from_numpy(musicnn_patches(track))
            pooled = [
                network(batch).pooled.numpy() for batch in torch.split(patches, PATCHES_AT_ONCE)
            ]
            vectors.append(head.project(np.concatenate(pooled), describe(track).vector))
        full, analysed, cut_vector = vectors
        short.append(full @ analysed)
        late.append(analysed @ cut_vector)
    return (
        f"{len(names)} tracks of 240 s, each joined from eight clips of an album: cosine "
        f"similarity of the excerpts that Segue analyses to the whole, median "
        f"{np.median(short):.3f}; to the same "
        f"without the first 1.2 s, median {np.median(late):.3f}.\n"
    )


if __name__ == "__main__":
    main()
