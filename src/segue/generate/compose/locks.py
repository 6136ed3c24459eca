"""Locked parts and bars: what stays as it is while the rest of a score is generated again.

The notes of locked instruments are forced while a bar is sampled, in their order among the tokens:
the network reads them as if it had sampled them, and the other parts are sampled around them.
"""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.generate.compose.grammar import Position, encode_note
from segue.generate.compose.tokens import (
    DEFAULT_VELOCITY,
    END,
    FIRST_TOKEN,
    TOKEN_COUNTS,
    VOCABULARY_SIZE,
    Bar,
    Note,
)
from segue.records import BoolArray
from segue.theory.instruments import instrument_name, parse_instrument

#: Kinds of tokens after which an instrument can be named, or the next step.
_BEFORE_INSTRUMENT: Final = ("step", "pedal", "duration", "drum")
_BEFORE_STEP: Final = ("tempo", "pedal", "duration", "drum")
_BARS: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


class LockedNotes:
    """The notes of locked instruments in a bar.

    Parameters
    ----------
    bar : Bar
        The bar in the key of the tokens; notes of other instruments are ignored.
    instruments : collection of int
        Locked instruments.
    """

    def __init__(self, bar: Bar, instruments: Collection[int]) -> None:
        self._instruments = frozenset(instruments)
        self._notes: dict[int, list[Note]] = {}  # by step, in the order of the tokens
        for note in bar.select(self._instruments).notes:
            self._notes.setdefault(note.onset, []).append(note)

    def restrict(
        self, allowed: BoolArray, bar: Bar, position: Position, *, only: bool = False
    ) -> BoolArray:
        """Return the tokens after which all locked notes can still follow, and no others.

        Parameters
        ----------
        allowed : ndarray, shape (VOCABULARY_SIZE,)
            Tokens that are allowed apart from the locks. A locked note is allowed though it is
            out of the range of its instrument.
        bar : Bar
            The bar so far.
        position : Position
            End of the bar so far.
        only : bool
            Whether no other notes may begin, as in a bar that has as many tokens as there is room
            for.
        """
        step, current = position.step, position.instrument
        is_locked = current in self._instruments
        if position.kind in ("pitch", "long"):
            return _only(self._next_duration(position)) if is_locked else allowed
        played = {note[:3] for note in bar.notes}
        pending = [note for note in self._notes.get(step, ()) if note[:3] not in played]
        restricted = allowed.copy()
        if is_locked:
            next_note = next((note for note in pending if note.instrument == current), None)
            if next_note is not None:
                return _only(_next_token(next_note, bar, position))
            for kind in ("pitch", "drum", "velocity", "pedal"):
                _of(restricted, kind)[:] = False
        instruments, steps = _of(restricted, "instrument"), _of(restricted, "step")
        instruments[list(self._instruments)] = False
        if only and position.kind in _BEFORE_STEP and self._remain(step, pending):
            restricted[:] = False
        next_step = min((at for at in self._notes if at > step), default=None)
        if pending:
            following = min(note.instrument for note in pending)
            instruments[following + 1 :] = False
            instruments[following] = position.kind in _BEFORE_INSTRUMENT
            steps[:] = False
        elif next_step is not None:
            steps[next_step + 1 :] = False
            steps[next_step] = position.kind in _BEFORE_STEP
        else:
            return restricted
        restricted[END] = False
        _of(restricted, "bar")[:] = False
        return restricted

    def _remain(self, step: int, pending: Sequence[Note]) -> bool:
        return bool(pending) or any(at > step for at in self._notes)

    def _next_duration(self, position: Position) -> int:
        """Return the token that gives the current note its duration, or begins to."""
        note = next(
            note
            for note in self._notes[position.step]
            if (note.instrument, note.pitch) == (position.instrument, position.pitch)
        )
        durations = encode_note(note)[1:]
        return durations[0] if position.kind == "pitch" else durations[-1]


def _next_token(note: Note, bar: Bar, position: Position) -> int:
    """Return the first token of a note of the current instrument: its velocity, or its pitch."""
    velocities = [each.velocity for each in bar.notes if each.instrument == note.instrument]
    is_heard = note.velocity == (velocities or [DEFAULT_VELOCITY])[-1]
    if is_heard or position.kind == "velocity":
        return encode_note(note)[0]
    return FIRST_TOKEN["velocity"] + note.velocity


def _only(token: int) -> BoolArray:
    mask = np.zeros(VOCABULARY_SIZE, np.bool_)
    mask[token] = True
    return mask


def _of(mask: BoolArray, kind: str) -> BoolArray:
    return mask[FIRST_TOKEN[kind] : FIRST_TOKEN[kind] + TOKEN_COUNTS[kind]]


def parse_locks(
    text: str, parts: Sequence[tuple[str, int]], n_bars: int
) -> tuple[frozenset[int], tuple[int, int]]:
    """Return the locked instruments, and the first and the last bar that are generated again.

    Parameters
    ----------
    text : str
        Names of parts or instruments, and numbers or ranges of bars, such as "drums,bass,1-4".
    parts : sequence of (str, int)
        Name and instrument of each part of the score.
    n_bars : int
        Number of bars of the score.

    Raises
    ------
    BadArgument
        Nothing is named, or something that the score does not have, only one of several parts of an
        instrument is locked, nothing is left to generate, or more than one range of bars.
    """
    instruments: set[int] = set()
    is_locked = [False] * n_bars
    named: set[str] = set()
    words = [each.strip() for each in text.split(",") if each.strip()]
    if not words:
        raise BadArgument("nothing is locked; name parts or bars, as --lock drums,1-8")
    for word in words:
        bars = _BARS.fullmatch(word)
        if bars:
            first, last = int(bars[1]), int(bars[2] or bars[1])
            if not 1 <= first <= last <= n_bars:
                raise BadArgument(
                    f"bars {word} cannot be locked; the score has {n_bars} bars, counted from 1"
                )
            is_locked[first - 1 : last] = [True] * (last - first + 1)
        else:
            instruments.add(_find_part(word, parts))
            named.add(word.casefold())
    open_bars = [bar + 1 for bar, locked in enumerate(is_locked) if not locked]
    if not open_bars:
        raise BadArgument("all bars are locked; leave those out that are to be generated again")
    if open_bars[-1] - open_bars[0] + 1 != len(open_bars):
        raise BadArgument(
            f"the locked bars {text} leave several ranges open; lock all but one, and generate "
            "the others afterwards"
        )
    for name, instrument in parts:
        names = {name.casefold() for name, each in parts if each == instrument}
        if instrument in instruments and len(names) > 1 and named & names and not names <= named:
            raise BadArgument(
                f"{name} plays {instrument_name(instrument)} like another part; both are locked "
                f"together, as {instrument_name(instrument)}"
            )
    return frozenset(instruments), (open_bars[0], open_bars[-1])


def _find_part(word: str, parts: Sequence[tuple[str, int]]) -> int:
    """Return the instrument of the part or instrument of a name."""
    by_name = {name.casefold(): instrument for name, instrument in parts}
    if word.casefold() in by_name:
        return by_name[word.casefold()]
    with suppress(BadArgument):
        instrument = parse_instrument(word)
        families = [each for _, each in parts if each // 8 == instrument // 8]
        if any(each == instrument for _, each in parts):
            return instrument
        if len(set(families)) == 1:  # as bass, of a score with a fretless bass
            return families[0]
    names = ", ".join(dict.fromkeys(name for name, _ in parts))
    raise BadArgument(f"the score has no part {word!r} to lock; it has {names}")
