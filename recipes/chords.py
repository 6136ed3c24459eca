"""The chord network: weights/chords.safetensors.

    python -m recipes.chords --data ../shared/data --work .bench-cache/chords

Trained on melodies of POP909, OpenEWLD and the OpenScore Lieder. The chain's transitions are
counted on the same songs; their weight is chosen on the validation set. An interrupted run is
continued.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from recipes import print_progress
from recipes.datasets.annotated_melodies import AnnotatedMelody, Source, read_melodies
from segue.errors import TrainingFailed
from segue.generate.harmony.chord_network import (
    CHECKPOINT_KIND,
    NO_CHORD_INDEX,
    PRETRAINED,
    VERSION,
    ChordChain,
    ChordNetwork,
    ChordNetworkConfig,
    checkpoint_metadata,
    slot_features,
    transpose_chords,
)
from segue.nn.checkpoint import save_model
from segue.nn.lm_training import IGNORED, LMTrainingConfig, fit_lm
from segue.nn.quantization import quantize_weights
from segue.nn.trainer import STATE, Batch, data_fingerprint
from segue.records import DoubleArray, IntArray
from segue.theory.chords import QUALITIES

CONFIG: Final = ChordNetworkConfig(96, (1, 2, 4, 8, 16), 0.3)
TRAINING: Final = LMTrainingConfig(
    context=128,  # slots
    batch_size=16,
    epochs=20,
    steps_per_epoch=60,
    learning_rate=4e-3,
    weight_decay=0.05,
    patience=20,
    device="cpu",
)
#: Share of the training examples from each source.
SHARES: Final[dict[Source, float]] = {"pop909": 0.55, "openewld": 0.15, "lieder": 0.3}
#: Share of the examples whose key signature is mistaken for one a fifth away.
_MISTAKEN_KEYS: Final = 0.15
#: Weights of the transitions to choose from.
TRANSITION_WEIGHTS: Final = (0.0, 0.1, 0.2, 0.3, 0.5)
#: Third of each quality, or 0.
THIRDS: Final = np.array(
    [next((third for third in (3, 4) if third in notes), 0) for notes in QUALITIES.values()]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    melodies = read_melodies(options.data)
    train = [melody for melody in melodies if melody.side == "train"]
    validation = [melody for melody in melodies if melody.side == "validation"]
    network = train_chord_network(CONFIG, TRAINING, train, validation, options.work)
    set_transitions(network, train, validation)
    save_chord_network(network, PRETRAINED)
    print(f"{PRETRAINED}: {PRETRAINED.stat().st_size / 1000:.0f} kB")


def train_chord_network(
    config: ChordNetworkConfig,
    training: LMTrainingConfig,
    train: Sequence[AnnotatedMelody],
    validation: Sequence[AnnotatedMelody],
    work: Path,
) -> ChordNetwork:
    """Train a network, or continue the run in the folder `work`.

    Raises
    ------
    TrainingFailed
        A set is empty, or the loss is not finite.
    """
    if not train or not validation:
        raise TrainingFailed(
            f"{len(train)} melodies to train on and {len(validation)} for validation; at least "
            "one of each is needed"
        )
    torch.manual_seed(training.seed)
    weights = _source_weights(train)

    def draw(rng: np.random.Generator) -> Batch:
        chosen = rng.choice(len(train), training.batch_size, p=weights).tolist()
        fifths = rng.choice([0, 5, 7], training.batch_size, p=_mistakes())
        examples = []
        for index, fifth in zip(chosen, fifths.tolist(), strict=True):
            melody = train[index]
            start = int(rng.integers(max(len(melody.slots) - training.context, 0) + 1))
            window = slice(start, start + training.context)
            examples.append((melody, melody.signature + fifth, window))
        return collate(examples)

    whole = slice(None)
    by_length = sorted(validation, key=lambda melody: len(melody.slots))
    batches = [
        collate([(each, each.signature, whole) for each in by_length[at : at + 16]])
        for at in range(0, len(by_length), 16)
    ]
    network = ChordNetwork(config)
    arrays = [array for melody in train for array in (melody.melody.notes, melody.chords)]
    fit_lm(
        network,
        training,
        draw,
        batches,
        work,
        {"melodies": data_fingerprint(arrays)},
        resume=(work / STATE).exists(),
        watch=print_progress(),
    )
    return network


def _source_weights(melodies: Sequence[AnnotatedMelody]) -> DoubleArray:
    counts = {source: sum(each.source == source for each in melodies) for source in SHARES}
    weights = np.array([SHARES[each.source] / counts[each.source] for each in melodies])
    return np.asarray(weights / weights.sum(), np.float64)


def _mistakes() -> list[float]:
    return [1 - _MISTAKEN_KEYS, _MISTAKEN_KEYS / 2, _MISTAKEN_KEYS / 2]


def collate(examples: Sequence[tuple[AnnotatedMelody, int, slice]]) -> Batch:
    """Pad examples to a batch.

    Parameters
    ----------
    examples : sequence of (AnnotatedMelody, int, slice)
        Each with its key signature and the slots to take.

    Returns
    -------
    features : Tensor, shape (B, T, F)
    lengths : Tensor, shape (B,), int64
    chords : Tensor, shape (B, T), int64
        -1 after the end.
    """
    features, chords = [], []
    for melody, signature, window in examples:
        features.append(torch.from_numpy(slot_features(melody.slots, signature)[window]))
        chords.append(torch.from_numpy(transpose_chords(melody.chords, -signature)[window]))
    lengths = torch.tensor([len(each) for each in chords])
    pad = torch.nn.utils.rnn.pad_sequence
    return pad(features, True), lengths, pad(chords, True, IGNORED)


# ---- transitions -------------------------------------------------------------------------


def set_transitions(
    network: ChordNetwork,
    train: Sequence[AnnotatedMelody],
    validation: Sequence[AnnotatedMelody],
) -> None:
    """Set the transitions with the weight that agrees best on the validation set."""
    ratios = torch.from_numpy(transition_log_ratios(train))
    scores = {}
    for weight in TRANSITION_WEIGHTS:
        network.transitions.copy_(weight * ratios)
        agreements = np.sum(
            [
                agreement(melody, ChordChain(network, melody.slots, melody.signature).best().chords)
                for melody in validation
                if melody.source != "lieder"
            ],
            axis=0,
        )
        scores[weight] = agreements[1] / agreements[2]
        print(f"transitions weighted {weight}: root and third {scores[weight]:.4f}", flush=True)
    best = max(scores, key=lambda weight: scores[weight])
    network.transitions.copy_(best * ratios)


def transition_log_ratios(melodies: Sequence[AnnotatedMelody]) -> DoubleArray:
    """Return how much likelier each chord is after each other than by itself, in nats.

    All songs are transposed to one key signature. Rare contexts back off to the frequencies of the
    chords by Witten-Bell smoothing (1991).

    Parameters
    ----------
    melodies : sequence of AnnotatedMelody

    Returns
    -------
    ndarray, shape (S, S), float64
        Rows are the chords before.
    """
    counts = np.zeros((NO_CHORD_INDEX, NO_CHORD_INDEX))
    weights = _source_weights(melodies)
    for melody, weight in zip(melodies, weights * len(melodies), strict=True):
        chords = transpose_chords(melody.chords, -melody.signature)
        pairs = np.stack([chords[:-1], chords[1:]])[
            :, (chords[:-1] < NO_CHORD_INDEX) & (chords[1:] < NO_CHORD_INDEX)
        ]
        np.add.at(counts, (pairs[0], pairs[1]), weight)
    marginal = counts.sum(axis=0) + 1e-3
    marginal /= marginal.sum()
    distinct = np.maximum((counts > 0).sum(axis=1, keepdims=True), 1)
    smoothed = (counts + distinct * marginal) / (counts.sum(axis=1, keepdims=True) + distinct)
    return np.asarray(np.log(smoothed) - np.log(marginal), np.float64)


def agreement(melody: AnnotatedMelody, chords: IntArray) -> DoubleArray:
    """Return quarter notes with the annotated root, with its third too, all, and changes.

    Quarter notes without an annotated chord are left out.

    Parameters
    ----------
    melody : AnnotatedMelody
    chords : ndarray, shape (T,), int64
        Chord of each slot of the melody.
    """
    slot, reference = melody.quarters()
    has_chord = reference < NO_CHORD_INDEX
    estimated, reference = chords[slot][has_chord], reference[has_chord]
    root = (reference % 12 == estimated % 12) & (estimated < NO_CHORD_INDEX)
    thirds = np.append(THIRDS, -1)
    third = root & (thirds[reference // 12] == thirds[estimated // 12])
    changes = np.count_nonzero(np.diff(estimated))
    return np.array([root.sum(), third.sum(), len(reference), changes], np.float64)


def save_chord_network(network: ChordNetwork, path: Path) -> str:
    """Write a network in 8 bits; return its fingerprint.

    Raises
    ------
    DiskFull
    """
    tensors = quantize_weights(network.state_dict())
    return save_model(path, CHECKPOINT_KIND, VERSION, checkpoint_metadata(network), tensors)


if __name__ == "__main__":
    main()
