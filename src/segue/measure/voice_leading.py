"""How well four voices are led, by the rules of the textbook.

Frames of sixteenths; in each the pitches of soprano, alto, tenor and bass.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

#: Lowest and highest MIDI pitch that choirs are commonly asked for, after textbooks of harmony.
RANGES: Final = ((60, 81), (55, 74), (48, 67), (40, 62))


@dataclass(frozen=True, slots=True)
class VoiceLeading:
    """What is against the rules.

    Attributes
    ----------
    frames : int
        Those in which someone sings.
    parallels : int
        Pairs of voices that move from one fifth to another, or from one octave or unison to
        another, both to another pitch.
    out_of_range : int
        Pitches beyond `RANGES`, of all frames and voices.
    crossings : int
        Neighbours of which the lower one is above, in all frames.
    """

    frames: int
    parallels: int
    out_of_range: int
    crossings: int

    @property
    def parallels_per_100(self) -> float:
        """Parallels in a hundred frames."""
        return 100 * self.parallels / max(self.frames, 1)


def voice_leading(pitches: NDArray[np.integer]) -> VoiceLeading:
    """Count what is against the rules.

    Parameters
    ----------
    pitches : ndarray, shape (frames, 4), int
        MIDI pitches of soprano, alto, tenor and bass; below 0 is silence.

    Returns
    -------
    VoiceLeading
    """
    if pitches.ndim != 2 or pitches.shape[1] != len(RANGES):
        raise BadArgument(f"pitches of shape {pitches.shape}; expected (frames, {len(RANGES)})")
    sung = pitches >= 0
    parallels = 0
    both = sung[1:] & sung[:-1]
    moves = pitches[1:] != pitches[:-1]
    for one, other in combinations(range(len(RANGES)), 2):
        interval = (pitches[:, one] - pitches[:, other]) % 12
        same = (interval[1:] == interval[:-1]) & np.isin(interval[1:], (0, 7))
        moving = moves[:, one] & moves[:, other] & both[:, one] & both[:, other]
        parallels += int((same & moving).sum())
    low, high = np.array(RANGES).T
    outside = sung & ((pitches < low) | (pitches > high))
    crossed = (pitches[:, 1:] > pitches[:, :-1]) & sung[:, 1:] & sung[:, :-1]
    return VoiceLeading(
        int(sung.any(axis=1).sum()), parallels, int(outside.sum()), int(crossed.sum())
    )
