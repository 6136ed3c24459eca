"""A composition in progress: sampled bar by bar, with a report.

What a musician wants to know of bars that were written: who plays, what key, how it ends.

A composition while it is made: iterated bar by bar, and at any time a score with a report.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.evaluation.generated import (
    empty_bar_rate,
    groove_consistency,
    pitch_class_entropy,
    scale_consistency,
)
from segue.generate.compose.editing import add_part, put_in
from segue.generate.compose.known_bars import part_prints
from segue.generate.compose.options import Wishes
from segue.generate.compose.sampler import Writing
from segue.generate.compose.tokens import STEPS_PER_QUARTER, Bar, bars_on_grid, steps_of
from segue.io.notation import spelled
from segue.io.written_score import beat_of
from segue.records import Part, Score
from segue.score.harmony import NO_CHORD, chords, find_key, with_key
from segue.score.timing import Bars, bars, excerpt
from segue.score.timing import bars as bars_of
from segue.theory.chords import sharps_of, tonic_name
from segue.theory.instruments import DRUMS, instrument_name
from segue.theory.keys import MODES

if TYPE_CHECKING:
    from segue.generate.compose.model import Composer


# --- summary ---

#: Share of drum strokes in common with the bar before from which on a bar keeps its pattern.
_KEPT: Final = 0.75
#: A key is said to be one only where it is likelier than all others together.
_SURE: Final = 0.5


#: Names of parts that say nothing.
_NAMELESS: Final = re.compile(
    r"(untitled|unnamed|(midi[ -]?)?(track|channel|part|staff|instrument)|midi)?[ -]*#?\d*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PartSummary:
    """What a part plays.

    Attributes
    ----------
    name : str
        The part's, or its instrument's where that says nothing.
    bars : int
        In which it begins a note.
    lowest, highest : str
        As "C4", which is middle C; "" of drums, and of who is silent.
    """

    name: str
    bars: int
    lowest: str
    highest: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What some bars of a score are like.

    Attributes
    ----------
    bars : int
    parts : tuple of PartSummary
        All parts of the score.
    drum_bars : int
        Bars with drums that follow a bar with drums.
    drum_bars_kept : int
        Of these, how many keep the pattern of the bar before: three quarters of the strokes.
    key : str
        "D minor"; "" where none is clear.
    last_chord : str
        That it ends on, "Dm"; "" for none.
    ends_on_tonic : bool
    """

    bars: int
    parts: tuple[PartSummary, ...]
    drum_bars: int
    drum_bars_kept: int
    key: str
    last_chord: str
    ends_on_tonic: bool

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        playing = [part for part in self.parts if part.bars]
        told = [f"{self.bars} bars" if self.bars != 1 else "1 bar"]
        told.append(
            f"{len(playing)} of {len(self.parts)} parts play"
            if len(self.parts) > 1
            else "one part plays"
        )
        if self.drum_bars:
            told.append(
                f"the drums keep the pattern of the bar before in {self.drum_bars_kept} of "
                f"{self.drum_bars}"
            )
        told.append(f"in {self.key}" if self.key else "in no clear key")
        if self.last_chord:
            tonic = ", the tonic" if self.ends_on_tonic else ""
            told.append(f"ends on {self.last_chord}{tonic}")
        return ", ".join(told)


def summary_of(score: Score, first: int, last: int) -> Summary:
    """Sum up some bars of a score.

    Parameters
    ----------
    score : Score
    first, last : int
        From 0; the last one is not counted.

    Returns
    -------
    Summary
    """
    divided, count = bars(score), last - first
    last = max(min(last, len(divided)), first)  # silence at the end is no bar of the score
    some = excerpt(score, min(first, len(divided)), last - first)
    drum_bars, kept = _drums(score, divided, first, last)
    key = find_key(some)
    clear = key.confidence > _SURE
    is_minor = key.mode == MODES[1]
    signed = _sharps_at(score, int(divided.at[min(first, len(divided) - 1)])) if divided else 0
    sharps = sharps_of(key.tonic, is_minor=is_minor, near=signed) if clear else signed
    tonic = tonic_name(key.tonic, is_minor=is_minor, near=signed)
    named = [chord for chord in chords(some) if chord.name != NO_CHORD] if some.parts else []
    final = named[-1] if named and named[-1].bar == count - 1 else None
    return Summary(
        count,
        tuple(
            _part(part, name, divided.of(part.notes[:, 0]), (first, last), sharps)
            for part, name in zip(score.parts, _names(score.parts), strict=True)
        ),
        drum_bars,
        kept,
        f"{tonic} {key.mode}" if clear else "",
        final.name if final else "",
        ends_on_tonic=bool(clear and final and final.root == key.tonic),
    )


def _sharps_at(score: Score, tick: int) -> int:
    """Return the sharps of the key signature that holds at a tick; 0 where there is none."""
    signed = score.keys[score.keys[:, 0] <= tick] if len(score.keys) else score.keys
    return int(signed[-1, 1]) if len(signed) else 0


def _names(parts: Sequence[Part]) -> list[str]:
    """Name parts; those of one name, such as the title, are told apart by their instruments."""
    names = [part.name.strip() for part in parts]
    names = ["" if _NAMELESS.fullmatch(name) else name for name in names]
    played = [instrument_name(DRUMS if part.is_drum else part.program) for part in parts]
    return [
        f"{name} ({instrument})" if name and names.count(name) > 1 else name or instrument
        for name, instrument in zip(names, played, strict=True)
    ]


def _part(
    part: Part, name: str, bar: NDArray[np.int64], span: tuple[int, int], sharps: int
) -> PartSummary:
    inside = (bar >= span[0]) & (bar < span[1])
    here = part.notes[inside]
    pitched = len(here) and not part.is_drum
    return PartSummary(
        name,
        len(np.unique(bar[inside])),
        _pitch_name(int(here[:, 2].min()), sharps) if pitched else "",
        _pitch_name(int(here[:, 2].max()), sharps) if pitched else "",
    )


def _pitch_name(pitch: int, sharps: int) -> str:
    letter, alteration, octave = spelled(pitch, sharps)
    return f"{letter}{'#' * alteration or 'b' * -alteration}{octave}"


def _drums(score: Score, divided: Bars, first: int, last: int) -> tuple[int, int]:
    """Return how many bars of drums follow one, and how many of these keep its pattern."""
    found: dict[int, set[tuple[int, int]]] = {}
    sixteenth = score.ticks_per_quarter / 4
    for part in score.parts:
        if part.is_drum:
            bar = divided.of(part.notes[:, 0])
            step = np.rint((part.notes[:, 0] - divided.at[bar]) / sixteenth).astype(int)
            strokes = zip(bar.tolist(), step.tolist(), part.notes[:, 2].tolist(), strict=True)
            for number, at, pitch in strokes:
                found.setdefault(number, set()).add((at, pitch))
    pairs = [(found[n - 1], found[n]) for n in range(max(first, 1), last) if {n - 1, n} <= {*found}]
    kept = sum(len(one & other) >= _KEPT * len(one | other) for one, other in pairs)
    return len(pairs), kept


# --- making ---


@dataclass(eq=False)
class Composition:
    """A composition; iterate it to write it.

    Attributes
    ----------
    composer : Composer
    wishes : Wishes
    bars : int
        How many to write; of a part to be added, or of bars to be filled in, as many as there are.
    prompt : Score, optional
        What is gone on with, filled in, or added to.
    infill : (int, int), optional
        First and last bar to be written anew, from 1, both included.
    added : int, optional
        The instrument whose part is to be added.
    written : list of Bar
        What is written so far.

    Raises
    ------
    BadArgument
        The wishes do not go together, or the prompt cannot be gone on with.
    """

    composer: "Composer"
    wishes: Wishes
    bars: int = 16
    prompt: Score | None = None
    infill: tuple[int, int] | None = None
    added: int | None = None
    written: list[Bar] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.prompt is None and (self.infill or self.added is not None):
            raise BadArgument("--infill and --add need a score to work on; name one")
        if self.infill and self.added is not None:
            raise BadArgument("--infill and --add at once; do one after the other")
        timed = self.wishes.metre is not None or self.wishes.tempo is not None
        if timed and (self.infill or self.added is not None):
            raise BadArgument(
                "time signature and tempo are those of the score; leave --time-signature and "
                "--tempo out"
            )
        self._before = bars_on_grid(self.prompt) if self.prompt else []
        if self.infill:
            first, last = self.infill
            if not 1 <= first <= last <= len(self._before):
                raise BadArgument(
                    f"bars {first} to {last} cannot be filled in; the score has "
                    f"{len(self._before)} bars, counted from 1"
                )
            self.bars = last - first + 1
        if self.added is not None:
            self.bars = len(self._before)
        self._writing = Writing(self.composer, self._completed())

    def __iter__(self) -> Iterator[Bar]:
        if self.infill:
            bars = self._writing.fill(self._before, self.infill[0] - 1, self.infill[1])
        elif self.added is not None:
            bars = self._writing.add(self._before, self.added, self._roots())
        else:
            bars = self._writing.go_on(self.bars, self._before)
        for bar in bars:
            self.written.append(bar)
            yield bar

    @property
    def score(self) -> Score:
        """The prompt with what is written so far.

        Raises
        ------
        BadArgument
            There is no note yet.
        """
        parts = Counter(self.wishes.instruments or ())
        if self.prompt is None:
            return self._as_asked(put_in(None, self.written, 0, 0, parts), 0)
        if self.infill:
            first = self.infill[0] - 1
            return put_in(self.prompt, self.written, first, first + len(self.written))
        if self.added is not None:
            return add_part(self.prompt, self.written)
        behind = min(len(self._before), len(bars_of(self.prompt)))
        return self._as_asked(put_in(self.prompt, self.written, behind, behind, parts), behind)

    def _as_asked(self, score: Score, first: int) -> Score:
        """Say the tempo and the key from a bar on, of what is written."""
        divided = bars_of(score)
        if first >= len(divided):  # nothing is written yet
            return score
        return self._at_tempo(self._in_key(score, int(divided.at[first])), divided, first)

    def _in_key(self, score: Score, start: int) -> Score:
        """Say the key that was asked for: the notes alone may fit another as well."""
        if self.wishes.key is None:
            return score
        before = [] if self.prompt is None else with_key(self.prompt).keys.tolist()
        tonic, minor = divmod(self.wishes.key, 2)
        rows = [row for row in before if row[0] < start]
        rows.append([start, sharps_of(tonic, is_minor=bool(minor)), minor])
        return replace(score, keys=np.array(rows, np.int32))

    def _at_tempo(self, score: Score, divided: Bars, first: int) -> Score:
        """Say tempos from a bar on in whole beats a minute, and exactly the one asked for."""
        start, asked = int(divided.at[first]), self.wishes.tempo
        rows = [row for row in score.tempos.tolist() if row[0] < start]
        new = [row for row in score.tempos.tolist() if row[0] >= start]
        if asked is not None:
            new = [[float(start), 0.0]]
        for tick, bpm in new:
            bar = int(divided.of(np.array([tick]))[0])
            beat = float(beat_of(int(divided.beats[bar]), int(divided.units[bar])))
            exact = (round(bpm / beat) if asked is None else asked) * beat
            if not rows or rows[-1][1] != exact:
                rows.append([tick, exact])
        return replace(score, tempos=np.array(rows, np.float64).reshape(-1, 2))

    def _roots(self) -> list[list[tuple[int, int]]]:
        """Return, for each bar, from which step on which pitch class is the root of a chord."""
        if self.prompt is None:
            return []
        starts = bars_of(self.prompt).at
        found: list[list[tuple[int, int]]] = [[] for _ in starts[:-1]]
        for chord in chords(self.prompt):
            ticks = chord.start - int(starts[chord.bar])
            step = round(ticks * STEPS_PER_QUARTER / self.prompt.ticks_per_quarter)
            found[chord.bar].append((step, chord.root))
        return found

    @property
    def report(self) -> dict[str, Any]:
        """What is written, in figures; and what would write it again."""
        known = self.composer.known
        shared = known.longest(part_prints(self.written))
        longest = {
            "bars": shared.bars,
            "piece": shared.piece,
            "last_bar": shared.end + 1 + self._offset if shared.bars else None,
            "instrument": instrument_name(shared.instrument) if shared.bars else "",
        }
        wishes = asdict(self._writing.wishes)
        told = summary_of(self.score, self._offset, self._offset + len(self.written))
        return {
            "bars": len(self.written),
            "summary": asdict(told) | {"sentence": told.sentence},
            "longest_passage_shared": longest,
            "pieces_learned_from": len(known.names),
            "bars_rejected": self._writing.rejected,
            "statistics": statistics(self.written),
            "to_reproduce": {
                **wishes,
                "infill": self.infill,
                "added": self.added,
                "segue": version("segue"),
                "torch": version("torch"),
                "model": self.composer.fingerprint,
                "precision": self._writing.precision,
            },
        }

    @property
    def _offset(self) -> int:
        """Bars before the first one written."""
        if self.infill:
            return self.infill[0] - 1
        return 0 if self.added is not None else len(self._before)

    def _completed(self) -> Wishes:
        """Take from the prompt what was not wished otherwise."""
        if self.prompt is None or self.wishes.key is not None:
            return self.wishes
        key = find_key(self.prompt)
        return replace(self.wishes, key=2 * key.tonic + (key.mode == "minor"))


def statistics(bars: Sequence[Bar]) -> dict[str, float | None]:
    """Measure bars as generated music is measured; see `segue.evaluation.generated`.

    Returns
    -------
    dict
        "pitch_class_entropy" (bits), "scale_consistency", "groove_consistency",
        "empty_bar_rate" and "notes_per_bar"; None where it has no value. Grooves are compared
        between bars of the metre that most of them have; drums have no pitch.
    """
    pitch = np.array([n.pitch for bar in bars for n in bar.notes if n.instrument != DRUMS], int)
    starts = np.cumsum([0, *(steps_of(bar.metre) for bar in bars)])
    spans = [
        (place, int(np.searchsorted(starts, starts[place] + n.onset + n.length, side="left")) - 1)
        for place, bar in enumerate(bars)
        for n in bar.notes
    ]
    first, last = np.array(spans, int).reshape(-1, 2).T
    metres = [bar.metre for bar in bars]
    usual = max(set(metres), key=metres.count)
    alike = [bar for bar in bars if bar.metre == usual]
    onsets = np.zeros((len(alike), steps_of(usual)), np.bool_)
    for row, bar in zip(onsets, alike, strict=True):
        row[[note.onset for note in bar.notes]] = True
    found = {
        "pitch_class_entropy": pitch_class_entropy(pitch),
        "scale_consistency": scale_consistency(pitch),
        "groove_consistency": groove_consistency(onsets),
        "empty_bar_rate": empty_bar_rate(first, last.clip(max=len(bars) - 1), len(bars)),
        "notes_per_bar": sum(len(bar.notes) for bar in bars) / len(bars),
    }
    return {name: None if np.isnan(value) else float(value) for name, value in found.items()}
