"""Reading of ABC notation: tune books of the ABC standard 2.1.

The order in which the bars of an ABC tune are played: its parts, repeats, D.C. and D.S.

ABC: books of tunes in letters, as the ABC standard 2.1 has them (abcnotation.com/wiki).

symusic reads ABC by abc2midi, a program that it runs by a shell. That plays accompaniments nobody
wrote, opens other files where a tune tells it to (``%%abc-include``), and forgets the bar lines,
without which a pickup shifts all that follows; music21 takes some fifteen times as long. So tunes
are played by a reader of our own (`abc_music`), held against both in `bench/reading.py`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from segue.errors import Unreadable
from segue.io.abc_fields import (
    Voice,
    Written,
    is_drum,
    joined_fields,
    program_of,
    text_of,
    without_comment,
)
from segue.io.abc_music import voices_of
from segue.io.encodings import decode
from segue.io.midi import MAX_NOTES, TEMPO_RANGE_BPM
from segue.io.play_order import (
    MAX_BARS,
    NavigationMarks,
    PlaybackOrder,
    place_coda_signs,
    play_order,
)
from segue.io.written_score import (
    TICKS_PER_QUARTER,
    PlayedBar,
    anacrusis_rest,
    bar_time_signatures,
    to_ticks,
)
from segue.records import Part, Score
from segue.text import clean

# --- abc order ---

_PART: Final = re.compile(r"([A-Za-z])(\d*)|(\()|(\))(\d*)")


def order_of(bars: Sequence[Written], parts: str) -> PlaybackOrder:
    """Return which bars sound after one another.

    Parameters
    ----------
    bars : sequence of Written
    parts : str
        In which order the parts are played, "A(AB)2" say; "" for as they stand. Where it is told,
        D.C. and D.S. are not followed: it says what they would.

    Raises
    ------
    Unreadable
        More bars would be played than can be.
    """
    begins = [n for n, bar in enumerate(bars) if bar.part] if parts else []
    if not begins:
        return play_order(_marks(bars, jumps=True))
    ends = [*begins[1:], len(bars)]
    sections = {bars[n].part: (n, end) for n, end in zip(begins, ends, strict=True)}
    found = [*_section(bars, 0, begins[0])]
    for name in _parts_in_order(parts):
        if name in sections:
            found += _section(bars, *sections[name])
        if len(found) > MAX_BARS:
            raise Unreadable(f"a tune of more than {MAX_BARS} bars, repeats played")
    return PlaybackOrder(tuple(found))


def _section(bars: Sequence[Written], first: int, end: int) -> Iterator[int]:
    """Yield the bars of a part, repeats played."""
    marks = _marks(bars[first:end], jumps=False)
    yield from (first + n for n in play_order(marks).bars)


def _parts_in_order(told: str) -> Iterator[str]:
    """Yield the parts of ``A(AB)2C``, one after another."""
    stack: list[list[str]] = [[]]
    for match in _PART.finditer(told):
        if match[1]:
            stack[-1] += [match[1]] * _times(match[2])
        elif match[3]:
            stack.append([])
        elif len(stack) > 1:
            inner = stack.pop()
            stack[-1] += inner * _times(match[5])
        if len(stack[-1]) > MAX_BARS:
            raise Unreadable(f"a tune of more than {MAX_BARS} parts in a row")
    yield from (name for level in stack for name in level)


def _times(digits: str) -> int:
    return min(int(digits[:3]), 99) if digits else 1


def _marks(bars: Sequence[Written], *, jumps: bool) -> list[NavigationMarks]:
    """Return what bars say of the order of playing.

    A repeat that begins nowhere begins at the last double bar, or after the last repeat.
    """
    marks = [bar.marks if jumps else bar.marks.without_jumps() for bar in bars]
    start, opened = 0, False
    for n, bar in enumerate(bars):
        after_endings = bool(n and bars[n - 1].marks.endings and not bar.marks.endings)
        if bar.opens or after_endings or (bar.after_double and not opened):
            start, opened = n, bar.opens
        if bar.marks.closes:
            marks[start].opens = True
            if not bar.marks.endings:
                start, opened = n + 1, False
    if jumps:
        place_coda_signs(marks, [(n, False) for n, bar in enumerate(bars) if bar.coda_sign])
    return marks


# --- abc ---

MAX_BYTES: Final = 32 << 20
MAX_TUNES: Final = 20_000
_MOST_LETTERS: Final = 1 << 18  # of a tune
_VELOCITY: Final = 80
_TUNE: Final = re.compile(r"^[ \t]*X:[ \t]*(\d*)", re.MULTILINE)
_CHARSET: Final = re.compile(rb"^(?:I:[ \t]*|%%)abc-charset[ \t]+([\w-]+)", re.MULTILINE)
_LINES: Final = re.compile(r"\r\n?|\n")
_FIELD: Final = re.compile(r"^([A-Za-z]):[ \t]*(.*)$")


@dataclass(frozen=True, slots=True)
class Tune:
    """A tune of a book, in letters.

    Attributes
    ----------
    number : int or None
        Its X: field.
    title, composer, genre : str
        Its first T:, C: and R: fields.
    lines : tuple of str
        All of it, after what the book says of all tunes.
    """

    number: int | None
    title: str
    composer: str
    genre: str
    lines: tuple[str, ...]


def tunes_of(content: bytes) -> list[Tune]:
    """Divide a book into tunes.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    list of Tune
        At least one.

    Raises
    ------
    Unreadable
        It is no ABC, or too large.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"an ABC file of more than {MAX_BYTES >> 20} MB")
    charset = _CHARSET.search(content)
    text = _LINES.sub("\n", decode(content, charset[1].decode("latin-1") if charset else None))
    starts = [match.start() for match in _TUNE.finditer(text)]
    if not starts:
        raise Unreadable("no ABC: no line begins with X:, as each tune's first line does")
    if len(starts) > MAX_TUNES:
        raise Unreadable(f"a book of {len(starts)} tunes, more than {MAX_TUNES}: divide it")
    of_all = tuple(
        line
        for line in joined_fields(text[: starts[0]].split("\n"))
        if _FIELD.match(line) or line.startswith("%%MIDI ")
    )
    ends = [*starts[1:], len(text)]
    return [_tune(text[at:end], of_all) for at, end in zip(starts, ends, strict=True)]


def read_tune(tune: Tune) -> Score:
    """Read the music of a tune.

    Parameters
    ----------
    tune : Tune

    Returns
    -------
    Score
        Of 480 ticks to the quarter, repeats played, without grace notes and ornaments; chords
        by name above the tune do not sound: they are its `chords`.

    Raises
    ------
    Unreadable
        It has no key, no note, too much of both, or is no music.
    """
    if sum(map(len, tune.lines)) > _MOST_LETTERS:
        raise Unreadable(f"a tune of more than {_MOST_LETTERS} letters")
    written = voices_of(tune.lines)
    longest = max((voice.bars for voice in written.voices), key=len)
    playing = order_of(longest, written.parts)
    order = playing.bars
    columns = [voice.bars for voice in written.voices]
    bars = [
        PlayedBar(
            *longest[n].time_signature,
            max(column[n].length for column in columns if n < len(column)) or longest[n].full,
        )
        for n in order
    ]
    starts = [anacrusis_rest(bars)]
    for bar in bars:
        starts.append(starts[-1] + bar.length)
    parts = tuple(
        part
        for number, voice in enumerate(written.voices)
        for part in _part(voice, program_of(voice, number), order, starts)
    )
    if not parts:
        raise Unreadable("a tune without a note")
    return Score(
        tune.title,
        TICKS_PER_QUARTER,
        parts,
        _tempos(columns, order, starts),
        bar_time_signatures(bars),
        _keys(longest, order, starts),
        tune.composer,
        tune.genre,
        _chords(columns, order, starts),
        (f"contradicting repeats: {playing.problem}",) if playing.problem else (),
    )


def _tune(text: str, of_all: tuple[str, ...]) -> Tune:
    lines = tuple(joined_fields(text.split("\n")))
    said: dict[str, str] = {}
    for line in (*lines, *of_all):
        if match := _FIELD.match(line):
            said.setdefault(match[1], text_of(without_comment(match[2])))
    digits = re.match(r"\d{1,6}", said.get("X", ""))
    number = int(digits[0]) if digits else None
    told = said.get("T", ""), said.get("C", ""), said.get("R", "")
    return Tune(number, *told, (*of_all, *lines))


# ---- what sounds -------------------------------------------------------------------------


def _part(
    voice: Voice, program: int, order: Sequence[int], starts: Sequence[Fraction]
) -> Iterator[Part]:
    notes: list[list[Any]] = []
    tied: dict[int, list[list[Any]]] = {}
    for number, start in zip(order, starts, strict=False):
        for note in voice.bars[number].notes if number < len(voice.bars) else ():
            begin, end = start + note.at, start + note.at + note.length
            # Two overlaid lines in unison go on with one each.
            held = tied.get(note.pitch, [])
            before = next((one for one in held if one[1] == begin), None)
            if before:
                held.remove(before)
                before[1] = end
            else:
                before = [begin, end, note.pitch]
                notes.append(before)
            if note.tied:
                tied.setdefault(note.pitch, []).append(before)
        if len(notes) > MAX_NOTES:
            raise Unreadable(f"a tune of more than {MAX_NOTES} notes")
    rows = [
        (to_ticks(on), max(to_ticks(off) - to_ticks(on), 1), pitch, _VELOCITY)
        for on, off, pitch in notes
    ]
    if rows:
        rows.sort(key=lambda row: (row[0], row[2], row[1]))
        yield Part(clean(voice.name), program, is_drum(voice), np.array(rows, np.int32))


def _tempos(
    columns: Sequence[Sequence[Written]], order: Sequence[int], starts: Sequence[Fraction]
) -> Any:
    low, high = TEMPO_RANGE_BPM
    rows: dict[int, float] = {}
    for number, start in zip(order, starts, strict=False):
        for column in columns:
            bpm = column[number].tempo_bpm if number < len(column) else 0.0
            if low <= bpm <= high:
                rows[to_ticks(start) if rows else 0] = bpm
    kept = _changes([(tick, bpm) for tick, bpm in sorted(rows.items())])
    return np.array(kept, np.float64).reshape(-1, 2)


def _keys(bars: Sequence[Written], order: Sequence[int], starts: Sequence[Fraction]) -> Any:
    rows = [
        (to_ticks(start) if n else 0, *bars[number].key)
        for n, (number, start) in enumerate(zip(order, starts, strict=False))
        if -7 <= bars[number].key[0] <= 7
    ]
    return np.array(_changes(rows), np.int32).reshape(-1, 3)


def _chords(
    columns: Sequence[Sequence[Written]], order: Sequence[int], starts: Sequence[Fraction]
) -> tuple[tuple[int, str], ...]:
    """Return the chord symbols; where two voices have one at once, the first voice's."""
    found: dict[int, str] = {}
    for column in columns:
        for number, start in zip(order, starts, strict=False):
            for at, symbol in column[number].chords if number < len(column) else ():
                found.setdefault(to_ticks(start + at), symbol)
    return tuple(_changes(sorted(found.items())))


def _changes(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Leave out the rows that say what the one before says."""
    pairs = zip(rows, [None, *rows], strict=False)
    return [row for row, before in pairs if before is None or row[1:] != before[1:]]
