"""ABC notation: the music of a tune, from characters to voices of bars.

What signs and words in an ABC tune say about the order of playing: ``!D.C.!``, ``"^Fine"``.

The music of an ABC tune: letters to voices of bars, as they are written.
"""

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from segue.errors import Unreadable
from segue.io.abc_fields import (
    SIGNS,
    STEPS,
    Note,
    Tune,
    Voice,
    Written,
    chord_of,
    endings_of,
    is_drum,
    key_of,
    octave_of,
    play_as,
    tempo_of,
    text_of,
    time_signature_of,
    transpose_of,
    unit_of,
    without_comment,
)
from segue.io.play_order import CODA, SEGNO, NavigationText, read_navigation

# --- abc jumps ---

#: Decorations that are about the order of playing, in the words of scores.
_JUMPS: Final = {
    "segno": SEGNO, "coda": CODA, "fine": "Fine", "dacoda": "To Coda", "dacapo": "D.C.",
    "d.c.": "D.C.", "d.s.": "D.S.", "d.c.alfine": "D.C. al Fine", "d.s.alfine": "D.S. al Fine",
    "d.c.alcoda": "D.C. al Coda", "d.s.alcoda": "D.S. al Coda",
}  # fmt: skip
#: Letters that stand for them unless a tune's U: field says otherwise (ABC 2.1, section 4.14).
SYMBOLS: Final = {"S": "segno", "O": "coda"}
_SYMBOL: Final = re.compile(r"\s*([H-Wh-w~])\s*=\s*([!+])([^!+]*)\2")


def symbols_of(text: str) -> dict[str, str]:
    """Read a U: field, ``W = !fine!``: the letter, and the decoration that it stands for."""
    found = _SYMBOL.match(text)
    return {found[1]: found[3].strip()} if found else {}


def hear(voice: Voice, text: str) -> None:
    """Keep what a text says about the order of playing, for the bar of the next symbol."""
    said = read_navigation(text)
    if said != NavigationText():
        voice.said.append(said)


def hear_decoration(voice: Voice, name: str) -> None:
    """Keep what a decoration says about the order of playing."""
    if text := _JUMPS.get(name.casefold()):
        hear(voice, text)


def note_down(voice: Voice, bar: Written) -> None:
    """Note down in a bar what was said."""
    for said in voice.said:
        marks = bar.marks
        marks.jump = said.jump or marks.jump
        marks.fine |= said.fine
        if said.segno:
            marks.segno |= {""}
        if said.to_coda:
            marks.to_coda = ""
        if said.coda and not said.is_sign:
            marks.coda |= {""}
        bar.coda_sign |= said.is_sign
    voice.said = []


# --- abc music ---

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
    | (?P<silent>[\s\\().~$*`yH-Wh-w!]) | (?P<strange>.)
    """,
    re.VERBOSE,
)
_LENGTH: Final = re.compile(r"(\d*)(/*)(\d*)")
_NAMED: Final = re.compile(r'\b(?:name|nm)\s*=\s*(?:"([^"]*)"|(\S+))')
#: How many notes of a tuplet take the time of how many; of the others it depends on the metre.
_TUPLETS: Final = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
_LONGEST_FIELD: Final = 1000
_MOST_DIGITS: Final = 4
_MOST_BARS: Final = 20_000
_MOST_VOICES: Final = 64


def voices_of(lines: Iterable[str]) -> Tune:
    """Read the music of a tune.

    Parameters
    ----------
    lines : iterable of str
        The whole tune, with its fields.

    Returns
    -------
    Tune
        Of voices that have bars, at least one.

    Raises
    ------
    Unreadable
        It has no key, which ends a tune's header; no note; or is no music.
    """
    reader = _Reader()
    for line in lines:
        reader.read(line)
    if not reader.in_music:
        raise Unreadable("a tune without a key (K:), after which its notes would be")
    for voice in reader.voices.values():
        _end_bar(voice)
    voices = [voice for voice in reader.voices.values() if voice.bars]
    if not voices or not reader.notes:
        raise Unreadable("a tune without a note")
    if reader.strange > reader.notes:
        raise Unreadable("a tune of more strange signs than notes, which is no ABC")
    return Tune(voices, reader.parts)


class _Reader:
    """Goes through a tune's lines; holds its voices, and which one is being read."""

    def __init__(self) -> None:
        self.voices: dict[str, Voice] = {}
        self.voice = self.header = Voice()
        self.parts = ""
        self.in_music = self.over = self.in_text = False
        self.notes = self.strange = 0
        self.breaks_by_mark = False  # lines, by "!"
        self.symbols = dict(SYMBOLS)

    def read(self, line: str) -> None:
        """Read a line."""
        if line.startswith(("%%begin", "%%end")):
            self.in_text = line.startswith("%%begin")
            return
        if line.startswith("%%"):
            self.directive("" if self.in_text else line[2:])
            return
        if self.in_text or self.over:
            return
        if not line.strip():
            self.over = self.in_music  # a tune ends with its first empty line
            return
        line = without_comment(line)
        if match := _FIELD.match(line):
            self.field(match[1], match[2])
        elif self.in_music:
            self.music(line)

    def directive(self, said: str) -> None:
        """Read what is said to programs: how to play, and what signs mean."""
        kind, *words = said.replace("=", " ", 1).split() or [""]  # "MIDI=program 40", too
        if kind == "MIDI":
            play_as(self.voice, words)
        elif kind == "linebreak":
            self.breaks_by_mark = "!" in words

    def field(self, kind: str, text: str) -> None:
        """Read a field, of a line or within one."""
        voice, text = self.voice, text[:_LONGEST_FIELD]
        if kind == "K":
            if text.strip() or not self.in_music:
                _set_key(voice, text)
            if not self.in_music:
                self.in_music = True
                self.enter_music()
        elif kind == "M":
            voice.time_signature = time_signature_of(text, voice.time_signature)
        elif kind == "L":
            voice.unit = unit_of(text) or voice.unit
        elif kind == "Q":
            voice.next_bar["tempo_bpm"] = tempo_of(text, _unit(voice))
        elif kind == "V":
            self.enter_voice(text)
        elif kind == "I":
            self.directive(text)
        elif kind == "U":
            self.symbols |= symbols_of(text)
        elif kind == "P":
            if self.in_music:
                voice.next_bar["part"] = text.strip()[:1]
            else:
                self.parts = text.strip()

    def enter_music(self) -> None:
        """End the header: what it says holds for every voice."""
        for voice in self.voices.values():
            _inherit(voice, self.header)
        self.voice = next(iter(self.voices.values()), self.header)
        if not self.voices:
            self.voices[""] = self.header

    def enter_voice(self, text: str) -> None:
        """Go on with a voice."""
        name = text.split(maxsplit=1)[0] if text.strip() else ""
        if name not in self.voices:
            if len(self.voices) >= _MOST_VOICES:
                raise Unreadable(f"a tune of more than {_MOST_VOICES} voices")
            only = self.voices.get("")
            if only is self.header and not only.bars and only.bar is None:
                del self.voices[""]  # it was there for a tune without voices
            voice = self.voices[name] = Voice(sounds=self.header.sounds)
            if self.in_music:
                _inherit(voice, self.header)
        voice = self.voices[name]
        if match := _NAMED.search(text):
            voice.name = text_of(match[1] or match[2] or "")
        _move(voice, text)
        if self.in_music:
            self.voice = voice

    def music(self, line: str) -> None:  # noqa: PLR0912  # a branch for each sign
        """Read a line of notes."""
        chord: list[tuple[Note, Fraction]] | None = None
        if self.breaks_by_mark:
            line = line.replace("!", " ")
        for match in _TOKEN.finditer(line):
            kind, voice = match.lastgroup, self.voice
            if match["note"]:
                self.notes += 1
                note, length = _note(voice, match)
                if chord is None:
                    _add(voice, [(note, length)], length)
                else:
                    chord.append((note, length))
            elif match["rest"]:
                _rest(voice, match["rest"], _length(match["rest_length"]))
            elif match["bar"] or match["lone_ending"]:
                for note, length in chord or ():  # of brackets that are not closed
                    _add(voice, [(note, length)], length)
                chord = None
                ending = match["ending"] or match["lone_ending"] or ""
                _bar_line(voice, match["bar"] or "|", ending)
            elif kind == "open":
                chord = []
            elif kind == "close":
                if chord:
                    stretch = _length(match["close"])
                    chord = [(note, length * stretch) for note, length in chord]
                    _add(voice, chord, chord[0][1])
                chord = None
            elif kind in {"tuplet", "into", "over"}:
                _tuplet(voice, match)
            elif match["broken"]:
                _broken(voice, match["broken"])
            elif kind == "tie":
                if chord:
                    chord[-1] = (_held(chord[-1][0]), chord[-1][1])
                else:
                    _tie(voice)
            elif kind == "overlay":
                _overlay(voice)
            elif kind == "field":
                self.field(match[0][1], match[0][3:].rstrip("]"))
            elif kind == "quoted":
                text = text_of(match[0].strip('"'))
                if symbol := chord_of(text):
                    voice.chord = symbol
                else:
                    hear(voice, text.lstrip("^_<>@"))
            elif kind in {"decoration", "silent"}:
                hear_decoration(voice, self.symbols.get(match[0]) or match[0][1:-1])
            elif kind == "strange":
                self.strange += 1


# ---- notes and bars ----------------------------------------------------------------------


def _note(voice: Voice, match: re.Match[str]) -> tuple[Note, Fraction]:
    """Return a note, of no place yet, and its length in units."""
    letter = match["note"].upper()
    octave = match["note"].islower() + match["octave"].count("'") - match["octave"].count(",")
    name = (letter, octave)
    if match["accidental"]:
        voice.altered[letter] = SIGNS[match["accidental"]]
    elif name in voice.held:  # a tie carries an accidental over the bar line
        return Note(voice.at, Fraction(0), voice.held[name], False, name), _length(match["length"])
    sign = voice.altered.get(letter, voice.signature.get(letter, 0))
    written = 60 + STEPS[letter] + 12 * octave + sign
    pitch = min(max(written + voice.shift, 0), 127)
    if is_drum(voice):
        pitch = voice.sounds.drum_map.get(written, pitch)
    return Note(voice.at, Fraction(0), pitch, False, name), _length(match["length"])


def _length(text: str) -> Fraction:
    match = _LENGTH.match(text)
    over, slashes, under = match.groups() if match else ("", "", "")
    if max(len(over), len(under), len(slashes)) > _MOST_DIGITS:
        raise Unreadable(f"a tune with a note of length {text[:20]}")
    if under:
        return Fraction(int(over or 1), max(int(under), 1))
    return Fraction(int(over or 1), 2 ** len(slashes))


def _unit(voice: Voice) -> Fraction:
    """Return the unit note length, as a part of a whole note."""
    beats, unit = voice.time_signature
    return voice.unit or Fraction(1, 16 if Fraction(beats, unit) < Fraction(3, 4) else 8)


def _add(voice: Voice, notes: list[tuple[Note, Fraction]], length: Fraction) -> None:
    """Put what sounds at once into the bar, and go on by its length."""
    bar = _current(voice)
    _name_chord(voice, bar)
    scale = 4 * _unit(voice) * voice.factor * voice.tuplet
    voice.held = {}
    for note, own in notes:
        if own > 0:
            bar.notes.append(Note(voice.at, own * scale, note.pitch, note.tied, note.name))
            if note.tied:
                voice.held[note.name] = note.pitch
    voice.last = sum(own > 0 for _, own in notes)
    voice.symbol = length * scale
    voice.at += voice.symbol
    bar.length = max(bar.length, voice.at)
    voice.factor = Fraction(1)
    voice.tuplet_left = max(voice.tuplet_left - 1, 0)
    if not voice.tuplet_left:
        voice.tuplet = Fraction(1)


def _rest(voice: Voice, kind: str, length: Fraction) -> None:
    if kind.islower():
        _add(voice, [], length)
        return
    for number in range(min(int(length), 999)):  # whole bars
        if number:
            _end_bar(voice)
        _name_chord(voice, _current(voice))
        _current(voice).length = voice.at = _current(voice).full


def _name_chord(voice: Voice, bar: Written) -> None:
    """Put the symbol that stood before a note or a rest where that begins."""
    if voice.chord:
        bar.chords.append((voice.at, voice.chord))
        voice.chord = ""


def _held(note: Note) -> Note:
    return Note(note.at, note.length, note.pitch, True, note.name)


def _tie(voice: Voice) -> None:
    if voice.bar and voice.last:
        voice.bar.notes[-voice.last :] = map(_held, voice.bar.notes[-voice.last :])
        voice.held = {note.name: note.pitch for note in voice.bar.notes[-voice.last :]}


def _broken(voice: Voice, signs: str) -> None:
    """Lengthen one symbol and shorten the other: ``a>b`` is a dotted, ``a<b`` the reverse."""
    short = Fraction(1, 2 ** len(signs))
    first, voice.factor = (2 - short, short) if signs[0] == ">" else (short, 2 - short)
    if not voice.bar or not voice.symbol:
        return
    grown = voice.symbol * (first - 1)
    voice.at += grown
    voice.symbol += grown
    if voice.last:
        voice.bar.notes[-voice.last :] = [
            Note(note.at, note.length * first, note.pitch, note.tied, note.name)
            for note in voice.bar.notes[-voice.last :]
        ]
    voice.bar.length = max(voice.reached, voice.at)


def _tuplet(voice: Voice, match: re.Match[str]) -> None:
    count = int(match["tuplet"])
    if count < 2:
        return
    compound = voice.time_signature[0] % 3 == 0 and voice.time_signature[0] > 3
    usual = _TUPLETS.get(count, 3 if compound else 2)
    into = int((match["into"] or "")[:2] or usual)
    voice.tuplet_left = int((match["over"] or "")[:2] or count)
    voice.tuplet = Fraction(max(into, 1), count) if voice.tuplet_left else Fraction(1)


def _overlay(voice: Voice) -> None:
    """Go back to the start of the bar, for a second line of notes in it."""
    if voice.bar:
        voice.reached = max(voice.reached, voice.at)
        voice.at = voice.symbol = Fraction(0)
        voice.last = 0
        voice.altered.clear()


def _current(voice: Voice) -> Written:
    """Return the bar that is being read; begin one where none is."""
    if voice.bar is None:
        voice.bar = Written(voice.time_signature, voice.key)
        voice.bar.marks.endings = voice.endings
        for name, value in voice.next_bar.items():
            setattr(voice.bar, name, value)
        voice.next_bar = {}
    note_down(voice, voice.bar)
    return voice.bar


def _end_bar(voice: Voice) -> None:
    if voice.said and (voice.bar or voice.bars):  # before a bar line: of the bar that it ends
        note_down(voice, voice.bar or voice.bars[-1])
    if voice.bar is not None:
        if len(voice.bars) >= _MOST_BARS:
            raise Unreadable(f"a tune of more than {_MOST_BARS} bars")
        voice.bars.append(voice.bar)
    voice.bar = None
    voice.at = voice.reached = voice.symbol = Fraction(0)
    voice.last = 0
    voice.altered.clear()


def _bar_line(voice: Voice, token: str, ending: str) -> None:
    """End a bar; note down what the line says of repeats."""
    signs = token.strip().replace("[|]", "") or "|"  # which is not shown
    if ending:
        signs = signs[: len(signs) - len(ending)].rstrip("[ \t") or "|"
    _end_bar(voice)
    left = len(signs) - len(signs.lstrip(":"))
    opens = signs.endswith(":")
    if "|" not in signs:  # "::" ends one repeat and begins the next
        left, opens = max(left // 2, 1), True
    if left and voice.bars:
        voice.bars[-1].marks.closes = left + 1
    double = any(kind in signs for kind in ("||", "|]", "[|"))
    if left or opens or double:
        voice.endings = frozenset()
    if opens:
        voice.next_bar["opens"] = True
    elif double:
        voice.next_bar["after_double"] = True
    if ending:
        voice.endings = endings_of(ending)


# ---- fields ------------------------------------------------------------------------------


def _inherit(voice: Voice, header: Voice) -> None:
    """Give a voice what the header says of all, where it says nothing itself."""
    if voice is not header:
        voice.time_signature, voice.unit, voice.key = header.time_signature, header.unit, header.key
        voice.signature = dict(header.signature)
        for name in ("octave", "transpose", "moved", "program", "channel"):
            if getattr(voice, name) is None:
                setattr(voice, name, getattr(header, name))
        voice.next_bar = dict(header.next_bar)


def _set_key(voice: Voice, text: str) -> None:
    """Set what each letter means from here on."""
    if key := key_of(text):
        voice.key, voice.signature = key
    _move(voice, text)


def _move(voice: Voice, text: str) -> None:
    """Set by how much a voice sounds higher than it is written, where the text tells."""
    octave, transpose = octave_of(text), transpose_of(text)
    voice.octave = voice.octave if octave is None else octave
    voice.transpose = voice.transpose if transpose is None else transpose
