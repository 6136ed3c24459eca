"""Learns to write melodies for chords: from lead sheets to a network of melodies."""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from segue.errors import TrainingFailed
from segue.model.score.melody import MelodyLosses, MelodyNetwork
from segue.represent.score.lead_sheet import (
    CHORD,
    IntArray,
    LeadSheet,
    fits,
    read_chords,
    told,
    transposed_chords,
    transposed_told,
)
from segue.train.loop import Batch, Trained, Watcher
from segue.train.writing import NOTHING, WritingTraining, fit_writing

#: Chords that are read before and behind those of a window.
BEFORE: Final = 4
BEHIND: Final = 8
_PARTS_KEPT: Final = 50
#: The learning rate of a network that has learned already: higher, and it forgets.
LEARNED_ON_RATE: Final = 5e-4


@dataclass(frozen=True, slots=True)
class MelodyTraining(WritingTraining):
    """How a network of melodies is taught: as `WritingTraining` has it, in windows of events.

    Attributes
    ----------
    start : str
        "" to learn from the beginning, "shipped" from what comes with Segue, or the name of another
        model of the library; then `LEARNED_ON_RATE` is a good learning rate, and the context is
        that model's.
    """

    context: int = 192
    steps_per_epoch: int = 100
    learning_rate: float = 2e-3
    averaging: float = 0.995
    patience: int = 10
    start: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    told: IntArray
    wanted: IntArray
    chords: IntArray
    style: int
    moves: tuple[int, ...]


class Windows:
    """Draws windows of lead sheets, each in a key of its own.

    Parameters
    ----------
    sheets : sequence of LeadSheet
    styles : tuple of str
        As the network knows them.
    training : MelodyTraining
    """

    def __init__(
        self, sheets: Sequence[LeadSheet], styles: tuple[str, ...], training: MelodyTraining
    ) -> None:
        self._context, self._batch = training.context, training.batch
        keys = range(-training.transposed, training.transposed)
        self._prepared = [
            _Prepared(
                told(sheet.chart, sheet.melody),
                sheet.melody,
                read_chords(sheet.chart),
                styles.index(sheet.style),
                tuple(by for by in keys if fits(sheet.melody, by)) or (0,),
            )
            for sheet in sheets
        ]
        lengths = np.array([len(each.wanted) for each in self._prepared], np.float64)
        self._shares = lengths / lengths.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: sheets by their lengths, places and keys evenly."""
        windows = []
        for number in rng.choice(len(self._prepared), self._batch, p=self._shares).tolist():
            sheet = self._prepared[number]
            start = int(rng.integers(max(len(sheet.wanted) - self._context, 0) + 1))
            windows.append((sheet, start, int(rng.choice(sheet.moves))))
        return self._batch_of(windows)

    def all(self) -> list[Batch]:
        """Return every sheet as it is, cut into windows, each event once."""
        windows = [
            (sheet, start, 0)
            for sheet in self._prepared
            for start in range(0, len(sheet.wanted), self._context)
        ]
        windows.sort(key=lambda one: min(len(one[0].wanted) - one[1], self._context))
        size = self._batch
        return [
            self._batch_of(windows[first : first + size]) for first in range(0, len(windows), size)
        ]

    def _batch_of(self, windows: Sequence[tuple[_Prepared, int, int]]) -> Batch:
        rows = [self._window(*window) for window in windows]
        events = max(len(each[0]) for each in rows)
        chords = max(len(each[2]) for each in rows)
        tolds = np.zeros((len(rows), events, rows[0][0].shape[1]), np.int64)
        wanted = np.full((len(rows), events, 2), NOTHING, np.int64)
        read = np.zeros((len(rows), chords, rows[0][2].shape[1]), np.int64)
        for row, (one, two, three) in enumerate(rows):
            tolds[row, : len(one)], wanted[row, : len(two)], read[row, : len(three)] = (
                one, two, three,
            )  # fmt: skip
        count = np.array([len(each[2]) for each in rows])
        style = np.array([window[0].style for window in windows])
        return tuple(torch.from_numpy(each) for each in (tolds, wanted, read, count, style))

    def _window(self, sheet: _Prepared, start: int, by: int) -> tuple[IntArray, IntArray, IntArray]:
        rows = transposed_told(sheet.told[start : start + self._context], by)
        wanted = sheet.wanted[start : start + self._context].copy()
        wanted[:, 0] = np.where(wanted[:, 0] > 0, wanted[:, 0] + by, 0)
        first = max(int(rows[0, CHORD]) - BEFORE, 0)
        last = int(rows[-1, CHORD]) + BEHIND + 1
        rows[:, CHORD] -= first
        return rows, wanted, transposed_chords(sheet.chords[first:last], by)


def train_melody(
    network: MelodyNetwork,
    training: MelodyTraining,
    learn: Sequence[LeadSheet],
    validate: Sequence[LeadSheet],
    folder: Path,
    *,
    about: Mapping[str, str] | None = None,
    resume: bool = False,
    watch: Watcher | None = None,
) -> Trained:
    """Teach a network, and leave it with the best weights.

    Parameters
    ----------
    network : MelodyNetwork
    training : MelodyTraining
    learn, validate : sequence of LeadSheet
        Of styles that the network knows; no song is on both sides.
    folder : Path
        Where the run's state is kept.
    about : mapping, optional
        What else must be the same for a run to be resumed.
    resume : bool
        Go on where a run in this folder stopped.
    watch : callable, optional
        Told a `Progress` after each step.

    Returns
    -------
    Trained
        Its losses are nats for each event: symbol and length together.

    Raises
    ------
    TrainingFailed
        There is nothing to learn from or to judge by, or the loss is no number any more.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    if not learn or not validate:
        raise TrainingFailed(
            f"{len(learn)} melodies to learn from and {len(validate)} to judge by; at least one "
            "of each is needed"
        )
    torch.manual_seed(training.seed)
    styles = network.config.styles
    windows = Windows(learn, styles, training)
    judged = Windows(validate, styles, training).all()
    parts: deque[tuple[float, float]] = deque(maxlen=_PARTS_KEPT)

    def loss(net: Any, *batch: Tensor) -> Tensor:
        found: MelodyLosses = net.loss(*batch)
        if net.training:
            parts.append((float(found.symbols.detach()), float(found.lengths.detach())))
        return found.symbols + found.lengths

    def means() -> dict[str, float]:
        names = ("symbols", "lengths")
        return dict(zip(names, np.mean(parts, axis=0).tolist(), strict=True)) if parts else {}

    told_of = {"sheets": _fingerprint([*learn, *validate]), **(about or {})}
    return fit_writing(
        network, training, windows.draw, judged, folder, told_of,
        loss=loss, parts=means, resume=resume, watch=watch,
    )  # fmt: skip


def _fingerprint(sheets: Sequence[LeadSheet]) -> str:
    digest = hashlib.sha256()
    for sheet in sheets:
        digest.update(f"{sheet.name} {sheet.style} {sheet.melody.shape}\n".encode())
        digest.update(np.ascontiguousarray(sheet.melody).tobytes())
        digest.update(np.ascontiguousarray(sheet.chart.chords).tobytes())
    return digest.hexdigest()[:16]
