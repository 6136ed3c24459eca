"""Sampling of bars: continuation, infilling, and added parts.

Tokens are sampled under the constraints of the grammar, so that every bar is valid whatever the
network predicts. Logit biases steer it towards the requested key, instruments, registers and
chords. Bars that would copy too long a passage of the training set, or repeat the bars before too
often, are rejected and sampled again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.errors import BadArgument
from segue.generate.compose.biases import OUT_OF_SCALE, ChordGuide, LogitBiases, adapt_notes
from segue.generate.compose.grammar import (
    GrammarState,
    encode_bar,
    header,
    infill_prefix,
    part_prefix,
)
from segue.generate.compose.locks import LockedNotes
from segue.generate.compose.options import CompositionOptions, beat_length, tempo_bin
from segue.generate.compose.patterns import tonic_chord
from segue.generate.compose.plan import OPEN, BarPlan
from segue.generate.compose.repetition import RepetitionModel
from segue.generate.compose.tokens import (
    BEGIN,
    END,
    FIRST_TOKEN,
    MAX_INFILL_BARS,
    OPENING,
    PART,
    TEMPO_BINS,
    TOKEN_KINDS,
    Bar,
    chordal_instruments,
    drums_of,
    make_monophonic,
    read_instruments,
    semitones_to_c,
    tempo_to_bpm,
)
from segue.generate.copying import BarTracker, PassageTracker, fingerprint_bar
from segue.records import BoolArray
from segue.theory.instruments import (
    DRUMS,
    instrument_name,
    is_monophonic,
    pitch_range,
)

if TYPE_CHECKING:
    from torch import Tensor

    from segue.generate.compose.model import Composer
    from segue.nn.quantization import Precision

MAX_BARS: Final = 10_000
#: Attempts at a bar before it is left empty, and increase of the temperature with each.
_MAX_ATTEMPTS: Final = 8
_TEMPERATURE_STEP: Final = 0.15
#: Maximum number of equal bars in a row, of silent ones, and of silent ones of an added part; and
#: number of tokens of an empty bar with one that begins a part.
_MAX_REPEATS: Final = 4
_MAX_SILENT: Final = 1
_MAX_SILENT_ADDED: Final = 2
_EMPTY_BAR: Final = 3
#: Factors of the penalties of the repetition model by attempt, the last one for all later ones.
_SOURCE_FACTORS: Final = (1.0, 1.0, 0.5, 0.0)
#: Share of the context for the bars after a gap.
_SUFFIX_SHARE: Final = 0.35
#: Programs with a sustain pedal: pianos and the vibraphone.
_PEDALLED: Final = frozenset((*range(8), 11))
_BAR_TOKENS: Final = range(FIRST_TOKEN["bar"], FIRST_TOKEN["tempo"])

#: Factor of the penalties of what does not fit chords that are estimated from a score.
_ESTIMATED_CHORDS: Final = 0.3


class BarSampler:
    """Samples bars.

    Parameters
    ----------
    composer : Composer
        The model.
    options : CompositionOptions
        What to compose.

    Attributes
    ----------
    precision : str
        Precision of the network's weights.
    rejected : int
        Number of rejected bars so far.
    """

    def __init__(self, composer: "Composer", options: CompositionOptions) -> None:
        import torch

        from segue.generate.compose.model import CachedDecoder  # imports torch

        self._no_passage = PassageTracker(composer.index)
        self.options = options
        self.precision: Precision = "int8"  # fastest for one sequence, and always the same
        self._decoder = CachedDecoder(composer.network, self.precision)
        self._generator = torch.Generator().manual_seed(options.seed)
        self._transposition = 0  # from the key of the piece to C, the key of the tokens
        self._header: list[int] = []  # tokens that always stay in the context
        self._encoded: list[list[int]] = []  # tokens of the bars after it
        self._from_opening = True  # whether these are all bars from the beginning
        self._instruments: tuple[int, ...] | None = options.instruments
        self._ranges: dict[int, tuple[int, int]] = {}
        self._polyphony: dict[int, int] = {}
        self._drums: frozenset[int] | None = None
        self._pedalled = _PEDALLED
        self._trackers: dict[int, BarTracker] = {}
        self._recent: list[Bar] = []
        self._repetition: RepetitionModel | None = None
        self._plans: list[BarPlan] = []
        self._given: frozenset[int] = frozenset()  # instruments whose notes are given
        self._repeated: dict[int, Bar] = {}  # bars that are repeated, by index
        self._index = 0  # of the bar that is sampled
        self._guide: ChordGuide | None = None
        self._locked_notes: LockedNotes | None = None
        self._biases = LogitBiases(options.instruments or (), self._mode)
        self.rejected = 0

    def extend(
        self, count: int, prompt: Sequence[Bar] = (), plans: Sequence[BarPlan] = ()
    ) -> Iterator[Bar]:
        """Sample bars that continue a prompt, or a new piece.

        Parameters
        ----------
        count : int
            Number of bars.
        prompt : sequence of Bar
            All bars of a piece.
        plans : sequence of BarPlan
            Plan of each new bar; () leaves all open.

        Yields
        ------
        Bar
        """
        if not 1 <= count <= MAX_BARS:
            raise BadArgument(f"{count} bars; from 1 to {MAX_BARS:,} can be generated at once")
        prompt = self._to_c(prompt)
        if prompt:
            requested = set(self.options.instruments or ())
            self._instruments = tuple(sorted(read_instruments(prompt) | requested))
            self._header = header(self._instruments, self._mode)
            self._encoded = [encode_bar(bar) for bar in prompt]
            self._recent = list(prompt[-_MAX_REPEATS:])
        else:
            self._begin()
        self._constrain_instruments(prompt)
        self._follow(plans)
        self._repeat(prompt)
        signature, tempo = self.options.time_signature, None
        if prompt:
            signature = prompt[-1].time_signature if signature is None else signature
            tempo = None if self.options.tempo is not None else prompt[-1].tempo
        self._refill()
        for index in range(count):
            bar = self._sample_bar(signature, tempo, last=index == count - 1)
            signature, tempo = bar.time_signature, bar.tempo
            yield bar.transpose(-self._transposition)

    def arrange(
        self, bars: Sequence[Bar], instrument: int, plans: Sequence[BarPlan]
    ) -> Iterator[Bar]:
        """Sample an accompaniment for a melody.

        Parameters
        ----------
        bars : sequence of Bar
            The melody.
        instrument : int
            Program of the melody, not one of the accompaniment.
        plans : sequence of BarPlan
            Plan of each bar, with the notes of the melody as given patterns.

        Yields
        ------
        Bar
            The accompaniment.
        """
        bars = self._to_c(bars)
        self._given = frozenset({instrument})
        self._instruments = tuple(sorted({*(self.options.instruments or ()), instrument}))
        self._header = header(self._instruments, self._mode)
        self._constrain_instruments(bars)
        self._follow(plans)
        self._repeat(())
        self._refill()
        for index, bar in enumerate(bars):
            new = self._sample_bar(bar.time_signature, bar.tempo, last=index == len(bars) - 1)
            accompaniment = new.select(new.instruments - self._given)
            yield accompaniment.transpose(-self._transposition)

    def infill(
        self,
        bars: Sequence[Bar],
        first: int,
        last: int,
        plans: Sequence[BarPlan] = (),
        locked: frozenset[int] = frozenset(),
    ) -> Iterator[Bar]:
        """Sample bars that replace some of a piece, given those before and after.

        Parameters
        ----------
        bars : sequence of Bar
            The whole piece.
        first, last : int
            Range of indices to replace, without `last`.
        plans : sequence of BarPlan
            Plan of each new bar; () leaves all open.
        locked : frozenset of int
            Instruments whose notes stay; they are in the bars that are returned.

        Yields
        ------
        Bar
        """
        if not 0 <= first < last <= len(bars):
            raise BadArgument(
                f"bars {first + 1} to {last} cannot be filled in; the piece has {len(bars)}"
            )
        bars = self._to_c(bars)
        room = int(_SUFFIX_SHARE * self._decoder.context)
        after: list[Bar] = []
        for bar in bars[last:]:
            room -= len(encode_bar(bar))
            if room < 0:
                break
            after.append(bar)
        kept = [*bars[:first], *after]
        heard = read_instruments(kept) or read_instruments(bars)
        self._instruments = tuple(sorted(set(self.options.instruments or heard)))
        start = header(sorted(heard | set(self._instruments)), self._mode)
        self._constrain_instruments(bars)
        self._drums = drums_of(kept) or None
        if first and after:  # instruments on both sides are expected in between
            on_both_sides = bars[first - 1].instruments & after[0].instruments
            self._biases.request(on_both_sides & set(self._instruments))
        self._encoded = [encode_bar(bar) for bar in bars[:first]]
        self._recent = list(bars[:first][-_MAX_REPEATS:])
        self._given = locked
        if locked:  # the other instruments play about as often as before
            counts = Counter(each for bar in bars[first:last] for each in bar.instruments)
            often = {each for each, count in counts.items() if 2 * count >= last - first}
            self._biases.request(often & set(self._instruments) - locked)
        self._follow(plans)
        self._repeat([*after, *bars[:first]])
        for index in range(first, last):
            if (index - first) % MAX_INFILL_BARS == 0:
                gap = infill_prefix(min(last - index, MAX_INFILL_BARS), after)
                # Parts of a whole piece are sampled like a new piece.
                self._header = start + (gap if after or not locked else [])
                self._refill()
            old = bars[index]
            self._locked_notes = LockedNotes(old, locked) if locked else None
            bar = self._sample_bar(old.time_signature, old.tempo)
            yield bar.transpose(-self._transposition)

    def add_part(
        self,
        bars: Sequence[Bar],
        instrument: int,
        plans: Sequence[BarPlan] = (),
        *,
        are_estimated: bool = False,
    ) -> Iterator[Bar]:
        """Sample a part for bars.

        Parameters
        ----------
        bars : sequence of Bar
            The whole piece.
        instrument : int
            Program, or `DRUMS`; not among the instruments of the bars.
        plans : sequence of BarPlan
            Plan of each bar; () leaves all open.
        are_estimated : bool
            Whether the chords of the plans are estimated from the bars, and less certain.

        Yields
        ------
        Bar
            The notes of the part.
        """
        bars = self._to_c(bars)
        heard = read_instruments(bars)
        if instrument in heard:
            raise BadArgument(
                f"{instrument_name(instrument)} plays already; add another instrument, or replace "
                "bars with --infill"
            )
        self._header = header(sorted(heard), self._mode) + part_prefix(instrument)
        self._instruments = (instrument,)
        self._biases.request({instrument})
        self._constrain_instruments(())
        self._refill()
        max_tokens = self._decoder.context // 2 - len(self._header)
        self._follow(plans, _ESTIMATED_CHORDS if are_estimated else 1.0)
        for bar in bars:
            given = [*encode_bar(bar)[:max_tokens], PART]
            part = self._sample_bar(bar.time_signature, bar.tempo, given)
            yield part.transpose(-self._transposition)

    def _sample_bar(
        self,
        signature: int | None,
        tempo: int | None,
        given: Sequence[int] = (),
        *,
        last: bool = False,
    ) -> Bar:
        """Sample a bar by rejection; it is left empty where all attempts are rejected.

        In the last bar of a piece, the first half of the attempts must complete the requested
        instruments.
        """
        plan = self._plan()
        if plan.ends and not plan.chords:
            plan = replace(plan, chords=(tonic_chord(self._recent, self._mode),))
        if last:
            self._biases.maximize_unheard()
        if self._guide is not None:
            self._guide.start_bar(plan, self._plan(1))
        if self._repetition is not None:
            self._repetition.start_bar(plan, self._bar_to_repeat(plan))
        for attempt in range(_MAX_ATTEMPTS):
            length = self._decoder.length
            bar, tokens = self._attempt(signature, tempo, given, attempt, last=last)
            trackers = self._track(bar)
            complete = not last or attempt >= _MAX_ATTEMPTS // 2 or self._biases.complete_with(bar)
            if complete and self._is_acceptable(bar, trackers):
                break
            self.rejected += 1
            signature, tempo = bar.time_signature, bar.tempo
            if self._decoder.length > length:
                self._decoder.truncate(length)
            else:  # the context was refilled meanwhile
                self._refill()
        else:
            bar = Bar(bar.time_signature, bar.tempo, ())
            tokens = list(given) or encode_bar(bar)
            trackers = {}
            self._append(tokens)
        self._trackers = trackers
        self._encoded.append(tokens)
        if len(self._encoded) > self._decoder.context:  # more bars than can fit
            del self._encoded[0]
            self._from_opening = False
        self._recent = [*self._recent, bar][-_MAX_REPEATS:]
        self._biases.update(bar)
        if self._repetition is not None:
            self._repetition.append(bar, plan)
        if any(plan.repeats == self._index for plan in self._plans):
            self._repeated[self._index] = bar
        self._index += 1
        return bar

    def _bar_to_repeat(self, plan: BarPlan) -> Bar | None:
        """Return the bar that is repeated by plan, moved to other chords where they differ."""
        repeated = None if plan.repeats is None else self._repeated.get(plan.repeats)
        if repeated is None or plan.repeats is None:
            return None
        chords = self._plans[plan.repeats].chords
        if chords == plan.chords:
            return repeated
        return repeated._replace(notes=adapt_notes(repeated.notes, chords, plan.chords))

    def _attempt(
        self,
        signature: int | None,
        tempo: int | None,
        given: Sequence[int],
        attempt: int,
        *,
        last: bool,
    ) -> tuple[Bar, list[int]]:
        """Sample a bar, and return it with its tokens in the context."""
        import torch

        state, tokens, logits = self._begin_bar(signature, tempo, given, attempt)
        max_tokens = self._decoder.context // 2 - len(self._header)
        limit = _MAX_SILENT_ADDED if given else _MAX_SILENT
        silent = not any(bar.notes for bar in self._recent[-limit:])
        if given:  # a part may wait before it begins, and rest where all others do
            silent = silent and len(self._recent) >= limit and len(given) > _EMPTY_BAR
        patterned = {pattern.instrument for pattern in self._plan().patterns}
        while True:
            allowed = state.allowed()
            allowed[END] = allowed[FIRST_TOKEN["bar"]]  # both end this bar
            bar = state.bars[-1]
            if silent and not bar.notes:
                allowed = _without_end(allowed)
            incomplete = last and len(tokens) <= max_tokens and not self._biases.complete_with(bar)
            if incomplete and _without_end(allowed).any():
                allowed = _without_end(allowed)
            position, is_full = state.position, len(tokens) > max_tokens
            if position.instrument not in self._pedalled:
                allowed[FIRST_TOKEN["pedal"] : FIRST_TOKEN["velocity"]] = False
            elif position.instrument in patterned:  # its rests would be lost
                allowed[FIRST_TOKEN["pedal"] + 1] = False
            if self._locked_notes is not None:
                allowed = self._locked_notes.restrict(allowed, bar, position, only=is_full)
            if is_full and (allowed[END] or len(tokens) > 2 * max_tokens - 4):
                break
            biased = self._biases.apply(logits, bar, position.instrument, position.step)
            if self._guide is not None:
                biased = self._guide.apply(biased, bar, position)
            if self._repetition is not None:
                biased -= torch.from_numpy(self._repetition.penalties(bar, position))
            token = self._sample(biased, allowed, attempt)
            if token == END or token in _BAR_TOKENS:
                break
            state.consume(token)
            logits = self._append([token], tokens)
        monophonic = frozenset(each for each, limit in self._polyphony.items() if limit == 1)
        return make_monophonic(state.bars[-1], monophonic), tokens

    def _begin_bar(
        self, signature: int | None, tempo: int | None, given: Sequence[int], attempt: int
    ) -> tuple[GrammarState, list[int], "Tensor"]:
        """Return the state after time signature and tempo, its tokens, and the next logits."""
        state = GrammarState(self._instruments, self._ranges, self._polyphony, self._drums)
        state.consume(BEGIN)
        tokens: list[int] = []
        logits = self._append(list(given), tokens) if given else self._logits
        for kind in ("bar", "tempo"):
            value = signature if kind == "bar" else tempo
            if kind == "tempo" and value is None and self.options.tempo is not None:
                value = self._requested_tempo(state.bars[-1].time_signature)
            if value is None:
                allowed = state.allowed()
                if kind == "bar":  # the header is in the context already
                    allowed[: FIRST_TOKEN["bar"]] = allowed[FIRST_TOKEN["tempo"] :] = False
                token = self._sample(logits, allowed, attempt)
            else:
                token = FIRST_TOKEN[kind] + value
            state.consume(token)
            if not given:
                logits = self._append([token], tokens)
        if self._repetition is not None:
            factor = _SOURCE_FACTORS[min(attempt, len(_SOURCE_FACTORS) - 1)]
            self._repetition.choose(state.bars[-1].time_signature, factor)
            if self._locked_notes is not None:
                self._repetition.drop_sources(self._given)
        return state, tokens, logits

    def _sample(self, logits: "Tensor", allowed: BoolArray, attempt: int) -> int:
        import torch

        from segue.nn.sampling import MASKED, sample

        sampling = self.options.sampling
        if attempt:
            temperature = max(sampling.temperature, 0.5) + attempt * _TEMPERATURE_STEP
            sampling = replace(sampling, temperature=temperature)
        masked = logits.masked_fill(~torch.from_numpy(allowed), MASKED)
        return int(sample(masked, sampling, self._generator))

    def _is_acceptable(self, bar: Bar, trackers: dict[int, BarTracker]) -> bool:
        """Return whether a bar neither copies nor repeats too much."""
        if any(tracker.copied > self.options.max_copy for tracker in trackers.values()):
            return False
        free = [
            (each.time_signature, each.select(each.instruments - self._given).notes)
            for each in (bar, *self._recent)
        ]
        return not free[0][1] or free[1:].count(free[0]) < _MAX_REPEATS

    def _track(self, bar: Bar) -> dict[int, BarTracker]:
        """Return the copy trackers of the instruments of a bar after it."""
        return {
            instrument: self._trackers.get(instrument, BarTracker(self._no_passage)).append(
                fingerprint_bar(bar, instrument)
            )
            for instrument in bar.instruments - {DRUMS} - self._given
        }

    def _append(self, tokens: list[int], bar_tokens: list[int] | None = None) -> "Tensor":
        """Append tokens of the current bar to the context, and return the next logits.

        Where the context is full, the oldest bars are dropped.
        """
        before = list(bar_tokens or ())
        if bar_tokens is not None:
            bar_tokens += tokens
        if self._decoder.length + len(tokens) > self._decoder.context:
            return self._refill([*before, *tokens])
        self._logits = self._decoder.append(tokens)
        return self._logits

    def _refill(self, current: Sequence[int] = ()) -> "Tensor":
        """Recompute the context: header, last bars, current bar; half of it stays free."""
        room = (self._decoder.context - len(self._header)) // 2
        bars: list[list[int]] = []
        for bar in reversed(self._encoded):
            room -= len(bar)
            if room < len(current):
                break
            bars.append(bar)
        opening = [OPENING] if self._from_opening and len(bars) == len(self._encoded) else []
        self._decoder.truncate(0)
        in_bars = (token for bar in bars[::-1] for token in bar)
        self._logits = self._decoder.append([*self._header, *opening, *in_bars, *current])
        return self._logits

    def _repeat(self, bars: Sequence[Bar]) -> None:
        """Let bars follow those of the piece so far, as far as the options want it."""
        if self.options.repetition or self._plans:
            rng = np.random.default_rng(self.options.seed)
            self._repetition = RepetitionModel(self.options.repetition, rng)
            has_chords = any(plan.chords for plan in self._plans)
            self._repetition.start(bars, has_chords=has_chords)

    def _follow(self, plans: Sequence[BarPlan], strength: float = 1.0) -> None:
        """Set the plans of the bars to come."""
        self._plans = [plan.transpose(self._transposition) for plan in plans]
        if plans:
            scale = set(range(12)) - set(OUT_OF_SCALE[self._mode or 0])
            self._guide = ChordGuide(scale, self._instruments or (), strength)
        if any(plan.chords for plan in plans):
            self._biases.open_scale()

    def _plan(self, bars_ahead: int = 0) -> BarPlan:
        """Return the plan of the next bar, or of one after it."""
        index = self._index + bars_ahead
        return self._plans[index] if index < len(self._plans) else OPEN

    @property
    def _mode(self) -> int | None:
        """Index of the key as the network knows it: C major or C minor."""
        return None if self.options.key is None else self.options.key % 2

    def _to_c(self, bars: Sequence[Bar]) -> list[Bar]:
        """Transpose bars to C, and set the transposition."""
        self._transposition = 0 if self.options.key is None else semitones_to_c(self.options.key)
        return [bar.transpose(self._transposition) for bar in bars]

    def _begin(self) -> None:
        """Sample the header of a new piece, as far as the options leave it open."""
        import torch

        options = self.options
        if options.key is None:  # the network chooses the mode; all tonics are equally likely
            tonic = int(torch.randint(12, (1,), generator=self._generator))
            self._transposition = semitones_to_c(2 * tonic)
        self._header = [BEGIN] if self._mode is None else header((), self._mode)
        if options.instruments is not None:
            self._instruments = tuple(sorted(set(options.instruments)))
            self._header = header(self._instruments, self._mode)
            return
        state = GrammarState()
        for token in self._header:
            state.consume(token)
        self._decoder.truncate(0)
        logits = self._decoder.append(self._header)
        while True:
            allowed = state.allowed()
            allowed[FIRST_TOKEN["bar"] : FIRST_TOKEN["tempo"]] = False
            allowed[FIRST_TOKEN["key"] + 2 : FIRST_TOKEN["key"] + 24] = False
            if TOKEN_KINDS[self._header[-1]] != "instrument":
                allowed[OPENING] = False  # at least one instrument
            token = self._sample(logits, allowed, 0)
            if token == OPENING:
                break
            state.consume(token)
            self._header.append(token)
            logits = self._decoder.append([token])
        self._instruments = tuple(
            token - FIRST_TOKEN["instrument"]
            for token in self._header
            if TOKEN_KINDS[token] == "instrument"
        )

    def _constrain_instruments(self, bars: Sequence[Bar]) -> None:
        """Set ranges, polyphony and registers of instruments, widened by what they play."""
        chordal = frozenset[int]().union(*(chordal_instruments(bar) for bar in bars))
        parts = Counter(self.options.instruments or ())
        self._pedalled |= {pedal.instrument for bar in bars for pedal in bar.pedals}
        self._polyphony = {
            program: max(parts[program], 1)
            for program in range(DRUMS)
            if is_monophonic(program) and program not in chordal
        }
        self._biases.set_registers(set(range(DRUMS)) - read_instruments(bars), self._transposition)
        self._ranges = {DRUMS: pitch_range(DRUMS)}
        for program in range(DRUMS):
            low, high = (pitch + self._transposition for pitch in pitch_range(program))
            self._ranges[program] = max(low, 0), min(high, 127)
        for bar in bars:
            for note in bar.notes:
                low, high = self._ranges[note.instrument]
                self._ranges[note.instrument] = min(low, note.pitch), max(high, note.pitch)

    def _requested_tempo(self, signature: int) -> int:
        """Return the tempo bin nearest to the requested tempo."""
        bpm = (self.options.tempo or 0.0) * beat_length(signature)
        return tempo_bin(min(max(bpm, tempo_to_bpm(0)), tempo_to_bpm(TEMPO_BINS - 1)))


def _without_end(allowed: BoolArray) -> BoolArray:
    """Return allowed tokens without those that end the bar."""
    masked = allowed.copy()
    masked[END] = False
    masked[FIRST_TOKEN["bar"] : FIRST_TOKEN["tempo"]] = False
    return masked
