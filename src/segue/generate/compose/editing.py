"""Insertion of generated bars and parts into a score, which is left unchanged elsewhere.

Tokens do not distinguish parts of one instrument: two violins are one stream of notes, which is
divided among the parts here.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.generate.compose.tokens import (
    STEPS_PER_QUARTER,
    TIME_SIGNATURES,
    Bar,
    bars_to_score,
    steps_per_bar,
    tempo_to_bpm,
)
from segue.records import Part, Score
from segue.score.timing import bar_grid as bars_of
from segue.theory.instruments import DRUMS, is_monophonic

#: General MIDI pitches of hi-hats and cymbals, and of percussion outside the drum kit.
_CYMBALS: Final = (42, 44, 46, 49, 51, 52, 53, 55, 57, 59)
_PERCUSSION: Final = (*range(27, 35), 39, 54, 56, 58, *range(60, 88))
#: Scale of the pitch distance between a note and a part, in semitones.
_PITCH_SCALE: Final = 2.0
#: Cost in semitones of a part that is still sounding.
_OVERLAP_COST: Final = 24.0
#: Steps around new bars, beside as many as they have, that decide which part plays what.
_CONTEXT_STEPS: Final = 16 * STEPS_PER_QUARTER


def split_part(part: Part, count: int) -> tuple[Part, ...]:
    """Divide the notes of an instrument among several parts.

    Of simultaneous notes the higher one goes to the earlier part; a single note goes to the part
    that is near in pitch and free. Every part gets a note where there are enough. Drums are divided
    into kit and percussion, or drums, cymbals and percussion.

    Parameters
    ----------
    part : Part
        All notes of the instrument.
    count : int
        Number of parts, at least 1.

    Returns
    -------
    tuple of Part
        The highest first, numbered as in "Violin 1"; empty parts are left out.
    """
    if count == 1:
        return (part,)
    players = _assign_drums(part.notes, count) if part.is_drum else _assign(part.notes, count)
    parts: list[Part] = []
    for player in range(count):
        notes = part.notes[players == player]
        if is_monophonic(part.program) and not part.is_drum:
            notes = _make_monophonic(notes)
        pedals = part.pedals if not parts else part.pedals[:0]
        parts.append(replace(part, name=f"{part.name} {player + 1}", notes=notes, pedals=pedals))
    return tuple(each for each in parts if len(each.notes))


def assign_players(new: Part, parts: Sequence[Part], begin: int, end: int) -> NDArray[np.intp]:
    """Return the index of the part that plays each new note, shape (notes,).

    The part with most notes near that pitch between the ticks `begin` and `end`; the first where
    there are none.
    """
    affinity = []
    for part in parts:
        onset, pitch = part.notes[:, 0], part.notes[:, 2]
        nearby = pitch[(onset >= begin) & (onset < end)]
        distance = np.abs(new.notes[:, 2, None] - nearby)
        affinity.append(np.exp(-distance / _PITCH_SCALE).sum(axis=1))
    players: NDArray[np.intp] = np.argmax(affinity, axis=0)
    return players


def _assign_drums(notes: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the player of each drum note: each drum has one player where there are enough."""
    pitch = notes[:, 2]
    group = np.where(np.isin(pitch, _CYMBALS), 1, np.where(np.isin(pitch, _PERCUSSION), 2, 0))
    if count == 2 and (group == 2).any() and (group < 2).any():
        group = np.where(group == 2, 1, 0)
    players = np.unique(group, return_inverse=True)[1]
    drums = np.unique(pitch)
    if len(drums) < count:  # note by note
        players = np.arange(len(notes)) % count
    elif players.max() + 1 < count:  # drum by drum
        players = np.searchsorted(drums, pitch) % count
    return np.asarray(np.minimum(players, count - 1), np.int64)


def _assign(notes: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the player of each note, greedily in time, from 0 for the highest."""
    players = np.zeros(len(notes), np.int64)
    quantiles = (count - np.arange(count) - 0.5) / count
    pitches = np.quantile(notes[:, 2], quantiles).tolist()  # smoothed pitch of each player
    busy_until = [0] * count
    order = np.lexsort((-notes[:, 2], notes[:, 0])).tolist()
    for onset, group in groupby(order, key=lambda row: int(notes[row, 0])):
        rows = list(group)
        if len(rows) <= count:
            busy = [until > onset for until in busy_until]
            chosen = _cheapest([int(notes[row, 2]) for row in rows], pitches, busy)
        else:
            sizes = [len(chunk) for chunk in np.array_split(rows, count)]
            chosen = tuple(np.repeat(range(count), sizes).tolist())
        for row, player in zip(rows, chosen, strict=True):
            players[row] = player
            pitches[player] = (pitches[player] + int(notes[row, 2])) / 2
            busy_until[player] = max(busy_until[player], int(notes[row, 0] + notes[row, 1]))
    if len(set(players.tolist())) < min(count, len(notes)):  # as where all have one pitch
        players[order] = np.arange(len(notes)) % count
    return players


def _cheapest(
    notes: Sequence[int], pitches: Sequence[float], busy: Sequence[bool]
) -> tuple[int, ...]:
    """Return the players of simultaneous notes, both from high to low, of the lowest cost."""

    def cost(players: tuple[int, ...]) -> float:
        return sum(
            abs(note - pitches[player]) + _OVERLAP_COST * busy[player]
            for note, player in zip(notes, players, strict=True)
        )

    return min(combinations(range(len(pitches)), len(notes)), key=cost)


def _make_monophonic(notes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Shorten notes to end at the next onset."""
    notes = notes[np.lexsort((notes[:, 2], notes[:, 0]))].copy()
    gaps = np.diff(notes[:, 0])
    notes[:-1, 1] = np.where(gaps > 0, np.minimum(notes[:-1, 1], gaps), notes[:-1, 1])
    return notes


def insert_bars(
    score: Score | None,
    generated: Sequence[Bar],
    first: int,
    last: int,
    parts: Mapping[int, int] | None = None,
    locked: Collection[int] = (),
) -> Score:
    """Replace bars of a score, or append some; notes of other parts that begin there are removed.

    Parameters
    ----------
    score : Score, optional
        By default a new score is made.
    generated : sequence of Bar
        As many as they replace, or any number to append.
    first, last : int
        Range of indices to replace, without `last`; both the number of bars to append.
    parts : mapping of int to int, optional
        Number of parts of an instrument, where it is more than in the score, or than one.
    locked : collection of int
        Instruments of parts that are left as they are.

    Returns
    -------
    Score
        With finer ticks where necessary. New parts come last; chord symbols of replaced bars are
        removed.
    """
    counts = Counter(dict(parts or {}))
    if score is None:
        new = bars_to_score(generated)
        divided = [
            split_part(_capitalised(part), max(counts[_instrument(part)], 1)) for part in new.parts
        ]
        return trim_repeated_notes(
            replace(new, parts=tuple(part for group in divided for part in group))
        )
    score = _refine_ticks(score)
    at = bars_of(score).edges
    appended = first == last
    begin, end = int(at[first]), int(at[last])
    chords = tuple(
        (tick, symbol)
        for tick, symbol in score.chords
        if tick < begin or (tick >= end and not appended)
    )
    score = replace(score, chords=chords)
    return trim_repeated_notes(
        _merge(score, generated, (begin, begin if appended else end), counts, locked=locked)
    )


def add_part(score: Score, generated: Sequence[Bar]) -> Score:
    """Add the notes of bars to a score."""
    score = _refine_ticks(score)
    return trim_repeated_notes(_merge(score, generated, (0, 0), Counter(), tempos=False))


def trim_repeated_notes(score: Score) -> Score:
    """Shorten notes to end where the same pitch is repeated in the part."""
    return replace(score, parts=tuple(_trim_repeated_notes(part) for part in score.parts))


def _refine_ticks(score: Score) -> Score:
    """Multiply the ticks so that a step is a whole number of them."""
    factor = STEPS_PER_QUARTER // math.gcd(score.ticks_per_quarter, STEPS_PER_QUARTER)
    if factor == 1:
        return score

    def scaled(rows: NDArray[np.int32], columns: int = 1) -> NDArray[np.int32]:
        copied = rows.copy()
        copied[:, :columns] *= factor
        return copied

    parts = tuple(
        replace(part, notes=scaled(part.notes, 2), pedals=scaled(part.pedals))
        for part in score.parts
    )
    tempos = score.tempos.copy()
    tempos[:, 0] *= factor
    return replace(
        score,
        ticks_per_quarter=score.ticks_per_quarter * factor,
        parts=parts,
        tempos=tempos,
        time_signatures=scaled(score.time_signatures),
        keys=scaled(score.keys),
        chords=tuple((tick * factor, symbol) for tick, symbol in score.chords),
    )


def _merge(
    score: Score,
    generated: Sequence[Bar],
    span: tuple[int, int],
    counts: Counter[int],
    *,
    tempos: bool = True,
    locked: Collection[int] = (),
) -> Score:
    """Insert bars at the first tick of a span, and remove what begins within it."""
    begin, end = span
    ticks = score.ticks_per_quarter // STEPS_PER_QUARTER
    parts = [
        part if _instrument(part) in locked else _without(part, begin, end) for part in score.parts
    ]
    indices: dict[tuple[int, bool], list[int]] = {}  # of the parts of each instrument
    for index, part in enumerate(parts):
        indices.setdefault((part.program, part.is_drum), []).append(index)
    length = ticks * sum(steps_per_bar(bar.time_signature) for bar in generated)
    context = begin - length - ticks * _CONTEXT_STEPS, begin + 2 * length + ticks * _CONTEXT_STEPS
    new = bars_to_score(generated).parts if any(bar.notes for bar in generated) else ()
    for part in new:
        notes, pedals = part.notes.copy(), part.pedals.copy()
        notes[:, :2] *= ticks
        pedals[:, 0] *= ticks
        notes[:, 0] += begin
        pedals[:, 0] += begin
        shifted = replace(part, notes=notes, pedals=pedals)
        existing = indices.get((part.program, part.is_drum), [])
        count = counts[_instrument(part)]
        if len(existing) < count or not existing:
            # The highest notes go to existing parts.
            divided = split_part(_capitalised(shifted), max(count, 1))
            for index, addition in zip(existing, divided, strict=False):
                parts[index] = _concatenate(parts[index], addition)
            parts += divided[len(existing) :]
            continue
        players = assign_players(shifted, [parts[index] for index in existing], *context)
        busiest = np.bincount(players, minlength=len(existing)).argmax()
        for player, index in enumerate(existing):
            addition = replace(
                shifted,
                notes=notes[players == player],
                pedals=pedals if player == busiest else pedals[:0],
            )
            parts[index] = _concatenate(parts[index], addition)
    merged = replace(score, parts=tuple(part for part in parts if len(part.notes)))
    if tempos and begin == end:
        merged = _append_timing(merged, generated, begin, ticks)
    return merged


def _capitalised(part: Part) -> Part:
    return replace(part, name=part.name[:1].upper() + part.name[1:])


def _instrument(part: Part) -> int:
    return DRUMS if part.is_drum else part.program


def _without(part: Part, begin: int, end: int) -> Part:
    """Return a part without the notes and pedal changes of a span of ticks."""
    in_span = (part.notes[:, 0] >= begin) & (part.notes[:, 0] < end)
    pedal_in_span = (part.pedals[:, 0] >= begin) & (part.pedals[:, 0] < end)
    return replace(
        part,
        notes=part.notes[~in_span],
        pedals=_without_redundant(part.pedals[~pedal_in_span]),
    )


def _concatenate(part: Part, other: Part) -> Part:
    notes = np.concatenate([part.notes, other.notes])
    pedals = np.concatenate([part.pedals, other.pedals])
    return replace(
        part,
        notes=notes[np.lexsort((notes[:, 2], notes[:, 0]))],
        pedals=_without_redundant(pedals[np.argsort(pedals[:, 0], kind="stable")]),
    )


def _without_redundant(pedals: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the pedal events that change the state of the pedal."""
    changes: NDArray[np.int32] = pedals[np.diff(pedals[:, 1], prepend=0) != 0]
    return changes


def _append_timing(score: Score, generated: Sequence[Bar], begin: int, ticks: int) -> Score:
    """Append the time signatures and tempos of appended bars where they change."""
    signatures = [tuple(row) for row in score.time_signatures.tolist() if row[0] < begin] or [
        (0, 4, 4)
    ]
    tempos = [tuple(row) for row in score.tempos.tolist() if row[0] < begin] or [(0.0, 120.0)]
    for bar in generated:
        if signatures[-1][1:] != TIME_SIGNATURES[bar.time_signature]:
            signatures.append((begin, *TIME_SIGNATURES[bar.time_signature]))
        # Tempos within a bin are equal.
        if not 0.95 < tempos[-1][1] / tempo_to_bpm(bar.tempo) < 1.05:
            tempos.append((begin, tempo_to_bpm(bar.tempo)))
        begin += steps_per_bar(bar.time_signature) * ticks
    return replace(
        score, time_signatures=np.array(signatures, np.int32), tempos=np.array(tempos, np.float64)
    )


def _trim_repeated_notes(part: Part) -> Part:
    notes = part.notes.copy()
    order = np.lexsort((notes[:, 0], notes[:, 2]))
    by_pitch = notes[order]
    repeated = by_pitch[1:, 2] == by_pitch[:-1, 2]
    gaps = np.diff(by_pitch[:, 0])
    overlapping = repeated & (by_pitch[:-1, 1] > gaps)
    by_pitch[:-1, 1][overlapping] = gaps[overlapping]
    notes[order] = by_pitch
    return replace(part, notes=notes[notes[:, 1] > 0])
