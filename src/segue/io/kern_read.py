"""Reading of Humdrum **kern: text with one column (spine) to a part.

The reader is Segue's own: music21 loses notes where a spine splits into more than two, does not
support expansion lists, and took a minute and a gigabyte for a file of 400 KB that only splits.

The time of a line is that at which the tokens before it in its spines end; where spines contradict
each other, the latest counts.
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
from segue.io.unfolding import NotatedBar, NotatedNote, NotatedPart, NotatedScore, unfold
from segue.records import Score
from segue.text import clean
from segue.theory.instruments import find_program
from segue.theory.keys import LETTER_SEMITONES

# ---- tokens ------------------------------------------------------------------------------

#: Units of time to the quarter: all tuplets of up to 24, 2048ths and dots are whole numbers.
UNITS_PER_QUARTER: Final = 32 * 5_354_228_880
_WHOLE: Final = 4 * UNITS_PER_QUARTER
_SNARE: Final = 38
_DURATION: Final = re.compile(r"(\d{1,6})(?:%(\d{1,6}))?")
_PITCH: Final = re.compile(r"(([A-Ga-g])\2{0,9})(#{1,3}|-{1,3})?")
_TIME_SIGNATURE: Final = re.compile(r"\*M(\d{1,3}(?:\+\d{1,3})*)/(\d{1,3})")
_SIGNATURE: Final = re.compile(r"\*k\[((?:[a-g](?:#|-|n)+)*)\]")
_KEY: Final = re.compile(r"\*([A-Ga-g])[#-]*:")
_TRANSPOSED: Final = re.compile(r"\*Trd-?\d{1,2}c(-?\d{1,2})")
_TEMPO: Final = re.compile(r"\*MM(\d{1,4}(?:\.\d+)?)")
#: General MIDI programs of **kern's instrument codes.
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
    """A note of a token; its duration is in units.

    `slurred` if a slur joins it to the note before, `phrase_end` if a phrase ends with it.
    """

    pitch: int
    duration: int
    tied_from: bool
    tied_to: bool
    drum: bool = False
    slurred: bool = False
    phrase_end: bool = False


def parse_token(token: str) -> tuple[int | None, list[KernNote]]:
    """Parse a token of notes or a rest.

    Parameters
    ----------
    token : str
        The notes of a chord are separated by spaces: "4c 4e 4g".

    Returns
    -------
    int or None
        Duration in units; None for grace notes, and without a duration.
    list of KernNote
        Empty for rests and grace notes.
    """
    duration: int | None = None  # of the first note
    notes = []
    for subtoken in token.split():
        if "q" in subtoken or "Q" in subtoken:  # a grace note
            continue
        own = _parse_duration(subtoken)
        own = duration if own is None else own
        if own is None:
            continue
        duration = own if duration is None else duration
        match = _PITCH.search(subtoken)
        if match and "r" not in subtoken and own:
            letters, letter, signs = match.groups()
            octaves = len(letters) - 1 if letter.islower() else -len(letters)
            alteration = (signs or "").count("#") - (signs or "").count("-")
            pitch = 60 + LETTER_SEMITONES[letter.upper()] + 12 * octaves + alteration
            drum = "R" in subtoken  # unpitched: the letter is only its place on the staff
            if 0 <= pitch <= 127:
                ties = "]" in subtoken or "_" in subtoken, "[" in subtoken or "_" in subtoken
                notes.append(KernNote(_SNARE if drum else pitch, own, *ties, drum))
    return duration, notes


def _parse_duration(note: str) -> int | None:
    """Return the duration of a note: 4 is a quarter, 0 a breve, 3%2 two thirds of a whole."""
    match = _DURATION.search(note)
    if not match:
        return None
    digits, numerator = match.groups()
    if digits.strip("0"):
        duration = _WHOLE * int(numerator or 1) // int(digits)
    else:
        duration = _WHOLE << min(len(digits), 3)
    dots = min(note.count("."), 4)
    return 2 * duration - (duration >> dots)


def parse_time_signature(token: str) -> tuple[int, int] | None:
    """Return numerator and denominator of a time signature; None for any other token."""
    match = _TIME_SIGNATURE.fullmatch(token)
    if not match:
        return None
    beats, unit = sum(map(int, match[1].split("+"))), int(match[2])
    if unit == 0:  # a breve
        beats, unit = 2 * beats, 1
    return (beats, unit) if beats and unit in {1, 2, 4, 8, 16, 32, 64} else None


def parse_key_signature(token: str) -> int | None:
    """Return the sharps of a key signature, negative for flats; None for any other token."""
    match = _SIGNATURE.fullmatch(token)
    return match[1].count("#") - match[1].count("-") if match else None


def parse_is_minor(token: str) -> bool | None:
    """Return whether a key is minor; None for any other token."""
    match = _KEY.match(token)
    return match[1].islower() if match else None


def parse_tempo(token: str) -> float | None:
    """Return quarters a minute; None for any other token."""
    match = _TEMPO.fullmatch(token)
    return float(match[1]) if match else None


def parse_transposition(token: str) -> int | None:
    """Return the semitones that notes are written above their sound; None for any other token.

    Transposing instruments (``*ITrd1c2``) are written as they sound.
    """
    match = _TRANSPOSED.fullmatch(token)
    return int(match[1]) if match else None


def parse_barline(token: str) -> tuple[bool, bool]:
    """Return whether a barline ends a repeat, and whether it begins one."""
    signs = token.lstrip("=").lstrip("0123456789abcdefghijklmnopqrstuvwxyz")
    return bool(re.search(r":[|!]", signs)), bool(re.search(r"[|!]:", signs))


# ---- spines ------------------------------------------------------------------------------

#: The largest orchestra with lyrics, dynamics and divided strings has fewer.
_MAX_SPINES: Final = 256
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
        The column from which it was split.
    part : SpinePart or None
        None for lyrics, dynamics and the like.
    until : int
        The end of its last token.
    """

    column: int
    part: "SpinePart | None"
    until: int = 0


@dataclass(slots=True, eq=False)
class SpinePart:
    """A part; times are in units from the start of the score."""

    name: str = ""
    code: str = ""  # of its instrument
    transposition: int = 0  # semitones that it is written above its sound
    slurs: int = 0  # open ones
    key: tuple[int, int] | None = None  # sharps, and 1 for minor
    notes: list[tuple[int, KernNote]] = field(default_factory=list)
    time_signatures: list[tuple[int, tuple[int, int]]] = field(default_factory=list)
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    tempos: list[tuple[int, float]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Border:
    """The start of a bar, at a barline or at the label of a section."""

    at: int = -1
    is_barline: bool = False
    closes: bool = False
    opens: bool = False
    label: str = ""


def read_spines(text: str, title: str, composer: str) -> NotatedScore:
    """Read the **kern spines of a Humdrum file.

    Parameters
    ----------
    text : str
    title, composer : str

    Returns
    -------
    NotatedScore
        The highest part first: its spine is the last one.

    Raises
    ------
    Unreadable
        A line has another number of columns than spines are open, or the file has too many
        spines, bars or notes.
    """
    reader = SpineReader()
    reader.read_all(text)
    return reader.written(title, composer)


class SpineReader:
    """Reads the lines of a file into parts."""

    def __init__(self) -> None:
        self.spines: list[Spine] = []
        self.parts: list[SpinePart] = []
        self.borders = [_Border(0)]
        self.pending_borders: list[_Border] = []  # until the time of the next line is known
        self.pending: list[tuple[SpinePart, str]] = []  # interpretations, until then, too
        self.lists: dict[str, list[str]] = {}
        self.columns = self.notes = self.reached = 0
        self.now = -1  # onset of the last line
        self.bar_start = self.bar_length = 0

    def read_all(self, text: str) -> None:
        """Read the lines of a file, except comments."""
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
            self.pending_borders.append(_Border(is_barline=True, closes=closes, opens=opens))
        else:
            self.sound(cells)

    # ---- spines ------------------------------------------------------------------------------

    def begin(self, cells: Sequence[str]) -> None:
        """Open the spines; a later movement continues the parts of the one before."""
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
        self.pending_borders.append(_Border())

    def check(self) -> None:
        """Refuse files whose spines split without end."""
        count = len(self.spines)
        if count > _MAX_SPINES:
            raise Unreadable(f"{count} spines side by side, expected at most {_MAX_SPINES}")

    def new_spine(self, part: SpinePart | None, until: int) -> Spine:
        """Open a column."""
        self.columns += 1
        return Spine(self.columns, part, until)

    def interpret(self, cells: Sequence[str]) -> None:
        """Read a line of interpretations: changes of spines, keys, tempos and the like."""
        for spine, cell in zip(self.spines, cells, strict=True):
            if cell.startswith("*I") and spine.part:
                _name(spine.part, cell)
            elif len(cell) > 2 and spine.part:
                self.pending.append((spine.part, cell))
        section = next((cell for cell in cells if cell.startswith("*>")), "")
        if match := _LIST.fullmatch(section):
            names = [name.strip() for name in match[2].split(",")]
            self.lists[match[1]] = [name for name in names if name]
        elif match := _LABEL.fullmatch(section):
            self.pending_borders.append(_Border(label=match[1].strip()))
        else:
            self.manipulate(cells)

    def manipulate(self, cells: Sequence[str]) -> None:
        """Split, merge, exchange, begin and end spines."""
        spines: list[Spine] = []
        before = ""
        for spine, cell in zip(self.spines, cells, strict=True):
            if cell == "*^":
                spines += [spine, Spine(spine.column, spine.part, spine.until)]
            elif cell == "*+":
                spines += [spine, self.new_spine(None, spine.until)]
            elif cell == "*v" == before and spines[-1].column == spine.column:
                spines[-1].until = max(spines[-1].until, spine.until)
            elif cell == "*x" == before:
                spines.insert(-1, spine)
                before = ""
                continue
            elif cell != "*-":
                if cell == "**kern" and spine.part is None:
                    spine.part = SpinePart()
                    self.parts.append(spine.part)
                spines.append(spine)
            before = cell
        self.spines = spines
        self.check()

    # ---- notes -------------------------------------------------------------------------------

    def sound(self, cells: Sequence[str]) -> None:
        """Read a line of notes, rests and the like."""
        begun = []
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.part and cell != ".":
                duration, notes = parse_token(cell)
                if duration is not None:
                    begun.append((spine, spine.part, duration, notes, cell))
        if not begun:
            return
        at = max(spine.until for spine, *_ in begun)
        if at <= self.now:  # after a gap of unknown length
            ends = [spine.until for spine in self.spines if spine.part and spine.until > self.now]
            at = min(ends, default=self.now)
        self.place(at)
        self.now = at
        for spine, part, duration, notes, cell in begun:
            spine.until = at + duration
            self.reached = max(self.reached, spine.until)
            slurred, phrase_end = part.slurs > 0, "}" in cell or ";" in cell
            part.slurs = max(part.slurs + cell.count("(") - cell.count(")"), 0)
            for note in notes:
                pitch = note.pitch if note.drum else note.pitch - part.transposition
                if 0 <= pitch <= 127:
                    marked = replace(note, pitch=pitch, slurred=slurred, phrase_end=phrase_end)
                    part.notes.append((at, marked))
            self.notes += len(notes)
        if self.notes > MAX_NOTES:
            raise Unreadable(f"a score of more than {MAX_NOTES} notes")

    def place(self, at: int) -> None:
        """Set the time of the barlines and interpretations before a line.

        A barline in the middle of the notes of all parts is where its time signature puts it.
        """
        start = at
        for border in self.pending_borders:
            if border.is_barline:
                full = self.bar_start + self.bar_length
                start = full if self.bar_length and self.now < full < at else at
                self.bar_start = start
            border.at = start
        self.borders += self.pending_borders
        if len(self.borders) > 2 * MAX_BARS:
            raise Unreadable(f"a score of more than {MAX_BARS} bars")
        self.pending_borders = []
        for part, cell in self.pending:
            _apply_interpretation(part, cell, at)
            if time_signature := parse_time_signature(cell):
                self.bar_length = 4 * UNITS_PER_QUARTER * time_signature[0] // time_signature[1]
        self.pending = []

    # ---- the score ---------------------------------------------------------------------------

    def written(self, title: str, composer: str) -> NotatedScore:
        """Return the score."""
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
        parts = [_divide_into_bars(part, starts, ends) for part in reversed(self.parts)]
        if no_time_signature and parts:
            parts[0].bars[0].time_signature = (0, 0)
        order = _order(self.lists.get("", []), sections, len(starts))
        return NotatedScore(title, composer, UNITS_PER_QUARTER, parts, marks, order)


def _name(part: SpinePart, cell: str) -> None:
    """Set an instrument's name, ``*I"Violin``, or its code, ``*Ivioln``."""
    if cell.startswith('*I"'):
        part.name = clean(html.unescape(cell[3:].lstrip('"'))) or part.name
    elif match := _CODE.fullmatch(cell):
        part.code = match[1]


def _apply_interpretation(part: SpinePart, cell: str, at: int) -> None:
    """Add the key, time signature, tempo or transposition of an interpretation to a part."""
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
    elif (transposition := parse_transposition(cell)) is not None:
        part.transposition = transposition


def _divide_into_bars(part: SpinePart, starts: Sequence[int], ends: Sequence[int]) -> NotatedPart:
    program = _PROGRAMS.get(part.code)
    if program is None:
        program = find_program(part.name)
    bars = [NotatedBar(reached=end - start) for start, end in zip(starts, ends, strict=True)]
    for on, note in part.notes:
        end = on + note.duration
        # Notes that last over a barline are tied over it.
        first, last = _bar_at(starts, on), max(bisect_left(starts, end) - 1, 0)
        for bar in range(first, last + 1):
            bars[bar].notes.append(
                NotatedNote(
                    max(on - starts[bar], 0),
                    min(end, ends[bar]) - starts[bar],
                    note.pitch,
                    _VELOCITY,
                    drum=note.drum,
                    tied_from=note.tied_from or bar > first,
                    tied_to=note.tied_to or bar < last,
                    slurred=note.slurred and bar == first,
                    phrase_end=note.phrase_end and bar == last,
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
    return NotatedPart(part.name, program or 0, 0, bars)


def _bar_at(starts: Sequence[int], at: int) -> int:
    return bisect_right(starts, at) - 1


def _order(names: Sequence[str], sections: dict[str, int], count: int) -> PlaybackOrder | None:
    """Return the playback order of an expansion list; None without one.

    Bars before the first section are played once.
    """
    labels = [each for name in names for each in ([name] if name in sections else list(name))]
    labels = [label for label in labels if label in sections]
    if not labels:
        return None
    starts = sorted({*sections.values(), count})
    end = dict(pairwise(starts))
    bars = list(range(starts[0]))
    for name in labels:
        start = sections[name]
        bars += range(start, end.get(start, start))
        if len(bars) > max(MAX_BARS, count):
            problem = f"its expansion list asks for more than {MAX_BARS} bars; played as written"
            return PlaybackOrder(tuple(range(count)), problem)
    return PlaybackOrder(tuple(bars))


# ---- files -------------------------------------------------------------------------------

MAX_BYTES: Final = 8 << 20
_TIME_SIGNATURES: Final = re.compile(r"\*M(\d[\d+/]*)")
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
        It has no **kern spine, is damaged, too large or without a note.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"a Humdrum file of more than {MAX_BYTES >> 20} MB")
    text = decode(content)
    if "**kern" not in text:
        raise Unreadable("a Humdrum file without a **kern spine")
    for time_signature in _TIME_SIGNATURES.findall(text):
        check_time_signature(time_signature)
    header = read_reference_records(content)
    return unfold(read_spines(text, header.title, header.composer))


def read_reference_records(content: bytes) -> Header:
    """Read title and composer from a Humdrum file's reference records (OTL and COM)."""
    records: dict[str, str] = {}
    for kind, text in _REFERENCE.findall(decode(content[:MAX_BYTES])):
        records.setdefault(kind, clean(html.unescape(text)))
    last, comma, first = records.get("COM", "").partition(", ")
    return Header(records.get("OTL", ""), f"{first} {last}" if comma else last)
