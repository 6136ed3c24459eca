"""Chord voicings with smooth voice leading, and accompaniments."""

from collections.abc import Sequence
from itertools import pairwise, permutations, product
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.records import Part
from segue.theory.chord_grid import (
    NO_ROOT,
    STEPS_PER_QUARTER,
    Chart,
    is_compound,
    split_at_barlines,
    steps_per_bar,
    steps_per_beat,
    strong_steps,
)

#: How an accompaniment is played: chords held, or bass and chord in turn as for a dance.
AccompanimentStyle = Literal["held", "dance"]

TICKS_PER_QUARTER: Final = 480
TICKS_PER_STEP: Final = TICKS_PER_QUARTER // STEPS_PER_QUARTER
#: MIDI pitches between which the upper voices and the bass move; below most melodies.
_VOICES: Final = (50, 73)
_MIDDLE: Final = 59
_BASS: Final = (33, 47)
_MOST_VOICES: Final = 4
#: Semitones above the root by how much they say of a chord: thirds, sevenths, what is altered;
#: the fifth can be spared first, then the root, which the bass has.
_SPARED: Final = (7, 0)
_STRUCK: Final = {"first": 72, "strong": 66, "weak": 58}  # velocities


def voice_chords(chords: Sequence[tuple[int, Sequence[int]]]) -> list[tuple[int, ...]]:
    """Lay chords out in close voices, each as near to the one before as can be.

    Parameters
    ----------
    chords : sequence of (int, sequence of int)
        Root and pitch classes of each; no classes for no chord.

    Returns
    -------
    list of tuple of int
        MIDI pitches, upwards, three or four (of a fifth alone, three with the root doubled);
        none for no chord.
    """
    before: tuple[int, ...] = ()
    found: list[tuple[int, ...]] = []
    for root, classes in chords:
        if not len(classes):
            found.append(())
            continue
        kept = _told(root, classes)
        ways = _layouts(kept)
        here = min(ways, key=lambda way: (_moved(before, way), way))
        found.append(here)
        before = here
    return found


def accompaniment(
    chart: Chart, manner: AccompanimentStyle = "held"
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Play the chords of a chart.

    Parameters
    ----------
    chart : Chart
    manner : {"held", "dance"}
        Held: a chord at each change and each bar, over a bass that strikes the strong beats. Dance:
        the bass on strong beats, root and fifth in turn, the chord on the beats between.

    Returns
    -------
    chords, bass : ndarray, shape (n, 4), int32
        Notes of a `Part`, 480 ticks to the quarter; velocity 72 on a bar's first beat, 66 on
        other strong ones, 58 elsewhere.
    """
    cut = split_at_barlines(chart)
    classes = [[each for each in range(12) if bits >> each & 1] for bits in cut[:, 3].tolist()]
    voiced = voice_chords(list(zip(cut[:, 1].tolist(), classes, strict=True)))
    ends = np.append(cut[1:, 0], chart.steps).tolist()
    upper: list[tuple[int, int, int, int]] = []
    low: list[tuple[int, int, int, int]] = []
    before = sum(_BASS) // 2
    for (start, root, bass, _), tones, pitches, end in zip(
        cut.tolist(), classes, voiced, ends, strict=True
    ):
        if root == NO_ROOT:
            continue
        lowest = _nearest_voicing(bass, before)
        before = lowest
        if manner == "dance":
            _dance(chart, (start, end), pitches, (lowest, _fifth(root, bass, tones)), upper, low)
        else:
            _hold(chart, (start, end), pitches, lowest, upper, low)
    return _notes(upper), _notes(low)


def accompaniment_parts(
    chart: Chart, manner: AccompanimentStyle, programs: tuple[int, int]
) -> tuple[Part, ...]:
    """Return the parts that play a chart: chords and bass; those without a note are left out."""
    played = zip(("chords", "bass"), programs, accompaniment(chart, manner), strict=True)
    return tuple(Part(name, program, False, notes) for name, program, notes in played if len(notes))


# ---- voices ------------------------------------------------------------------------------


def _told(root: int, classes: Sequence[int]) -> tuple[int, ...]:
    """Choose the pitch classes that are played above the bass."""
    above = [(each - root) % 12 for each in classes]
    if 4 in above and 5 in above and 10 in above:
        above.remove(4)  # an eleventh over a dominant takes the place of the third
    for spared in _SPARED:
        if len(above) > _MOST_VOICES and spared in above:
            above.remove(spared)
    while len(above) > _MOST_VOICES:
        above.remove(min(each for each in above if each not in (3, 4, 10, 11)))
    return tuple((root + each) % 12 for each in above)


def _layouts(classes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """List the ways to lay pitch classes out within an octave or so, inside the range."""
    low, high = _VOICES
    found = []
    filled = classes if len(classes) > 2 else (*classes, classes[0])
    for order in set(permutations(filled)):
        for lowest in range(low, low + 12):
            if lowest % 12 != order[0]:
                continue
            pitches = [lowest]
            for each in order[1:]:
                pitches.append(pitches[-1] + ((each - pitches[-1]) % 12 or 12))
            if pitches[-1] <= high:
                found.append(tuple(pitches))
    tight = min(way[-1] - way[0] for way in found)
    return [way for way in found if way[-1] - way[0] <= max(tight, 12)]


def _moved(before: tuple[int, ...], way: tuple[int, ...]) -> float:
    """Tell how far voices move, and how far they then are from the middle."""
    far = abs(sum(way) / len(way) - _MIDDLE)
    # Whole tones and semitones at the bottom sound muddy, semitones anywhere harsh.
    harsh = sum(high - low == 1 for low, high in pairwise(way))
    harsh += way[1] - way[0] < 3
    if not before:
        return far + 2.0 * harsh
    one, other = sorted((before, way), key=len)
    moves = min(
        sum(abs(a - b) for a, b in zip(one, some, strict=True))
        for some in ({other} if len(one) == len(other) else _without_one(other, len(one)))
    )
    return moves + 0.6 * far + 2.0 * harsh


def _without_one(way: tuple[int, ...], count: int) -> set[tuple[int, ...]]:
    kept = product((False, True), repeat=len(way))
    return {
        tuple(pitch for pitch, keep in zip(way, each, strict=True) if keep)
        for each in kept
        if sum(each) == count
    }


def _nearest_voicing(pitch_class: int, before: int) -> int:
    low, high = _BASS
    found = [pitch for pitch in range(low, high + 1) if pitch % 12 == pitch_class]
    return min(found, key=lambda pitch: abs(pitch - before))


def _fifth(root: int, bass: int, classes: Sequence[int]) -> int:
    """Return what a dance's bass strikes in turn with the root: its fifth as the chord has it."""
    if bass != root:
        return bass
    return next(
        (fifth % 12 for fifth in (root + 7, root + 6, root + 8) if fifth % 12 in classes), root
    )


# ---- when they are struck ----------------------------------------------------------------


def _hold(
    chart: Chart,
    span: tuple[int, int],
    pitches: tuple[int, ...],
    lowest: int,
    upper: list[tuple[int, int, int, int]],
    low: list[tuple[int, int, int, int]],
) -> None:
    start, end = span
    upper += [(start, end - start, pitch, _velocity(chart, start)) for pitch in pitches]
    struck = sorted({start} | {at for at in range(start, end) if _is_strong(chart, at)})
    for at, until in zip(struck, [*struck[1:], end], strict=True):
        low.append((at, until - at, lowest, _velocity(chart, at)))


def _dance(
    chart: Chart,
    span: tuple[int, int],
    pitches: tuple[int, ...],
    basses: tuple[int, int],
    upper: list[tuple[int, int, int, int]],
    low: list[tuple[int, int, int, int]],
) -> None:
    start, end = span
    on, off = dance_steps(chart.time_signature)
    strikes = sorted({*on, *off, chart.steps_per_bar})
    struck = 0
    for at in range(start, end):
        place = at % chart.steps_per_bar
        held = min(next(each for each in strikes if each > place) - place, end - at)
        if at == start or place in on:
            pitch = _below(basses[0], basses[1]) if struck % 2 else basses[0]
            low.append((at, held, pitch, _velocity(chart, at)))
            struck += 1
        elif place in off:
            upper += [(at, held, pitch, _velocity(chart, at)) for pitch in pitches]
    if not any(at % chart.steps_per_bar in off for at in range(start + 1, end)):
        upper += [(start, end - start, pitch, _velocity(chart, start)) for pitch in pitches]


def dance_steps(time_signature: tuple[int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the steps of a bar at which a dance's bass and its chords are struck.

    4/4: bass on one and three, chords on two and four; 2/4 the same in eighths; 3/4: bass, chord,
    chord; 6/8 and 9/8: the bass on each beat, the chord on its last eighth.
    """
    bar, beat, strong = (
        steps_per_bar(time_signature),
        steps_per_beat(time_signature),
        strong_steps(time_signature),
    )
    if is_compound(time_signature):
        beats = tuple(range(0, bar, beat))
        return beats, tuple(at + 2 * beat // 3 for at in beats)
    each = bar // len(strong)
    between = [each // 2] if each <= 2 * beat else range(beat, each, beat)
    return strong, tuple(at + more for at in strong for more in between)


def _below(lowest: int, pitch_class: int) -> int:
    down = lowest - (lowest - pitch_class) % 12
    return down if down >= _BASS[0] - 5 else down + 12


def _is_strong(chart: Chart, step: int) -> bool:
    return step % chart.steps_per_bar in strong_steps(chart.time_signature)


def _velocity(chart: Chart, step: int) -> int:
    place = step % chart.steps_per_bar
    kind = (
        "first"
        if not place
        else "strong"
        if place in strong_steps(chart.time_signature)
        else "weak"
    )
    return _STRUCK[kind]


def _notes(rows: Sequence[tuple[int, int, int, int]]) -> NDArray[np.int32]:
    found = np.array(sorted((at, pitch, length, how) for at, length, pitch, how in rows), np.int32)
    found = found.reshape(-1, 4)[:, [0, 2, 1, 3]]
    found[:, :2] *= TICKS_PER_STEP
    return found
