"""The notes of piano rolls, as tables: rolls are sparse, one cell in some hundred sounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.represent.score.piano_roll import INSTRUMENTS, PITCHES, STEPS

#: Bars that are looked at together.
WINDOW_BARS: Final = 4
WINDOW_STEPS: Final = WINDOW_BARS * STEPS
WINDOW_SHAPE: Final = (WINDOW_BARS, STEPS, PITCHES, len(INSTRUMENTS))
_ROW: Final = PITCHES * len(INSTRUMENTS)
_WORD: Final = 4  # bytes: the widest word that divides a row
BAR_CELLS: Final = STEPS * _ROW
BAR_BYTES: Final = BAR_CELLS // 8

BoolArray = NDArray[np.bool_]
Ints = NDArray[np.int64]


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

    window: Ints
    instrument: Ints
    step: Ints
    pitch: Ints
    length: Ints
    windows: int

    @classmethod
    def of(cls, columns: Sequence[Ints] | Ints, windows: int) -> "RollNotes":
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


def notes_of(cells: BoolArray) -> RollNotes:
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
    rows = np.ascontiguousarray(cells).reshape(count, bars * STEPS, _ROW).view(np.uint32)
    silence = np.zeros_like(rows[:, :1])
    before = np.concatenate([silence, rows], axis=1)
    after = np.concatenate([rows, silence], axis=1)
    changed = before ^ after
    begins, ends = _places(changed & after), _places(changed & before)
    # Both by window, cell and step, so that each beginning stands beside its end.
    steps = bars * STEPS + 1
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


def windows_of(cells: BoolArray, hop: int = WINDOW_BARS) -> BoolArray:
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


def _places(words: NDArray[np.uint32]) -> Ints:
    """Return where bytes are set, counted flat in bytes; most words are 0, and passed over."""
    flat = words.reshape(-1)
    there = np.flatnonzero(flat)
    word, byte = np.nonzero(flat[there].view(np.uint8).reshape(-1, _WORD))
    return np.asarray(there[word] * _WORD + byte)


def _by_cell(places: Ints, steps: int) -> Ints:
    row, cell = np.divmod(places, _ROW)
    window, step = np.divmod(row, steps)
    return np.asarray((window * _ROW + cell) * steps + step)


def packed(cells: BoolArray) -> NDArray[np.uint8]:
    """Pack bars, shape (..., 48, 84, 5), eight cells to the byte: (..., 2520)."""
    return np.packbits(cells.reshape(*cells.shape[:-3], BAR_CELLS), axis=-1)


def unpacked(bars: NDArray[np.uint8]) -> BoolArray:
    """Undo `packed`."""
    cells = np.unpackbits(bars, axis=-1).view(np.bool_)
    return cells.reshape(*bars.shape[:-1], *WINDOW_SHAPE[1:])


def cells_of(notes: RollNotes) -> BoolArray:
    """Undo `notes_of`, of windows of four bars; shape (windows, 4, 48, 84, 5), bool."""
    edges = np.zeros((notes.windows, WINDOW_STEPS + 1, PITCHES, len(INSTRUMENTS)), np.int8)
    np.add.at(edges, (notes.window, notes.step, notes.pitch, notes.instrument), 1)
    end = notes.step + notes.length
    np.add.at(edges, (notes.window, end, notes.pitch, notes.instrument), -1)
    sounding = np.cumsum(edges[:, :-1], axis=1, dtype=np.int8) > 0
    return np.asarray(sounding.reshape(-1, *WINDOW_SHAPE))
