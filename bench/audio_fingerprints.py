"""Audio fingerprints: recall and precision on copies of recordings.

    python -m bench.audio_fingerprints --data ../shared/data

Compares all pairs of the 693 clips; re-encodes 50 of them in five formats with 0.5 to 3 s cut from
the start, the end or both, and compares each copy with every clip; and cuts tracks of 240 s, of
which only excerpts are analysed. Pairs found among the clips are checked by their waveforms.
"""

import argparse
import csv
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import scipy.signal

from bench.result_tables import write_table
from recipes.datasets.degradation import Codec, through_codec
from recipes.datasets.excerpts import as_recording
from segue.audio.fingerprint import SAME_RECORDING_THRESHOLD, Fingerprint, fingerprint, match
from segue.audio.spectrogram import SAMPLE_RATE_HZ, spans_to_analyse
from segue.io.audio import read_recording
from segue.records import FloatArray, Recording

SEED: Final = 3
COPIED: Final = 50
CUT_S: Final = (0.5, 3.0)
NEAR: Final = 0.25
SAME_WAVEFORM: Final = 0.9
FORMATS: Final = {
    "mp3 64 kbit/s": (Codec("libmp3lame", "mp3", 44_100, "mono", ()), 64_000),
    "mp3 128 kbit/s": (Codec("libmp3lame", "mp3", 44_100, "mono", ()), 128_000),
    "aac 96 kbit/s": (Codec("aac", "adts", 44_100, "mono", ()), 96_000),
    "opus 48 kbit/s": (Codec("libopus", "ogg", 48_000, "mono", ()), 48_000),
    "vorbis 64 kbit/s": (Codec("vorbis", "ogg", 22_050, "stereo", ()), 64_000),
}


class Pair(NamedTuple):
    """Two clips that are, or nearly are, taken for one recording."""

    similarity: float
    lag_s: float
    first: str
    second: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "audio"
    with (folder / "tracks.csv").open(encoding="utf-8", newline="") as file:
        names = [row["path"] for row in csv.DictReader(file)]
    prints = [fingerprint(_read(folder / name)) for name in names]
    near = _near(names, prints)
    pairs = len(names) * (len(names) - 1) // 2
    duplicates = [pair for pair in near if pair.similarity >= SAME_RECORDING_THRESHOLD]
    sections = [
        f"Seed {SEED}. Among the {pairs:,} pairs of {len(names)} clips, {len(duplicates)} at or "
        f"above the similarity of {SAME_RECORDING_THRESHOLD}. All pairs above {NEAR}, with the "
        "correlation of their waveforms once aligned (1 is sample for sample the same):",
        "",
        "| similarity | lag (s) | clip | clip | waveforms | listed | judgement |",
        "|---:|---:|---|---|---:|---|---|",
        *(_pair_row(folder, pair) for pair in near),
        "",
        *_copies(folder, names, prints),
        "",
        *_long(folder, names),
    ]
    write_table("audio_fingerprints", "Audio fingerprints: copies of recordings", sections)


def _read(path: Path) -> Recording:
    return read_recording(path, SAMPLE_RATE_HZ, spans_to_analyse)


def _near(names: list[str], prints: list[Fingerprint]) -> list[Pair]:
    pairs = []
    for i, first in enumerate(prints):
        for j in range(i):
            pair = match(first, prints[j])
            if pair.similarity >= NEAR:
                pairs.append(Pair(pair.similarity, pair.lag_s, names[i], names[j]))
    return sorted(pairs, reverse=True)


def _pair_row(folder: Path, pair: Pair) -> str:
    waveforms = _correlation(folder / pair.first, folder / pair.second)
    is_found = "yes" if pair.similarity >= SAME_RECORDING_THRESHOLD else "no"
    relation = "one recording" if waveforms >= SAME_WAVEFORM else "another mix, or shared loops"
    return (
        f"| {pair.similarity:.3f} | {pair.lag_s:.1f} | {pair.first} | {pair.second} "
        f"| {waveforms:.3f} | {is_found} | {relation} |"
    )


def _correlation(first: Path, second: Path) -> float:
    """Find the largest normalised cross-correlation over all lags with 10 s in common."""
    a, b = (_read(path).excerpts[0] for path in (first, second))
    product = np.abs(scipy.signal.correlate(a, b, method="fft"))
    lags = scipy.signal.correlation_lags(len(a), len(b))
    energy_a, energy_b = (
        np.concatenate([[0], np.cumsum(np.square(x, dtype=float))]) for x in (a, b)
    )
    begin, end = np.maximum(lags, 0), np.minimum(len(a), len(b) + lags)
    enough = end - begin >= 10 * SAMPLE_RATE_HZ
    begin, end, lags, product = begin[enough], end[enough], lags[enough], product[enough]
    energy = (energy_a[end] - energy_a[begin]) * (energy_b[end - lags] - energy_b[begin - lags])
    return float((product / np.sqrt(np.maximum(energy, 1e-12))).max())


def _copies(folder: Path, names: list[str], prints: list[Fingerprint]) -> list[str]:
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(len(names), COPIED, replace=False)
    lines = [
        f"Copies of {COPIED} clips, {CUT_S[0]} to {CUT_S[1]} s cut at the start, the end or both:",
        "",
        "| format | recognised | lowest similarity to its clip | other clips listed "
        "| highest similarity to another |",
        "|---|---:|---:|---:|---:|",
    ]
    hits = 0
    for name, (codec, bit_rate) in FORMATS.items():
        similarities, others, wrong = [], [], 0
        for k, i in enumerate(chosen):
            samples = _cut(
                _read(folder / names[i]).excerpts[0], rng, ("start", "end", "both")[k % 3]
            )
            copy = fingerprint(as_recording(through_codec(samples, codec, bit_rate)))
            similarities.append(match(prints[i], copy).similarity)
            other_similarities = [
                match(prints[j], copy).similarity for j in range(len(names)) if j != i
            ]
            wrong += sum(
                similarity >= SAME_RECORDING_THRESHOLD for similarity in other_similarities
            )
            others.append(max(other_similarities))
        good = sum(similarity >= SAME_RECORDING_THRESHOLD for similarity in similarities)
        hits += good
        lines.append(
            f"| {name} | {good} of {COPIED} | {min(similarities):.3f} | {wrong} "
            f"| {max(others):.3f} |"
        )
    recall = hits / (COPIED * len(FORMATS))
    return [*lines, "", f"Recall over all formats: {recall:.3f}."]


def _cut(samples: FloatArray, rng: np.random.Generator, where: str) -> FloatArray:
    start, end = (round(cut_s * SAMPLE_RATE_HZ) for cut_s in rng.uniform(*CUT_S, 2))
    return samples[start if where != "end" else 0 : len(samples) - (end if where != "start" else 0)]


def _long(folder: Path, names: list[str]) -> list[str]:
    """Tracks of eight clips of a package, 2 s cut from the start, as mp3."""
    packages: dict[str, list[str]] = {}
    for name in names:
        packages.setdefault(name.split("/")[0], []).append(name)
    similarities = []
    codec, bit_rate = FORMATS["mp3 128 kbit/s"]
    for clips in [clips for clips in packages.values() if len(clips) >= 8]:
        track = np.concatenate([_read(folder / clip).excerpts[0] for clip in clips[:8]])
        copy = through_codec(track[2 * SAMPLE_RATE_HZ :], codec, bit_rate)
        pair = fingerprint(as_recording(track)), fingerprint(as_recording(copy))
        similarities.append(match(*pair).similarity)
    good = sum(similarity >= SAME_RECORDING_THRESHOLD for similarity in similarities)
    return [
        f"Tracks of 240 s with 2 s cut from the start, mp3 128 kbit/s: {good} of "
        f"{len(similarities)} recognised, lowest similarity {min(similarities):.3f}."
    ]


if __name__ == "__main__":
    main()
