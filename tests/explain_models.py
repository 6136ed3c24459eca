"""A network of words whose embedding is made by hand: it knows the circle of fifths and octaves."""

import numpy as np
import torch

from segue.generate.notes.network import (
    UNKNOWN,
    NoteLSTM,
    NoteLSTMConfig,
    NoteModel,
    Vocabulary,
    duration_token,
    note_token,
    parse_duration,
    pitch_classes_of,
)
from segue.records import FloatArray
from segue.theory.chords import normal_order

NOTES = [note_token([pitch]) for pitch in range(36, 84)]
CHORDS = [
    ".".join(map(str, normal_order((root + step) % 12 for step in kind)))
    for kind in ((0, 4, 7), (0, 3, 7), (0, 3, 6))
    for root in range(12)
]
DURATIONS = [duration_token(steps) for steps in (3, 4, 6, 8, 9, 12, 18, 24, 36, 48)]


def known(words: list[str], count: int = 100) -> Vocabulary:
    tokens = (UNKNOWN, *words)
    return Vocabulary(tokens, (3, *(count - number for number in range(len(words)))))


def fifths(words: list[str]) -> FloatArray:
    """Place words on the circle of fifths by the mean of their notes, with a little noise."""
    noise = 0.02 * np.random.default_rng(0).standard_normal((len(words) + 1, 512))
    for row, word in enumerate(words, start=1):
        angles = np.array([7 * each % 12 for each in pitch_classes_of(word)]) * np.pi / 6
        noise[row, :2] += [np.cos(angles).mean(), np.sin(angles).mean()]
    return noise.astype(np.float32)


def ladder(words: list[str]) -> FloatArray:
    """Place durations along a quarter of a circle, by the logarithm of their length."""
    vectors = np.zeros((len(words) + 1, 512), np.float32)
    for row, word in enumerate(words, start=1):
        angle = (np.log2(float(parse_duration(word) or 1)) + 2) / 4 * np.pi / 2
        vectors[row, :2] = np.cos(angle), np.sin(angle)
    return vectors


def made_model(*, blank: bool = False, count: int = 200) -> NoteModel:
    """Make the model; `blank` has random embeddings."""
    words = [*NOTES, *CHORDS]
    config = NoteLSTMConfig(len(words) + 1, len(DURATIONS) + 1, hidden=4)
    torch.manual_seed(0)
    network = NoteLSTM(config)
    rng = np.random.default_rng(5)
    random = [
        rng.standard_normal((n, 64)).astype(np.float32) for n in (config.notes, config.durations)
    ]
    if not blank:
        with torch.no_grad():
            network.notes.embedding.weight.copy_(torch.from_numpy(fifths(words)))
            network.durations.embedding.weight.copy_(torch.from_numpy(ladder(DURATIONS)))
    vocabularies = {"notes": known(words, count), "durations": known(DURATIONS, count)}
    return NoteModel(network, vocabularies, dict(zip(vocabularies, random, strict=True)), {})
