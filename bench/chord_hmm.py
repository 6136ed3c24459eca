"""A hidden Markov model of chords for a melody (Rabiner 1989), as a baseline.

The hidden states are chords, transposed to one key signature; the observations are the durations of
the pitch classes of the melody in each slot.

Shape legend: S states, T slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recipes.datasets.annotated_melodies import AnnotatedMelody
from segue.generate.harmony.chord_network import (
    NO_CHORD_INDEX,
    ChordSlots,
    transpose_chords,
)
from segue.records import DoubleArray, IntArray
from segue.theory.chords import QUALITIES

#: Number of states: the most frequent chords.
NUM_STATES: Final = 60
#: Weight of the emissions of a whole slot; version 0.1 had 1.5 for each of two quarter notes.
EMISSION_WEIGHT: Final = 3.0
_PSEUDO_COUNT: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class ChordHMM:
    """Log-probabilities of the model.

    Attributes
    ----------
    states : ndarray, shape (S,), int64
        Chord of each state.
    initial : ndarray, shape (S,), float64
        Distribution of the first state.
    transitions : ndarray, shape (S, S), float64
        Distribution of the state after each state.
    emissions : ndarray, shape (S, 12), float64
        Distribution of the pitch classes.
    """

    states: IntArray
    initial: DoubleArray
    transitions: DoubleArray
    emissions: DoubleArray

    def viterbi(self, slots: ChordSlots, signature: int) -> IntArray:
        """Return the likeliest chord sequence, given the relative major key."""
        durations = np.roll(slots.pitch_classes.mean(axis=1), -signature, axis=1)
        emissions = EMISSION_WEIGHT * durations @ self.emissions.T
        best = self.initial + emissions[0]
        backpointers = np.zeros(emissions.shape, np.int64)
        for at in range(1, len(slots)):
            scores = best[:, None] + self.transitions
            backpointers[at] = scores.argmax(axis=0)
            best = scores.max(axis=0) + emissions[at]
        path = [int(best.argmax())]
        for at in range(len(slots) - 1, 0, -1):
            path.append(int(backpointers[at, path[-1]]))
        return transpose_chords(self.states[path[::-1]], signature)


def fit_chord_hmm(melodies: Sequence[AnnotatedMelody]) -> ChordHMM:
    """Estimate the model from counts, by Witten-Bell smoothing (1991).

    Parameters
    ----------
    melodies : sequence of AnnotatedMelody
    """
    sequences = [transpose_chords(each.chords, -each.signature) for each in melodies]
    counts = np.bincount(np.concatenate(sequences), minlength=NO_CHORD_INDEX + 1)[:NO_CHORD_INDEX]
    states = np.argsort(-counts, kind="stable")[:NUM_STATES]
    state_of = np.full(NO_CHORD_INDEX + 1, -1)
    state_of[states] = np.arange(NUM_STATES)
    pairs = np.zeros((NUM_STATES, NUM_STATES))
    durations = np.zeros((NO_CHORD_INDEX + 1, 12))
    for melody, chords in zip(melodies, sequences, strict=True):
        state = state_of[chords]
        both = (state[:-1] >= 0) & (state[1:] >= 0)
        np.add.at(pairs, (state[:-1][both], state[1:][both]), 1)
        np.add.at(
            durations,
            chords,
            np.roll(melody.slots.pitch_classes.mean(axis=1), -melody.signature, axis=1),
        )
    unigram = (counts[states] + _PSEUDO_COUNT) / (counts[states] + _PSEUDO_COUNT).sum()
    # The prior of the notes is the geometric mean of those over the quality and those of the key.
    in_key = durations.sum(axis=0) + _PSEUDO_COUNT
    over_quality = np.zeros((len(QUALITIES), 12))
    for chord in range(NO_CHORD_INDEX):
        over_quality[chord // 12] += np.roll(durations[chord], -(chord % 12))
    over_quality += _PSEUDO_COUNT * (1 + over_quality.sum(axis=1, keepdims=True))
    priors = np.stack(
        [np.sqrt(np.roll(over_quality[chord // 12], chord % 12) * in_key) for chord in states]
    )
    priors /= priors.sum(axis=1, keepdims=True)
    emissions = _witten_bell(durations[states], priors)
    transitions = _witten_bell(pairs, np.broadcast_to(unigram, pairs.shape))
    return ChordHMM(states, np.log(unigram), np.log(transitions), np.log(emissions))


def _witten_bell(counts: DoubleArray, priors: DoubleArray) -> DoubleArray:
    """Smooth rows of counts by priors, weighted by the number of distinct events."""
    distinct = np.maximum((counts > 0).sum(axis=1, keepdims=True), 1)
    return np.asarray((counts + distinct * priors) / (counts.sum(axis=1, keepdims=True) + distinct))
