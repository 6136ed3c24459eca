"""Chords as a part for a keyboard: near one another above, the root below."""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Part
from segue.represent.score.harmony import Chord

NAME: Final = "Accompaniment"
PIANO: Final = 0
BASS: Final = (33, 50)
#: The highest note of the chords lies below most of the melody, but not outside of this.
_TOPS: Final = (58, 67)
_SPAN: Final = 16  # semitones below the highest; but no lower than this, if all tones are there
_LOWEST: Final = 48
_APART: Final = 3  # semitones from the bass to the chord at least
_SOFTER: Final = 0.75
_USUAL_BASS: Final = 43
_MUDDY: Final = 52  # below it seconds blur


def accompaniment(
    chords: Sequence[Chord], tones: Sequence[Sequence[int]], bars: NDArray[np.int64], melody: Part
) -> Part:
    """Write chords for a keyboard.

    Each is held until the next one, and struck again where a bar begins. Of a chord of four tones
    the root is left to the bass. Of all voicings that one is taken that moves least.

    Parameters
    ----------
    chords : sequence of Chord
        At least one with a root.
    tones : sequence of sequence of int
        The semitones of each above its root.
    bars : ndarray of int64
        Ticks at which bars begin.
    melody : Part
        The chords stay below most of it, and softer.

    Returns
    -------
    Part
    """
    low_melody = int(np.percentile(melody.notes[:, 2], 10))
    top = int(np.clip(low_melody - 3, *_TOPS))
    velocity = max(round(float(np.median(melody.notes[:, 3])) * _SOFTER), 1)
    voicing, bass = [top - 9, top - 5, top - 1], _USUAL_BASS
    rows: list[list[int]] = []
    for chord, above in zip(chords, tones, strict=True):
        if chord.root < 0:
            continue
        voicing = _nearest(chord.root, above, voicing, top)
        bass = _nearest_bass(chord.root, bass, voicing[0] - _APART)
        edges = [chord.start, *bars[(bars > chord.start) & (bars < chord.end)].tolist(), chord.end]
        for start, end in pairwise(edges):
            rows += [[start, end - start, pitch, velocity] for pitch in (bass, *voicing)]
    return Part(
        NAME, PIANO, False, np.array(sorted(rows, key=lambda row: (row[0], row[2])), np.int32)
    )


def _nearest(root: int, above: Sequence[int], before: Sequence[int], top: int) -> list[int]:
    """Return the voicing that moves least from the one before, with the tones once each."""
    classes = [(root + tone) % 12 for tone in above]
    classes = classes[1:] if len(classes) > 3 else classes
    low = min(max(top - _SPAN, _LOWEST), top - 11)
    places = [[pitch for pitch in range(low, top + 1) if pitch % 12 == one] for one in classes]
    found = [sorted(voicing) for voicing in product(*places)]
    return min(found, key=lambda one: _effort(one, before, top))


def _effort(voicing: Sequence[int], before: Sequence[int], top: int) -> float:
    moved = sum(abs(a - b) for a, b in zip(voicing, before, strict=True))
    close = sum(b - a < 3 for a, b in pairwise(voicing) if a < _MUDDY)
    wide = max(voicing[-1] - voicing[0] - 12, 0)
    # Held to the middle, so that many small steps do not lead away.
    away = abs(float(np.mean(voicing)) - (top - 5)) / 4
    return moved + 3 * close + wide + away


def _nearest_bass(root: int, before: int, highest: int) -> int:
    lowest = BASS[0] + (root - BASS[0]) % 12
    places = [pitch for pitch in range(lowest, BASS[1] + 1, 12) if pitch <= highest] or [lowest]
    return min(places, key=lambda pitch: abs(pitch - before) + abs(pitch - _USUAL_BASS) / 4)
