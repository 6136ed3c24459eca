"""Reading of MusicXML: from its elements to a written score, which is unfolded into a `Score`.

- A note begins where the ones before it in its part end; `backup` and `forward` move that point.
  A note of a chord begins with the last note before it, whatever stands between.
- Cue notes are silent. Grace notes have no time of their own, and are left out.
- Pitches are those that sound: transposing instruments are transposed.
- Notes without a pitch become drums.
- Repeats and jumps are merged over all parts.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final
from xml.etree import ElementTree as ET

from segue.errors import Unreadable
from segue.io.midi import MAX_NOTES
from segue.io.musicxml_elements import (
    Instruments,
    element_text,
    make_header,
    read_harmony,
    read_instruments,
    read_tree,
)
from segue.io.play_order import (
    CODA,
    MAX_BARS,
    SEGNO,
    Jump,
    NavigationMarks,
    NavigationText,
    place_coda_signs,
    read_navigation,
)
from segue.io.unfolding import (
    TICKS_PER_QUARTER,
    NotatedBar,
    NotatedNote,
    NotatedPart,
    NotatedScore,
    unfold,
)
from segue.records import Score, Syllabic
from segue.text import clean
from segue.theory.keys import LETTER_SEMITONES

# ---- repeats and jumps -------------------------------------------------------------------

_NUMBERS: Final = re.compile(r"(\d{1,3})\s*(?:[-–—]\s*(\d{1,3}))?")
_MAX_PASSES: Final = 999
_SIGNS: Final = {"segno": SEGNO, "coda": CODA}
#: Attributes of `sound` that are about repeats and jumps.
_SOUND_ATTRIBUTES: Final = frozenset(
    ["segno", "coda", "tocoda", "dalsegno", "dacapo", "fine", "forward-repeat"]
)


@dataclass(slots=True)
class _Ending:
    """An ending: its bars, and its passes by its number and by its printed text."""

    first: int
    last: int
    number: frozenset[int]
    text: frozenset[int]


@dataclass(slots=True)
class NavigationReader:
    """Collects the marks of a score while its parts are read, one after another.

    Attributes
    ----------
    marks : list of NavigationMarks
        Of each bar so far.
    """

    marks: list[NavigationMarks] = field(default_factory=list)
    endings: dict[int, _Ending] = field(default_factory=dict)  # by first bar
    open: _Ending | None = None
    signs: list[tuple[int, bool]] = field(default_factory=list)  # coda signs; at a bar's end?
    pending: list[tuple[int, str, str]] = field(default_factory=list)  # time, sign and label
    bar: int = -1
    number: int = 0  # of the last bar that has one

    def begin_part(self) -> None:
        """Start again at the first bar."""
        self.bar, self.number, self.open = -1, 0, None

    def begin_bar(self, number: str) -> None:
        """Begin the next bar."""
        self.bar += 1
        if self.bar == len(self.marks):
            self.marks.append(NavigationMarks())
        if number.isascii() and number.isdigit() and len(number) < 7:
            if int(number) <= 1 < self.number:
                before = self.marks[self.bar - 1]
                self.marks[self.bar].begins |= before.final
            self.number = int(number)

    def end_bar(self, reached: int) -> None:
        """End a bar: a sign at its very end stands at the start of the next one."""
        for at, sign, label in self.pending:
            is_at_end = 0 < reached <= at
            if sign == CODA and label == "?":
                self.signs.append((self.bar, is_at_end))
                continue
            mark = self._at(self.bar + is_at_end)
            if sign == SEGNO:
                mark.segno |= {label}
            else:
                mark.coda |= {label}
        self.pending.clear()

    def barline(self, element: ET.Element, *, is_first: bool) -> None:
        """Read a barline; `is_first` where no notes come before it in the bar."""
        side = element.get("location") or ("left" if is_first else "right")
        mark = self.marks[self.bar]
        after = mark if side == "left" else None  # the bar that begins at the barline
        ending = element.find("ending")
        if ending is not None:
            self._read_ending(ending, self.bar + (side == "right"), self.bar - (side == "left"))
        repeat = element.find("repeat")
        if repeat is not None and repeat.get("direction") == "forward":
            (after or self._at(self.bar + (side == "right"))).opens = True
        elif repeat is not None and repeat.get("direction") == "backward":
            times = _whole(repeat.get("times", ""))
            closed = self.marks[max(self.bar - (side == "left"), 0)]
            closed.closes = max(closed.closes, min(times, _MAX_PASSES), 2)
            closed.after_jump |= repeat.get("after-jump") == "yes"
        elif side == "right" and element.findtext("bar-style") == "light-heavy":
            mark.final = True
        for name, sign in _SIGNS.items():
            if element.find(name) is not None or element.get(name):
                label = element.get(name, "")
                at = 0 if side == "left" else 1 << 62
                self.pending.append((at, sign, label or ("?" if sign == CODA else "")))

    def direction(self, element: ET.Element, at: int) -> None:
        """Read the words and signs of a direction, and its `sound`."""
        texts = []
        for child in element.iter():
            if child.tag in _SIGNS:
                texts.append(_SIGNS[child.tag])
            elif child.tag in {"words", "rehearsal", "symbol"} and child.text:
                texts.append(child.text)
        text = read_navigation(" ".join(texts)) if texts else NavigationText()
        self._add(text, element.find("sound"), at)

    def sound(self, element: ET.Element, at: int) -> None:
        """Read a `sound` that stands by itself."""
        self._add(NavigationText(), element, at)

    def _add(self, text: NavigationText, sound: ET.Element | None, at: int) -> None:
        """Add the marks of a text and of a `sound`."""
        mark = self.marks[self.bar]
        items = () if sound is None else sound.items()
        attributes = {name: value for name, value in items if name in _SOUND_ATTRIBUTES and value}
        jump = text.jump
        if attributes.get("dacapo") == "yes":
            jump = replace(jump or Jump(), to_segno=False)
        elif "dalsegno" in attributes:
            jump = replace(jump or Jump(), to_segno=True, label=attributes["dalsegno"])
        if jump:
            mark.jump = _merge_jumps(mark.jump, jump)
        if "segno" in attributes or text.segno:
            self.pending.append((at, SEGNO, attributes.get("segno", "")))
        if "tocoda" in attributes or text.to_coda:
            mark.to_coda = attributes.get("tocoda", mark.to_coda or "")
        elif "coda" in attributes or (text.coda and not text.is_sign):
            self.pending.append((at, CODA, attributes.get("coda", "")))
        elif text.coda:
            self.pending.append((at, CODA, "?"))
        mark.fine |= text.fine or attributes.get("fine", "no") != "no"
        mark.opens |= attributes.get("forward-repeat") == "yes"

    def _read_ending(self, element: ET.Element, first: int, last: int) -> None:
        kind = element.get("type")
        if kind == "start":
            number, text = _passes(element.get("number", "")), _passes(element.text or "")
            self.open = self.endings.setdefault(
                first, _Ending(first, -1, number or text, text or number)
            )
        elif self.open and self.open.first <= last:
            self.open.last = max(self.open.last, last)
            self.open = None

    def _at(self, bar: int) -> NavigationMarks:
        """Return the marks of a bar; those after the last bar are dropped in the end."""
        while bar >= len(self.marks):
            self.marks.append(NavigationMarks())
        return self.marks[bar]

    def finished(self, count: int) -> list[NavigationMarks]:
        """Return the marks of all bars, given their number."""
        del self.marks[count:]
        for mark in self.marks:
            if mark.jump and not mark.jump.until and mark.to_coda is not None:
                # "D.C.", and "al Coda" in a text of its own
                mark.jump, mark.to_coda = replace(mark.jump, until="coda"), None
        self._place_endings()
        place_coda_signs(self.marks, self.signs)
        return self.marks

    def _place_endings(self) -> None:
        marks, endings = self.marks, [self.endings[n] for n in sorted(self.endings)]
        for ending, following in zip(endings, [*endings[1:], None], strict=False):
            end = min(following.first if following else len(marks), len(marks))
            if ending.last < ending.first:  # its end is not marked
                closing = (n for n in range(ending.first, end) if marks[n].closes)
                ending.last = next(closing, ending.first)
            ending.last = min(ending.last, end - 1)
        group: list[_Ending] = []
        for ending in endings:
            if group and ending.first != group[-1].last + 1:
                self._place_group(group)
                group = []
            group.append(ending)
        if group:
            self._place_group(group)

    def _place_group(self, group: list[_Ending]) -> None:
        """Give the bars of adjacent endings their passes: by number, else as printed.

        By the standard the number counts, unless it gives a pass to two endings, or the repeat has
        as many passes as the printed text.
        """
        numbers, texts = [ending.number for ending in group], [ending.text for ending in group]
        times = max(
            mark.closes for ending in group for mark in self.marks[ending.first : ending.last + 1]
        )
        by_text = _is_counted(texts) and (
            not _is_counted(numbers) or times == max(map(max, texts)) > max(map(max, numbers))
        )
        for ending, passes in zip(group, texts if by_text else numbers, strict=True):
            for mark in self.marks[ending.first : ending.last + 1]:
                mark.endings = passes


def _merge_jumps(first: Jump | None, second: Jump) -> Jump:
    """Merge two jumps at first bar: words have the end of the replay, a `sound` has the segno."""
    if first is None:
        return second
    return Jump(
        first.to_segno or second.to_segno,
        first.label or second.label,
        first.until or second.until,
        first.then_coda or second.then_coda,
        first.with_repeats or second.with_repeats,
    )


def _passes(text: str) -> frozenset[int]:
    """Parse the passes of an ending: "1, 3", "1-3", "1. 2."."""
    passes: set[int] = set()
    for first, last in _NUMBERS.findall(text):
        passes |= set(range(int(first), int(last or first) + 1))
    return frozenset(number for number in passes if 0 < number <= _MAX_PASSES)


def _is_counted(endings: list[frozenset[int]]) -> bool:
    """Return whether each pass, from the first on, has one ending."""
    passes = sorted(number for ending in endings for number in ending)
    return bool(passes) and all(endings) and passes == list(range(1, len(passes) + 1))


def _whole(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


# ---- scores ------------------------------------------------------------------------------

_MAX_BEATS: Final = 64
_MAX_DIVISIONS: Final = 1 << 24
_MAX_UNITS: Final = 1 << 40  # to the quarter
_MAX_QUARTERS: Final = 1 << 20  # of one note
_VELOCITY: Final = 80
_VELOCITY_PER_PERCENT: Final = 0.9  # of `dynamics`
#: Quarters of each note value.
_VALUES: Final = {
    "maxima": 32.0, "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0,
    "eighth": 0.5, "16th": 0.25, "32nd": 0.125, "64th": 0.0625, "128th": 0.03125,
    "256th": 0.015625, "512th": 0.0078125, "1024th": 0.00390625,
}  # fmt: skip
#: The pedal changes of each type of pedal mark: 1 for down, 0 for up.
_PEDALS: Final = {
    "start": (1,),
    "resume": (1,),
    "stop": (0,),
    "discontinue": (0,),
    "change": (0, 1),
}
#: Notations after which a phrase ends.
_PHRASE_END_SIGNS: Final = ("fermata", "articulations/breath-mark", "articulations/caesura")
_SYLLABICS: Final[tuple[Syllabic, ...]] = ("single", "begin", "middle", "end")
_MAX_VERSES: Final = 99
_RANGE: Final = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:(?:[-–—]|to|bis|à)\s*(\d+(?:[.,]\d+)?))?")


def read_music_xml(content: bytes) -> Score:
    """Read a MusicXML file.

    Parameters
    ----------
    content : bytes
        Plain, or compressed (.mxl).

    Returns
    -------
    Score
        As played: repeats, da capo and dal segno are followed.

    Raises
    ------
    Unreadable
        It is damaged, no MusicXML, unsafe, too large or without a note.
    """
    return unfold(read_notated_score(content))


def read_notated_score(content: bytes) -> NotatedScore:
    """Read a MusicXML file as notated; see `read_music_xml`."""
    root = read_tree(content)
    work, movement = root.findtext("work/work-title"), root.findtext("movement-title")
    creators = [
        creator.text or ""
        for creator in root.iterfind("identification/creator")
        if creator.get("type", "composer").lower() == "composer"
    ]
    header = make_header(work or "", movement or "", "".join(creators))
    listed = {part.get("id", ""): read_instruments(part) for part in root.iter("score-part")}
    notes = sum(1 for _ in root.iter("note"))
    if notes > MAX_NOTES:
        raise Unreadable(f"a score of more than {MAX_NOTES} notes")
    per_quarter = _units(root)
    marks = NavigationReader()
    parts = []
    for name, measures in _parts(root):
        instruments = listed.get(name, Instruments())
        if len(measures) > MAX_BARS:
            raise Unreadable(f"a score of more than {MAX_BARS} bars")
        parts.append(_PartReader(instruments, marks, per_quarter, measures).part)
    count = max((len(part.bars) for part in parts), default=0)
    return NotatedScore(header.title, header.composer, per_quarter, parts, marks.finished(count))


def check_time_signature(text: str) -> None:
    """Raise `Unreadable` for a time signature with a number above 64."""
    for number in re.findall(r"\d+", text):
        if len(number) > 3 or int(number) > _MAX_BEATS:
            raise Unreadable(f"a score in a metre of {number[:20]}, expected at most {_MAX_BEATS}")


def _parts(root: ET.Element) -> Iterator[tuple[str, list[ET.Element]]]:
    """Yield the parts of a score, partwise or timewise, and their measures."""
    if root.tag == "score-partwise":
        for part in root.iterfind("part"):
            yield part.get("id", ""), part.findall("measure")
        return
    parts: dict[str, list[ET.Element]] = {}
    for number, measure in enumerate(root.iterfind("measure")):
        for part in measure.iterfind("part"):
            bars = parts.setdefault(part.get("id", ""), [])
            bars += [ET.Element("measure") for _ in range(number - len(bars))]
            part.set("number", measure.get("number", ""))
            bars.append(part)
    yield from parts.items()


def _units(root: ET.Element) -> int:
    """Return the number of units to the quarter in which all onsets are whole numbers."""
    units = TICKS_PER_QUARTER
    for element in root.iter("divisions"):
        divisions = _decimal(element.text)
        if divisions == int(divisions) > 0:
            units = math.lcm(units, int(divisions))
        if units > _MAX_UNITS:
            return TICKS_PER_QUARTER << 16  # times are rounded
    return units


def _lyrics(note: ET.Element) -> Iterator[tuple[int, str, Syllabic]]:
    """Yield verse, text and place in the word of the syllables of a note."""
    for number, lyric in enumerate(note.iterfind("lyric"), start=1):
        texts = [(child.tag, clean(child.text or "")) for child in lyric]
        text = "".join("‿" if tag == "elision" else text for tag, text in texts
                       if tag in {"text", "elision"})  # fmt: skip
        syllabic = (lyric.findtext("syllabic") or "single").strip()
        verse = _whole(lyric.get("number", "")) or number
        if text.strip("‿ ") and verse <= _MAX_VERSES:
            kinds = [kind for kind in _SYLLABICS if kind == syllabic]
            yield verse, text.strip(), kinds[0] if kinds else "single"


class _PartReader:
    """Reads the bars of a part, one after another."""

    def __init__(
        self,
        instruments: Instruments,
        marks: NavigationReader,
        per_quarter: int,
        measures: list[ET.Element],
    ) -> None:
        self.instruments = instruments
        self.marks = marks
        self.per_quarter = per_quarter
        self.part = NotatedPart(instruments.name, instruments.program, instruments.kit)
        self.unit = per_quarter / _default_divisions(measures)  # of a division
        self.transposition: dict[str, int] = {}  # semitones by staff
        self.fifths = 0  # sharps between the written and the sounding key
        self.bar = NotatedBar()
        self.at = self.chord_at = 0
        self.slurs: dict[str, set[str]] = {}  # numbers of the open ones by voice
        marks.begin_part()
        for number, measure in enumerate(measures, start=1):
            try:
                self._measure(measure)
            except (ValueError, KeyError, OverflowError) as error:
                raise Unreadable(f"a damaged score: bar {number} has {error.args[0]}") from None

    def _measure(self, measure: ET.Element) -> None:
        self.bar = bar = NotatedBar()
        self.part.bars.append(bar)
        self.at = self.chord_at = 0
        self.marks.begin_bar(measure.get("number", ""))
        is_first = True
        for element in measure:
            kind = element.tag
            if kind == "note":
                self._note(element)
            elif kind == "backup":
                self.at = max(self.at - self._length(element), 0)
            elif kind == "forward":
                self.at += self._length(element)
                bar.reached = max(bar.reached, self.at)
            elif kind == "direction":
                self._direction(element)
            elif kind == "attributes":
                self._attributes(element)
            elif kind == "harmony":
                self._harmony(element)
            elif kind == "barline":
                self.marks.barline(element, is_first=is_first)
            elif kind == "sound":
                self._sound(element, self.at)
                self.marks.sound(element, self.at)
            is_first &= kind in {"attributes", "print", "barline"}
        bar.notes.sort(key=lambda note: note.on)
        self.marks.end_bar(bar.reached)

    # ---- notes -----------------------------------------------------------------------------

    def _note(self, element: ET.Element) -> None:
        children = {child.tag: child for child in element}
        if "grace" in children:
            return
        length = self._note_length(
            children, len(element.findall("dot")) if "dot" in children else 0
        )
        if "chord" in children:
            on = self.chord_at
        else:
            on = self.chord_at = self.at
            self.at += length
            self.bar.reached = max(self.bar.reached, self.at)
        if length <= 0 or "rest" in children or "cue" in children:
            return
        if "pitch" in children:
            key, is_drum = self._pitch(children["pitch"], children), False
        elif "unpitched" in children:
            instrument = children.get("instrument")
            name = None if instrument is None else instrument.get("id")
            key, is_drum = self.instruments.drum(name), True
        else:
            key, is_drum = -1, False
        if not 0 <= key <= 127:
            return
        note = NotatedNote(on, on + length, key, _VELOCITY, is_drum)
        self._performance(note, element)
        self._tie(note, element, children)
        if "notations" in children or any(self.slurs.values()):
            self._slur(note, element)
        note.lyrics = tuple(_lyrics(element)) if "lyric" in children else ()
        self.bar.notes.append(note)

    def _performance(self, note: NotatedNote, element: ET.Element) -> None:
        """Read how a note is played: its velocity, and the deviations from its notated times."""
        for name, value in element.items():
            if name == "dynamics":
                note.velocity = min(max(round(_decimal(value) * _VELOCITY_PER_PERCENT), 1), 127)
            elif name == "attack":
                note.attack = round(_decimal(value) * self.unit)
            elif name == "release":
                note.release = round(_decimal(value) * self.unit)

    def _tie(self, note: NotatedNote, element: ET.Element, children: dict[str, ET.Element]) -> None:
        """Set the ties of a note: the sounding ones, else the notated ones."""
        if "tie" in children:
            ties = element.iterfind("tie")
        elif "notations" in children:
            ties = children["notations"].iterfind("tied")
        else:
            return
        for tie in ties:
            kind = tie.get("type")
            note.tied_from |= kind in {"stop", "continue"}
            note.tied_to |= kind in {"start", "continue"}

    def _slur(self, note: NotatedNote, element: ET.Element) -> None:
        """Read the slurs that begin or end at a note, and signs that a phrase ends with it."""
        voice = (element.findtext("voice") or "").strip()
        own = self.slurs.setdefault(voice, set())
        note.slurred = bool(own) and element.find("chord") is None
        for slur in element.iterfind("notations/slur"):
            number = slur.get("number", "1")
            if slur.get("type") == "start":
                own.add(number)
            elif slur.get("type") == "stop":
                for open_slurs in self.slurs.values():
                    open_slurs.discard(number)
        note.phrase_end = any(
            element.find(f"notations/{sign}") is not None for sign in _PHRASE_END_SIGNS
        )

    def _note_length(self, children: dict[str, ET.Element], dots: int) -> int:
        """Return a note's duration in units, else that of its note value."""
        duration = children.get("duration")
        if duration is not None:
            return self._units_of(duration.text)
        kind = children.get("type")
        value = 0.0 if kind is None else _VALUES.get((kind.text or "").strip(), 0.0)
        tuplet = children.get("time-modification")
        if tuplet is not None:
            actual = _decimal(tuplet.findtext("actual-notes"))
            normal = _decimal(tuplet.findtext("normal-notes"))
            value *= normal / actual if actual >= 1 and normal >= 1 else 1
        return round(value * (2 - 0.5**dots) * self.per_quarter)

    def _pitch(self, pitch: ET.Element, children: dict[str, ET.Element]) -> int:
        """Return the sounding MIDI pitch."""
        step, octave = element_text(pitch, "step"), element_text(pitch, "octave")
        if step not in LETTER_SEMITONES or not re.fullmatch(r"-?\d{1,2}", octave, re.ASCII):
            raise ValueError(f"a note of pitch {clean(step)[:20]!r} {clean(octave)[:20]!r}")
        key = 12 * int(octave) + 12 + LETTER_SEMITONES[step]
        if alter := pitch.findtext("alter"):
            key += round(_decimal(alter))
        if self.transposition:
            staff = children.get("staff")
            number = "" if staff is None else (staff.text or "").strip()
            key += self.transposition.get(number, self.transposition.get("", 0))
        return key

    # ---- between the notes -----------------------------------------------------------------

    def _attributes(self, element: ET.Element) -> None:
        divisions = _decimal(element.findtext("divisions"))
        if 0 < divisions <= _MAX_DIVISIONS:
            self.unit = self.per_quarter / divisions
        for transpose in element.iterfind("transpose"):
            self._transpose(transpose)
        if (time := element.find("time")) is not None:
            self.bar.time_signature = _time_signature(time) or self.bar.time_signature
        if (key := element.find("key")) is not None:
            fifths = element_text(key, "fifths")
            if re.fullmatch(r"[+-]?\d{1,2}", fifths, re.ASCII):
                sharps = _within_keys(int(fifths) + self.fifths)
                minor = int(element_text(key, "mode") in {"minor", "aeolian"})
                if -7 <= int(fifths) <= 7:
                    self.bar.keys.append((self.at, sharps, minor))

    def _transpose(self, element: ET.Element) -> None:
        """Read a transposition; its diatonic steps may be missing."""
        steps = round(_decimal(element.findtext("chromatic")))
        octaves = round(_decimal(element.findtext("octave-change")))
        staff = element.get("number", "")
        self.transposition[staff] = steps + 12 * octaves
        diatonic = element.findtext("diatonic")
        # A fifth is seven semitones and four steps; a key has one sharp per fifth above C.
        self.fifths = 7 * steps - 12 * (round(steps * 7 / 12) if diatonic is None
                                        else round(_decimal(diatonic)))  # fmt: skip
        if not any(self.transposition.values()):
            self.transposition, self.fifths = {}, 0

    def _direction(self, element: ET.Element) -> None:
        at = self._place(element)
        sound = element.find("sound")
        has_tempo = sound is not None and self._sound(sound, at)
        has_words = False
        for kind in element.iterfind("direction-type"):
            for child in kind:
                if child.tag == "metronome":
                    bpm = 0.0 if has_tempo else _metronome(child)
                    if bpm and not any(when == at for when, _ in self.bar.tempos):
                        self.bar.tempos.append((at, bpm))
                elif child.tag == "pedal":
                    staff = element_text(element, "staff")
                    for state in _PEDALS.get(child.get("type", ""), ()):
                        self.bar.pedals.append((at, staff, state))
                elif child.tag in {"words", "rehearsal", "symbol", "segno", "coda"}:
                    has_words = True
        if has_words or sound is not None:
            self.marks.direction(element, self.at)

    def _harmony(self, element: ET.Element) -> None:
        """Read a chord symbol; of two at once, the first."""
        symbol, at = read_harmony(element), self._place(element)
        if symbol and not any(when == at for when, _ in self.bar.chords):
            self.bar.chords.append((at, symbol))

    def _sound(self, element: ET.Element, at: int) -> bool:
        """Read a playback tempo; return whether there is one."""
        bpm = _decimal(element.get("tempo"))
        if bpm > 0:
            self.bar.tempos.append((at, bpm))
        return bpm > 0

    # ---- times -----------------------------------------------------------------------------

    def _place(self, element: ET.Element) -> int:
        offset = element.findtext("offset")
        return self.at if offset is None else self.at + round(_decimal(offset) * self.unit)

    def _length(self, element: ET.Element) -> int:
        return self._units_of(element.findtext("duration"))

    def _units_of(self, text: str | None) -> int:
        """Return a duration in units."""
        try:
            units = round(float(text or 0) * self.unit)
        except (ValueError, OverflowError):
            units = -1
        if not 0 <= units <= _MAX_QUARTERS * self.per_quarter:
            raise ValueError(f"a duration of {clean(text or '')[:20]!r}")
        return units


def _default_divisions(measures: list[ET.Element]) -> float:
    """Return the divisions of a quarter by the first note with a note value, else 1."""
    for measure in measures[:4]:
        for note in measure.iterfind("note"):
            value = _VALUES.get(element_text(note, "type"))
            duration = _decimal(note.findtext("duration"))
            if value and duration > 0 and note.find("time-modification") is None:
                dots = len(note.findall("dot"))
                return duration / (value * (2 - 0.5**dots))
    return 1.0


def _time_signature(time: ET.Element) -> tuple[int, int] | None:
    """Return beats and unit; (0, 0) for unmeasured music, None for an invalid time signature."""
    if time.find("senza-misura") is not None:
        return 0, 0
    beats, units = time.findall("beats"), time.findall("beat-type")
    quarters, finest = 0.0, 0
    for several, unit in zip(beats, units, strict=False):
        check_time_signature(several.text or "")
        check_time_signature(unit.text or "")
        counted = sum(map(int, re.findall(r"\d+", several.text or "", re.ASCII)))
        denominator = (unit.text or "").strip()
        if not counted or denominator not in _UNITS:
            return None
        quarters += counted / int(denominator)
        finest = max(finest, int(denominator))
    count = round(quarters * finest)
    return (count, finest) if count and finest and count <= _MAX_SUMMED_BEATS else None


_MAX_SUMMED_BEATS: Final = 255
_UNITS: Final = frozenset(["1", "2", "4", "8", "16", "32", "64"])  # as in MIDI


def _within_keys(sharps: int) -> int:
    """Return a key signature with at most seven sharps or flats."""
    return (sharps + 5) % 12 - 5 if abs(sharps) > 7 else sharps


def _metronome(element: ET.Element) -> float:
    """Return the quarters a minute of a metronome mark; 0 without a tempo."""
    match = _RANGE.search(element.findtext("per-minute") or "")
    units = [child.tag for child in element if child.tag in {"beat-unit", "beat-unit-dot"}]
    value = _VALUES.get(element_text(element, "beat-unit"))
    if not match or not value or units.count("beat-unit") != 1:
        return 0.0
    numbers = [float(number.replace(",", ".")) for number in match.groups() if number]
    dotted = value * (2 - 0.5 ** units.count("beat-unit-dot"))
    return sum(numbers) / len(numbers) * dotted


def _decimal(text: str | None) -> float:
    """Return a number, 0 where it is missing, invalid or too large."""
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if abs(value) < 1e9 else 0.0
