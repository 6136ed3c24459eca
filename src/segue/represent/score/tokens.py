"""Scores as tokens: one way to write each score, and a grammar of which tokens may follow.

    begin, then bar by bar:
        bar 4/4, a tempo where it changes, then place by place:
            step 6, then instrument by instrument:
                cello unless it played last, then pitch by pitch, upward:
                    a loudness where it changes, C3, how long it lasts
    end

Steps are twelfths of a quarter, as in the piano roll. A drum has no length. What is kept exactly
is what `Reading.score` gives: notes on the grid, with one of 8 loudnesses, programs, metres, and
one of 31 tempos in each bar. Parts of one program become one part. Pedals, keys and names of parts
are not kept.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Score
from segue.represent.score.grammar import Reading
from segue.represent.score.timing import bars
from segue.represent.score.vocabulary import (
    BEGIN,
    DRUM_LENGTH,
    DRUMS,
    END,
    FIRST,
    LENGTHS,
    LONGEST,
    METRE_NUMBERS,
    STEPS_PER_QUARTER,
    TEMPOS,
    USUAL_LOUDNESS,
    USUAL_TEMPO,
    Note,
    Tokens,
    steps_of,
)


def encode(score: Score) -> Tokens:
    """Write a score as tokens.

    Onsets and ends move to the nearest step, lengths are at least a step and at most `LONGEST`;
    of notes that then are the same, the longest stays.

    Parameters
    ----------
    score : Score

    Returns
    -------
    ndarray, shape (T,), int64
        From `BEGIN` to `END`.

    Raises
    ------
    BadArgument
        It has no note, or a metre that is not in `METRES`.
    """
    if not score.parts:
        raise BadArgument("a score without a note; there is nothing to write as tokens")
    divided = bars(score)
    metres = []
    for place, metre in enumerate(zip(divided.beats.tolist(), divided.units.tolist(), strict=True)):
        if metre not in METRE_NUMBERS:
            raise BadArgument(
                f"bar {place + 1} is in {metre[0]}/{metre[1]}; those known go up to 4/2, 8/4, "
                "12/8 and 12/16: write it in another metre"
            )
        metres.append(METRE_NUMBERS[metre])
    starts = np.cumsum([0, *(steps_of(number) for number in metres)])
    notes = _notes(score, divided.at, starts)
    if notes[-1].onset >= starts[-1]:  # moved to where one more bar begins
        metres.append(metres[-1])
        starts = np.append(starts, starts[-1] + steps_of(metres[-1]))
    tempos = _tempos(score, divided.at)
    return np.array(_written(notes, metres, starts, tempos), np.int64)


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
    return reading.score(title)


def _notes(score: Score, at: NDArray[np.int64], starts: NDArray[np.int64]) -> list[Note]:
    """Put all notes on the grid, each once, by onset, instrument and pitch."""
    found: dict[tuple[int, int, int], Note] = {}
    for part in score.parts:
        notes = part.notes.astype(np.int64)
        on = _on_grid(notes[:, 0], at, starts, score.ticks_per_quarter)
        off = _on_grid(notes[:, 0] + notes[:, 1], at, starts, score.ticks_per_quarter)
        lengths = (off - on).clip(1, LONGEST)
        instrument = DRUMS if part.is_drum else part.program
        if part.is_drum:
            lengths[:] = DRUM_LENGTH
        rows = zip(
            on.tolist(), notes[:, 2].tolist(), lengths.tolist(), notes[:, 3].tolist(), strict=True
        )
        for onset, pitch, length, velocity in rows:
            key = onset, instrument, pitch
            if key not in found or found[key].length < length:
                found[key] = Note(onset, instrument, pitch, length, velocity // 16)
    return [found[key] for key in sorted(found)]


def _on_grid(
    ticks: NDArray[np.int64],
    at: NDArray[np.int64],
    starts: NDArray[np.int64],
    ticks_per_quarter: int,
) -> NDArray[np.int64]:
    bar = np.clip(np.searchsorted(at, ticks, side="right") - 1, 0, len(at) - 2)
    steps = np.floor((ticks - at[bar]) * STEPS_PER_QUARTER / ticks_per_quarter + 0.5)
    return np.asarray(starts[bar] + steps, np.int64)


def _tempos(score: Score, at: NDArray[np.int64]) -> list[int]:
    """Return the tempo of each bar: the one in force where it begins."""
    if not len(score.tempos):
        return [USUAL_TEMPO] * len(at)
    here = np.searchsorted(score.tempos[:, 0], at, side="right") - 1
    bpm = np.where(here < 0, 120.0, score.tempos[here.clip(0), 1])
    numbers = np.rint(9 * np.log2(bpm.clip(1) / 120)) + USUAL_TEMPO
    return np.asarray(numbers.clip(0, TEMPOS - 1), np.int64).tolist()  # type: ignore[no-any-return]


def _written(
    notes: list[Note], metres: list[int], starts: NDArray[np.int64], tempos: list[int]
) -> list[int]:
    tokens, tempo, instrument = [BEGIN], USUAL_TEMPO, -1
    loudness = [USUAL_LOUDNESS] * (DRUMS + 1)
    by_step: dict[int, dict[int, list[Note]]] = {}
    for note in notes:
        by_step.setdefault(note.onset, {}).setdefault(note.instrument, []).append(note)
    waiting = sorted(by_step)[::-1]
    for metre, start, end, now in zip(metres, starts, starts[1:], tempos, strict=False):
        if not waiting:
            break
        tokens.append(FIRST["bar"] + metre)
        if now != tempo:
            tempo = now
            tokens.append(FIRST["tempo"] + tempo)
        while waiting and waiting[-1] < end:
            onset = waiting.pop()
            tokens.append(FIRST["step"] + onset - int(start))
            playing, held = by_step[onset], instrument
            for instrument in sorted(playing, key=lambda one: (one != held, one)):
                if instrument != held:
                    tokens.append(FIRST["instrument"] + instrument)
                held = instrument
                for note in playing[instrument]:
                    if note.loudness != loudness[instrument]:
                        loudness[instrument] = note.loudness
                        tokens.append(FIRST["loudness"] + note.loudness)
                    tokens += _note(note)
    return [*tokens, END]


def _note(note: Note) -> list[int]:
    if note.instrument == DRUMS:
        return [FIRST["drum"] + note.pitch]
    long, rest = divmod(note.length - 1, LENGTHS)
    longer = [FIRST["long"] + long - 1] if long else []
    return [FIRST["pitch"] + note.pitch, *longer, FIRST["length"] + rest]
