"""Piano rolls of five instruments, 48 steps to a bar of 4/4, as arrays and as notes.

The grid and the instruments are those of the Lakh Pianoroll Dataset as MuseGAN uses it: Dong et
al., "MuseGAN: Multi-track Sequential Generative Adversarial Networks", AAAI 2018. A piano roll is
sparse (of some hundred cells one sounds), so that networks read its notes (`RollNotes`) instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import BoolArray, IntArray, Part, Score

STEPS_PER_BAR: Final = 48  # 12 to a quarter note: both sixteenths and triplets fit
STEPS_PER_QUARTER: Final = STEPS_PER_BAR // 4
LOWEST_PITCH: Final = 24
N_PITCHES: Final = 84
INSTRUMENTS: Final = ("drums", "piano", "guitar", "bass", "strings")
#: General MIDI program of each instrument in a written score.
PROGRAMS: Final = (0, 0, 25, 33, 48)
VELOCITY: Final = 90
MAX_BARS: Final = 4096
#: Instrument of each General MIDI family of eight programs: keyboards, mallets and organs are
#: piano; all but guitars and basses are strings, as in the dataset.
FAMILY_INSTRUMENTS: Final = (1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)

#: Bars of the windows that models read and generate.
WINDOW_BARS: Final = 4
WINDOW_STEPS: Final = WINDOW_BARS * STEPS_PER_BAR
WINDOW_SHAPE: Final = (WINDOW_BARS, STEPS_PER_BAR, N_PITCHES, len(INSTRUMENTS))
_STEP_CELLS: Final = N_PITCHES * len(INSTRUMENTS)
_WORD_BYTES: Final = 4  # the widest word that divides a step
BAR_CELLS: Final = STEPS_PER_BAR * _STEP_CELLS
BAR_BYTES: Final = BAR_CELLS // 8
_OCTAVE: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class PianoRoll:
    """Piano roll of five instruments in bars of 4/4.

    Attributes
    ----------
    cells : ndarray, shape (bars, 48, 84, 5), bool
        Bar, step, pitch from MIDI 24 up, and instrument: drums, piano, guitar, bass, strings.
    tempo_bpm : float
        Tempo in BPM.
    skipped_bars : int
        Number of bars in other time signatures, which are left out.
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
        """Quantise a score to the grid.

        Onsets and ends are rounded to the nearest step; a note lasts at least one step. Pitches
        outside the range are moved by octaves into it; drums outside it are left out. Bars in
        other time signatures are counted and left out; notes that last into one end there.

        Raises
        ------
        BadArgument
            The score has more than 4,096 bars.
        """
        bars = _common_time_bars(score)
        cells = np.zeros((len(bars.starts), STEPS_PER_BAR, N_PITCHES, len(INSTRUMENTS)), np.bool_)
        flat = cells.reshape(-1, N_PITCHES, len(INSTRUMENTS))
        for part in score.parts:
            instrument = 0 if part.is_drum else FAMILY_INSTRUMENTS[part.program // 8]
            columns = (column.tolist() for column in _quantise(score, part, bars))
            for start, end, pitch in zip(*columns, strict=True):
                flat[start:end, pitch, instrument] = True
        tempo = float(score.tempos[0, 1]) if len(score.tempos) else 120.0
        return cls(cells, tempo, bars.skipped)

    def to_score(self, title: str = "") -> Score:
        """Convert the roll to a score; adjacent cells of one pitch become one note.

        Returns
        -------
        Score
            One part for each instrument that plays. `from_score` restores the same cells, except
            for empty bars at the end.
        """
        flat = self.cells.reshape(-1, N_PITCHES, len(INSTRUMENTS))
        parts = []
        for index, (name, program) in enumerate(zip(INSTRUMENTS, PROGRAMS, strict=True)):
            notes = _note_array(flat[:, :, index])
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
    """The bars in 4/4 of a score, in order.

    Attributes
    ----------
    starts : ndarray, shape (n,), int64
        First tick of each bar.
    run_ends : ndarray, shape (n,), int64
        Index after the last bar of the contiguous run that the bar is in.
    skipped : int
        Number of bars in other time signatures.
    """

    starts: IntArray
    run_ends: IntArray
    skipped: int


def _common_time_bars(score: Score) -> _Bars:
    end = max(int((part.notes[:, 0] + part.notes[:, 1]).max()) for part in score.parts)
    quarter = score.ticks_per_quarter
    signatures = score.time_signatures.tolist()
    if not signatures or signatures[0][0] > 0:
        signatures = [[0, 4, 4], *signatures]
    ticks: list[int] = []
    skipped = 0
    for (tick, beats, unit), following in zip(signatures, [*signatures[1:], None], strict=True):
        next_tick = min(following[0], end) if following else end
        length = max(quarter * 4 * beats // unit, 1)
        count = max(-(-(next_tick - tick) // length), 0)
        if skipped + len(ticks) + count > MAX_BARS:
            raise BadArgument(f"a score of more than {MAX_BARS} bars")
        if (beats, unit) == (4, 4):
            ticks += range(tick, tick + count * length, length)
        else:
            skipped += count
    starts = np.array(ticks, np.int64)
    ends = np.append(np.flatnonzero(np.diff(starts) != 4 * quarter) + 1, len(starts))
    run_ends = ends[np.searchsorted(ends, np.arange(len(starts)), side="right")]
    return _Bars(starts, run_ends, skipped)


def _quantise(score: Score, part: Part, bars: _Bars) -> tuple[IntArray, IntArray, IntArray]:
    """Return start step, end step and row of each note of a part that is on the grid."""
    onset, duration, pitch, _ = part.notes.astype(np.int64).T
    row = pitch - LOWEST_PITCH
    if part.is_drum:
        on_grid = (row >= 0) & (row < N_PITCHES)
    else:
        row = np.where(
            row < 0, row % 12, np.where(row >= N_PITCHES, N_PITCHES - 12 + row % 12, row)
        )
        on_grid = np.ones(len(row), np.bool_)
    step = score.ticks_per_quarter / STEPS_PER_QUARTER
    # A note less than half a step early belongs to the bar that follows.
    bar = np.searchsorted(bars.starts, onset + int(step / 2), side="right") - 1
    on_grid &= bar >= 0
    onset, duration, row, bar = onset[on_grid], duration[on_grid], row[on_grid], bar[on_grid]
    offset = onset - bars.starts[bar]
    start = np.maximum(np.rint(offset / step).astype(np.int64), 0)
    end = np.maximum(np.rint((offset + duration) / step).astype(np.int64), start + 1)
    end = np.minimum(end, (bars.run_ends[bar] - bar) * STEPS_PER_BAR)
    inside = start < STEPS_PER_BAR  # others begin in a bar that is left out
    first = bar * STEPS_PER_BAR
    return (first + start)[inside], (first + end)[inside], row[inside]


def _note_array(cells: BoolArray) -> NDArray[np.int32]:
    """Convert the cells of one instrument, shape (steps, 84), to the note array of a part."""
    edges = np.diff(np.pad(cells, ((1, 1), (0, 0))).astype(np.int8), axis=0)
    pitch, onset = np.nonzero(edges.T == 1)
    _, end = np.nonzero(edges.T == -1)
    velocity = np.full(len(onset), VELOCITY)
    notes = np.stack([onset, end - onset, pitch + LOWEST_PITCH, velocity], axis=1)
    return np.asarray(notes[np.lexsort((pitch, onset))], np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class RollNotes:
    """The notes of a batch of windows; adjacent cells of one pitch are one note.

    Attributes
    ----------
    window, instrument, step, pitch : ndarray, shape (notes,), int64
        `step` counts from the start of the window, `pitch` from MIDI 24. A note held over from
        the window before begins with its window.
    length : ndarray, shape (notes,), int64
        In steps, at most to the end of the window.
    windows : int
        Number of windows, including those without notes.
    """

    window: IntArray
    instrument: IntArray
    step: IntArray
    pitch: IntArray
    length: IntArray
    windows: int

    @classmethod
    def from_columns(cls, columns: Sequence[IntArray] | IntArray, windows: int) -> "RollNotes":
        """Make notes of columns in the order of the attributes."""
        window, instrument, step, pitch, length = columns
        return cls(window, instrument, step, pitch, length, windows)

    def sort(self) -> "RollNotes":
        """Sort the notes by window, instrument, step and pitch."""
        return self.select(np.lexsort((self.pitch, self.step, self.instrument, self.window)))

    def select(self, index: NDArray[Any] | slice, windows: int | None = None) -> "RollNotes":
        """Select notes by index or mask, and optionally set the number of windows."""
        return RollNotes(
            self.window[index],
            self.instrument[index],
            self.step[index],
            self.pitch[index],
            self.length[index],
            self.windows if windows is None else windows,
        )

    def head(self, windows: int) -> "RollNotes":
        """Return the notes of the first windows; requires notes sorted by window."""
        return self.select(slice(0, int(np.searchsorted(self.window, windows))), windows)


def extract_notes(cells: BoolArray) -> RollNotes:
    """Extract the notes of windows.

    Parameters
    ----------
    cells : ndarray, shape (windows, bars, 48, 84, 5), bool

    Returns
    -------
    RollNotes
        Sorted.
    """
    count, bars = cells.shape[:2]
    rows = (
        np.ascontiguousarray(cells)
        .reshape(count, bars * STEPS_PER_BAR, _STEP_CELLS)
        .view(np.uint32)
    )
    silence = np.zeros_like(rows[:, :1])
    before = np.concatenate([silence, rows], axis=1)
    after = np.concatenate([rows, silence], axis=1)
    changed = before ^ after
    onsets, ends = _set_bytes(changed & after), _set_bytes(changed & before)
    # Both are sorted by window, cell and step, so that each onset is paired with its end.
    steps = bars * STEPS_PER_BAR + 1
    on, off = (np.sort(_by_cell(index, steps)) for index in (onsets, ends))
    window, rest = np.divmod(on, _STEP_CELLS * steps)
    cell, step = np.divmod(rest, steps)
    pitch, instrument = np.divmod(cell, len(INSTRUMENTS))
    return RollNotes(window, instrument, step, pitch, off - on, count).sort()


def check_windows(cells: BoolArray) -> None:
    """Check shape and type of windows.

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
    """Split a roll into windows of four bars, without the silent ones.

    Parameters
    ----------
    cells : ndarray, shape (bars, 48, 84, 5), bool
    hop : int
        Number of bars from one window to the next. The last window ends with the roll; a roll
        shorter than a window is padded with silence.

    Returns
    -------
    ndarray, shape (windows, 4, 48, 84, 5), bool
    """
    if len(cells) < WINDOW_BARS:
        silence = np.zeros((WINDOW_BARS - len(cells), *cells.shape[1:]), np.bool_)
        cells = np.concatenate([cells, silence])
    last = len(cells) - WINDOW_BARS
    starts = np.unique(np.append(np.arange(0, last + 1, hop), last))
    windows = cells[starts[:, None] + np.arange(WINDOW_BARS)]
    return np.asarray(windows[windows.reshape(len(windows), -1).any(axis=1)])


def _set_bytes(words: NDArray[np.uint32]) -> IntArray:
    """Return the flat indices of the nonzero bytes; zero words, which are most, are skipped."""
    flat = words.reshape(-1)
    nonzero = np.flatnonzero(flat)
    word, byte = np.nonzero(flat[nonzero].view(np.uint8).reshape(-1, _WORD_BYTES))
    return np.asarray(nonzero[word] * _WORD_BYTES + byte)


def _by_cell(index: IntArray, steps: int) -> IntArray:
    """Convert flat indices in (window, step, cell) order to (window, cell, step) order."""
    row, cell = np.divmod(index, _STEP_CELLS)
    window, step = np.divmod(row, steps)
    return np.asarray((window * _STEP_CELLS + cell) * steps + step)


def pack_bars(cells: BoolArray) -> NDArray[np.uint8]:
    """Pack bars, shape (..., 48, 84, 5), into bits, shape (..., 2520)."""
    return np.packbits(cells.reshape(*cells.shape[:-3], BAR_CELLS), axis=-1)


def unpack_bars(bars: NDArray[np.uint8]) -> BoolArray:
    """Unpack what `pack_bars` packed."""
    cells = np.unpackbits(bars, axis=-1).view(np.bool_)
    return cells.reshape(*bars.shape[:-1], *WINDOW_SHAPE[1:])


def rasterise_notes(notes: RollNotes) -> BoolArray:
    """Return the cells of windows of four bars, shape (windows, 4, 48, 84, 5), bool."""
    edges = np.zeros((notes.windows, WINDOW_STEPS + 1, N_PITCHES, len(INSTRUMENTS)), np.int8)
    np.add.at(edges, (notes.window, notes.step, notes.pitch, notes.instrument), 1)
    end = notes.step + notes.length
    np.add.at(edges, (notes.window, end, notes.pitch, notes.instrument), -1)
    sounding = np.cumsum(edges[:, :-1], axis=1, dtype=np.int8) > 0
    return np.asarray(sounding.reshape(-1, *WINDOW_SHAPE))


def transpose(cells: BoolArray, semitones: int) -> BoolArray:
    """Transpose all instruments but the drums.

    Parameters
    ----------
    cells : ndarray, shape (..., 84, 5), bool
    semitones : int
        -12 to 12. Notes that would leave the range move by an octave into it.

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


def drop_notes(cells: BoolArray, probability: float, rng: np.random.Generator) -> BoolArray:
    """Drop notes at random, but never all notes of a window.

    Parameters
    ----------
    cells : ndarray, shape (windows, 4, 48, 84, 5), bool
    probability : float
        Probability that a note is dropped.
    rng : Generator

    Returns
    -------
    ndarray
        A copy.
    """
    check_windows(cells)
    result = cells.copy()
    notes = extract_notes(cells)
    is_dropped = rng.random(len(notes.window)) < probability
    first = np.unique(notes.window, return_index=True)[1]
    left = np.bincount(notes.window[~is_dropped], minlength=notes.windows)
    is_dropped[first[left[notes.window[first]] == 0]] = False
    steps = result.reshape(len(result), WINDOW_STEPS, *result.shape[3:])
    length = notes.length[is_dropped]
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    window, step, pitch, instrument = (
        np.repeat(column[is_dropped], length)
        for column in (notes.window, notes.step, notes.pitch, notes.instrument)
    )
    steps[window, step + within, pitch, instrument] = False
    return result
