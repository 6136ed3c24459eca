"""Who plays which note, where several parts are of one instrument.

The tokens of a piece do not tell parts of one instrument apart: two violins are one stream of
notes, of which two may begin at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Part
from segue.represent.score.instruments import sounds_alone

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
