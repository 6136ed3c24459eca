"""Performance of a score: dynamics, swing, microtiming and velocities learned from drummers.

The transformer plays all sections equally loud. Levels of the sections, crescendos between them,
phrases and accents are planned, and added to the velocities of the score, where users meet it; the
transformer reads its own bars without them.

The deviations of a drum hit from the grid are modelled as the sum of

- the value of its drum group and position in the bar: a mixture of two normal distributions (of
  velocities: ghost note and accent), whose component tends to stay the same from bar to bar;
- states shared by the whole band, one fast and one slow, and a slow state of its drum group: AR(1)
  processes on the grid of sixteenths.

`recipes/humanise.py` fits the model, and filters it for likelihoods. Pitched parts follow the
states of the band; what else they get is set by hand, since no data of theirs was used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, check_seed
from segue.generate.compose.plan import BarPlan
from segue.records import Part, Score
from segue.score.timing import BarGrid, TickArray, bar_grid, ticks_to_seconds

#: Velocity of a dynamic level, about a mark of dynamics as from mezzo forte to forte.
_LEVEL: Final = 20.0
#: Bars before a louder or softer section in which the level moves towards its own, at most half the
#: way.
_TRANSITION_BARS: Final = 2
#: Velocities added to the bars of a phrase of four bars, and by place in the bar: on the first
#: beat, on the middle of the bar, on another beat, and between beats.
_PHRASE: Final = (-3.0, 0.0, 3.0, 0.0)
_ACCENTS: Final = (4.0, 2.0, 0.0, -3.0)
#: Softest and loudest velocity that dynamics lead to.
_RANGE: Final = (16, 124)
Floats = NDArray[np.float64]
#: Drum groups of the model, with their keys in the General MIDI percussion map; 22, 26 and 58 are
#: keys of the electronic kit that the model was fitted to.
DRUM_GROUPS: Final[dict[str, tuple[int, ...]]] = {
    "kick": (35, 36),
    "snare": (37, 38, 39, 40),
    "closed hi-hat": (22, 42),
    "pedal hi-hat": (44,),
    "open hi-hat": (26, 46),
    "tom": (41, 43, 45, 47, 48, 50, 58),
    "crash": (49, 52, 55, 57),
    "ride": (51, 53, 59),
}
#: Positions of a bar that the model tells apart: sixteenths; longer bars start over.
POSITIONS: Final = 16
STRAIGHT: Final = 0.5
MAX_SWING: Final = 0.75
_GROUP_OF_KEY: Final = {
    key: index for index, keys in enumerate(DRUM_GROUPS.values()) for key in keys
}
#: Other percussion, such as shaker and cowbell, keeps time as a closed hi-hat does.
_OTHER: Final = list(DRUM_GROUPS).index("closed hi-hat")
_TICKS_PER_QUARTER: Final = 480
#: Onsets so near to a third of a beat, in beats, are triplets, which do not swing.
_TRIPLET_TOLERANCE: Final = 0.03
#: Notes move at most by this share of the distance to the next onset of the part: none overtakes.
_MAX_SHIFT: Final = 0.45
#: Noise of a hit is clipped at so many standard deviations of the narrower component: slips, and
#: grace notes that were quantised to the next sixteenth, are not worth repeating.
_MAX_Z_SCORE: Final = 2.5
#: Pitched parts: deviations as shares of those of drums, height of the arc of a phrase in
#: velocities, the rest in beats that ends a phrase, and the longest phrase in beats.
_PITCHED_SHARE: Final = 0.5
_ARC: Final = 8.0
_PHRASE_REST: Final = 1.0
_LONGEST_PHRASE: Final = 16.0


def shape_dynamics(score: Score, plans: Sequence[BarPlan], first: int) -> Score:
    """Return a score with the planned dynamics in its new bars.

    Parameters
    ----------
    score : Score
    plans : sequence of BarPlan
        Of the new bars.
    first : int
        Index of the first new bar.
    """
    grid = bar_grid(score)
    offsets = np.zeros(max(len(grid), first + len(plans)))
    offsets[first : first + len(plans)] = _bar_offsets(plans)
    new = np.zeros(len(offsets), np.bool_)
    new[first : first + len(plans)] = True
    return replace(
        score, parts=tuple(_shape(part, grid, offsets, new, score) for part in score.parts)
    )


def _bar_offsets(plans: Sequence[BarPlan]) -> NDArray[np.float64]:
    """Return the velocity to add to each bar."""
    levels = np.array([plan.level for plan in plans], np.float64)
    offsets = levels * _LEVEL
    for index, plan in enumerate(plans):
        offsets[index] += 0.0 if plan.ends else _PHRASE[(index - plan.section) % len(_PHRASE)]
        for ahead in range(1, _TRANSITION_BARS + 1):
            if index + ahead < len(plans) and plans[index + ahead].section != plan.section:
                change = (levels[index + ahead] - levels[index]) * _LEVEL
                offsets[index] += change * (_TRANSITION_BARS + 1 - ahead) / (2 * _TRANSITION_BARS)
                break
    return offsets


def _shape(
    part: Part,
    grid: BarGrid,
    offsets: NDArray[np.float64],
    new: NDArray[np.bool_],
    score: Score,
) -> Part:
    """Add the offsets of the bars, and accents to pitched parts, to the new notes of a part."""
    notes = part.notes.copy()
    bar = grid.index_of(notes[:, 0])
    added = offsets[bar]
    if not part.is_drum:
        ticks = notes[:, 0] - grid.edges[bar]
        length = grid.edges[bar + 1] - grid.edges[bar]
        beat = score.ticks_per_quarter
        places = [ticks == 0, 2 * ticks == length, ticks % beat == 0]
        added = added + np.select(places, _ACCENTS[:3], _ACCENTS[3])
    shaped = np.rint(notes[:, 3] + added).clip(*_RANGE)
    notes[:, 3] = np.where(new[bar], shaped, notes[:, 3])
    return replace(part, notes=notes)


@dataclass(frozen=True, slots=True)
class HumaniseOptions:
    """How a score is played.

    Attributes
    ----------
    amount : float
        Share of the learned deviations, from 0 to 1.
    swing : float
        Position in the beat of its second eighth, from 0.5 (straight) to 0.75; 2/3 is the triplet
        feel.
    seed : int
        Random seed.
    """

    amount: float = 0.0
    swing: float = STRAIGHT
    seed: int = 0

    def __post_init__(self) -> None:
        """Validate the options.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        if not 0 <= self.amount <= 1:
            raise BadArgument(f"humanise by {self.amount:g}; the amount is from 0 to 1")
        if not STRAIGHT <= self.swing <= MAX_SWING:
            raise BadArgument(
                f"a swing ratio of {self.swing:g}; it is from {STRAIGHT} (straight) to "
                f"{MAX_SWING}; 0.667 is the triplet feel"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Deviations:
    """The model of one quantity: timing or velocity of drum hits.

    Attributes
    ----------
    weights, means, stds : ndarray, shape (groups, positions, 2), float64
        The mixture of each drum group and position; the component with the lower mean is first.
    persistence : float
        Probability that a hit has the component of the last hit of its group and position.
    decays : ndarray, shape (2,)
        Coefficients of the fast and of the slow AR(1) processes, for a step of a sixteenth.
    state_stds : ndarray, shape (3,)
        Stationary standard deviations of the fast and the slow state of the band, and of the slow
        state of a drum group.
    """

    weights: Floats
    means: Floats
    stds: Floats
    persistence: float
    decays: Floats
    state_stds: Floats

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[Any]], prefix: str) -> "Deviations":
        """Return the model whose tensors have a prefix: "timing" or "velocity"."""
        weights, means, stds = tensors[f"{prefix}.mixture"].astype(np.float64)
        states = tensors[f"{prefix}.states"].astype(np.float64)
        return cls(weights, means, stds, float(states[0]), states[1:3], states[3:6])

    def tensors(self, prefix: str) -> dict[str, NDArray[np.float32]]:
        """Invert `from_tensors`."""
        return {
            f"{prefix}.mixture": np.stack([self.weights, self.means, self.stds]).astype(np.float32),
            f"{prefix}.states": np.array(
                [self.persistence, *self.decays, *self.state_stds], np.float32
            ),
        }

    def expected(self, groups: TickArray, positions: TickArray) -> Floats:
        """Return the mean of each hit."""
        return np.asarray((self.weights * self.means).sum(axis=2)[groups, positions], np.float64)

    def sample_states(self, rng: np.random.Generator, steps: int, count: int) -> Floats:
        """Sample the state of the band, and `count` states of groups.

        Returns
        -------
        ndarray, shape (steps, 1 + count)
        """
        decays = np.r_[self.decays, np.full(count, self.decays[1])]
        scales = np.r_[self.state_stds[:2], np.full(count, self.state_stds[2])]
        noise = rng.standard_normal((steps, count + 2)) * scales
        noise[1:] *= np.sqrt(1 - decays**2)
        for step in range(1, steps):
            noise[step] += decays * noise[step - 1]
        return np.column_stack([noise[:, 0] + noise[:, 1], noise[:, 2:]])

    def sample_hits(
        self, rng: np.random.Generator, groups: TickArray, positions: TickArray
    ) -> Floats:
        """Sample hits in order of time, without the states."""
        draws = rng.random((len(groups), 2))
        noise = rng.standard_normal(len(groups))
        last: dict[tuple[int, int], int] = {}
        components = np.zeros(len(groups), np.int64)
        for index, place in enumerate(zip(groups.tolist(), positions.tolist(), strict=True)):
            if place not in last or draws[index, 0] >= self.persistence:
                last[place] = int(draws[index, 1] >= self.weights[place][0])
            components[index] = last[place]
        hits = groups, positions, components
        limits = _MAX_Z_SCORE * self.stds[groups, positions].min(axis=1)
        return self.means[hits] + np.clip(noise * self.stds[hits], -limits, limits)


@dataclass(frozen=True, slots=True, eq=False)
class GrooveModel:
    """Timing and velocity of drummers.

    Attributes
    ----------
    timing : Deviations
        Milliseconds after the grid at 100 quarters a minute.
    velocity : Deviations
        MIDI velocities.
    tempo_exponent : float
        Milliseconds shrink with the tempo to this power: 0 for none, 1 for fractions of a beat.
    latency : float
        Mean timing of all hits, which says nothing where there is no click.
    """

    timing: Deviations
    velocity: Deviations
    tempo_exponent: float
    latency: float

    @classmethod
    @cache
    def pretrained(cls) -> "GrooveModel":
        """Return the bundled model."""
        tensors = load_file(WEIGHTS / "groove.safetensors")
        exponent, latency = tensors["tempo"].tolist()
        return cls(
            Deviations.from_tensors(tensors, "timing"),
            Deviations.from_tensors(tensors, "velocity"),
            exponent,
            latency,
        )

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return what `pretrained` reads."""
        return {
            **self.timing.tensors("timing"),
            **self.velocity.tensors("velocity"),
            "tempo": np.array([self.tempo_exponent, self.latency], np.float32),
        }

    def timing_scale(self, bpm: Floats) -> Floats:
        """Return the milliseconds of a unit of timing at tempos in quarters a minute."""
        return np.asarray((bpm / 100) ** -self.tempo_exponent, np.float64)


def drum_groups(keys: NDArray[np.integer]) -> TickArray:
    """Return the index of the drum group of each percussion key."""
    return np.array([_GROUP_OF_KEY.get(key, _OTHER) for key in keys.tolist()], np.int64)


def humanise(score: Score, options: HumaniseOptions, model: GrooveModel | None = None) -> Score:
    """Return a score as it might be played; the written score stays what is notated.

    Parameters
    ----------
    score : Score
    options : HumaniseOptions
        With the defaults the score is returned as it is.
    model : GrooveModel, optional
        By default the bundled one.

    Returns
    -------
    Score
        At least 480 ticks to a quarter. Different onsets of a part stay in order, and notes of one
        pitch in a part do not overlap. Triplets, beats that are cut short, and bars in which a
        quarter is no beat, such as those in 6/8, do not swing.
    """
    if (options.amount, options.swing) == (0, STRAIGHT):
        return score
    score = _with_resolution(score)
    grid = bar_grid(score)
    parts = [_swing(part, grid, score.ticks_per_quarter, options.swing) for part in score.parts]
    if options.amount:
        parts = _Performance(score, grid, options, model or GrooveModel.pretrained()).play(parts)
    return replace(score, parts=tuple(map(_without_overlaps, parts)))


def _with_resolution(score: Score) -> Score:
    """Multiply ticks so that a quarter has at least 480."""
    factor = max(math.ceil(_TICKS_PER_QUARTER / score.ticks_per_quarter), 1)

    def scaled(events: NDArray[Any], columns: int = 1) -> NDArray[Any]:
        events = events.copy()
        events[:, :columns] *= factor
        return events

    return replace(
        score,
        ticks_per_quarter=score.ticks_per_quarter * factor,
        parts=tuple(
            replace(part, notes=scaled(part.notes, 2), pedals=scaled(part.pedals))
            for part in score.parts
        ),
        tempos=scaled(score.tempos),
        time_signatures=scaled(score.time_signatures),
        keys=scaled(score.keys),
        chords=tuple((tick * factor, symbol) for tick, symbol in score.chords),
    )


def _swing(part: Part, grid: BarGrid, ticks_per_quarter: int, ratio: float) -> Part:
    """Move the second eighth of each beat to a ratio of the beat, and the rest in proportion."""
    if ratio == STRAIGHT:
        return part
    is_compound = (grid.numerators % 3 == 0) & (grid.numerators > 3)
    swings = (grid.denominators <= 4) & ~is_compound

    def beats(ticks: TickArray) -> tuple[TickArray, Floats, NDArray[np.bool_]]:
        bars = grid.index_of(ticks)
        inside = ticks - grid.edges[bars]
        starts = ticks - inside % ticks_per_quarter
        is_whole = starts + ticks_per_quarter <= grid.edges[bars + 1]
        return starts, (ticks - starts) / ticks_per_quarter, swings[bars] & is_whole

    starts, fractions, _ = beats(part.notes[:, 0].astype(np.int64))
    thirds = np.abs(fractions[:, None] - np.array([1 / 3, 2 / 3])).min(axis=1)
    triplets = np.unique(starts[thirds < _TRIPLET_TOLERANCE])

    def warped(ticks: TickArray) -> TickArray:
        starts, fractions, swung = beats(ticks)
        swung &= ~np.isin(starts, triplets)
        moved = np.interp(fractions, [0, STRAIGHT, 1], [0, ratio, 1])
        return np.where(swung, np.rint(starts + moved * ticks_per_quarter), ticks).astype(np.int64)

    notes, pedals = part.notes.astype(np.int64), part.pedals.copy()
    ends = warped(notes[:, 0] + notes[:, 1])
    notes[:, 0] = warped(notes[:, 0])
    notes[:, 1] = np.maximum(ends - notes[:, 0], 1)
    pedals[:, 0] = warped(pedals[:, 0].astype(np.int64))
    return replace(part, notes=notes.astype(np.int32), pedals=pedals)


class _Performance:
    """Deviations of a score: the states of the band, and what each part adds.

    Parameters
    ----------
    score : Score
        As written; positions in the bar are counted in it, before swing.
    grid : BarGrid
    options : HumaniseOptions
    model : GrooveModel
    """

    def __init__(
        self, score: Score, grid: BarGrid, options: HumaniseOptions, model: GrooveModel
    ) -> None:
        self._score, self._grid, self._model = score, grid, model
        self._amount = options.amount
        self._rng = np.random.default_rng(options.seed)
        self._step_ticks = score.ticks_per_quarter / 4
        steps = math.ceil(int(grid.edges[-1]) / self._step_ticks) + 1
        count = len(DRUM_GROUPS) + len(score.parts)
        self._timing_states = model.timing.sample_states(self._rng, steps, count)
        self._velocity_states = model.velocity.sample_states(self._rng, steps, count)

    def play(self, parts: Sequence[Part]) -> list[Part]:
        """Play parts, which may swing, in the order of those of the score."""
        return [
            self._play(index, written, part)
            for index, (written, part) in enumerate(zip(self._score.parts, parts, strict=True))
        ]

    def _play(self, index: int, written: Part, part: Part) -> Part:
        onsets = written.notes[:, 0].astype(np.int64)
        steps = np.rint(onsets / self._step_ticks).astype(np.int64)
        steps = np.minimum(steps, len(self._timing_states) - 1)
        play = self._drums if part.is_drum else self._pitched
        units, velocities = play(index, written, steps)
        ticks = part.notes[:, 0].astype(np.int64)
        seconds = ticks_to_seconds(self._score, np.stack([ticks, ticks + 1]))
        ticks_per_ms = 1e-3 / (seconds[1] - seconds[0])
        bpm = ticks_per_ms * 60_000 / self._score.ticks_per_quarter
        shifts = self._amount * units * self._model.timing_scale(bpm) * ticks_per_ms
        notes = part.notes.astype(np.int64)
        notes[:, 0] += _clipped_shifts(ticks, shifts)
        notes[:, 3] = np.clip(
            np.rint(notes[:, 3] + self._amount * (velocities - notes[:, 3])), 1, 127
        )
        order = np.lexsort((notes[:, 2], notes[:, 0]))
        return replace(part, notes=notes[order].astype(np.int32))

    def _drums(self, _index: int, written: Part, steps: TickArray) -> tuple[Floats, Floats]:
        onsets = written.notes[:, 0].astype(np.int64)
        groups = drum_groups(written.notes[:, 2])
        in_bar = onsets - self._grid.edges[self._grid.index_of(onsets)]
        positions = np.rint(in_bar / self._step_ticks).astype(np.int64) % POSITIONS
        timing, velocity = self._model.timing, self._model.velocity
        units = timing.sample_hits(self._rng, groups, positions) - self._model.latency
        units += self._timing_states[steps, 0] + self._timing_states[steps, 1 + groups]
        velocities = velocity.sample_hits(self._rng, groups, positions)
        velocities += self._velocity_states[steps, 0] + self._velocity_states[steps, 1 + groups]
        # The part stays as loud as it is written beside the others.
        level = written.notes[:, 3].mean() - velocity.expected(groups, positions).mean()
        return units, velocities + level

    def _pitched(self, index: int, written: Part, steps: TickArray) -> tuple[Floats, Floats]:
        onsets = written.notes[:, 0].astype(np.int64)
        own = 1 + len(DRUM_GROUPS) + index
        distinct, inverse = np.unique(onsets, return_inverse=True)  # chords stay together
        spread = _PITCHED_SHARE * float(np.median(self._model.timing.stds.min(axis=2)))
        noise = np.clip(self._rng.standard_normal(len(distinct)), -_MAX_Z_SCORE, _MAX_Z_SCORE)
        units = self._timing_states[steps, 0] + spread * noise[inverse]
        units += _PITCHED_SHARE * self._timing_states[steps, own]
        ends = onsets + written.notes[:, 1]
        arc = _phrase_arc(distinct, np.maximum.accumulate(ends), onsets, self._score)
        velocities = written.notes[:, 3] + _ARC * arc[inverse]
        velocities += _PITCHED_SHARE * self._velocity_states[steps, 0]
        return units, velocities


def _phrase_arc(distinct: TickArray, ends: TickArray, onsets: TickArray, score: Score) -> Floats:
    """Return an arc over each phrase, -1 at its ends and 1 in the middle, for distinct onsets."""
    last_notes = np.searchsorted(onsets, distinct[1:]) - 1
    rests = distinct[1:] - ends[last_notes] >= _PHRASE_REST * score.ticks_per_quarter
    starts = [0]
    longest = _LONGEST_PHRASE * score.ticks_per_quarter
    for index in range(1, len(distinct)):
        if rests[index - 1] or distinct[index] - distinct[starts[-1]] >= longest:
            starts.append(index)
    arc = np.zeros(len(distinct))
    for start, end in zip(starts, [*starts[1:], len(distinct)], strict=True):
        if end - start > 2:
            span = distinct[start:end] - distinct[start]
            arc[start:end] = 2 * np.sin(np.pi * span / span[-1]) - 1
    return arc


def _clipped_shifts(ticks: TickArray, shifts: Floats) -> TickArray:
    """Round shifts towards zero, and limit them so that distinct onsets keep their order."""
    distinct, inverse = np.unique(ticks, return_inverse=True)
    gaps = _MAX_SHIFT * np.diff(distinct)
    lowest = np.append(-float(distinct[0]) if len(distinct) else 0.0, -gaps)[: len(distinct)]
    highest = np.append(gaps, np.inf)
    return np.fix(np.clip(shifts, lowest[inverse], highest[inverse])).astype(np.int64)


def _without_overlaps(part: Part) -> Part:
    """End notes where their pitch begins again; of equal notes keep the longest."""
    notes = part.notes[np.lexsort((-part.notes[:, 1], part.notes[:, 0], part.notes[:, 2]))]
    notes = notes[np.append(True, np.any(np.diff(notes[:, [0, 2]], axis=0) != 0, axis=1))]
    same = np.diff(notes[:, 2]) == 0
    gaps = np.diff(notes[:, 0])
    notes[:-1, 1] = np.where(same, np.minimum(notes[:-1, 1], gaps), notes[:-1, 1])
    return replace(part, notes=notes[np.lexsort((notes[:, 2], notes[:, 0]))])
