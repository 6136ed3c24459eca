"""Inserting sampled bars into a score.

Who plays which note, where several parts are of one instrument.

The tokens of a piece do not tell parts of one instrument apart: two violins are one stream of
notes, of which two may begin at once.

Puts bars that were written into a score, which stays what it is everywhere else.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.generate.compose.tokens import METRES, STEPS_PER_QUARTER, Bar, bpm_of, score_of, steps_of
from segue.records import Part, Score
from segue.score.timing import bar_grid as bars_of
from segue.theory.instruments import DRUMS, sounds_alone

# --- players ---

#: General MIDI: hi-hats and cymbals; what is no part of a drum kit.
_METAL: Final = (42, 44, 46, 49, 51, 52, 53, 55, 57, 59)
_PERCUSSION: Final = (*range(27, 35), 39, 54, 56, 58, *range(60, 88))
#: Semitones.
_NEAR: Final = 2.0
#: Semitones that a player who still sounds is as far from another note, beside the way to it.
_BUSY: Final = 24.0


def divided(part: Part, count: int) -> tuple[Part, ...]:
    """Divide the notes of an instrument among several players.

    Of notes that begin at once the higher one goes to the player before; a note alone goes to who
    plays near it and is free. Everybody has a note where there are enough. Of drums the first
    player has the kit, another the percussion; or one the drums, another hi-hats and cymbals.

    Parameters
    ----------
    part : Part
    count : int
        How many players, at least 1.

    Returns
    -------
    tuple of Part
        The highest first; those without a note are left out. They are numbered, "Violin 1" say.
    """
    if count == 1:
        return (part,)
    players = _drummers(part.notes, count) if part.is_drum else _swept(part.notes, count)
    found: list[Part] = []
    for player in range(count):
        notes = part.notes[players == player]
        if sounds_alone(part.program) and not part.is_drum:
            notes = _one_after_another(notes)
        pedals = part.pedals if not found else part.pedals[:0]
        found.append(replace(part, name=f"{part.name} {player + 1}", notes=notes, pedals=pedals))
    return tuple(one for one in found if len(one.notes))


def nearest_players(new: Part, parts: Sequence[Part], begin: int, end: int) -> NDArray[np.intp]:
    """Return which of several parts of an instrument is to play each note.

    The one that plays most, near that pitch, around there; where none does, the first.
    """
    near = []
    for part in parts:
        onset, pitch = part.notes[:, 0], part.notes[:, 2]
        there = pitch[(onset >= begin) & (onset < end)]
        apart = np.abs(new.notes[:, 2, None] - there)
        near.append(np.exp(-apart / _NEAR).sum(axis=1))
    found: NDArray[np.intp] = np.argmax(near, axis=0)
    return found


def _drummers(notes: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return who strikes each drum, from 0: every drum has one player, where there are enough."""
    pitch = notes[:, 2]
    kind = np.where(np.isin(pitch, _METAL), 1, np.where(np.isin(pitch, _PERCUSSION), 2, 0))
    if count == 2 and (kind == 2).any() and (kind < 2).any():
        kind = np.where(kind == 2, 1, 0)
    found = np.unique(kind, return_inverse=True)[1]
    drums = np.unique(pitch)
    if len(drums) < count:  # they take turns
        found = np.arange(len(notes)) % count
    elif found.max() + 1 < count:  # hi-hats alone, say: drum by drum
        found = np.searchsorted(drums, pitch) % count
    return np.asarray(np.minimum(found, count - 1), np.int64)


def _swept(notes: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return who plays each note, from 0 for the highest player."""
    found = np.zeros(len(notes), np.int64)
    shares = (count - np.arange(count) - 0.5) / count
    at = np.quantile(notes[:, 2], shares).tolist()  # where each player is
    busy = [0] * count
    order = np.lexsort((-notes[:, 2], notes[:, 0])).tolist()
    for onset, group in groupby(order, key=lambda row: int(notes[row, 0])):
        rows = list(group)
        shared = (
            _chosen([int(notes[row, 2]) for row in rows], at, [until > onset for until in busy])
            if len(rows) <= count
            else np.repeat(range(count), [len(some) for some in np.array_split(rows, count)])
        )
        for row, player in zip(rows, shared, strict=True):
            found[row] = player
            at[player] = (at[player] + int(notes[row, 2])) / 2
            busy[player] = max(busy[player], int(notes[row, 0] + notes[row, 1]))
    if len(set(found.tolist())) < min(count, len(notes)):  # all on one pitch, say: take turns
        found[order] = np.arange(len(notes)) % count
    return found


def _chosen(pitches: Sequence[int], at: Sequence[float], busy: Sequence[bool]) -> tuple[int, ...]:
    """Choose players for notes at once, both from the highest on: near, and free."""

    def cost(players: tuple[int, ...]) -> float:
        return sum(
            abs(pitch - at[player]) + _BUSY * busy[player]
            for pitch, player in zip(pitches, players, strict=True)
        )

    return min(combinations(range(len(at)), len(pitches)), key=cost)


def _one_after_another(notes: NDArray[np.int32]) -> NDArray[np.int32]:
    """End each note where the player's next one begins."""
    notes = notes[np.lexsort((notes[:, 2], notes[:, 0]))].copy()
    gaps = np.diff(notes[:, 0])
    notes[:-1, 1] = np.where(gaps > 0, np.minimum(notes[:-1, 1], gaps), notes[:-1, 1])
    return notes


# --- editing ---

#: Steps before and behind new bars, beside as many as they have, that tell which part plays what.
_AROUND: Final = 16 * STEPS_PER_QUARTER


def put_in(
    score: Score | None,
    written: Sequence[Bar],
    first: int,
    last: int,
    parts: Mapping[int, int] | None = None,
) -> Score:
    """Put bars in the place of others; what the others' parts begin there is left out.

    Parameters
    ----------
    score : Score, optional
        Nothing is there yet without one.
    written : sequence of Bar
        As many as they replace, or, behind the end, any number.
    first, last : int
        Which bars are replaced, from 0; the last one is not. The number of bars twice: they
        follow the last one.
    parts : mapping of int to int, optional
        How many parts an instrument has, where there are more than the score has, or than one.

    Returns
    -------
    Score
        In its own ticks, made finer where it needs be. New parts come last; chord symbols above
        the bars replaced are left out.
    """
    wanted = Counter(dict(parts or {}))
    if score is None:
        found = score_of(written)
        each = [divided(_named(part), max(wanted[_instrument(part)], 1)) for part in found.parts]
        return tidied(replace(found, parts=tuple(one for some in each for one in some)))
    score = _finer(score)
    at = bars_of(score).edges
    behind = first == last
    begin, end = int(at[first]), int(at[last])
    # Chords somebody wrote above bars that are others now say nothing of these.
    chords = tuple(
        (tick, symbol)
        for tick, symbol in score.chords
        if tick < begin or (tick >= end and not behind)
    )
    score = replace(score, chords=chords)
    return tidied(_merged(score, written, (begin, begin if behind else end), wanted))


def add_part(score: Score, written: Sequence[Bar]) -> Score:
    """Add what was written to all that is there."""
    score = _finer(score)
    return tidied(_merged(score, written, (0, 0), Counter(), tempos=False))


def tidied(score: Score) -> Score:
    """End each note where the same one is played again: nobody can play it twice at a time."""
    return replace(score, parts=tuple(_tidied(part) for part in score.parts))


def _finer(score: Score) -> Score:
    """Multiply the ticks so that a step is a whole number of them."""
    by = STEPS_PER_QUARTER // math.gcd(score.ticks_per_quarter, STEPS_PER_QUARTER)
    if by == 1:
        return score

    def longer(rows: NDArray[np.int32], columns: int = 1) -> NDArray[np.int32]:
        found = rows.copy()
        found[:, :columns] *= by
        return found

    parts = tuple(
        replace(part, notes=longer(part.notes, 2), pedals=longer(part.pedals))
        for part in score.parts
    )
    tempos = score.tempos.copy()
    tempos[:, 0] *= by
    return replace(
        score,
        ticks_per_quarter=score.ticks_per_quarter * by,
        parts=parts,
        tempos=tempos,
        metres=longer(score.metres),
        keys=longer(score.keys),
        chords=tuple((tick * by, symbol) for tick, symbol in score.chords),
    )


def _merged(
    score: Score,
    written: Sequence[Bar],
    place: tuple[int, int],
    wanted: Counter[int],
    *,
    tempos: bool = True,
) -> Score:
    """Put bars at a tick, in the place of all that begins before another."""
    begin, end = place
    ticks = score.ticks_per_quarter // STEPS_PER_QUARTER
    parts = [_without(part, begin, end) for part in score.parts]
    places: dict[tuple[int, bool], list[int]] = {}  # of the parts of each instrument
    for number, part in enumerate(parts):
        places.setdefault(_who(part), []).append(number)
    length = ticks * sum(steps_of(bar.metre) for bar in written)
    around = begin - length - ticks * _AROUND, begin + 2 * length + ticks * _AROUND
    new = score_of(written).parts if any(bar.notes for bar in written) else ()
    for part in new:
        notes, pedals = part.notes.copy(), part.pedals.copy()
        notes[:, :2] *= ticks
        pedals[:, 0] *= ticks
        notes[:, 0] += begin
        pedals[:, 0] += begin
        moved = replace(part, notes=notes, pedals=pedals)
        same = places.get(_who(part), [])
        if len(same) < wanted[_instrument(part)] or not same:
            # The highest of the notes go to the parts that are there.
            shared = divided(_named(moved), max(wanted[_instrument(part)], 1))
            for number, own in zip(same, shared, strict=False):
                parts[number] = _together(parts[number], own)
            parts += shared[len(same) :]
            continue
        players = nearest_players(moved, [parts[number] for number in same], *around)
        for player, number in enumerate(same):
            own = replace(moved, notes=notes[players == player])
            if player != np.bincount(players, minlength=len(same)).argmax():
                own = replace(own, pedals=pedals[:0])
            parts[number] = _together(parts[number], own)
    found = replace(score, parts=tuple(part for part in parts if len(part.notes)))
    return _timed(found, written, begin, ticks) if tempos and begin == end else found


def _named(part: Part) -> Part:
    """Name a part as staves are named: with a capital."""
    return replace(part, name=part.name[:1].upper() + part.name[1:])


def _instrument(part: Part) -> int:
    return DRUMS if part.is_drum else part.program


def _who(part: Part) -> tuple[int, bool]:
    return part.program, part.is_drum


def _without(part: Part, begin: int, end: int) -> Part:
    gone = (part.notes[:, 0] >= begin) & (part.notes[:, 0] < end)
    moved = (part.pedals[:, 0] >= begin) & (part.pedals[:, 0] < end)
    return replace(part, notes=part.notes[~gone], pedals=_changes(part.pedals[~moved]))


def _together(one: Part, other: Part) -> Part:
    notes = np.concatenate([one.notes, other.notes])
    pedals = np.concatenate([one.pedals, other.pedals])
    return replace(
        one,
        notes=notes[np.lexsort((notes[:, 2], notes[:, 0]))],
        pedals=_changes(pedals[np.argsort(pedals[:, 0], kind="stable")]),
    )


def _changes(pedals: NDArray[np.int32]) -> NDArray[np.int32]:
    kept: NDArray[np.int32] = pedals[np.diff(pedals[:, 1], prepend=0) != 0]
    return kept


def _timed(score: Score, written: Sequence[Bar], begin: int, ticks: int) -> Score:
    """Say metre and tempo of bars behind the end, where they change."""
    metres = [tuple(row) for row in score.metres.tolist() if row[0] < begin] or [(0, 4, 4)]
    tempos = [tuple(row) for row in score.tempos.tolist() if row[0] < begin] or [(0.0, 120.0)]
    for bar in written:
        if metres[-1][1:] != METRES[bar.metre]:
            metres.append((begin, *METRES[bar.metre]))
        # A tempo as near as tokens can tell is the same.
        if not 0.95 < tempos[-1][1] / bpm_of(bar.tempo) < 1.05:
            tempos.append((begin, bpm_of(bar.tempo)))
        begin += steps_of(bar.metre) * ticks
    return replace(score, metres=np.array(metres, np.int32), tempos=np.array(tempos, np.float64))


def _tidied(part: Part) -> Part:
    notes = part.notes.copy()
    order = np.lexsort((notes[:, 0], notes[:, 2]))
    of_pitch = notes[order]
    again = of_pitch[1:, 2] == of_pitch[:-1, 2]
    apart = np.diff(of_pitch[:, 0])
    shorter = again & (of_pitch[:-1, 1] > apart)
    of_pitch[:-1, 1][shorter] = apart[shorter]
    notes[order] = of_pitch
    return replace(part, notes=notes[notes[:, 1] > 0])
