"""Write golden/features.npz: what the features and fingerprints of two seeded signals are.

python tests/audio/make_golden_features.py

Run it when, and only when, a representation changes on purpose; raise its VERSION then.
"""

from pathlib import Path

import numpy as np

from segue.audio.features import describe
from segue.audio.fingerprint import fingerprint
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.records import Recording, Span

FILE = Path(__file__).parent / "golden" / "features.npz"


def song(seed: int, seconds: float) -> Recording:
    """Make a song of chords, bass and noise bursts, all drawn with the seed."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SAMPLE_RATE_HZ)
    samples = rng.normal(0, 0.003, n)
    beat = round(60 / rng.uniform(80, 150) * SAMPLE_RATE_HZ)
    root = rng.integers(40, 52)
    for start in range(0, n, beat):
        length = min(beat, n - start)
        time_s = np.arange(length) / SAMPLE_RATE_HZ
        degree = rng.choice([0, 5, 7, 9])
        for pitch in root + degree + np.array([0, 12, 16, 19]):
            hz = 440 * 2 ** ((pitch - 69) / 12)
            tone = sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in (1, 2, 3))
            samples[start : start + length] += 0.08 * np.exp(-3 * time_s) * tone
        burst = rng.normal(0, 0.2, length) * np.exp(-60 * time_s)
        samples[start : start + length] += burst
    stretch = np.asarray(samples, dtype=np.float32)
    return Recording((stretch,), (Span(0.0, seconds),), seconds, SAMPLE_RATE_HZ, 1, "none")


def main() -> None:
    """Compute and write."""
    songs = [song(seed, 12.0) for seed in (1, 2)]
    np.savez_compressed(
        FILE,
        vectors=np.stack([describe(each).vector for each in songs]),
        fingerprints=np.stack([fingerprint(each) for each in songs]),
    )


if __name__ == "__main__":
    main()
