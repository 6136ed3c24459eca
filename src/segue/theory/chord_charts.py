"""Parsing of chord progressions: bars of chord symbols, Roman numerals in a key.

    Dm7 G7 | Cmaj7 | % | N.C. |
    |: C / G / | Am F :|
    ii V I          (in C)

A bar is divided evenly among what stands in it, in beats as long as that goes; "/" and "." let the
chord before go on. Without a bar line every chord is a bar. "%" is the bar before once more, and
what stands between "|:" and ":|" is played twice, ":|x3" three times.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.theory.chord_grid import Chart, chord_row, steps_per_bar, steps_per_beat, strong_steps
from segue.theory.chords import NO_CHORD, Chord, nearest_chord, parse_chord
from segue.theory.keys import ACCIDENTALS, MAJOR_SCALE, MINOR_SCALE, parse_key

MAX_BARS: Final = 1000
_SHOWN: Final = 60  # letters on either side of a mistake
_TOKEN: Final = re.compile(
    r"(?P<open>\|+:)|(?P<close>:\|+:?\s*(?:[x×]\s*(?P<times>\d{1,2}))?)|(?P<line>\|+\]?|\n)"
    r"|(?P<word>[Nn][Oo] [Cc]hord|(?:(?!:\|)[^\s|])+)"
)
_GOES_ON: Final = ("/", ".", "-")
_SAME_BAR: Final = ("%", "𝄎", "//")
_ROMANS: Final = {"I": 0, "II": 1, "III": 2, "IV": 3, "V": 4, "VI": 5, "VII": 6}
_ROMAN: Final = re.compile(
    r"(?P<sign>[#♯b♭]{0,2})(?P<degree>VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(?P<kind>.*)"
)
_DIMINISHED: Final = ("ø", "Ø", "°", "º", "o", "dim", "h")
ChordParser = Callable[[str], Chord]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    at: int


def parse_chart(text: str, time_signature: tuple[int, int] = (4, 4)) -> Chart:
    """Read a progression of chord symbols.

    Parameters
    ----------
    text : str
        See above.
    metre : tuple of int, int

    Returns
    -------
    Chart

    Raises
    ------
    BadArgument
        Something is no chord: the place is pointed at, and the nearest chord named. Or a bar has
        more chords than fit, there is nothing, or too much, or no such metre.
    """
    return _parsed(text, time_signature, parse_chord, nearest_chord)


def parse_roman_numerals(text: str, key: str, time_signature: tuple[int, int] = (4, 4)) -> Chart:
    """Read a progression of degrees in a key: "ii7 V7 | Imaj7", "bVII", "viiø7", "V7/V".

    A capital is a major chord, a small letter a minor one, what stands behind it is read as in a
    symbol: "V7" is a dominant seventh, and so is "I7". In minor, degrees are those of the natural
    scale, but "vii°" stands on the leading note. A degree behind a slash is the key for the one
    before it.

    Parameters
    ----------
    text : str
        As for `parse_chart`.
    key : str
        "C", "F#", "Am", "Bb minor".
    metre : tuple of int, int

    Returns
    -------
    Chart

    Raises
    ------
    BadArgument
        As of `parse_chart`, or the key is none.
    """
    tonic, is_minor = parse_key(key)
    scale = MINOR_SCALE if is_minor else MAJOR_SCALE

    def chord(word: str) -> Chord:
        return replace(_roman(word, tonic, scale), name=word)

    def nearest(_: str) -> str:
        return "a degree such as ii, V7, bVII or vii°"

    return _parsed(text, time_signature, chord, nearest)


def segment_chords(
    placed: Sequence[tuple[int, str]], first: int, last: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Cut the chords of some steps out of a row of symbols.

    Parameters
    ----------
    placed : sequence of (int, str)
        From which step on each holds, ascending.
    first, last : int
        The first step, and the one after the last.

    Returns
    -------
    rows : ndarray, shape (n, 4), int64
        As a `Chart` has them, counted from `first`.
    names : tuple of str
    """
    here: dict[int, Chord] = {0: NO_CHORD}
    for at, name in placed:
        if at < last:
            here[max(at - first, 0)] = parse_chord(name)  # the last that begins before holds
    chart = make_chart(sorted(here.items(), key=lambda each: each[0]), (4, 4), 1)
    return chart.chords, chart.names


# ---- reading -----------------------------------------------------------------------------


def _parsed(
    text: str, time_signature: tuple[int, int], read: ChordParser, nearest: Callable[[str], str]
) -> Chart:
    steps_per_bar(time_signature)  # refuses what is no metre
    placed: list[tuple[int, Chord]] = []
    before: list[tuple[int, Chord]] = []  # of the bar before, counted from its beginning
    chord = NO_CHORD
    written = _bars(text)
    if not written:
        raise BadArgument(
            'there is no chord in the progression; write one such as "Dm7 G7 | Cmaj7"'
        )
    known: dict[str, Chord] = {}
    for number, words in enumerate(written):
        if len(words) == 1 and words[0].text in _SAME_BAR:
            if not number:
                raise _at(text, words[0], "there is no bar before to be played again")
            here = before
        else:
            here = []
            for word, step in zip(words, _divided(words, text, time_signature), strict=True):
                if word.text not in _GOES_ON:
                    if word.text not in known:
                        known[word.text] = _read(text, word, read, nearest)
                    chord = known[word.text]
                here.append((step, chord))
        placed += [(number * steps_per_bar(time_signature) + step, each) for step, each in here]
        chord, before = (here[-1][1] if here else chord), here
    return make_chart(placed, time_signature, len(written))


def _bars(text: str) -> list[list[_Word]]:
    """Cut a text into bars, repeats written out."""
    bars: list[list[_Word]] = []
    here: list[_Word] = []
    opened, lined = 0, False
    for found in _TOKEN.finditer(text):
        if found["word"]:
            here.append(_Word(found["word"], found.start()))
            continue
        if found["line"] == "\n" and not here:
            continue
        lined |= found["line"] != "\n"
        if here:
            bars.append(here)
            here = []
        if found["open"]:
            opened = len(bars)
        elif found["close"]:
            again = bars[opened:]
            for _ in range(max(int(found["times"] or 2), 1) - 1):
                bars += again
                check_bar_count(len(bars))
            opened = len(bars)
    if here:
        bars.append(here)
    if not lined:  # no bar line at all: each is a bar
        bars = [[word] for bar in bars for word in bar]
    if bars:
        check_bar_count(len(bars))
    return bars


def _divided(words: list[_Word], text: str, time_signature: tuple[int, int]) -> list[int]:
    """Return the step at which each word of a bar begins: on beats where they suffice."""
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
        raise _at(
            text,
            words[slots],
            f"a bar of {time_signature[0]}/{time_signature[1]} has room for {slots} chords",
        )
    each, longer = divmod(slots, count)
    return [unit * (number * each + min(number, longer)) for number in range(count)]


def _read(text: str, word: _Word, read: ChordParser, nearest: Callable[[str], str]) -> Chord:
    try:
        return read(word.text)
    except BadArgument:
        told = f"{word.text!r} is no chord; did you mean {nearest(word.text)}?"
        raise _at(text, word, told) from None


def _roman(word: str, tonic: int, scale: tuple[int, ...]) -> Chord:
    """Read a degree.

    Raises
    ------
    BadArgument
    """
    if word.casefold() in ("n.c.", "nc"):
        return NO_CHORD
    of_other = re.fullmatch(
        r"(.+)/([#b♯♭]{0,2}(?:VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i))", word
    )
    if of_other:
        other = _roman(of_other[2], tonic, scale)
        is_minor = of_other[2].lstrip("#b♯♭").islower()
        return _roman(of_other[1], other.root, MINOR_SCALE if is_minor else MAJOR_SCALE)
    found = _ROMAN.fullmatch(word)
    if not found:
        raise BadArgument(f"{word!r} is no degree")
    sign = sum(ACCIDENTALS[each] for each in found["sign"])
    kind, degree = found["kind"], _ROMANS[found["degree"].upper()]
    # Flats are told from the major scale in minor, too: bVII and VII are one there. What is
    # diminished on the seventh degree is on the leading note.
    if sign < 0 or (found["degree"] == "vii" and kind.startswith(_DIMINISHED)):
        scale = MAJOR_SCALE
    root = (tonic + scale[degree] + sign) % 12
    if found["degree"].islower() and not kind.startswith(("m", "-", *_DIMINISHED)):
        kind = f"m{kind}"
    chord = parse_chord(f"C{kind}")
    return Chord(root, tuple((root + each) % 12 for each in chord.classes), root, word)


# ---- putting together --------------------------------------------------------------------


def make_chart(
    placed: list[tuple[int, Chord]], time_signature: tuple[int, int], bars: int
) -> Chart:
    """Make a chart of chords and the steps at which they begin."""
    rows, names = [], []
    last: Chord | None = None
    for step, chord in placed:
        if last is None or chord != last:
            rows.append((step, *chord_row(chord.root, chord.bass, chord.classes)))
            names.append(chord.name)
        last = chord
    return Chart(time_signature, bars, np.array(rows, np.int64).reshape(-1, 4), tuple(names))


def check_bar_count(count: int) -> None:
    """Refuse a progression of no bars or of too many."""
    if not 1 <= count <= MAX_BARS:
        raise BadArgument(f"a progression of {count} bars; from 1 to {MAX_BARS} can be written on")


def _at(text: str, word: _Word, told: str) -> BadArgument:
    """Point at a word of a text."""
    begin = text.rfind("\n", 0, word.at) + 1
    end = text.find("\n", word.at)
    end = len(text) if end < 0 else end
    first, last = max(begin, word.at - _SHOWN), min(end, word.at + _SHOWN)
    before, after = "…" if first > begin else "", "…" if last < end else ""
    shown = before + text[first:last].replace("\t", " ") + after
    caret = " " * (len(before) + word.at - first) + "^" * len(word.text)
    return BadArgument(f"{told}\n  {shown}\n  {caret}")
