"""Rhythms that can be read: where notes are written that were not played as they are written.

What is written may differ from what sounds: writers keep the difference, so nothing is lost by
rounding here. A beat is a quarter note.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Places to the quarter: all that can be written down are whole numbers of them.
QUARTER: Final = 10080
#: Into how many parts a beat is divided, and what each division costs beside the mean distance,
#: in quarters, by which it moves onsets.
_GRIDS: Final = ((2, 0.0), (4, 0.008), (3, 0.025), (8, 0.04), (6, 0.05))
#: What each note costs that would be written on top of one of its pitch, struck before it by more
#: than so many quarters.
_COLLISION: Final = 1.0
_AT_ONCE: Final = 1e-6
#: What triplets cost more where the part has hardly any others.
_RARE_TRIPLETS: Final = 0.035
_RARE: Final = 0.1  # share of its beats
_TERNARY: Final = (3, 6)
#: Divisions that a reader takes at sight, of one beat alone.
_PLAIN: Final = (8, 6)
#: Others are believed where so many places of a beat need them.
_FINER: Final = (5, 7, 9, 10, 12, 14, 16, 20, 24, 28, 32, 48)
_NEEDED: Final = 2
#: Share of the beats that must be readable for the whole to be left as it is.
_READABLE: Final = 0.95
_SHORTEST: Final = QUARTER // 8
#: A rest is left out where it is shorter than this part of the time to the next onset ...
_LEGATO: Final = 0.3
#: ... and than this.
_LONGEST_GAP: Final = QUARTER // 2
#: Notes struck together end together where their lengths differ by at most this part.
_TOGETHER: Final = 0.3

IntArray = NDArray[np.int64]


def is_readable(on: IntArray, off: IntArray) -> bool:
    """Tell whether exact times are those of notation, and not of a performance on a fine grid.

    Parameters
    ----------
    on, off : ndarray, shape (n,), int64
        Onsets and ends, in `QUARTER` to the quarter.

    Returns
    -------
    bool
        Within nearly every beat all notes begin and end where a reader expects them: at 32nds,
        at triplets, at eighths against triplets, or at a finer division or another tuplet where
        several places need it.
    """
    edges = np.unique(np.concatenate([on, off]))
    beats, places = np.divmod(edges, QUARTER)
    starts = np.flatnonzero(np.diff(beats, prepend=-1))
    within = np.split(places, starts[1:])
    return float(np.mean([_is_plain(some) for some in within])) >= _READABLE


def _is_plain(places: IntArray) -> bool:
    """Tell whether the places of a beat lie on a division that is read at sight."""
    if any((places * parts % QUARTER == 0).all() for parts in _PLAIN):
        return True
    halves_and_thirds = (places * 2 % QUARTER == 0) | (places * 3 % QUARTER == 0)
    if halves_and_thirds.all():
        return True
    for parts in _FINER:
        if (places * parts % QUARTER == 0).all():
            coarser = [*_PLAIN, *(n for n in _FINER if n < parts)]
            need_it = np.ones(len(places), bool)
            for n in coarser:
                need_it &= places * n % QUARTER != 0
            return int(need_it.sum()) >= _NEEDED
    return False


def quantised(
    on: NDArray[np.float64], off: NDArray[np.float64], pitch: IntArray
) -> tuple[IntArray, IntArray]:
    """Round the notes of a staff to rhythms that can be read.

    Parameters
    ----------
    on, off : ndarray, shape (n,), float64
        Onsets and ends, in quarters.
    pitch : ndarray, shape (n,), int64

    Returns
    -------
    on, off : ndarray, shape (n,), int64
        In `QUARTER` to the quarter. Each beat has one division: that which moves its onsets the
        least, simple ones preferred, and at which no note that is struck again falls on itself.
        Notes end at places of the beat they end in, the longer the coarser, or with the next
        onset where that is near.
    """
    beat = np.floor(on + 1e-6).astype(np.int64)
    beats, number = np.unique(beat, return_inverse=True)
    grids = np.array([parts for parts, _ in _GRIDS])
    costs = _costs(on, number, len(beats)) + _struck_again(on, pitch, number, len(beats))
    chosen = grids[np.argmin(costs, axis=0)]
    if np.isin(chosen, _TERNARY).mean() < _RARE:
        costs[np.isin(grids, _TERNARY)] += _RARE_TRIPLETS
        chosen = grids[np.argmin(costs, axis=0)]
    step = QUARTER // chosen[number]
    written = np.rint(on * QUARTER / step).astype(np.int64) * step
    return written, _ends(off * QUARTER, written, dict(zip(beats.tolist(), chosen, strict=True)))


def _costs(on: NDArray[np.float64], number: IntArray, beats: int) -> NDArray[np.float64]:
    """Return what each division of each beat costs, shape (divisions, beats)."""
    count = np.bincount(number, minlength=beats)
    rows = [
        np.bincount(number, np.abs(on - np.rint(on * parts) / parts), beats) / count + price
        for parts, price in _GRIDS
    ]
    return np.array(rows)


def _struck_again(
    on: NDArray[np.float64], pitch: IntArray, number: IntArray, beats: int
) -> NDArray[np.float64]:
    """Return what it costs that notes of one pitch would fall on one place, as `_costs`."""
    order = np.lexsort((on, pitch))
    follows = (np.diff(pitch[order]) == 0) & (np.diff(on[order]) > _AT_ONCE)
    again, before = order[1:][follows], order[:-1][follows]
    rows = []
    for parts, _ in _GRIDS:
        same = np.rint(on[again] * parts) == np.rint(on[before] * parts)
        both = np.concatenate([again, before]), np.concatenate([same, same])
        rows.append(_COLLISION * np.bincount(number[both[0]], both[1], beats))
    return np.array(rows)


def _ends(off: NDArray[np.float64], on: IntArray, grid: dict[int, int]) -> IntArray:
    """Round ends, given the written onsets and the division of each beat."""
    following = next_onset(on)
    length = np.maximum(off - on, 0)
    # The division of the beat that a note ends in; a long note's end is not divided finely.
    at = np.floor((off - 1) / QUARTER).astype(np.int64)
    parts = np.array([grid.get(beat, 2) for beat in at.tolist()])
    ternary = np.isin(parts, _TERNARY)
    parts = np.where(ternary, np.where(length < QUARTER / 2, parts, 3), np.minimum(parts, 8))
    parts = np.where(~ternary & (length >= QUARTER), 2, parts)
    parts = np.where(~ternary & (length >= 4 * QUARTER), 1, parts)
    parts = np.where(~ternary & (length < QUARTER), np.maximum(parts, 4), parts)
    step = QUARTER // parts
    found = np.rint(off / step).astype(np.int64) * step
    gap = following - np.maximum(found, on)
    is_near = (gap > -QUARTER // 8) & (gap <= np.minimum(_LEGATO * (following - on), _LONGEST_GAP))
    found = np.where(is_near, following, found)
    found = np.where(found > on, found, np.minimum(on + np.minimum(step, QUARTER // 4), following))
    return _together(on, found)


def _together(on: IntArray, off: IntArray) -> IntArray:
    """Let notes that are struck together end together where their lengths hardly differ."""
    found = off.copy()
    order = np.lexsort((off, on))
    for chord in np.split(order, np.flatnonzero(np.diff(on[order])) + 1):
        ends = off[chord]
        # From the longest down: what is nearly as long ends with it.
        last = ends[-1]
        for index, end in zip(chord[::-1].tolist(), ends[::-1].tolist(), strict=True):
            if last - end <= _TOGETHER * (last - on[index]):
                found[index] = last
            else:
                last = end
    return found


def next_onset(on: IntArray) -> IntArray:
    """Return when the next note of a staff begins; a quarter later after the last."""
    places = np.unique(on)
    later = np.append(places[1:], places[-1] + QUARTER)
    return np.asarray(later[np.searchsorted(places, on)])
