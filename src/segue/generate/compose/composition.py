"""A composition in progress: generated bar by bar, with a summary, statistics and a report."""

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
from segue.generate.compose.biases import chord_fit
from segue.generate.compose.critic import Critic
from segue.generate.compose.editing import add_part, insert_bars
from segue.generate.compose.humanise import shape_dynamics
from segue.generate.compose.locks import parse_locks
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.plan import BarChord, BarPlan
from segue.generate.compose.planning import (
    Arrangement,
    check_arrangement,
    key_index,
    plan_arrangement,
    plan_motif,
    plan_new_bars,
)
from segue.generate.compose.sampler import BarSampler
from segue.generate.compose.tokens import (
    STEPS_PER_QUARTER,
    Bar,
    read_instruments,
    score_to_bars,
    steps_per_bar,
)
from segue.generate.copying import fingerprint_parts, longest_shared_bars
from segue.io.unfolding import beat_duration
from segue.records import Part, Score
from segue.score.harmony import NO_CHORD, estimate_chords, estimate_key, with_estimated_key
from segue.score.timing import BarGrid, bar_grid, excerpt
from segue.theory.chords import parse_chord
from segue.theory.instruments import DRUMS, instrument_name, is_bass
from segue.theory.keys import MODES, key_signature, spell_pitch, spell_tonic

if TYPE_CHECKING:
    from segue.generate.compose.model import Composer


_DEFAULT_BARS: Final = 16
#: Jaccard similarity of the onsets of two bars from which on they have the same drum pattern.
_SAME_PATTERN: Final = 0.75
#: Probability from which on a key is reported.
_MIN_KEY_CONFIDENCE: Final = 0.5
#: Uninformative names of parts.
_GENERIC_NAME: Final = re.compile(
    r"(untitled|unnamed|(midi[ -]?)?(track|channel|part|staff|instrument)|midi)?[ -]*#?\d*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PartSummary:
    """What a part plays.

    Attributes
    ----------
    name : str
        Name of the part, or of its instrument where that is generic.
    bars : int
        Number of bars with an onset.
    lowest, highest : str
        Pitches such as "C4" (middle C); "" of drums and of silent parts.
    """

    name: str
    bars: int
    lowest: str
    highest: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Musical summary of a range of bars.

    Attributes
    ----------
    bars : int
        Number of bars.
    parts : tuple of PartSummary
        All parts of the score.
    drum_bars : int
        Number of bars with drums that follow a bar with drums.
    drum_bars_kept : int
        Number of these that keep the pattern of the bar before.
    key : str
        Key such as "D minor"; "" where none is clear.
    last_chord : str
        Chord of the last bar, such as "Dm"; "" for none.
    ends_on_tonic : bool
        Whether the last chord is on the tonic.
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
        """The summary in a line."""
        playing = [part for part in self.parts if part.bars]
        phrases = [f"{self.bars} bars" if self.bars != 1 else "1 bar"]
        phrases.append(
            f"{len(playing)} of {len(self.parts)} parts play"
            if len(self.parts) > 1
            else "one part plays"
        )
        if self.drum_bars:
            phrases.append(
                f"the drums keep the pattern of the bar before in {self.drum_bars_kept} of "
                f"{self.drum_bars}"
            )
        phrases.append(f"in {self.key}" if self.key else "in no clear key")
        if self.last_chord:
            tonic = ", the tonic" if self.ends_on_tonic else ""
            phrases.append(f"ends on {self.last_chord}{tonic}")
        return ", ".join(phrases)


def summarize(score: Score, first: int, last: int) -> Summary:
    """Summarise the bars of a score from index `first` to before `last`."""
    grid, count = bar_grid(score), last - first
    last = max(min(last, len(grid)), first)  # silence at the end has no bars
    selection = excerpt(score, min(first, len(grid)), last - first)
    drum_bars, drum_bars_kept = _drum_patterns(score, grid, first, last)
    key = estimate_key(selection)
    is_clear = key.confidence > _MIN_KEY_CONFIDENCE
    is_minor = key.mode == MODES[1]
    signature = _sharps_at(score, int(grid.edges[min(first, len(grid) - 1)])) if grid else 0
    sharps = key_signature(key.tonic, is_minor=is_minor, near=signature) if is_clear else signature
    tonic = spell_tonic(key.tonic, is_minor=is_minor, near=signature)
    sequence = estimate_chords(selection) if selection.parts else []
    named = [chord for chord in sequence if chord.name != NO_CHORD]
    final = named[-1] if named and named[-1].bar == count - 1 else None
    return Summary(
        count,
        tuple(
            _summarize_part(part, name, grid.index_of(part.notes[:, 0]), (first, last), sharps)
            for part, name in zip(score.parts, _part_names(score.parts), strict=True)
        ),
        drum_bars,
        drum_bars_kept,
        f"{tonic} {key.mode}" if is_clear else "",
        final.name if final else "",
        ends_on_tonic=bool(is_clear and final and final.root == key.tonic),
    )


def _sharps_at(score: Score, tick: int) -> int:
    """Return the sharps of the key signature at a tick; 0 without one."""
    signatures = score.keys[score.keys[:, 0] <= tick] if len(score.keys) else score.keys
    return int(signatures[-1, 1]) if len(signatures) else 0


def _part_names(parts: Sequence[Part]) -> list[str]:
    """Return distinct names of parts: equal names, such as the title, get the instrument's."""
    names = [part.name.strip() for part in parts]
    names = ["" if _GENERIC_NAME.fullmatch(name) else name for name in names]
    instruments = [instrument_name(DRUMS if part.is_drum else part.program) for part in parts]
    return [
        f"{name} ({instrument})" if name and names.count(name) > 1 else name or instrument
        for name, instrument in zip(names, instruments, strict=True)
    ]


def _summarize_part(
    part: Part, name: str, bar: NDArray[np.int64], span: tuple[int, int], sharps: int
) -> PartSummary:
    in_span = (bar >= span[0]) & (bar < span[1])
    pitches = part.notes[in_span, 2]
    pitched = len(pitches) and not part.is_drum
    return PartSummary(
        name,
        len(np.unique(bar[in_span])),
        _pitch_name(int(pitches.min()), sharps) if pitched else "",
        _pitch_name(int(pitches.max()), sharps) if pitched else "",
    )


def _pitch_name(pitch: int, sharps: int) -> str:
    letter, alteration, octave = spell_pitch(pitch, sharps)
    return f"{letter}{'#' * alteration or 'b' * -alteration}{octave}"


def _drum_patterns(score: Score, grid: BarGrid, first: int, last: int) -> tuple[int, int]:
    """Return the number of drum bars that follow one, and of those with the same pattern."""
    patterns: dict[int, set[tuple[int, int]]] = {}
    sixteenth = score.ticks_per_quarter / 4
    for part in score.parts:
        if part.is_drum:
            bar = grid.index_of(part.notes[:, 0])
            step = np.rint((part.notes[:, 0] - grid.edges[bar]) / sixteenth).astype(int)
            onsets = zip(bar.tolist(), step.tolist(), part.notes[:, 2].tolist(), strict=True)
            for index, at, pitch in onsets:
                patterns.setdefault(index, set()).add((at, pitch))
    pairs = [
        (patterns[index - 1], patterns[index])
        for index in range(max(first, 1), last)
        if {index - 1, index} <= patterns.keys()
    ]
    same = sum(len(a & b) >= _SAME_PATTERN * len(a | b) for a, b in pairs)
    return len(pairs), same


@dataclass(eq=False)
class Composition:
    """A composition; iterating it generates the bars.

    Attributes
    ----------
    composer : Composer
        The model.
    options : CompositionOptions
        What to compose.
    bars : int, optional
        Number of bars to generate, by default 16; set by the sections of the options, and by the
        prompt for infilling and for an added part.
    prompt : Score, optional
        Score to continue, to fill in, or to add a part to.
    infill : (int, int), optional
        First and last bar to replace, from 1, inclusive.
    added : int, optional
        Instrument of the part to add.
    melody : Score, optional
        Score whose melody gets an accompaniment.
    motif : Score, optional
        Score whose melody is developed in a new piece.
    lock : str, optional
        Parts and bars of the prompt that stay while the others are generated again, as
        "drums,1-4"; see `segue.generate.compose.locks.parse_locks`.
    generated : list of Bar
        Bars generated so far.

    Raises
    ------
    BadArgument
        The options contradict each other, or the prompt cannot be encoded.
    """

    composer: "Composer"
    options: CompositionOptions
    bars: int | None = None
    prompt: Score | None = None
    infill: tuple[int, int] | None = None
    added: int | None = None
    melody: Score | None = None
    motif: Score | None = None
    lock: str | None = None
    generated: list[Bar] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._check()
        self._prompt_bars = score_to_bars(self.prompt) if self.prompt else []
        self._locked: frozenset[int] = frozenset()
        if self.lock is not None:
            self._apply_locks(self.lock)
        if self.infill:
            first, last = self.infill
            if not 1 <= first <= last <= len(self._prompt_bars):
                raise BadArgument(
                    f"bars {first} to {last} cannot be filled in; the score has "
                    f"{len(self._prompt_bars)} bars, counted from 1"
                )
            self.bars = last - first + 1
        if self.added is not None:
            self.bars = len(self._prompt_bars)
        if self.options.sections:
            self.bars = sum(section.bars for section in self.options.sections)
        self.length = _DEFAULT_BARS if self.bars is None else self.bars
        self._arrangement: Arrangement | None = None
        self._sampler = BarSampler(self.composer, self._plan())

    def _check(self) -> None:
        """Refuse options that contradict each other."""
        options = self.options
        if self.prompt is None and (self.infill or self.added is not None):
            raise BadArgument("--infill and --add need a score to work on; name one")
        if self.infill and self.added is not None:
            raise BadArgument("--infill and --add at once; do one after the other")
        if self.motif is not None and (self.prompt is not None or self.melody is not None):
            raise BadArgument(
                "--motif is developed in a new piece; leave out --melody, a score to continue, "
                "--infill and --add"
            )
        if self.melody is not None:
            check_arrangement(
                options, has_bars=self.bars is not None, has_prompt=self.prompt is not None
            )
        if not (self.infill or self.added is not None or self.lock is not None):
            return
        if options.time_signature is not None or options.tempo is not None:
            raise BadArgument(
                "time signature and tempo are those of the score; leave --time-signature and "
                "--tempo out"
            )
        if options.sections or options.style:
            raise BadArgument(
                "sections and styles are of new bars; leave --form, --sections and --style out "
                "with --infill, --lock and --add"
            )

    def _apply_locks(self, lock: str) -> None:
        """Set the locked instruments, and the range of bars that are generated again."""
        if self.prompt is None or self.added is not None:
            raise BadArgument("--lock needs a score, and goes with no --add; name one to change")
        instruments = [DRUMS if part.is_drum else part.program for part in self.prompt.parts]
        parts = list(zip(_part_names(self.prompt.parts), instruments, strict=True))
        n_bars = len(self._prompt_bars)
        self._locked, open_range = parse_locks(lock, parts, n_bars)
        if self.infill and open_range != (1, n_bars):
            raise BadArgument("--infill and locked bars at once; name the bars in one of them")
        self.infill = self.infill or open_range
        if not set(self.options.instruments or instruments) - self._locked:
            raise BadArgument(
                "all parts are locked; leave those out that are to be generated again"
            )

    def _plan(self) -> CompositionOptions:
        """Plan the bars, and return the options of the plan."""
        options = self.options
        if self.melody is not None:
            self._arrangement = plan_arrangement(self.melody, options)
            self._plans = self._arrangement.plans
            self.length = len(self._plans)
            self.options = self._arrangement.options
            return self.options
        if self.motif is not None:
            self.options, self._plans = plan_motif(self.motif, options, self.length)
            return self.options
        last = len(self._prompt_bars) - 1
        prompt = self._prompt_bars[min(self.offset, last)] if self._prompt_bars else None
        if self.prompt is not None and options.key is None:
            options = replace(options, key=key_index(self.prompt))
        before = self._estimated_plans() if options.style and not options.chords else []
        options, self._plans = plan_new_bars(
            options,
            self.length,
            prompt,
            [plan.chords for plan in before],
            read_instruments(self._prompt_bars),
        )
        if prompt is None:
            self.options = replace(options, time_signature=self.options.time_signature)
        return options

    def __iter__(self) -> Iterator[Bar]:
        prompt = self._prompt_bars
        if self._arrangement is not None:
            bars = self._sampler.arrange(
                self._arrangement.bars, self._arrangement.instrument, self._plans
            )
        elif self.infill:
            first, last = self.infill
            bars = self._sampler.infill(prompt, first - 1, last, self._plans, self._locked)
        elif self.added is not None:
            plans = self._plans
            if not plans and is_bass(self.added):
                plans = self._estimated_plans()
            bars = self._sampler.add_part(
                prompt, self.added, plans, are_estimated=plans is not self._plans
            )
        else:
            bars = self._sampler.extend(self.length, prompt, self._plans)
        for bar in bars:
            self.generated.append(bar)
            yield bar

    @property
    def score(self) -> Score:
        """The prompt with the bars generated so far, with the symbols of planned chords.

        Raises
        ------
        BadArgument
            There is no note yet.
        """
        score = self._notes_in_score()
        is_new = self.prompt is None and self._arrangement is None
        if self._plans and (is_new or self.options.sections):
            score = shape_dynamics(score, self._plans[: len(self.generated)], self.offset)
        return self._with_chords(score)

    def _with_chords(self, score: Score) -> Score:
        """Set the symbols of the planned chords where they change."""
        if not any(plan.chords for plan in self._plans):
            return score
        edges = bar_grid(score).edges.tolist()
        first = self.offset
        last = min(first + len(self.generated), len(edges) - 1)
        symbols = [each for each in score.chords if each[0] < edges[first]]
        for bar, plan in zip(range(first, last), self._plans, strict=False):
            for chord in plan.chords:
                tick = edges[bar] + chord.step * score.ticks_per_quarter // STEPS_PER_QUARTER
                if tick < edges[bar + 1] and (not symbols or symbols[-1][1] != chord.name):
                    symbols.append((tick, chord.name))
        symbols += [each for each in score.chords if each[0] >= edges[last]]
        return replace(score, chords=tuple(symbols))

    def _notes_in_score(self) -> Score:
        parts = Counter(self.options.instruments or ())
        if self._arrangement is not None:
            return self._arrangement.with_accompaniment(self.generated)
        if self.prompt is None:
            return self._with_requested(insert_bars(None, self.generated, 0, 0, parts), 0)
        if self.infill:
            first = self.infill[0] - 1
            free = [bar.select(bar.instruments - self._locked) for bar in self.generated]
            return insert_bars(
                self.prompt, free, first, first + len(self.generated), locked=self._locked
            )
        if self.added is not None:
            return add_part(self.prompt, self.generated)
        end = min(len(self._prompt_bars), len(bar_grid(self.prompt)))
        return self._with_requested(insert_bars(self.prompt, self.generated, end, end, parts), end)

    def _with_requested(self, score: Score, first: int) -> Score:
        """Set key and tempo of the generated bars, from index `first` on, as requested."""
        grid = bar_grid(score)
        if first >= len(grid):  # nothing is generated yet
            return score
        return self._with_tempo(self._with_key(score, int(grid.edges[first])), grid, first)

    def _with_key(self, score: Score, start: int) -> Score:
        """Set the requested key signature from a tick on."""
        if self.options.key is None:
            return score
        before = [] if self.prompt is None else with_estimated_key(self.prompt).keys.tolist()
        tonic, minor = divmod(self.options.key, 2)
        rows = [row for row in before if row[0] < start]
        rows.append([start, key_signature(tonic, is_minor=bool(minor)), minor])
        return replace(score, keys=np.array(rows, np.int32))

    def _with_tempo(self, score: Score, grid: BarGrid, first: int) -> Score:
        """Round tempos from a bar on to whole beats a minute, or set the requested one."""
        start, requested = int(grid.edges[first]), self.options.tempo
        rows = [row for row in score.tempos.tolist() if row[0] < start]
        new = [row for row in score.tempos.tolist() if row[0] >= start]
        if requested is not None:
            new = [[float(start), 0.0]]
        for tick, bpm in new:
            bar = int(grid.index_of(np.array([tick]))[0])
            beat = float(beat_duration(int(grid.numerators[bar]), int(grid.denominators[bar])))
            quarters = (round(bpm / beat) if requested is None else requested) * beat
            if not rows or rows[-1][1] != quarters:
                rows.append([tick, quarters])
        return replace(score, tempos=np.array(rows, np.float64).reshape(-1, 2))

    def _estimated_plans(self) -> list[BarPlan]:
        """Return the chords of each bar of the prompt, estimated from its notes."""
        if self.prompt is None:
            return []
        starts = bar_grid(self.prompt).edges
        chords: list[list[BarChord]] = [[] for _ in starts[:-1]]
        for chord in estimate_chords(self.prompt):
            ticks = chord.start - int(starts[chord.bar])
            step = round(ticks * STEPS_PER_QUARTER / self.prompt.ticks_per_quarter)
            symbol = parse_chord(chord.name)
            chords[chord.bar].append(BarChord.of(symbol, step))
        return [BarPlan(tuple(bar)) for bar in chords]

    @property
    def probability_real(self) -> float:
        """Probability that the bars are real, as the critic estimates it.

        An added part is judged with the others. Without bars before, those that are generated
        first are what the later ones are compared with.
        """
        if self.added is not None:
            bars = [
                bar._replace(notes=tuple(sorted((*bar.notes, *part.notes))))
                for bar, part in zip(self._prompt_bars, self.generated, strict=False)
            ]
            return Critic.pretrained().probability(bars)
        first, last = self.offset, self.offset + len(self.generated)
        after = self._prompt_bars[last:]
        return Critic.pretrained().probability(self.generated, self._prompt_bars[:first], after)

    @property
    def report(self) -> dict[str, Any]:
        """Summary, originality and statistics of the bars, and what reproduces them."""
        index = self.composer.index
        shared = longest_shared_bars(index, fingerprint_parts(self.generated))
        passage = {
            "bars": shared.length,
            "piece": index.names[shared.piece] if shared.length else "",
            "last_bar": shared.end + 1 + self.offset if shared.length else None,
            "instrument": instrument_name(shared.part) if shared.length else "",
        }
        options = {
            "metre" if name == "time_signature" else name: value
            for name, value in asdict(self._sampler.options).items()
        }
        summary = summarize(self.score, self.offset, self.offset + len(self.generated))
        return {
            "bars": len(self.generated),
            "summary": asdict(summary) | {"sentence": summary.sentence},
            "longest_passage_shared": passage,
            "pieces_learned_from": len(index.names),
            "bars_rejected": self._sampler.rejected,
            "statistics": statistics(self.generated),
            "chords": self._chord_fit(),
            "form": self._form(),
            "to_reproduce": {
                **options,
                "infill": self.infill,
                "lock": self.lock,
                "added": self.added,
                "segue": version("segue"),
                "torch": version("torch"),
                "model": self.composer.fingerprint,
                "precision": self._sampler.precision,
            },
        }

    def _chord_fit(self) -> dict[str, float | None] | None:
        if not any(plan.chords for plan in self._plans):
            return None
        return chord_fit(self.generated, self._plans)

    def _form(self) -> list[dict[str, Any]]:
        """Return name, first and last bar, from 1, of the sections."""
        form, last = [], self.offset
        for section in self.options.sections:
            first, last = last + 1, last + section.bars
            form.append({"name": section.name, "first": first, "last": last})
        return form

    @property
    def offset(self) -> int:
        """Number of bars before the first generated one."""
        if self.infill:
            return self.infill[0] - 1
        return 0 if self.added is not None else len(self._prompt_bars)


def statistics(bars: Sequence[Bar]) -> dict[str, float | None]:
    """Compute statistics of generated music; see `segue.evaluation.generated`.

    Returns
    -------
    dict
        "pitch_class_entropy" (bits), "scale_consistency", "groove_consistency",
        "empty_bar_rate" and "notes_per_bar"; None where undefined. Grooves are compared between
        bars of the most frequent time signature; drums have no pitch.
    """
    pitch = np.array([n.pitch for bar in bars for n in bar.notes if n.instrument != DRUMS], int)
    starts = np.cumsum([0, *(steps_per_bar(bar.time_signature) for bar in bars)])
    spans = [
        (index, int(np.searchsorted(starts, starts[index] + n.onset + n.duration, side="left")) - 1)
        for index, bar in enumerate(bars)
        for n in bar.notes
    ]
    first, last = np.array(spans, int).reshape(-1, 2).T
    signatures = [bar.time_signature for bar in bars]
    most_frequent = max(set(signatures), key=signatures.count)
    comparable = [bar for bar in bars if bar.time_signature == most_frequent]
    onsets = np.zeros((len(comparable), steps_per_bar(most_frequent)), np.bool_)
    for row, bar in zip(onsets, comparable, strict=True):
        row[[note.onset for note in bar.notes]] = True
    values = {
        "pitch_class_entropy": pitch_class_entropy(pitch),
        "scale_consistency": scale_consistency(pitch),
        "groove_consistency": groove_consistency(onsets),
        "empty_bar_rate": empty_bar_rate(first, last.clip(max=len(bars) - 1), len(bars)),
        "notes_per_bar": sum(len(bar.notes) for bar in bars) / len(bars),
    }
    return {name: None if np.isnan(value) else float(value) for name, value in values.items()}
