"""Writing of ABC notation.

ABC holds notated times, so a performance comes back quantised, and no velocities.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.io.abc_fields import ACCIDENTALS
from segue.io.notation import (
    Bar,
    NoteHead,
    Symbol,
    choose_clef,
    divide_into_bars,
    key_changes,
    notate_part,
    place,
)
from segue.io.note_values import QUARTER, Tuplet
from segue.io.written_score import beat_duration
from segue.records import Part, Score
from segue.text import clean
from segue.theory.keys import fifths_name, signature_accidentals, spell_pitch

_SIGN: Final = re.compile(r"[\\%]|&(?!\s)")
_UNQUOTED: Final = str.maketrans("", "", '"\\')
_UNIT: Final = QUARTER // 2  # L:1/8
_FINEST: Final = QUARTER // 48  # between places of chord symbols: triplets, and shorter than needed
_BARS_TO_THE_LINE: Final = 4
_MOST_VOICES: Final = 64  # that the reader reads
_SIGNS: Final = {alteration: sign for sign, alteration in ACCIDENTALS.items()}


def write_abc(score: Score) -> str:
    """Write a score as a tune in ABC.

    Parameters
    ----------
    score : Score
        Where it has no key, notes are spelled and signed as in C major; see
        `segue.score.harmony.with_estimated_key`.

    Returns
    -------
    str
        A voice for each part. Read again it has the same notes, programs, bar lines and chord
        symbols, as far as notation can tell them; tempos and keys from the nearest bar line on; no
        loudness and no pedals.

    Raises
    ------
    BadArgument
        The score has no notes, more than 20,000 bars or more than 64 parts.
    """
    if len(score.parts) > _MOST_VOICES:
        raise BadArgument(
            f"a score of {len(score.parts)} parts; ABC is written of at most {_MOST_VOICES}"
        )
    bars = divide_into_bars(score)
    keys = key_changes(score, bars)
    tempos = _tempos(score, bars)
    lines = ["X:1", f"T:{_field(score.title)}"]
    if composer := _field(score.composer):
        lines.append(f"C:{composer}")
    if genre := _field(score.genre):
        lines.append(f"R:{genre}")
    lines += [f"M:{bars[0].beats}/{bars[0].unit}", "L:1/8"]
    if 0 in tempos:
        lines.append(f"Q:{tempos[0]}")
    for number, part in enumerate(score.parts, start=1):
        name = _field(part.name).replace('"', "'")
        clef = _clef(part)
        lines.append(f"V:{number}{clef}" + (f' name="{name}"' if name else ""))
    lines.append(f"K:{_key(keys[0])}")
    for number, part in enumerate(score.parts, start=1):
        lines.append(f"V:{number}")
        if part.is_drum:
            lines.append("%%MIDI channel 10")
        lines.append(f"%%MIDI program {part.program}")
        first = number == 1
        told = (tempos, _chords(score, bars)) if first else ({}, {})
        lines += _music(score, part, bars, keys, *told)
    return "\n".join(lines) + "\n"


def _music(
    score: Score,
    part: Part,
    bars: Sequence[Bar],
    keys: dict[int, tuple[int, int]],
    tempos: dict[int, str],
    chords: dict[int, dict[int, str]],
) -> Iterator[str]:
    (staff,) = notate_part(score, part, bars, most=1, shortened=False)
    key = keys[0]
    line: list[str] = []
    held = [set[str]() for _ in staff.voices]
    for number, bar in enumerate(bars):
        told = ""
        if number:
            before = bars[number - 1]
            if (bar.beats, bar.unit) != (before.beats, before.unit):
                told += f"[M:{bar.beats}/{bar.unit}]"
            if number in keys:
                key = keys[number]
                told += f"[K:{_key(key)}]"
            if number in tempos:
                told += f"[Q:{tempos[number]}]"
        overlaid = []
        altered: set[str] = set()  # an overlay may hold to what was signed before it, or not
        named = chords.get(number, {})
        begin = {symbol.value.at for symbol in staff.voices[0][number]} or {0}
        above = named if begin.issuperset(named) else {}
        for voice, symbols in enumerate(one[number] for one in staff.voices):
            if symbols or not voice:
                overlaid.append(
                    "".join(_symbols(symbols, bar, key[0], held[voice], altered, above))
                )
                above = {}
            else:
                held[voice].clear()
        if not begin.issuperset(named):  # a chord begins where nothing is struck
            overlaid.append(_unheard(named, bar))
        line.append(told + " & ".join(overlaid) + " |")
        if len(line) == _BARS_TO_THE_LINE or number == len(bars) - 1:
            yield " ".join(line) + ("]" if number == len(bars) - 1 else "")
            line = []


def _symbols(
    symbols: Sequence[Symbol],
    bar: Bar,
    sharps: int,
    held: set[str],
    altered: set[str],
    chords: dict[int, str],
) -> Iterator[str]:
    """Write a bar of a voice, chord symbols before what they stand above.

    `held` are the letters tied from the bar before, whose accidentals hold on: as those of this
    bar, `altered`, they are said again.
    """
    if not symbols:
        held.clear()
        yield f"{chords.get(0, '')}z{_length(bar.length)}"
        return
    altered |= held
    is_compound = bar.beats % 3 == 0 and bar.beats > 3
    beat = 4 * QUARTER // bar.unit * (3 if is_compound else 1)
    for symbol in symbols:
        value = symbol.value
        stretch = Fraction(1)
        if value.tuplet:
            stretch = Fraction(value.tuplet.actual, value.tuplet.normal)
            if value.tuplet.opens:
                yield _opening(value.tuplet)
        length = _length(value.length * stretch)
        yield chords.get(value.at, "")
        if not symbol.heads:
            yield f"z{length}"
        else:
            yield _chord(symbol.heads, length, sharps, altered)
        held.clear()
        held.update(spell_pitch(head.pitch, sharps)[0] for head in symbol.heads if head.tied_to)
        end = value.at + value.length
        if end % beat == 0 and end < bar.length:
            yield " "


def _unheard(chords: dict[int, str], bar: Bar) -> str:
    """Write chord symbols above rests that are not shown."""
    places = sorted({0, *chords})
    ends = [*places[1:], bar.length]
    return "".join(
        f"{chords.get(at, '')}x{_length(end - at)}" for at, end in zip(places, ends, strict=True)
    )


def _opening(tuplet: Tuplet) -> str:
    if (tuplet.actual, tuplet.normal, tuplet.count) == (3, 2, 3):
        return "(3"
    return f"({tuplet.actual}:{tuplet.normal}:{tuplet.count}"


def _chord(heads: Sequence[NoteHead], length: str, sharps: int, altered: set[str]) -> str:
    if len(heads) == 1:
        return _note(heads[0], sharps, altered) + length + "-" * heads[0].tied_to
    notes = "".join(_note(head, sharps, altered) + "-" * head.tied_to for head in heads)
    return f"[{notes}]{length}"


def _note(head: NoteHead, sharps: int, altered: set[str]) -> str:
    """Name a note; signed where its key says otherwise, or its letter was signed in the bar."""
    letter, alteration, octave = spell_pitch(head.pitch, sharps)
    sign = ""
    if alteration != signature_accidentals(sharps).get(letter, 0) or letter in altered:
        sign = _SIGNS[alteration]
        altered.add(letter)
    if octave >= 5:
        return sign + letter.lower() + "'" * (octave - 5)
    return sign + letter + "," * (4 - octave)


def _length(length: int | Fraction) -> str:
    units = Fraction(length) / _UNIT
    over = "" if units.numerator == 1 else str(units.numerator)
    return over + ("" if units.denominator == 1 else f"/{units.denominator}")


def _key(key: tuple[int, int]) -> str:
    sharps, minor = key
    return fifths_name(sharps + 3 * minor) + "m" * minor


def _clef(part: Part) -> str:
    if part.is_drum:
        return " clef=perc"
    return f" clef={choose_clef(part.program, part.notes[:, 2], name=part.name).abc}"


def _tempos(score: Score, bars: Sequence[Bar]) -> dict[int, str]:
    """Return the tempos by the bar from which they hold: the last of those nearest to it."""
    starts = np.array([bar.start for bar in bars])
    found = {}
    for tick, bpm in score.tempos.tolist():
        nearest = int(np.abs(starts - tick * QUARTER / score.ticks_per_quarter).argmin())
        beat = beat_duration(bars[nearest].beats, bars[nearest].unit)
        per_minute = f"{bpm / float(beat):.3f}".rstrip("0").rstrip(".")
        found[nearest] = f"{beat / 4}={per_minute}"
    if found and 0 not in found:
        found[0] = "1/4=120"
    return found


def _chords(score: Score, bars: Sequence[Bar]) -> dict[int, dict[int, str]]:
    """Return the chord symbols, quoted, by bar and by place in it."""
    starts = [bar.start for bar in bars]
    found: dict[int, dict[int, str]] = {}
    for tick, symbol in score.chords:
        at = round(place(tick, score.ticks_per_quarter) / _FINEST) * _FINEST
        number = bisect_right(starts, at) - 1
        if at >= starts[-1] + bars[-1].length:
            continue
        quoted = f'"{_field(symbol.translate(_UNQUOTED))}"'
        found.setdefault(number, {})[at - starts[number]] = quoted
    return found


def _field(text: str) -> str:
    """Return a text of one line, its signs of a remark, an escape or an entity escaped."""
    return _SIGN.sub(r"\\\g<0>", clean(text))
