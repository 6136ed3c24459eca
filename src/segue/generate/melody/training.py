"""Training of the melody model, and the statistics by which melodies are compared.

`train_melody` trains a network on windows of lead sheets, each transposed at random.
`build_melody_model` adds what sampling and ranking need: reference statistics of real melodies and
the hashes of the training set. `train_library_melodies` does both for the melodies of a library,
from scratch or by fine-tuning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from segue.errors import TrainingFailed
from segue.evaluation.generated import groove_consistency, pitch_class_entropy, scale_consistency
from segue.generate.copying import PassageIndex, melody_ngrams
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
)
from segue.nn.lm_training import IGNORED, LMTrainingConfig, fit_lm
from segue.nn.split import MIN_PIECES, train_validation_split
from segue.nn.trainer import Batch, FitResult, LossTerms, ProgressCallback, data_fingerprint
from segue.nn.transformer import StackConfig
from segue.records import IntArray
from segue.theory.chord_charts import NO_ROOT, Chart, strong_steps

#: Statistics by which candidates are ranked: how far they are from those of real melodies.
RANKING_STATISTICS: Final = (
    "notes_per_bar", "mean_interval", "range", "chord_tones_on_strong_beats", "repeated_rhythms",
    "longest_silence",
)  # fmt: skip

#: Chords before and after those of a window that the chord encoder reads.
CHORDS_BEFORE: Final = 4
CHORDS_AFTER: Final = 8
#: Recommended learning rate for fine-tuning; a higher one causes forgetting.
FINE_TUNING_RATE: Final = 5e-4

#: Style of the melodies of a library.
STYLE: Final = "own"
_STYLE_EMBEDDINGS: Final = ("style_embedding.weight", "chord_style_embedding.weight")
_WIDTH, _LAYERS, _HEADS, _DROPOUT = 160, 4, 5, 0.15


def melody_statistics(chart: Chart, melody: IntArray) -> dict[str, float]:
    """Compute statistics of a melody.

    Parameters
    ----------
    chart : Chart
    melody : ndarray, shape (m, 2), int64
        Symbols and durations, filling the chart.

    Returns
    -------
    dict of str to float
        notes; notes_per_bar; mean_interval and range in semitones; chord_tones_on_strong_beats, the
        share of chord tones among the notes that begin there; repeated_rhythms, the share of bars
        with the rhythm of an earlier bar; longest_silence in bars; pitch_class_entropy in bits;
        scale_consistency; groove_consistency. NaN where undefined.
    """
    onset, symbol = note_onsets(melody)
    pitch = symbol - 1 + LOWEST_PITCH
    bar = chart.steps_per_bar
    has_onset = np.zeros((chart.bars, bar), np.bool_)
    has_onset[onset // bar, onset % bar] = True
    rhythms = [row.tobytes() for row in has_onset]
    repeated = [rhythm in rhythms[:index] for index, rhythm in enumerate(rhythms)][1:]
    return {
        "notes": float(len(pitch)),
        "notes_per_bar": len(pitch) / chart.bars,
        "mean_interval": float(np.abs(np.diff(pitch)).mean()) if len(pitch) > 1 else float("nan"),
        "range": float(np.ptp(pitch)) if len(pitch) else float("nan"),
        "chord_tones_on_strong_beats": chord_tone_ratio(chart, melody),
        "repeated_rhythms": float(np.mean(repeated)) if repeated else float("nan"),
        "longest_silence": _longest_silence(melody) / bar,
        "pitch_class_entropy": pitch_class_entropy(pitch),
        "scale_consistency": scale_consistency(pitch),
        "groove_consistency": groove_consistency(has_onset),
    }


def note_onsets(melody: IntArray) -> tuple[IntArray, IntArray]:
    """Return the onset step and the symbol of each note, without rests."""
    onsets = np.concatenate([[0], np.cumsum(melody[:-1, 1])]).astype(np.int64)[: len(melody)]
    is_note = melody[:, 0] > 0
    return onsets[is_note], melody[is_note, 0]


def count_chord_tones(chart: Chart, melody: IntArray) -> tuple[int, int]:
    """Count the notes that begin on strong beats over a chord: all, and chord tones."""
    onset, symbol = note_onsets(melody)
    strong = np.isin(onset % chart.steps_per_bar, strong_steps(chart.time_signature))
    onset, symbol = onset[strong], symbol[strong]
    row = np.searchsorted(chart.chords[:, 0], onset, side="right") - 1
    over_chord = chart.chords[row, 1] != NO_ROOT
    is_chord_tone = chart.chords[row, 3] >> (symbol - 1 + LOWEST_PITCH) % 12 & 1
    return int(over_chord.sum()), int(is_chord_tone[over_chord].sum())


def chord_tone_ratio(chart: Chart, melody: IntArray) -> float:
    """Return the share of chord tones among notes on strong beats; NaN if there are none."""
    count, chord_tones = count_chord_tones(chart, melody)
    return chord_tones / count if count else float("nan")


def _longest_silence(melody: IntArray) -> int:
    longest = current = 0
    for symbol, duration in melody.tolist():
        current = 0 if symbol else current + duration
        longest = max(longest, current)
    return longest


@dataclass(frozen=True, slots=True)
class MelodyTraining(LMTrainingConfig):
    """Training options; those of `LMTrainingConfig` apply to windows of events.

    Attributes
    ----------
    start : str
        Model to fine-tune: "" for none, "shipped" for the bundled one, or a name in the library.
        `FINE_TUNING_RATE` is then a good learning rate, and the context is that model's.
    """

    context: int = 192
    steps_per_epoch: int = 100
    learning_rate: float = field(default=2e-3, kw_only=True)
    ema_decay: float = 0.995
    patience: int = 10
    start: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Example:
    features: IntArray
    melody: IntArray
    chords: IntArray
    style: int
    transpositions: tuple[int, ...]


class WindowSampler:
    """Samples windows of lead sheets, transposed at random.

    Parameters
    ----------
    sheets : sequence of LeadSheet
    styles : tuple of str
        Styles of the network.
    training : MelodyTraining
    """

    def __init__(
        self, sheets: Sequence[LeadSheet], styles: tuple[str, ...], training: MelodyTraining
    ) -> None:
        self._context, self._batch_size = training.context, training.batch_size
        semitones = range(-training.max_transpose, training.max_transpose)
        self._examples = [
            _Example(
                conditioning_features(sheet.chart, sheet.melody),
                sheet.melody,
                chord_features(sheet.chart),
                styles.index(sheet.style),
                tuple(each for each in semitones if fits_range(sheet.melody, each)) or (0,),
            )
            for sheet in sheets
        ]
        lengths = np.array([len(example.melody) for example in self._examples], np.float64)
        self._weights = lengths / lengths.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Sample a batch: sheets by length, positions and transpositions uniformly."""
        windows = []
        for index in rng.choice(len(self._examples), self._batch_size, p=self._weights).tolist():
            example = self._examples[index]
            start = int(rng.integers(max(len(example.melody) - self._context, 0) + 1))
            windows.append((example, start, int(rng.choice(example.transpositions))))
        return self._batch(windows)

    def all(self) -> list[Batch]:
        """Return all sheets untransposed, cut into windows that do not overlap."""
        windows = [
            (example, start, 0)
            for example in self._examples
            for start in range(0, len(example.melody), self._context)
        ]
        windows.sort(key=lambda window: min(len(window[0].melody) - window[1], self._context))
        size = self._batch_size
        return [
            self._batch(windows[first : first + size]) for first in range(0, len(windows), size)
        ]

    def _batch(self, windows: Sequence[tuple[_Example, int, int]]) -> Batch:
        rows = [self._window(*window) for window in windows]
        events = max(len(row[0]) for row in rows)
        chord_count = max(len(row[2]) for row in rows)
        features = np.zeros((len(rows), events, rows[0][0].shape[1]), np.int64)
        targets = np.full((len(rows), events, 2), IGNORED, np.int64)
        chords = np.zeros((len(rows), chord_count, rows[0][2].shape[1]), np.int64)
        for at, arrays in enumerate(rows):
            for padded, array in zip((features, targets, chords), arrays, strict=True):
                padded[at, : len(array)] = array
        count = np.array([len(row[2]) for row in rows])
        style = np.array([window[0].style for window in windows])
        return tuple(torch.from_numpy(each) for each in (features, targets, chords, count, style))

    def _window(
        self, example: _Example, start: int, semitones: int
    ) -> tuple[IntArray, IntArray, IntArray]:
        end = start + self._context
        features = transpose_conditioning(example.features[start:end], semitones)
        targets = example.melody[start:end].copy()
        targets[:, 0] = np.where(targets[:, 0] > 0, targets[:, 0] + semitones, 0)
        first = max(int(features[0, CHORD_INDEX]) - CHORDS_BEFORE, 0)
        last = int(features[-1, CHORD_INDEX]) + CHORDS_AFTER + 1
        features[:, CHORD_INDEX] -= first
        return features, targets, transpose_chord_features(example.chords[first:last], semitones)


def train_melody(
    network: MelodyNetwork,
    training: MelodyTraining,
    train: Sequence[LeadSheet],
    validation: Sequence[LeadSheet],
    folder: Path,
    *,
    about: Mapping[str, str] | None = None,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> FitResult:
    """Train a network in place, and leave it with the best weights.

    Parameters
    ----------
    network : MelodyNetwork
    training : MelodyTraining
    train, validation : sequence of LeadSheet
        Training and validation set, in styles of the network, without a song in common.
    folder : Path
        Folder of the training state.
    about : mapping, optional
        Further metadata that must agree when a run is resumed.
    resume : bool
        Whether to resume an interrupted run.
    watch : callable, optional
        Called with a `Progress` after each step.

    Returns
    -------
    Trained
        Its losses are nats per event, of symbol and duration together.

    Raises
    ------
    TrainingFailed
        The training or the validation set is empty, or the loss is not finite.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    if not train or not validation:
        raise TrainingFailed(
            f"{len(train)} melodies for training and {len(validation)} for validation; at least "
            "one of each is needed"
        )
    torch.manual_seed(training.seed)
    styles = network.config.styles
    windows = WindowSampler(train, styles, training)
    batches = WindowSampler(validation, styles, training).all()
    terms = LossTerms()

    def loss(net: Any, *batch: Tensor) -> Tensor:
        losses: MelodyLosses = net.loss(*batch)
        if net.training:
            terms.add(symbols=losses.symbols, lengths=losses.lengths)
        return losses.symbols + losses.lengths

    fingerprint = data_fingerprint(
        part
        for sheet in (*train, *validation)
        for part in (
            f"{sheet.name} {sheet.style} {sheet.melody.shape}\n",
            sheet.melody,
            sheet.chart.chords,
        )
    )
    run = {"sheets": fingerprint, **(about or {})}
    return fit_lm(
        network, training, windows.draw, batches, folder, run,
        loss=loss, loss_terms=terms.means, resume=resume, watch=watch,
    )  # fmt: skip


def build_melody_model(
    network: MelodyNetwork,
    train: Sequence[LeadSheet],
    validation: Sequence[LeadSheet],
    metadata: dict[str, Any],
) -> MelodyModel:
    """Make a melody model of a trained network.

    Parameters
    ----------
    network : MelodyNetwork
    train : sequence of LeadSheet
        Training set, from which the reference statistics and the hashes are.
    validation : sequence of LeadSheet
        Validation set, from which the reference log-likelihood is.
    metadata : dict
        JSON values: how it was trained.
    """
    hashes = []
    for sheet in train:
        onset, symbol = note_onsets(sheet.melody)
        hashes.append(melody_ngrams(np.column_stack([symbol - 1 + LOWEST_PITCH, onset])))
    melodies = PassageIndex.from_sequences(hashes, [sheet.name for sheet in train])
    styles = network.config.styles
    model = MelodyModel(network, {style: {} for style in styles}, melodies, metadata)
    for style in styles:
        model.reference[style] = _reference_statistics(
            model,
            style,
            [sheet for sheet in train if sheet.style == style],
            [sheet for sheet in validation if sheet.style == style],
        )
    return model


def _reference_statistics(
    model: MelodyModel, style: str, train: Sequence[LeadSheet], validation: Sequence[LeadSheet]
) -> dict[str, tuple[float, float]]:
    sheets = train or validation
    statistics = [melody_statistics(sheet.chart, sheet.melody) for sheet in sheets]
    reference = {
        name: _mean_std([each[name] for each in statistics]) for name in RANKING_STATISTICS
    }
    unseen = validation or train
    nll = model.nll([sheet.chart for sheet in unseen], [sheet.melody for sheet in unseen], style)
    reference["likelihood"] = _mean_std([-float(each.sum(axis=1).mean()) for each in nll])
    pitches = np.concatenate([note_onsets(sheet.melody)[1] for sheet in sheets]) - 1 + LOWEST_PITCH
    low, high = np.percentile(pitches, [1, 99])
    reference["pitch"] = (float(np.floor(low)), float(np.ceil(high)))
    return reference


def _mean_std(values: Sequence[float]) -> tuple[float, float]:
    finite = np.array(values)
    finite = finite[np.isfinite(finite)]
    return (float(finite.mean()), float(finite.std())) if len(finite) else (0.0, 1.0)


def train_library_melodies(
    training: MelodyTraining,
    sheets: Sequence[LeadSheet],
    folder: Path,
    *,
    start: MelodyModel | None = None,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[MelodyModel, FitResult]:
    """Train a model of one style on the melodies of a library.

    Parameters
    ----------
    training : MelodyTraining
    sheets : sequence of LeadSheet
        Melodies of the style `STYLE`, from at least three groups.
    folder : Path
        Folder of the training state and, at the end, of the model.
    start : MelodyModel, optional
        Model to fine-tune, its styles merged into one. The new model keeps the hashes of its
        training set, too, to detect copies.
    resume : bool
        Whether to resume an interrupted run.
    watch : callable, optional
        Called with a `Progress` after each step.

    Returns
    -------
    MelodyModel
        Also written to `folder` as `MODEL_FILE`.
    Trained

    Raises
    ------
    TrainingFailed
        There are too few melodies, or the loss is not finite.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    groups = {sheet.group or sheet.name for sheet in sheets}
    if len(groups) < MIN_PIECES:
        raise TrainingFailed(
            f"there are melodies in {len(groups)} scores to train on (at least four bars and "
            f"twelve notes in one metre), at least {MIN_PIECES} are needed, and some hundred "
            "for good results; add more with `segue add`"
        )
    train, validation = train_validation_split(sheets)
    torch.manual_seed(training.seed)
    if start:
        network = with_styles(start.network, (STYLE,))
        training = replace(training, context=network.config.stack.context)
    else:
        stack = StackConfig(_WIDTH, _LAYERS, _HEADS, training.context, _DROPOUT)
        network = MelodyNetwork(MelodyConfig(stack, (STYLE,)))
    origin = {"start": start.fingerprint} if start else {}
    trained = train_melody(
        network, training, train, validation, folder, about=origin, resume=resume, watch=watch
    )
    metadata = {
        "training": asdict(training),
        "melodies": len(train),
        "held_out_melodies": len(validation),
        **trained.summary(),
        **origin,
    }
    model = build_melody_model(network, train, validation, metadata)
    if start:
        model.training_melodies = model.training_melodies.concatenate(start.training_melodies)
    model.save(folder / MODEL_FILE)
    return model, trained


def with_styles(network: MelodyNetwork, styles: tuple[str, ...]) -> MelodyNetwork:
    """Return a copy with other styles: new ones begin as the mean of the known ones.

    Parameters
    ----------
    network : MelodyNetwork
    styles : tuple of str
    """
    known = network.config.styles
    changed = MelodyNetwork(replace(network.config, styles=styles))
    weights = network.state_dict()
    for name in _STYLE_EMBEDDINGS:
        rows = weights[name]
        weights[name] = torch.stack(
            [rows[known.index(style)] if style in known else rows.mean(dim=0) for style in styles]
        )
    changed.load_state_dict(weights)
    return changed
