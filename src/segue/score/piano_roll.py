"""Piano rolls of five instruments: 48 steps to a bar of 4/4.

Piano rolls of five instruments: what sounds at each of 48 steps of a bar of 4/4.

The grid and the instruments are those of the Lakh Pianoroll Dataset, as MuseGAN uses it: Dong et
al., "MuseGAN: Multi-track Sequential Generative Adversarial Networks", AAAI 2018.

The notes of piano rolls, as tables: rolls are sparse, one cell in some hundred sounds.

Changed copies of piano rolls: transposed, thinned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score

# --- piano roll ---

STEPS_PER_BAR: Final = 48  # in a bar: a quarter has 12, so that triplets and sixteenths both fit
STEPS_PER_QUARTER: Final = STEPS_PER_BAR // 4
LOWEST_PITCH: Final = 24
N_PITCHES: Final = 84
INSTRUMENTS: Final = ("drums", "piano", "guitar", "bass", "strings")
#: General MIDI programs by which each is written.
PROGRAMS: Final = (0, 0, 25, 33, 48)
VELOCITY: Final = 90
MAX_BARS: Final = 4096
#: First program of each family of eight, and the instrument that plays it: keyboards, mallets and
#: organs are piano; what is no guitar and no bass either joins the strings, as in the dataset.
FAMILY_INSTRUMENTS: Final = (1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)

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
        if (
            self.cells.shape[1:] != (STEPS_PER_BAR, N_PITCHES, len(INSTRUMENTS))
            or self.cells.dtype != bool
        ):
            raise BadArgument(
                f"expected cells of shape (bars, {', '.join(map(str, WINDOW_SHAPE[1:]))}), bool, "
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
        cells = np.zeros((len(starts.at), STEPS_PER_BAR, N_PITCHES, len(INSTRUMENTS)), np.bool_)
        flat = cells.reshape(-1, N_PITCHES, len(INSTRUMENTS))
        for part in score.parts:
            instrument = 0 if part.is_drum else FAMILY_INSTRUMENTS[part.program // 8]
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
        flat = self.cells.reshape(-1, N_PITCHES, len(INSTRUMENTS))
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
        if skipped + len(at) + count > MAX_BARS:
            raise BadArgument(f"a score of more than {MAX_BARS} bars")
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
        kept = (row >= 0) & (row < N_PITCHES)
    else:
        row = np.where(
            row < 0, row % 12, np.where(row >= N_PITCHES, N_PITCHES - 12 + row % 12, row)
        )
        kept = np.ones(len(row), np.bool_)
    step = score.ticks_per_quarter / STEPS_PER_QUARTER
    # A note a little early belongs to the bar that it opens.
    bar = np.searchsorted(bars.at, onset + int(step / 2), side="right") - 1
    kept &= bar >= 0
    onset, duration, row, bar = onset[kept], duration[kept], row[kept], bar[kept]
    since = onset - bars.at[bar]
    first = np.maximum(np.rint(since / step).astype(np.int64), 0)
    last = np.maximum(np.rint((since + duration) / step).astype(np.int64), first + 1)
    last = np.minimum(last, (bars.until[bar] - bar) * STEPS_PER_BAR)
    here = first < STEPS_PER_BAR  # else it lies in a bar that is left out
    return (bar * STEPS_PER_BAR + first)[here], (bar * STEPS_PER_BAR + last)[here], row[here]


def _notes(cells: BoolArray) -> NDArray[np.int32]:
    """Join the cells of one instrument, shape (steps, 84), to notes."""
    edges = np.diff(np.pad(cells, ((1, 1), (0, 0))).astype(np.int8), axis=0)
    pitch, onset = np.nonzero(edges.T == 1)
    _, end = np.nonzero(edges.T == -1)
    velocity = np.full(len(onset), VELOCITY)
    notes = np.stack([onset, end - onset, pitch + LOWEST_PITCH, velocity], axis=1)
    return np.asarray(notes[np.lexsort((pitch, onset))], np.int32)


# --- roll notes ---

#: Bars that are looked at together.
WINDOW_BARS: Final = 4
WINDOW_STEPS: Final = WINDOW_BARS * STEPS_PER_BAR
WINDOW_SHAPE: Final = (WINDOW_BARS, STEPS_PER_BAR, N_PITCHES, len(INSTRUMENTS))
_ROW: Final = N_PITCHES * len(INSTRUMENTS)
_WORD: Final = 4  # bytes: the widest word that divides a row
BAR_CELLS: Final = STEPS_PER_BAR * _ROW
BAR_BYTES: Final = BAR_CELLS // 8

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RollNotes:
    """The notes of some windows: cells that follow one another are one note.

    All arrays have the shape (notes,), int64.

    Attributes
    ----------
    window, instrument, step, pitch : ndarray
        `step` counts from the start of the window, `pitch` from MIDI 24. A note that sounds on
        into a window begins where the window does.
    length : ndarray
        In steps; what sounds on beyond the window ends with it.
    windows : int
        How many windows there are, those without a note too.
    """

    window: IntArray
    instrument: IntArray
    step: IntArray
    pitch: IntArray
    length: IntArray
    windows: int

    @classmethod
    def of(cls, columns: Sequence[IntArray] | IntArray, windows: int) -> "RollNotes":
        """Take the arrays in the order in which they stand above."""
        window, instrument, step, pitch, length = columns
        return cls(window, instrument, step, pitch, length, windows)

    def ordered(self) -> "RollNotes":
        """Return the notes by window, instrument, step, pitch."""
        return self.only(np.lexsort((self.pitch, self.step, self.instrument, self.window)))

    def only(self, which: NDArray[Any] | slice, windows: int | None = None) -> "RollNotes":
        """Return some of the notes, and, if told so, of so many windows."""
        return RollNotes(
            self.window[which],
            self.instrument[which],
            self.step[which],
            self.pitch[which],
            self.length[which],
            self.windows if windows is None else windows,
        )

    def first(self, windows: int) -> "RollNotes":
        """Return the notes of the first windows, of notes that are by window."""
        return self.only(slice(0, int(np.searchsorted(self.window, windows))), windows)


def extract_notes(cells: BoolArray) -> RollNotes:
    """Find the notes.

    Parameters
    ----------
    cells : ndarray, shape (windows, bars, 48, 84, 5), bool

    Returns
    -------
    RollNotes
        Ordered.
    """
    count, bars = cells.shape[:2]
    rows = np.ascontiguousarray(cells).reshape(count, bars * STEPS_PER_BAR, _ROW).view(np.uint32)
    silence = np.zeros_like(rows[:, :1])
    before = np.concatenate([silence, rows], axis=1)
    after = np.concatenate([rows, silence], axis=1)
    changed = before ^ after
    begins, ends = _places(changed & after), _places(changed & before)
    # Both by window, cell and step, so that each beginning stands beside its end.
    steps = bars * STEPS_PER_BAR + 1
    on, off = (np.sort(_by_cell(places, steps)) for places in (begins, ends))
    window, rest = np.divmod(on, _ROW * steps)
    cell, step = np.divmod(rest, steps)
    pitch, instrument = np.divmod(cell, len(INSTRUMENTS))
    return RollNotes(window, instrument, step, pitch, off - on, count).ordered()


def check_windows(cells: BoolArray) -> None:
    """Refuse what is no windows of a roll.

    Raises
    ------
    BadArgument
    """
    if cells.shape[1:] != WINDOW_SHAPE or cells.dtype != np.bool_:
        raise BadArgument(
            f"expected windows of shape (n, {', '.join(map(str, WINDOW_SHAPE))}), bool, got "
            f"{cells.shape}, {cells.dtype}"
        )


def split_windows(cells: BoolArray, hop: int = WINDOW_BARS) -> BoolArray:
    """Cut a score into windows of four bars that have a note.

    Parameters
    ----------
    cells : ndarray, shape (bars, 48, 84, 5), bool
    hop : int
        Bars from one window to the next. The last window ends with the score; a score shorter
        than a window is filled with silence.

    Returns
    -------
    ndarray, shape (windows, 4, 48, 84, 5), bool
    """
    if len(cells) < WINDOW_BARS:
        silence = np.zeros((WINDOW_BARS - len(cells), *cells.shape[1:]), np.bool_)
        cells = np.concatenate([cells, silence])
    last = len(cells) - WINDOW_BARS
    starts = np.unique(np.append(np.arange(0, last + 1, hop), last))
    found = cells[starts[:, None] + np.arange(WINDOW_BARS)]
    return np.asarray(found[found.reshape(len(found), -1).any(axis=1)])


def _places(words: NDArray[np.uint32]) -> IntArray:
    """Return where bytes are set, counted flat in bytes; most words are 0, and passed over."""
    flat = words.reshape(-1)
    there = np.flatnonzero(flat)
    word, byte = np.nonzero(flat[there].view(np.uint8).reshape(-1, _WORD))
    return np.asarray(there[word] * _WORD + byte)


def _by_cell(places: IntArray, steps: int) -> IntArray:
    row, cell = np.divmod(places, _ROW)
    window, step = np.divmod(row, steps)
    return np.asarray((window * _ROW + cell) * steps + step)


def pack_bars(cells: BoolArray) -> NDArray[np.uint8]:
    """Pack bars, shape (..., 48, 84, 5), eight cells to the byte: (..., 2520)."""
    return np.packbits(cells.reshape(*cells.shape[:-3], BAR_CELLS), axis=-1)


def unpack_bars(bars: NDArray[np.uint8]) -> BoolArray:
    """Undo `packed`."""
    cells = np.unpackbits(bars, axis=-1).view(np.bool_)
    return cells.reshape(*bars.shape[:-1], *WINDOW_SHAPE[1:])


def rasterise_notes(notes: RollNotes) -> BoolArray:
    """Undo `notes_of`, of windows of four bars; shape (windows, 4, 48, 84, 5), bool."""
    edges = np.zeros((notes.windows, WINDOW_STEPS + 1, N_PITCHES, len(INSTRUMENTS)), np.int8)
    np.add.at(edges, (notes.window, notes.step, notes.pitch, notes.instrument), 1)
    end = notes.step + notes.length
    np.add.at(edges, (notes.window, end, notes.pitch, notes.instrument), -1)
    sounding = np.cumsum(edges[:, :-1], axis=1, dtype=np.int8) > 0
    return np.asarray(sounding.reshape(-1, *WINDOW_SHAPE))


# --- roll changes ---

_OCTAVE: Final = 12


def transpose(cells: BoolArray, semitones: int) -> BoolArray:
    """Move all but the drums up by so many semitones.

    Parameters
    ----------
    cells : ndarray, shape (..., 84, 5), bool
    semitones : int
        Within -12 to 12. What would leave the grid moves by an octave into it.

    Returns
    -------
    ndarray
        A copy.
    """
    result = cells.copy()
    pitched = cells[..., 1:]
    moved = result[..., 1:]
    if semitones > 0:
        moved[..., semitones:, :] = pitched[..., :-semitones, :]
        moved[..., :semitones, :] = False
        at = N_PITCHES + semitones - _OCTAVE
        moved[..., at - semitones : at, :] |= pitched[..., N_PITCHES - semitones :, :]
    elif semitones < 0:
        down = -semitones
        moved[..., :-down, :] = pitched[..., down:, :]
        moved[..., -down:, :] = False
        moved[..., _OCTAVE - down : _OCTAVE, :] |= pitched[..., :down, :]
    return result


def drop_notes(cells: BoolArray, share: float, rng: np.random.Generator) -> BoolArray:
    """Leave out notes, each with a probability, but never all of a window.

    Parameters
    ----------
    cells : ndarray, shape (windows, 4, 48, 84, 5), bool
    share : float
        Within 0 to 1.
    rng : Generator

    Returns
    -------
    ndarray
        A copy.
    """
    check_windows(cells)
    result = cells.copy()
    notes = extract_notes(cells)
    gone = rng.random(len(notes.window)) < share
    first = np.unique(notes.window, return_index=True)[1]
    kept = np.bincount(notes.window[~gone], minlength=notes.windows)
    gone[first[kept[notes.window[first]] == 0]] = False
    _silence(result, notes, gone)
    return result


def _silence(cells: BoolArray, notes: RollNotes, gone: NDArray[np.bool_]) -> None:
    steps = cells.reshape(len(cells), WINDOW_STEPS, *cells.shape[3:])
    length = notes.length[gone]
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    window, step, pitch, instrument = (
        np.repeat(column[gone], length)
        for column in (notes.window, notes.step, notes.pitch, notes.instrument)
    )
    steps[window, step + within, pitch, instrument] = False
