"""Chord charts: their grid of sixteenths, and parsing of chord symbols and Roman numerals.

    Dm7 G7 | Cmaj7 | % | N.C. |
    |: C / G / | Am F :|
    ii V I          (in C)

A bar is divided evenly among its chords, at beats where possible; "/" and "." continue the chord
before. Without barlines every chord is a bar. "%" repeats the bar before, and what stands between
"|:" and ":|" is played twice, ":|x3" three times.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import IntArray
from segue.theory.chords import (
    NO_CHORD,
    QUALITIES,
    Chord,
    nearest_chord,
    parse_chord,
    spell_chord,
)
from segue.theory.keys import ACCIDENTALS, MAJOR_SCALE, MINOR_SCALE, key_signature, parse_key

# ---- charts ------------------------------------------------------------------------------

STEPS_PER_QUARTER: Final = 4
MAX_BAR_STEPS: Final = 32  # 8/4 or 16/8
#: The root and the bass where there is no chord.
NO_ROOT: Final = 12
_UNITS: Final = (2, 4, 8, 16)


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A chord chart.

    Attributes
    ----------
    time_signature : tuple of int, int
        Beats of a bar, and the unit of a beat: 4 for a quarter.
    bars : int
    chords : ndarray, shape (n, 4), int64
        The onset step of each chord, its root, its bass (pitch classes, `NO_ROOT` for no chord),
        and its pitch classes as bits from C on. The first chord begins at step 0.
    names : tuple of str
        The chord symbols as written; those of Roman numerals, spelled in their key.
    """

    time_signature: tuple[int, int]
    bars: int
    chords: IntArray
    names: tuple[str, ...] = ()

    @property
    def steps_per_bar(self) -> int:
        """Number of steps to the bar."""
        return steps_per_bar(self.time_signature)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.bars * self.steps_per_bar


def steps_per_bar(time_signature: tuple[int, int]) -> int:
    """Return the number of sixteenths to the bar.

    Raises
    ------
    BadArgument
        The time signature is not supported.
    """
    beats, unit = time_signature
    steps = 4 * STEPS_PER_QUARTER * beats // unit if unit in _UNITS else 0
    if not 0 < steps <= MAX_BAR_STEPS or beats < 1:
        raise BadArgument(
            f"a metre of {beats}/{unit}: melodies are written in bars of at most 8/4, of halves, "
            "quarters, eighths or sixteenths, 4/4 or 6/8 say"
        )
    return steps


def chord_row(root: int, bass: int, classes: Iterable[int]) -> tuple[int, int, int]:
    """Return root, bass and pitch-class bits of a chord as in a `Chart`; a root of -1 is none."""
    if root < 0 or root == NO_ROOT:
        return NO_ROOT, NO_ROOT, 0
    return root, bass, sum(1 << each for each in set(classes))


def is_compound(time_signature: tuple[int, int]) -> bool:
    """Return whether a beat has three units, as in 6/8."""
    return time_signature[1] >= 8 and time_signature[0] % 3 == 0


def steps_per_beat(time_signature: tuple[int, int]) -> int:
    """Return the number of sixteenths to the beat: 6 in 6/8, 4 in 4/4 and 2/2."""
    if is_compound(time_signature):
        return 3 * 4 * STEPS_PER_QUARTER // time_signature[1]
    return min(4 * STEPS_PER_QUARTER // time_signature[1], STEPS_PER_QUARTER)


def strong_steps(time_signature: tuple[int, int]) -> tuple[int, ...]:
    """Return the strong steps of a bar: the first, and its middle if that is a beat."""
    bar, beat = steps_per_bar(time_signature), steps_per_beat(time_signature)
    if bar % 2 == 0 and (bar // 2) % beat == 0:
        return (0, bar // 2)
    return (0,)


def split_at_barlines(chart: Chart) -> IntArray:
    """Return the chords, split at the barlines, shape (n, 4)."""
    barlines = np.arange(chart.bars, dtype=np.int64) * chart.steps_per_bar
    starts = np.union1d(chart.chords[:, 0], barlines)
    rows = chart.chords[np.searchsorted(chart.chords[:, 0], starts, side="right") - 1].copy()
    rows[:, 0] = starts
    return rows


# ---- parsing -----------------------------------------------------------------------------

MAX_BARS: Final = 1000
_ERROR_CONTEXT: Final = 60  # characters on either side of an error
_TOKEN: Final = re.compile(
    r"(?P<open>\|+:)|(?P<close>:\|+:?\s*(?:[x×]\s*(?P<times>\d{1,2}))?)|(?P<line>\|+\]?|\n)"
    r"|(?P<word>[Nn][Oo] [Cc]hord|(?:(?!:\|)[^\s|])+)"
)
_CONTINUATIONS: Final = ("/", ".", "-")
_REPEAT_BAR: Final = ("%", "𝄎", "//")
_DEGREES: Final = {"I": 0, "II": 1, "III": 2, "IV": 3, "V": 4, "VI": 5, "VII": 6}
_ROMAN: Final = re.compile(
    r"(?P<sign>[#♯b♭]{0,2})(?P<degree>VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(?P<kind>.*)"
)
_DIMINISHED: Final = ("ø", "Ø", "°", "º", "o", "dim", "h")
ChordParser = Callable[[str], Chord]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    at: int  # in the text


def parse_chart(text: str, time_signature: tuple[int, int] = (4, 4)) -> Chart:
    """Parse a progression of chord symbols.

    Parameters
    ----------
    text : str
        As described in the module.
    time_signature : tuple of int, int

    Returns
    -------
    Chart

    Raises
    ------
    BadArgument
        A word is no chord (the message points at it and suggests the nearest one), a bar has more
        chords than fit, there are no bars or too many, or the time signature is not supported.
    """
    return _parse_bars(text, time_signature, parse_chord, nearest_chord)


def parse_roman_numerals(text: str, key: str, time_signature: tuple[int, int] = (4, 4)) -> Chart:
    """Parse a progression of Roman numerals in a key: "ii7 V7 | Imaj7", "bVII", "viiø7", "V7/V".

    Upper case is a major chord, lower case a minor one; the rest is read as in a chord symbol, so
    "V7" and "I7" are dominant sevenths. In minor, degrees are those of the natural scale, but
    "vii°" stands on the leading note. "V7/V" is an applied chord: V7 in the key of V. The names in
    the chart are chord symbols, spelled in the key: "ii7" in D is "Em7".

    Parameters
    ----------
    text : str
        As for `parse_chart`.
    key : str
        "C", "F#", "Am", "Bb minor".
    time_signature : tuple of int, int

    Returns
    -------
    Chart

    Raises
    ------
    BadArgument
        As for `parse_chart`, or the key is invalid.
    """
    tonic, is_minor = parse_key(key)
    scale = MINOR_SCALE if is_minor else MAJOR_SCALE
    sharps = key_signature(tonic, is_minor=is_minor)

    def chord(word: str) -> Chord:
        found = _roman_numeral(word, tonic, scale)
        if found.root < 0:
            return found
        name = spell_chord(found.root, found.name, found.root, sharps, is_minor=is_minor)
        return replace(found, name=name)

    def nearest(_: str) -> str:
        return "a degree such as ii, V7, bVII or vii°"

    return _parse_bars(text, time_signature, chord, nearest)


def segment_chords(
    symbols: Sequence[tuple[int, str]], first: int, last: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the chords of a segment of a progression.

    Parameters
    ----------
    symbols : sequence of (int, str)
        Onset step and chord symbol, ascending.
    first, last : int
        The first step of the segment, and the one after its last.

    Returns
    -------
    rows : ndarray, shape (n, 4), int64
        As in `Chart.chords`, counted from `first`.
    names : tuple of str
    """
    chords: dict[int, Chord] = {0: NO_CHORD}
    for at, name in symbols:
        if at < last:
            chords[max(at - first, 0)] = parse_chord(name)  # the last one before `first` holds
    chart = make_chart(sorted(chords.items(), key=lambda each: each[0]), (4, 4), 1)
    return chart.chords, chart.names


def _parse_bars(
    text: str, time_signature: tuple[int, int], parse: ChordParser, nearest: Callable[[str], str]
) -> Chart:
    bar_length = steps_per_bar(time_signature)
    progression: list[tuple[int, Chord]] = []
    bar: list[tuple[int, Chord]] = []  # steps from its beginning
    chord = NO_CHORD
    bars = _split_bars(text)
    if not bars:
        raise BadArgument(
            'there is no chord in the progression; write one such as "Dm7 G7 | Cmaj7"'
        )
    parsed: dict[str, Chord] = {}
    for number, words in enumerate(bars):
        if len(words) == 1 and words[0].text in _REPEAT_BAR:
            if not number:
                raise _error_at(text, words[0], "there is no bar before to be played again")
        else:
            bar = []
            for word, step in zip(words, _chord_steps(words, text, time_signature), strict=True):
                if word.text not in _CONTINUATIONS:
                    if word.text not in parsed:
                        parsed[word.text] = _parse_word(text, word, parse, nearest)
                    chord = parsed[word.text]
                bar.append((step, chord))
        progression += [(number * bar_length + step, each) for step, each in bar]
        chord = bar[-1][1] if bar else chord
    return make_chart(progression, time_signature, len(bars))


def _split_bars(text: str) -> list[list[_Word]]:
    """Split a text into bars, with repeats written out."""
    bars: list[list[_Word]] = []
    bar: list[_Word] = []
    repeat_start, has_barlines = 0, False
    for token in _TOKEN.finditer(text):
        if token["word"]:
            bar.append(_Word(token["word"], token.start()))
            continue
        if token["line"] == "\n" and not bar:
            continue
        has_barlines |= token["line"] != "\n"
        if bar:
            bars.append(bar)
            bar = []
        if token["open"]:
            repeat_start = len(bars)
        elif token["close"]:
            repeated = bars[repeat_start:]
            for _ in range(max(int(token["times"] or 2), 1) - 1):
                bars += repeated
                check_bar_count(len(bars))
            repeat_start = len(bars)
    if bar:
        bars.append(bar)
    if not has_barlines:  # each word is a bar
        bars = [[word] for bar in bars for word in bar]
    if bars:
        check_bar_count(len(bars))
    return bars


def _chord_steps(words: list[_Word], text: str, time_signature: tuple[int, int]) -> list[int]:
    """Return the step at which each word of a bar begins, on beats if there are enough."""
    bar, count = steps_per_bar(time_signature), len(words)
    halves = len(strong_steps(time_signature))
    if count == halves == 2:
        return list(strong_steps(time_signature))
    unit = steps_per_beat(time_signature)
    while bar // unit < count and unit % 2 == 0:
        unit //= 2
    if bar // unit < count:
        unit = 1
    slots = bar // unit
    if slots < count:
        raise _error_at(
            text,
            words[slots],
            f"a bar of {time_signature[0]}/{time_signature[1]} has room for {slots} chords",
        )
    each, longer = divmod(slots, count)
    return [unit * (number * each + min(number, longer)) for number in range(count)]


def _parse_word(text: str, word: _Word, parse: ChordParser, nearest: Callable[[str], str]) -> Chord:
    try:
        return parse(word.text)
    except BadArgument:
        message = f"{word.text!r} is no chord; did you mean {nearest(word.text)}?"
        raise _error_at(text, word, message) from None


def _roman_numeral(word: str, tonic: int, scale: tuple[int, ...]) -> Chord:
    """Parse a Roman numeral; the name of the chord is the rest of its symbol after the root.

    Raises
    ------
    BadArgument
    """
    if word.casefold() in ("n.c.", "nc"):
        return NO_CHORD
    applied = re.fullmatch(r"(.+)/([#b♯♭]{0,2}(?:VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i))", word)
    if applied:
        local_tonic = _roman_numeral(applied[2], tonic, scale).root
        is_minor = applied[2].lstrip("#b♯♭").islower()
        return _roman_numeral(applied[1], local_tonic, MINOR_SCALE if is_minor else MAJOR_SCALE)
    match = _ROMAN.fullmatch(word)
    if not match:
        raise BadArgument(f"{word!r} is no degree")
    alteration = sum(ACCIDENTALS[sign] for sign in match["sign"])
    quality, degree = match["kind"], _DEGREES[match["degree"].upper()]
    # Flat degrees are counted from the major scale in minor, too: bVII and VII are the same there.
    # Diminished chords on the seventh degree are on the leading note.
    if alteration < 0 or (match["degree"] == "vii" and quality.startswith(_DIMINISHED)):
        scale = MAJOR_SCALE
    root = (tonic + scale[degree] + alteration) % 12
    if match["degree"].islower() and not quality.startswith(("m", "-", *_DIMINISHED)):
        quality = f"m{quality}"
    if quality.startswith(tuple(ACCIDENTALS)):
        quality = f"({quality})"  # in "Vb9", not the root is flat
    classes = parse_chord(f"C{quality}").classes
    usual = (name for name, intervals in QUALITIES.items() if intervals == classes)
    return Chord(root, tuple((root + each) % 12 for each in classes), root, next(usual, quality))


def make_chart(
    chords: list[tuple[int, Chord]], time_signature: tuple[int, int], bars: int
) -> Chart:
    """Return the chart of chords and the steps at which they begin."""
    rows, names = [], []
    last: Chord | None = None
    for step, chord in chords:
        if last is None or chord != last:
            rows.append((step, *chord_row(chord.root, chord.bass, chord.classes)))
            names.append(chord.name)
        last = chord
    return Chart(time_signature, bars, np.array(rows, np.int64).reshape(-1, 4), tuple(names))


def check_bar_count(count: int) -> None:
    """Refuse a progression of no bars or of too many."""
    if not 1 <= count <= MAX_BARS:
        raise BadArgument(f"a progression of {count} bars; from 1 to {MAX_BARS} can be written on")


def _error_at(text: str, word: _Word, message: str) -> BadArgument:
    """Return an error that points at a word of a text."""
    begin = text.rfind("\n", 0, word.at) + 1
    end = text.find("\n", word.at)
    end = len(text) if end < 0 else end
    first, last = max(begin, word.at - _ERROR_CONTEXT), min(end, word.at + _ERROR_CONTEXT)
    before, after = "…" if first > begin else "", "…" if last < end else ""
    excerpt = before + text[first:last].replace("\t", " ") + after
    caret = " " * (len(before) + word.at - first) + "^" * len(word.text)
    return BadArgument(f"{message}\n  {excerpt}\n  {caret}")
