"""Scores as tokens: one way to write each bar, and a grammar of which tokens may follow.

    begin, C minor, cello, drums, then bar by bar:
        bar 4/4, 120 bpm, then place by place:
            step 6, then instrument by instrument:
                cello unless it played last, pedal up or down, then pitch by pitch, upward:
                    a loudness where it changes, C3, how long it lasts
    end

A bar says everything anew, so that bars can be moved, cut out and put together as they are. Steps
are twelfths of a quarter, as in the piano roll. A drum has no length. What is kept exactly is what
`segue.represent.score.grid.score_of` gives: notes on the grid, with one of 8 loudnesses, programs,
pedals, metres, and one of 31 tempos in each bar. Parts of one program become one part. Keys and
names of parts are not kept.
"""

from collections.abc import Collection, Iterable

import numpy as np

from segue.records import Score
from segue.represent.score.grammar import Reading
from segue.represent.score.grid import bars_on_grid, score_of
from segue.represent.score.vocabulary import (
    BEGIN,
    DRUMS,
    END,
    FIRST,
    HERE,
    LENGTHS,
    PART,
    USUAL_LOUDNESS,
    Bar,
    Note,
    Pedal,
    Tokens,
)


def encode(score: Score, key: int | None = None) -> Tokens:
    """Write a score as tokens.

    Parameters
    ----------
    score : Score
        As for `bars_on_grid`.
    key : int, optional
        From 0: C major, C minor, C♯ major … B minor.

    Returns
    -------
    ndarray, shape (T,), int64
        From `BEGIN` to `END`.
    """
    found = bars_on_grid(score)
    tokens = header(frozenset[int]().union(*(bar.instruments for bar in found)), key)
    for bar in found:
        tokens += bar_tokens(bar)
    return np.array([*tokens, END], np.int64)


def decode(tokens: Iterable[int], title: str = "") -> Score:
    """Read tokens as a score.

    Parameters
    ----------
    tokens : iterable of int
        From `BEGIN`; `END` may be missing.
    title : str

    Returns
    -------
    Score
        Twelve ticks a quarter.

    Raises
    ------
    BadArgument
        A token may not stand where it does, or there is no note.
    """
    reading = Reading()
    for token in tokens:
        reading.read(int(token))
    return score_of(reading.bars, title)


def header(instruments: Collection[int], key: int | None = None) -> list[int]:
    """Write what a piece is said to be: its key, and who plays.

    Parameters
    ----------
    instruments : collection of int
        Programs, and `DRUMS`.
    key : int, optional
        As of `encode`.
    """
    said = [] if key is None else [FIRST["key"] + key]
    return [BEGIN, *said, *(FIRST["instrument"] + number for number in sorted(instruments))]


def filling(count: int, after: Iterable[Bar]) -> list[int]:
    """Write how many bars are to be filled in, and what stands after them; they follow a header.

    Then come the bars that stand before, and those that are wanted.
    """
    tokens = [FIRST["fill"] + count - 1]
    for bar in after:
        tokens += bar_tokens(bar)
    return [*tokens, HERE]


def adding(instrument: int) -> list[int]:
    """Write which part is to be added; it follows a header that names the others."""
    return [PART, FIRST["instrument"] + instrument]


def bar_with_part(bar: Bar, instrument: int) -> list[int]:
    """Write a bar so that one part comes last, as if it were added to the others."""
    own = bar_tokens(bar.only((instrument,)))
    return [*bar_tokens(bar.only(bar.instruments - {instrument})), PART, *own[2:]]


def bar_tokens(bar: Bar) -> list[int]:
    """Write a bar."""
    tokens = [FIRST["bar"] + bar.metre, FIRST["tempo"] + bar.tempo]
    notes: dict[tuple[int, int], list[Note]] = {}
    pedals: dict[tuple[int, int], list[Pedal]] = {}
    for note in bar.notes:
        notes.setdefault((note.onset, note.instrument), []).append(note)
    for pedal in bar.pedals:
        pedals.setdefault((pedal.step, pedal.instrument), []).append(pedal)
    at: dict[int, set[int]] = {}
    for step, instrument in [*notes, *pedals]:
        at.setdefault(step, set()).add(instrument)
    held, loudness = -1, dict.fromkeys(range(DRUMS + 1), USUAL_LOUDNESS)
    for step in sorted(at):
        tokens.append(FIRST["step"] + step)
        last = held
        for instrument in sorted(at[step], key=lambda one: (one != last, one)):
            if instrument != held:
                tokens.append(FIRST["instrument"] + instrument)
            held = instrument
            tokens += [FIRST["pedal"] + one.down for one in pedals.get((step, instrument), ())]
            for note in notes.get((step, instrument), ()):
                if note.loudness != loudness[instrument]:
                    loudness[instrument] = note.loudness
                    tokens.append(FIRST["loudness"] + note.loudness)
                tokens += _note(note)
    return tokens


def _note(note: Note) -> list[int]:
    if note.instrument == DRUMS:
        return [FIRST["drum"] + note.pitch]
    long, rest = divmod(note.length - 1, LENGTHS)
    longer = [FIRST["long"] + long - 1] if long else []
    return [FIRST["pitch"] + note.pitch, *longer, FIRST["length"] + rest]
