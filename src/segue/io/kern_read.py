"""Reading of Humdrum **kern.

Single tokens of Humdrum **kern: notes, lengths, keys, time signatures, barlines, instruments.

Humdrum **kern as it is written: spines, which may split and merge, to parts and their bars.

A reader of our own: music21 loses notes where a spine splits into more than two, knows no
expansion lists, and took a minute and a gigabyte for a file of 400 KB that only splits.

A line's time is when the notes that it begins may begin: when what its spines sounded before is
over. Where spines contradict each other, the latest counts.

Humdrum **kern: text, one column to a part.
"""

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from segue.errors import Unreadable
from segue.io.encodings import decode
from segue.io.midi import MAX_NOTES
from segue.io.musicxml_elements import Header
from segue.io.musicxml_read import check_time_signature
from segue.io.play_order import MAX_BARS, NavigationMarks, PlaybackOrder
from segue.io.written_score import WrittenBar, WrittenNote, WrittenPart, WrittenScore, unfold
from segue.records import Score
from segue.text import clean
from segue.theory.instruments import find_program
from segue.theory.keys import LETTER_SEMITONES

# --- kern tokens ---

#: Units of time in a quarter: all tuplets of up to 24, 2048ths and dots come out whole.
UNITS_PER_QUARTER: Final = 32 * 5_354_228_880
_WHOLE: Final = 4 * UNITS_PER_QUARTER
_SNARE: Final = 38
_LENGTH: Final = re.compile(r"(\d{1,6})(?:%(\d{1,6}))?")
_PITCH: Final = re.compile(r"(([A-Ga-g])\2{0,9})(#{1,3}|-{1,3})?")
_TIME_SIGNATURE: Final = re.compile(r"\*M(\d{1,3}(?:\+\d{1,3})*)/(\d{1,3})")
_SIGNATURE: Final = re.compile(r"\*k\[((?:[a-g](?:#|-|n)+)*)\]")
_KEY: Final = re.compile(r"\*([A-Ga-g])[#-]*:")
_TRANSPOSED: Final = re.compile(r"\*Trd-?\d{1,2}c(-?\d{1,2})")
_TEMPO: Final = re.compile(r"\*MM(\d{1,4}(?:\.\d+)?)")
#: What the codes of **kern's instruments sound as in General MIDI.
_PROGRAMS: Final = {
    "soprn": 52, "mezzo": 52, "calto": 52, "tenor": 52, "barit": 52, "bass": 52, "vox": 52,
    "feme": 52, "male": 52, "nfant": 52, "recit": 52, "lyrsp": 52, "drmsp": 52, "colsp": 52,
    "alto": 52, "ctenor": 52, "counter": 52, "bspro": 52, "bspco": 52, "cantus": 52, "quint": 52,
    "violn": 40, "viola": 41, "cello": 42, "cbass": 43, "vioda": 42, "viols": 40, "violt": 41,
    "violb": 42, "violp": 41, "viold": 41, "piano": 0, "forte": 0, "cemba": 6, "clavi": 7,
    "klav": 0, "organ": 19, "pipe": 19, "porta": 19, "posit": 19, "harmo": 20, "celst": 8,
    "flt": 73, "flute": 73, "picco": 72, "flt_a": 73, "flt_b": 73, "oboe": 68, "oboeD": 68,
    "cangl": 69, "clars": 71, "clarp": 71, "clara": 71, "clarb": 71, "bclar": 71, "fagot": 70,
    "contr": 70, "horn": 60, "tromp": 56, "cor": 60, "cornm": 56, "cornt": 56, "tromt": 57,
    "trombt": 57, "tromb": 57, "trmba": 57, "tuba": 58, "timpa": 47, "recrd": 74, "flts": 74,
    "flta": 74, "fltt": 74, "fltb": 74, "saxas": 65, "saxs": 64, "saxa": 65, "saxt": 66,
    "saxr": 67, "saxbs": 67, "guitr": 24, "lute": 24, "liuto": 24, "theorb": 24, "tiorb": 24,
    "harp": 46, "banjo": 105, "mando": 25, "bagpi": 109, "accor": 21, "armon": 22, "glock": 9,
    "marim": 12, "vibra": 11, "xylo": 13, "chime": 14, "strgs": 48, "zithr": 15, "sitar": 104,
    "shaku": 77, "koto": 107, "shami": 106,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KernNote:
    """A note of a token: its pitch, its length in units, its ties, and whether it is a drum."""

    pitch: int
    length: int
    tied_from: bool
    tied_to: bool
    drum: bool = False


def parse_token(token: str) -> tuple[int | None, list[KernNote]]:
    """Read a token of notes or a rest.

    Parameters
    ----------
    token : str
        Of the notes of a chord, one after another: "4c 4e 4g".

    Returns
    -------
    int or None
        How long it lasts, in units; None of grace notes, and of what has no length.
    list of Sound
        None of rests and grace notes.
    """
    lasts: int | None = None
    sounds = []
    for note in token.split():
        if "q" in note or "Q" in note:
            continue
        length = _length(note)
        if length is None:
            length = lasts
        if length is None:
            continue
        lasts = length if lasts is None else lasts
        found = _PITCH.search(note)
        if found and "r" not in note and length:
            letters, letter, signs = found.groups()
            octaves = len(letters) - 1 if letter.islower() else -len(letters)
            sign = (signs or "").count("#") - (signs or "").count("-")
            pitch = 60 + LETTER_SEMITONES[letter.upper()] + 12 * octaves + sign
            drum = "R" in note  # of no pitch: the letter tells the line only
            if 0 <= pitch <= 127:
                ties = "]" in note or "_" in note, "[" in note or "_" in note
                sounds.append(KernNote(_SNARE if drum else pitch, length, *ties, drum))
    return lasts, sounds


def _length(note: str) -> int | None:
    """Return how long a note lasts: 4 is a quarter, 0 a breve, 3%2 two thirds of a whole."""
    match = _LENGTH.search(note)
    if not match:
        return None
    digits, under = match.groups()
    if digits.strip("0"):
        length = _WHOLE * int(under or 1) // int(digits)
    else:
        length = _WHOLE << min(len(digits), 3)
    dots = min(note.count("."), 4)
    return 2 * length - (length >> dots)


def parse_time_signature(token: str) -> tuple[int, int] | None:
    """Return beats and unit of a time signature; None if it is none that can be."""
    match = _TIME_SIGNATURE.fullmatch(token)
    if not match:
        return None
    beats, unit = sum(map(int, match[1].split("+"))), int(match[2])
    if unit == 0:  # a breve
        beats, unit = 2 * beats, 1
    return (beats, unit) if beats and unit in {1, 2, 4, 8, 16, 32, 64} else None


def parse_key_signature(token: str) -> int | None:
    """Return how many sharps a key signature has, below 0 flats; None if it is none."""
    match = _SIGNATURE.fullmatch(token)
    return match[1].count("#") - match[1].count("-") if match else None


def parse_is_minor(token: str) -> bool | None:
    """Tell whether a key is minor, None if the token is no key."""
    match = _KEY.match(token)
    return match[1].islower() if match else None


def parse_tempo(token: str) -> float | None:
    """Return quarters a minute."""
    match = _TEMPO.fullmatch(token)
    return float(match[1]) if match else None


def parse_transposition(token: str) -> int | None:
    """Return by how many semitones what follows is higher than it sounds.

    Instruments that transpose (``*ITrd1c2``) are written as they sound.
    """
    match = _TRANSPOSED.fullmatch(token)
    return int(match[1]) if match else None


def program_of(code: str) -> int | None:
    """Return the program of an instrument's code, "violn"; None of one that is not known."""
    return _PROGRAMS.get(code)


def parse_barline(token: str) -> tuple[bool, bool]:
    """Tell of a barline whether it ends a repeat, and whether it begins one."""
    signs = token.lstrip("=").lstrip("0123456789abcdefghijklmnopqrstuvwxyz")
    return bool(re.search(r":[|!]", signs)), bool(re.search(r"[|!]:", signs))


# --- kern ---

#: The largest orchestra with words, dynamics and divided strings has fewer.
_MOST_SPINES: Final = 256
_VELOCITY: Final = 80
_MOST_SHARPS: Final = 7
_LIST: Final = re.compile(r"\*>(\w*)\[(.*)\]")
_LABEL: Final = re.compile(r"\*>([^\[\],]+)")
_CODE: Final = re.compile(r"\*I([a-z]\w*)")


@dataclass(slots=True, eq=False)
class Spine:
    """A column, or one of those that it split into.

    Attributes
    ----------
    column : int
        Which column it came from.
    part : SpinePart or None
        None of words, dynamics and the like.
    until : int
        When what it sounds ends.
    """

    column: int
    part: "SpinePart | None"
    until: int = 0


@dataclass(slots=True, eq=False)
class SpinePart:
    """What is found of a part, in units of time from the start."""

    name: str = ""
    code: str = ""
    higher: int = 0  # than it sounds, in semitones
    key: tuple[int, int] | None = None  # sharps, and 1 for minor
    notes: list[tuple[int, KernNote]] = field(default_factory=list)
    time_signatures: list[tuple[int, tuple[int, int]]] = field(default_factory=list)
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    tempos: list[tuple[int, float]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Border:
    """Where a bar begins: at a barline, or where a section has its label."""

    at: int = -1
    is_barline: bool = False
    closes: bool = False
    opens: bool = False
    label: str = ""


def read_spines(text: str, title: str, composer: str) -> WrittenScore:
    """Read the **kern spines of a Humdrum file.

    Parameters
    ----------
    text : str
    title, composer : str

    Returns
    -------
    WrittenScore
        The highest part first: its spine is the last one.

    Raises
    ------
    Unreadable
        Its lines have other numbers of columns than spines are open; or it has more spines, bars
        or notes than can be.
    """
    reader = SpineReader()
    reader.read_all(text)
    return reader.written(title, composer)


class SpineReader:
    """Goes through a file's lines; holds its spines, its parts, and where it stands."""

    def __init__(self) -> None:
        self.spines: list[Spine] = []
        self.parts: list[SpinePart] = []
        self.borders = [_Border(0)]
        self.waiting: list[_Border] = []  # for the time of what follows them
        self.told: list[tuple[SpinePart, str]] = []  # interpretations that hold from then on
        self.lists: dict[str, list[str]] = {}
        self.columns = self.notes = self.reached = 0
        self.now = -1  # when the last line began
        self.bar_start = self.bar_length = 0

    def read_all(self, text: str) -> None:
        """Read the lines of a file; comments say nothing of the music."""
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip() and not line.startswith("!"):
                self.read(line.rstrip().split("\t"), number)

    def read(self, cells: list[str], number: int) -> None:
        """Read a line of cells."""
        if not self.spines and cells[0].startswith("**"):
            self.begin(cells)
            return
        if len(cells) != len(self.spines):
            raise Unreadable(
                f"a damaged Humdrum file (line {number} has {len(cells)} columns, expected"
                f" {len(self.spines)})"
            )
        if cells[0].startswith("*"):
            self.interpret(cells)
        elif cells[0].startswith("="):
            closes, opens = parse_barline(cells[0])
            self.waiting.append(_Border(is_barline=True, closes=closes, opens=opens))
        else:
            self.sound(cells)

    # ---- spines ------------------------------------------------------------------------------

    def begin(self, cells: Sequence[str]) -> None:
        """Open the spines; a later movement goes on with the parts of the one before."""
        kern = 0
        for cell in cells:
            part = None
            if cell == "**kern":
                if kern == len(self.parts):
                    self.parts.append(SpinePart())
                part = self.parts[kern]
                kern += 1
            self.spines.append(self.new_spine(part, self.reached))
        self.check()
        self.waiting.append(_Border())

    def check(self) -> None:
        """Refuse spines that only split: each may in two, and these again."""
        count = len(self.spines)
        if count > _MOST_SPINES:
            raise Unreadable(f"{count} spines side by side, expected at most {_MOST_SPINES}")

    def new_spine(self, part: SpinePart | None, until: int) -> Spine:
        """Open a column."""
        self.columns += 1
        return Spine(self.columns, part, until)

    def interpret(self, cells: Sequence[str]) -> None:
        """Read a line of interpretations: what spines do, and what holds from here on."""
        for spine, cell in zip(self.spines, cells, strict=True):
            if cell.startswith("*I") and spine.part:
                _name(spine.part, cell)
            elif len(cell) > 2 and spine.part:
                self.told.append((spine.part, cell))
        section = next((cell for cell in cells if cell.startswith("*>")), "")
        if match := _LIST.fullmatch(section):
            names = [name.strip() for name in match[2].split(",")]
            self.lists[match[1]] = [name for name in names if name]
        elif match := _LABEL.fullmatch(section):
            self.waiting.append(_Border(label=match[1].strip()))
        else:
            self.manipulate(cells)

    def manipulate(self, cells: Sequence[str]) -> None:
        """Split spines, merge, exchange, begin and end them."""
        found: list[Spine] = []
        before = ""
        for spine, cell in zip(self.spines, cells, strict=True):
            if cell == "*^":
                found += [spine, Spine(spine.column, spine.part, spine.until)]
            elif cell == "*+":
                found += [spine, self.new_spine(None, spine.until)]
            elif cell == "*v" == before and found[-1].column == spine.column:
                found[-1].until = max(found[-1].until, spine.until)
            elif cell == "*x" == before:
                found.insert(-1, spine)
                before = ""
                continue
            elif cell != "*-":
                if cell == "**kern" and spine.part is None:
                    spine.part = SpinePart()
                    self.parts.append(spine.part)
                found.append(spine)
            before = cell
        self.spines = found
        self.check()

    # ---- what sounds -------------------------------------------------------------------------

    def sound(self, cells: Sequence[str]) -> None:
        """Read a line of notes, rests and the like."""
        begun = []
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.part and cell != ".":
                lasts, sounds = parse_token(cell)
                if lasts is not None:
                    begun.append((spine, spine.part, lasts, sounds))
        if not begun:
            return
        at = max(spine.until for spine, *_ in begun)
        if at <= self.now:  # after a gap, which nobody has told the length of
            ends = [spine.until for spine in self.spines if spine.part and spine.until > self.now]
            at = min(ends, default=self.now)
        self.place(at)
        self.now = at
        for spine, part, lasts, sounds in begun:
            spine.until = at + lasts
            self.reached = max(self.reached, spine.until)
            for one in sounds:
                pitch = one.pitch if one.drum else one.pitch - part.higher
                if 0 <= pitch <= 127:
                    part.notes.append((at, replace(one, pitch=pitch)))
            self.notes += len(sounds)
        if self.notes > MAX_NOTES:
            raise Unreadable(f"a score of more than {MAX_NOTES} notes")

    def place(self, at: int) -> None:
        """Give what stands before a line its time.

        A barline may stand where all parts hold their notes: then the bar is as long as it should.
        """
        here = at
        for border in self.waiting:
            if border.is_barline:
                full = self.bar_start + self.bar_length
                here = full if self.bar_length and self.now < full < at else at
                self.bar_start = here
            border.at = here
        self.borders += self.waiting
        if len(self.borders) > 2 * MAX_BARS:
            raise Unreadable(f"a score of more than {MAX_BARS} bars")
        self.waiting = []
        for part, cell in self.told:
            _note_down(part, cell, at)
            if time_signature := parse_time_signature(cell):
                self.bar_length = 4 * UNITS_PER_QUARTER * time_signature[0] // time_signature[1]
        self.told = []

    # ---- the whole ---------------------------------------------------------------------------

    def written(self, title: str, composer: str) -> WrittenScore:
        """Return what was read."""
        if not self.parts:
            raise Unreadable("a Humdrum file without a **kern spine")
        self.place(self.reached)
        starts = sorted({border.at for border in self.borders if border.at < self.reached} | {0})
        if len(starts) > MAX_BARS:
            raise Unreadable(f"a score of more than {MAX_BARS} bars")
        marks = [NavigationMarks() for _ in starts]
        sections: dict[str, int] = {}
        for border in self.borders:
            bar = bisect_left(starts, border.at)
            if border.closes and bar:
                marks[bar - 1].closes = 2
            if bar < len(starts):
                marks[bar].opens |= border.opens
                if border.label:
                    sections.setdefault(border.label, bar)
        ends = [*starts[1:], self.reached]
        no_time_signature = not any(part.time_signatures for part in self.parts)
        parts = [_written(part, starts, ends) for part in reversed(self.parts)]
        if no_time_signature and parts:
            parts[0].bars[0].time_signature = (0, 0)
        order = _order(self.lists.get("", []), sections, len(starts))
        return WrittenScore(title, composer, UNITS_PER_QUARTER, parts, marks, order)


def _name(part: SpinePart, cell: str) -> None:
    """Note down an instrument's name, ``*I"Violin``, or its code, ``*Ivioln``."""
    if cell.startswith('*I"'):
        part.name = clean(html.unescape(cell[3:].lstrip('"'))) or part.name
    elif match := _CODE.fullmatch(cell):
        part.code = match[1]


def _note_down(part: SpinePart, cell: str, at: int) -> None:
    """Note down what an interpretation says from a time on."""
    sharps, minor = parse_key_signature(cell), parse_is_minor(cell)
    if sharps is not None:
        part.key = (sharps, 0)
    elif minor is not None and part.key:
        part.key = (part.key[0], int(minor))
    if part.key and (sharps, minor) != (None, None) and abs(part.key[0]) <= _MOST_SHARPS:
        part.keys.append((at, *part.key))
    if time_signature := parse_time_signature(cell):
        part.time_signatures.append((at, time_signature))
    elif cell == "*MX":
        part.time_signatures.append((at, (0, 0)))
    elif bpm := parse_tempo(cell):
        part.tempos.append((at, bpm))
    elif (higher := parse_transposition(cell)) is not None:
        part.higher = higher


def _written(part: SpinePart, starts: Sequence[int], ends: Sequence[int]) -> WrittenPart:
    """Divide what is found of a part into bars."""
    program = program_of(part.code)
    if program is None:
        program = find_program(part.name)
    bars = [WrittenBar(reached=end - start) for start, end in zip(starts, ends, strict=True)]
    for on, sound in part.notes:
        end = on + sound.length
        # What is held over a barline is tied over it.
        first, last = _bar_at(starts, on), max(bisect_left(starts, end) - 1, 0)
        for bar in range(first, last + 1):
            bars[bar].notes.append(
                WrittenNote(
                    max(on - starts[bar], 0),
                    min(end, ends[bar]) - starts[bar],
                    sound.pitch,
                    _VELOCITY,
                    drum=sound.drum,
                    tied_from=sound.tied_from or bar > first,
                    tied_to=sound.tied_to or bar < last,
                )
            )
    for at, time_signature in part.time_signatures:
        bars[_bar_at(starts, at)].time_signature = time_signature
    for at, sharps, minor in part.keys:
        bar = _bar_at(starts, at)
        bars[bar].keys.append((at - starts[bar], sharps, minor))
    for at, bpm in part.tempos:
        bar = _bar_at(starts, at)
        bars[bar].tempos.append((at - starts[bar], bpm))
    return WrittenPart(part.name, program or 0, 0, bars)


def _bar_at(starts: Sequence[int], at: int) -> int:
    return bisect_right(starts, at) - 1


def _order(names: Sequence[str], sections: dict[str, int], count: int) -> PlaybackOrder | None:
    """Return the bars that an expansion list asks for; None without one.

    What stands before the first section is played once.
    """
    known = [one for name in names for one in ([name] if name in sections else list(name))]
    known = [name for name in known if name in sections]
    if not known:
        return None
    starts = sorted({*sections.values(), count})
    end = dict(pairwise(starts))
    bars = list(range(starts[0]))
    for name in known:
        start = sections[name]
        bars += range(start, end.get(start, start))
        if len(bars) > max(MAX_BARS, count):
            problem = f"its expansion list asks for more than {MAX_BARS} bars; played as written"
            return PlaybackOrder(tuple(range(count)), problem)
    return PlaybackOrder(tuple(bars))


# --- humdrum ---

MAX_BYTES: Final = 8 << 20
_ANY_TIME_SIGNATURE: Final = re.compile(r"\*M(\d[\d+/]*)")
_REFERENCE: Final = re.compile(r"^!!!(OTL|COM)[^:\n]*:(.*)$", re.MULTILINE)


def read_kern(content: bytes) -> Score:
    """Read a Humdrum file that has **kern spines.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    Score

    Raises
    ------
    Unreadable
        It has none, is damaged, too large or without a note.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"a Humdrum file of more than {MAX_BYTES >> 20} MB")
    text = decode(content)
    if "**kern" not in text:
        raise Unreadable("a Humdrum file without a **kern spine")
    for time_signature in _ANY_TIME_SIGNATURE.findall(text):
        check_time_signature(time_signature)
    header = read_reference_records(content)
    return unfold(read_spines(text, header.title, header.composer))


def read_reference_records(content: bytes) -> Header:
    """Read title and composer from a Humdrum file's reference records (OTL and COM)."""
    found: dict[str, str] = {}
    for kind, text in _REFERENCE.findall(decode(content[:MAX_BYTES])):
        found.setdefault(kind, clean(html.unescape(text)))
    return Header(found.get("OTL", ""), _first_name_first(found.get("COM", "")))


def _first_name_first(name: str) -> str:
    last, comma, first = name.partition(", ")
    return f"{first} {last}" if comma else name
