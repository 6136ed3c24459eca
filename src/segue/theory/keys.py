"""Pitch classes and keys: key profiles, Camelot wheel, Open Key."""

from functools import cache
from typing import Final

import numpy as np

from segue.records import FloatArray

PITCH_CLASSES: Final = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


MODES: Final = ("major", "minor")


# How often each degree sounds in a key, from the tonic up (Albrecht & Shanahan 2013).
_PROFILES: Final = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}


def key_correlations(chroma: FloatArray) -> FloatArray:
    """Correlate the shares of pitch classes with the profile of each key.

    Parameters
    ----------
    chroma : ndarray, shape (12,)
        From C; their sum does not matter.

    Returns
    -------
    ndarray, shape (24,), float32
        -1 to 1, the twelve major keys from C, then the minor ones; 0 where nothing has a pitch.
    """
    centred = chroma - chroma.mean()
    length = float(np.linalg.norm(centred))
    if length < 1e-6:
        return np.zeros(24, np.float32)
    return np.asarray(_key_profiles() @ (centred / length), dtype=np.float32)


@cache
def _key_profiles() -> FloatArray:
    """Unit-length, zero-mean profiles, shape (24, 12)."""
    rows = []
    for mode in MODES:
        profile = np.array(_PROFILES[mode])
        profile = (profile - profile.mean()) / (profile.std() * np.sqrt(12))
        rows += [np.roll(profile, tonic) for tonic in range(12)]
    return np.array(rows, dtype=np.float32)


_C_ON_THE_WHEEL = 8  # C major is 8B, and 1d
_TONICS = {name: pitch for pitch, name in enumerate(PITCH_CLASSES)} | {
    "Db": 1, "D#": 3, "Gb": 6, "G#": 8, "A#": 10,
}  # fmt: skip


@cache
def camelot(key: str) -> str:
    """Return a key's place on the Camelot wheel: "8B" for "C major", "8A" for "A minor".

    A fifth up is one hour on; a major key and its relative minor share an hour.

    Returns
    -------
    str
        "" for what is no key.
    """
    hour, mode = _hour(key)
    return f"{hour}{'B' if mode == 'major' else 'A'}" if hour else ""


def open_key(key: str) -> str:
    """Return a key's Open Key: "1d" for "C major", "1m" for "A minor"; "" for what is no key."""
    hour, mode = _hour(key)
    return f"{(hour - _C_ON_THE_WHEEL) % 12 + 1}{'d' if mode == 'major' else 'm'}" if hour else ""


def _hour(key: str) -> tuple[int, str]:
    """Return the hour of a key on the Camelot wheel, from 1, and its mode; 0 for no key."""
    tonic, _, mode = key.partition(" ")
    if tonic not in _TONICS or mode not in ("major", "minor"):
        return 0, ""
    pitch = _TONICS[tonic]
    relative = pitch if mode == "major" else (pitch + 3) % 12
    return (7 + 7 * relative) % 12 + 1, mode
