"""Piano rolls of five instruments: what sounds at each of 48 steps of a bar of 4/4.

The grid and the instruments are those of the Lakh Pianoroll Dataset, as MuseGAN uses it: Dong et
al., "MuseGAN: Multi-track Sequential Generative Adversarial Networks", AAAI 2018.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score

STEPS: Final = 48  # in a bar: a quarter has 12, so that triplets and sixteenths both fit
STEPS_PER_QUARTER: Final = STEPS // 4
LOWEST_PITCH: Final = 24
PITCHES: Final = 84
INSTRUMENTS: Final = ("drums", "piano", "guitar", "bass", "strings")
#: General MIDI programs by which each is written.
PROGRAMS: Final = (0, 0, 25, 33, 48)
VELOCITY: Final = 90
MOST_BARS: Final = 4096
#: First program of each family of eight, and the instrument that plays it: keyboards, mallets and
#: organs are piano; what is no guitar and no bass either joins the strings, as in the dataset.
FAMILIES: Final = (1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PianoRoll:
    """What sounds when, of five instruments, in bars of 4/4.

    Attributes
    ----------
    cells : ndarray, shape (bars, 48, 84, 5), bool
        Bar, step, pitch from MIDI 24 up, and instrument: drums, piano, guitar, bass, strings.
    tempo_bpm : float
        Quarters a minute.
    skipped_bars : int
        Bars in other metres, which are left out.
    """

    cells: BoolArray
    tempo_bpm: float = 120.0
    skipped_bars: int = 0

    def __post_init__(self) -> None:
        """Check the shape.

        Raises
        ------
        BadArgument
        """
        if self.cells.shape[1:] != (STEPS, PITCHES, len(INSTRUMENTS)) or self.cells.dtype != bool:
            raise BadArgument(
                f"expected cells of shape (bars, {STEPS}, {PITCHES}, {len(INSTRUMENTS)}), bool, "
                f"got {self.cells.shape}, {self.cells.dtype}"
            )

    @classmethod
    def from_score(cls, score: Score) -> "PianoRoll":
        """Put a score on the grid.

        A note sounds from the step nearest to its onset to the one nearest to its end, for one
        step at least. Pitches beyond the grid move by octaves into it; drums beyond it are left
        out. Bars in other metres are counted and left out; notes that last into a bar that is
        left out end there.

        Parameters
        ----------
        score : Score

        Returns
        -------
        PianoRoll

        Raises
        ------
        BadArgument
            It has more than 4,096 bars.
        """
        starts = _bars(score)
        cells = np.zeros((len(starts.at), STEPS, PITCHES, len(INSTRUMENTS)), np.bool_)
        flat = cells.reshape(-1, PITCHES, len(INSTRUMENTS))
        for part in score.parts:
            instrument = 0 if part.is_drum else FAMILIES[part.program // 8]
            on, off, row = _steps(score, part, starts)
            for first, last, pitch in zip(on.tolist(), off.tolist(), row.tolist(), strict=True):
                flat[first:last, pitch, instrument] = True
        tempo = float(score.tempos[0, 1]) if len(score.tempos) else 120.0
        return cls(cells, tempo, starts.skipped)

    def to_score(self, title: str = "") -> Score:
        """Write the roll as a score: cells that follow one another are one note.

        Parameters
        ----------
        title : str

        Returns
        -------
        Score
            Of a part for each instrument that plays; `from_score` gives the same cells, up to
            empty bars at the end.
        """
        flat = self.cells.reshape(-1, PITCHES, len(INSTRUMENTS))
        parts = []
        for number, (name, program) in enumerate(zip(INSTRUMENTS, PROGRAMS, strict=True)):
            notes = _notes(flat[:, :, number])
            if len(notes):
                parts.append(Part(name, program, name == "drums", notes))
        return Score(
            title,
            STEPS_PER_QUARTER,
            tuple(parts),
            np.array([[0, self.tempo_bpm]]),
            np.array([[0, 4, 4]], np.int32),
            np.empty((0, 3), np.int32),
        )


@dataclass(frozen=True, slots=True)
class _Bars:
    """The bars of 4/4 of a score, in order.

    Attributes
    ----------
    at : ndarray, shape (n,), int64
        Their first ticks.
    until : ndarray, shape (n,), int64
        Up to which bar they follow one another in the score, too.
    skipped : int
        How many others there are.
    """

    at: NDArray[np.int64]
    until: NDArray[np.int64]
    skipped: int


def _bars(score: Score) -> _Bars:
    """Divide a score into bars, each metre from where it begins."""
    end = max(int((part.notes[:, 0] + part.notes[:, 1]).max()) for part in score.parts)
    quarter = score.ticks_per_quarter
    metres = score.metres.tolist()
    if not metres or metres[0][0] > 0:
        metres = [[0, 4, 4], *metres]
    at: list[int] = []
    skipped = 0
    for (tick, beats, unit), following in zip(metres, [*metres[1:], None], strict=True):
        until = min(following[0], end) if following else end
        length = max(quarter * 4 * beats // unit, 1)
        count = max(-(-(until - tick) // length), 0)
        if skipped + len(at) + count > MOST_BARS:
            raise BadArgument(f"a score of more than {MOST_BARS} bars")
        if (beats, unit) == (4, 4):
            at += range(tick, tick + count * length, length)
        else:
            skipped += count
    starts = np.array(at, np.int64)
    ends = np.append(np.flatnonzero(np.diff(starts) != 4 * quarter) + 1, len(starts))
    until = ends[np.searchsorted(ends, np.arange(len(starts)), side="right")]
    return _Bars(starts, until, skipped)


def _steps(
    score: Score, part: Part, bars: _Bars
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return of each note that is on the grid its first step, the one after its last, its row."""
    onset, duration, pitch, _ = part.notes.astype(np.int64).T
    row = pitch - LOWEST_PITCH
    if part.is_drum:
        kept = (row >= 0) & (row < PITCHES)
    else:
        row = np.where(row < 0, row % 12, np.where(row >= PITCHES, PITCHES - 12 + row % 12, row))
        kept = np.ones(len(row), np.bool_)
    step = score.ticks_per_quarter / STEPS_PER_QUARTER
    # A note a little early belongs to the bar that it opens.
    bar = np.searchsorted(bars.at, onset + int(step / 2), side="right") - 1
    kept &= bar >= 0
    onset, duration, row, bar = onset[kept], duration[kept], row[kept], bar[kept]
    since = onset - bars.at[bar]
    first = np.maximum(np.rint(since / step).astype(np.int64), 0)
    last = np.maximum(np.rint((since + duration) / step).astype(np.int64), first + 1)
    last = np.minimum(last, (bars.until[bar] - bar) * STEPS)
    here = first < STEPS  # else it lies in a bar that is left out
    return (bar * STEPS + first)[here], (bar * STEPS + last)[here], row[here]


def _notes(cells: BoolArray) -> NDArray[np.int32]:
    """Join the cells of one instrument, shape (steps, 84), to notes."""
    edges = np.diff(np.pad(cells, ((1, 1), (0, 0))).astype(np.int8), axis=0)
    pitch, onset = np.nonzero(edges.T == 1)
    _, end = np.nonzero(edges.T == -1)
    velocity = np.full(len(onset), VELOCITY)
    notes = np.stack([onset, end - onset, pitch + LOWEST_PITCH, velocity], axis=1)
    return np.asarray(notes[np.lexsort((pitch, onset))], np.int32)
