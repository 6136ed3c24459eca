"""Where the notes of a part are written: times that are rounded only if they have to be."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Part

#: Places to the quarter: all that can be written down are whole numbers of them.
QUARTER: Final = 10080
#: Into how many parts of a quarter notation divides it: by halves, within triplets, quintuplets,
#: septuplets and nonuplets.
_DIVISIONS: Final = (1, 2, 4, 8, 16, 32, 3, 6, 12, 24, 48, 5, 10, 20, 7, 14, 28, 9)
#: Ticks that a part must have for it to be told where it is rounded.
_FINE: Final = 4
#: From how many ticks to a part of the quarter on, up to how many of those, a tick more or less
#: is a file's own rounding.
_SLACK: Final = 16
_USUAL: Final = 12
#: How a beat that was played is divided, and what each costs beside its mean error in quarters.
_GRIDS: Final = ((4, 0.0), (3, 0.025), (8, 0.02), (6, 0.03), (12, 0.035))
_SHORTEST: Final = QUARTER // 12
_STACCATO: Final = frozenset(QUARTER // n for n in (1, 2, 3, 4, 6)) | {2 * QUARTER // 3}

IntArray = NDArray[np.int64]


def notated_times(
    part: Part, ticks_per_quarter: int, *, shortened: bool
) -> tuple[IntArray, IntArray, NDArray[np.bool]]:
    """Tell when the notes of a part are written to begin and to end.

    Parameters
    ----------
    part : Part
    ticks_per_quarter : int
    shortened : bool
        Notes may be written longer than they sound: short ones with a dot, drums without.

    Returns
    -------
    on, off : ndarray, shape (n,), int64
        In `QUARTER` to the quarter. Those that notation can tell exactly are exact as long as all
        of the part's are; else they are rounded, and what ends a little before the next one
        begins, or after it, ends with it.
    staccato : ndarray, shape (n,), bool
        Written to last until the next one begins, and so short that it is a dot above that says
        so, not a rest after it.
    """
    start, length = part.notes[:, :2].astype(np.int64).T
    exact_on, is_exact_on = _exact(start, ticks_per_quarter)
    exact_off, is_exact_off = _exact(start + length, ticks_per_quarter)
    on = exact_on if is_exact_on.all() else _rounded(start / ticks_per_quarter)
    following = _following(on)
    if is_exact_on.all() and is_exact_off.all():
        off = exact_off
    else:
        off = _ends((start + length) * (QUARTER / ticks_per_quarter), on, following)
    gap = following - on
    if not shortened:
        return on, off, np.zeros(len(on), np.bool)
    if part.is_drum:
        until = on + np.minimum(gap, QUARTER)
        return on, np.where(off <= until, until, off), np.zeros(len(on), np.bool)
    longest = _longest_from(on, off)
    staccato = (longest < gap / 2) & np.isin(gap, list(_STACCATO))
    staccato &= on % QUARTER + gap <= QUARTER
    return on, np.where(staccato, on + gap, off), np.asarray(staccato)


def _exact(ticks: IntArray, ticks_per_quarter: int) -> tuple[IntArray, NDArray[np.bool]]:
    """Return places, and which of them notation can tell: rounded to ticks as files have them."""
    quarters, rest = np.divmod(ticks, ticks_per_quarter)
    places = np.full(ticks_per_quarter + 1, -1, np.int64)
    # The simplest is written last, and what is a whole number of ticks after all.
    rounded = [n for n in _DIVISIONS if ticks_per_quarter % n and n * _FINE <= ticks_per_quarter]
    whole = [n for n in _DIVISIONS if ticks_per_quarter % n == 0]
    for parts in (*reversed(rounded), *reversed(whole)):
        steps = np.arange(parts + 1)
        told = steps * QUARTER // parts
        at = np.rint(steps * ticks_per_quarter / parts).astype(int)
        if parts <= _USUAL and parts * _SLACK <= ticks_per_quarter:  # a tick is next to nothing
            near = (places[at[:-1] + 1] < 0), (places[at[1:] - 1] < 0)
            places[at[:-1] + 1] = np.where(near[0], told[:-1], places[at[:-1] + 1])
            places[at[1:] - 1] = np.where(near[1], told[1:], places[at[1:] - 1])
        places[at] = told
    found = places[rest]
    return quarters * QUARTER + found, found >= 0


def _rounded(quarters: NDArray[np.float64]) -> IntArray:
    """Round beat by beat, to what fits the beat best."""
    _, beat = np.unique(np.floor(quarters), return_inverse=True)
    count = np.bincount(beat)
    costs = [
        np.bincount(beat, np.abs(quarters - np.rint(quarters * parts) / parts)) / count + price
        for parts, price in _GRIDS
    ]
    parts = np.array([parts for parts, _ in _GRIDS])[np.argmin(costs, axis=0)][beat]
    return np.asarray(np.rint(quarters * parts).astype(np.int64) * (QUARTER // parts))


def _following(on: IntArray) -> IntArray:
    """Return when the next note of the part begins; a quarter later after the last."""
    places = np.unique(on)
    later = np.append(places[1:], places[-1] + QUARTER)
    return np.asarray(later[np.searchsorted(places, on)])


def _ends(off: NDArray[np.float64], on: IntArray, following: IntArray) -> IntArray:
    """Round ends: to the next beginning where that is near, else to a sixteenth, else a triplet."""
    gap = following - off
    most = np.maximum(QUARTER / 16, np.minimum((following - on) / 5, QUARTER / 4))
    is_legato = (gap >= -QUARTER / 8) & (gap <= most)
    coarse = np.rint(off / (QUARTER / 4)) * (QUARTER / 4)
    fine = np.rint(off / _SHORTEST) * _SHORTEST
    found = np.where(np.abs(off - coarse) <= 0.7 * _SHORTEST, coarse, fine).astype(np.int64)
    found = np.where(is_legato, following, found)
    return np.asarray(np.where(found > on, found, np.minimum(on + _SHORTEST, following)))


def _longest_from(on: IntArray, off: IntArray) -> IntArray:
    """Return how long what lasts longest of the notes that begin together lasts."""
    places, number = np.unique(on, return_inverse=True)
    longest = np.zeros(len(places), np.int64)
    np.maximum.at(longest, number, off - on)
    return np.asarray(longest[number])
