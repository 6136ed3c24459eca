"""Chords for a melody by a convolutional network and a chain of chords.

The melody is transposed so that its key signature is empty. A network of gated dilated convolutions
(van den Oord et al. 2016) over the slots of `chord_slots` gives each slot a distribution of chords,
from the notes in it and some thirty bars around it. These are the unary potentials of a chain whose
pairwise potentials say how much likelier a chord is after another than by itself, as in hybrids of
neural networks and hidden Markov models (Bourlard & Morgan 1994). The best chord sequence is found
by the Viterbi algorithm, others by forward filtering and backward sampling.

Shape legend: B melodies, T slots, D width, F input features, S chords.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.generate.harmony.chord_slots import (
    NO_CHORD_INDEX,
    NUM_CELLS,
    NUM_CHORDS,
    ChordSlots,
    transpose_chords,
)
from segue.nn.checkpoint import Checkpoint, load_model
from segue.nn.quantization import dequantize_weights
from segue.nn.transformer import dropout
from segue.records import DoubleArray, FloatArray, IntArray
from segue.theory.chords import QUALITIES

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
