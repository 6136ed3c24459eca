"""Writing of MusicXML 4.0, plain or compressed.

The writer is Segue's own: music21 would round note values in its own way, and writes no drums by
their pitch, no pedals between notes and no performance data. Differences between notated and played
times are in the note's `attack` and `release`, velocities in `dynamics`, as the standard has them,
so a score comes back as it was.
"""

import io
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Final
from xml.sax.saxutils import escape

import numpy as np

from segue import __version__
from segue.io.musicxml_elements import write_harmony
from segue.io.notation import (
    NoteHead,
    Staff,
    Symbol,
    beam_notes,
    divide_into_bars,
    key_changes,
    notate_part,
    without_empty_end,
)
from segue.io.note_values import QUARTER, Bar, NoteValue
from segue.io.staves import Clef, drum_position
from segue.io.unfolding import beat_duration
from segue.records import Part, Score, Syllable
from segue.text import clean
from segue.theory.instruments import DRUM_NAMES, PROGRAM_NAMES
from segue.theory.keys import MODES, spell_pitch

_CONTAINER: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<container><rootfiles><rootfile full-path="score.musicxml"'
    ' media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>\n'
)
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)  # fixed, so that equal scores give equal files
_FORTE: Final = Fraction(90, 100)  # the velocity of one per cent
_DRUM_CHANNEL: Final = 10
_SMALL_CHANGE: Final = 0.03  # of a tempo
_STACCATO: Final = "<articulations><staccato/></articulations>"


def write_music_xml(score: Score) -> bytes:
    """Write a score as MusicXML.

    Parameters
    ----------
    score : Score
        Where it has no key, notes are spelled and signed as in C major; see
        `segue.score.harmony.with_estimated_key`.

    Returns
    -------
    bytes
        `read_music_xml` gives the same notes, pedals, programs, tempos, bar lines and chord
        symbols, in ticks of 480 to the quarter; keys from the nearest bar line on. Of notes of one
        part and key that begin at once, the longest is written. Slurs are written in parts that
        have lyrics.

    Raises
    ------
    BadArgument
        The score has no notes, or more than 20,000 bars.
    """
    bars = divide_into_bars(score)
    staves = [notate_part(score, part, bars) for part in score.parts]
    bars = without_empty_end(bars, staves)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<score-partwise version="4.0">']
    lines += _header(score)
    for number, (part, part_staves) in enumerate(zip(score.parts, staves, strict=True), start=1):
        lines.append(f'<part id="P{number}">')
        lines += _part(score, part, number, bars, part_staves)
        lines.append("</part>")
    lines.append("</score-partwise>\n")
    return "\n".join(lines).encode()


def write_mxl(score: Score) -> bytes:
    """Write a score as compressed MusicXML; see `write_music_xml`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("META-INF/container.xml", _TIMESTAMP), _CONTAINER)
        member = zipfile.ZipInfo("score.musicxml", _TIMESTAMP)
        member.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(member, write_music_xml(score))
    return stream.getvalue()


def _header(score: Score) -> Iterator[str]:
    if title := _text(score.title):
        yield f"<work><work-title>{title}</work-title></work>"
    yield "<identification>"
    if composer := _text(score.composer):
        yield f'<creator type="composer">{composer}</creator>'
    yield f"<encoding><software>Segue {__version__}</software></encoding></identification>"
    yield "<part-list>"
    for number, part in enumerate(score.parts, start=1):
        yield f'<score-part id="P{number}"><part-name>{_text(_name(part))}</part-name>'
        yield from _instruments(part, number, len(score.parts))
        yield "</score-part>"
    yield "</part-list>"


def _instruments(part: Part, number: int, parts: int) -> Iterator[str]:
    """Yield the instruments of a part: its program, or each drum by itself."""
    drums = np.unique(part.notes[:, 2]).tolist() if part.is_drum else []
    names = {f"P{number}-I{drum + 1}": DRUM_NAMES.get(drum, f"drum {drum}") for drum in drums}
    if not part.is_drum:
        # music21 takes an instrument by its name, too: so it is the program's, not the part's.
        # And of a piano it takes any as the first.
        is_other_piano = 0 < part.program < 8
        names = {f"P{number}-I1": "" if is_other_piano else PROGRAM_NAMES[part.program]}
    for key, name in names.items():
        yield f'<score-instrument id="{key}"><instrument-name>{name}</instrument-name>'
        yield "</score-instrument>"
    channel = _DRUM_CHANNEL
    if not part.is_drum:
        channel = (number - 1) % 15 + 1 if parts > 1 else 1
        channel += channel >= _DRUM_CHANNEL
    for key, drum in zip_longest(names, drums):
        unpitched = "" if drum is None else f"<midi-unpitched>{drum + 1}</midi-unpitched>"
        yield (
            f'<midi-instrument id="{key}"><midi-channel>{channel}</midi-channel>'
            f"<midi-program>{part.program + 1}</midi-program>{unpitched}</midi-instrument>"
        )


# ---- bars --------------------------------------------------------------------------------


def _part(
    score: Score, part: Part, number: int, bars: Sequence[Bar], staves: Sequence[Staff]
) -> Iterator[str]:
    directions = _directions(score, part, bars, is_first=number == 1)
    sung = _Sung(score, part)
    keys = key_changes(score, bars)
    sharps = 0
    before: Bar | None = None
    for index, bar in enumerate(bars):
        yield f'<measure number="{index + 1}">'
        if index in keys:
            sharps = keys[index][0]
        yield from _attributes(part, staves, keys.get(index), bar, before)
        yield from directions[index]
        yield from _music(part, number, staves, index, bar, sharps, sung)
        if index == len(bars) - 1:  # in every part: MuseScore draws it where it is written
            yield '<barline location="right"><bar-style>light-heavy</bar-style></barline>'
        yield "</measure>"
        before = bar


def _attributes(
    part: Part, staves: Sequence[Staff], key: tuple[int, int] | None, bar: Bar, before: Bar | None
) -> Iterator[str]:
    elements = []
    if before is None:
        elements.append(f"<divisions>{QUARTER}</divisions>")
    if key:
        mode = MODES[min(max(key[1], 0), 1)]
        hidden = ' print-object="no"' if part.is_drum else ""
        elements.append(f"<key{hidden}><fifths>{key[0]}</fifths><mode>{mode}</mode></key>")
    if before is None or (bar.beats, bar.unit) != (before.beats, before.unit):
        elements.append(f"<time><beats>{bar.beats}</beats><beat-type>{bar.unit}</beat-type></time>")
    if before is None:
        if len(staves) > 1:
            elements.append(f"<staves>{len(staves)}</staves>")
        for number, staff in enumerate(staves, start=1):
            elements.append(f'<clef number="{number}">{_clef(staff.clef)}</clef>')
    if elements:
        yield f"<attributes>{''.join(elements)}</attributes>"


def _clef(clef: Clef) -> str:
    line = f"<line>{clef.line}</line>" if clef.line else ""
    octave = f"<clef-octave-change>{clef.octave}</clef-octave-change>" if clef.octave else ""
    return f"<sign>{clef.sign}</sign>{line}{octave}"


def _directions(
    score: Score, part: Part, bars: Sequence[Bar], *, is_first: bool
) -> list[list[str]]:
    """Return, for each bar, the tempos and chords (in the first part) and pedals in it."""
    directions: list[list[str]] = [[] for _ in bars]
    starts = [bar.start for bar in bars]

    def shifted(tick: float, number: int) -> str:
        offset = Fraction(tick) * QUARTER / score.ticks_per_quarter - starts[number]
        return f'<offset sound="yes">{_number(offset)}</offset>' if offset else ""

    def add_direction(tick: float, number: int, template: str) -> None:
        directions[number].append(template.format(shifted(tick, number)))

    def bar_of(tick: float) -> int:
        at = Fraction(tick) * QUARTER / score.ticks_per_quarter
        return max(bisect_right(starts, at) - 1, 0)

    tempos = score.tempos.tolist() if is_first else []
    if tempos and tempos[0][0] > 0:
        tempos.insert(0, [0.0, 120.0])  # readers take the first they find for the start
    first_onset = min(int(part.notes[:, 0].min()) for part in score.parts)
    shown = 0.0
    for (tick, bpm), following in zip(tempos, [*tempos[1:], None], strict=False):
        # One that nothing is played in, and one that differs little, sound but are not shown.
        is_over = following is not None and following[0] <= first_onset
        is_shown = not is_over and abs(bpm - shown) > _SMALL_CHANGE * shown
        shown = bpm if is_shown else shown
        bar = bar_of(tick)
        add_direction(tick, bar, _tempo(bpm, bars[bar], is_shown=is_shown))
    end = Fraction(starts[-1] + bars[-1].length) / QUARTER * score.ticks_per_quarter
    for tick, symbol in score.chords if is_first else ():
        if tick < end:
            directions[bar_of(tick)].append(write_harmony(symbol, shifted(tick, bar_of(tick))))
    is_down = False
    for tick, down in part.pedals.tolist():
        if bool(down) != is_down:
            is_down = bool(down)
            add_direction(tick, bar_of(tick), _PEDALS[is_down])
    if is_down:  # a line has to end
        add_direction(
            (starts[-1] + bars[-1].length) * score.ticks_per_quarter / QUARTER, -1, _PEDALS[False]
        )
    return directions


_PEDALS: Final = {
    is_down: (
        f'<direction placement="below"><direction-type><pedal type="{kind}" line="yes"/>'
        f'</direction-type>{{}}<staff>1</staff><sound damper-pedal="{damper}"/></direction>'
    )
    for is_down, kind, damper in ((True, "start", "yes"), (False, "stop", "no"))
}


def _tempo(bpm: float, bar: Bar, *, is_shown: bool) -> str:
    """Write a tempo by the beat of its bar; the displayed number alone is rounded."""
    if not is_shown:  # MuseScore draws a tempo that has no text
        return (
            "<direction><direction-type><words> </words></direction-type>"
            f'{{}}<sound tempo="{bpm:.6f}"/></direction>'
        )
    beat = beat_duration(bar.beats, bar.unit)
    per_minute = round(bpm / float(beat))
    dot = "<beat-unit-dot/>" if beat > 1 else ""
    return (
        '<direction placement="above"><direction-type><metronome>'
        f"<beat-unit>quarter</beat-unit>{dot}<per-minute>{per_minute}</per-minute></metronome>"
        f'</direction-type>{{}}<sound tempo="{bpm:.6f}"/></direction>'
    )


# ---- notes -------------------------------------------------------------------------------


class _Sung:
    """Lyrics and slurs of a part, by the onset of a note in ticks."""

    def __init__(self, score: Score, part: Part) -> None:
        self._ticks_per_quarter = score.ticks_per_quarter
        self._syllables: dict[int, list[Syllable]] = {}
        for syllable in part.syllables:
            self._syllables.setdefault(syllable.tick, []).append(syllable)
        slurred = {*part.slurred.tolist()} if part.syllables else set()
        onsets = np.unique(part.notes[:, 0]).tolist()
        following = [onset in slurred for onset in onsets[1:]] + [False]
        self._continued = {
            onset for onset, is_joined in zip(onsets, following, strict=True) if is_joined
        }
        self._slurred = slurred & {*onsets[1:]}

    def notations(self, symbol: Symbol, bar: Bar) -> str:
        """Return the slurs that begin or end at a symbol."""
        tick = self._tick(symbol, bar)
        is_from, is_to = tick in self._slurred, tick in self._continued
        kind = "" if is_from == is_to else "stop" if is_from else "start"
        return f'<slur type="{kind}"/>' if kind else ""

    def lyrics(self, symbol: Symbol, bar: Bar) -> str:
        """Return the syllables that begin at a symbol, a line after those of a melisma."""
        tick = self._tick(symbol, bar)
        return "".join(
            f'<lyric number="{syllable.verse}"><syllabic>{syllable.syllabic}</syllabic>'
            f"<text>{_text(syllable.text)}</text>"
            + "<extend/>" * (tick in self._continued and syllable.syllabic in {"single", "end"})
            + "</lyric>"
            for syllable in self._syllables.get(tick, ())
        )

    def _tick(self, symbol: Symbol, bar: Bar) -> int:
        """Return the onset of the notes that begin at a symbol, or -1."""
        head = symbol.heads[0]
        if head.tied_from:
            return -1
        onset = Fraction(bar.start + symbol.value.at, QUARTER) + head.attack
        return round(onset * self._ticks_per_quarter)


def _music(
    part: Part, number: int, staves: Sequence[Staff], index: int, bar: Bar, sharps: int, sung: _Sung
) -> Iterator[str]:
    at = 0
    for staff_number, staff in enumerate(staves, start=1):
        first_voice = 4 * staff_number - 3
        is_any = any(bars[index] for bars in staff.voices)
        for voice, bars in enumerate(staff.voices, start=first_voice):
            symbols = bars[index]
            is_second = voice > first_voice and bool(staff.voices[0][index])
            if not symbols and (voice > first_voice or is_any):
                continue  # a staff that is silent has one rest
            place = (
                f"<voice>{voice}</voice>",
                f"<staff>{staff_number}</staff>" if len(staves) > 1 else "",
            )
            beams = beam_notes(symbols, bar)
            shown = _shown(symbols, is_second=is_second, is_drum=part.is_drum)
            first = symbols[shown[0]].value.at if shown else 0
            yield from _move(first - at, place)
            at = first if shown else bar.length
            if not shown:
                yield (
                    f'<note><rest measure="yes"/><duration>{bar.length}</duration>'
                    f"{place[0]}{place[1]}</note>"
                )
            for n in shown:
                yield from _move(symbols[n].value.at - at, place)
                symbol = symbols[n]
                marks = "", ""
                if symbol.heads:
                    marks = sung.notations(symbol, bar), sung.lyrics(symbol, bar)
                yield from _symbol(part, number, symbol, place, sharps, beams[n], marks)
                at = symbols[n].value.at + symbols[n].value.length


def _shown(symbols: Sequence[Symbol], *, is_second: bool, is_drum: bool) -> list[int]:
    """Return the indices of the symbols of a bar that are shown.

    A second voice has rests between its notes, not before and after them, and in a tuplet; the
    feet of a drummer have none.
    """
    sounding = [n for n, symbol in enumerate(symbols) if symbol.heads]
    if not is_second:
        return list(range(len(symbols)))
    return [
        n
        for n, symbol in enumerate(symbols)
        if symbol.heads or symbol.value.tuplet or (not is_drum and sounding[0] < n < sounding[-1])
    ]


def _move(distance: int, place: tuple[str, str]) -> Iterator[str]:
    """Yield what moves the position in a bar."""
    if distance < 0:
        yield f"<backup><duration>{-distance}</duration></backup>"
    elif distance > 0:
        yield f"<forward><duration>{distance}</duration>{place[0]}{place[1]}</forward>"


def _symbol(
    part: Part,
    number: int,
    symbol: Symbol,
    place: tuple[str, str],
    sharps: int,
    beams: tuple[str, ...],
    sung: tuple[str, str],
) -> Iterator[str]:
    value = symbol.value
    duration = f"<duration>{value.length}</duration>"
    kind = f"<type>{value.kind}</type>{'<dot/>' * value.dots}" if value.kind else ""
    modified = ""
    if value.tuplet:
        modified = (
            f"<time-modification><actual-notes>{value.tuplet.actual}</actual-notes>"
            f"<normal-notes>{value.tuplet.normal}</normal-notes>"
            f"<normal-type>{value.tuplet.kind}</normal-type></time-modification>"
        )
    voice, staff = place
    if not symbol.heads:
        notations = _notations(value, None)
        yield f"<note><rest/>{duration}{voice}{kind}{modified}{staff}{notations}</note>"
        return
    joined = "".join(
        f'<beam number="{level}">{beam}</beam>' for level, beam in enumerate(beams, start=1)
    )
    for n, head in enumerate(symbol.heads):
        pitch, instrument, notehead = _pitch(part, number, head, sharps)
        ties = '<tie type="stop"/>' * head.tied_from + '<tie type="start"/>' * head.tied_to
        marks = "" if n else sung[0] + _STACCATO * symbol.is_staccato
        notations = _notations(None if n else value, head, marks)
        chord = "<chord/>" if n else ""
        beamed, lyrics = ("", "") if n else (joined, sung[1])
        yield (
            f"<note{_played(head)}>{chord}{pitch}{duration}{ties}{instrument}{voice}{kind}"
            f"{modified}{notehead}{staff}{beamed}{notations}{lyrics}</note>"
        )


def _played(head: NoteHead) -> str:
    """Return the attributes for velocity and for the deviation from the notated times."""
    attributes = f' dynamics="{_number(head.velocity / _FORTE)}"'
    for name, quarters in (("attack", head.attack), ("release", head.release)):
        if quarters:
            attributes += f' {name}="{_number(quarters * QUARTER)}"'
    return attributes


def _pitch(part: Part, number: int, head: NoteHead, sharps: int) -> tuple[str, str, str]:
    """Return the pitch element of a note head, its drum instrument and its shape."""
    if part.is_drum:
        position, shape = drum_position(head.pitch)
        return (
            f"<unpitched><display-step>{position[0]}</display-step>"
            f"<display-octave>{position[1]}</display-octave></unpitched>",
            f'<instrument id="P{number}-I{head.pitch + 1}"/>',
            f"<notehead>{shape}</notehead>" if shape else "",
        )
    letter, alteration, octave = spell_pitch(head.pitch, sharps)
    alter = f"<alter>{alteration}</alter>" if alteration else ""
    return f"<pitch><step>{letter}</step>{alter}<octave>{octave}</octave></pitch>", "", ""


def _notations(value: NoteValue | None, head: NoteHead | None, marks: str = "") -> str:
    elements = ""
    if head:
        elements += '<tied type="stop"/>' * head.tied_from + '<tied type="start"/>' * head.tied_to
    if value and value.tuplet:
        elements += '<tuplet type="start"/>' * value.tuplet.opens
        elements += '<tuplet type="stop"/>' * value.tuplet.closes
    elements += marks
    return f"<notations>{elements}</notations>" if elements else ""


def _number(value: Fraction) -> str:
    return f"{float(value):.6f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return escape(clean(text))


def _name(part: Part) -> str:
    program = "drums" if part.is_drum else PROGRAM_NAMES[part.program]
    return part.name or f"{program[0].upper()}{program[1:]}"
