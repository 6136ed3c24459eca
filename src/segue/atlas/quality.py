"""Which of two files of one recording is the better one, as far as the files tell."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from segue.atlas.odd import Twin
from segue.records import Track

_LOSSLESS: Final = frozenset([".flac", ".wav", ".aif", ".aiff", ".aifc", ".wv", ".alac"])
#: MP4 may hold either: only what is coded without loss takes so much.
_LOSSLESS_MP4_KBPS: Final = 500
_MP4: Final = frozenset([".m4a", ".m4b", ".mp4", ".m4v", ".mov"])
#: How many bits of MP3 sound like one of these, by the listening tests of Hydrogenaudio (2014).
_WORTH: Final = {".opus": 1.4, ".m4a": 1.2, ".m4b": 1.2, ".aac": 1.2, ".ogg": 1.2, ".oga": 1.2}
#: Nearer bit rates are as good.
_CLEARLY: Final = 1.2
_ENDS_S: Final = 5.0  # a file that is so much shorter was cut


@dataclass(frozen=True, slots=True)
class Quality:
    """How a recording is stored.

    Attributes
    ----------
    format : str
        Ending of the file: "flac".
    size_bytes : int
        0 where the file is gone.
    bit_rate_kbps : float
        Size over duration, pictures and tags included.
    lossless : bool
    """

    format: str
    size_bytes: int
    bit_rate_kbps: float
    lossless: bool


def quality_of(track: Track) -> Quality:
    """Tell how a recording is stored, from its file's name, size and length."""
    suffix = track.path.suffix.lower()
    try:
        size = os.stat(track.path).st_size
    except OSError:
        size = 0
    rate = 8e-3 * size / track.duration_s if track.duration_s else 0.0
    lossless = suffix in _LOSSLESS or (suffix in _MP4 and rate >= _LOSSLESS_MP4_KBPS)
    return Quality(suffix.removeprefix("."), size, rate, lossless)


def better(first: Track, second: Track) -> Literal["first", "second", ""]:
    """Tell which of two files of one recording is the better; "" where none clearly is.

    What is whole before what is cut, what is coded without loss before what is not, then the
    higher sampling rate without loss, or the higher bit rate for its format with loss.
    """
    if abs(first.duration_s - second.duration_s) > _ENDS_S:
        return "first" if first.duration_s > second.duration_s else "second"
    one, other = _worth(first), _worth(second)
    if one[0] != other[0]:
        return "first" if one[0] else "second"
    if max(one[1], other[1]) < _CLEARLY * min(one[1], other[1]):
        return ""
    return "first" if one[1] > other[1] else "second"


def _worth(track: Track) -> tuple[bool, float]:
    quality = quality_of(track)
    if quality.lossless:
        return True, float(track.facts.get("sample_rate_hz", 0.0))
    return False, quality.bit_rate_kbps * _WORTH.get(track.path.suffix.lower(), 1.0)


def spare(twins: Sequence[Twin]) -> list[Track]:
    """List the files that one could do without: of each recording all but its best."""
    keep: dict[int, Track] = {}  # by each track, the best that is known of its recording

    def best(track: Track) -> Track:
        while keep.get(track.id, track).id != track.id:
            track = keep[track.id]
        return track

    met: dict[int, Track] = {}
    for twin in twins:
        met |= {twin.first.id: twin.first, twin.second.id: twin.second}
        one, other = best(twin.first), best(twin.second)
        if one.id == other.id:
            continue
        winner, loser = (other, one) if better(one, other) == "second" else (one, other)
        keep[loser.id] = winner
    return [track for number, track in sorted(met.items()) if best(track).id != number]
