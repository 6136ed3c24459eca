"""Reading of ABC notation: tune books of the ABC standard 2.1 (abcnotation.com/wiki).

symusic reads ABC by abc2midi, a program that it runs by a shell. That plays accompaniments nobody
wrote, opens other files at a tune's request (``%%abc-include``), and loses the barlines,
without which an anacrusis shifts all that follows; music21 takes some fifteen times as long. So
this reader is Segue's own, and is compared with both in `bench/score_reading.py`.

A tune is read token by token into voices of bars, with times as fractions of a quarter, and then
becomes a `NotatedScore`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from segue.errors import Unreadable
from segue.io.abc_elements import (
    DEFAULT_SYMBOLS,
    JUMP_DECORATIONS,
    Bar,
    Note,
    Voice,
    decode_text,
    join_continued_fields,
    parse_chord_symbol,
    parse_length,
    parse_symbol_definition,
    parse_tempo,
    parse_time_signature,
    parse_unit_length,
    strip_comment,
)
from segue.io.encodings import decode
from segue.io.play_order import (
    MAX_BARS,
    NavigationMarks,
    PlaybackOrder,
    place_coda_signs,
    play_order,
)
from segue.io.unfolding import (
    TICKS_PER_QUARTER,
    NotatedBar,
    NotatedNote,
    NotatedPart,
    NotatedScore,
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
    score = unfold(_notated_score(tune, reader.finished_voices(), reader.parts))
    return replace(score, genre=tune.genre)


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
    | (?P<tie>-) | (?P<overlay>&) | (?P<slur>[()])
    | (?P<silent>[\s\\.~$*`yH-Wh-w!]) | (?P<unknown>.)
    """,
    re.VERBOSE,
)
_VOICE_NAME: Final = re.compile(r'\b(?:name|nm)\s*=\s*(?:"([^"]*)"|(\S+))')
_MAX_FIELD_CHARACTERS: Final = 1000
_MAX_VOICES: Final = 64


class _TuneReader:
    """Reads the lines of a tune into its voices."""

    def __init__(self) -> None:
        self.voices: dict[str, Voice] = {}
        self.voice = self.header = Voice()
        self.parts = ""  # the order of the parts, "AABB"
        self.in_music = self.is_over = self.in_text = False
        self.n_notes = self.n_unknown = 0
        self.breaks_at_exclamation_marks = False  # "!" breaks a line of the printed music
        self.symbols = dict(DEFAULT_SYMBOLS)
        self.chord: list[tuple[Note, Fraction]] | None = None  # the notes since "["

    def finished_voices(self) -> list[Voice]:
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
            if not line.rstrip().endswith("\\"):
                self.voice.end_line()

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
            self.voices[name] = Voice(midi=self.header.midi)
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
                voice.add_rest(match["rest"], parse_length(match["rest_length"]))
            elif match["bar"] or match["lone_ending"]:
                for note, length in self.chord or ():  # of a chord that is not closed
                    voice.add([(note, length)], length)
                self.chord = None
                voice.barline(match["bar"] or "|", match["ending"] or match["lone_ending"] or "")
            elif kind == "open":
                self.chord = []
            elif kind == "close":
                self.end_chord(parse_length(match["close"]))
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
        elif kind == "slur":
            voice.slur(match[0])
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


def _playback_order(bars: Sequence[Bar], parts: str) -> PlaybackOrder:
    """Return the playback order of the bars.

    Parameters
    ----------
    bars : sequence of Bar
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


def _section(bars: Sequence[Bar], first: int, end: int) -> Iterator[int]:
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


def _navigation_marks(bars: Sequence[Bar], *, jumps: bool) -> list[NavigationMarks]:
    """Return the repeats and, if `jumps`, the jumps of bars.

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


def _notated_score(tune: Tune, voices: Sequence[Voice], parts: str) -> NotatedScore:
    """Return a tune as a written score, in units in which all its times are whole numbers.

    Time signatures and keys are those of the longest voice.
    """
    longest = max(voices, key=lambda voice: len(voice.bars))
    per_quarter = math.lcm(TICKS_PER_QUARTER, *(time.denominator for time in _times_of(voices)))
    written = []
    for index, voice in enumerate(voices):
        program = voice.midi_program(index)
        bars = [
            _notated_bar(bar, per_quarter, is_drum=voice.is_drum, is_longest=voice is longest)
            for bar in voice.bars
        ]
        written.append(NotatedPart(clean(voice.name), program, program, bars))
    return NotatedScore(
        tune.title,
        tune.composer,
        per_quarter,
        written,
        [],
        _playback_order(longest.bars, parts),
        keeps_long_rests=True,
    )


def _times_of(voices: Iterable[Voice]) -> Iterator[Fraction]:
    """Yield all times of voices, in quarters."""
    for bar in (bar for voice in voices for bar in voice.bars):
        yield bar.length
        yield from (onset for onset, _ in bar.chords)
        for note in bar.notes:
            yield note.onset
            yield note.duration


def _notated_bar(bar: Bar, per_quarter: int, *, is_drum: bool, is_longest: bool) -> NotatedBar:
    notes = [
        NotatedNote(
            int(note.onset * per_quarter),
            int((note.onset + note.duration) * per_quarter),
            note.pitch,
            _VELOCITY,
            drum=is_drum,
            tied_from=True,  # if a note of its pitch is tied to it
            tied_to=note.tied,
            slurred=note.slurred,
            phrase_end=note.line_end,
        )
        for note in bar.notes
    ]
    return NotatedBar(
        notes,
        int(bar.length * per_quarter),
        bar.time_signature if is_longest else None,
        tempos=[(0, bar.tempo_bpm)] if bar.tempo_bpm else [],
        keys=[(0, *bar.key)] if is_longest and -7 <= bar.key[0] <= 7 else [],
        chords=[(int(onset * per_quarter), symbol) for onset, symbol in bar.chords],
    )
