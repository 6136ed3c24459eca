"""Features of recordings: accuracy of tempo and key, retrieval, and speed.

    python -m bench.features --data ../shared/data

Tempo and key of rendered MIDI files (`recipes/datasets/rendered_midi.py`), also by librosa;
retrieval in the space `features` on the clips; time for a minute of audio.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Final

import librosa
import mir_eval
import numpy as np

from bench.result_tables import write_table
from recipes.datasets.excerpts import as_recording
from recipes.datasets.rendered_midi import Piece, pieces
from recipes.features import clip_features
from segue.audio.features import (
    VERSION,
    describe,
    standardise,
)
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.evaluation.retrieval import evaluate_retrieval
from segue.feature_names import SOUND_FEATURE_GROUPS
from segue.records import FloatArray
from segue.theory.keys import MODES, PITCH_CLASSES

TOLERANCE: Final = 0.04
OCTAVES: Final = (1, 2, 3, 1 / 2, 1 / 3)
CONFIDENCES: Final = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
# Krumhansl & Kessler 1982.
KRUMHANSL: Final = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    packages, vectors = clip_features(arguments.data / "audio")
    sections = [
        f"Version {VERSION} of the features.\n",
        *_truth(list(pieces(arguments.data, "test", pop=61, multitrack=39, folk=40))),
        "",
        *_retrieval(packages, vectors),
        "",
        _speed(),
    ]
    write_table("features", "Features of recordings: tempo, key, retrieval and speed", sections)


def _truth(known: list[Piece]) -> list[str]:
    timed = [piece for piece in known if piece.tempo_bpm]
    # A hundred of each: the keys of the folk tunes fill up.
    keyed = [piece for piece in known if piece.key][:100]
    facts = {piece.name: describe(piece.recording).facts for piece in known}
    lines = [
        f"## Tempo, {len(timed)} rendered MIDI files ({_sources(timed)})",
        "",
        "| | Acc1 | Acc2 |",
        "|---|---:|---:|",
    ]
    for name, estimates in (
        ("segue", [float(facts[piece.name]["tempo_bpm"]) for piece in timed]),
        ("librosa beat_track", [_librosa_tempo(piece) for piece in timed]),
    ):
        ratios = np.array(estimates) / [piece.tempo_bpm for piece in timed]
        close = [np.abs(ratios / octave - 1) <= TOLERANCE for octave in OCTAVES]
        lines.append(f"| {name} | {close[0].mean():.3f} | {np.any(close, axis=0).mean():.3f} |")
    lines += [
        "",
        f"## Key, {len(keyed)} rendered MIDI files ({_sources(keyed)})",
        "",
        "| | weighted score | exact |",
        "|---|---:|---:|",
    ]
    for name, keys in (
        ("segue", [str(facts[piece.name]["key"]) for piece in keyed]),
        ("Krumhansl-Schmuckler on librosa chroma_stft", [_librosa_key(piece) for piece in keyed]),
        ("the most frequent key", ["C major"] * len(keyed)),
    ):
        scores = [
            mir_eval.key.weighted_score(piece.key, key)
            for piece, key in zip(keyed, keys, strict=True)
        ]
        exact = np.mean([score == 1 for score in scores])
        lines.append(f"| {name} | {np.mean(scores):.3f} | {exact:.3f} |")
    sure = np.array([float(facts[piece.name]["key_confidence"]) for piece in keyed])
    right = np.array([facts[piece.name]["key"] == piece.key for piece in keyed])
    lines += [
        "",
        f"Mean key_confidence of segue: {sure.mean():.3f}. Accuracy of the key by confidence:",
        "",
        "| confidence at least | share | accuracy |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {least:.1f} | {(sure >= least).mean():.2f} | {right[sure >= least].mean():.3f} |"
        for least in CONFIDENCES
    ]
    return lines


def _sources(known: list[Piece]) -> str:
    sources = [piece.name.split("/")[0] for piece in known]
    return ", ".join(f"{name} {sources.count(name)}" for name in sorted(set(sources)))


def _librosa_tempo(piece: Piece) -> float:
    samples = np.concatenate(piece.recording.excerpts)
    return float(np.squeeze(librosa.beat.beat_track(y=samples, sr=SAMPLE_RATE_HZ)[0]))


def _librosa_key(piece: Piece) -> str:
    samples = np.concatenate(piece.recording.excerpts)
    chroma = librosa.feature.chroma_stft(y=samples, sr=SAMPLE_RATE_HZ).mean(axis=1)
    fits = [
        np.corrcoef(np.roll(profile, tonic), chroma)[0, 1]
        for profile in KRUMHANSL
        for tonic in range(12)
    ]
    best = int(np.argmax(fits))
    return f"{PITCH_CLASSES[best % 12]} {MODES[best // 12]}"


def _retrieval(packages: list[str], vectors: FloatArray) -> list[str]:
    space = standardise(vectors)
    lines = [
        f"## Clips of the same package among {len(vectors)}",
        "",
        "| | numbers | P@1 | P@5 | mAP |",
        "|---|---:|---:|---:|---:|",
        _retrieval_row("features", space, packages),
        _retrieval_row("z-scored only", (vectors - vectors.mean(0)) / vectors.std(0), packages),
    ]
    for group, columns in SOUND_FEATURE_GROUPS.items():
        lines.append(_retrieval_row(f"{group} alone", space[:, columns], packages))
    return lines


def _retrieval_row(name: str, space: FloatArray, packages: list[str]) -> str:
    metrics = evaluate_retrieval(space, packages)
    return (
        f"| {name} | {space.shape[1]} | {metrics.precision_at_1:.3f} "
        f"| {metrics.precision_at_5:.3f} | {metrics.mean_average_precision:.3f} |"
    )


def _speed() -> str:
    rng = np.random.default_rng(0)
    recording = as_recording(rng.normal(0, 0.1, 60 * SAMPLE_RATE_HZ).astype(np.float32))
    times = []
    for _ in range(10):
        start = time.process_time()
        describe(recording)
        times.append(time.process_time() - start)
    return f"`describe` of 60 s of sound: {min(times):.3f} s of processor time (best of 10)."


if __name__ == "__main__":
    with warnings.catch_warnings():
        # librosa warns of its own deprecated parts
        warnings.simplefilter("ignore", FutureWarning)
        main()
