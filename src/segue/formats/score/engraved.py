"""What music21 read of an engraved score, as a `Score`: bars in the order in which they sound.

- Repeats are played where music21 finds them coherent, else the bars stand as they are written.
- Ties are joined. Grace notes are left out: they have no time of their own.
- Pitches sound as they are: a clarinet in B flat is a tone below what it reads.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import numpy as np

from segue.errors import Unreadable
from segue.formats.names import clean
from segue.formats.score.bars import TICKS_PER_QUARTER, Bar, metres_of, rest_before, ticks
from segue.formats.score.midi import MOST_NOTES, TEMPI_BPM
from segue.records import Part, Score

MOST_BARS: Final = 20_000
_MOST_TIMES: Final = 16  # that a repeat is played
_VELOCITY: Final = 80


@dataclass(slots=True, eq=False)
class _Note:
    """A note, in quarters."""

    on: Fraction
    end: Fraction
    pitch: int
    velocity: int


@dataclass(slots=True)
class _Sung:
    """Notes of a part while they are gathered."""

    notes: list[_Note] = field(default_factory=list)
    tied: dict[int, list[_Note]] = field(default_factory=dict)


def read_by_music21(parse: Callable[[], Any], title: str, composer: str) -> Score:
    """Have music21 read a score, and turn it into ours.

    Parameters
    ----------
    parse : callable
        Returns music21's score.
    title, composer : str
        As the file tells them.

    Returns
    -------
    Score
        Of 480 ticks to the quarter.

    Raises
    ------
    Unreadable
        music21 cannot read it; or it has no note, or more notes or bars than can be.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is odd and was read all the same
        try:
            return _score_of(parse(), title, composer)
        except Unreadable:
            raise
        except Exception as error:  # noqa: BLE001  # a foreign file in a foreign parser: anything
            told = clean(str(error))[:200] or type(error).__name__
            raise Unreadable(f"a damaged score, or one that music21 cannot read ({told})") from None


def _score_of(stream: Any, title: str, composer: str) -> Score:
    parts = list(stream.parts) or [stream]
    for part in parts:
        part.toSoundingPitch(inPlace=True)
    measures = [_measures(part) for part in parts]
    longest = max(measures, key=len)
    order = _order(longest, parts[measures.index(longest)])
    metre_at = _metres_at(measures, len(longest))
    bars = [
        _bar([column[number] for column in measures if number < len(column)], metre_at[number])
        for number in order
    ]
    starts = np.cumsum([rest_before(bars), *(bar.length for bar in bars)])
    found = [
        made
        for part, column in zip(parts, measures, strict=True)
        for made in _part(part, column, order, starts)
    ]
    if not found:
        raise Unreadable("a score without a note")
    return Score(
        title,
        TICKS_PER_QUARTER,
        tuple(found),
        _tempos(measures, order, starts),
        metres_of(bars),
        _keys(measures, order, starts),
        composer,
    )


# ---- bars --------------------------------------------------------------------------------


def _measures(part: Any) -> list[Any]:
    """Return a part's bars; one bar holds all where there are no bar lines."""
    found = list(part.getElementsByClass("Measure"))
    if len(found) > MOST_BARS:
        raise Unreadable(f"a score of more than {MOST_BARS} bars")
    return found or [part]


def _order(measures: Sequence[Any], part: Any) -> list[int]:
    """Return which bars sound after one another, repeats played.

    music21 expands an empty score with the same repeats: to copy the notes, too, takes as long
    as reading them did.
    """
    from music21 import bar, exceptions21, repeat, spanner, stream

    as_written = list(range(len(measures)))
    marks = [list(measure.getElementsByClass(repeat.RepeatExpression)) for measure in measures]
    sides = [
        (measure.leftBarline, measure.rightBarline) for measure in measures if measure is not part
    ]
    brackets = list(part.getElementsByClass(spanner.RepeatBracket))
    if not any(marks) and not any(isinstance(s, bar.Repeat) for pair in sides for s in pair):
        return as_written
    bones: Any = stream.Part()  # type: ignore[no-untyped-call]
    copies = []
    for number, (left, right) in enumerate(sides):
        copy = stream.Measure(number=number)
        for side, line in (("leftBarline", left), ("rightBarline", right)):
            if isinstance(line, bar.Repeat):
                times = min(line.times, _MOST_TIMES) if line.times else None
                setattr(copy, side, bar.Repeat(direction=line.direction, times=times))
        for mark in marks[number]:
            copy.insert(0, type(mark)())
        copies.append(copy)
        bones.insert(number, copy)
    place = {id(measure): number for number, measure in enumerate(measures)}
    for bracket in brackets:
        spanned = [copies[place[id(m)]] for m in bracket.getSpannedElements() if id(m) in place]
        bones.insert(0, spanner.RepeatBracket(spanned, number=bracket.number))
    try:
        played = repeat.Expander(bones).process()
    except (exceptions21.Music21Exception, IndexError, KeyError, ValueError, TypeError):
        return as_written  # repeats that do not fit together
    order = [measure.number for measure in played.getElementsByClass("Measure")]
    return order if as_written and len(order) <= MOST_BARS else as_written


def _metres_at(measures: Sequence[Sequence[Any]], count: int) -> list[tuple[int, int]]:
    """Return the metre of each written bar."""
    now, found = (4, 4), []
    for number in range(count):
        for column in measures:
            if number < len(column) and (metre := column[number].timeSignature):
                now = (int(metre.numerator), int(metre.denominator))
                break
        found.append(now)
    return found


def _bar(measures: Sequence[Any], metre: tuple[int, int]) -> Bar:
    """Tell how long a bar is: what lasts longest in it, and no longer than its metre for rests."""
    full = Fraction(4 * metre[0], metre[1])
    filled = max((Fraction(measure.highestTime) for measure in measures), default=full)
    if filled > full:
        ends = [at + Fraction(one.quarterLength) for m in measures for at, one in _sounding(m)]
        filled = max([full, *ends])
    return Bar(*metre, filled or full)


def _sounding(measure: Any) -> Iterator[tuple[Fraction, Any]]:
    """Yield the notes and chords of a bar, and when in it."""
    for within in (measure, *measure.voices):
        shift = Fraction(0) if within is measure else Fraction(within.offset)
        for one in within.notes:
            if not one.duration.isGrace and "ChordSymbol" not in one.classes:
                yield shift + Fraction(one.offset), one


# ---- notes -------------------------------------------------------------------------------


def _part(part: Any, measures: Sequence[Any], order: Sequence[int], starts: Any) -> Iterator[Part]:
    sung = _Sung()
    for number, start in zip(order, starts, strict=False):
        if number < len(measures):
            for at, one in sorted(_sounding(measures[number]), key=lambda pair: pair[0]):
                _sing(sung, one, start + at)
        if len(sung.notes) > MOST_NOTES:
            raise Unreadable(f"a score of more than {MOST_NOTES} notes")
    instrument = part.getInstrument(returnDefault=True)
    name = clean(str(part.partName or instrument.partName or instrument.instrumentName or ""))
    program = instrument.midiProgram
    rows = [
        (on := max(ticks(note.on), 0), max(ticks(note.end) - on, 1), note.pitch, note.velocity)
        for note in sung.notes
    ]
    if rows:
        table = np.array(sorted(rows, key=lambda row: (row[0], row[2], row[1])), np.int32)
        known = program if isinstance(program, int) and 0 <= program < 128 else 0
        yield Part(name, known, False, table)


def _sing(sung: _Sung, one: Any, at: Fraction) -> None:
    """Add what a note, or each note of a chord, sounds."""
    end = at + Fraction(one.quarterLength)
    if end <= at:
        return
    for note in getattr(one, "notes", (one,)):
        if not hasattr(note, "pitch") or not 0 <= (pitch := int(note.pitch.midi)) <= 127:
            continue
        tie = note.tie.type if note.tie else ""  # of a chord, each note has its own
        velocity = _velocity(note)
        held = sung.tied.get(pitch, [])
        # Of two voices in unison, each goes on with its own.
        open_note = min(
            (other for other in held if other.end == at and tie in {"stop", "continue"}),
            key=lambda other: abs(other.velocity - velocity),
            default=None,
        )
        if open_note:
            held.remove(open_note)
            open_note.end = end
        else:
            open_note = _Note(at, end, pitch, velocity)
            sung.notes.append(open_note)
        if tie in {"start", "continue"}:
            sung.tied.setdefault(pitch, []).append(open_note)


def _velocity(note: Any) -> int:
    told = note.volume.velocity if note.hasVolumeInformation() else None
    return _VELOCITY if told is None else min(max(int(told), 1), 127)


# ---- tempo and key -------------------------------------------------------------


def _tempos(measures: Sequence[Sequence[Any]], order: Sequence[int], starts: Any) -> Any:
    low, high = TEMPI_BPM
    rows = {
        ticks(start + Fraction(mark.offset)): float(bpm)
        for start, written in _played(measures, order, starts)
        for mark in written.getElementsByClass("MetronomeMark")
        if (bpm := mark.getQuarterBPM()) and low <= bpm <= high
    }
    if rows:  # the first holds from the start
        rows[0] = rows.pop(min(rows))
    return _told(sorted(rows.items()), 2).astype(np.float64)


def _keys(measures: Sequence[Sequence[Any]], order: Sequence[int], starts: Any) -> Any:
    rows = {}
    for start, written in _played(measures[:1], order, starts):
        for key in written.getElementsByClass("KeySignature"):
            minor = int(getattr(key, "mode", "") == "minor")
            if key.sharps is not None and -7 <= key.sharps <= 7:
                rows[ticks(start + Fraction(key.offset))] = (int(key.sharps), minor)
    if rows:
        rows[0] = rows.pop(min(rows))
    return _told([(tick, *key) for tick, key in sorted(rows.items())], 3).astype(np.int32)


def _told(rows: Sequence[Sequence[float]], width: int) -> Any:
    """Leave out the rows that say what the one before says."""
    kept = [row for row, before in zip(rows, [None, *rows], strict=False)
            if before is None or row[1:] != before[1:]]  # fmt: skip
    return np.array(kept, np.float64).reshape(-1, width)


def _played(
    measures: Sequence[Sequence[Any]], order: Sequence[int], starts: Any
) -> Iterator[tuple[Fraction, Any]]:
    for number, start in zip(order, starts, strict=False):
        for column in measures:
            if number < len(column):
                yield start, column[number]
