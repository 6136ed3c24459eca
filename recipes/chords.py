"""The hidden Markov model of chords for a melody: weights/chords.safetensors.

    python -m recipes.chords --data ../shared/data

Counted on the songs of POP909 of the half "develop".
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.datasets.pop909 import AnnotatedSong, annotated_songs
from segue.errors import BadArgument
from segue.generate.harmony.chord_hmm import (
    CHECKPOINT_KIND,
    CHECKPOINT_TENSORS,
    NO_CHORD_STATE,
    NUM_STATES,
    PRETRAINED,
    QUALITIES,
    STRONG,
    VERSION,
    WEAK,
    WHOLE_BAR,
    ChordHMM,
    relative_to_tonic,
)
from segue.nn.checkpoint import save_model
from segue.records import DoubleArray, IntArray
from segue.theory.keys import MODES

#: Weight of a quarter note of melody; chosen on a quarter of the half "develop".
EMISSION_WEIGHT: Final = 1.5
_PSEUDO_COUNT: Final = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    archive = parser.parse_args().data / "scores" / "pop909.zip"
    songs = [song for _, song in annotated_songs(archive, "develop")]
    save_chord_hmm(fit_chord_hmm(songs, EMISSION_WEIGHT), PRETRAINED)
    print(f"{PRETRAINED}: {PRETRAINED.stat().st_size / 1000:.0f} kB")


def fit_chord_hmm(songs: Sequence[AnnotatedSong], emission_weight: float) -> ChordHMM:
    """Estimate transition and emission probabilities.

    All songs are transposed to one tonic; rare contexts back off to wider ones by Witten-Bell
    smoothing (1991).

    Parameters
    ----------
    songs : sequence of AnnotatedSong
        At least one in each mode.
    emission_weight : float

    Raises
    ------
    BadArgument
        There is no song in one of the modes.
    """
    states, transitions, final, emissions = [], [], [], []
    for mode, name in enumerate(MODES):
        in_mode = [song for song in songs if song.mode == mode]
        if not in_mode:
            raise BadArgument(f"no song in {name} to count; there must be some in each mode")
        chords = [relative_to_tonic(song.chords, song.tonic) for song in in_mode]
        counts = np.bincount(np.concatenate(chords), minlength=NO_CHORD_STATE + 1)[:NO_CHORD_STATE]
        frequent = np.argsort(-counts, kind="stable")[:NUM_STATES]
        state_of = np.full(NO_CHORD_STATE + 1, -1)
        state_of[frequent] = np.arange(NUM_STATES)
        states.append(frequent)
        unigram = (counts[frequent] + _PSEUDO_COUNT) / (counts[frequent] + _PSEUDO_COUNT).sum()
        transitions.append(_transitions([state_of[each] for each in chords], in_mode, unigram))
        last = state_of[
            [each[each < NO_CHORD_STATE][-1] for each in chords if (each < NO_CHORD_STATE).any()]
        ]
        final.append(_witten_bell(np.bincount(last[last >= 0], minlength=NUM_STATES), unigram))
        emissions.append(_emissions(frequent, chords, in_mode))
    return ChordHMM(
        np.stack(states), np.log(np.stack(transitions)), np.log(np.stack(final)),
        np.log(np.stack(emissions)), emission_weight,
    )  # fmt: skip


def _transitions(
    states: Sequence[IntArray], songs: Sequence[AnnotatedSong], unigram: DoubleArray
) -> DoubleArray:
    counts = np.zeros((2, NUM_STATES + 1, NUM_STATES))
    for sequence, song in zip(states, songs, strict=True):
        previous = np.append(NUM_STATES, sequence[:-1])
        previous = np.where(previous < 0, NUM_STATES, previous)
        counted = (sequence >= 0) & (song.slots.position < WHOLE_BAR)
        halves = song.slots.position[counted]
        np.add.at(counts, (halves, previous[counted], sequence[counted]), 1)
    probabilities = np.empty_like(counts)
    for half in range(2):
        marginal = _witten_bell(counts[half].sum(axis=0), unigram)
        probabilities[half] = [_witten_bell(row, marginal) for row in counts[half]]
    return probabilities


def _emissions(
    states: IntArray, chords: Sequence[IntArray], songs: Sequence[AnnotatedSong]
) -> DoubleArray:
    durations = np.zeros((NO_CHORD_STATE + 1, 2, 12))
    for sequence, song in zip(chords, songs, strict=True):
        np.add.at(durations, sequence, np.roll(song.slots.durations, -song.tonic, axis=2))
    in_key = durations[:NO_CHORD_STATE].sum(axis=0) + _PSEUDO_COUNT
    above_root = np.zeros((len(QUALITIES), 2, 12))
    for chord in range(NO_CHORD_STATE):
        above_root[chord // 12] += np.roll(durations[chord], -(chord % 12), axis=1)
    above_root += _PSEUDO_COUNT * above_root.sum(axis=2, keepdims=True) + _PSEUDO_COUNT
    probabilities = np.empty((len(states), 2, 12))
    for state, chord in enumerate(states.tolist()):
        # The prior is the geometric mean of the notes over the quality and the notes of the key.
        prior = np.sqrt(np.roll(above_root[chord // 12], chord % 12, axis=1) * in_key)
        prior /= prior.sum(axis=1, keepdims=True)
        for weight in (WEAK, STRONG):
            probabilities[state, weight] = _witten_bell(durations[chord, weight], prior[weight])
    return probabilities


def _witten_bell(counts: NDArray[np.number], prior: DoubleArray) -> DoubleArray:
    """Smooth counts by a prior, weighted by the number of distinct events (Witten & Bell 1991)."""
    distinct = max(int((counts > 0).sum()), 1)
    return np.asarray((counts + distinct * prior) / (counts.sum() + distinct), np.float64)


def save_chord_hmm(hmm: ChordHMM, path: Path) -> str:
    """Write a model; return its fingerprint.

    Raises
    ------
    DiskFull
    """
    about = {"trust": hmm.emission_weight, "qualities": list(QUALITIES)}
    tensors = {
        tensor: torch.from_numpy(getattr(hmm, name)).float()
        for tensor, name in CHECKPOINT_TENSORS.items()
    }
    tensors["chords"] = torch.from_numpy(hmm.states).to(torch.int16)
    return save_model(path, CHECKPOINT_KIND, VERSION, about, tensors)


if __name__ == "__main__":
    main()
