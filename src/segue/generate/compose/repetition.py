"""Repetition of a piece's own bars: sources of a bar, and a penalty of what departs from them.

Patterns and themes that return are what a small network forgets first. Here each bar has a source
among the earlier bars of the piece, one for the drums and one for the pitched parts, chosen as in a
factor oracle (Assayag & Dubnov, "Using Factor Oracles for Machine Improvisation", 2004): a bar
follows its source where the bars before both are similar. Tokens that depart from the source are
penalised in the logits, the more so the more the piece has repeated itself so far; the network
still departs where it is sure, and the fewer notes it expects to change, the closer it stays.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.generate.compose.biases import adapt_notes
from segue.generate.compose.grammar import Position
from segue.generate.compose.patterns import crash, ending, fill
from segue.generate.compose.plan import GIVEN, OPEN, BarChord, BarPlan
from segue.generate.compose.tokens import (
    END,
    FIRST_TOKEN,
    SHORT_DURATIONS,
    TOKEN_COUNTS,
    VOCABULARY_SIZE,
    Bar,
    Note,
    steps_per_bar,
)
from segue.theory.instruments import DRUMS, is_bass, is_monophonic

#: Penalties in nats of what departs from a bar that is repeated by plan, at least, and from fills
#: and the ending, which the network would hardly play of itself.
_RETURN_PENALTY: Final = 5.0
_PATTERN_PENALTY: Final = 14.0
#: Bars that may be sources: so many of the latest.
MEMORY: Final = 128
#: Penalty in nats for the drums and for the pitched parts of a piece that repeats itself exactly.
_DRUM_PENALTY: Final = 4.5
_PITCHED_PENALTY: Final = 5.0
#: Log-weight of a source whose preceding bars are equal to those before the new bar, without and
#: with a prompt, and of one that is a multiple of four or eight bars earlier. These weights and the
#: next two were chosen by the similarity of sources to the real next bars of validation pieces.
_CONTEXT_WEIGHTS: Final = (4.0, 8.0)
_PHRASE_WEIGHTS: Final = {4: 1.0, 8: 1.0}
#: Log-weight of a lag, by how much more similar the bars of the prompt at that lag are than others,
#: and the largest lag.
_LAG_WEIGHT: Final = 8.0
_MAX_LAG: Final = 15
#: Similarity from which on pitched bars count as equal, and number of bars that may be equal in a
#: row even if no more are in the prompt.
_EQUAL: Final = 0.9
_MIN_RUN: Final = 2
#: Least number of pairs of bars that a lag is measured by.
_MIN_PAIRS: Final = 3
#: Log-weight of the bar after the last source, after a prompt.
_ADVANCE_WEIGHT: Final = 1.0
#: Log-weight of a source in which all instruments play that have been silent for some bars.
_RETURN_WEIGHT: Final = 1.5
#: Bars of silence after which an instrument is missed, and the least share of the bars in which it
#: plays else.
_MISSED_AFTER: Final = 4
_REGULAR_SHARE: Final = 0.3
#: Log-weight for each time that a bar has been a source before.
_REUSE_WEIGHT: Final = -0.5
#: Log-weight of a source that has the planned chords.
_CHORDS_WEIGHT: Final = 2.0
#: Number of preceding bars that are compared.
_CONTEXT_BARS: Final = 2
#: Penalty of drums that have not been played so far, in nats.
_NEW_DRUM_PENALTY: Final = 3.0
#: Similarity of bars and earlier ones, of drums and of pitched parts, where there is no prompt to
#: measure it. With 0.3 for both, pieces from nothing stay on one chord and leave their key.
_SIMILARITIES: Final = (0.2, 0.1)
#: The same where the chords are planned.
_SIMILARITIES_WITH_CHORDS: Final = (0.7, 0.3)
#: Penalty in nats of the notes of the bar before, for those that play melodies in a new piece.
_ECHO_PENALTY: Final = 2.5
#: Instruments of so many bars play at present.
_LATELY: Final = 8
_SIXTEENTH: Final = 3

Cells = frozenset[tuple[int, int]]
Onsets = Mapping[int, Mapping[int, tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class PartSource:
    """What an instrument plays in the source of a bar.

    Attributes
    ----------
    notes : tuple of Note
        Its notes.
    penalty : float
        Penalty of departing from it, in nats.
    onsets : mapping of int to mapping
        By step and pitch: duration and velocity bin.
    """

    notes: tuple[Note, ...]
    penalty: float
    onsets: Onsets = field(init=False)

    def __post_init__(self) -> None:
        onsets: dict[int, dict[int, tuple[int, int]]] = {}
        for note in self.notes:
            onsets.setdefault(note.onset, {})[note.pitch] = note.duration, note.velocity
        object.__setattr__(self, "onsets", onsets)


class RepetitionModel:
    """Chooses sources of bars, and penalises what departs from them.

    Parameters
    ----------
    strength : float
        Factor of the penalties; 0 for none.
    rng : numpy.random.Generator
        Source of randomness.
    """

    def __init__(self, strength: float, rng: np.random.Generator) -> None:
        self._strength, self._rng = strength, rng
        self._bars: deque[Bar] = deque(maxlen=MEMORY)
        self._chords: deque[tuple[BarChord, ...]] = deque(maxlen=MEMORY)
        # Of drums and of pitched parts:
        self._cells: tuple[deque[Cells], deque[Cells]] = (
            deque(maxlen=MEMORY),
            deque(maxlen=MEMORY),
        )
        #: How often each bar was a source.
        self._uses: tuple[deque[int], deque[int]] = (deque(maxlen=MEMORY), deque(maxlen=MEMORY))
        #: Mean similarity of a bar and the most similar earlier one.
        self._similarity = list(_SIMILARITIES)
        self._varies_leads = False
        #: Log-weights of lags, and whether they are measured.
        self._lag_weights: tuple[dict[int, float], dict[int, float]] = ({}, {})
        self._has_prompt = False
        self._longest_run = _MIN_RUN  # of equal pitched bars of the prompt
        #: Of drums and of pitched parts: index of the source of the next bar, and of the last bar,
        #: counted from the first new bar.
        self._chosen: dict[int, int] = {}
        self._last: list[int | None] = [None, None]
        self._sources: dict[int, PartSource] = {}
        self._plan = OPEN
        self._repeated: Bar | None = None
        self._count = 0  # number of new bars
        self._drums: frozenset[int] = frozenset()

    def start(self, bars: Iterable[Bar], *, has_chords: bool = False) -> None:
        """Set the bars of the piece so far, and measure how much they repeat each other.

        Parameters
        ----------
        bars : iterable of Bar
        has_chords : bool
            Whether the chords of the new bars are planned.
        """
        if has_chords:
            self._similarity = list(_SIMILARITIES_WITH_CHORDS)
            self._varies_leads = True
        similarities: tuple[list[float], list[float]] = ([], [])
        for bar in bars:
            self.append(bar)
            self._longest_run = max(self._longest_run, _run_length(list(self._cells[1])))
            for kind, cells in enumerate(self._cells):
                earlier = [each for each in islice(cells, len(cells) - 1) if each]
                if cells[-1] and earlier:
                    similarities[kind].append(max(_jaccard(cells[-1], each) for each in earlier))
        self._count = 0
        for kind, values in enumerate(similarities):
            if values:
                self._has_prompt, self._varies_leads = True, False
                self._lag_weights[kind].update(_lag_weights(list(self._cells[kind])))
                self._similarity[kind] = float(np.mean(values))

    def append(self, bar: Bar, plan: BarPlan = OPEN) -> None:
        """Add a bar to the piece, with its plan."""
        for kind, index in self._chosen.items():
            self._uses[kind][index] += 1
            self._last[kind] = self._count - len(self._bars) + index
        self._chosen = {}
        self._chords.append(plan.chords)
        for kind in range(2):
            # Fills and endings are no sources of drums.
            is_source = kind or not (plan.fill or plan.ends)
            self._cells[kind].append(_cells(bar, drums=not kind) if is_source else frozenset())
            self._uses[kind].append(0)
        self._bars.append(bar)
        self._count += 1
        self._drums |= {note.pitch for note in bar.notes if note.instrument == DRUMS}

    def start_bar(self, plan: BarPlan, repeated: Bar | None = None) -> None:
        """Set the plan of the next bar, and the bar that it repeats by plan."""
        self._plan, self._repeated = plan, repeated

    def choose(self, time_signature: int, factor: float = 1.0) -> None:
        """Choose the sources of the next bar.

        Parameters
        ----------
        time_signature : int
            Index of its time signature.
        factor : float
            Factor of the penalties.
        """
        self._sources, self._chosen = {}, {}
        plan, length = self._plan, steps_per_bar(time_signature)
        if plan.ends and len(plan.chords) == 1 and self._bars:  # several chords are not held
            notes = ending(list(self._bars), plan.chords[0], length)
            self._follow(notes, self._lately, _PATTERN_PENALTY)
            self._follow_patterns(factor, only_given=True)
            return
        if self._repeated is not None and self._repeated.time_signature == time_signature:
            planned = {each.instrument: each.penalty for each in plan.patterns}
            for each in self._lately | self._repeated.instruments:
                penalty = max(_RETURN_PENALTY, planned.get(each, 0.0)) * factor
                self._follow(self._repeated.notes, {each}, penalty)
        elif self._strength * factor:
            self._choose_sources(time_signature, factor)
        self._follow_patterns(factor, only_given=self._repeated is not None)
        if DRUMS in self._lately and (plan.fill or plan.opens):
            source = self._sources.get(DRUMS)
            groove = self._bars[-1].notes if source is None else source.notes
            notes = tuple(note for note in groove if note.instrument == DRUMS)
            if plan.opens:
                notes = crash(notes, self._drums)
            if plan.fill:
                notes = fill(notes, self._drums, length, self._rng)
            self._follow(notes, {DRUMS}, _PATTERN_PENALTY * factor)

    def _follow(self, notes: Iterable[Note], instruments: Iterable[int], penalty: float) -> None:
        """Let instruments follow the notes of a bar."""
        notes = tuple(notes)
        for instrument in instruments:
            own = tuple(note for note in notes if note.instrument == instrument)
            self._sources[instrument] = PartSource(own, penalty)

    def _follow_patterns(self, factor: float, *, only_given: bool) -> None:
        """Let instruments follow the patterns of the plan, or only notes that are given."""
        for pattern in self._plan.patterns:
            is_given = pattern.penalty >= GIVEN
            if is_given or not only_given:
                penalty = pattern.penalty * (1.0 if is_given else factor)
                self._sources[pattern.instrument] = PartSource(pattern.notes, penalty)

    def _choose_sources(self, time_signature: int, factor: float) -> None:
        """Choose earlier bars of the piece as sources, of the same section for pitched parts."""
        for kind, nats in enumerate((_DRUM_PENALTY, _PITCHED_PENALTY)):
            index = self._choose(kind, time_signature)
            if index is None:
                continue
            self._chosen[kind] = index
            penalty = nats * self._strength * factor * self._similarity[kind]
            notes = self._bars[index].notes
            if kind and self._chords[index] != self._plan.chords:
                notes = adapt_notes(notes, self._chords[index], self._plan.chords)
            if not kind:
                self._follow(notes, {DRUMS}, penalty)
                continue
            pitched = (self._lately | self._bars[index].instruments) - {DRUMS}
            if self._varies_leads:
                pitched = frozenset(each for each in pitched if not _plays_melody(each))
            self._follow(notes, pitched, penalty)

    def drop_sources(self, instruments: Collection[int]) -> None:
        """Leave instruments without a source in the next bar."""
        for instrument in instruments:
            self._sources.pop(instrument, None)

    def _choose(self, kind: int, time_signature: int) -> int | None:
        cells, count, plan = self._cells[kind], len(self._bars), self._plan
        first = max(count - self._count + plan.section, 0) if kind and plan.section else 0
        candidates = [
            index
            for index in range(first, count)
            if cells[index] and self._bars[index].time_signature == time_signature
        ]
        # Bars that repeat each other would be each other's best sources for ever.
        if kind and self._has_prompt and _run_length(list(cells)) >= self._longest_run:
            candidates = [
                index for index in candidates if _jaccard(cells[index], cells[-1]) < _EQUAL
            ]
        if not candidates:
            return None
        missing = self._missing_instruments()
        weights = np.zeros(len(candidates))
        for at, index in enumerate(candidates):
            lags = range(1, min(_CONTEXT_BARS, index) + 1)
            similarities = [_jaccard(cells[index - lag], cells[count - lag]) for lag in lags]
            context = _CONTEXT_WEIGHTS[self._has_prompt]
            weights[at] = context * sum(similarities) / _CONTEXT_BARS
            weights[at] += self._lag_weights[kind].get(count - index, 0.0)
            if self._has_prompt and self._count - count + index - 1 == self._last[kind]:
                weights[at] += _ADVANCE_WEIGHT
            weights[at] += sum(
                weight for bars, weight in _PHRASE_WEIGHTS.items() if not (count - index) % bars
            )
            weights[at] += _REUSE_WEIGHT * self._uses[kind][index]
            if kind and missing:
                returning = len(missing & self._bars[index].instruments) / len(missing)
                weights[at] += _RETURN_WEIGHT * returning
            if kind and plan.chords and self._chords[index] == plan.chords:
                weights[at] += _CHORDS_WEIGHT
        probabilities = np.exp(weights - weights.max())
        chosen = int(self._rng.choice(len(candidates), p=probabilities / probabilities.sum()))
        return candidates[chosen]

    def _missing_instruments(self) -> frozenset[int]:
        """Return the instruments that play regularly, but not in the last bars."""
        bars = list(self._bars)
        counts = Counter(instrument for bar in bars for instrument in bar.instruments)
        recent = frozenset[int]().union(*(bar.instruments for bar in bars[-_MISSED_AFTER:]))
        return frozenset(
            instrument
            for instrument, count in counts.items()
            if count >= _REGULAR_SHARE * len(bars) and instrument not in recent
        )

    def penalties(self, bar: Bar, position: Position) -> NDArray[np.float32]:
        """Return the penalty of each token, shape (VOCABULARY_SIZE,), in nats.

        Parameters
        ----------
        bar : Bar
            The bar so far.
        position : Position
            End of the bar so far.
        """
        penalty = np.zeros(VOCABULARY_SIZE, np.float32)
        source = self._sources.get(position.instrument)
        if position.kind in ("pitch", "long"):
            if source is not None:
                _penalize_durations(penalty, source, position)
            return penalty
        if self._drums:
            _of(penalty, "drum")[self._unheard_drums] = _NEW_DRUM_PENALTY * self._strength
            if source is not None:
                _of(penalty, "drum")[[note.pitch for note in source.notes]] = 0
        if source is not None:
            _penalize_notes(penalty, source, position)
        elif self._varies_leads and self._bars and _plays_melody(position.instrument):
            for note in self._bars[-1].notes:
                if note[:2] == (position.step, position.instrument):
                    _of(penalty, "pitch")[note.pitch] += _ECHO_PENALTY
        if self._sources:
            played = {note.instrument for note in bar.notes if note.onset == position.step}
            self._penalize_leaving(penalty, position, played)
        return penalty

    @property
    def _unheard_drums(self) -> NDArray[np.bool_]:
        return np.isin(np.arange(128), list(self._drums), invert=True)

    def _penalize_leaving(
        self, penalty: NDArray[np.float32], position: Position, played: Collection[int]
    ) -> None:
        """Penalise tokens that skip notes of the sources, or lead to where they have none."""
        instruments, steps = _of(penalty, "instrument"), _of(penalty, "step")
        skipped = 0.0  # penalty of leaving this step
        for each, source in self._sources.items():
            onsets = source.onsets.get(position.step, {})
            if each == position.instrument:
                if any(note > position.pitch for note in onsets):
                    skipped = max(skipped, source.penalty)
                    instruments += source.penalty
            elif not onsets:
                instruments[each] += source.penalty
            elif each > position.named and each not in played:
                instruments[each + 1 :] += source.penalty
                skipped = max(skipped, source.penalty)
        ending = skipped
        for source in self._sources.values():
            following = min((at for at in source.onsets if at > position.step), default=None)
            if following is not None:
                steps[following + 1 :] = np.maximum(steps[following + 1 :], source.penalty)
                ending = max(ending, source.penalty)
        if self._covers_all:  # then nothing is expected at steps without a note in the sources
            lowest = min(source.penalty for source in self._sources.values())
            empty = np.ones(len(steps), np.bool_)
            empty[[at for source in self._sources.values() for at in source.onsets]] = False
            steps[empty] = np.maximum(steps[empty], lowest)
        steps[:] = np.maximum(steps, skipped)
        penalty[END] += ending
        _of(penalty, "bar")[:] += ending

    @property
    def _covers_all(self) -> bool:
        """Whether the sources are of all instruments that have played lately."""
        return self._lately <= self._sources.keys()

    @property
    def _lately(self) -> frozenset[int]:
        return frozenset[int]().union(*(bar.instruments for bar in [*self._bars][-_LATELY:]))


def _penalize_notes(penalty: NDArray[np.float32], source: PartSource, position: Position) -> None:
    """Penalise notes of the current instrument that are not next in its source."""
    onsets = source.onsets.get(position.step, {})
    pitches = _of(penalty, "drum" if position.instrument == DRUMS else "pitch")
    pitches += source.penalty
    velocities = _of(penalty, "velocity")
    velocities += source.penalty
    pending = min((pitch for pitch in onsets if pitch > position.pitch), default=None)
    if pending is not None:
        pitches[pending] -= source.penalty
        velocities[onsets[pending][1]] -= source.penalty


def _penalize_durations(
    penalty: NDArray[np.float32], source: PartSource, position: Position
) -> None:
    """Penalise durations of the current note other than in the source."""
    note = source.onsets.get(position.step, {}).get(position.pitch)
    if note is None:
        return
    multiple, rest = divmod(note[0] - position.long - 1, SHORT_DURATIONS)
    longs, durations = _of(penalty, "long"), _of(penalty, "duration")
    longs += source.penalty
    durations += source.penalty
    if multiple > 0 and not position.long:
        longs[multiple - 1] -= source.penalty
    elif not multiple:
        durations[rest] -= source.penalty


def _run_length(cells: Sequence[Cells]) -> int:
    """Return how many of the last bars are equal."""
    length = 1
    while length < len(cells) and cells[-1] and _jaccard(cells[-1 - length], cells[-1]) >= _EQUAL:
        length += 1
    return length


def _lag_weights(cells: Sequence[Cells]) -> dict[int, float]:
    """Return the log-weight of each lag, from 1, at which bars can be compared."""
    similarities: dict[int, float] = {}
    for lag in range(1, min(_MAX_LAG, len(cells) - 1) + 1):
        pairs = [(a, b) for a, b in zip(cells[lag:], cells, strict=False) if a and b]
        if len(pairs) >= min(_MIN_PAIRS, len(cells) - lag):
            similarities[lag] = float(np.mean([_jaccard(a, b) for a, b in pairs]))
    if not similarities:
        return {}
    mean = float(np.mean(list(similarities.values())))
    return {lag: _LAG_WEIGHT * (value - mean) for lag, value in similarities.items()}


def _plays_melody(instrument: int) -> bool:
    return is_monophonic(instrument) and not is_bass(instrument)


def _of(values: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    return values[FIRST_TOKEN[kind] : FIRST_TOKEN[kind] + TOKEN_COUNTS[kind]]


def _cells(bar: Bar, *, drums: bool) -> Cells:
    return frozenset(
        (round(note.onset / _SIXTEENTH), note.pitch)
        for note in bar.notes
        if (note.instrument == DRUMS) == drums
    )


def _jaccard(a: Cells, b: Cells) -> float:
    return len(a & b) / len(a | b) if a or b else 1.0
