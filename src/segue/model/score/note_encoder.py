"""The encoder of the default: it reads notes, and one part of what it finds knows no key.

A roll is sparse: of 80,640 cells of four bars some hundred begin a note. So the first layers are
convolutions evaluated at the notes alone: each note sees itself (its place in the bar, length,
instrument) and the notes about it by how far they are in time and pitch, which are the weights
of a convolution over time and pitch at those places. No pitch but the drums' is read in that
part, so a transposed window gives the same numbers. The other part reads pitches, for the decoder.

Shape legend: B windows, N notes, K neighbours, F frames of a quarter, C channels, D latent.
"""

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from segue.represent.score.piano_roll import INSTRUMENTS, PITCHES, STEPS
from segue.represent.score.roll_notes import WINDOW_STEPS, RollNotes

Ints = NDArray[np.int64]

#: Neighbours of a note, before and after it: of its own instrument, and of all that are pitched.
OWN: Final = 8
ANY: Final = 6
FRAME: Final = 12  # steps: a quarter
FRAMES: Final = WINDOW_STEPS // FRAME
_PER_BAR: Final = STEPS // FRAME
#: Widest interval that is told from its octave's.
_WIDEST: Final = 24
_INTERVALS: Final = 2 * _WIDEST + 1
_OCTAVE: Final = 12
#: How far apart in steps: each one up to two quarters, then by quarters of a quarter.
_NEAR: Final = 24
_FAR: Final = 48
_LAGS: Final = _NEAR + (_FAR - _NEAR) // 3
_LENGTHS: Final = np.array([1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 36, 48, 72, 96])
_SIXTEENTHS: Final = STEPS // 3
#: How much the histogram of motions weighs at first.
_COUNTED: Final = 10.0
#: Latents begin with little noise: a decoder that hears nothing in them learns to do without.
_FIRST_LOG_VARIANCE: Final = -4.0
_DRUMS: Final = 0
_KINDS: Final = len(INSTRUMENTS)  # of one's own instrument, or of another pitched one


class Parts(NamedTuple):
    """Mean and log-variance of both parts of latents, float32.

    Attributes
    ----------
    invariant, invariant_log_variance : Tensor, shape (B, invariant)
    absolute, absolute_log_variance : Tensor, shape (count, absolute)
    """

    invariant: Tensor
    invariant_log_variance: Tensor
    absolute: Tensor
    absolute_log_variance: Tensor


class NoteEncoder(nn.Module):
    """From windows of a roll to the two parts of the latents' mean and log-variance.

    Parameters
    ----------
    invariant, absolute : int
        Numbers of the part that knows no key, and of the other.
    width : int
        Channels of a note.
    """

    def __init__(self, invariant: int, absolute: int, width: int) -> None:
        super().__init__()
        #: The invariant part is learned no further.
        self.settled = False
        self.pairs = nn.EmbeddingBag(
            2 * _KINDS * _LAGS * _INTERVALS + 1, width, mode="sum", padding_idx=0
        )
        self.motions = nn.Embedding(_SIXTEENTHS * _INTERVALS + 1, width, padding_idx=0)
        self.places = nn.Embedding(len(INSTRUMENTS) * STEPS, width)
        self.lengths = nn.Embedding(len(INSTRUMENTS) * (len(_LENGTHS) + 1), width)
        self.drums = nn.Embedding(PITCHES, width)
        self.pitches = nn.Embedding(len(INSTRUMENTS) * PITCHES, width)
        for table in (
            self.pairs,
            self.motions,
            self.places,
            self.lengths,
            self.drums,
            self.pitches,
        ):
            nn.init.normal_(table.weight, std=0.3)
        self.relative = _Frames(width)
        self.pitched = _Frames(width)
        self.over_time = nn.Sequential(
            nn.Conv1d(2 * width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
            nn.Conv1d(2 * width, 3 * width, _PER_BAR, stride=_PER_BAR, bias=False),
            nn.BatchNorm1d(3 * width),
            nn.ReLU(),
        )
        self.to_invariant = nn.Linear(7 * width, 2 * invariant)
        self.dense = nn.Sequential(
            nn.Linear(2 * width * FRAMES, 2 * width, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
        )
        self.to_absolute = nn.Linear(2 * width, 2 * absolute)
        for layer in (self.to_invariant, self.to_absolute):
            nn.init.constant_(layer.bias[layer.out_features // 2 :], _FIRST_LOG_VARIANCE)

    def forward(self, notes: RollNotes, count: int | None = None) -> Parts:
        """Encode windows.

        Parameters
        ----------
        notes : RollNotes
            Of B windows of four bars; ordered.
        count : int, optional
            Encode the first windows alone to the absolute part; 0 for none.

        Returns
        -------
        Parts
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.settled):
            self.over_time.train(self.training and not self.settled)
            about_NC = self._about(notes)
            around_NC, first = self._invariant(notes, about_NC)
        some = notes if count is None else notes.first(count)
        near_NC = (about_NC + around_NC)[: len(some.window)]
        second = self._absolute(some, near_NC) if some.windows else first[:0]
        return Parts(*first.float().chunk(2, 1), *second.float().chunk(2, 1))

    def _about(self, notes: RollNotes) -> Tensor:
        """Describe each note by itself: place in the bar, length, instrument, drum."""
        length = np.searchsorted(_LENGTHS, notes.length, side="right")
        is_drum = notes.instrument == _DRUMS
        h_NC: Tensor = self.places(self._index(notes.instrument * STEPS + notes.step % STEPS))
        h_NC = h_NC + self.lengths(self._index(notes.instrument * (len(_LENGTHS) + 1) + length))
        drum_NC = self.drums(self._index(notes.pitch)) * self._index(is_drum)[:, None]
        return torch.add(h_NC, drum_NC)

    def _invariant(self, notes: RollNotes, about_NC: Tensor) -> tuple[Tensor, Tensor]:
        moved_NC = self.motions(self._index(motions(notes)))
        around_NC = self.pairs(self._index(neighbours(notes))) + moved_NC
        h_BCF = self.relative(about_NC + around_NC, self._frame(notes), notes.windows)
        h_BCS = self.over_time(h_BCF)
        # Beside what is learned of them, how often each motion comes: a histogram tells songs
        # apart before anything is learned.
        counted_BC = moved_NC.new_zeros(notes.windows, moved_NC.shape[1])
        counted_BC = counted_BC.index_add(0, self._index(notes.window), moved_NC)
        counted_BC = F.normalize(counted_BC, dim=1)
        joined = torch.cat([h_BCS.mean(2), h_BCS.amax(2), counted_BC * _COUNTED], dim=1)
        return around_NC, self.to_invariant(joined)

    def _absolute(self, notes: RollNotes, about_NC: Tensor) -> Tensor:
        pitch_NC = self.pitches(self._index(notes.instrument * PITCHES + notes.pitch))
        h_BCF = self.pitched(about_NC + pitch_NC, self._frame(notes), notes.windows)
        found: Tensor = self.to_absolute(self.dense(h_BCF.flatten(1)))
        return found

    def _frame(self, notes: RollNotes) -> Tensor:
        return self._index(notes.window * FRAMES + notes.step // FRAME)

    def _index(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.places.weight.device)


class _Frames(nn.Module):
    """Notes, each by itself, then together in their frames: their sum and their greatest."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.each = nn.Sequential(
            nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 2 * width),
        )  # fmt: skip

    def forward(self, h_NC: Tensor, frame_N: Tensor, windows: int) -> Tensor:
        h_NC = self.each(h_NC).float()
        added, highest = h_NC.relu().chunk(2, dim=1)
        empty = h_NC.new_zeros(windows * FRAMES, self.width)
        index = frame_N[:, None].expand(-1, self.width)
        together = torch.cat(
            [
                empty.scatter_add(0, index, added).add(1).log(),
                empty.scatter_reduce(0, index, highest, "amax"),
            ],
            dim=1,
        )
        return together.reshape(windows, FRAMES, 2 * self.width).transpose(1, 2)


def neighbours(notes: RollNotes) -> Ints:
    """Give numbers to the relations of each note to the notes about it.

    Parameters
    ----------
    notes : RollNotes

    Returns
    -------
    ndarray, shape (N, 2 * (OWN + ANY)), int64
        By whether the other is of the same instrument, else by its instrument; by their distance
        in steps, and in semitones; 0 for none. No two relations are told apart that differ in
        more than an octave beyond two.
    """
    found = np.zeros((len(notes.window), 2 * (OWN + ANY)), np.int64)
    _relate(notes, np.arange(len(notes.window)), OWN, found[:, : 2 * OWN], same=True)
    order = np.lexsort((notes.pitch, notes.instrument, notes.step, notes.window))
    _relate(notes, order, ANY, found[:, 2 * OWN :], same=False)
    return found


def _relate(notes: RollNotes, order: Ints, count: int, found: Ints, *, same: bool) -> None:
    """Fill in the relations to the next `count` notes in an order, and back from them."""
    window, instrument, step, pitch = (
        column[order] for column in (notes.window, notes.instrument, notes.step, notes.pitch)
    )
    for ahead in range(1, min(count, len(order) - 1) + 1):
        lag = step[ahead:] - step[:-ahead]
        there = (window[ahead:] == window[:-ahead]) & (lag < _FAR)
        there &= (instrument[ahead:] != _DRUMS) & (instrument[:-ahead] != _DRUMS)
        if same:
            there &= instrument[ahead:] == instrument[:-ahead]
        one = np.flatnonzero(there)
        lag, two = lag[one], one + ahead
        lag = np.where(lag < _NEAR, lag, _NEAR + (lag - _NEAR) // 3)
        interval = _interval(pitch[two] - pitch[one])
        relation = lag * _INTERVALS + interval
        size = _LAGS * _INTERVALS
        kinds = [0 if same else instrument[other] for other in (two, one)]
        found[order[one], 2 * (ahead - 1)] = 1 + kinds[0] * size + relation
        back = (_KINDS + kinds[1]) * size
        found[order[two], 2 * (ahead - 1) + 1] = 1 + back + relation


def motions(notes: RollNotes) -> Ints:
    """Give a number to each place in the bar with the interval from the note before in its part.

    Returns
    -------
    ndarray, shape (N,), int64
        0 for none.
    """
    found = np.zeros(len(notes.window), np.int64)
    if not len(found):
        return found
    same = (notes.window[1:] == notes.window[:-1]) & (notes.instrument[1:] == notes.instrument[:-1])
    interval = _interval(np.diff(notes.pitch))
    place = notes.step[1:] % STEPS // (STEPS // _SIXTEENTHS)
    found[1:] = np.where(
        same & (notes.instrument[1:] != _DRUMS), 1 + place * _INTERVALS + interval, 0
    )
    return found


def _interval(semitones: Ints) -> Ints:
    """Count intervals from 0 up; those beyond two octaves are as in the second."""
    octave = np.sign(semitones) * (_OCTAVE + np.abs(semitones) % _OCTAVE)
    return np.asarray(np.where(np.abs(semitones) > _WIDEST, octave, semitones) + _WIDEST)
