"""The grammar of score tokens: encoding, decoding, and which tokens may follow.

    begin, C minor, cello, drums, then for each bar:
        bar 4/4, 120 bpm, then for each step with an event:
            step 6, then for each instrument:
                cello unless it is the current one, pedal changes, then for each pitch, ascending:
                    its velocity where it changes, C3, its duration
    end

Each bar is encoded independently of the others, so that bars can be moved, cut and concatenated.
Steps are twelfths of a quarter, as in the piano roll. Drums have no duration. Encoding is lossless
for what `tokens.bars_to_score` returns: notes on the grid with one of 8 velocities, programs,
pedals, time signatures, and one of 31 tempos per bar. Parts of one program are merged; keys and
part names are lost.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from segue.errors import BadArgument
from segue.generate.compose.tokens import (
    BEGIN,
    DEFAULT_VELOCITY,
    DRUM_DURATION,
    END,
    FIRST_TOKEN,
    OPENING,
    PART,
    SHORT_DURATIONS,
    SUFFIX_END,
    TOKEN_COUNTS,
    TOKEN_KINDS,
    VOCABULARY_SIZE,
    Bar,
    Note,
    Pedal,
    Tokens,
    bars_to_score,
    score_to_bars,
    steps_per_bar,
    token_name,
)
from segue.records import BoolArray, Score
from segue.theory.instruments import DRUMS

_HEADER = ("begin", "key", "plays", "opening")


class Position(NamedTuple):
    """A position in a bar; -1 where something is undefined.

    Attributes
    ----------
    instrument : int
        Current instrument.
    step : int
        Current step.
    named : int
        Last instrument token of this step.
    pitch : int
        Last pitch of the instrument at this step.
    long : int
        Steps of a `long` token whose note is incomplete, or 0.
    kind : str
        Kind of the last token.
    """

    instrument: int
    step: int
    named: int
    pitch: int
    long: int
    kind: str


class GrammarState:
    """State of the grammar: consumes tokens and returns which are allowed next.

    Any sequence of allowed tokens decodes to a score, which makes constrained decoding possible.

    Parameters
    ----------
    instruments : collection of int, optional
        Programs and `DRUMS` that are allowed; by default those of the header, or all.
    ranges : mapping of int to (int, int), optional
        Lowest and highest pitch of an instrument.
    polyphony : mapping of int to int, optional
        Maximum number of simultaneous onsets of a program; unlimited for others.
    drums : collection of int, optional
        Allowed pitches of `DRUMS`; by default all in its range.

    Attributes
    ----------
    bars : list of Bar
        Decoded bars; the last one may be incomplete.
    ended : bool
        Whether the end token was consumed.
    """

    def __init__(
        self,
        instruments: Collection[int] | None = None,
        ranges: Mapping[int, tuple[int, int]] | None = None,
        polyphony: Mapping[int, int] | None = None,
        drums: Collection[int] | None = None,
    ) -> None:
        self.bars: list[Bar] = []
        self.ended = False
        self._ranges = dict(ranges or {})
        self._polyphony = dict(polyphony or {})
        self._drums = None if drums is None else frozenset(drums)
        self._allowed_instruments = np.ones(DRUMS + 1, np.bool_)
        if instruments is not None:
            self._allowed_instruments = np.isin(np.arange(DRUMS + 1), list(instruments))
        for instrument, (low, high) in self._ranges.items():
            if not 0 <= low <= high < 128:
                raise BadArgument(
                    f"a range from {low} to {high} for instrument {instrument}; pitches are from "
                    "0 to 127, the lowest first"
                )
        if not self._allowed_instruments.any():
            raise BadArgument("no instrument may play; name at least one")
        self._header_instruments: list[int] = []
        self._last = ""  # kind of the last token
        self._begin_bar()

    def _begin_bar(self) -> None:
        self._velocities = [DEFAULT_VELOCITY] * (DRUMS + 1)
        self._pedals: dict[int, int] = {}
        self._step = -1
        self._instrument = -1
        self._instrument_before = -1  # current instrument when this step began
        self._named = -1  # last instrument token of this step
        self._pitch = -1  # last pitch of this instrument at this step
        self._onsets = 0  # number of notes of this instrument at this step
        self._long = 0

    def consume(self, token: int) -> None:
        """Consume the next token.

        Raises
        ------
        BadArgument
            The token is not allowed here.
        """
        if not 0 <= token < VOCABULARY_SIZE or not self._grammatical()[token]:
            name = token_name(token) if 0 <= token < VOCABULARY_SIZE else str(token)
            after = f"after a {self._last}" if self._last else "at the beginning"
            raise BadArgument(f"token {token} ({name}) cannot come {after}")
        kind = TOKEN_KINDS[token]
        value = token - FIRST_TOKEN[kind]
        if self._last in _HEADER and kind == "instrument":
            kind = "plays"
        match kind:
            case "plays":
                self._header_instruments.append(value)
            case "bar":
                self._begin_bar()
                self.bars.append(Bar(value, 0, ()))
            case "tempo":
                self.bars[-1] = self.bars[-1]._replace(tempo=value)
            case "end":
                self.ended = True
            case _:
                self._consume_event(kind, value)
        self._last = kind

    def _consume_event(self, kind: str, value: int) -> None:
        match kind:
            case "step":
                self._step, self._instrument_before = value, self._instrument
                self._named = self._pitch = -1
                self._onsets = 0
            case "instrument":
                self._instrument = self._named = value
                self._pitch, self._onsets = -1, 0
            case "pedal":
                self._pedals[self._instrument] = value
                pedal = Pedal(self._step, self._instrument, value)
                self.bars[-1] = self.bars[-1]._replace(pedals=(*self.bars[-1].pedals, pedal))
            case "velocity":
                self._velocities[self._instrument] = value
            case "pitch":
                self._pitch, self._long = value, 0
            case "drum":
                self._pitch = value
                self._add_note(DRUM_DURATION)
            case "long":
                self._long = SHORT_DURATIONS * (value + 1)
            case "duration":
                self._add_note(self._long + value + 1)

    @property
    def position(self) -> Position:
        """Position in the current bar."""
        return Position(
            self._instrument, self._step, self._named, self._pitch, self._long, self._last
        )

    def allowed(self) -> BoolArray:
        """Return which tokens are allowed next, shape (VOCABULARY_SIZE,); none after the end."""
        mask = self._grammatical()
        instruments = self._playable_instruments()
        _of(mask, "instrument")[:] &= instruments
        if self._instrument < 0 or self._last in ("pitch", "long"):
            return mask
        pitches = self._playable_pitches(self._instrument, self._pitch)
        if not instruments[self._instrument]:
            pitches[:] = False
            _of(mask, "pedal")[:] = False
        _of(mask, "drum" if self._instrument == DRUMS else "pitch")[:] &= pitches
        if not pitches.any():
            _of(mask, "velocity")[:] = False
        return mask

    def _playable_instruments(self) -> BoolArray:
        if not self._header_instruments or self._last in _HEADER:
            return self._allowed_instruments
        in_header = np.isin(np.arange(DRUMS + 1), self._header_instruments)
        return self._allowed_instruments & in_header

    def _add_note(self, duration: int) -> None:
        bar, instrument = self.bars[-1], self._instrument
        self._onsets += 1
        note = Note(self._step, instrument, self._pitch, duration, self._velocities[instrument])
        self.bars[-1] = bar._replace(notes=(*bar.notes, note))

    def _playable_pitches(self, instrument: int, above: int) -> BoolArray:
        low, high = self._ranges.get(instrument, (0, 127))
        pitches = np.arange(128)
        if instrument == DRUMS and self._drums is not None:
            return (pitches > above) & np.isin(pitches, list(self._drums))
        if above >= 0 and self._onsets >= self._polyphony.get(instrument, len(pitches)):
            return np.zeros(len(pitches), np.bool_)
        return (pitches > above) & (pitches >= low) & (pitches <= high)

    def _grammatical(self) -> BoolArray:
        """Return which tokens the grammar allows, whatever the constraints."""
        mask = np.zeros(VOCABULARY_SIZE, np.bool_)
        match self._last:
            case "":
                mask[BEGIN] = True
            case "begin" | "key" | "plays" | "opening":
                _of(mask, "bar")[:] = True
                if self._last == "begin":
                    _of(mask, "key")[:] = True
                if self._last != "opening":
                    last = self._header_instruments[-1] if self._header_instruments else -1
                    _of(mask, "instrument")[last + 1 :] = True
                    mask[OPENING] = True
            case "bar":
                _of(mask, "tempo")[:] = True
            case "tempo":
                _of(mask, "bar")[:] = True
                _of(mask, "step")[: steps_per_bar(self.bars[-1].time_signature)] = True
            case _:
                self._grammatical_in_bar(mask)
        return mask

    def _grammatical_in_bar(self, mask: BoolArray) -> None:
        match self._last:
            case "step":
                _of(mask, "instrument")[:] = True
                if self._instrument >= 0:
                    mask[FIRST_TOKEN["instrument"] + self._instrument] = False
                    self._allow_pedals(mask)
                    self._allow_pitches(mask)
            case "instrument":
                self._allow_pedals(mask)
                self._allow_pitches(mask)
            case "pedal":
                mask[FIRST_TOKEN["pedal"] + 1] = not self._pedals[self._instrument]
                self._allow_next_event(mask)
                self._allow_pitches(mask)
            case "velocity":
                self._allow_pitches(mask)
                _of(mask, "velocity")[:] = False
            case "pitch":
                _of(mask, "long")[:] = True
                _of(mask, "duration")[:] = True
            case "long":
                _of(mask, "duration")[:] = True
            case "duration" | "drum":
                self._allow_next_event(mask)
                self._allow_pitches(mask)

    def _allow_next_event(self, mask: BoolArray) -> None:
        """Allow another instrument, step or bar, or the end."""
        mask[END] = True
        _of(mask, "bar")[:] = True
        _of(mask, "step")[self._step + 1 : steps_per_bar(self.bars[-1].time_signature)] = True
        # The current instrument comes first, the others in order.
        _of(mask, "instrument")[self._named + 1 :] = True
        for earlier in {self._instrument_before, self._instrument} - {-1}:
            mask[FIRST_TOKEN["instrument"] + earlier] = False

    def _allow_pedals(self, mask: BoolArray) -> None:
        if self._instrument != DRUMS:
            _of(mask, "pedal")[:] = True
            if self._instrument in self._pedals:
                mask[FIRST_TOKEN["pedal"] + self._pedals[self._instrument]] = False

    def _allow_pitches(self, mask: BoolArray) -> None:
        _of(mask, "drum" if self._instrument == DRUMS else "pitch")[self._pitch + 1 :] = True
        if self._pitch < 127:
            _of(mask, "velocity")[:] = True
            mask[FIRST_TOKEN["velocity"] + self._velocities[self._instrument]] = False


def _of(mask: BoolArray, kind: str) -> BoolArray:
    return mask[FIRST_TOKEN[kind] : FIRST_TOKEN[kind] + TOKEN_COUNTS[kind]]


def encode(score: Score, key: int | None = None) -> Tokens:
    """Encode a score as tokens.

    Parameters
    ----------
    score : Score
        See `score_to_bars`.
    key : int, optional
        Index of the key, from 0: C major, C minor, C♯ major … B minor.

    Returns
    -------
    ndarray, shape (T,), int64
        From `BEGIN` to `END`.
    """
    bars = score_to_bars(score)
    tokens = header(frozenset[int]().union(*(bar.instruments for bar in bars)), key)
    for bar in bars:
        tokens += encode_bar(bar)
    return np.array([*tokens, END], np.int64)


def decode(tokens: Iterable[int], title: str = "") -> Score:
    """Decode tokens to a score.

    Parameters
    ----------
    tokens : iterable of int
        From `BEGIN`; `END` may be missing.
    title : str
        Title of the score.

    Returns
    -------
    Score
        With twelve ticks a quarter.

    Raises
    ------
    BadArgument
        A token is not allowed where it stands, or there is no note.
    """
    state = GrammarState()
    for token in tokens:
        state.consume(int(token))
    return bars_to_score(state.bars, title)


def header(instruments: Collection[int], key: int | None = None) -> list[int]:
    """Return the tokens that condition a piece on a key and on instruments.

    Parameters
    ----------
    instruments : collection of int
        Programs, and `DRUMS`.
    key : int, optional
        See `encode`.
    """
    keys = [] if key is None else [FIRST_TOKEN["key"] + key]
    return [BEGIN, *keys, *(FIRST_TOKEN["instrument"] + each for each in sorted(instruments))]


def infill_prefix(count: int, after: Iterable[Bar]) -> list[int]:
    """Return the tokens for infilling: size of the gap and the bars after it (the suffix).

    They follow a header; the bars before the gap come next, then those that fill it.
    """
    tokens = [FIRST_TOKEN["fill"] + count - 1]
    for bar in after:
        tokens += encode_bar(bar)
    return [*tokens, SUFFIX_END]


def part_prefix(instrument: int) -> list[int]:
    """Return the tokens for adding a part; they follow a header of the other instruments."""
    return [PART, FIRST_TOKEN["instrument"] + instrument]


def encode_bar_with_part(bar: Bar, instrument: int) -> list[int]:
    """Encode a bar with one part last, as if it were added to the others."""
    part = encode_bar(bar.select((instrument,)))
    return [*encode_bar(bar.select(bar.instruments - {instrument})), PART, *part[2:]]


def encode_bar(bar: Bar) -> list[int]:
    """Encode a bar."""
    tokens = [FIRST_TOKEN["bar"] + bar.time_signature, FIRST_TOKEN["tempo"] + bar.tempo]
    notes: dict[tuple[int, int], list[Note]] = {}
    pedals: dict[tuple[int, int], list[Pedal]] = {}
    for note in bar.notes:
        notes.setdefault((note.onset, note.instrument), []).append(note)
    for pedal in bar.pedals:
        pedals.setdefault((pedal.step, pedal.instrument), []).append(pedal)
    instruments: dict[int, set[int]] = {}
    for step, instrument in [*notes, *pedals]:
        instruments.setdefault(step, set()).add(instrument)
    current, velocities = -1, dict.fromkeys(range(DRUMS + 1), DEFAULT_VELOCITY)
    for step in sorted(instruments):
        tokens.append(FIRST_TOKEN["step"] + step)
        last = current
        for instrument in sorted(instruments[step], key=lambda each: (each != last, each)):
            if instrument != current:
                tokens.append(FIRST_TOKEN["instrument"] + instrument)
            current = instrument
            at = step, instrument
            tokens += [FIRST_TOKEN["pedal"] + pedal.down for pedal in pedals.get(at, ())]
            for note in notes.get(at, ()):
                if note.velocity != velocities[instrument]:
                    velocities[instrument] = note.velocity
                    tokens.append(FIRST_TOKEN["velocity"] + note.velocity)
                tokens += encode_note(note)
    return tokens


def encode_note(note: Note) -> list[int]:
    """Encode pitch and duration of a note."""
    if note.instrument == DRUMS:
        return [FIRST_TOKEN["drum"] + note.pitch]
    long, rest = divmod(note.duration - 1, SHORT_DURATIONS)
    multiple = [FIRST_TOKEN["long"] + long - 1] if long else []
    return [FIRST_TOKEN["pitch"] + note.pitch, *multiple, FIRST_TOKEN["duration"] + rest]
