"""Writes music bar by bar: goes on with a score, fills bars in, or adds a part.

Every bar is sampled from what the grammar allows, so that it is a score whatever the network says.
Bars in which a part would go along with the music learned from for too long, and bars that repeat
the ones before once too often, are written anew.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from segue.compose.wishes import Wishes, tempo_number
from segue.errors import BadArgument
from segue.represent.score.bar_prints import bar_print
from segue.represent.score.grammar import Reading
from segue.represent.score.instruments import instrument_name, range_of, sounds_alone
from segue.represent.score.known_bars import Trail
from segue.represent.score.tokens import adding, bar_tokens, filling, header
from segue.represent.score.vocabulary import (
    BEGIN,
    DRUMS,
    END,
    FILLED,
    FIRST,
    KINDS,
    OPENING,
    PART,
    Bar,
    BoolArray,
    home,
)

if TYPE_CHECKING:
    from torch import Tensor

    from segue.model.score.composer import Composer
    from segue.model.score.precision import Precision

MOST_BARS: Final = 10_000
#: So often a bar is tried before it is left empty.
_TRIES: Final = 8
#: So much hotter each try is.
_HOTTER: Final = 0.15
#: So many bars may be the same, one after the other, and so many be silent.
_MOST_ALIKE: Final = 4
_MOST_SILENT: Final = 1
#: Instruments that were asked for, or play on both sides of bars to be filled in, become so much
#: likelier (nats) with each bar that they are silent in, the current one included; at most so
#: much, and less by so much with each bar that they play in.
_WANTED: Final = 1.5
_MOST_WANTED: Final = 15.0
_SATED: Final = 0.5
#: Where a key was asked for, what is outside its scale (in minor, all its scales) becomes so much
#: less likely, in nats. By mode, major and minor, in semitones above the tonic, C to the network.
_STRANGE: Final = 1.5
_OUTSIDE: Final = ((1, 3, 6, 8, 10), (1, 4, 6))
#: Share of the view for what stands behind bars to be filled in, and before.
_BESIDE: Final = 0.35

_ALL_BARS: Final = range(FIRST["bar"], FIRST["tempo"])


class Writing:
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

    def __init__(self, composer: "Composer", wishes: Wishes) -> None:
        import torch

        from segue.model.score.composer import Pen  # brings in torch

        self._known = composer.known
        self.wishes = wishes
        self.precision: Precision = "int8"  # the fastest, one row at a time; always the same
        self._pen = Pen(composer.network, self.precision)
        self._generator = torch.Generator().manual_seed(wishes.seed)
        self._home = 0  # the network writes in C: so many semitones from the key that is meant
        self._kept: list[int] = []  # always in view: what the piece is said to be
        self._written: list[list[int]] = []  # the bars after it
        self._opens = True  # these are all bars since the beginning
        self._instruments: tuple[int, ...] | None = wishes.instruments
        self._ranges: dict[int, tuple[int, int]] = {}
        self._alone: frozenset[int] = frozenset()  # one note at a time
        self._kit: frozenset[int] | None = None  # drums that may be struck
        self._trails: dict[int, Trail] = {}
        self._last: list[Bar] = []  # the latest bars
        #: How much likelier who was asked for is made.
        self._wanted = dict.fromkeys(wishes.instruments or (), 2 * _WANTED)
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
        _check_count(count)
        prompt = self._at_home(prompt)
        playing = _playing(prompt)
        if prompt:
            self._instruments = tuple(sorted(playing | set(self.wishes.instruments or ())))
            self._kept = header(self._instruments, self._mode)
            self._written = [bar_tokens(bar) for bar in prompt]
            self._last = list(prompt[-_MOST_ALIKE:])
        else:
            self._begin()
        self._know_instruments(prompt)
        metre, tempo = self._first_of(prompt)
        self._view()
        for _ in range(count):
            bar = self._bar(metre, tempo)
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
            room -= len(bar_tokens(bar))
            if room < 0:
                break
            after.append(bar)
        kept = [*bars[:first], *after]
        playing = _playing(kept) or _playing(bars)
        self._instruments = self.wishes.instruments or tuple(sorted(playing))
        begins = header(sorted(playing | set(self._instruments)), self._mode)
        self._know_instruments(bars)
        self._kit = _struck(kept) or None
        if first and after:  # who plays on both sides does so in between
            on_both_sides = bars[first - 1].instruments & after[0].instruments
            self._wanted |= dict.fromkeys(on_both_sides & set(self._instruments), _WANTED)
        self._written = [bar_tokens(bar) for bar in bars[:first]]
        self._last = list(bars[:first][-_MOST_ALIKE:])
        for place in range(first, last):
            if (place - first) % FILLED == 0:
                self._kept = begins + filling(min(last - place, FILLED), after)
                self._view()
            old = bars[place]
            yield self._bar(old.metre, old.tempo).moved(-self._home)

    def add(self, bars: Sequence[Bar], instrument: int) -> Iterator[Bar]:
        """Write a part to bars.

        Parameters
        ----------
        bars : sequence of Bar
        instrument : int
            Program, or `DRUMS`; one that does not play yet.

        Yields
        ------
        Bar
            What the part plays.
        """
        bars = self._at_home(bars)
        playing = _playing(bars)
        if instrument in playing:
            raise BadArgument(
                f"{instrument_name(instrument)} plays already; add another instrument, or write "
                "bars anew with --infill"
            )
        self._kept = header(sorted(playing), self._mode) + adding(instrument)
        self._instruments = (instrument,)
        self._know_instruments(())
        self._view()
        most = self._pen.context // 2 - len(self._kept)
        for bar in bars:
            given = [*bar_tokens(bar)[:most], PART]
            yield self._bar(bar.metre, bar.tempo, given).moved(-self._home)

    # ---- a bar -----------------------------------------------------------------------------

    def _bar(self, metre: int | None, tempo: int | None, given: Sequence[int] = ()) -> Bar:
        """Write a bar, or leave it empty where nothing that may be comes."""
        for attempt in range(_TRIES):
            at = self._pen.length
            bar, tokens = self._tried(metre, tempo, given, attempt)
            trails = self._followed(bar)
            if self._may_stay(bar, trails):
                break
            self.rejected += 1
            metre, tempo = bar.metre, bar.tempo
            if self._pen.length > at:
                self._pen.back(at)
            else:  # the view moved on meanwhile
                self._view()
        else:
            bar = Bar(bar.metre, bar.tempo, ())
            tokens = list(given) or bar_tokens(bar)
            trails = {}
            self._read(tokens)
        self._trails = trails
        self._written.append(tokens)
        if len(self._written) > self._pen.context:  # more bars than can ever be in view
            del self._written[0]
            self._opens = False
        self._last = [*self._last, bar][-_MOST_ALIKE:]
        for asked, wanted in self._wanted.items():
            less = asked in bar.instruments
            now = wanted - _SATED if less else wanted + _WANTED
            self._wanted[asked] = min(max(now, _WANTED), _MOST_WANTED)
        return bar

    def _tried(
        self, metre: int | None, tempo: int | None, given: Sequence[int], attempt: int
    ) -> tuple[Bar, list[int]]:
        """Sample a bar; return also its tokens in view."""
        reading = Reading(self._instruments, self._ranges, self._alone, self._kit)
        reading.read(BEGIN)
        tokens: list[int] = []
        logits = self._read(list(given), tokens) if given else self._peek()
        for kind, number in (("bar", metre), ("tempo", tempo)):
            if number is None:
                may = reading.may_come()
                if kind == "bar":  # what stands before the first bar is there already
                    may[: FIRST["bar"]] = may[FIRST["tempo"] :] = False
                token = self._chosen(logits, may, attempt)
            else:
                token = FIRST[kind] + number
            reading.read(token)
            if not given:
                logits = self._read([token], tokens)
        longest = self._pen.context // 2 - len(self._kept)
        silent = not given and not any(bar.notes for bar in self._last[-_MOST_SILENT:])
        while True:
            may = reading.may_come()
            may[END] = may[FIRST["bar"]]  # as good as another bar: this one is over
            if silent and not reading.bars[-1].notes and self._last:
                may[END] = False
                may[FIRST["bar"] : FIRST["tempo"]] = False
            if len(tokens) > longest and may[END]:
                break
            token = self._chosen(self._leaning(logits, reading.bars[-1]), may, attempt)
            if token == END or token in _ALL_BARS:
                break
            reading.read(token)
            logits = self._read([token], tokens)
        return _one_at_a_time(reading.bars[-1], self._alone), tokens

    def _leaning(self, logits: "Tensor", bar: Bar) -> "Tensor":
        """Lean towards what was asked for: the key, instruments that are silent in this bar yet."""
        lacking = self._wanted.keys() - bar.instruments
        if not lacking and self.wishes.key is None:
            return logits
        leaning = logits.clone()
        if self.wishes.key is not None:
            pitches = leaning[..., FIRST["pitch"] : FIRST["pitch"] + 128]
            for pitch_class in _OUTSIDE[self.wishes.key % 2]:
                pitches[..., pitch_class::12] -= _STRANGE
        for asked in lacking:
            leaning[..., FIRST["instrument"] + asked] += self._wanted[asked]
        return leaning

    def _chosen(self, logits: "Tensor", may: BoolArray, attempt: int) -> int:
        import torch

        from segue.model.sampling import NEVER, choose

        sampling = self.wishes.sampling
        if attempt:
            hotter = max(sampling.temperature, 0.5) + attempt * _HOTTER
            sampling = replace(sampling, temperature=hotter)
        masked = logits.masked_fill(~torch.from_numpy(may), NEVER)
        return int(choose(masked, sampling, self._generator))

    def _may_stay(self, bar: Bar, trails: dict[int, Trail]) -> bool:
        if any(trail.copied > self.wishes.max_copy for trail in trails.values()):
            return False
        alike = [one for one in self._last if (one.notes, one.metre) == (bar.notes, bar.metre)]
        return not bar.notes or len(alike) < _MOST_ALIKE

    def _followed(self, bar: Bar) -> dict[int, Trail]:
        return {
            instrument: self._trails.get(instrument, Trail(self._known)).followed_by(
                bar_print(bar, instrument)
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
        self._home = 0 if self.wishes.key is None else home(self.wishes.key)
        return [bar.moved(self._home) for bar in bars]

    def _begin(self) -> None:
        """Say what a new piece is to be: what was wished, and for the rest whatever comes."""
        import torch

        wishes = self.wishes
        if wishes.key is None:  # the network says which mode; one tonic is as good as another
            tonic = int(torch.randint(12, (1,), generator=self._generator))
            self._home = home(2 * tonic)
        self._kept = [BEGIN] if self._mode is None else header((), self._mode)
        if wishes.instruments is not None:
            self._kept = header(wishes.instruments, self._mode)
            return
        reading = Reading()
        for token in self._kept:
            reading.read(token)
        self._pen.back(0)
        logits = self._pen.read(self._kept)
        while True:
            may = reading.may_come()
            may[FIRST["bar"] : FIRST["tempo"]] = False
            may[FIRST["key"] + 2 : FIRST["key"] + 24] = False
            if KINDS[self._kept[-1]] != "instrument":
                may[OPENING] = False  # somebody plays
            token = self._chosen(logits, may, 0)
            if token == OPENING:
                break
            reading.read(token)
            self._kept.append(token)
            logits = self._pen.read([token])
        said = [token for token in self._kept if KINDS[token] == "instrument"]
        self._instruments = tuple(token - FIRST["instrument"] for token in said)

    def _know_instruments(self, bars: Sequence[Bar]) -> None:
        """Keep to what the instruments can play, and to what they already do."""
        together = frozenset[int]().union(*(_in_chords(bar) for bar in bars))
        self._alone = frozenset(filter(sounds_alone, range(DRUMS))) - together
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
        if self.wishes.tempo is not None:
            tempo = tempo_number(self.wishes.tempo)
        if prompt:
            metre = prompt[-1].metre if metre is None else metre
            tempo = prompt[-1].tempo if tempo is None else tempo
        return metre, tempo


def _playing(bars: Sequence[Bar]) -> frozenset[int]:
    return frozenset[int]().union(*(bar.instruments for bar in bars))


def _struck(bars: Sequence[Bar]) -> frozenset[int]:
    """Return the drums that are struck."""
    return frozenset(note.pitch for bar in bars for note in bar.notes if note.instrument == DRUMS)


def _in_chords(bar: Bar) -> frozenset[int]:
    """Return who begins several notes at once."""
    begun = Counter((note.onset, note.instrument) for note in bar.notes)
    return frozenset(instrument for (_, instrument), count in begun.items() if count > 1)


def _one_at_a_time(bar: Bar, alone: frozenset[int]) -> Bar:
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


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_BARS:
        raise BadArgument(f"{count} bars; from 1 to {MOST_BARS:,} can be written at once")
