"""What DJs call keys: places on the Camelot wheel, and the Open Key of other programs."""

from functools import cache

from segue.represent.harmony import PITCH_CLASSES

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
