"""Chords for a melody by a hidden Markov model.

The hidden states are chords, relative to the tonic; the observations are the notes of the melody
(Rabiner 1989). A melody is cut into slots, the shortest durations of a chord: half bars where a bar
has four beats or more and a middle, else whole bars. Transition and emission probabilities are
estimated from songs with known chords (`recipes/chords.py`). The key is not given: the likeliest of
all 24 is taken. The best chord sequence is found by the Viterbi algorithm, others by forward
filtering and backward sampling.

Shape legend: M modes (major, minor), S states of a mode, T slots, 12 pitch classes.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.records import DoubleArray, IntArray, Part, Score
from segue.score.timing import BarGrid, bar_grid

if TYPE_CHECKING:
    from segue.nn.checkpoint import Checkpoint


MAX_BARS: Final = 20_000
#: Bars after which a note is cut, so that one that was never ended does not drown the others.
_MAX_NOTE_BARS: Final = 8
#: Metrical weight of a note: between the beats, or on a beat or held over from before.
WEAK, STRONG = 0, 1
#: Metrical position of a slot.
FIRST_HALF, SECOND_HALF, WHOLE_BAR = 0, 1, 2

CHECKPOINT_KIND: Final = "chord paths"
#: Increased when the numbering of chords changes.
VERSION: Final = 1
PRETRAINED: Final = WEIGHTS / "chords.safetensors"

#: Chord qualities as symbols, and their pitch classes above the root.
QUALITIES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "7sus4": (0, 5, 7, 10),
    "6": (0, 4, 7, 9),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
}
#: A chord is numbered as 12 times the index of its quality, plus its root. This is no chord.
NO_CHORD_STATE: Final = 12 * len(QUALITIES)
#: Number of states: the most frequent chords of a mode.
NUM_STATES: Final = 40
MAX_TEMPERATURE: Final = 10.0


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
    durations : ndarray, shape (T, 2, 12), float64
        Duration of each pitch class in quarter notes, of `WEAK` and of `STRONG` notes.
    """

    edges: IntArray
    bar: IntArray
    position: IntArray
    durations: DoubleArray

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
    durations = _pitch_class_durations(melody, grid, edges, score.ticks_per_quarter)
    return ChordSlots(edges, bar, position, durations)


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


def _pitch_class_durations(
    melody: Part, grid: BarGrid, edges: IntArray, ticks_per_quarter: int
) -> DoubleArray:
    count = len(edges) - 1
    onsets = melody.notes[:, 0].astype(np.int64)
    bar = grid.index_of(onsets)
    bar_ticks = np.diff(grid.edges)[bar]
    ends = onsets + np.minimum(melody.notes[:, 1], _MAX_NOTE_BARS * bar_ticks)
    first = np.clip(np.searchsorted(edges, onsets, side="right") - 1, 0, count - 1)
    last = np.clip(np.searchsorted(edges, ends, side="left") - 1, first, count - 1)
    on_beat = _on_beat(onsets - grid.edges[bar], grid, bar, ticks_per_quarter)
    durations = np.zeros((count, 2, 12))
    columns = (onsets, ends, first, last, on_beat, melody.notes[:, 2])
    notes = zip(*(column.tolist() for column in columns), strict=True)
    for onset, end, first_slot, last_slot, strong, pitch in notes:
        for slot in range(first_slot, last_slot + 1):
            ticks = min(end, int(edges[slot + 1])) - max(onset, int(edges[slot]))
            weight = STRONG if strong or slot > first_slot else WEAK
            durations[slot, weight, pitch % 12] += max(ticks, 0) / ticks_per_quarter
    return durations


def _on_beat(ticks: IntArray, grid: BarGrid, bar: IntArray, ticks_per_quarter: int) -> IntArray:
    """Return which onsets, in ticks from the bar line, are within a 32nd of a beat."""
    beats, units = grid.numerators[bar], grid.denominators[bar]
    compound = (units >= 8) & (beats % 3 == 0)
    beat = np.maximum(4 * ticks_per_quarter * np.where(compound, 3, 1) // units, 1)
    offset = ticks % beat
    near = np.minimum(offset, beat - offset) <= ticks_per_quarter / 8
    return np.asarray(near, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ChordHMM:
    """Log-probabilities of the model; chords and pitch classes are relative to the tonic.

    Attributes
    ----------
    states : ndarray, shape (M, S), int64
        Chord of each state.
    transitions : ndarray, shape (M, 2, S + 1, S), float64
        Transitions into the first and into the second half of a bar, from each state; the last
        row is the initial distribution.
    final : ndarray, shape (M, S), float64
        Distribution of the last state.
    emissions : ndarray, shape (M, S, 2, 12), float64
        Distribution of the pitch classes of `WEAK` and of `STRONG` notes.
    emission_weight : float
        Factor of the emissions, per quarter note of melody.
    """

    states: IntArray
    transitions: DoubleArray
    final: DoubleArray
    emissions: DoubleArray
    emission_weight: float


@dataclass(frozen=True, slots=True, eq=False)
class ChordSequence:
    """A chord for each slot of a melody.

    Attributes
    ----------
    tonic : int
        Pitch class.
    mode : int
        0 for major, 1 for minor.
    chords : ndarray, shape (T,), int64
        Chords as they sound.
    log_likelihood : float
        Joint log-likelihood with the melody; comparable for one melody.
    """

    tonic: int
    mode: int
    chords: IntArray
    log_likelihood: float


def relative_to_tonic(chords: IntArray, tonic: int, *, inverse: bool = False) -> IntArray:
    """Transpose chords so that the tonic is 0, or back."""
    shift = tonic if inverse else -tonic
    transposed = chords // 12 * 12 + (chords + shift) % 12
    return np.where(chords == NO_CHORD_STATE, NO_CHORD_STATE, transposed)


# ---- decoding ----------------------------------------------------------------------------


def most_likely_chords(hmm: ChordHMM, slots: ChordSlots, key_prior: DoubleArray) -> ChordSequence:
    """Return the likeliest chord sequence in the likeliest key.

    Parameters
    ----------
    hmm : ChordHMM
    slots : ChordSlots
    key_prior : ndarray, shape (24,), float64
        Log-probabilities of twelve major and twelve minor keys.
    """
    sequences = []
    for key in np.argsort(-key_prior, kind="stable").tolist():
        if key_prior[key] > -np.inf:
            sequence = viterbi(hmm, slots, key % 12, key // 12)
            sequences.append((sequence.log_likelihood + key_prior[key], sequence))
    return max(sequences, key=lambda pair: pair[0])[1]


def viterbi(hmm: ChordHMM, slots: ChordSlots, tonic: int, mode: int) -> ChordSequence:
    """Return the likeliest chord sequence in a key (Viterbi 1967)."""
    transitions = _slot_transitions(hmm, mode)
    emissions = _slot_emissions(hmm, slots, tonic, mode)
    positions = slots.position.tolist()
    best = transitions[positions[0], NUM_STATES] + emissions[0]
    backpointers = np.zeros(emissions.shape, np.int16)
    for at in range(1, len(slots)):
        scores = best[:, None] + transitions[positions[at], :NUM_STATES]
        backpointers[at] = scores.argmax(axis=0)
        best = scores.max(axis=0) + emissions[at]
    best = best + hmm.final[mode]
    path = [int(best.argmax())]
    for at in range(len(slots) - 1, 0, -1):
        path.append(int(backpointers[at, path[-1]]))
    chords = relative_to_tonic(hmm.states[mode][path[::-1]], tonic, inverse=True)
    return ChordSequence(tonic, mode, chords, float(best.max()))


def check_temperature(temperature: float) -> None:
    """Validate a sampling temperature.

    Raises
    ------
    BadArgument
        It is not above 0, or above 10.
    """
    if not 0 < temperature <= MAX_TEMPERATURE:
        raise BadArgument(f"a temperature of {temperature}: above 0, at most {MAX_TEMPERATURE:g}")


def sample_chords(
    hmm: ChordHMM,
    slots: ChordSlots,
    tonic: int,
    mode: int,
    temperature: float,
    rng: np.random.Generator,
) -> ChordSequence:
    """Sample a chord sequence in a key from its posterior given the whole melody.

    Parameters
    ----------
    hmm : ChordHMM
    slots : ChordSlots
    tonic, mode : int
    temperature : float
        1 samples from the posterior, less prefers likelier sequences.
    rng : Generator

    Raises
    ------
    BadArgument
        The temperature is not above 0, or above 10.
    """
    check_temperature(temperature)
    transitions = _slot_transitions(hmm, mode) / temperature
    emissions = _slot_emissions(hmm, slots, tonic, mode) / temperature
    final = hmm.final[mode] / temperature
    positions = slots.position.tolist()
    forward = np.empty_like(emissions)
    forward[0] = transitions[positions[0], NUM_STATES] + emissions[0]
    for at in range(1, len(slots)):
        scores = forward[at - 1][:, None] + transitions[positions[at], :NUM_STATES]
        forward[at] = np.logaddexp.reduce(scores, axis=0) + emissions[at]
    path = [_sample(forward[-1] + final, rng)]
    for at in range(len(slots) - 1, 0, -1):
        step = transitions[positions[at], :NUM_STATES, path[-1]]
        path.append(_sample(forward[at - 1] + step, rng))
    states = np.array(path[::-1])
    steps = transitions[slots.position, np.append(NUM_STATES, states[:-1]), states]
    total = steps.sum() + emissions[np.arange(len(slots)), states].sum() + final[states[-1]]
    chords = relative_to_tonic(hmm.states[mode][states], tonic, inverse=True)
    return ChordSequence(tonic, mode, chords, float(total * temperature))


def _sample(logits: DoubleArray, rng: np.random.Generator) -> int:
    weights = np.exp(logits - logits.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def _slot_transitions(hmm: ChordHMM, mode: int) -> DoubleArray:
    """Return the transitions into each position of a slot, shape (3, S + 1, S)."""
    first, second = hmm.transitions[mode]
    # From bar to bar: summed over the state in the middle of the bar.
    through_middle = np.exp(second[:NUM_STATES]) @ np.exp(first[:NUM_STATES])
    bar = np.concatenate([np.log(through_middle), first[NUM_STATES:]])
    return np.stack([first, second, bar])


def _slot_emissions(hmm: ChordHMM, slots: ChordSlots, tonic: int, mode: int) -> DoubleArray:
    """Return the weighted log-likelihood of each slot's notes in each state, shape (T, S)."""
    durations = np.roll(slots.durations, -tonic, axis=2).reshape(len(slots), 24)
    log_probs = hmm.emissions[mode].reshape(NUM_STATES, 24)
    return np.asarray(hmm.emission_weight * durations @ log_probs.T, np.float64)


# ---- checkpoint --------------------------------------------------------------------------

#: Attributes of `ChordHMM` by tensor of the checkpoint.
CHECKPOINT_TENSORS: Final = {
    "chords": "states",
    "follows": "transitions",
    "ends": "final",
    "sung": "emissions",
}


def load_chord_hmm(path: Path = PRETRAINED) -> ChordHMM:
    """Read a model, by default the bundled one.

    Raises
    ------
    BadCheckpoint
        The file is missing, damaged, or of another version.
    """
    from segue.nn.checkpoint import load_model

    return load_model(path, CHECKPOINT_KIND, VERSION, _build, "fit it again")


def _build(checkpoint: "Checkpoint") -> ChordHMM:
    if checkpoint.metadata["qualities"] != list(QUALITIES):
        raise ValueError("it numbers chords otherwise than this Segue")
    states, *log_probs = (checkpoint.tensors[name].numpy() for name in CHECKPOINT_TENSORS)
    shapes = [array.shape for array in (states, *log_probs)]
    expected = [
        (2, NUM_STATES), (2, 2, NUM_STATES + 1, NUM_STATES), (2, NUM_STATES),
        (2, NUM_STATES, 2, 12),
    ]  # fmt: skip
    if shapes != expected:
        raise ValueError(f"tables of shapes {shapes}, expected {expected}")
    transitions, final, emissions = (array.astype(np.float64) for array in log_probs)
    emission_weight = float(checkpoint.metadata["trust"])
    return ChordHMM(states.astype(np.int64), transitions, final, emissions, emission_weight)
