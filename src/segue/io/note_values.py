"""Rhythm quantisation and note values: the durations in which a bar is notated.

Times are rounded only if notation cannot represent them or they are hard to read. Writers keep the
difference between notated and played times, so nothing is lost. A beat is a quarter note.

A bar is halved, or divided into its beats, until the notes of each window are plain or form a
tuplet. A note is one value if that hides no stronger position of the bar than readers are used to;
else it is split there and tied.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import BoolArray, IntArray

# ---- quantisation ------------------------------------------------------------------------

#: Units to the quarter: all notated times are whole numbers of them.
QUARTER: Final = 10080
#: Into how many parts a beat is divided, and the cost of each division beyond the mean distance,
#: in quarters, by which it moves onsets.
_GRIDS: Final = ((2, 0.0), (4, 0.008), (3, 0.02), (8, 0.1), (6, 0.1))
#: Cost of each note that would be notated at the onset of another of its pitch, although it begins
#: more than `_SIMULTANEOUS` quarters later, or of any pitch, more than `_DISTINCT` quarters later.
_COLLISION_COST: Final = 1.0
_SIMULTANEOUS: Final = 1e-6
_DISTINCT: Final = 0.11
_FLAM: Final = 0.18  # the same of strokes of drums
#: Additional cost of triplets in a part with hardly any others.
_RARE_TRIPLETS: Final = 0.035
_RARE: Final = 0.1  # share of its beats
_TERNARY: Final = (3, 6)
_FINE_DRUMS: Final = 0.15  # additional cost of divisions beyond 16ths and triplets
#: Divisions of a single beat that are easy to read at sight.
_PLAIN_DIVISIONS: Final = (8, 6)
#: Other divisions are accepted if at least `_MIN_POSITIONS` positions of a beat need them.
_FINE_DIVISIONS: Final = (5, 7, 9, 10, 12, 14, 16, 20, 24, 28, 32, 48)
_MIN_POSITIONS: Final = 2
#: Share of readable beats from which on a staff is not quantised.
_READABLE: Final = 0.95
#: Players hold a note for this share of its notated duration, at least, usually and at most.
_HELD: Final = (0.65, 0.87, 1.05)
#: A note that ends this much after the next onset is held beyond it.
_OVERLAP: Final = QUARTER // 8
#: Notes with one onset end together if their durations differ by at most this share.
_SAME_DURATION: Final = 0.3


def is_readable(on: IntArray, off: IntArray) -> bool:
    """Return whether exact times are those of notation, and not of a performance.

    Parameters
    ----------
    on, off : ndarray, shape (n,), int64
        Onsets and ends, in `QUARTER` to the quarter.

    Returns
    -------
    bool
        Within nearly every beat all notes begin and end where a reader expects them: at 16ths, at
        triplets, at eighths against triplets, or at a finer division or another tuplet where
        several onsets need it; at a 32nd only beside another place.
    """
    return float(np.mean(_readable_beats(on, off)[1])) >= _READABLE


def _readable_beats(on: IntArray, off: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the beats in which notes begin or end, in order, and which of them are readable."""
    edges = np.unique(np.concatenate([on, off]))
    beats, places = np.divmod(edges, QUARTER)
    step = QUARTER // 8
    gaps = np.diff(edges, prepend=-QUARTER, append=edges[-1] + QUARTER)
    stands_alone = np.minimum(gaps[:-1], gaps[1:]) > step
    is_odd = (places % step == 0) & (places // step % 2 == 1)
    starts = np.flatnonzero(np.diff(beats, prepend=-1))
    readable = [
        _is_plain(*positions)
        for positions in zip(
            np.split(places, starts[1:]), np.split(np.isin(edges, on), starts[1:]), strict=True
        )
    ]
    lone = np.logical_or.reduceat(is_odd & stands_alone, starts)
    return beats[starts], readable & ~lone


def _is_plain(places: IntArray, is_onset: BoolArray) -> bool:
    """Return whether the positions in a beat lie on a division that is easy to read."""
    binary, ternary = ((places * parts % QUARTER == 0).all() for parts in _PLAIN_DIVISIONS)
    if binary:
        return True
    if ternary:
        # A note that is let go a sixth before or after a beat without triplets is only played so.
        is_sixth = (places * 2 % QUARTER != 0) & (places * 3 % QUARTER != 0)
        return bool((is_onset & (places * 2 % QUARTER != 0)).any() or not is_sixth.any())
    halves_and_thirds = (places * 2 % QUARTER == 0) | (places * 3 % QUARTER == 0)
    if halves_and_thirds.all():
        return True
    for parts in _FINE_DIVISIONS:
        if (places * parts % QUARTER == 0).all():
            coarser = [*_PLAIN_DIVISIONS, *(n for n in _FINE_DIVISIONS if n < parts)]
            need_it = is_onset.copy()
            for n in coarser:
                need_it &= places * n % QUARTER != 0
            return int(need_it.sum()) >= _MIN_POSITIONS
    return False


def quantise(on: NDArray[np.float64], pitch: IntArray, *, is_drum: bool = False) -> IntArray:
    """Quantise the onsets of a staff to readable rhythms.

    Parameters
    ----------
    on : ndarray, shape (n,), float64
        In quarters.
    pitch : ndarray, shape (n,), int64
    is_drum : bool
        Drums have few 32nds, and strokes of one drum in a moment are a flam, which needs no place
        of its own.

    Returns
    -------
    ndarray, shape (n,), int64
        In `QUARTER` to the quarter. Each beat has one division: that which moves its onsets the
        least, with a preference for simple ones, and at which neither a repeated note nor a run
        of notes collides.
    """
    beat = np.floor(on + 1e-6).astype(np.int64)
    beats, number = np.unique(beat, return_inverse=True)
    grids = np.array([parts for parts, _ in _GRIDS])
    pitch, distance = (np.arange(len(on)), _FLAM) if is_drum else (pitch, _DISTINCT)
    costs = _costs(on, number, len(beats))
    costs += _collision_costs(on, pitch, number, len(beats), distance)
    costs[grids > 4] += _FINE_DRUMS * is_drum
    chosen = grids[np.argmin(costs, axis=0)]
    if np.isin(chosen, _TERNARY).mean() < _RARE:
        costs[np.isin(grids, _TERNARY)] += _RARE_TRIPLETS
        chosen = grids[np.argmin(costs, axis=0)]
    step = QUARTER // chosen[number]
    return np.asarray(np.rint(on * QUARTER / step).astype(np.int64) * step)


def _costs(on: NDArray[np.float64], number: IntArray, beats: int) -> NDArray[np.float64]:
    """Return the cost of each division of each beat, shape (divisions, beats)."""
    count = np.bincount(number, minlength=beats)
    rows = [
        np.bincount(number, np.abs(on - np.rint(on * parts) / parts), beats) / count + price
        for parts, price in _GRIDS
    ]
    return np.array(rows)


def _collision_costs(
    on: NDArray[np.float64], pitch: IntArray, number: IntArray, beats: int, distance: float
) -> NDArray[np.float64]:
    """Return the costs of notes that collide, shape (divisions, beats)."""
    by_pitch = np.lexsort((on, pitch))
    repeated = (np.diff(pitch[by_pitch]) == 0) & (np.diff(on[by_pitch]) > _SIMULTANEOUS)
    by_onset = np.argsort(on, kind="stable")
    distinct = np.diff(on[by_onset]) > distance
    after = np.concatenate([by_pitch[1:][repeated], by_onset[1:][distinct]])
    before = np.concatenate([by_pitch[:-1][repeated], by_onset[:-1][distinct]])
    rows = []
    for parts, _ in _GRIDS:
        same = np.rint(on[after] * parts) == np.rint(on[before] * parts)
        both = np.concatenate([after, before]), np.concatenate([same, same])
        rows.append(_COLLISION_COST * np.bincount(number[both[0]], both[1], beats))
    return np.array(rows)


def next_onsets(on: IntArray) -> IntArray:
    """Return when the next note of a staff begins; a quarter later after the last."""
    places = np.unique(on)
    later = np.append(places[1:], places[-1] + QUARTER)
    return np.asarray(later[np.searchsorted(places, on)])


def _simple_ends(
    on: IntArray, off: NDArray[np.float64], beat_start: IntArray, beat: IntArray
) -> IntArray:
    """Return ends that give simple note values, given notated onsets and played ends.

    Of the values that a player may hold for as long as the note sounds, the first is that up to
    the next onset; then those that end at a beat, at its half (or third, of a beat in triplets),
    at its quarter.

    Parameters
    ----------
    on : ndarray, shape (n,), int64
    off : ndarray, shape (n,), float64
    beat_start, beat : ndarray, shape (n,), int64
        A beat of the bar of each note, and the duration of the beats there.
    """
    following = next_onsets(on)
    held = np.maximum(off - on, QUARTER // 16)
    least, usual, most = (on + held / share for share in reversed(_HELD))
    least = np.minimum(least, off - _OVERLAP)
    is_ternary = (on - beat_start) * 4 % beat != 0
    ends = np.zeros(len(on), np.int64)
    is_over = off > following + _OVERLAP
    limit = np.where(is_over, most, np.minimum(most, following))
    for binary, ternary in ((1, 1), (2, 3), (4, 6)):
        dotted = beat % 3 == 0
        parts = np.where(is_ternary | (dotted & (beat != QUARTER)), ternary, binary)
        unit = beat // parts
        place = beat_start + np.rint((usual - beat_start) / unit).astype(np.int64) * unit
        place = np.where(place < least, place + unit, np.where(place > limit, place - unit, place))
        fits = (ends == 0) & (place >= least) & (place <= limit) & (place > on)
        ends = np.where(fits, place, ends)
    ends = np.where(~is_over & (following <= most), following, ends)
    shortest = QUARTER // np.where(is_ternary, 6, 4)
    return np.where(ends == 0, np.minimum(on + shortest, following), ends)


def _align_ends(on: IntArray, off: IntArray) -> IntArray:
    """Let notes with one onset end together if their durations hardly differ."""
    aligned = off.copy()
    order = np.lexsort((off, on))
    for chord in np.split(order, np.flatnonzero(np.diff(on[order])) + 1):
        ends = off[chord]
        # From the longest down: notes that are nearly as long end with it.
        last = ends[-1]
        for index, end in zip(chord[::-1].tolist(), ends[::-1].tolist(), strict=True):
            if last - end <= _SAME_DURATION * (last - on[index]):
                aligned[index] = last
            else:
                last = end
    return aligned


# ---- notated times -----------------------------------------------------------------------

#: Into how many parts of a quarter notation divides it: by halves, within triplets, quintuplets,
#: septuplets and nonuplets.
_DIVISIONS: Final = (1, 2, 4, 8, 16, 32, 3, 6, 12, 24, 48, 5, 10, 20, 7, 14, 28, 9)
#: Minimum number of ticks from which on a rounded division can be recognised.
_FINE: Final = 4
#: An error of one tick is attributed to rounding in divisions of at least `_SLACK` ticks, for at
#: most `_MAX_SLACK_PARTS` divisions of a quarter.
_SLACK: Final = 16
_MAX_SLACK_PARTS: Final = 12
_STACCATO: Final = frozenset(QUARTER // n for n in (1, 2, 3, 4, 6)) | {2 * QUARTER // 3}


@dataclass(frozen=True, slots=True)
class Bar:
    """Start and length of a bar, in `QUARTER` to the quarter, and its time signature."""

    start: int
    length: int
    beats: int
    unit: int

    @property
    def beat(self) -> int:
        """Duration of a beat: dotted in 6/8, 9/8 and 12/8, at least a quarter."""
        is_compound = self.beats % 3 == 0 and self.beats > 3
        unit = 4 * QUARTER // self.unit
        return 3 * unit if is_compound else max(unit, QUARTER)


def notated_onsets(
    notes: NDArray[np.int32], ticks_per_quarter: int, *, is_drum: bool, shortened: bool
) -> IntArray:
    """Return the notated onsets of the notes of a part.

    Parameters
    ----------
    notes : ndarray, shape (n, 4), int32
        As `segue.records.Part.notes`.
    ticks_per_quarter : int
    is_drum : bool
    shortened : bool
        Notated times may differ from played ones, because the writer stores both.

    Returns
    -------
    ndarray, shape (n,), int64
        In `QUARTER` to the quarter: exact if notation can represent all of them and, if
        `shortened`, they are readable (see `is_readable`); else quantised. The strokes of drums
        are quantised in the beats that are not readable, even if nearly all others are.
    """
    start = notes[:, 0].astype(np.int64)
    on, is_exact = _exact(start, ticks_per_quarter)
    is_kept = bool(is_exact.all()) and (not shortened or is_readable(on, on))
    if is_kept and not (is_drum and shortened):
        return on
    quantised = quantise(start / ticks_per_quarter, notes[:, 2].astype(np.int64), is_drum=is_drum)
    if not is_kept:
        return quantised
    beats, readable = _readable_beats(on, on)
    return np.where(np.isin(on // QUARTER, beats[~readable]), quantised, on)


def notated_ends(
    notes: NDArray[np.int32],
    on: IntArray,
    ticks_per_quarter: int,
    bars: Sequence[Bar],
    *,
    is_drum: bool,
    shortened: bool,
) -> tuple[IntArray, NDArray[np.bool]]:
    """Return the notated ends of the notes of a staff.

    Parameters
    ----------
    notes : ndarray, shape (n, 4), int32
    on : ndarray, shape (n,), int64
        Their notated onsets.
    ticks_per_quarter : int
    bars : sequence of Bar
    is_drum : bool
    shortened : bool
        As for `notated_onsets`: short notes are written longer with a staccato dot, drums without.

    Returns
    -------
    off : ndarray, shape (n,), int64
    staccato : ndarray, shape (n,), bool
        Whether a note lasts in notation until the next one begins and has a staccato dot.
    """
    start, length = notes[:, :2].astype(np.int64).T
    exact_on, _ = _exact(start, ticks_per_quarter)
    off, is_exact = _exact(start + length, ticks_per_quarter)
    is_exact_off = bool(is_exact.all() and (on == exact_on).all())
    nowhere = np.zeros(len(on), np.bool)
    gap = next_onsets(on) - on
    if is_drum and (shortened or not is_exact_off):
        # Until the next stroke, and not beyond the beat: drums are not tied.
        return on + np.minimum(gap, QUARTER - on % QUARTER), nowhere
    starts = np.array([bar.start for bar in bars])
    bar = np.clip(np.searchsorted(starts, on, side="right") - 1, 0, None)
    beat = np.array([bar.beat for bar in bars])[bar]
    is_quantised = not is_exact_off or (
        shortened and not is_readable(on, np.concatenate([on, off]))
    )
    if is_quantised:
        played = (start + length) * (QUARTER / ticks_per_quarter)
        off = _align_ends(on, _simple_ends(on, played, starts[bar], beat))
    if not shortened:
        return off, nowhere
    # An eighth before the last of three triplets, as swing is played, is written as two of them.
    is_swung = (on % QUARTER == 0) & (off - on == QUARTER // 2) & (gap == QUARTER * 2 // 3)
    off = np.where(is_swung, on + gap, off)
    room = np.minimum(gap, beat - (on - starts[bar]) % beat)
    # A sixteenth and its rest are an eighth with a dot, where nothing says which was meant.
    staccato = 2 * _longest_from(on, off) < room + (is_quantised & (room <= QUARTER // 2))
    staccato &= np.isin(room, list(_STACCATO))
    return np.where(staccato, on + room, off), np.asarray(staccato)


def _exact(ticks: IntArray, ticks_per_quarter: int) -> tuple[IntArray, NDArray[np.bool]]:
    """Return positions, and which of them notation can represent after rounding to ticks."""
    quarters, rest = np.divmod(ticks, ticks_per_quarter)
    places = np.full(ticks_per_quarter + 1, -1, np.int64)
    # Later ones overwrite earlier ones: divisions into whole ticks and simple ones take precedence.
    rounded = [n for n in _DIVISIONS if ticks_per_quarter % n and n * _FINE <= ticks_per_quarter]
    whole = [n for n in _DIVISIONS if ticks_per_quarter % n == 0]
    for parts in (*reversed(rounded), *reversed(whole)):
        steps = np.arange(parts + 1)
        positions = steps * QUARTER // parts
        at = np.rint(steps * ticks_per_quarter / parts).astype(int)
        if parts <= _MAX_SLACK_PARTS and parts * _SLACK <= ticks_per_quarter:
            near = (places[at[:-1] + 1] < 0), (places[at[1:] - 1] < 0)
            places[at[:-1] + 1] = np.where(near[0], positions[:-1], places[at[:-1] + 1])
            places[at[1:] - 1] = np.where(near[1], positions[1:], places[at[1:] - 1])
        places[at] = positions
    within = places[rest]
    return quarters * QUARTER + within, within >= 0


def _longest_from(on: IntArray, off: IntArray) -> IntArray:
    """Return, for each note, the longest duration of the notes with its onset."""
    places, number = np.unique(on, return_inverse=True)
    longest = np.zeros(len(places), np.int64)
    np.maximum.at(longest, number, off - on)
    return np.asarray(longest[number])


# ---- note values -------------------------------------------------------------------------

#: The shortest plain value, a hundred-and-twenty-eighth.
_SHORTEST_PLAIN: Final = QUARTER // 32
_KINDS: Final = {
    8 * QUARTER: "breve", 4 * QUARTER: "whole", 2 * QUARTER: "half", QUARTER: "quarter",
    QUARTER // 2: "eighth", QUARTER // 4: "16th", QUARTER // 8: "32nd", QUARTER // 16: "64th",
    _SHORTEST_PLAIN: "128th",
}  # fmt: skip
#: Actual and normal number of notes, and maximum divisions of each within a quarter.
_TUPLETS: Final = ((3, 2, 16), (5, 4, 4), (7, 4, 4), (9, 8, 1))


@dataclass(frozen=True, slots=True)
class Tuplet:
    """`actual` notes in the time of `normal`; `opens` and `closes` for its first and last."""

    actual: int
    normal: int
    kind: str
    opens: bool
    closes: bool
    count: int  # of symbols in it


@dataclass(frozen=True, slots=True)
class NoteValue:
    """Notated value of a note or rest.

    Attributes
    ----------
    at, length : int
        Position in the bar and duration, in `QUARTER` to the quarter.
    kind : str
        As in MusicXML: "quarter", "16th"; "" if no value represents it.
    dots : int
        0 or 1.
    tuplet : Tuplet or None
    """

    at: int
    length: int
    kind: str
    dots: int
    tuplet: Tuplet | None


@dataclass(frozen=True, slots=True)
class _Window:
    start: int
    end: int
    actual: int
    normal: int


def divide_into_values(
    spans: Sequence[tuple[int, int, bool]], length: int, beats: int, unit: int
) -> Iterator[tuple[int, NoteValue]]:
    """Divide the notes and rests of a bar into note values.

    Parameters
    ----------
    spans : sequence of (start, end, is_rest)
        Contiguous spans from 0 to the end of the bar.
    length : int
        Duration of the bar, in `QUARTER` to the quarter.
    beats, unit : int
        Its time signature.

    Yields
    ------
    int, NoteValue
        Index of the span, and one of its values; several are tied.
    """
    edges = sorted({end for _, end, _ in spans})[:-1]
    levels = _levels(length, beats, unit)
    for window in _joined(_windows(0, length, edges, levels)):
        inside = [
            (number, max(start, window.start), min(end, window.end), is_rest)
            for number, (start, end, is_rest) in enumerate(spans)
            if start < window.end and end > window.start
        ]
        yield from (
            _tuplet_values(inside, window) if window.actual > 1 else _plain_values(inside, levels)
        )


def _levels(length: int, beats: int, unit: int) -> list[int]:
    """Return the distances between positions of equal metrical strength, the strongest first."""
    levels = [length]
    beat = 4 * QUARTER // unit
    if beats % 3 == 0 and beats > 3:  # compound: three units make a beat
        if beats % 2 == 0:
            levels.append(length // 2)
        levels.append(3 * beat)
    elif beats % 2 == 0 and length == beats * beat:
        while beats % 2 == 0:
            beats //= 2
            levels.append(beats * beat)
    levels.append(beat)
    while levels[-1] > _SHORTEST_PLAIN and levels[-1] % 2 == 0:
        levels.append(levels[-1] // 2)
    return list(dict.fromkeys(levels))


def _windows(
    start: int, end: int, edges: Sequence[int], levels: Sequence[int]
) -> Iterator[_Window]:
    """Divide a part of a bar into windows that are plain or tuplets."""
    inside = [edge - start for edge in edges if start < edge < end]
    length = end - start
    if all(edge % _SHORTEST_PLAIN == 0 for edge in inside) and start % _SHORTEST_PLAIN == 0:
        yield _Window(start, end, 1, 1)
        return
    finer = next((level for level in levels if level < length and length % level == 0), 0)
    is_halved = finer * 2 == length
    if (is_halved and finer not in inside) or not finer:
        for actual, normal, parts in _TUPLETS:
            # Tuplets over more than a quarter are not divided further.
            most = max(parts * length // QUARTER, 1) if length <= QUARTER else 1
            step, rest = divmod(length, actual * most)
            is_whole = not rest and length % normal == 0 and step * actual % normal == 0
            if is_whole and length in _KINDS and all(edge % step == 0 for edge in inside):
                yield _Window(start, end, actual, normal)
                return
    if not finer:
        yield _Window(start, end, 1, 1)  # no value represents it
        return
    for at in range(start, end, finer):
        yield from _windows(at, at + finer, edges, levels)


def _joined(windows: Iterable[_Window]) -> list[_Window]:
    """Join adjacent plain windows."""
    joined: list[_Window] = []
    for window in windows:
        if joined and window.actual == joined[-1].actual == 1:
            joined[-1] = _Window(joined[-1].start, window.end, 1, 1)
        else:
            joined.append(window)
    return joined


def _plain_values(
    inside: Sequence[tuple[int, int, int, bool]], levels: Sequence[int]
) -> Iterator[tuple[int, NoteValue]]:
    for number, start, end, is_rest in inside:
        for at, until in _split(start, end, levels, is_rest=is_rest):
            kind, dots = _kind(until - at) or ("", 0)
            yield number, NoteValue(at, until - at, kind, dots, None)


def _tuplet_values(
    inside: Sequence[tuple[int, int, int, bool]], window: _Window
) -> Iterator[tuple[int, NoteValue]]:
    """Yield the note values of a tuplet, divided as if it were plain and of its notated length."""
    stretch = Fraction(window.actual, window.normal)
    unit = (window.end - window.start) // window.normal
    levels = [unit * window.actual, unit]
    while levels[-1] % 2 == 0 and levels[-1] > 1:
        levels.append(levels[-1] // 2)
    kind = _KINDS.get(unit, "")
    values = []
    for number, start, end, is_rest in inside:
        first, last = (int((edge - window.start) * stretch) for edge in (start, end))
        for at, until in _split(first, last, levels, is_rest=is_rest):
            own, dots = _kind(until - at) or ("", 0)
            place = window.start + int(at / stretch), window.start + int(until / stretch)
            values.append((number, place, own, dots))
    for n, (number, (at, until), own, dots) in enumerate(values):
        tuplet = Tuplet(
            window.actual, window.normal, kind, n == 0, n == len(values) - 1, len(values)
        )
        yield number, NoteValue(at, until - at, own, dots, tuplet)


def _split(
    start: int, end: int, levels: Sequence[int], *, is_rest: bool
) -> Iterator[tuple[int, int]]:
    """Split a duration into note values at the strongest positions within it."""
    level, step = _strongest(start, end, levels)
    known = _kind(end - start)
    if not step:
        yield start, end
        return
    edges = min(_level(start, levels), _level(end, levels))
    if known and is_rest:  # rests show the beats: only a whole beat may be dotted
        is_kept = end - start in levels or (edges <= level and not known[1])
    else:  # as strong an edge as anything inside; or a syncopation, by one level
        is_kept = known is not None and (edges <= level or (edges == level + 1 and not known[1]))
    if is_kept and not _hides_beat(start, end, level, levels):
        yield start, end
        return
    first = (start // step + 1) * step
    last = (end - 1) // step * step
    middle = last if _level(start, levels) <= _level(end, levels) else first
    yield from _split(start, middle, levels, is_rest=is_rest)
    yield from _split(middle, end, levels, is_rest=is_rest)


def _hides_beat(start: int, end: int, level: int, levels: Sequence[int]) -> bool:
    """Return whether a duration crosses a dotted beat without starting or ending on one."""
    beat = next((n for n in range(1, len(levels) - 1) if levels[n] == 3 * levels[n + 1]), 0)
    return level <= beat and max(_level(start, levels), _level(end, levels)) > beat


def _strongest(start: int, end: int, levels: Sequence[int]) -> tuple[int, int]:
    """Return the strongest level with a position inside, and the distance of its positions."""
    for level, step in enumerate(levels):
        if (end - 1) // step * step > start:
            return level, step
    return len(levels), 0


def _level(place: int, levels: Sequence[int]) -> int:
    return next((n for n, step in enumerate(levels) if place % step == 0), len(levels))


def _kind(length: int) -> tuple[str, int] | None:
    """Return the note value and dots of a duration; None where there is none."""
    if length in _KINDS:
        return _KINDS[length], 0
    if 2 * length % 3 == 0 and 2 * length // 3 in _KINDS:
        return _KINDS[2 * length // 3], 1
    return None
