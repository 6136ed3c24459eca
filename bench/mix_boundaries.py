"""Boundaries of the tracks of mixes, found and known.

    python -m bench.mix_boundaries --data ../shared/data --cache DIR

Mixes are made of tracks at one level with crossfades of 0 to 10 s, whose middles are the
boundaries: of twenty clips of game music of 30 s each, neighbours from different packages; and of
eight multitrack MIDI files of 1 to 4 minutes each, all rendered with one sound font, which alone
change within themselves as tracks of mixes do. Packages and files are divided by hash: thresholds
are chosen, and the projection is fitted, on one half; figures are those of the other. A boundary is
hit if one is found within 3 s, or 10 s, each counted once.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bench.result_tables import table, write_table
from recipes.datasets.game_music import PATCHES_AT_ONCE, Clips, cached, read_clip, read_clips
from recipes.sound_projection import Described, SoundSpaceConfig, fit_head
from segue.audio.embedding import Head
from segue.audio.musicnn import load_musicnn
from segue.audio.segmentation import segment, segment_into
from segue.audio.spectrogram import PATCH_S, SAMPLE_RATE_HZ, overlapping_patches
from segue.audio.timbre import frame_features, mfcc
from segue.builtin_spaces import WEIGHTS
from segue.errors import SegueError
from segue.ingest.segmentation import HOP_S, PENALTY
from segue.records import DoubleArray, FloatArray, Recording, Span

LEVEL: Final = 0.1
MAX_FADE_S: Final = 10.0
MAX_PIECE_S, MIN_PIECE_S = 240, 60
TOLERANCES_S: Final = (3.0, 10.0)
DEVELOPMENT, TEST = 0, 1
#: Number of mixes of a half, of tracks of a mix, and the minimum length asked for in seconds.
KINDS: Final = {"clips": (10, 20, 15.0), "pieces": (3, 8, 60.0)}
PENALTIES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
THRESHOLDS: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
KERNELS_S: Final = (6.0, 10.0, 15.0, 30.0)


@dataclass(frozen=True, slots=True)
class Mix:
    """A mix by its excerpts: what is found in it, and what is true."""

    unit: FloatArray  # in the space of `segue split`
    timbre: FloatArray  # unit vectors of standardised MFCCs
    mfcc: FloatArray  # per frame
    boundaries_s: DoubleArray
    duration_s: float
    min_length_s: float

    @property
    def count(self) -> int:
        """Number of tracks."""
        return len(self.boundaries_s) + 1

    @property
    def least(self) -> int:
        """Minimum length of a track in excerpts."""
        return round(self.min_length_s / HOP_S)


Method = Callable[[Mix], Sequence[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_clips(options.data / "audio" / "tracks.csv")
    clean = cached(options.cache, options.data / "audio", clips, "clean")
    development = clips.folds == DEVELOPMENT
    first, second = clean.halves
    described = Described(clean.features, (first, second), clean.features).only(development)
    head = fit_head(clean.patches.only(development), [], described, SoundSpaceConfig())
    sections = []
    for kind in KINDS:
        halves = [
            [_mix(file, head, kind) for file in _files(options.data, options.cache, clips, kind, f)]
            for f in (DEVELOPMENT, TEST)
        ]
        sections.append(_section(kind, *halves))
    write_table("mix_boundaries", "Boundaries of tracks in mixes", sections)


# ---- mixes -------------------------------------------------------------------------------


def _files(data: Path, cache: Path, clips: Clips, kind: str, fold: int) -> list[Path]:
    """Return the files of excerpts of the mixes of a half, computed where they are missing."""
    count = KINDS[kind][0]
    folder = cache / "mixes"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{kind}-{fold}-{number}.npz" for number in range(count)]
    if not all(file.exists() for file in files):
        mixes = (
            _clip_mixes(data / "audio", clips, fold)
            if kind == "clips"
            else _piece_mixes(data / "scores" / "multitrack", fold)
        )
        for file, (samples, boundaries_s) in zip(files, mixes, strict=False):
            if not file.exists():
                arrays: Any = _excerpts(samples)
                np.savez(file, **arrays, cuts=boundaries_s, n=len(samples))
    return files


def _clip_mixes(audio: Path, clips: Clips, fold: int) -> Iterator[tuple[FloatArray, DoubleArray]]:
    n_mixes, n_tracks, _ = KINDS["clips"]
    for number in range(n_mixes):
        rng = np.random.default_rng(100 * fold + number)
        order: list[int] = []
        for i in rng.permutation(np.flatnonzero(clips.folds == fold)).tolist():
            if len(order) < n_tracks and (
                not order or clips.packages[order[-1]] != clips.packages[i]
            ):
                order.append(i)
        yield _join((read_clip(audio / clips.paths[i]) for i in order), rng)


def _piece_mixes(folder: Path, fold: int) -> Iterator[tuple[FloatArray, DoubleArray]]:
    n_mixes, n_tracks, _ = KINDS["pieces"]
    files = [file for file in sorted(folder.rglob("*.mid*")) if _half(file) == fold]
    rng = np.random.default_rng(fold)
    pieces = _pieces([files[i] for i in rng.permutation(len(files))])
    for _ in range(n_mixes):
        yield _join((next(pieces) for _ in range(n_tracks)), rng)


def _half(file: Path) -> int:
    return int(hashlib.sha256(file.name.encode()).hexdigest(), 16) % 2


def _pieces(files: Sequence[Path]) -> Iterator[FloatArray]:
    from segue.io.scores import read_scores
    from segue.records import Score
    from segue.score.synthesis import synthesise

    for file in files:
        try:
            score = read_scores(file)[0]
        except SegueError:
            continue
        if isinstance(score, Score):
            samples = synthesise(score, SAMPLE_RATE_HZ)
            mono = samples.mean(axis=0) if samples.ndim > 1 else samples
            if len(mono) >= MIN_PIECE_S * SAMPLE_RATE_HZ:
                yield mono[: MAX_PIECE_S * SAMPLE_RATE_HZ]


def _join(tracks: Iterator[FloatArray], rng: np.random.Generator) -> tuple[FloatArray, DoubleArray]:
    mix = np.zeros(0, np.float32)
    boundaries_s = []
    for track in tracks:
        level = max(1e-4, float(np.sqrt((track**2).mean())))
        samples = (track * (LEVEL / level)).astype(np.float32)
        fade = 0
        if len(mix):
            fade = min(int(rng.uniform(0, MAX_FADE_S) * SAMPLE_RATE_HZ), len(samples) // 3)
            gain = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
            mix[len(mix) - fade :] *= gain[::-1]
            mix[len(mix) - fade :] += samples[:fade] * gain
            boundaries_s.append((len(mix) - fade / 2) / SAMPLE_RATE_HZ)
        mix = np.concatenate([mix, samples[fade:]])
    return mix, np.array(boundaries_s)


def _excerpts(samples: FloatArray) -> dict[str, np.ndarray]:
    network = load_musicnn(WEIGHTS / "musicnn.safetensors")
    duration_s = len(samples) / SAMPLE_RATE_HZ
    mix = Recording((samples,), (Span(0, duration_s),), duration_s, SAMPLE_RATE_HZ, 1, "")
    patches = torch.from_numpy(overlapping_patches(mix, HOP_S))
    pooled = [network(batch).pooled.numpy() for batch in torch.split(patches, PATCHES_AT_ONCE)]
    return {
        "pooled": np.concatenate(pooled).astype(np.float16),
        "mfcc": mfcc(frame_features(samples).mel_db).astype(np.float32),
    }


def _mix(file: Path, head: Head, kind: str) -> Mix:
    with np.load(file) as arrays:
        unit = head.project_patches(arrays["pooled"].astype(np.float32))
        coefficients, duration_s = arrays["mfcc"], float(arrays["n"]) / SAMPLE_RATE_HZ
        boundaries_s = arrays["cuts"]
    standard = (coefficients - coefficients.mean(axis=0)) / (coefficients.std(axis=0) + 1e-6)
    frames_per_s = len(standard) / duration_s
    timbre = np.stack(
        [
            standard[round(at * frames_per_s) : round((at + PATCH_S) * frames_per_s)].mean(axis=0)
            for at in np.arange(len(unit)) * HOP_S
        ]
    )
    timbre /= np.linalg.norm(timbre, axis=1, keepdims=True) + 1e-6
    return Mix(unit, timbre, coefficients, boundaries_s, duration_s, KINDS[kind][2])


# ---- methods -----------------------------------------------------------------------------


def _times(boundaries: Sequence[int]) -> list[float]:
    return [index * HOP_S + (PATCH_S - HOP_S) / 2 for index in boundaries]


def change_points(penalty: float, *, timbre: bool = False) -> Method:
    def find(mix: Mix) -> list[float]:
        vectors = mix.timbre if timbre else mix.unit
        return _times(segment(vectors, penalty * mix.least, mix.least, len(vectors)))

    return find


def change_points_of_count(mix: Mix) -> list[float]:
    return _times(segment_into(mix.unit, mix.count, mix.least, len(mix.unit)))


def novelty(kernel_s: float, threshold: float | None, *, timbre: bool = False) -> Method:
    """Peaks of Foote's novelty above a threshold, or as many as there are boundaries."""

    def find(mix: Mix) -> list[float]:
        vectors = mix.timbre if timbre else mix.unit
        curve = _novelty(vectors, round(kernel_s / HOP_S))
        chosen: list[int] = []
        for i in np.argsort(-curve).tolist():
            if threshold is not None and curve[i] < threshold:
                break
            ends = min(i, len(curve) - i)
            if ends >= mix.least and all(abs(i - other) >= mix.least for other in chosen):
                chosen.append(i)
            if threshold is None and len(chosen) == mix.count - 1:
                break
        return _times(sorted(chosen))

    return find


def _novelty(vectors: FloatArray, half: int) -> FloatArray:
    similar = np.pad(vectors @ vectors.T, half, mode="edge")
    offsets = np.arange(-half, half) + 0.5
    taper = np.exp(-((2 * offsets / half) ** 2) / 2) * np.sign(offsets)
    kernel = np.outer(taper, taper)
    sums = [
        (similar[i : i + 2 * half, i : i + 2 * half] * kernel).sum() for i in range(len(vectors))
    ]
    return np.array(sums / np.abs(kernel).sum(), np.float32)


def librosa_segments(mix: Mix) -> list[float]:
    """Agglomerative clustering of librosa on MFCCs, of the true number of segments."""
    import librosa

    frames_per_s = len(mix.mfcc) / mix.duration_s
    per_excerpt = round(HOP_S * frames_per_s)
    blocks = mix.mfcc[: len(mix.mfcc) // per_excerpt * per_excerpt]
    means = blocks.reshape(-1, per_excerpt, blocks.shape[1]).mean(axis=1)
    starts = librosa.segment.agglomerative(means.T, mix.count)
    return [float(start) * per_excerpt / frames_per_s for start in starts[1:]]


def regular(mix: Mix) -> list[float]:
    return [number * mix.duration_s / mix.count for number in range(1, mix.count)]


# ---- figures -----------------------------------------------------------------------------


def score(found_s: Sequence[float], true_s: Sequence[float], tolerance_s: float) -> DoubleArray:
    """Return precision, recall and F of boundaries, each matched once."""
    free = list(found_s)
    hits = 0
    for true in true_s:
        near = [found for found in free if abs(found - true) <= tolerance_s]
        if near:
            free.remove(min(near, key=lambda found: abs(found - true)))
            hits += 1
    precision, recall = hits / max(len(found_s), 1), hits / max(len(true_s), 1)
    return np.array([precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)])


def mean_f(method: Method, mixes: Sequence[Mix]) -> float:
    scores = [score(method(mix), mix.boundaries_s.tolist(), TOLERANCES_S[0])[2] for mix in mixes]
    return float(np.mean(scores))


def _section(kind: str, development: Sequence[Mix], test: Sequence[Mix]) -> str:
    def best(methods: dict[str, Method]) -> tuple[str, Method]:
        name = max(methods, key=lambda name: mean_f(methods[name], development))
        return name, methods[name]

    by_novelty = {
        timbre: best(
            {
                f"kernel of ±{k:g} s, threshold {t:g}": novelty(k, t, timbre=timbre)
                for k in KERNELS_S
                for t in THRESHOLDS
            }
        )
        for timbre in (False, True)
    }
    timbre_points = best({f"penalty {p:g}": change_points(p, timbre=True) for p in PENALTIES})
    kernel, at_kernel = best({f"±{k:g} s": novelty(k, None) for k in KERNELS_S})
    methods: dict[str, Method] = {
        f"**`segue split`** (penalty {PENALTY:g})": change_points(PENALTY),
        f"Foote's novelty on the same vectors, {by_novelty[False][0]}": by_novelty[False][1],
        f"change points on MFCCs, {timbre_points[0]}": timbre_points[1],
        f"Foote's novelty on MFCCs, {by_novelty[True][0]}": by_novelty[True][1],
        "number of tracks known: **`segue split --tracks`**": change_points_of_count,
        f"number known: Foote's novelty on the same vectors, {kernel}": at_kernel,
        "number known: librosa, agglomerative on MFCCs": librosa_segments,
        "number known: regular cuts": regular,
    }
    rows = []
    for name, method in methods.items():
        scores = np.array(
            [
                [score(found, mix.boundaries_s.tolist(), t) for t in TOLERANCES_S]
                for mix in test
                for found in [method(mix)]
            ]
        )
        means = scores.mean(axis=0)
        each = ", ".join(f"{f:.2f}" for f in sorted(scores[:, 0, 2]))
        rows.append((name, mean_f(method, development), *means[0], *means[1], each))
    columns = (
        "method", "development: F ±3 s", "test: precision ±3 s", "recall", "F", "±10 s: precision",
        "recall", "F", "F ±3 s of each mix",
    )  # fmt: skip
    by_penalty = [(p, mean_f(change_points(p), development)) for p in PENALTIES]
    n_mixes, n_tracks, least_s = KINDS[kind]
    return (
        f"{n_mixes} mixes of {n_tracks} {kind} in each half, "
        f"{sum(mix.duration_s for mix in test) / 60:.0f} minutes in the test half; minimum length "
        f"{least_s:g} s.\n\n"
        + table(columns, rows)
        + "\nPenalty as a share of the minimum length, on the development half:\n\n"
        + table(("penalty", "F ±3 s"), by_penalty)
    )


if __name__ == "__main__":
    main()
