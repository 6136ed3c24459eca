"""Chords for a melody by a convolutional network and a chain of chords.

The melody is cut into slots of one chord each, the shortest durations of a chord: half bars where a
bar has four beats or more and a middle, else whole bars. A slot has twelve cells of equal duration:
sixteenths of a bar of 3/4, thirds of an eighth note of a bar of 4/4.

The melody is transposed so that its key signature is empty. A network of gated dilated convolutions
(van den Oord et al. 2016) over the slots gives each slot a distribution of chords, from the notes
in it and some thirty bars around it. These are the unary potentials of a chain whose pairwise
potentials say how much likelier a chord is after another than by itself, as in hybrids of neural
networks and hidden Markov models (Bourlard & Morgan 1994). The best chord sequence is found by the
Viterbi algorithm, others by forward filtering and backward sampling.

Shape legend: B melodies, T slots, C cells of a slot, D width, F input features, S chords, 12 pitch
classes.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.nn.checkpoint import Checkpoint, load_model
from segue.nn.quantization import dequantize_weights
from segue.nn.transformer import dropout
from segue.records import DoubleArray, FloatArray, IntArray, Part, Score
from segue.score.timing import BarGrid, bar_grid
from segue.theory.chords import QUALITIES

MAX_BARS: Final = 20_000
#: Bars after which a note is cut, so that one that was never ended does not drown the others.
_MAX_NOTE_BARS: Final = 8
#: Cells of a slot: divisible by 2, 3 and 4 beats.
NUM_CELLS: Final = 12
#: Metrical position of a slot.
FIRST_HALF, SECOND_HALF, WHOLE_BAR = 0, 1, 2

#: A chord is numbered as 12 times the index of its quality, plus its root. This is no chord.
NO_CHORD_INDEX: Final = 12 * len(QUALITIES)
NUM_CHORDS: Final = NO_CHORD_INDEX + 1
CHECKPOINT_KIND: Final = "chord network"
#: Increased when the features or the numbering of chords change.
VERSION: Final = 1
PRETRAINED: Final = WEIGHTS / "chords.safetensors"
MAX_TEMPERATURE: Final = 10.0
#: Below this, samples are the best sequence anyway, and exponentials would overflow.
_MIN_TEMPERATURE: Final = 0.02
_PHRASE_BARS: Final = 8  # the position of a bar is counted modulo this
_EDGE_SLOTS: Final = 4  # slots that know that they are among the first or last
_INPUT_DROPOUT: Final = 0.1
_LABEL_SMOOTHING: Final = 0.05
_PITCH_CLASS_FEATURES: Final = NUM_CELLS * 12
NUM_FEATURES: Final = _PITCH_CLASS_FEATURES + 2 * NUM_CELLS + 3 + _PHRASE_BARS + 4


@dataclass(frozen=True, slots=True, eq=False)
class ChordSlots:
    """A melody cut into slots of one chord each.

    Attributes
    ----------
    edges : ndarray, shape (T + 1,), int64
        Boundaries of the slots, in ticks.
    bar : ndarray, shape (T,), int64
        Index of the bar of each slot.
    position : ndarray, shape (T,), int64
        `FIRST_HALF`, `SECOND_HALF` or `WHOLE_BAR`.
    pitch_classes : ndarray, shape (T, C, 12), float32
        Share of each cell in which each pitch class sounds, 0 to 1.
    onsets : ndarray, shape (T, C), float32
        1 for the cells in which a note begins.
    heights : ndarray, shape (T, C), float32
        Pitch, in octaves above the median pitch of the melody; 0 in silence.
    """

    edges: IntArray
    bar: IntArray
    position: IntArray
    pitch_classes: FloatArray
    onsets: FloatArray
    heights: FloatArray

    def __len__(self) -> int:
        return len(self.position)


def melody_slots(melody: Part, score: Score) -> ChordSlots:
    """Cut a melody into slots by the time signatures of its score.

    Parameters
    ----------
    melody : Part
    score : Score

    Returns
    -------
    ChordSlots
        From the bar of the first note to that of the last.

    Raises
    ------
    BadArgument
        There are more than 20,000 bars.
    """
    grid = bar_grid(replace(score, parts=(melody,)))
    onsets = melody.notes[:, 0].astype(np.int64)
    first = int(grid.index_of(onsets[:1])[0])
    if len(grid) - first > MAX_BARS:
        raise BadArgument(f"{len(grid) - first} bars; at most {MAX_BARS} get chords at a time")
    edges, bar, position = _slot_edges(grid, first)
    bar_ticks = np.diff(grid.edges)[grid.index_of(onsets)]
    ends = onsets + np.minimum(melody.notes[:, 1], _MAX_NOTE_BARS * bar_ticks)
    return ChordSlots(edges, bar, position, *_cells(melody, onsets, ends, edges))


def _slot_edges(grid: BarGrid, first: int) -> tuple[IntArray, IntArray, IntArray]:
    edges, bar, position = [], [], []
    for index in range(first, len(grid)):
        start, end = int(grid.edges[index]), int(grid.edges[index + 1])
        if _is_halved(int(grid.numerators[index]), int(grid.denominators[index])):
            edges += [start, (start + end) // 2]
            position += [FIRST_HALF, SECOND_HALF]
            bar += [index, index]
        else:
            edges.append(start)
            position.append(WHOLE_BAR)
            bar.append(index)
    edges.append(int(grid.edges[-1]))
    return np.array(edges), np.array(bar), np.array(position)


def _is_halved(beats: int, unit: int) -> bool:
    felt_beats = beats // 3 if unit >= 8 and beats % 3 == 0 else beats
    return felt_beats % 2 == 0 and beats / unit >= 1


def _cells(
    melody: Part, onsets: IntArray, ends: IntArray, edges: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return pitch classes, onsets and heights of all cells."""
    steps = np.arange(NUM_CELLS) / NUM_CELLS
    inner = edges[:-1, None] + np.diff(edges)[:, None] * steps
    cell_edges = np.append(inner.ravel(), edges[-1])
    count = len(cell_edges) - 1
    durations = np.diff(cell_edges)
    first = np.clip(np.searchsorted(cell_edges, onsets, side="right") - 1, 0, count - 1)
    last = np.clip(np.searchsorted(cell_edges, ends, side="left") - 1, first, count - 1)
    # One row for each pair of a note and a cell in which it sounds.
    lengths = last - first + 1
    note = np.repeat(np.arange(len(onsets)), lengths)
    cell = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths) + first[note]
    overlap = np.minimum(ends[note], cell_edges[cell + 1]) - np.maximum(
        onsets[note], cell_edges[cell]
    )
    share = np.maximum(overlap, 0) / durations[cell]
    pitches = melody.notes[:, 2].astype(np.int64)
    pitch_classes = np.zeros((count, 12), np.float32)
    np.add.at(pitch_classes, (cell, pitches[note] % 12), share)
    heights = np.zeros(count, np.float32)
    heights[cell] = (pitches[note] - np.median(pitches)) / 12
    # A note that is played a little early begins in the cell that it mostly sounds in.
    late = onsets - cell_edges[first] > durations[first] / 2
    begins = np.zeros(count, np.float32)
    begins[np.minimum(first + late, count - 1)] = 1
    slots = len(edges) - 1
    return (
        np.minimum(pitch_classes, 1).reshape(slots, NUM_CELLS, 12),
        begins.reshape(slots, NUM_CELLS),
        heights.reshape(slots, NUM_CELLS),
    )


def transpose_chords(chords: IntArray, semitones: int) -> IntArray:
    """Transpose numbered chords; no chord stays so.

    Parameters
    ----------
    chords : ndarray of int64
    semitones : int
    """
    transposed = chords // 12 * 12 + (chords + semitones) % 12
    return np.where(chords == NO_CHORD_INDEX, NO_CHORD_INDEX, transposed)


@dataclass(frozen=True, slots=True)
class ChordNetworkConfig:
    """Hyperparameters of the network.

    Attributes
    ----------
    width : int
        Width of the hidden states, D.
    dilations : tuple of int
        Dilation of each convolution of three slots.
    dropout : float
        Dropout probability.
    """

    width: int = 128
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    dropout: float = 0.3

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        if self.width < 1 or not self.dilations or min(self.dilations) < 1:
            raise BadArgument(
                f"a width of {self.width} and dilations of {self.dilations}; all are at least 1"
            )


def slot_features(slots: ChordSlots, signature: int) -> FloatArray:
    """Return the network's input.

    Parameters
    ----------
    slots : ChordSlots
    signature : int
        Pitch class of the major key with the melody's key signature, which becomes C.

    Returns
    -------
    ndarray, shape (T, F), float32
        Pitch classes of the cells, onsets and heights of the cells, metrical position, bar modulo
        8, and whether the slot is the first, the last, among the first or among the last.
    """
    count = len(slots)
    index = np.arange(count)
    edges = [index == 0, index == count - 1, index < _EDGE_SLOTS, index >= count - _EDGE_SLOTS]
    return np.concatenate(
        [
            np.roll(slots.pitch_classes, -signature, axis=2).reshape(count, -1),
            slots.onsets,
            slots.heights,
            np.eye(3)[slots.position],
            np.eye(_PHRASE_BARS)[(slots.bar - slots.bar[0]) % _PHRASE_BARS],
            np.stack(edges, axis=1),
        ],
        axis=1,
        dtype=np.float32,
    )


class ChordNetwork(nn.Module):
    """Predicts the chord of each slot of a melody in C major or A minor."""

    def __init__(self, config: ChordNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.input = nn.Linear(NUM_FEATURES + 12, config.width)
        self.blocks = nn.ModuleList(_Block(config, dilation) for dilation in config.dilations)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, NUM_CHORDS)
        #: How much likelier each chord is after each other than by itself, in nats.
        self.transitions: Tensor
        self.register_buffer("transitions", torch.zeros(NO_CHORD_INDEX, NO_CHORD_INDEX))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits of the chords.

        Parameters
        ----------
        features : Tensor, shape (B, T, F)
            From `slot_features`, zero after the end of a melody.
        lengths : Tensor, shape (B,), int64
            Number of slots of each melody.

        Returns
        -------
        Tensor, shape (B, T, S)
        """
        positions = torch.arange(features.shape[1], device=features.device)
        mask = (positions < lengths[:, None])[..., None].float()
        cells = features[..., :_PITCH_CLASS_FEATURES].view(*features.shape[:2], NUM_CELLS, 12)
        histogram = (cells.sum(dim=2) * mask).sum(dim=1, keepdim=True)
        histogram = 4 * histogram / histogram.sum(dim=2, keepdim=True).clamp(min=1e-6)
        x = torch.cat([features, histogram.expand(-1, features.shape[1], -1)], dim=-1)
        if self.training:
            x = dropout(x, _INPUT_DROPOUT)
        x = self.input(x)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x))  # type: ignore[no-any-return]

    def loss(self, features: Tensor, lengths: Tensor, chords: Tensor) -> Tensor:
        """Return the mean cross-entropy of chords, in nats; -1 is ignored.

        Labels are smoothed in training, since other chords would do as well.
        """
        logits = self(features, lengths).float()
        smoothing = _LABEL_SMOOTHING if self.training else 0.0
        return F.cross_entropy(
            logits.flatten(0, 1), chords.flatten(), ignore_index=-1, label_smoothing=smoothing
        )


class _Block(nn.Module):
    """Residual gated convolution over three slots."""

    def __init__(self, config: ChordNetworkConfig, dilation: int) -> None:
        super().__init__()
        width = config.width
        self.p = config.dropout
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Linear(3 * width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        padded = F.pad(self.norm(x) * mask, (0, 0, self.dilation, self.dilation))
        length = x.shape[1]
        shifted = [padded[:, at * self.dilation :][:, :length] for at in range(3)]
        value, gate = self.conv(torch.cat(shifted, dim=-1)).chunk(2, dim=-1)
        y = self.out(value * gate.sigmoid())
        return x + (dropout(y, self.p) if self.training else y)


# ---- decoding ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class ChordSequence:
    """A chord for each slot of a melody.

    Attributes
    ----------
    chords : ndarray, shape (T,), int64
        Chords as they sound.
    log_likelihood : float
        Log-probability of the sequence given the melody.
    """

    chords: IntArray
    log_likelihood: float


class ChordChain:
    """The distribution of the chord sequences of a melody.

    Parameters
    ----------
    network : ChordNetwork
    slots : ChordSlots
    signature : int
        Pitch class of the major key with the melody's key signature.
    """

    def __init__(self, network: ChordNetwork, slots: ChordSlots, signature: int) -> None:
        self._signature = signature
        features = torch.from_numpy(slot_features(slots, signature))[None]
        with torch.inference_mode():
            logits = network(features, torch.tensor([len(slots)]))[0, :, :NO_CHORD_INDEX]
            log_probs = logits.double().log_softmax(dim=-1)
        self._unary: DoubleArray = log_probs.numpy()
        self._pairwise: DoubleArray = network.transitions.double().numpy()
        self._partition = float(_logsumexp(self._forward(1.0)[-1]))

    def best(self) -> ChordSequence:
        """Return the most probable sequence (Viterbi 1967)."""
        best = self._unary[0]
        backpointers = np.zeros(self._unary.shape, np.int16)
        for at in range(1, len(self._unary)):
            scores = best[:, None] + self._pairwise
            backpointers[at] = scores.argmax(axis=0)
            best = scores.max(axis=0) + self._unary[at]
        path = [int(best.argmax())]
        for at in range(len(self._unary) - 1, 0, -1):
            path.append(int(backpointers[at, path[-1]]))
        return self._sequence(np.array(path[::-1]))

    def sample(self, n: int, temperature: float, rng: np.random.Generator) -> list[ChordSequence]:
        """Sample sequences.

        Parameters
        ----------
        n : int
        temperature : float
            1 samples from the distribution, less prefers likelier sequences.
        rng : Generator

        Raises
        ------
        BadArgument
            The temperature is below 0 or above 10.
        """
        check_temperature(temperature)
        temperature = max(temperature, _MIN_TEMPERATURE)
        forward = self._forward(temperature)
        paths = np.empty((n, len(forward)), np.int64)
        logits = np.broadcast_to(forward[-1], (n, NO_CHORD_INDEX))
        for at in range(len(forward) - 1, -1, -1):
            # The maximum with Gumbel noise is a sample of the softmax.
            paths[:, at] = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
            logits = forward[at - 1] + self._pairwise.T[paths[:, at]] / temperature
        return [self._sequence(path) for path in paths]

    def _forward(self, temperature: float) -> DoubleArray:
        """Return the log of the forward messages, shape (T, S)."""
        unary, weights = self._unary / temperature, np.exp(self._pairwise / temperature)
        forward = np.empty_like(unary)
        forward[0] = unary[0]
        for at in range(1, len(unary)):
            highest = forward[at - 1].max()
            before = np.exp(forward[at - 1] - highest)
            forward[at] = highest + np.log(before @ weights) + unary[at]
        return forward

    def _sequence(self, path: IntArray) -> ChordSequence:
        score = self._unary[np.arange(len(path)), path].sum()
        score += self._pairwise[path[:-1], path[1:]].sum()
        return ChordSequence(
            transpose_chords(path, self._signature), float(score - self._partition)
        )


def _logsumexp(logits: DoubleArray) -> float:
    highest = logits.max()
    return float(highest + np.log(np.exp(logits - highest).sum()))


def check_temperature(temperature: float) -> None:
    """Validate a sampling temperature.

    Raises
    ------
    BadArgument
        It is below 0 or above 10.
    """
    if not 0 <= temperature <= MAX_TEMPERATURE:
        raise BadArgument(
            f"the temperature is from 0 to {MAX_TEMPERATURE:g}, it cannot be {temperature:g}"
        )


# ---- checkpoint --------------------------------------------------------------------------


def checkpoint_metadata(network: ChordNetwork) -> dict[str, Any]:
    """Return what a checkpoint says of a network beside its weights."""
    return {"configuration": asdict(network.config), "qualities": list(QUALITIES)}


def load_chord_network(path: Path = PRETRAINED) -> ChordNetwork:
    """Read a network, by default the bundled one.

    Raises
    ------
    BadCheckpoint
        The file is missing, damaged, or of another version.
    """
    return load_model(path, CHECKPOINT_KIND, VERSION, _build)


def _build(checkpoint: Checkpoint) -> ChordNetwork:
    if checkpoint.metadata["qualities"] != list(QUALITIES):
        raise ValueError("it numbers chords otherwise than this Segue")
    config = checkpoint.metadata["configuration"]
    network = ChordNetwork(
        ChordNetworkConfig(config["width"], tuple(config["dilations"]), config["dropout"])
    )
    network.load_state_dict(dequantize_weights(checkpoint.tensors))
    return network.eval().requires_grad_(False)
