"""The clips of free game music, and their cached features: clean, cut and degraded."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch

from recipes.datasets.degradation import degraded, production_numbers
from recipes.sound_projection import Patches
from segue.audio.features import describe
from segue.audio.musicnn import load_musicnn
from segue.audio.spectrogram import SAMPLE_RATE_HZ, musicnn_patches
from segue.builtin_spaces import WEIGHTS
from segue.io.audio import read_recording
from segue.records import FloatArray, Recording, Span

TEST = "D"  # degraded copy of every clip; tested on the fold that was held out
SHORT_COPIES = ("A0", "A1", "A2")  # further copies in the training set; A1 is also shifted in pitch
COPIES = (TEST, *SHORT_COPIES)
COPY_S = 15.2  # a copy is a stretch of that length, from anywhere
PATCHES_AT_ONCE = 4
CUT_S = 1.2
CLIP_S = 30.0
MUSLY_RATE_HZ = 22_050  # that it asks for


@dataclass(frozen=True, slots=True)
class Clips:
    """The table of clips."""

    paths: tuple[str, ...]
    packages: tuple[str, ...]
    artists: tuple[str, ...]  # "" where not reliable

    @property
    def folds(self) -> np.ndarray:
        """Fold of each clip, 0 or 1."""
        return np.array(
            [int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 for name in self.packages]
        )


@dataclass(frozen=True, slots=True)
class Version:
    """All clips in one state: clean, cut at the start, or degraded."""

    patches: Patches
    logits: FloatArray  # mean of each clip, (clips, 50)
    features: FloatArray  # (clips, features), or empty where not needed
    halves: FloatArray  # of the first and second half of clips, (2, clips, features), or empty
    production: FloatArray  # (clips, 9)
    bliss: FloatArray  # (clips, 23), or empty


def read_clips(path: Path) -> Clips:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    reliable = ("tag", "album.json")
    return Clips(
        tuple(row["path"] for row in rows),
        tuple(row["source_package"] for row in rows),
        tuple(row["artist"] if row["artist_source"] in reliable else "" for row in rows),
    )


def cached(folder: Path, audio: Path, clips: Clips, name: str) -> Version:
    file = folder / f"{name}.npz"
    if not file.exists():
        arrays: Any = compute(audio, clips, name)
        np.savez(file, **arrays)
    with np.load(file) as arrays:
        loaded = {key: arrays[key] for key in arrays.files}
    return Version(
        Patches(loaded["pooled"].astype(np.float32), loaded["tracks"]),
        loaded["logits"],
        loaded["features"],
        loaded["halves"],
        loaded["production"],
        loaded["bliss"],
    )


def compute(audio: Path, clips: Clips, name: str) -> dict[str, np.ndarray]:
    network = load_musicnn(WEIGHTS / "musicnn.safetensors")
    pooled, tracks, logits = [], [], []
    features, halves, production, bliss = [], [], [], []
    for track, path in enumerate(clips.paths):
        samples = changed(read_clip(audio / path), name, path)
        patches = torch.from_numpy(musicnn_patches(recording(samples)))
        parts = [network(batch) for batch in torch.split(patches, PATCHES_AT_ONCE)]
        pooled += [part.pooled.numpy().astype(np.float16) for part in parts]
        logits.append(torch.cat([part.logits for part in parts]).mean(0).numpy())
        tracks += [track] * len(patches)
        if name in ("clean", TEST):
            features.append(describe(recording(samples)).vector)
            production.append(production_numbers(samples))
        if name == "cut":
            features.append(describe(recording(samples)).vector)
        if name == "clean":
            middle = len(samples) // 2
            parts_of = (samples[:middle], samples[middle:])
            halves.append([describe(recording(part)).vector for part in parts_of])
            bliss.append(bliss_numbers(audio / path))
    return {
        "pooled": np.concatenate(pooled),
        "tracks": np.array(tracks),
        "logits": np.array(logits, np.float32),
        "features": np.array(features, np.float32),
        "halves": np.array(halves, np.float32).swapaxes(0, 1) if halves else np.zeros(0),
        "production": np.array(production, np.float32),
        "bliss": np.array(bliss, np.float32),
    }


def read_clip(path: Path) -> FloatArray:
    return read_recording(
        path, SAMPLE_RATE_HZ, lambda duration_s: (Span(0.0, duration_s),)
    ).excerpts[0]


def changed(samples: FloatArray, name: str, path: str) -> FloatArray:
    digest = hashlib.sha256(f"{path} {name}".encode()).hexdigest()
    rng = np.random.default_rng(int(digest[:16], 16))
    if name == "clean":
        return samples
    if name == "cut":
        return samples[int(CUT_S * SAMPLE_RATE_HZ) :]
    if name in SHORT_COPIES:
        length = int(COPY_S * SAMPLE_RATE_HZ)
        start = int(rng.integers(0, max(len(samples) - length, 0) + 1))
        samples = samples[start : start + length]
        if SHORT_COPIES.index(name) % 2:
            semitones = rng.uniform(-0.5, 0.5)
            rate_hz = SAMPLE_RATE_HZ * 2 ** (semitones / 12)
            samples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ).astype(np.float32)
    return degraded(samples, rng)[: int(CLIP_S * SAMPLE_RATE_HZ)]


def recording(samples: FloatArray) -> Recording:
    duration_s = len(samples) / SAMPLE_RATE_HZ
    return Recording((samples,), (Span(0.0, duration_s),), duration_s, SAMPLE_RATE_HZ, 1, "")


def musly_distances(file: Path, audio: Path, clips: Clips, in_training: np.ndarray) -> FloatArray:
    """Return the distances of musly's method "timbre", its scale set on the clips given."""
    from pymusly import MuslyJukebox

    box = MuslyJukebox(method="timbre")
    if not file.exists():
        heard = [
            box.serialize_track(box.track_from_audiodata(musly_samples(audio / path).tolist()))
            for path in clips.paths
        ]
        np.savez(file, tracks=np.frombuffer(b"".join(heard), np.uint8).reshape(len(heard), -1))
    with np.load(file) as arrays:
        tracks = [box.deserialize_track(row.tobytes()) for row in arrays["tracks"]]
    box.set_style([tracks[i] for i in np.flatnonzero(in_training)])
    numbered = list(enumerate(tracks))
    box.add_tracks(numbered)
    return np.array([box.compute_similarity(model, numbered) for model in numbered], np.float32)


def musly_samples(path: Path) -> FloatArray:
    whole = read_recording(path, MUSLY_RATE_HZ, lambda duration_s: (Span(0.0, duration_s),))
    return whole.excerpts[0]


def bliss_numbers(path: Path) -> FloatArray:
    from bliss_audio import Song

    return np.asarray(Song(str(path)).analysis, np.float32)
