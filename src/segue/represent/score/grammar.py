"""Which tokens may follow, and the score that those read so far make."""

from collections.abc import Collection, Mapping

import numpy as np

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.represent.score.general_midi import PROGRAM_NAMES
from segue.represent.score.vocabulary import (
    BEGIN,
    COUNTS,
    DRUM_LENGTH,
    DRUMS,
    END,
    FIRST,
    KINDS,
    LENGTHS,
    METRES,
    STEPS_PER_QUARTER,
    USUAL_LOUDNESS,
    USUAL_TEMPO,
    VOCABULARY,
    BoolArray,
    Note,
    bpm_of,
    steps_of,
    told,
    velocity_of,
)


class Reading:
    """Reads tokens, and knows which may come next.

    Whatever is sampled from what may come is a score, and the only way to write it.

    Parameters
    ----------
    instruments : collection of int, optional
        Programs, and `DRUMS`, that may play from now on; else all.
    ranges : mapping of int to (int, int), optional
        Lowest and highest pitch that an instrument may play.

    Attributes
    ----------
    notes : list of Note
        Those read so far.
    bars : list of int
        The step at which each bar begins.
    ended : bool
    """

    def __init__(
        self,
        instruments: Collection[int] | None = None,
        ranges: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        self.notes: list[Note] = []
        self.bars: list[int] = []
        self.ended = False
        self._ranges = dict(ranges or {})
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
        self._metres: list[int] = []
        self._tempos: list[tuple[int, int]] = []
        self._loudness = [USUAL_LOUDNESS] * (DRUMS + 1)
        self._tempo = USUAL_TEMPO
        self._last = ""  # the kind of the last token
        self._step = -1
        self._instrument = -1
        self._held = -1  # who played last when this step began
        self._named = -1  # who was named last at this step
        self._pitch = -1  # the last one of this instrument at this step
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
        match kind:
            case "bar":
                last = self.bars[-1] + steps_of(self._metres[-1]) if self.bars else 0
                self.bars.append(last)
                self._metres.append(number)
                self._step = -1
            case "tempo":
                self._tempo = number
                self._tempos.append((self.bars[-1], number))
            case "step":
                self._step, self._held = number, self._instrument
                self._named = self._pitch = -1
            case "instrument":
                self._instrument = self._named = number
                self._pitch = -1
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
            case "end":
                self.ended = True
        self._last = kind

    def may_come(self) -> BoolArray:
        """Return which tokens may come next, shape (VOCABULARY,), bool; none after the end."""
        may = self._grammatical()
        _of(may, "instrument")[:] &= self._playing
        if self._instrument < 0 or self._last in ("pitch", "long"):
            return may
        left = self._pitches(self._instrument, self._pitch)
        if not self._playing[self._instrument]:
            left[:] = False
        _of(may, "drum" if self._instrument == DRUMS else "pitch")[:] &= left
        if not left.any():
            _of(may, "loudness")[:] = False
        return may

    def score(self, title: str = "") -> Score:
        """Return what was read so far as a score.

        Raises
        ------
        BadArgument
            There is no note.
        """
        if not self.notes:
            raise BadArgument("these tokens hold no note; a score has at least one")
        parts = []
        for instrument in sorted({note.instrument for note in self.notes}):
            rows = sorted(
                (note.onset, note.length, note.pitch, velocity_of(note.loudness))
                for note in self.notes
                if note.instrument == instrument
            )
            rows.sort(key=lambda row: (row[0], row[2]))
            drums = instrument == DRUMS
            name = "drums" if drums else PROGRAM_NAMES[instrument]
            program = 0 if drums else instrument
            parts.append(Part(name, program, drums, np.array(rows, np.int32)))
        metres = [
            (start, *METRES[metre])
            for place, (start, metre) in enumerate(zip(self.bars, self._metres, strict=True))
            if not place or metre != self._metres[place - 1]
        ]
        tempos = self._tempos
        if not tempos or tempos[0][0] > 0:
            tempos = [(0, USUAL_TEMPO), *tempos]
        return Score(
            title,
            STEPS_PER_QUARTER,
            tuple(parts),
            np.array([(start, bpm_of(tempo)) for start, tempo in tempos], np.float64),
            np.array(metres, np.int32),
            np.empty((0, 3), np.int32),
        )

    def _play(self, length: int) -> None:
        instrument = self._instrument
        onset = self.bars[-1] + self._step
        self.notes.append(Note(onset, instrument, self._pitch, length, self._loudness[instrument]))

    def _pitches(self, instrument: int, above: int) -> BoolArray:
        low, high = self._ranges.get(instrument, (0, 127))
        pitches = np.arange(128)
        return (pitches > above) & (pitches >= low) & (pitches <= high)

    def _grammatical(self) -> BoolArray:
        may = np.zeros(VOCABULARY, np.bool_)
        match self._last:
            case "":
                may[BEGIN] = True
            case "begin":
                _of(may, "bar")[:] = True
            case "bar" | "tempo":
                _of(may, "bar")[:] = True
                _of(may, "step")[: steps_of(self._metres[-1])] = True
                if self._last == "bar":
                    _of(may, "tempo")[:] = True
                    may[FIRST["tempo"] + self._tempo] = False
            case "step":
                _of(may, "instrument")[:] = True
                if self._instrument >= 0:
                    may[FIRST["instrument"] + self._instrument] = False
                    self._may_play(may)
            case "instrument":
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
                may[END] = True
                _of(may, "bar")[:] = True
                _of(may, "step")[self._step + 1 : steps_of(self._metres[-1])] = True
                # Who played last goes first, the others follow in order.
                _of(may, "instrument")[self._named + 1 :] = True
                for gone in {self._held, self._instrument} - {-1}:
                    may[FIRST["instrument"] + gone] = False
                self._may_play(may)
        return may

    def _may_play(self, may: BoolArray) -> None:
        _of(may, "drum" if self._instrument == DRUMS else "pitch")[self._pitch + 1 :] = True
        if self._pitch < 127:
            _of(may, "loudness")[:] = True
            may[FIRST["loudness"] + self._loudness[self._instrument]] = False


def _of(may: BoolArray, kind: str) -> BoolArray:
    return may[FIRST[kind] : FIRST[kind] + COUNTS[kind]]
