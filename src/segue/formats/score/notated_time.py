"""Where the notes of a staff are written: times that are rounded only if they have to be."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.formats.score.quantisation import (
    QUARTER,
    IntArray,
    is_readable,
    next_onset,
    quantised,
)

#: Into how many parts of a quarter notation divides it: by halves, within triplets, quintuplets,
#: septuplets and nonuplets.
_DIVISIONS: Final = (1, 2, 4, 8, 16, 32, 3, 6, 12, 24, 48, 5, 10, 20, 7, 14, 28, 9)
#: Ticks that a part must have for it to be told where it is rounded.
_FINE: Final = 4
#: From how many ticks to a part of the quarter on, up to how many of those, a tick more or less
#: is a file's own rounding.
_SLACK: Final = 16
_USUAL: Final = 12
_STACCATO: Final = frozenset(QUARTER // n for n in (1, 2, 3, 4, 6)) | {2 * QUARTER // 3}


def notated_times(
    notes: NDArray[np.int32], ticks_per_quarter: int, *, is_drum: bool, shortened: bool
) -> tuple[IntArray, IntArray, NDArray[np.bool]]:
    """Tell when the notes of a staff are written to begin and to end.

    Parameters
    ----------
    notes : ndarray, shape (n, 4), int32
        As `segue.records.Part.notes`.
    ticks_per_quarter : int
    is_drum : bool
    shortened : bool
        What is written may differ from what sounds, because the writer keeps both: rhythms are
        made readable, short notes are written longer, with a staccato dot, drums without.

    Returns
    -------
    on, off : ndarray, shape (n,), int64
        In `QUARTER` to the quarter: exact where notation can tell all of them exactly and, where
        they may differ from what sounds, they can be read, see `is_readable`; else `quantised`.
    staccato : ndarray, shape (n,), bool
        Written to last until the next one begins, and so short that it is a dot above that says
        so, not a rest after it.
    """
    start, length = notes[:, :2].astype(np.int64).T
    on, is_exact_on = _exact(start, ticks_per_quarter)
    off, is_exact_off = _exact(start + length, ticks_per_quarter)
    heard = on if is_drum else np.concatenate([on, off])  # nobody hears where a drum ends
    is_exact = is_exact_on.all() and (is_drum or is_exact_off.all())
    if not is_exact or (shortened and not is_readable(on, heard)):
        quarters = start / ticks_per_quarter, (start + length) / ticks_per_quarter
        on, off = quantised(*quarters, notes[:, 2].astype(np.int64))
    gap = next_onset(on) - on
    if is_drum and (shortened or not is_exact_off.all()):
        # Until the next stroke, and not beyond the beat: drums are not tied.
        left = QUARTER - on % QUARTER
        return on, on + np.minimum(gap, left), np.zeros(len(on), np.bool)
    if not shortened:
        return on, off, np.zeros(len(on), np.bool)
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


def _longest_from(on: IntArray, off: IntArray) -> IntArray:
    """Return how long what lasts longest of the notes that begin together lasts."""
    places, number = np.unique(on, return_inverse=True)
    longest = np.zeros(len(places), np.int64)
    np.maximum.at(longest, number, off - on)
    return np.asarray(longest[number])
