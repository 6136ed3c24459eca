"""What a DJ minds between two tracks: tempo and key."""

import math
from functools import cache
from typing import Final

from segue.records import Track
from segue.represent.key_names import camelot

#: How far tempos may lie apart, as a share: what a turntable's slider corrects.
TEMPO_SHARE: Final = 0.06


def mix(one: Track, other: Track) -> bool:
    """Tell whether tempo and key of two tracks go together."""
    return keys_mix(key_of(one), key_of(other)) and tempo_apart(one, other) <= TEMPO_SHARE


def key_of(track: Track) -> str:
    """Return a track's place on the Camelot wheel, "" where its key is unknown."""
    return camelot(str(track.facts.get("key", "")))


@cache
def keys_mix(one: str, other: str) -> bool:
    """Tell whether two places are the same, an hour apart, or each other's relative."""
    if not one or not other:
        return False
    hours = (int(one[:-1]) - int(other[:-1])) % 12
    if one[-1] != other[-1]:
        return hours == 0
    return hours in (0, 1, 11)


def tempo_apart(one: Track, other: Track) -> float:
    """Return how far two tempos lie apart, as a share; double and half count as the same.

    Returns
    -------
    float
        0 to 0.42; infinity where one is unknown.
    """
    a, b = (float(track.facts.get("tempo_bpm") or 0) for track in (one, other))
    if a <= 0 or b <= 0:
        return math.inf
    octaves = math.log2(a / b)
    return math.exp2(abs(octaves - round(octaves))) - 1
