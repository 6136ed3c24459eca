r"""Elements of ABC notation: texts, fields, and the bars and voices of a tune.

Fields are time signatures, keys, tempos, clefs, chord symbols, endings, and what decorations and
words say about repeats and jumps, as the ABC standard 2.1 has them. Texts may hold escapes
(sections 3.3 and 8.2 of the standard): ``\'e``, ``\vr``, ``&eacute;``, ``\u00e9``.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from segue.errors import Unreadable
from segue.io.play_order import CODA, SEGNO, NavigationMarks, NavigationText, read_navigation
from segue.text import clean
from segue.theory.keys import LETTER_SEMITONES, fifths_position, signature_accidentals

# ---- lines and texts ---------------------------------------------------------------------

_COMMENT: Final = re.compile(r"(?<!\\)%.*")
_FIELD_NAME: Final = re.compile(r"\s*[A-Za-z]:")
_CONTINUATION: Final = re.compile(r"\s*\+:")
_ACCENTS: Final = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306",
    ".": "\u0307", '"': "\u0308", "o": "\u030a", "r": "\u030a", "H": "\u030b", "v": "\u030c",
    "c": "\u0327", ",": "\u0327", ";": "\u0328",
}  # fmt: skip
_LIGATURES: Final = {
    "AA": "Å", "aa": "å", "AE": "Æ", "ae": "æ", "OE": "Œ", "oe": "œ", "ss": "ß", "DH": "Ð",
    "dh": "ð", "TH": "Þ", "th": "þ", "/O": "Ø", "/o": "ø", "/L": "Ł", "/l": "ł", "/D": "Đ",
    "/d": "đ",
}  # fmt: skip
_ESCAPE: Final = re.compile(
    r"\\(?P<itself>[\\%&])"
    r"|\\u(?P<short>[0-9A-Fa-f]{4})|\\U(?P<long>[0-9A-Fa-f]{8})"
    rf"|\{{?\\(?P<ligature>{'|'.join(map(re.escape, _LIGATURES))})(?:\{{\}}|\}})?"
    rf"|\{{?\\(?P<accent>[{re.escape(''.join(_ACCENTS))}])(?:\{{(?P<within>\w)\}}|(?P<letter>\w))\}}?"
    r"|(?P<entity>&(?:#x[0-9A-Fa-f]{1,6}|#\d{1,7}|\w{2,32});)"
)


def strip_comment(line: str) -> str:
    """Return a line without its comment, which a percent sign begins."""
    return _COMMENT.sub("", line).rstrip()


def join_continued_fields(lines: Iterable[str]) -> list[str]:
    """Append lines of ``+:`` to the field that they continue.

    Comments and directives may stand in between. Lines that continue no field are dropped.
    """
    joined: list[str] = []
    field: int | None = None  # the index of the line that can be continued
    for line in lines:
        if match := _CONTINUATION.match(line):
            if field is not None:
                joined[field] = f"{strip_comment(joined[field])} {line[match.end() :].strip()}"
            continue
        if _FIELD_NAME.match(line):
            field = len(joined)
        elif not line.lstrip().startswith("%"):
            field = None
        joined.append(line)
    return joined


def decode_text(raw: str) -> str:
    """Return the text of a field or an annotation, with its escapes resolved, fit for display."""
    return clean(_ESCAPE.sub(_resolve_escape, raw))


def _resolve_escape(match: re.Match[str]) -> str:
    """Return the character of an escape, or the escape itself where it stands for nothing."""
    if itself := match["itself"]:
        return itself
    if code := match["short"] or match["long"]:
        number = int(code, 16)
        return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else match[0]
    if ligature := match["ligature"]:
        return _LIGATURES[ligature]
    if accent := match["accent"]:
        letter = (match["within"] or match["letter"]) + _ACCENTS[accent]
        composed = unicodedata.normalize("NFC", letter)
        return composed if len(composed) == 1 else match[0]
    return html.unescape(match["entity"])


# ---- pitch, key and clef -----------------------------------------------------------------

#: Semitones of the accidentals before a note.
ACCIDENTALS: Final = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
_KEY: Final = re.compile(r"\s*([A-G])([#b]?)\s*([A-Za-z]*)")
_KEY_ACCIDENTAL: Final = re.compile(r"(?<![\w=])(\^{1,2}|_{1,2}|=)([a-gA-G])(?![\w=])")
_CLEF: Final = re.compile(r"\b(?:treble|bass|alto|tenor|perc|none|[GFC]\d?)\d?([+-])(8|15)\b")
_OCTAVE: Final = re.compile(r"\boctave\s*=\s*([+-]?\d)\b")
_TRANSPOSE: Final = re.compile(r"\btranspose\s*=\s*([+-]?\d{1,2})\b")
#: Sharps of each mode, compared with the major key of the same tonic.
_MODES: Final = {
    "": 0, "maj": 0, "ion": 0, "m": -3, "min": -3, "aeo": -3, "mix": -1, "dor": -2, "phr": -4,
    "lyd": 1, "loc": -5,
}  # fmt: skip


def octave_of(letter: str, marks: str) -> int:
    """Return how many octaves a note lies above the octave of middle C."""
    return letter.islower() + marks.count("'") - marks.count(",")


def written_pitch(accidental: str | None, letter: str, octave_marks: str) -> int:
    """Return the MIDI pitch of a note as written, without key signature or transposition."""
    alteration = ACCIDENTALS[accidental] if accidental else 0
    octave = octave_of(letter, octave_marks)
    return 60 + LETTER_SEMITONES[letter.upper()] + 12 * octave + alteration


def parse_key_field(text: str) -> tuple[tuple[int, int], dict[str, int]] | None:
    """Parse a K: field.

    Parameters
    ----------
    text : str
        "D", "Am", "E dorian", "D exp _e", "HP" for Highland pipes, "none".

    Returns
    -------
    tuple or None
        Sharps, and 1 for minor; and by how many semitones each letter is altered. None where the
        field holds only a clef.
    """
    match = _KEY.match(text)
    sharps, minor = 0, 0
    if text.strip()[:2] in {"HP", "Hp"}:
        sharps = 2
    elif match:
        mode = "" if match[3] == "M" else match[3].lower()[:3]
        sharps = fifths_position(match[1] + match[2]) + _MODES.get(mode, 0)
        minor = int(mode in {"m", "min", "aeo"})
        sharps = 0 if mode == "exp" else sharps
    elif not text.strip().lower().startswith("none") and not _KEY_ACCIDENTAL.search(text):
        return None
    signature = signature_accidentals(sharps)
    for accidental, letter in _KEY_ACCIDENTAL.findall(text):
        signature[letter.upper()] = ACCIDENTALS[accidental]
    return (sharps, minor), signature


def parse_octave_shift(text: str) -> int | None:
    """Return the octave shift of a K: or V: field, from `octave=` or its clef; None without one."""
    if match := _OCTAVE.search(text):
        return int(match[1])
    if clef := _CLEF.search(text):
        return (1 if clef[1] == "+" else -1) * (2 if clef[2] == "15" else 1)
    return None


def parse_transposition(text: str) -> int | None:
    """Return the semitones of `transpose=` in a K: or V: field; None without it."""
    match = _TRANSPOSE.search(text)
    return int(match[1]) if match else None


# ---- time signature, unit note length and tempo ------------------------------------------

_UNIT_LENGTH: Final = re.compile(r"\s*1(?:/(\d{1,3})\b|\s*$)")
_TIME_SIGNATURE: Final = re.compile(r"\(?\s*(\d{1,3}(?:\s*\+\s*\d{1,3})*)\s*\)?\s*/\s*(\d{1,3})")
_TEMPO: Final = re.compile(r"((?:\d{1,3}/\d{1,3}\s*)+|[A-G]\d*)?\s*=?\s*(\d{1,4}(?:\.\d+)?)\s*$")


def parse_time_signature(text: str, default: tuple[int, int]) -> tuple[int, int]:
    """Return the numerator and denominator of an M: field, or the default for an invalid one."""
    text = text.strip()
    if text.startswith("C|"):
        return 2, 2
    if text.startswith("C"):
        return 4, 4
    match = _TIME_SIGNATURE.match(text)
    if not match:
        return default
    beats, unit = sum(map(int, match[1].split("+"))), int(match[2])
    return (beats, unit) if 0 < beats <= 64 and unit in {1, 2, 4, 8, 16, 32, 64} else default


def parse_unit_length(text: str) -> Fraction | None:
    """Return the unit note length of an L: field in whole notes; None for an invalid one."""
    match = _UNIT_LENGTH.match(text)
    return Fraction(1, max(int(match[1] or 1), 1)) if match else None


def parse_tempo(text: str, unit: Fraction) -> float:
    """Return the quarters a minute of a Q: field, 0 where it holds no tempo.

    Parameters
    ----------
    text : str
        "1/4=120", "3/8=80", "C3=60" or "120", perhaps with a text in quotes.
    unit : Fraction
        Unit note length, in whole notes.
    """
    match = _TEMPO.search(re.sub(r'"[^"]*"?', " ", text).strip())
    if not match:
        return 0.0
    beat = Fraction(1, 4)
    if match[1] and "/" in match[1]:
        pairs = [fraction.split("/") for fraction in match[1].split()]
        beat = sum((Fraction(int(a), max(int(b), 1)) for a, b in pairs), Fraction(0))
    elif match[1]:
        beat = unit * int(match[1][1:3] or 1)
    return float(match[2]) * float(beat) * 4


# ---- chord symbols -----------------------------------------------------------------------

#: What may stand above a tune and be a chord: not "Fine", and not "D.C.".
_CHORD: Final = re.compile(
    r"(?P<chord>[A-G][#b♯♭]?"
    r"(?:maj|min|dim|aug|sus|add|alt|omit|no|dom|ma|mi|[mMo+°ø^Δ#b♯♭(), /\d-])*?)"
    r"(?:/(?P<bass>[A-Ga-g])(?P<sign>[#b♯♭+]?))?"
)
_NO_CHORD: Final = re.compile(r"n\.?\s?c\.?|no chord", re.IGNORECASE)
_ALTERNATIVE: Final = re.compile(r"[;\n]|\s*\((?=[A-G])")  # "G(Em)" and "G;Em": Em instead of G


def parse_chord_symbol(text: str) -> str:
    """Return the chord symbol of a quoted text; "" for words and annotations.

    A lower-case bass becomes a capital; of two alternative chords the first one is returned.
    """
    text = _ALTERNATIVE.split(text.strip())[0].strip()
    if _NO_CHORD.fullmatch(text):
        return "N.C."
    match = _CHORD.fullmatch(text)
    if not match:
        return ""
    sign = match["sign"] or ""
    bass = f"/{match['bass'].upper()}{'#' if sign == '+' else sign}" if match["bass"] else ""
    return match["chord"].strip() + bass


# ---- repeats and jumps -------------------------------------------------------------------

#: Decorations that are about repeats and jumps, in the words of scores.
JUMP_DECORATIONS: Final = {
    "segno": SEGNO, "coda": CODA, "fine": "Fine", "dacoda": "To Coda", "dacapo": "D.C.",
    "d.c.": "D.C.", "d.s.": "D.S.", "d.c.alfine": "D.C. al Fine", "d.s.alfine": "D.S. al Fine",
    "d.c.alcoda": "D.C. al Coda", "d.s.alcoda": "D.S. al Coda",
}  # fmt: skip
#: Letters that stand for decorations unless a U: field says otherwise (ABC 2.1, section 4.14).
DEFAULT_SYMBOLS: Final = {"S": "segno", "O": "coda"}
_SYMBOL: Final = re.compile(r"\s*([H-Wh-w~])\s*=\s*([!+])([^!+]*)\2")
_MAX_ENDING: Final = 32


def parse_symbol_definition(text: str) -> dict[str, str]:
    """Parse a U: field, ``W = !fine!``: the letter, and the decoration that it stands for."""
    match = _SYMBOL.match(text)
    return {match[1]: match[3].strip()} if match else {}


def parse_endings(text: str) -> frozenset[int]:
    """Return the passes of an ending such as ``1,3`` or ``1-3``."""
    passes: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        low = int(first[:2] or 0)
        passes |= set(range(low, max(int(last[:2] or 0) if last.isdigit() else low, low) + 1))
    return frozenset(number for number in passes if 0 < number <= _MAX_ENDING)


# ---- bars and voices ---------------------------------------------------------------------

_DRUM_CHANNEL: Final = 10
_MAX_VOICE_BARS: Final = 20_000
_TOKEN_LENGTH: Final = re.compile(r"(\d*)(/*)(\d*)")
_MAX_LENGTH_DIGITS: Final = 4
_MIDI_NUMBER: Final = re.compile(r"[+-]?\d{1,3}")
_MIDI_PITCH: Final = re.compile(r"(\^{1,2}|_{1,2}|=)?([A-Ga-g])([,']*)")
#: The default time of tuplets: p notes in the time of q; of others it depends on the metre.
_TUPLETS: Final = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
#: What a voice takes from the tune's header where it has no setting of its own.
_INHERITED: Final = ("octave", "transposition", "midi_transposition", "program", "channel")


@dataclass(frozen=True, slots=True)
class Note:
    """A note in its bar: onset and duration in quarters, MIDI pitch, and a tie to the next.

    `slurred` if a slur joins it to the note before, `line_end` if a line of music ends after it.
    """

    onset: Fraction
    duration: Fraction
    pitch: int
    tied: bool
    name: tuple[str, int]  # letter and octave
    slurred: bool = False
    line_end: bool = False


@dataclass(slots=True)
class Bar:
    """A notated bar.

    Attributes
    ----------
    time_signature, key : tuple of int
        Numerator and denominator; sharps, and 1 for minor.
    length : Fraction
        In quarters.
    opens, after_double : bool
        A repeat begins here, or may begin where none is marked.
    marks : NavigationMarks
        Other repeats and jumps.
    coda_sign : bool
        The sign at which one leaves for the coda, or at which the coda begins.
    part : str
        The part (P:) that begins here.
    tempo_bpm : float
        Tempo in BPM that begins with this bar; 0 if none does.
    chords : list of (Fraction, str)
        Onset in quarters, and chord symbol.
    """

    time_signature: tuple[int, int]
    key: tuple[int, int]
    notes: list[Note] = field(default_factory=list)
    length: Fraction = Fraction(0)
    opens: bool = False
    after_double: bool = False
    marks: NavigationMarks = field(default_factory=NavigationMarks)
    coda_sign: bool = False
    part: str = ""
    tempo_bpm: float = 0.0
    chords: list[tuple[Fraction, str]] = field(default_factory=list)

    @property
    def full(self) -> Fraction:
        """Length by its time signature, in quarters."""
        return Fraction(4 * self.time_signature[0], self.time_signature[1])


@dataclass(slots=True)
class MidiSettings:
    """MIDI directives that hold for all voices: programs by channel (from 1), and the drum map."""

    programs: dict[int, int] = field(default_factory=dict)
    drum_map: dict[int, int] = field(default_factory=dict)  # written pitch to drum


@dataclass(slots=True)
class Voice:
    """A voice, and the state of its reading.

    Attributes that are None take the value of the tune's header.
    """

    name: str = ""
    midi: MidiSettings = field(default_factory=MidiSettings)
    program: int | None = None
    channel: int | None = None  # from 1
    bars: list[Bar] = field(default_factory=list)
    time_signature: tuple[int, int] = (4, 4)
    unit_length: Fraction | None = None  # in whole notes
    key: tuple[int, int] = (0, 0)
    signature: dict[str, int] = field(default_factory=dict)  # alteration by letter
    octave: int | None = None  # octaves between the written and the sounding pitch
    transposition: int | None = None  # semitones
    midi_transposition: int | None = None
    bar: Bar | None = None
    at: Fraction = Fraction(0)  # in the bar
    reached: Fraction = Fraction(0)  # by the earlier overlays of the bar
    accidentals: dict[str, int] = field(default_factory=dict)  # of this bar, in all octaves
    tied: dict[tuple[str, int], int] = field(default_factory=dict)  # sounding pitch by name
    last_notes: int = 0  # number of notes of the last symbol; they are the bar's last
    last_length: Fraction = Fraction(0)  # of the last symbol
    broken_factor: Fraction = Fraction(1)  # of the next symbol, after a broken rhythm
    tuplet_factor: Fraction = Fraction(1)
    tuplet_left: int = 0
    slurs: int = 0  # open ones
    is_slur_begun: bool = False  # whether a note of the open slur has been read
    next_bar: dict[str, bool | int | str | float | frozenset[int]] = field(default_factory=dict)
    endings: frozenset[int] = frozenset()
    chord_symbol: str = ""  # of the next symbol
    navigation: list[NavigationText] = field(default_factory=list)  # for the next symbol's bar

    @property
    def shift(self) -> int:
        """Semitones between the written and the sounding pitch."""
        semitones = (self.transposition or 0) + (self.midi_transposition or 0)
        return 12 * (self.octave or 0) + semitones

    @property
    def is_drum(self) -> bool:
        """Whether it is on the drum channel."""
        return self.channel == _DRUM_CHANNEL

    @property
    def unit(self) -> Fraction:
        """Unit note length in whole notes; by default a sixteenth below 3/4, else an eighth."""
        default = 16 if Fraction(*self.time_signature) < Fraction(3, 4) else 8
        return self.unit_length or Fraction(1, default)

    # ---- fields and directives -----------------------------------------------------------

    def inherit(self, header: "Voice") -> None:
        """Take from the header what the voice does not set itself."""
        if self is header:
            return
        self.time_signature, self.unit_length = header.time_signature, header.unit_length
        self.key, self.signature = header.key, dict(header.signature)
        for name in _INHERITED:
            if getattr(self, name) is None:
                setattr(self, name, getattr(header, name))
        self.next_bar = dict(header.next_bar)

    def set_key(self, text: str) -> None:
        """Apply a K: field."""
        if key := parse_key_field(text):
            self.key, self.signature = key
        self.set_transposition(text)

    def set_transposition(self, text: str) -> None:
        """Apply the octave and transposition of a K: or V: field."""
        octave, transposition = parse_octave_shift(text), parse_transposition(text)
        self.octave = self.octave if octave is None else octave
        self.transposition = self.transposition if transposition is None else transposition

    def apply_midi_directive(self, words: Sequence[str]) -> None:
        """Apply a ``%%MIDI`` directive as abc2midi does; unknown ones are ignored."""
        kind, *arguments = words or [""]
        numbers = [int(word) for word in arguments if _MIDI_NUMBER.fullmatch(word)]
        if not numbers:
            return
        if kind == "drummap" and len(arguments) > 1 and 0 <= numbers[-1] < 128:
            if match := _MIDI_PITCH.fullmatch(arguments[0]):
                self.midi.drum_map[written_pitch(*match.groups())] = numbers[-1]
        elif kind == "program" and 0 <= numbers[-1] < 128:
            if len(numbers) > 1:
                self.midi.programs[numbers[0]] = numbers[1]
            else:
                self.program = numbers[0]
        elif kind == "channel":
            self.channel = numbers[0]
        elif kind == "transpose":
            self.midi_transposition = numbers[0]
        elif kind == "rtranspose":
            self.midi_transposition = (self.midi_transposition or 0) + numbers[0]

    def midi_program(self, index: int) -> int:
        """Return the program of the voice at an index of its tune.

        Voices without a channel take the channels in order, except that of the drums.
        """
        if self.program is not None:
            return self.program
        channel = index + 1 if index + 1 < _DRUM_CHANNEL else index + 2
        return self.midi.programs.get(self.channel or channel, 0)

    # ---- notes ---------------------------------------------------------------------------

    def note(self, match: re.Match[str]) -> tuple[Note, Fraction]:
        """Return the note of a token, without its place, and its length in units."""
        letter, length = match["note"].upper(), parse_length(match["length"])
        name = (letter, octave_of(match["note"], match["octave"]))
        if match["accidental"]:
            self.accidentals[letter] = ACCIDENTALS[match["accidental"]]
        elif name in self.tied:  # a tie carries an accidental over the barline
            return Note(self.at, Fraction(0), self.tied[name], False, name), length
        alteration = self.accidentals.get(letter, self.signature.get(letter, 0))
        written = written_pitch(None, match["note"], match["octave"]) + alteration
        pitch = min(max(written + self.shift, 0), 127)
        if self.is_drum:
            pitch = self.midi.drum_map.get(written, pitch)
        return Note(self.at, Fraction(0), pitch, False, name), length

    def add(self, notes: Sequence[tuple[Note, Fraction]], length: Fraction) -> None:
        """Add simultaneous notes, or a rest, and go on by its length."""
        bar = self.current_bar()
        self.place_chord_symbol(bar)
        scale = 4 * self.unit * self.broken_factor * self.tuplet_factor
        slurred = self.is_slur_begun
        sounding = [
            replace(note, onset=self.at, duration=own * scale, slurred=slurred)
            for note, own in notes
            if own > 0
        ]
        bar.notes += sounding
        self.is_slur_begun = self.slurs > 0 and (slurred or bool(sounding))
        self.tied = {note.name: note.pitch for note in sounding if note.tied}
        self.last_notes = len(sounding)
        self.last_length = length * scale
        self.at += self.last_length
        bar.length = max(bar.length, self.at)
        self.broken_factor = Fraction(1)
        self.tuplet_left = max(self.tuplet_left - 1, 0)
        if not self.tuplet_left:
            self.tuplet_factor = Fraction(1)

    def add_rest(self, kind: str, length: Fraction) -> None:
        """Add a rest; a capital letter is a rest of whole bars."""
        if kind.islower():
            self.add([], length)
            return
        for number in range(min(int(length), 999)):
            if number:
                self.end_bar()
            bar = self.current_bar()
            self.place_chord_symbol(bar)
            bar.length = self.at = bar.full

    def place_chord_symbol(self, bar: Bar) -> None:
        """Put the pending chord symbol at the onset of the next note or rest."""
        if self.chord_symbol:
            bar.chords.append((self.at, self.chord_symbol))
            self.chord_symbol = ""

    def tie(self) -> None:
        """Tie the last symbol to the next."""
        if self.bar and self.last_notes:
            tied = [replace(note, tied=True) for note in self.bar.notes[-self.last_notes :]]
            self.bar.notes[-self.last_notes :] = tied
            self.tied = {note.name: note.pitch for note in tied}

    def slur(self, sign: str) -> None:
        """Open or close a slur."""
        self.slurs = max(self.slurs + (1 if sign == "(" else -1), 0)
        self.is_slur_begun &= self.slurs > 0

    def end_line(self) -> None:
        """Mark the last note as the last of a line of music."""
        for bar in (self.bar, *self.bars[-1:]):
            if bar and bar.notes:
                bar.notes[-1] = replace(bar.notes[-1], line_end=True)
                return

    def break_rhythm(self, signs: str) -> None:
        """Lengthen one symbol and shorten the other: ``a>b`` dots the first, ``a<b`` the second."""
        short = Fraction(1, 2 ** len(signs))
        first, self.broken_factor = (2 - short, short) if signs[0] == ">" else (short, 2 - short)
        if not self.bar or not self.last_length:
            return
        growth = self.last_length * (first - 1)
        self.at += growth
        self.last_length += growth
        if self.last_notes:
            self.bar.notes[-self.last_notes :] = [
                replace(note, duration=note.duration * first)
                for note in self.bar.notes[-self.last_notes :]
            ]
        self.bar.length = max(self.reached, self.at)

    def begin_tuplet(self, match: re.Match[str]) -> None:
        """Begin a tuplet ``(p:q:r``: p notes in the time of q, for the next r symbols."""
        count = int(match["tuplet"])
        if count < 2:
            return
        is_compound = self.time_signature[0] % 3 == 0 and self.time_signature[0] > 3
        default = _TUPLETS.get(count, 3 if is_compound else 2)
        normal = int((match["into"] or "")[:2] or default)
        self.tuplet_left = int((match["over"] or "")[:2] or count)
        self.tuplet_factor = Fraction(max(normal, 1), count) if self.tuplet_left else Fraction(1)

    # ---- bars ----------------------------------------------------------------------------

    def begin_overlay(self) -> None:
        """Go back to the start of the bar, for another voice in it."""
        if self.bar:
            self.reached = max(self.reached, self.at)
            self.at = self.last_length = Fraction(0)
            self.last_notes = 0
            self.accidentals.clear()

    def current_bar(self) -> Bar:
        """Return the bar that is being read; begin one where none is."""
        if self.bar is None:
            self.bar = Bar(self.time_signature, self.key)
            self.bar.marks.endings = self.endings
            for name, value in self.next_bar.items():
                setattr(self.bar, name, value)
            self.next_bar = {}
        self.mark(self.bar)
        return self.bar

    def end_bar(self) -> None:
        """End the bar that is being read."""
        if self.navigation and (self.bar or self.bars):  # texts before a barline belong to its bar
            self.mark(self.bar or self.bars[-1])
        if self.bar is not None:
            if len(self.bars) >= _MAX_VOICE_BARS:
                raise Unreadable(f"a tune of more than {_MAX_VOICE_BARS} bars")
            self.bars.append(self.bar)
        self.bar = None
        self.at = self.reached = self.last_length = Fraction(0)
        self.last_notes = 0
        self.accidentals.clear()

    def barline(self, token: str, ending: str) -> None:
        """End a bar at a barline, with its repeats and its ending."""
        signs = token.strip().replace("[|]", "") or "|"  # "[|]" is invisible
        if ending:
            signs = signs[: len(signs) - len(ending)].rstrip("[ \t") or "|"
        self.end_bar()
        closes = len(signs) - len(signs.lstrip(":"))
        opens = signs.endswith(":")
        if "|" not in signs:  # "::" ends one repeat and begins the next
            closes, opens = max(closes // 2, 1), True
        if closes and self.bars:
            self.bars[-1].marks.closes = closes + 1
        is_double = any(sign in signs for sign in ("||", "|]", "[|"))
        if closes or opens or is_double:
            self.endings = frozenset()
        if opens:
            self.next_bar["opens"] = True
        elif is_double:
            self.next_bar["after_double"] = True
        if ending:
            self.endings = parse_endings(ending)

    def add_navigation(self, text: str) -> None:
        """Keep the repeats and jumps of a text for the bar of the next symbol."""
        navigation = read_navigation(text)
        if navigation != NavigationText():
            self.navigation.append(navigation)

    def mark(self, bar: Bar) -> None:
        """Put the pending jumps into a bar."""
        for navigation in self.navigation:
            marks = bar.marks
            marks.jump = navigation.jump or marks.jump
            marks.fine |= navigation.fine
            if navigation.segno:
                marks.segno |= {""}
            if navigation.to_coda:
                marks.to_coda = ""
            if navigation.coda and not navigation.is_sign:
                marks.coda |= {""}
            bar.coda_sign |= navigation.is_sign
        self.navigation = []


def parse_length(text: str) -> Fraction:
    """Return a length in units: "3/2", "//"."""
    match = _TOKEN_LENGTH.match(text)
    numerator, slashes, denominator = match.groups() if match else ("", "", "")
    if max(len(numerator), len(denominator), len(slashes)) > _MAX_LENGTH_DIGITS:
        raise Unreadable(f"a tune with a note of length {text[:20]}")
    if denominator:
        return Fraction(int(numerator or 1), max(int(denominator), 1))
    return Fraction(int(numerator or 1), 2 ** len(slashes))
