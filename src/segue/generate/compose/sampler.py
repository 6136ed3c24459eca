"""Sampling of bars: continuation, infilling, added parts.

What is in bars: who plays, which drums are struck, what sounds together.

What is made likelier, or less likely, than the network holds it: key, players, registers, roots.

All in nats, added to the logits of the next token. Nothing here forbids anything; what may come at
all says the grammar.

Writes music bar by bar: goes on with a score, fills bars in, or adds a part.

Every bar is sampled from what the grammar allows, so that it is a score whatever the network says.
Bars in which a part would go along with the music learned from for too long, and bars that repeat
the ones before once too often, are written anew.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.generate.compose.grammar import (
    GrammarState,
    encode_bar,
    header,
    infill_prefix,
    part_prefix,
)
from segue.generate.compose.known_bars import CopyTracker, fingerprint_bar
from segue.generate.compose.options import CompositionOptions, beat_length, tempo_bin
from segue.generate.compose.tokens import (
    BEGIN,
    END,
    FIRST_TOKEN,
    MAX_INFILL_BARS,
    OPENING,
    PART,
    STEPS_PER_QUARTER,
    TEMPO_BINS,
    TOKEN_KINDS,
    Bar,
    BoolArray,
    semitones_to_c,
    tempo_to_bpm,
)
from segue.theory.instruments import (
    DRUMS,
    instrument_name,
    plays_bass,
    range_of,
    register_of,
    sounds_alone,
)

if TYPE_CHECKING:
    from torch import Tensor

    from segue.generate.compose.model import Composer
    from segue.nn.quantization import Precision


# --- bars ---


def instruments_of(bars: Sequence[Bar]) -> frozenset[int]:
    """Return who plays."""
    return frozenset[int]().union(*(bar.instruments for bar in bars))


def drums_of(bars: Sequence[Bar]) -> frozenset[int]:
    """Return the drums that are struck."""
    return frozenset(note.pitch for bar in bars for note in bar.notes if note.instrument == DRUMS)


def chordal_instruments(bar: Bar) -> frozenset[int]:
    """Return who begins several notes at once."""
    begun = Counter((note.onset, note.instrument) for note in bar.notes)
    return frozenset(instrument for (_, instrument), count in begun.items() if count > 1)


def make_monophonic(bar: Bar, alone: frozenset[int]) -> Bar:
    """Let notes of some instruments end where the next one of that instrument begins."""
    next_onset: dict[int, int] = {}
    notes = []
    for note in reversed(bar.notes):
        length = note.length
        if note.instrument in alone and note.instrument in next_onset:
            length = min(length, next_onset[note.instrument] - note.onset)
        next_onset[note.instrument] = note.onset
        notes.append(note._replace(length=length))
    return bar._replace(notes=tuple(notes[::-1]))


# --- leanings ---

#: Instruments that were asked for, or play on both sides of bars to be filled in, become so much
#: likelier with each bar that they are silent in, the current one included, and three times that
#: before they play at all; at most so much, and less by so much with each bar that they play in.
_WANTED: Final = 2.0
_FIRST: Final = 3
_MOST_WANTED: Final = 15.0
_SATED: Final = 0.5
#: Where a key was asked for, what is outside its scale (in minor, all its scales) becomes so much
#: less likely. By mode, major and minor, in semitones above the tonic, C to the network.
_STRANGE: Final = 1.5
_OUTSIDE: Final = ((1, 3, 6, 8, 10), (1, 4, 6))
#: For each semitone outside the usual register of an instrument that does not play yet.
_UNUSUAL: Final = 1.0
#: What the root of a chord gets on a beat from an instrument that plays the bass.
_ROOT: Final = 2.5


class LogitBiases:
    """Leans the logits of a piece's tokens.

    Parameters
    ----------
    wanted : iterable of int
        Instruments that were asked for, each as often as it has parts.
    mode : int, optional
        0 for major, 1 for minor, where a key was asked for; the network writes in C.
    """

    def __init__(self, wanted: Iterable[int] = (), mode: int | None = None) -> None:
        self._parts = Counter(wanted)
        self._wanted = dict.fromkeys(self._parts, _FIRST * _WANTED)
        #: Of instruments with several parts: how much likelier notes at once are made.
        self._together = {
            one: _FIRST * _WANTED
            for one, count in self._parts.items()
            if count > 1 and one != DRUMS
        }
        self._outside = () if mode is None else _OUTSIDE[mode]
        self._registers: dict[int, NDArray[np.float32]] = {}
        self._roots: Sequence[tuple[int, int]] = ()
        self._never = set(self._parts)
        self._never_together = set(self._together)

    def want(self, instruments: Collection[int]) -> None:
        """Want these, too."""
        self._wanted |= dict.fromkeys(instruments, _WANTED)

    def keep_to_registers(self, instruments: Iterable[int], moved: int) -> None:
        """Lean these towards the registers that they usually play in.

        Parameters
        ----------
        instruments : iterable of int
        moved : int
            Semitones that the network's music is above what is meant.
        """
        pitches = np.arange(128)
        for instrument in instruments:
            low, high = register_of(instrument)
            beyond = np.maximum(low + moved - pitches, pitches - high - moved).clip(min=0)
            self._registers[instrument] = np.asarray(-_UNUSUAL * beyond, np.float32)

    def have_roots(self, roots: Sequence[tuple[int, int]]) -> None:
        """Tell the chords of the current bar: from which step on which pitch class is the root."""
        self._roots = roots

    @property
    def missing(self) -> bool:
        """Whether a part that was asked for has not played yet."""
        return bool(self._never or self._never_together)

    def insist(self) -> None:
        """Want who has not played yet as much as can be: no other bar comes."""
        self._wanted |= dict.fromkeys(self._never, _MOST_WANTED)
        self._together |= dict.fromkeys(self._never_together, _MOST_WANTED)

    def complete(self, bar: Bar) -> bool:
        """Tell whether with this bar everybody who was asked for has played."""
        together = {one for one in self._never_together if not self._plays_together(bar, one)}
        return not (self._never - bar.instruments or together)

    def heard(self, bar: Bar) -> None:
        """Note who played in a bar that stays."""
        self._never -= bar.instruments
        for asked, nats in self._wanted.items():
            self._wanted[asked] = _next(
                nats, played=asked in bar.instruments, never=asked in self._never
            )
        for asked, nats in self._together.items():
            played = self._plays_together(bar, asked)
            self._together[asked] = _next(nats, played=played, never=asked in self._never_together)
            if played:
                self._never_together.discard(asked)

    def applied(self, logits: "Tensor", bar: Bar, instrument: int, step: int) -> "Tensor":
        """Lean logits.

        Parameters
        ----------
        logits : Tensor, shape (…, VOCABULARY)
        bar : Bar
            As far as it is written.
        instrument : int
            Who is to play next; -1 for nobody yet.
        step : int
            Of the bar.
        """
        leaning = logits.clone()
        pitches = leaning[..., FIRST_TOKEN["pitch"] : FIRST_TOKEN["pitch"] + 128]
        for pitch_class in self._outside:
            pitches[..., pitch_class::12] -= _STRANGE
        for asked in self._wanted.keys() - bar.instruments:
            leaning[..., FIRST_TOKEN["instrument"] + asked] += self._wanted[asked]
        if 0 <= instrument < DRUMS:
            if instrument in self._registers:
                pitches += logits.new_tensor(self._registers[instrument])
            root = self._root_at(step)
            if root is not None:
                pitches[..., root::12] += _ROOT
            here = sum(n.instrument == instrument and n.onset == step for n in bar.notes)
            if 0 < here < self._parts[instrument] and not self._plays_together(bar, instrument):
                pitches += self._together[instrument]
        return leaning

    def _root_at(self, step: int) -> int | None:
        """Return the pitch class of the root on a beat, where chords were told."""
        if step % STEPS_PER_QUARTER:
            return None
        begun = [root for first, root in self._roots if first <= step]
        return begun[-1] if begun and begun[-1] >= 0 else None

    def _plays_together(self, bar: Bar, instrument: int) -> bool:
        """Tell whether an instrument begins as many notes at once as it has parts."""
        at = Counter(note.onset for note in bar.notes if note.instrument == instrument)
        return max(at.values(), default=0) >= self._parts[instrument]


def _next(nats: float, *, played: bool, never: bool) -> float:
    more = _FIRST * _WANTED if never else _WANTED
    return min(max(nats - _SATED if played else nats + more, _WANTED), _MOST_WANTED)


# --- pieces ---

MOST_BARS: Final = 10_000
#: So often a bar is tried before it is left empty.
_TRIES: Final = 8
#: So much hotter each try is.
_HOTTER: Final = 0.15
#: So many bars may be the same, one after the other, and so many be silent.
_MOST_ALIKE: Final = 4
_MOST_SILENT: Final = 1
#: Share of the view for what stands behind bars to be filled in, and before.
_BESIDE: Final = 0.35

_ALL_BARS: Final = range(FIRST_TOKEN["bar"], FIRST_TOKEN["tempo"])


class BarSampler:
    """Writes bars.

    Parameters
    ----------
    composer : Composer
    wishes : Wishes

    Attributes
    ----------
    wishes : Wishes
    precision : str
        Of the network's weights.
    rejected : int
        Bars that were written anew so far.
    """

    def __init__(self, composer: "Composer", wishes: CompositionOptions) -> None:
        import torch

        from segue.generate.compose.model import CachedDecoder  # brings in torch

        self._known = composer.known
        self.wishes = wishes
        self.precision: Precision = "int8"  # the fastest, one row at a time; always the same
        self._pen = CachedDecoder(composer.network, self.precision)
        self._generator = torch.Generator().manual_seed(wishes.seed)
        self._home = 0  # the network writes in C: so many semitones from the key that is meant
        self._kept: list[int] = []  # always in view: what the piece is said to be
        self._written: list[list[int]] = []  # the bars after it
        self._opens = True  # these are all bars since the beginning
        self._instruments: tuple[int, ...] | None = wishes.instruments
        self._ranges: dict[int, tuple[int, int]] = {}
        self._together: dict[int, int] = {}  # how many notes at once may begin
        self._kit: frozenset[int] | None = None  # drums that may be struck
        self._trails: dict[int, CopyTracker] = {}
        self._last: list[Bar] = []  # the latest bars
        self._leanings = LogitBiases(wishes.instruments or (), self._mode)
        self.rejected = 0

    def go_on(self, count: int, prompt: Sequence[Bar] = ()) -> Iterator[Bar]:
        """Go on with bars, or begin.

        Parameters
        ----------
        count : int
        prompt : sequence of Bar

        Yields
        ------
        Bar
        """
        if not 1 <= count <= MOST_BARS:
            raise BadArgument(f"{count} bars; from 1 to {MOST_BARS:,} can be written at once")
        prompt = self._at_home(prompt)
        heard = instruments_of(prompt)
        if prompt:
            self._instruments = tuple(sorted(heard | set(self.wishes.instruments or ())))
            self._kept = header(self._instruments, self._mode)
            self._written = [encode_bar(bar) for bar in prompt]
            self._last = list(prompt[-_MOST_ALIKE:])
        else:
            self._begin()
        self._know_instruments(prompt)
        metre, tempo = self._first_of(prompt)
        self._view()
        for number in range(count):
            bar = self._bar(metre, tempo, last=number == count - 1)
            metre, tempo = bar.metre, bar.tempo
            yield bar.moved(-self._home)

    def fill(self, bars: Sequence[Bar], first: int, last: int) -> Iterator[Bar]:
        """Write some bars anew, with those before and after in view.

        Parameters
        ----------
        bars : sequence of Bar
            Of the whole piece.
        first, last : int
            Which are replaced, from 0; the last one is not.

        Yields
        ------
        Bar
        """
        if not 0 <= first < last <= len(bars):
            raise BadArgument(
                f"bars {first + 1} to {last} cannot be filled in; the piece has {len(bars)}"
            )
        bars = self._at_home(bars)
        room = int(_BESIDE * self._pen.context)
        after: list[Bar] = []
        for bar in bars[last:]:
            room -= len(encode_bar(bar))
            if room < 0:
                break
            after.append(bar)
        kept = [*bars[:first], *after]
        heard = instruments_of(kept) or instruments_of(bars)
        self._instruments = tuple(sorted(set(self.wishes.instruments or heard)))
        begins = header(sorted(heard | set(self._instruments)), self._mode)
        self._know_instruments(bars)
        self._kit = drums_of(kept) or None
        if first and after:  # who plays on both sides does so in between
            on_both_sides = bars[first - 1].instruments & after[0].instruments
            self._leanings.want(on_both_sides & set(self._instruments))
        self._written = [encode_bar(bar) for bar in bars[:first]]
        self._last = list(bars[:first][-_MOST_ALIKE:])
        for place in range(first, last):
            if (place - first) % MAX_INFILL_BARS == 0:
                self._kept = begins + infill_prefix(min(last - place, MAX_INFILL_BARS), after)
                self._view()
            old = bars[place]
            yield self._bar(old.metre, old.tempo).moved(-self._home)

    def add(
        self,
        bars: Sequence[Bar],
        instrument: int,
        roots: Sequence[Sequence[tuple[int, int]]] = (),
    ) -> Iterator[Bar]:
        """Write a part to bars.

        Parameters
        ----------
        bars : sequence of Bar
        instrument : int
            Program, or `DRUMS`; one that does not play yet.
        roots : sequence of sequence of (int, int)
            For each bar, from which step on which pitch class is the root of the chord, -1 for
            none: a bass plays these on beats.

        Yields
        ------
        Bar
            What the part plays.
        """
        bars = self._at_home(bars)
        heard = instruments_of(bars)
        if instrument in heard:
            raise BadArgument(
                f"{instrument_name(instrument)} plays already; add another instrument, or write "
                "bars anew with --infill"
            )
        self._kept = header(sorted(heard), self._mode) + part_prefix(instrument)
        self._instruments = (instrument,)
        self._know_instruments(())
        self._view()
        most = self._pen.context // 2 - len(self._kept)
        if not plays_bass(instrument):
            roots = ()
        for place, bar in enumerate(bars):
            here = roots[place] if place < len(roots) else ()
            self._leanings.have_roots(
                [(step, (root + self._home) % 12 if root >= 0 else -1) for step, root in here]
            )
            given = [*encode_bar(bar)[:most], PART]
            yield self._bar(bar.metre, bar.tempo, given).moved(-self._home)

    # ---- a bar -----------------------------------------------------------------------------

    def _bar(
        self,
        metre: int | None,
        tempo: int | None,
        given: Sequence[int] = (),
        *,
        last: bool = False,
    ) -> Bar:
        """Write a bar, or leave it empty where nothing that may be comes.

        In the last one everybody has played who was asked for, as far as a few tries bring it.
        """
        if last:
            self._leanings.insist()
        for attempt in range(_TRIES):
            at = self._pen.length
            bar, tokens = self._tried(metre, tempo, given, attempt, last=last)
            trails = self._followed(bar)
            whole = not last or attempt >= _TRIES // 2 or self._leanings.complete(bar)
            if whole and self._may_stay(bar, trails):
                break
            self.rejected += 1
            metre, tempo = bar.metre, bar.tempo
            if self._pen.length > at:
                self._pen.back(at)
            else:  # the view moved on meanwhile
                self._view()
        else:
            bar = Bar(bar.metre, bar.tempo, ())
            tokens = list(given) or encode_bar(bar)
            trails = {}
            self._read(tokens)
        self._trails = trails
        self._written.append(tokens)
        if len(self._written) > self._pen.context:  # more bars than can ever be in view
            del self._written[0]
            self._opens = False
        self._last = [*self._last, bar][-_MOST_ALIKE:]
        self._leanings.heard(bar)
        return bar

    def _tried(
        self,
        metre: int | None,
        tempo: int | None,
        given: Sequence[int],
        attempt: int,
        *,
        last: bool,
    ) -> tuple[Bar, list[int]]:
        """Sample a bar; return also its tokens in view."""
        reading = GrammarState(self._instruments, self._ranges, self._together, self._kit)
        reading.read(BEGIN)
        tokens: list[int] = []
        logits = self._read(list(given), tokens) if given else self._peek()
        for kind, known in (("bar", metre), ("tempo", tempo)):
            number = known
            if kind == "tempo" and number is None and self.wishes.tempo is not None:
                number = self._asked_tempo(reading.bars[-1].metre)
            if number is None:
                may = reading.may_come()
                if kind == "bar":  # what stands before the first bar is there already
                    may[: FIRST_TOKEN["bar"]] = may[FIRST_TOKEN["tempo"] :] = False
                token = self._chosen(logits, may, attempt)
            else:
                token = FIRST_TOKEN[kind] + number
            reading.read(token)
            if not given:
                logits = self._read([token], tokens)
        longest = self._pen.context // 2 - len(self._kept)
        silent = not given and not any(bar.notes for bar in self._last[-_MOST_SILENT:])
        while True:
            may = reading.may_come()
            may[END] = may[FIRST_TOKEN["bar"]]  # as good as another bar: this one is over
            bar = reading.bars[-1]
            if silent and not bar.notes and (self._last or last):
                may = _going_on(may)
            lacking = last and len(tokens) <= longest and not self._leanings.complete(bar)
            if lacking and _going_on(may).any():
                may = _going_on(may)
            if len(tokens) > longest and may[END]:
                break
            leaning = self._leanings.applied(logits, bar, *reading.place)
            token = self._chosen(leaning, may, attempt)
            if token == END or token in _ALL_BARS:
                break
            reading.read(token)
            logits = self._read([token], tokens)
        alone = frozenset(one for one, most in self._together.items() if most == 1)
        return make_monophonic(reading.bars[-1], alone), tokens

    def _chosen(self, logits: "Tensor", may: BoolArray, attempt: int) -> int:
        import torch

        from segue.nn.sampling import MASKED, sample

        sampling = self.wishes.sampling
        if attempt:
            hotter = max(sampling.temperature, 0.5) + attempt * _HOTTER
            sampling = replace(sampling, temperature=hotter)
        masked = logits.masked_fill(~torch.from_numpy(may), MASKED)
        return int(sample(masked, sampling, self._generator))

    def _may_stay(self, bar: Bar, trails: dict[int, CopyTracker]) -> bool:
        if any(trail.copied > self.wishes.max_copy for trail in trails.values()):
            return False
        alike = [one for one in self._last if (one.notes, one.metre) == (bar.notes, bar.metre)]
        return not bar.notes or len(alike) < _MOST_ALIKE

    def _followed(self, bar: Bar) -> dict[int, CopyTracker]:
        return {
            instrument: self._trails.get(instrument, CopyTracker(self._known)).followed_by(
                fingerprint_bar(bar, instrument)
            )
            for instrument in bar.instruments - {DRUMS}
        }

    # ---- the view --------------------------------------------------------------------------

    def _read(self, tokens: list[int], into: list[int] | None = None) -> "Tensor":
        """Read tokens of a bar; where there is no room, the oldest bars leave the view."""
        before = list(into or ())
        if into is not None:
            into += tokens
        if self._pen.length + len(tokens) > self._pen.context:
            return self._view([*before, *tokens])
        self._logits = self._pen.read(tokens)
        return self._logits

    def _peek(self) -> "Tensor":
        """Return the logits after what is in view."""
        return self._logits

    def _view(self, current: Sequence[int] = ()) -> "Tensor":
        """Look anew at what the piece is said to be, at the last bars, and at the current one."""
        room = (self._pen.context - len(self._kept)) // 2
        bars: list[list[int]] = []
        for bar in reversed(self._written):
            room -= len(bar)
            if room < len(current):
                break
            bars.append(bar)
        opening = [OPENING] if self._opens and len(bars) == len(self._written) else []
        self._pen.back(0)
        tokens = [*self._kept, *opening, *(token for bar in bars[::-1] for token in bar), *current]
        self._logits = self._pen.read(tokens)
        return self._logits

    @property
    def _mode(self) -> int | None:
        """The key as the network knows it: C major or C minor."""
        return None if self.wishes.key is None else self.wishes.key % 2

    def _at_home(self, bars: Sequence[Bar]) -> list[Bar]:
        """Move bars to C, and remember where they come from."""
        self._home = 0 if self.wishes.key is None else semitones_to_c(self.wishes.key)
        return [bar.moved(self._home) for bar in bars]

    def _begin(self) -> None:
        """Say what a new piece is to be: what was wished, and for the rest whatever comes."""
        import torch

        wishes = self.wishes
        if wishes.key is None:  # the network says which mode; one tonic is as good as another
            tonic = int(torch.randint(12, (1,), generator=self._generator))
            self._home = semitones_to_c(2 * tonic)
        self._kept = [BEGIN] if self._mode is None else header((), self._mode)
        if wishes.instruments is not None:
            self._instruments = tuple(sorted(set(wishes.instruments)))
            self._kept = header(self._instruments, self._mode)
            return
        reading = GrammarState()
        for token in self._kept:
            reading.read(token)
        self._pen.back(0)
        logits = self._pen.read(self._kept)
        while True:
            may = reading.may_come()
            may[FIRST_TOKEN["bar"] : FIRST_TOKEN["tempo"]] = False
            may[FIRST_TOKEN["key"] + 2 : FIRST_TOKEN["key"] + 24] = False
            if TOKEN_KINDS[self._kept[-1]] != "instrument":
                may[OPENING] = False  # somebody plays
            token = self._chosen(logits, may, 0)
            if token == OPENING:
                break
            reading.read(token)
            self._kept.append(token)
            logits = self._pen.read([token])
        said = [token for token in self._kept if TOKEN_KINDS[token] == "instrument"]
        self._instruments = tuple(token - FIRST_TOKEN["instrument"] for token in said)

    def _know_instruments(self, bars: Sequence[Bar]) -> None:
        """Keep to what the instruments can play, and to what they already do."""
        chordal = frozenset[int]().union(*(chordal_instruments(bar) for bar in bars))
        parts = Counter(self.wishes.instruments or ())
        self._together = {
            number: max(parts[number], 1)
            for number in range(DRUMS)
            if sounds_alone(number) and number not in chordal
        }
        self._leanings.keep_to_registers(set(range(DRUMS)) - instruments_of(bars), self._home)
        self._ranges = {DRUMS: range_of(DRUMS)}
        for number in range(DRUMS):
            low, high = range_of(number)
            self._ranges[number] = max(low + self._home, 0), min(high + self._home, 127)
        for bar in bars:
            for note in bar.notes:
                low, high = self._ranges[note.instrument]
                self._ranges[note.instrument] = min(low, note.pitch), max(high, note.pitch)

    def _first_of(self, prompt: Sequence[Bar]) -> tuple[int | None, int | None]:
        metre, tempo = self.wishes.metre, None
        if prompt:
            metre = prompt[-1].metre if metre is None else metre
            tempo = None if self.wishes.tempo is not None else prompt[-1].tempo
        return metre, tempo

    def _asked_tempo(self, metre: int) -> int:
        """Return the number of the tempo that was asked for, or of the nearest that there is."""
        beat = beat_length(metre)
        asked = (self.wishes.tempo or 0.0) * beat
        return tempo_bin(min(max(asked, tempo_to_bpm(0)), tempo_to_bpm(TEMPO_BINS - 1)))


def _going_on(may: BoolArray) -> BoolArray:
    """Let the bar not end yet."""
    found = may.copy()
    found[END] = False
    found[FIRST_TOKEN["bar"] : FIRST_TOKEN["tempo"]] = False
    return found
