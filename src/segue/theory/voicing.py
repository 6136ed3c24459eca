"""Chord voicings with smooth voice leading, and accompaniments."""

from collections.abc import Sequence
from itertools import combinations, pairwise, permutations
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.records import Part
from segue.theory.chord_charts import (
    NO_ROOT,
    STEPS_PER_QUARTER,
    Chart,
    is_compound,
    split_at_barlines,
    steps_per_bar,
    steps_per_beat,
    strong_steps,
)

#: Sustained chords, or bass and chord in turn as for a dance.
AccompanimentStyle = Literal["held", "dance"]

TICKS_PER_QUARTER: Final = 480
TICKS_PER_STEP: Final = TICKS_PER_QUARTER // STEPS_PER_QUARTER
#: Ranges of the upper voices and of the bass, in MIDI pitches, below most melodies.
_UPPER_RANGE: Final = (50, 73)
_UPPER_CENTRE: Final = 59
_BASS_RANGE: Final = (33, 47)
_MAX_VOICES: Final = 4
#: Intervals above the root that are omitted first: the fifth, then the root, which the bass has.
_OMITTED: Final = (7, 0)
_DOWNBEAT_VELOCITY, _STRONG_VELOCITY, _WEAK_VELOCITY = 72, 66, 58


def voice_chords(chords: Sequence[tuple[int, Sequence[int]]]) -> list[tuple[int, ...]]:
    """Return close voicings of chords with smooth voice leading.

    Parameters
    ----------
    chords : sequence of (int, sequence of int)
        Root and pitch classes of each; no pitch classes for no chord.

    Returns
    -------
    list of tuple of int
        MIDI pitches, upwards, three or four (a bare fifth has its root doubled); () for no chord.
    """
    before: tuple[int, ...] = ()
    voicings: list[tuple[int, ...]] = []
    for root, classes in chords:
        voicing: tuple[int, ...] = ()
        if len(classes):
            candidates = _close_voicings(_essential_tones(root, classes))
            voicing = min(candidates, key=lambda way: (_voice_leading_cost(before, way), way))
            before = voicing
        voicings.append(voicing)
    return voicings


def accompaniment(
    chart: Chart, style: AccompanimentStyle = "held"
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return an accompaniment of a chord chart.

    Parameters
    ----------
    chart : Chart
    style : {"held", "dance"}
        Held: a chord at each change and each bar, over a bass on the strong beats. Dance: the bass
        on strong beats, root and fifth in turn, the chord on the beats between.

    Returns
    -------
    chords, bass : ndarray, shape (n, 4), int32
        Notes of a `Part`, 480 ticks to the quarter; velocity 72 on downbeats, 66 on other strong
        beats, 58 elsewhere.
    """
    cut = split_at_barlines(chart)
    classes = [[each for each in range(12) if bits >> each & 1] for bits in cut[:, 3].tolist()]
    voiced = voice_chords(list(zip(cut[:, 1].tolist(), classes, strict=True)))
    ends = np.append(cut[1:, 0], chart.steps).tolist()
    upper: list[tuple[int, int, int, int]] = []
    low: list[tuple[int, int, int, int]] = []
    before = sum(_BASS_RANGE) // 2
    for (start, root, bass, _), tones, pitches, end in zip(
        cut.tolist(), classes, voiced, ends, strict=True
    ):
        if root == NO_ROOT:
            continue
        lowest = _nearest_bass(bass, before)
        before = lowest
        if style == "dance":
            _dance(chart, (start, end), pitches, (lowest, _fifth(root, bass, tones)), upper, low)
        else:
            _hold(chart, (start, end), pitches, lowest, upper, low)
    return _notes(upper), _notes(low)


def accompaniment_parts(
    chart: Chart, style: AccompanimentStyle, programs: tuple[int, int]
) -> tuple[Part, ...]:
    """Return the parts of an accompaniment, chords and bass; parts without notes are omitted."""
    parts = zip(("Chords", "Bass"), programs, accompaniment(chart, style), strict=True)
    return tuple(Part(name, program, False, notes) for name, program, notes in parts if len(notes))


# ---- voice leading -----------------------------------------------------------------------


def _essential_tones(root: int, classes: Sequence[int]) -> tuple[int, ...]:
    """Return the pitch classes that are played above the bass."""
    above = [(each - root) % 12 for each in classes]
    if 4 in above and 5 in above and 10 in above:
        above.remove(4)  # an eleventh over a dominant replaces the third
    for interval in _OMITTED:
        if len(above) > _MAX_VOICES and interval in above:
            above.remove(interval)
    while len(above) > _MAX_VOICES:
        above.remove(min(each for each in above if each not in (3, 4, 10, 11)))
    return tuple((root + each) % 12 for each in above)


def _close_voicings(classes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the voicings of pitch classes within an octave, or as close as possible."""
    low, high = _UPPER_RANGE
    voicings = []
    doubled = classes if len(classes) > 2 else (*classes, classes[0])
    for order in set(permutations(doubled)):
        for lowest in range(low, low + 12):
            if lowest % 12 != order[0]:
                continue
            pitches = [lowest]
            for each in order[1:]:
                pitches.append(pitches[-1] + ((each - pitches[-1]) % 12 or 12))
            if pitches[-1] <= high:
                voicings.append(tuple(pitches))
    narrowest = min(voicing[-1] - voicing[0] for voicing in voicings)
    return [voicing for voicing in voicings if voicing[-1] - voicing[0] <= max(narrowest, 12)]


def _voice_leading_cost(before: tuple[int, ...], voicing: tuple[int, ...]) -> float:
    """Return the movement of the voices, plus penalties for register and dissonant spacing."""
    off_centre = abs(sum(voicing) / len(voicing) - _UPPER_CENTRE)
    # Seconds at the bottom sound muddy, semitones anywhere harsh.
    harsh = sum(high - low == 1 for low, high in pairwise(voicing))
    harsh += voicing[1] - voicing[0] < 3
    if not before:
        return off_centre + 2.0 * harsh
    fewer, more = sorted((before, voicing), key=len)
    movement = min(
        sum(abs(a - b) for a, b in zip(fewer, voices, strict=True))
        for voices in combinations(more, len(fewer))
    )
    return movement + 0.6 * off_centre + 2.0 * harsh


def _nearest_bass(pitch_class: int, before: int) -> int:
    low, high = _BASS_RANGE
    pitches = [pitch for pitch in range(low, high + 1) if pitch % 12 == pitch_class]
    return min(pitches, key=lambda pitch: abs(pitch - before))


def _fifth(root: int, bass: int, classes: Sequence[int]) -> int:
    """Return the bass of a dance that alternates with the root: the fifth of the chord."""
    if bass != root:
        return bass
    return next(
        (fifth % 12 for fifth in (root + 7, root + 6, root + 8) if fifth % 12 in classes), root
    )


# ---- rhythm ------------------------------------------------------------------------------


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
    onsets = sorted({start} | {at for at in range(start, end) if _is_strong(chart, at)})
    for at, until in zip(onsets, [*onsets[1:], end], strict=True):
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
    bass_notes = 0
    for at in range(start, end):
        place = at % chart.steps_per_bar
        held = min(next(each for each in strikes if each > place) - place, end - at)
        if at == start or place in on:
            pitch = _below(basses[0], basses[1]) if bass_notes % 2 else basses[0]
            low.append((at, held, pitch, _velocity(chart, at)))
            bass_notes += 1
        elif place in off:
            upper += [(at, held, pitch, _velocity(chart, at)) for pitch in pitches]
    if not any(at % chart.steps_per_bar in off for at in range(start + 1, end)):
        upper += [(start, end - start, pitch, _velocity(chart, start)) for pitch in pitches]


def dance_steps(time_signature: tuple[int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the steps of a bar at which a dance has its bass, and its chords.

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
    return down if down >= _BASS_RANGE[0] - 5 else down + 12


def _is_strong(chart: Chart, step: int) -> bool:
    return step % chart.steps_per_bar in strong_steps(chart.time_signature)


def _velocity(chart: Chart, step: int) -> int:
    place = step % chart.steps_per_bar
    if not place:
        return _DOWNBEAT_VELOCITY
    return _STRONG_VELOCITY if _is_strong(chart, step) else _WEAK_VELOCITY


def _notes(rows: Sequence[tuple[int, int, int, int]]) -> NDArray[np.int32]:
    by_onset = sorted(rows, key=lambda row: (row[0], row[2], row[1], row[3]))
    notes = np.array(by_onset, np.int32).reshape(-1, 4)
    notes[:, :2] *= TICKS_PER_STEP
    return notes
