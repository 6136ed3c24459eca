"""Which tokens may follow, and the bars that those read so far make."""

from collections.abc import Collection, Mapping

import numpy as np

from segue.errors import BadArgument
from segue.represent.score.vocabulary import (
    BEGIN,
    COUNTS,
    DRUM_LENGTH,
    DRUMS,
    END,
    FIRST,
    KINDS,
    LENGTHS,
    OPENING,
    USUAL_LOUDNESS,
    VOCABULARY,
    Bar,
    BoolArray,
    Note,
    Pedal,
    steps_of,
    told,
)

_HEADER = ("begin", "key", "plays", "opening")


class Reading:
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
        self._loudness = [USUAL_LOUDNESS] * (DRUMS + 1)
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
        if not 0 <= token < VOCABULARY or not self._grammatical()[token]:
            name = told(token) if 0 <= token < VOCABULARY else str(token)
            after = f"after a {self._last}" if self._last else "at the beginning"
            raise BadArgument(f"token {token} ({name}) cannot come {after}")
        kind = KINDS[token]
        number = token - FIRST[kind]
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
                self._play(DRUM_LENGTH)
            case "long":
                self._long = LENGTHS * (number + 1)
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
        may = np.zeros(VOCABULARY, np.bool_)
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
                _of(may, "step")[: steps_of(self.bars[-1].metre)] = True
            case _:
                self._grammatical_within(may)
        return may

    def _grammatical_within(self, may: BoolArray) -> None:
        match self._last:
            case "step":
                _of(may, "instrument")[:] = True
                if self._instrument >= 0:
                    may[FIRST["instrument"] + self._instrument] = False
                    self._may_move_pedal(may)
                    self._may_play(may)
            case "instrument":
                self._may_move_pedal(may)
                self._may_play(may)
            case "pedal":
                may[FIRST["pedal"] + 1] = not self._pedals[self._instrument]
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
        _of(may, "step")[self._step + 1 : steps_of(self.bars[-1].metre)] = True
        # Who played last goes first, the others follow in order.
        _of(may, "instrument")[self._named + 1 :] = True
        for gone in {self._held, self._instrument} - {-1}:
            may[FIRST["instrument"] + gone] = False

    def _may_move_pedal(self, may: BoolArray) -> None:
        if self._instrument != DRUMS:
            _of(may, "pedal")[:] = True
            if self._instrument in self._pedals:
                may[FIRST["pedal"] + self._pedals[self._instrument]] = False

    def _may_play(self, may: BoolArray) -> None:
        _of(may, "drum" if self._instrument == DRUMS else "pitch")[self._pitch + 1 :] = True
        if self._pitch < 127:
            _of(may, "loudness")[:] = True
            may[FIRST["loudness"] + self._loudness[self._instrument]] = False


def _of(may: BoolArray, kind: str) -> BoolArray:
    return may[FIRST[kind] : FIRST[kind] + COUNTS[kind]]
