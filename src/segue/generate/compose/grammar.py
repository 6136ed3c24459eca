"""Which tokens may follow, and the bars that tokens decode to.

Which tokens may follow, and the bars that those read so far make.

Scores as tokens: one way to write each bar, and a grammar of which tokens may follow.

    begin, C minor, cello, drums, then bar by bar:
        bar 4/4, 120 bpm, then place by place:
            step 6, then instrument by instrument:
                cello unless it played last, pedal up or down, then pitch by pitch, upward:
                    a loudness where it changes, C3, how long it lasts
    end

A bar says everything anew, so that bars can be moved, cut out and put together as they are. Steps
are twelfths of a quarter, as in the piano roll. A drum has no length. What is kept exactly is
what `tokens.bars_to_score` gives: notes on the grid, with one of 8 loudnesses,
programs, pedals, metres, and one of 31 tempos in each bar. Parts of one program become one part.
Keys and names of parts are not kept.
"""

from collections.abc import Collection, Iterable, Mapping

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
    BoolArray,
    Note,
    Pedal,
    Tokens,
    bars_to_score,
    score_to_bars,
    steps_per_bar,
    token_name,
)
from segue.records import Score
from segue.theory.instruments import DRUMS

# --- grammar ---

_HEADER = ("begin", "key", "plays", "opening")


class GrammarState:
    """Reads tokens, and knows which may come next.

    Whatever is sampled from what may come is a score.

    Parameters
    ----------
    instruments : collection of int, optional
        Programs, and `DRUMS`, that may play; else those that the beginning names, or all.
    ranges : mapping of int to (int, int), optional
        Lowest and highest pitch that an instrument may play.
    together : mapping of int to int
        How many notes a program may begin at once; of those not told, any number.
    kit : collection of int, optional
        Pitches that `DRUMS` may play; else all within its range.

    Attributes
    ----------
    bars : list of Bar
        Those read so far; the last one may not be whole.
    ended : bool
    """

    def __init__(
        self,
        instruments: Collection[int] | None = None,
        ranges: Mapping[int, tuple[int, int]] | None = None,
        together: Mapping[int, int] | None = None,
        kit: Collection[int] | None = None,
    ) -> None:
        self.bars: list[Bar] = []
        self.ended = False
        self._ranges = dict(ranges or {})
        self._together = dict(together or {})
        self._kit = None if kit is None else frozenset(kit)
        self._playing = np.ones(DRUMS + 1, np.bool_)
        if instruments is not None:
            self._playing = np.isin(np.arange(DRUMS + 1), list(instruments))
        for instrument, (low, high) in self._ranges.items():
            if not 0 <= low <= high < 128:
                raise BadArgument(
                    f"a range from {low} to {high} for instrument {instrument}; pitches are from "
                    "0 to 127, the lowest first"
                )
        if not self._playing.any():
            raise BadArgument("no instrument may play; name at least one")
        self._said: list[int] = []  # who plays, as the beginning says
        self._last = ""  # the kind of the last token
        self._begin_bar()

    def _begin_bar(self) -> None:
        self._loudness = [DEFAULT_VELOCITY] * (DRUMS + 1)
        self._pedals: dict[int, int] = {}
        self._step = -1
        self._instrument = -1
        self._held = -1  # who played last when this step began
        self._named = -1  # who was named last at this step
        self._pitch = -1  # the last one of this instrument at this step
        self._begun = 0  # notes of this instrument at this step
        self._long = 0

    def read(self, token: int) -> None:
        """Read the next token.

        Raises
        ------
        BadArgument
            It may not come here.
        """
        if not 0 <= token < VOCABULARY_SIZE or not self._grammatical()[token]:
            name = token_name(token) if 0 <= token < VOCABULARY_SIZE else str(token)
            after = f"after a {self._last}" if self._last else "at the beginning"
            raise BadArgument(f"token {token} ({name}) cannot come {after}")
        kind = TOKEN_KINDS[token]
        number = token - FIRST_TOKEN[kind]
        if self._last in _HEADER and kind == "instrument":
            kind = "plays"
        match kind:
            case "plays":
                self._said.append(number)
            case "bar":
                self._begin_bar()
                self.bars.append(Bar(number, 0, ()))
            case "tempo":
                self.bars[-1] = self.bars[-1]._replace(tempo=number)
            case "end":
                self.ended = True
            case _:
                self._read_within(kind, number)
        self._last = kind

    def _read_within(self, kind: str, number: int) -> None:
        """Read what stands within a bar."""
        match kind:
            case "step":
                self._step, self._held = number, self._instrument
                self._named = self._pitch = -1
                self._begun = 0
            case "instrument":
                self._instrument = self._named = number
                self._pitch, self._begun = -1, 0
            case "pedal":
                self._pedals[self._instrument] = number
                pedal = Pedal(self._step, self._instrument, number)
                self.bars[-1] = self.bars[-1]._replace(pedals=(*self.bars[-1].pedals, pedal))
            case "loudness":
                self._loudness[self._instrument] = number
            case "pitch":
                self._pitch, self._long = number, 0
            case "drum":
                self._pitch = number
                self._play(DRUM_DURATION)
            case "long":
                self._long = SHORT_DURATIONS * (number + 1)
            case "length":
                self._play(self._long + number + 1)

    @property
    def place(self) -> tuple[int, int]:
        """Who is to play now, -1 for nobody yet, and at which step of the bar."""
        return self._instrument, self._step

    def may_come(self) -> BoolArray:
        """Return which tokens may come next, shape (VOCABULARY,), bool; none after the end."""
        may = self._grammatical()
        playing = self._may_play_at_all()
        _of(may, "instrument")[:] &= playing
        if self._instrument < 0 or self._last in ("pitch", "long"):
            return may
        left = self._pitches(self._instrument, self._pitch)
        if not playing[self._instrument]:
            left[:] = False
            _of(may, "pedal")[:] = False
        _of(may, "drum" if self._instrument == DRUMS else "pitch")[:] &= left
        if not left.any():
            _of(may, "loudness")[:] = False
        return may

    def _may_play_at_all(self) -> BoolArray:
        if not self._said or self._last in _HEADER:
            return self._playing
        return self._playing & np.isin(np.arange(DRUMS + 1), self._said)

    def _play(self, length: int) -> None:
        bar, instrument = self.bars[-1], self._instrument
        self._begun += 1
        note = Note(self._step, instrument, self._pitch, length, self._loudness[instrument])
        self.bars[-1] = bar._replace(notes=(*bar.notes, note))

    def _pitches(self, instrument: int, above: int) -> BoolArray:
        low, high = self._ranges.get(instrument, (0, 127))
        pitches = np.arange(128)
        if instrument == DRUMS and self._kit is not None:
            return (pitches > above) & np.isin(pitches, list(self._kit))
        if above >= 0 and self._begun >= self._together.get(instrument, len(pitches)):
            return np.zeros(len(pitches), np.bool_)
        return (pitches > above) & (pitches >= low) & (pitches <= high)

    def _grammatical(self) -> BoolArray:
        may = np.zeros(VOCABULARY_SIZE, np.bool_)
        match self._last:
            case "":
                may[BEGIN] = True
            case "begin" | "key" | "plays" | "opening":
                _of(may, "bar")[:] = True
                if self._last == "begin":
                    _of(may, "key")[:] = True
                if self._last != "opening":
                    _of(may, "instrument")[self._said[-1] + 1 if self._said else 0 :] = True
                    may[OPENING] = True
            case "bar":
                _of(may, "tempo")[:] = True
            case "tempo":
                _of(may, "bar")[:] = True
                _of(may, "step")[: steps_per_bar(self.bars[-1].metre)] = True
            case _:
                self._grammatical_within(may)
        return may

    def _grammatical_within(self, may: BoolArray) -> None:
        match self._last:
            case "step":
                _of(may, "instrument")[:] = True
                if self._instrument >= 0:
                    may[FIRST_TOKEN["instrument"] + self._instrument] = False
                    self._may_move_pedal(may)
                    self._may_play(may)
            case "instrument":
                self._may_move_pedal(may)
                self._may_play(may)
            case "pedal":
                may[FIRST_TOKEN["pedal"] + 1] = not self._pedals[self._instrument]
                self._may_leave(may)
                self._may_play(may)
            case "loudness":
                self._may_play(may)
                _of(may, "loudness")[:] = False
            case "pitch":
                _of(may, "long")[:] = True
                _of(may, "length")[:] = True
            case "long":
                _of(may, "length")[:] = True
            case "length" | "drum":
                self._may_leave(may)
                self._may_play(may)

    def _may_leave(self, may: BoolArray) -> None:
        """Let another instrument, step or bar follow, or the end."""
        may[END] = True
        _of(may, "bar")[:] = True
        _of(may, "step")[self._step + 1 : steps_per_bar(self.bars[-1].metre)] = True
        # Who played last goes first, the others follow in order.
        _of(may, "instrument")[self._named + 1 :] = True
        for gone in {self._held, self._instrument} - {-1}:
            may[FIRST_TOKEN["instrument"] + gone] = False

    def _may_move_pedal(self, may: BoolArray) -> None:
        if self._instrument != DRUMS:
            _of(may, "pedal")[:] = True
            if self._instrument in self._pedals:
                may[FIRST_TOKEN["pedal"] + self._pedals[self._instrument]] = False

    def _may_play(self, may: BoolArray) -> None:
        _of(may, "drum" if self._instrument == DRUMS else "pitch")[self._pitch + 1 :] = True
        if self._pitch < 127:
            _of(may, "loudness")[:] = True
            may[FIRST_TOKEN["loudness"] + self._loudness[self._instrument]] = False


def _of(may: BoolArray, kind: str) -> BoolArray:
    return may[FIRST_TOKEN[kind] : FIRST_TOKEN[kind] + TOKEN_COUNTS[kind]]


# --- tokens ---


def encode(score: Score, key: int | None = None) -> Tokens:
    """Write a score as tokens.

    Parameters
    ----------
    score : Score
        As for `bars_on_grid`.
    key : int, optional
        From 0: C major, C minor, C♯ major … B minor.

    Returns
    -------
    ndarray, shape (T,), int64
        From `BEGIN` to `END`.
    """
    found = score_to_bars(score)
    tokens = header(frozenset[int]().union(*(bar.instruments for bar in found)), key)
    for bar in found:
        tokens += encode_bar(bar)
    return np.array([*tokens, END], np.int64)


def decode(tokens: Iterable[int], title: str = "") -> Score:
    """Read tokens as a score.

    Parameters
    ----------
    tokens : iterable of int
        From `BEGIN`; `END` may be missing.
    title : str

    Returns
    -------
    Score
        Twelve ticks a quarter.

    Raises
    ------
    BadArgument
        A token may not stand where it does, or there is no note.
    """
    reading = GrammarState()
    for token in tokens:
        reading.read(int(token))
    return bars_to_score(reading.bars, title)


def header(instruments: Collection[int], key: int | None = None) -> list[int]:
    """Write what a piece is said to be: its key, and who plays.

    Parameters
    ----------
    instruments : collection of int
        Programs, and `DRUMS`.
    key : int, optional
        As of `encode`.
    """
    said = [] if key is None else [FIRST_TOKEN["key"] + key]
    return [BEGIN, *said, *(FIRST_TOKEN["instrument"] + number for number in sorted(instruments))]


def infill_prefix(count: int, after: Iterable[Bar]) -> list[int]:
    """Write how many bars are to be filled in, and what stands after them; they follow a header.

    Then come the bars that stand before, and those that are wanted.
    """
    tokens = [FIRST_TOKEN["fill"] + count - 1]
    for bar in after:
        tokens += encode_bar(bar)
    return [*tokens, SUFFIX_END]


def part_prefix(instrument: int) -> list[int]:
    """Write which part is to be added; it follows a header that names the others."""
    return [PART, FIRST_TOKEN["instrument"] + instrument]


def encode_bar_with_part(bar: Bar, instrument: int) -> list[int]:
    """Write a bar so that one part comes last, as if it were added to the others."""
    own = encode_bar(bar.only((instrument,)))
    return [*encode_bar(bar.only(bar.instruments - {instrument})), PART, *own[2:]]


def encode_bar(bar: Bar) -> list[int]:
    """Write a bar."""
    tokens = [FIRST_TOKEN["bar"] + bar.metre, FIRST_TOKEN["tempo"] + bar.tempo]
    notes: dict[tuple[int, int], list[Note]] = {}
    pedals: dict[tuple[int, int], list[Pedal]] = {}
    for note in bar.notes:
        notes.setdefault((note.onset, note.instrument), []).append(note)
    for pedal in bar.pedals:
        pedals.setdefault((pedal.step, pedal.instrument), []).append(pedal)
    at: dict[int, set[int]] = {}
    for step, instrument in [*notes, *pedals]:
        at.setdefault(step, set()).add(instrument)
    held, loudness = -1, dict.fromkeys(range(DRUMS + 1), DEFAULT_VELOCITY)
    for step in sorted(at):
        tokens.append(FIRST_TOKEN["step"] + step)
        last = held
        for instrument in sorted(at[step], key=lambda one: (one != last, one)):
            if instrument != held:
                tokens.append(FIRST_TOKEN["instrument"] + instrument)
            held = instrument
            tokens += [
                FIRST_TOKEN["pedal"] + one.down for one in pedals.get((step, instrument), ())
            ]
            for note in notes.get((step, instrument), ()):
                if note.loudness != loudness[instrument]:
                    loudness[instrument] = note.loudness
                    tokens.append(FIRST_TOKEN["loudness"] + note.loudness)
                tokens += _note(note)
    return tokens


def _note(note: Note) -> list[int]:
    if note.instrument == DRUMS:
        return [FIRST_TOKEN["drum"] + note.pitch]
    long, rest = divmod(note.length - 1, SHORT_DURATIONS)
    longer = [FIRST_TOKEN["long"] + long - 1] if long else []
    return [FIRST_TOKEN["pitch"] + note.pitch, *longer, FIRST_TOKEN["length"] + rest]
