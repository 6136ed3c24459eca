"""Training of the melody model.

What a melody over chords is like, in a few plain figures.

Learns to write melodies for chords: from lead sheets to a network of melodies.

What a network of melodies takes along: what real melodies are like, and which it knows.

Learns to write melodies from a library's own: from lead sheets to a model of one style.
"""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from segue.errors import TrainingFailed
from segue.evaluation.generated import groove_consistency, pitch_class_entropy, scale_consistency
from segue.generate.copying import ngram_hashes
from segue.generate.melody.lead_sheet import (
    CHORD_INDEX,
    LOWEST_PITCH,
    LeadSheet,
    chord_features,
    conditioning_features,
    fits_range,
    transpose_chord_features,
    transpose_conditioning,
)
from segue.generate.melody.model import (
    MODEL_FILE,
    MelodyConfig,
    MelodyLosses,
    MelodyModel,
    MelodyNetwork,
    TrainingMelodies,
)
from segue.nn.lm_training import NOTHING, WritingTraining, fit_writing
from segue.nn.split import FEWEST_PIECES, split
from segue.nn.trainer import Batch, Trained, Watcher
from segue.nn.transformer import StackConfig
from segue.theory.chord_grid import NO_ROOT, Chart, IntArray, strong_steps

# --- melody figures ---

#: Those by which candidates are held against real melodies: how much is played, by what steps,
#: how far, how often on what the chord has, how often a bar's rhythm comes back, how long nothing.
RANKING_STATISTICS: Final = (
    "notes_per_bar", "mean_interval", "range", "chord_tones_on_strong_beats", "repeated_rhythms",
    "longest_silence",
)  # fmt: skip


def melody_statistics(chart: Chart, melody: IntArray) -> dict[str, float]:
    """Measure a melody.

    Parameters
    ----------
    chart : Chart
    melody : ndarray, shape (m, 2), int64
        Symbols and lengths, filling the chart.

    Returns
    -------
    dict of str to float
        notes; notes_per_bar; mean_interval, semitones between successive notes; range, semitones;
        chord_tones_on_strong_beats, of the notes that begin there over a chord;
        repeated_rhythms, the share of bars whose onsets fall as in a bar before; longest_silence,
        bars; and, as published, pitch_class_entropy, bits, scale_consistency and
        groove_consistency. NaN where there is nothing to measure.
    """
    onset, symbol = note_onsets(melody)
    pitch = symbol - 1 + LOWEST_PITCH
    bar = chart.bar_steps
    begins = np.zeros((chart.bars, bar), np.bool_)
    begins[onset // bar, onset % bar] = True
    rhythms = [row.tobytes() for row in begins]
    again = [row in rhythms[:number] for number, row in enumerate(rhythms)][1:]
    return {
        "notes": float(len(pitch)),
        "notes_per_bar": len(pitch) / chart.bars,
        "mean_interval": float(np.abs(np.diff(pitch)).mean()) if len(pitch) > 1 else float("nan"),
        "range": float(np.ptp(pitch)) if len(pitch) else float("nan"),
        "chord_tones_on_strong_beats": chord_tone_ratio(chart, melody),
        "repeated_rhythms": float(np.mean(again)) if again else float("nan"),
        "longest_silence": _longest_silence(melody) / bar,
        "pitch_class_entropy": pitch_class_entropy(pitch),
        "scale_consistency": scale_consistency(pitch),
        "groove_consistency": groove_consistency(begins),
    }


def note_onsets(melody: IntArray) -> tuple[IntArray, IntArray]:
    """Return the step at which each note begins, and its symbol; rests are left out."""
    at = np.concatenate([[0], np.cumsum(melody[:-1, 1])]).astype(np.int64)[: len(melody)]
    heard = melody[:, 0] > 0
    return at[heard], melody[heard, 0]


def count_chord_tones(chart: Chart, melody: IntArray) -> tuple[int, int]:
    """Count the notes that begin on strong beats over a chord: all, and those of the chord."""
    onset, symbol = note_onsets(melody)
    strong = np.isin(onset % chart.bar_steps, strong_steps(chart.metre))
    onset, symbol = onset[strong], symbol[strong]
    row = np.searchsorted(chart.chords[:, 0], onset, side="right") - 1
    over = chart.chords[row, 1] != NO_ROOT
    belongs = chart.chords[row, 3] >> (symbol - 1 + LOWEST_PITCH) % 12 & 1
    return int(over.sum()), int(belongs[over].sum())


def chord_tone_ratio(chart: Chart, melody: IntArray) -> float:
    """Return the share of notes on strong beats that belong to their chord; NaN of none."""
    count, belongs = count_chord_tones(chart, melody)
    return belongs / count if count else float("nan")


def _longest_silence(melody: IntArray) -> int:
    longest = here = 0
    for symbol, length in melody.tolist():
        here = 0 if symbol else here + length
        longest = max(longest, here)
    return longest


# --- melody ---

#: Chords that are read before and behind those of a window.
CHORDS_BEFORE: Final = 4
CHORDS_AFTER: Final = 8
_PARTS_KEPT: Final = 50
#: The learning rate of a network that has learned already: higher, and it forgets.
FINE_TUNING_RATE: Final = 5e-4


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
    features: IntArray
    wanted: IntArray
    chords: IntArray
    style: int
    moves: tuple[int, ...]


class WindowSampler:
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
                conditioning_features(sheet.chart, sheet.melody),
                sheet.melody,
                chord_features(sheet.chart),
                styles.index(sheet.style),
                tuple(by for by in keys if fits_range(sheet.melody, by)) or (0,),
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
        features = np.zeros((len(rows), events, rows[0][0].shape[1]), np.int64)
        wanted = np.full((len(rows), events, 2), NOTHING, np.int64)
        read = np.zeros((len(rows), chords, rows[0][2].shape[1]), np.int64)
        for row, (one, two, three) in enumerate(rows):
            features[row, : len(one)], wanted[row, : len(two)], read[row, : len(three)] = (
                one, two, three,
            )  # fmt: skip
        count = np.array([len(each[2]) for each in rows])
        style = np.array([window[0].style for window in windows])
        return tuple(torch.from_numpy(each) for each in (features, wanted, read, count, style))

    def _window(self, sheet: _Prepared, start: int, by: int) -> tuple[IntArray, IntArray, IntArray]:
        rows = transpose_conditioning(sheet.features[start : start + self._context], by)
        wanted = sheet.wanted[start : start + self._context].copy()
        wanted[:, 0] = np.where(wanted[:, 0] > 0, wanted[:, 0] + by, 0)
        first = max(int(rows[0, CHORD_INDEX]) - CHORDS_BEFORE, 0)
        last = int(rows[-1, CHORD_INDEX]) + CHORDS_AFTER + 1
        rows[:, CHORD_INDEX] -= first
        return rows, wanted, transpose_chord_features(sheet.chords[first:last], by)


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
    windows = WindowSampler(learn, styles, training)
    judged = WindowSampler(validate, styles, training).all()
    parts: deque[tuple[float, float]] = deque(maxlen=_PARTS_KEPT)

    def loss(net: Any, *batch: Tensor) -> Tensor:
        found: MelodyLosses = net.loss(*batch)
        if net.training:
            parts.append((float(found.symbols.detach()), float(found.lengths.detach())))
        return found.symbols + found.lengths

    def means() -> dict[str, float]:
        names = ("symbols", "lengths")
        return dict(zip(names, np.mean(parts, axis=0).tolist(), strict=True)) if parts else {}

    run_metadata = {"sheets": _fingerprint([*learn, *validate]), **(about or {})}
    return fit_writing(
        network, training, windows.draw, judged, folder, run_metadata,
        loss=loss, parts=means, resume=resume, watch=watch,
    )  # fmt: skip


def _fingerprint(sheets: Sequence[LeadSheet]) -> str:
    digest = hashlib.sha256()
    for sheet in sheets:
        digest.update(f"{sheet.name} {sheet.style} {sheet.melody.shape}\n".encode())
        digest.update(np.ascontiguousarray(sheet.melody).tobytes())
        digest.update(np.ascontiguousarray(sheet.chart.chords).tobytes())
    return digest.hexdigest()[:16]


# --- melody told ---


def build_melody_model(
    network: MelodyNetwork,
    learned: Sequence[LeadSheet],
    held: Sequence[LeadSheet],
    about: dict[str, Any],
) -> MelodyModel:
    """Make a model of a trained network.

    Parameters
    ----------
    network : MelodyNetwork
    learned : sequence of LeadSheet
        What it learned from: their figures are what is usual, their hashes are kept.
    held : sequence of LeadSheet
        What it did not learn from: how likely they are is what is usual.
    about : dict
        JSON values: how it was taught.
    """
    runs, names = [], []
    for sheet in learned:
        onset, symbol = note_onsets(sheet.melody)
        runs.append(ngram_hashes(np.column_stack([symbol - 1 + LOWEST_PITCH, onset])))
        names.append(sheet.name)
    starts = np.cumsum([0, *(len(each) for each in runs)])[:-1].astype(np.int64)
    taught = TrainingMelodies(tuple(names), starts, np.concatenate(runs))
    model = MelodyModel(network, {style: {} for style in network.config.styles}, taught, about)
    for style in network.config.styles:
        model.usual[style] = _usual(
            model,
            style,
            [sheet for sheet in learned if sheet.style == style],
            [sheet for sheet in held if sheet.style == style],
        )
    return model


def _usual(
    model: MelodyModel, style: str, learned: Sequence[LeadSheet], held: Sequence[LeadSheet]
) -> dict[str, tuple[float, float]]:
    some = learned or held
    figures = [melody_statistics(sheet.chart, sheet.melody) for sheet in some]
    found = {name: _spread([each[name] for each in figures]) for name in RANKING_STATISTICS}
    judged = held or learned
    costs = model.costs(
        [sheet.chart for sheet in judged], [sheet.melody for sheet in judged], style
    )
    found["likelihood"] = _spread([-float(cost.sum(axis=1).mean()) for cost in costs])
    pitches = np.concatenate([note_onsets(sheet.melody)[1] for sheet in some]) - 1 + LOWEST_PITCH
    low, high = np.percentile(pitches, [1, 99])
    found["pitch"] = (float(np.floor(low)), float(np.ceil(high)))
    return found


def _spread(values: Sequence[float]) -> tuple[float, float]:
    known = np.array(values)
    known = known[np.isfinite(known)]
    return (float(known.mean()), float(known.std())) if len(known) else (0.0, 1.0)


# --- own melodies ---

#: What the style of a library's own melodies is called.
STYLE: Final = "own"
_STYLE_TABLES: Final = ("style.weight", "chord_style.weight")
_WIDTH, _LAYERS, _HEADS, _DROPOUT = 160, 4, 5, 0.15


def train_library_melodies(
    training: MelodyTraining,
    sheets: Sequence[LeadSheet],
    folder: Path,
    *,
    start: MelodyModel | None = None,
    resume: bool = False,
    watch: Watcher | None = None,
) -> tuple[MelodyModel, Trained]:
    """Learn a model from a library's own melodies, all of one style.

    Parameters
    ----------
    training : MelodyTraining
    sheets : sequence of LeadSheet
        Of the style `STYLE`, of at least three groups.
    folder : Path
        Where the run's state and, at the end, the model are kept.
    start : MelodyModel, optional
        What is learned on from, all its styles as one. The melodies that it knows stay known, so
        that they are not copied either.
    resume : bool
    watch : callable, optional
        Told a `Progress` after each step.

    Returns
    -------
    MelodyModel
        Also written to `folder` as `MODEL`.
    Trained

    Raises
    ------
    TrainingFailed
        There are too few melodies, or the loss is no number any more.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    groups = {sheet.group or sheet.name for sheet in sheets}
    if len(groups) < FEWEST_PIECES:
        raise TrainingFailed(
            f"there are melodies in {len(groups)} scores to learn from (at least four bars and "
            f"twelve notes in one metre), at least {FEWEST_PIECES} are needed, and some hundred "
            "for what is worth having; add more with `segue add`"
        )
    learn, validate = split(sheets)
    torch.manual_seed(training.seed)
    if start:
        network = _of_one_style(start.network)
        training = replace(training, context=network.config.stack.context)
    else:
        stack = StackConfig(_WIDTH, _LAYERS, _HEADS, training.context, _DROPOUT)
        network = MelodyNetwork(MelodyConfig(stack, (STYLE,)))
    from_what = {"start": start.fingerprint} if start else {}
    trained = train_melody(
        network, training, learn, validate, folder, about=from_what, resume=resume, watch=watch
    )
    about = {
        "training": asdict(training),
        "melodies": len(learn),
        "held_out_melodies": len(validate),
        "epochs": len(trained.history),
        "loss": trained.best.loss,
        "validation_loss": trained.best.validation_loss,
        "stopped": trained.stopped,
        "precision": trained.precision,
        **from_what,
    }
    model = build_melody_model(network, learn, validate, about)
    if start:
        model.taught = model.taught.joined(start.taught)
    model.save(folder / MODEL_FILE)
    return model, trained


def _of_one_style(network: MelodyNetwork) -> MelodyNetwork:
    """Return a copy whose one style is the mean of those that a network knows."""
    found = MelodyNetwork(replace(network.config, styles=(STYLE,)))
    weights = network.state_dict()
    for table in _STYLE_TABLES:
        weights[table] = weights[table].mean(dim=0, keepdim=True)
    found.load_state_dict(weights)
    return found
