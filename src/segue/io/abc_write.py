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
from segue.io.abc_elements import ACCIDENTALS
from segue.io.notation import (
    NoteHead,
    Staff,
    Symbol,
    divide_into_bars,
    key_changes,
    notate_part,
    place,
    without_empty_end,
)
from segue.io.note_values import QUARTER, Bar, Tuplet
from segue.io.staves import choose_clef
from segue.io.unfolding import beat_duration
from segue.records import Part, Score
from segue.text import clean
from segue.theory.keys import fifths_name, signature_accidentals, spell_pitch

_SPECIAL: Final = re.compile(r"[\\%]|&(?!\s)")
_UNQUOTED: Final = str.maketrans("", "", '"\\')
_UNIT: Final = QUARTER // 2  # L:1/8
_FINEST: Final = QUARTER // 48  # between positions of chord symbols; includes triplets
_BARS_PER_LINE: Final = 4
_MAX_VOICES: Final = 64  # limit of the reader
_ACCIDENTALS: Final = {alteration: sign for sign, alteration in ACCIDENTALS.items()}


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
        symbols, as far as notation can represent them; tempos and keys from the nearest bar line
        on; no velocities and no pedals.

    Raises
    ------
    BadArgument
        The score has no notes, more than 20,000 bars or more than 64 parts.
    """
    if len(score.parts) > _MAX_VOICES:
        raise BadArgument(
            f"a score of {len(score.parts)} parts; ABC is written of at most {_MAX_VOICES}"
        )
    bars = divide_into_bars(score)
    parts = [notate_part(score, part, bars, most=1, shortened=False) for part in score.parts]
    bars = without_empty_end(bars, parts)
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
        tempos_and_chords = (tempos, _chords(score, bars)) if number == 1 else ({}, {})
        lines += _music(parts[number - 1][0], bars, keys, *tempos_and_chords)
    return "\n".join(lines) + "\n"


def _music(
    staff: Staff,
    bars: Sequence[Bar],
    keys: dict[int, tuple[int, int]],
    tempos: dict[int, str],
    chords: dict[int, dict[int, str]],
) -> Iterator[str]:
    key = keys[0]
    line: list[str] = []
    tied = [set[str]() for _ in staff.voices]
    for number, bar in enumerate(bars):
        fields = ""
        if number:
            before = bars[number - 1]
            if (bar.beats, bar.unit) != (before.beats, before.unit):
                fields += f"[M:{bar.beats}/{bar.unit}]"
            if number in keys:
                key = keys[number]
                fields += f"[K:{_key(key)}]"
            if number in tempos:
                fields += f"[Q:{tempos[number]}]"
        overlaid = []
        altered: set[str] = set()  # readers differ in whether accidentals hold in an overlay
        named = chords.get(number, {})
        bar_symbols = [voice_bars[number] for voice_bars in staff.voices]
        begin = {symbol.value.at for symbol in bar_symbols[0]} or {0}
        above = named if begin.issuperset(named) else {}
        for voice, symbols in enumerate(bar_symbols):
            if symbols or not voice:
                overlaid.append(
                    "".join(_symbols(symbols, bar, key[0], tied[voice], altered, above))
                )
                above = {}
            else:
                tied[voice].clear()
        if not begin.issuperset(named):  # a chord begins where no note does
            overlaid.append(_invisible_rests(named, bar))
        line.append(fields + " & ".join(overlaid) + " |")
        if len(line) == _BARS_PER_LINE or number == len(bars) - 1:
            yield " ".join(line) + ("]" if number == len(bars) - 1 else "")
            line = []


def _symbols(
    symbols: Sequence[Symbol],
    bar: Bar,
    sharps: int,
    tied: set[str],
    altered: set[str],
    chords: dict[int, str],
) -> Iterator[str]:
    """Write a bar of a voice, with chord symbols before the notes that they stand above.

    The accidentals of the letters in `tied` (from the bar before) and in `altered` (of this bar)
    are repeated.
    """
    if not symbols:
        tied.clear()
        yield f"{chords.get(0, '')}z{_length(bar.length)}"
        return
    altered |= tied
    is_compound = bar.beats % 3 == 0 and bar.beats > 3
    beat = 4 * QUARTER // bar.unit * (3 if is_compound else 1)
    for symbol in symbols:
        value = symbol.value
        tuplet_factor = Fraction(1)
        if value.tuplet:
            tuplet_factor = Fraction(value.tuplet.actual, value.tuplet.normal)
            if value.tuplet.opens:
                yield _opening(value.tuplet)
        length = _length(value.length * tuplet_factor)
        yield chords.get(value.at, "")
        if not symbol.heads:
            yield f"z{length}"
        else:
            yield _chord(symbol.heads, length, sharps, altered)
        tied.clear()
        tied.update(spell_pitch(head.pitch, sharps)[0] for head in symbol.heads if head.tied_to)
        end = value.at + value.length
        if end % beat == 0 and end < bar.length:
            yield " "


def _invisible_rests(chords: dict[int, str], bar: Bar) -> str:
    """Write chord symbols above invisible rests."""
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
    """Write a note, with an accidental if its key or an accidental of the bar requires it."""
    letter, alteration, octave = spell_pitch(head.pitch, sharps)
    sign = ""
    if alteration != signature_accidentals(sharps).get(letter, 0) or letter in altered:
        sign = _ACCIDENTALS[alteration]
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
    """Return the tempos by index of bar: for each bar the last of those nearest to it."""
    starts = np.array([bar.start for bar in bars])
    tempos = {}
    for tick, bpm in score.tempos.tolist():
        nearest = int(np.abs(starts - tick * QUARTER / score.ticks_per_quarter).argmin())
        beat = beat_duration(bars[nearest].beats, bars[nearest].unit)
        per_minute = f"{bpm / float(beat):.3f}".rstrip("0").rstrip(".")
        tempos[nearest] = f"{beat / 4}={per_minute}"
    if tempos and 0 not in tempos:
        tempos[0] = "1/4=120"
    return tempos


def _chords(score: Score, bars: Sequence[Bar]) -> dict[int, dict[int, str]]:
    """Return the quoted chord symbols by index of bar and by position in it."""
    starts = [bar.start for bar in bars]
    symbols: dict[int, dict[int, str]] = {}
    for tick, symbol in score.chords:
        at = round(place(tick, score.ticks_per_quarter) / _FINEST) * _FINEST
        number = bisect_right(starts, at) - 1
        if at >= starts[-1] + bars[-1].length:
            continue
        quoted = f'"{_field(symbol.translate(_UNQUOTED))}"'
        symbols.setdefault(number, {})[at - starts[number]] = quoted
    return symbols


def _field(text: str) -> str:
    """Return a text on one line, with the signs of comments and entities escaped."""
    return _SPECIAL.sub(r"\\\g<0>", clean(text))
