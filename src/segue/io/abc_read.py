"""Reading of ABC notation: tune books of the ABC standard 2.1 (abcnotation.com/wiki).

symusic reads ABC by abc2midi, a program that it runs by a shell. That plays accompaniments nobody
wrote, opens other files where a tune tells it to (``%%abc-include``), and loses the barlines,
without which an anacrusis shifts all that follows; music21 takes some fifteen times as long. So
this reader is Segue's own, compared with both in `bench/score_reading.py`.

A tune is read token by token into voices of bars, with times as fractions of a quarter, and then
becomes a `WrittenScore`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from segue.errors import Unreadable
from segue.io.abc_fields import (
    ACCIDENTALS,
    DEFAULT_SYMBOLS,
    JUMP_DECORATIONS,
    decode_text,
    join_continued_fields,
    octave_of,
    parse_chord_symbol,
    parse_endings,
    parse_key_field,
    parse_octave_shift,
    parse_symbol_definition,
    parse_tempo,
    parse_time_signature,
    parse_transposition,
    parse_unit_length,
    strip_comment,
    written_pitch,
)
from segue.io.encodings import decode
from segue.io.play_order import (
    MAX_BARS,
    NavigationMarks,
    NavigationText,
    PlaybackOrder,
    place_coda_signs,
    play_order,
    read_navigation,
)
from segue.io.written_score import (
    TICKS_PER_QUARTER,
    WrittenBar,
    WrittenNote,
    WrittenPart,
    WrittenScore,
    unfold,
)
from segue.records import Score
from segue.text import clean

# ---- tune books --------------------------------------------------------------------------

MAX_BYTES: Final = 32 << 20
MAX_TUNES: Final = 20_000
_MAX_TUNE_CHARACTERS: Final = 1 << 18
_TUNE: Final = re.compile(r"^[ \t]*X:[ \t]*(\d*)", re.MULTILINE)
_CHARSET: Final = re.compile(rb"^(?:I:[ \t]*|%%)abc-charset[ \t]+([\w-]+)", re.MULTILINE)
_NEWLINE: Final = re.compile(r"\r\n?|\n")
_BOOK_FIELD: Final = re.compile(r"^([A-Za-z]):[ \t]*(.*)$")


@dataclass(frozen=True, slots=True)
class Tune:
    """The text of a tune of a book.

    Attributes
    ----------
    number : int or None
        Its X: field.
    title, composer, genre : str
        Its first T:, C: and R: fields.
    lines : tuple of str
        All of it, after the fields that the book gives to all tunes.
    """

    number: int | None
    title: str
    composer: str
    genre: str
    lines: tuple[str, ...]


def split_tune_book(content: bytes) -> list[Tune]:
    """Split a tune book into its tunes, at least one.

    Raises
    ------
    Unreadable
        It is no ABC, or too large.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"an ABC file of more than {MAX_BYTES >> 20} MB")
    charset = _CHARSET.search(content)
    text = _NEWLINE.sub("\n", decode(content, charset[1].decode("latin-1") if charset else None))
    starts = [match.start() for match in _TUNE.finditer(text)]
    if not starts:
        raise Unreadable("no ABC: no line begins with X:, as each tune's first line does")
    if len(starts) > MAX_TUNES:
        raise Unreadable(f"a book of {len(starts)} tunes, more than {MAX_TUNES}: divide it")
    file_header = tuple(
        line
        for line in join_continued_fields(text[: starts[0]].split("\n"))
        if _BOOK_FIELD.match(line) or line.startswith("%%MIDI ")
    )
    ends = [*starts[1:], len(text)]
    return [_tune(text[at:end], file_header) for at, end in zip(starts, ends, strict=True)]


def _tune(text: str, file_header: tuple[str, ...]) -> Tune:
    lines = tuple(join_continued_fields(text.split("\n")))
    fields: dict[str, str] = {}
    for line in (*lines, *file_header):
        if match := _BOOK_FIELD.match(line):
            fields.setdefault(match[1], decode_text(strip_comment(match[2])))
    digits = re.match(r"\d{1,6}", fields.get("X", ""))
    return Tune(
        int(digits[0]) if digits else None,
        fields.get("T", ""),
        fields.get("C", ""),
        fields.get("R", ""),
        (*file_header, *lines),
    )


def read_tune(tune: Tune) -> Score:
    """Read the music of a tune.

    Parameters
    ----------
    tune : Tune

    Returns
    -------
    Score
        Of 480 ticks to the quarter, repeats played, without grace notes and ornaments. Chord
        symbols do not sound: they are its `chords`.

    Raises
    ------
    Unreadable
        It has no key, no note, too much of both, or is no music.
    """
    if sum(map(len, tune.lines)) > _MAX_TUNE_CHARACTERS:
        raise Unreadable(f"a tune of more than {_MAX_TUNE_CHARACTERS} letters")
    reader = _TuneReader()
    for line in tune.lines:
        reader.read(line)
    score = unfold(_written_score(tune, reader.finished_voices(), reader.parts))
    return replace(score, genre=tune.genre)


# ---- bars and voices ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Note:
    """A note in its bar: onset and duration in quarters, MIDI pitch, and a tie to the next."""

    onset: Fraction
    duration: Fraction
    pitch: int
    tied: bool
    name: tuple[str, int]  # letter and octave


@dataclass(slots=True)
class _Bar:
    """A bar as it is written.

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
        Quarters a minute from here on; 0 where none is set.
    chords : list of (Fraction, str)
        Onset in quarters, and chord symbol.
    """

    time_signature: tuple[int, int]
    key: tuple[int, int]
    notes: list[_Note] = field(default_factory=list)
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
class _MidiSettings:
    """MIDI directives that hold for all voices: programs by channel (from 1), and the drum map."""

    programs: dict[int, int] = field(default_factory=dict)
    drum_map: dict[int, int] = field(default_factory=dict)  # written pitch to drum


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


@dataclass(slots=True)
class _Voice:
    """A voice, and the state of its reading.

    Attributes that are None take the value of the tune's header.
    """

    name: str = ""
    midi: _MidiSettings = field(default_factory=_MidiSettings)
    program: int | None = None
    channel: int | None = None  # from 1
    bars: list[_Bar] = field(default_factory=list)
    time_signature: tuple[int, int] = (4, 4)
    unit_length: Fraction | None = None  # in whole notes
    key: tuple[int, int] = (0, 0)
    signature: dict[str, int] = field(default_factory=dict)  # alteration by letter
    octave: int | None = None  # octaves between the written and the sounding pitch
    transposition: int | None = None  # semitones
    midi_transposition: int | None = None
    bar: _Bar | None = None
    at: Fraction = Fraction(0)  # in the bar
    reached: Fraction = Fraction(0)  # by the earlier overlays of the bar
    accidentals: dict[str, int] = field(default_factory=dict)  # of this bar, in all octaves
    tied: dict[tuple[str, int], int] = field(default_factory=dict)  # sounding pitch by name
    last_notes: int = 0  # number of notes of the last symbol; they are the bar's last
    last_length: Fraction = Fraction(0)  # of the last symbol
    broken_factor: Fraction = Fraction(1)  # of the next symbol, after a broken rhythm
    tuplet_factor: Fraction = Fraction(1)
    tuplet_left: int = 0
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

    def inherit(self, header: "_Voice") -> None:
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

    def note(self, match: re.Match[str]) -> tuple[_Note, Fraction]:
        """Return the note of a token, without its place, and its length in units."""
        letter, length = match["note"].upper(), _length(match["length"])
        name = (letter, octave_of(match["note"], match["octave"]))
        if match["accidental"]:
            self.accidentals[letter] = ACCIDENTALS[match["accidental"]]
        elif name in self.tied:  # a tie carries an accidental over the barline
            return _Note(self.at, Fraction(0), self.tied[name], False, name), length
        alteration = self.accidentals.get(letter, self.signature.get(letter, 0))
        written = written_pitch(None, match["note"], match["octave"]) + alteration
        pitch = min(max(written + self.shift, 0), 127)
        if self.is_drum:
            pitch = self.midi.drum_map.get(written, pitch)
        return _Note(self.at, Fraction(0), pitch, False, name), length

    def add(self, notes: Sequence[tuple[_Note, Fraction]], length: Fraction) -> None:
        """Add simultaneous notes, or a rest, and go on by its length."""
        bar = self.current_bar()
        self.place_chord_symbol(bar)
        scale = 4 * self.unit * self.broken_factor * self.tuplet_factor
        sounding = [
            replace(note, onset=self.at, duration=own * scale) for note, own in notes if own > 0
        ]
        bar.notes += sounding
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

    def place_chord_symbol(self, bar: _Bar) -> None:
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

    def current_bar(self) -> _Bar:
        """Return the bar that is being read; begin one where none is."""
        if self.bar is None:
            self.bar = _Bar(self.time_signature, self.key)
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

    def mark(self, bar: _Bar) -> None:
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


def _length(text: str) -> Fraction:
    """Return a length in units: "3/2", "//"."""
    match = _TOKEN_LENGTH.match(text)
    numerator, slashes, denominator = match.groups() if match else ("", "", "")
    if max(len(numerator), len(denominator), len(slashes)) > _MAX_LENGTH_DIGITS:
        raise Unreadable(f"a tune with a note of length {text[:20]}")
    if denominator:
        return Fraction(int(numerator or 1), max(int(denominator), 1))
    return Fraction(int(numerator or 1), 2 ** len(slashes))


# ---- lines -------------------------------------------------------------------------------

_FIELD: Final = re.compile(r"^\s*([A-Za-z]):[ \t]*(.*)$")
_TOKEN: Final = re.compile(
    r"""
      (?P<quoted>"[^"]*"?)
    | (?P<decoration>![^!\s|:\[\]]{1,30}!|\+(?:[a-z][a-z.()<>]+|D\.[CS]\.[a-z]*)\+)
    | (?P<field>\[[A-Za-z]:[^\]]*\]?)
    | (?P<grace>\{[^}]*\}?)
    | (?P<bar>(?::*\[?\|[|\]:]*|::+)\s*(?:\[?(?P<ending>\d[\d,\-]*))?)
    | \[(?P<lone_ending>\d[\d,\-]*)
    | (?P<accidental>\^{1,2}|_{1,2}|=)?(?P<note>[A-Ga-g])(?P<octave>[,']*)(?P<length>\d*/*\d*)
    | (?P<rest>[xzXZ])(?P<rest_length>\d*/*\d*)
    | (?P<open>\[) | \](?P<close>\d*/*\d*)
    | \((?P<tuplet>\d)(?::(?P<into>\d*))?(?::(?P<over>\d*))?
    | (?P<broken>>{1,3}|<{1,3})
    | (?P<tie>-) | (?P<overlay>&)
    | (?P<silent>[\s\\().~$*`yH-Wh-w!]) | (?P<unknown>.)
    """,
    re.VERBOSE,
)
_VOICE_NAME: Final = re.compile(r'\b(?:name|nm)\s*=\s*(?:"([^"]*)"|(\S+))')
_MAX_FIELD_CHARACTERS: Final = 1000
_MAX_VOICES: Final = 64


class _TuneReader:
    """Reads the lines of a tune into its voices."""

    def __init__(self) -> None:
        self.voices: dict[str, _Voice] = {}
        self.voice = self.header = _Voice()
        self.parts = ""  # the order of the parts, "AABB"
        self.in_music = self.is_over = self.in_text = False
        self.n_notes = self.n_unknown = 0
        self.breaks_at_exclamation_marks = False  # "!" breaks a line of the printed music
        self.symbols = dict(DEFAULT_SYMBOLS)
        self.chord: list[tuple[_Note, Fraction]] | None = None  # the notes since "["

    def finished_voices(self) -> list[_Voice]:
        """End the tune and return its voices that have bars, at least one.

        Raises
        ------
        Unreadable
            It has no key, which ends a tune's header; no note; or is no music.
        """
        if not self.in_music:
            raise Unreadable("a tune without a key (K:), after which its notes would be")
        for voice in self.voices.values():
            voice.end_bar()
        voices = [voice for voice in self.voices.values() if voice.bars]
        if not voices or not self.n_notes:
            raise Unreadable("a tune without a note")
        if self.n_unknown > self.n_notes:
            raise Unreadable("a tune of more unknown signs than notes, which is no ABC")
        return voices

    def read(self, line: str) -> None:
        """Read a line."""
        if line.startswith(("%%begin", "%%end")):
            self.in_text = line.startswith("%%begin")
            return
        if line.startswith("%%"):
            self.directive("" if self.in_text else line[2:])
            return
        if self.in_text or self.is_over:
            return
        if not line.strip():
            self.is_over = self.in_music  # a tune ends with its first empty line
            return
        line = strip_comment(line)
        if match := _FIELD.match(line):
            self.field(match[1], match[2])
        elif self.in_music:
            self.music(line)

    def directive(self, text: str) -> None:
        """Read a directive, ``%%…`` or ``I:…``."""
        kind, *words = text.replace("=", " ", 1).split() or [""]  # "MIDI=program 40", too
        if kind == "MIDI":
            self.voice.apply_midi_directive(words)
        elif kind == "linebreak":
            self.breaks_at_exclamation_marks = "!" in words

    def field(self, kind: str, text: str) -> None:
        """Read a field, on a line of its own or inline."""
        voice, text = self.voice, text[:_MAX_FIELD_CHARACTERS]
        if kind == "K":
            if text.strip() or not self.in_music:
                voice.set_key(text)
            if not self.in_music:
                self.in_music = True
                self.end_header()
        elif kind == "M":
            voice.time_signature = parse_time_signature(text, voice.time_signature)
        elif kind == "L":
            voice.unit_length = parse_unit_length(text) or voice.unit_length
        elif kind == "Q":
            voice.next_bar["tempo_bpm"] = parse_tempo(text, voice.unit)
        elif kind == "V":
            self.enter_voice(text)
        elif kind == "I":
            self.directive(text)
        elif kind == "U":
            self.symbols |= parse_symbol_definition(text)
        elif kind == "P" and self.in_music:
            voice.next_bar["part"] = text.strip()[:1]
        elif kind == "P":
            self.parts = text.strip()

    def end_header(self) -> None:
        """End the header, which holds for every voice."""
        for voice in self.voices.values():
            voice.inherit(self.header)
        self.voice = next(iter(self.voices.values()), self.header)
        if not self.voices:
            self.voices[""] = self.header

    def enter_voice(self, text: str) -> None:
        """Begin or continue the voice of a V: field."""
        name = text.split(maxsplit=1)[0] if text.strip() else ""
        if name not in self.voices:
            if len(self.voices) >= _MAX_VOICES:
                raise Unreadable(f"a tune of more than {_MAX_VOICES} voices")
            default = self.voices.get("")
            if default is self.header and not default.bars and default.bar is None:
                del self.voices[""]  # it was there for a tune without voices
            self.voices[name] = _Voice(midi=self.header.midi)
            if self.in_music:
                self.voices[name].inherit(self.header)
        voice = self.voices[name]
        if match := _VOICE_NAME.search(text):
            voice.name = decode_text(match[1] or match[2] or "")
        voice.set_transposition(text)
        if self.in_music:
            self.voice = voice

    def music(self, line: str) -> None:
        """Read a line of music."""
        self.chord = None
        if self.breaks_at_exclamation_marks:
            line = line.replace("!", " ")
        for match in _TOKEN.finditer(line):
            kind, voice = match.lastgroup, self.voice
            if match["note"]:
                self.n_notes += 1
                note, length = voice.note(match)
                if self.chord is None:
                    voice.add([(note, length)], length)
                else:
                    self.chord.append((note, length))
            elif match["rest"]:
                voice.add_rest(match["rest"], _length(match["rest_length"]))
            elif match["bar"] or match["lone_ending"]:
                for note, length in self.chord or ():  # of a chord that is not closed
                    voice.add([(note, length)], length)
                self.chord = None
                voice.barline(match["bar"] or "|", match["ending"] or match["lone_ending"] or "")
            elif kind == "open":
                self.chord = []
            elif kind == "close":
                self.end_chord(_length(match["close"]))
            elif kind in {"tuplet", "into", "over"}:
                voice.begin_tuplet(match)
            else:
                self.sign(match)

    def end_chord(self, factor: Fraction) -> None:
        """Add the notes of a chord; the length behind its bracket multiplies theirs."""
        if self.chord:
            notes = [(note, length * factor) for note, length in self.chord]
            self.voice.add(notes, notes[0][1])
        self.chord = None

    def sign(self, match: re.Match[str]) -> None:
        """Read a token that is neither a note nor a barline."""
        kind, voice = match.lastgroup, self.voice
        if match["broken"]:
            voice.break_rhythm(match["broken"])
        elif kind == "tie" and self.chord:
            note, length = self.chord[-1]
            self.chord[-1] = replace(note, tied=True), length
        elif kind == "tie":
            voice.tie()
        elif kind == "overlay":
            voice.begin_overlay()
        elif kind == "field":
            self.field(match[0][1], match[0][3:].rstrip("]"))
        elif kind == "quoted":
            text = decode_text(match[0].strip('"'))
            if symbol := parse_chord_symbol(text):
                voice.chord_symbol = symbol
            else:
                voice.add_navigation(text.lstrip("^_<>@"))
        elif kind in {"decoration", "silent"}:
            name = self.symbols.get(match[0]) or match[0][1:-1]
            if words := JUMP_DECORATIONS.get(name.casefold()):
                voice.add_navigation(words)
        elif kind == "unknown":
            self.n_unknown += 1


# ---- playback order ----------------------------------------------------------------------

_PART: Final = re.compile(r"([A-Za-z])(\d*)|(\()|(\))(\d*)")


def _playback_order(bars: Sequence[_Bar], parts: str) -> PlaybackOrder:
    """Return the playback order of the bars.

    Parameters
    ----------
    bars : sequence of _Bar
    parts : str
        The order of the parts, "A(AB)2", or "" where they are played as written. It replaces
        D.C. and D.S.

    Raises
    ------
    Unreadable
        More bars would be played than can be.
    """
    begins = [n for n, bar in enumerate(bars) if bar.part] if parts else []
    if not begins:
        return play_order(_navigation_marks(bars, jumps=True))
    ends = [*begins[1:], len(bars)]
    sections = {bars[n].part: (n, end) for n, end in zip(begins, ends, strict=True)}
    order = [*_section(bars, 0, begins[0])]
    for name in _expand_parts(parts):
        if name in sections:
            order += _section(bars, *sections[name])
        if len(order) > MAX_BARS:
            raise Unreadable(f"a tune of more than {MAX_BARS} bars, repeats played")
    return PlaybackOrder(tuple(order))


def _section(bars: Sequence[_Bar], first: int, end: int) -> Iterator[int]:
    """Yield the bars of a part, repeats played."""
    marks = _navigation_marks(bars[first:end], jumps=False)
    yield from (first + n for n in play_order(marks).bars)


def _expand_parts(parts: str) -> Iterator[str]:
    """Yield the parts of ``A(AB)2C``, one after another."""
    stack: list[list[str]] = [[]]
    for match in _PART.finditer(parts):
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


def _navigation_marks(bars: Sequence[_Bar], *, jumps: bool) -> list[NavigationMarks]:
    """Return the repeats and, where asked for, jumps of bars.

    A repeat without a beginning begins at the last double barline, or after the last repeat.
    """
    marks = [bar.marks if jumps else bar.marks.without_jumps() for bar in bars]
    start, is_open = 0, False
    for n, bar in enumerate(bars):
        after_endings = bool(n and bars[n - 1].marks.endings and not bar.marks.endings)
        if bar.opens or after_endings or (bar.after_double and not is_open):
            start, is_open = n, bar.opens
        if bar.marks.closes:
            marks[start].opens = True
            if not bar.marks.endings:
                start, is_open = n + 1, False
    if jumps:
        place_coda_signs(marks, [(n, False) for n, bar in enumerate(bars) if bar.coda_sign])
    return marks


# ---- conversion --------------------------------------------------------------------------

_VELOCITY: Final = 80


def _written_score(tune: Tune, voices: Sequence[_Voice], parts: str) -> WrittenScore:
    """Return a tune as a written score, in units in which all its times are whole numbers.

    Time signatures and keys are those of the longest voice.
    """
    longest = max(voices, key=lambda voice: len(voice.bars))
    per_quarter = math.lcm(TICKS_PER_QUARTER, *(time.denominator for time in _times_of(voices)))
    written = []
    for index, voice in enumerate(voices):
        program = voice.midi_program(index)
        bars = [
            _written_bar(bar, per_quarter, is_drum=voice.is_drum, is_longest=voice is longest)
            for bar in voice.bars
        ]
        written.append(WrittenPart(clean(voice.name), program, program, bars))
    return WrittenScore(
        tune.title,
        tune.composer,
        per_quarter,
        written,
        [],
        _playback_order(longest.bars, parts),
        keeps_long_rests=True,
    )


def _times_of(voices: Iterable[_Voice]) -> Iterator[Fraction]:
    """Yield all times of voices, in quarters."""
    for bar in (bar for voice in voices for bar in voice.bars):
        yield bar.length
        yield from (onset for onset, _ in bar.chords)
        for note in bar.notes:
            yield note.onset
            yield note.duration


def _written_bar(bar: _Bar, per_quarter: int, *, is_drum: bool, is_longest: bool) -> WrittenBar:
    notes = [
        WrittenNote(
            int(note.onset * per_quarter),
            int((note.onset + note.duration) * per_quarter),
            note.pitch,
            _VELOCITY,
            drum=is_drum,
            tied_from=True,  # if a note of its pitch is tied to it
            tied_to=note.tied,
        )
        for note in bar.notes
    ]
    return WrittenBar(
        notes,
        int(bar.length * per_quarter),
        bar.time_signature if is_longest else None,
        tempos=[(0, bar.tempo_bpm)] if bar.tempo_bpm else [],
        keys=[(0, *bar.key)] if is_longest and -7 <= bar.key[0] <= 7 else [],
        chords=[(int(onset * per_quarter), symbol) for onset, symbol in bar.chords],
    )
