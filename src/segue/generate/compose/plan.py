"""Plans of a composition: its sections, the chords of each bar, and which bar it repeats.

A plan has an entry for each bar that is generated. Steps and pitches are those of
`segue.generate.compose.tokens`, pitches as they sound.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from segue.errors import BadArgument
from segue.generate.compose.tokens import (
    STEPS_PER_QUARTER,
    TIME_SIGNATURES,
    Bar,
    Note,
    steps_per_bar,
)
from segue.theory import chord_charts
from segue.theory.chord_charts import Chart, parse_chart, parse_roman_numerals
from segue.theory.chords import Chord
from segue.theory.keys import key_correlations, spell_tonic

#: Penalty in nats of departing from notes that are given.
GIVEN: Final = 60.0
#: Weight of the root of a chord among its tones, and of the first and the last chord of a
#: progression among the others, where its key is estimated.
_ROOT_WEIGHT: Final = 2.0
_OUTER_WEIGHT: Final = 2.0
#: Number of bars of a section by default, and largest number of sections.
_SECTION_BARS: Final = 8
_MAX_SECTIONS: Final = 100
_SECTION: Final = re.compile(r"(?P<name>[^\W\d_][^,]*?)\s+(?P<bars>\d{1,5})")
_MISSING_COMMA: Final = re.compile(r"\d\s+\D")
_STEP: Final = STEPS_PER_QUARTER // chord_charts.STEPS_PER_QUARTER


class BarChord(NamedTuple):
    """A chord of a bar.

    Attributes
    ----------
    step : int
        Step of the bar at which it begins.
    root, bass : int
        Pitch classes; -1 for no chord.
    classes : frozenset of int
        Pitch classes of its tones, with the bass.
    name : str
        Chord symbol.
    """

    step: int
    root: int
    bass: int
    classes: frozenset[int]
    name: str = ""

    @classmethod
    def of(cls, chord: Chord, step: int) -> "BarChord":
        """Return a chord that begins at a step."""
        classes = frozenset(chord.classes) | ({chord.bass} if chord.root >= 0 else set())
        return cls(step, chord.root, chord.bass, classes, chord.name)

    def transpose(self, semitones: int) -> "BarChord":
        """Transpose the chord; its name remains."""
        if self.root < 0:
            return self
        root, bass = ((each + semitones) % 12 for each in (self.root, self.bass))
        classes = frozenset((each + semitones) % 12 for each in self.classes)
        return self._replace(root=root, bass=bass, classes=classes)


class PartPattern(NamedTuple):
    """What an instrument is to play in a bar, and the penalty in nats of departing from it."""

    instrument: int
    notes: tuple[Note, ...]
    penalty: float


@dataclass(frozen=True, slots=True)
class BarPlan:
    """What a bar is to be.

    Attributes
    ----------
    chords : tuple of BarChord
        By step; the harmony is open before the first.
    section : int
        Index of the first bar of its section.
    repeats : int, optional
        Index of the bar that it repeats, of a section of the same name.
    fill : bool
        Whether the drums lead into another section.
    opens : bool
        Whether it is the first bar of a section that follows another.
    ends : bool
        Whether the piece ends with it.
    level : float
        Dynamic level of its section: 0 for a verse, 1 for a chorus, -1 for an introduction.
    patterns : tuple of PartPattern
        What instruments are to play.
    """

    chords: tuple[BarChord, ...] = ()
    section: int = 0
    repeats: int | None = None
    fill: bool = False
    opens: bool = False
    ends: bool = False
    level: float = 0.0
    patterns: tuple[PartPattern, ...] = ()

    def transpose(self, semitones: int) -> "BarPlan":
        """Transpose the plan."""
        return replace(
            self,
            chords=tuple(chord.transpose(semitones) for chord in self.chords),
            patterns=tuple(
                pattern._replace(notes=Bar(0, 0, pattern.notes).transpose(semitones).notes)
                for pattern in self.patterns
            ),
        )

    def chord_at(self, step: int) -> BarChord | None:
        """Return the chord that holds at a step; None where the harmony is open."""
        return next((chord for chord in reversed(self.chords) if chord.step <= step), None)


#: Dynamic levels of sections by the first word of their names; 0 for all others.
_LEVELS: Final = {
    "intro": -1.0, "introduction": -1.0, "outro": -1.0, "ending": -1.0, "coda": -1.0,
    "breakdown": -1.0, "break": -1.0, "interlude": -0.5, "bridge": 0.5, "b": 0.5, "solo": 0.5,
    "pre-chorus": 0.5, "prechorus": 0.5, "build": 0.5, "chorus": 1.0, "refrain": 1.0, "hook": 1.0,
    "drop": 1.0, "c": 1.0,
}  # fmt: skip


#: A plan that leaves all open.
OPEN: Final = BarPlan()


#: Common progressions in major and in minor, a chord a bar: loops of four and eight bars that most
#: songs of POP909 (Wang et al. 2020) repeat, and some of textbooks.
_PROGRESSIONS: Final = (
    (
        "I vi IV V", "I vi ii V", "I V vi IV", "vi IV I V", "I iii IV V", "I IV vi V", "I IV ii V",
        "IV V iii vi", "ii V I vi", "IV I V vi", "I V vi iii IV I ii V", "I ii I V I V vi IV",
        "vi ii V I IV ii V I",
    ),
    (
        "i VI iv V", "i VII VI V", "i VI III VII i VI iv V", "i iv VII III", "i iv V i",
        "i VI VII i",
        "i III iv VI", "VI VII i v", "iv VII III VI", "i iv i V", "i iv VII III VI iv V i",
        "i VII i V III VII iv V",
    ),
)  # fmt: skip


class Section(NamedTuple):
    """A section of a piece: its name, and its length in bars."""

    name: str
    bars: int


def parse_form(form: str, bars: int | None) -> tuple[Section, ...]:
    """Return the sections of a form such as "AABA", all of the same length.

    Parameters
    ----------
    form : str
        A letter for each section.
    bars : int, optional
        Number of bars of the piece; by default eight for each section.

    Raises
    ------
    BadArgument
        There are other characters than letters, too many sections, or a number of bars that does
        not divide evenly.
    """
    names = "".join(form.split()).upper()
    if not names.isalpha():
        raise BadArgument(f"no form {form!r}; write a letter for each section, as AABA")
    length, rest = divmod(_SECTION_BARS * len(names) if bars is None else bars, len(names))
    if rest or not length:
        nearest = max(len(names) * round((bars or 0) / len(names)), len(names))
        raise BadArgument(
            f"{bars} bars do not divide into the {len(names)} sections of {form}; "
            f"write --bars {nearest}, or the length of each with --sections"
        )
    return _checked([Section(name, length) for name in names])


def parse_sections(text: str, bars: int | None) -> tuple[Section, ...]:
    """Return the sections of a text such as "intro 4, verse 8, chorus 8, verse 8".

    Parameters
    ----------
    text : str
        Names with numbers of bars, divided by commas.
    bars : int, optional
        Number of bars of the piece, for comparison.

    Raises
    ------
    BadArgument
        A section is not understood, or the bars do not add up.
    """
    sections = []
    spellings: dict[str, str] = {}  # "Verse" and "verse" are the same section
    for item in text.split(","):
        match = _SECTION.fullmatch(item.strip())
        if not match or not int(match["bars"]) or _MISSING_COMMA.search(match["name"]):
            raise BadArgument(
                f"no section {item.strip()!r}; write a name and a number of bars, as "
                '"intro 4, verse 8, chorus 8"'
            )
        name = " ".join(match["name"].split())
        name = spellings.setdefault(name.casefold(), name)
        sections.append(Section(name, int(match["bars"])))
    total = sum(section.bars for section in sections)
    if bars is not None and bars != total:
        raise BadArgument(f"the sections have {total} bars, not {bars}; leave --bars out")
    return _checked(sections)


def _checked(sections: Sequence[Section]) -> tuple[Section, ...]:
    if len(sections) > _MAX_SECTIONS:
        raise BadArgument(f"{len(sections)} sections; at most {_MAX_SECTIONS} can be generated")
    return tuple(sections)


def plan_bars(
    count: int,
    sections: Sequence[Section] = (),
    progressions: Mapping[str, Sequence[tuple[BarChord, ...]]] | None = None,
    *,
    ends: bool = False,
) -> list[BarPlan]:
    """Plan bars.

    Parameters
    ----------
    count : int
        Number of bars; that of all sections, where there are any.
    sections : sequence of Section
        Sections of a name are the same with small variations.
    progressions : mapping of str to sequence of tuple of BarChord, optional
        Chords of each bar by the name of the section, "" for all others; they are repeated, and
        begin again in each section.
    ends : bool
        Whether the last bar ends the piece.
    """
    plans: list[BarPlan] = []
    progressions = progressions or {}
    first_of: dict[str, tuple[int, int]] = {}  # first bar and length of the first of each name
    for section in sections or (Section("", count),):
        start = len(plans)
        progression = progressions.get(section.name, progressions.get("", ()))
        level = _LEVELS.get(section.name.casefold().split(" ")[0], 0.0)
        earlier, length = first_of.setdefault(section.name.casefold(), (start, section.bars))
        plans += [
            BarPlan(
                progression[bar % len(progression)] if progression else (),
                start,
                earlier + bar % length if start > earlier else None,
                fill=bar == section.bars - 1 and start + section.bars < count,
                opens=not bar and start > 0,
                ends=ends and start + bar == count - 1,
                level=level,
            )
            for bar in range(section.bars)
        ]
    return plans


def sample_progressions(
    key: int, names: Collection[str], rng: np.random.Generator
) -> dict[str, list[tuple[BarChord, ...]]]:
    """Return a common progression for each section name, different ones as far as possible.

    That of the first section begins with the tonic, so that the key is heard.

    Parameters
    ----------
    key : int
        Index of the key, from 0: C major, C minor, C♯ major … B minor.
    names : collection of str
    rng : numpy.random.Generator
    """
    known = list(rng.permutation(_PROGRESSIONS[key % 2]))
    first = next(each for each in known if each.split()[0] in ("I", "i"))
    known.remove(first)
    known.insert(0, first)
    return {
        section: numerals_in_key(known[index % len(known)], key)
        for index, section in enumerate(dict.fromkeys(names))
    }


def numerals_in_key(numerals: str, key: int) -> list[tuple[BarChord, ...]]:
    """Return the chords of a progression of Roman numerals, a bar each.

    Parameters
    ----------
    numerals : str
        As "ii V I".
    key : int
        Index of the key, from 0: C major, C minor, C♯ major … B minor.
    """
    is_minor = bool(key % 2)
    name = spell_tonic(key // 2, is_minor=is_minor)
    return chart_bars(parse_roman_numerals(numerals, f"{name}m" if is_minor else name))


def parse_chords(text: str, time_signature: int) -> list[tuple[BarChord, ...]]:
    """Return the chords of each bar of a progression; see `segue.theory.chord_charts`.

    Parameters
    ----------
    text : str
        Such as "Dm7 G7 | Cmaj7".
    time_signature : int
        Index in `tokens.TIME_SIGNATURES`.

    Raises
    ------
    BadArgument
        A word is no chord, or a bar has more chords than it has room for.
    """
    return chart_bars(parse_chart(text, TIME_SIGNATURES[time_signature]))


def chart_bars(chart: Chart) -> list[tuple[BarChord, ...]]:
    """Return the chords of each bar of a chord chart."""
    bars: list[list[BarChord]] = [[] for _ in range(chart.bars)]
    names = dict(zip(chart.chords[:, 0].tolist(), chart.names, strict=False))
    name = ""
    for start, root, bass, bits in chord_charts.split_at_barlines(chart).tolist():
        name = names.get(start, name)
        classes = frozenset(each for each in range(12) if bits >> each & 1)
        bar, step = divmod(start, chart.steps_per_bar)
        is_chord = root != chord_charts.NO_ROOT
        bars[bar].append(
            BarChord(
                step * _STEP,
                root if is_chord else -1,
                bass if is_chord else -1,
                classes | {bass} if is_chord else classes,
                name,
            )
        )
    return [tuple(bar) for bar in bars]


def estimate_chords_key(bars: Sequence[Sequence[BarChord]], time_signature: int) -> int:
    """Return the index of the key that a progression is in: C major, C minor, C♯ major and so on.

    The correlation of its tones, weighted by duration, with the key profiles; the first and the
    last chord count more.
    """
    chroma = np.zeros(12)
    sounding = [chord for bar in bars for chord in bar if chord.root >= 0]
    for bar in bars:
        ends = [chord.step for chord in bar[1:]] + [steps_per_bar(time_signature)]
        for chord, end in zip(bar, ends, strict=True):
            if chord.root < 0:
                continue
            is_outer = chord is sounding[0] or chord is sounding[-1]
            weight = (end - chord.step) * (_OUTER_WEIGHT if is_outer else 1.0)
            chroma[list(chord.classes)] += weight
            chroma[chord.root] += weight * (_ROOT_WEIGHT - 1)
    best = int(key_correlations(chroma.astype(np.float32)).argmax())
    return 2 * (best % 12) + best // 12
