"""A small song and sung notes as recordings, whose notes are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conftest import write_sound

RATE_HZ = 22_050
SUNG_RATE_HZ = 16_000
SCALE = (72, 74, 76, 77, 79, 81, 83, 84)


def write_song(path: Path) -> Path:
    """Write eight bars of 4/4 at 120 BPM: a scale over C and G major in turn, with their roots."""
    notes: list[tuple[float, float, int]] = []
    for bar in range(8):
        start_s, root = 2.0 * bar, 43 if bar % 2 else 36
        notes.append((start_s, 1.9, root))
        for beat, pitch in enumerate(SCALE[4:] if bar % 2 else SCALE[:4]):
            at_s = start_s + 0.5 * beat
            notes += [(at_s, 0.45, pitch), (at_s, 0.3, root + 16), (at_s, 0.3, root + 19)]
    samples = np.zeros(round(16.5 * RATE_HZ))
    for onset_s, length_s, pitch in notes:
        time_s = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
        hz = 440 * 2 ** ((pitch - 69) / 12)
        harmonics = np.arange(1, 5)[:, None]
        tone = (np.sin(2 * np.pi * hz * harmonics * time_s) / harmonics**2).sum(axis=0)
        start = round(onset_s * RATE_HZ)
        fade = np.exp(-2 * time_s) * np.minimum((length_s - time_s) / 0.05, 1)
        samples[start : start + len(tone)] += 0.15 * tone * fade
    return write_sound(path, samples.astype(np.float32), RATE_HZ, tags={"title": "Scale"})


def sung(
    pitches: Sequence[float], length_s: float = 0.3, gap_s: float = 0.0
) -> NDArray[np.float32]:
    """Sing notes of a few harmonics without a gap, or with one."""
    gap = np.zeros(round(gap_s * SUNG_RATE_HZ))
    time_s = np.arange(round(length_s * SUNG_RATE_HZ)) / SUNG_RATE_HZ
    pieces = []
    phase = 0.0
    for pitch in pitches:
        hz = 440 * 2 ** ((pitch - 69) / 12)
        at = phase + 2 * np.pi * hz * time_s
        phase = float(at[-1])
        pieces += [sum(np.sin(k * at) / k for k in range(1, 6)), gap]
    return np.asarray(0.2 * np.concatenate(pieces), np.float32)
