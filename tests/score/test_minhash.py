"""The fingerprint of scores finds what is the same tune, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from make_golden_scores import FILE

from scores import part_of, piece, score_of, tune
from segue.errors import BadArgument
from segue.io.midi import read_midi, write_midi
from segue.records import Score
from segue.score.fingerprint import SAME_TUNE_THRESHOLD, minhash, minhash_similarity, similar_pairs


def similarity(a: Score, b: Score) -> float:
    return minhash_similarity(minhash(a), minhash(b))


def test_the_same_in_another_key_tempo_and_sound() -> None:
    first, second = piece(1), piece(1, up=5)
    factors = np.array([2, 1, 1, 1], np.int32)
    parts = [replace(part, program=12, notes=part.notes * factors) for part in second.parts]
    changed = replace(second, parts=tuple(parts), tempos=np.array([[0, 55.0]]))
    assert similarity(first, changed) == 1
    assert similarity(first, read_midi(write_midi(first))) == 1


def test_other_pieces_are_not_similar() -> None:
    assert max(similarity(piece(1), piece(seed)) for seed in range(2, 8)) < SAME_TUNE_THRESHOLD


def test_a_melody_is_found_within_an_arrangement() -> None:
    whole = piece(1)
    assert similarity(whole, replace(whole, parts=whole.parts[:1])) > SAME_TUNE_THRESHOLD


def test_pairs_are_found_among_many() -> None:
    prints = [minhash(piece(seed)) for seed in range(30)]
    prints += [minhash(piece(7, up=3)), minhash(score_of(tune(60, 62)))]
    prints.append(prints[-1])  # what is too short to say anything is like nothing
    assert similar_pairs(np.stack(prints)) == [(7, 30, 1.0)]
    assert similar_pairs(np.empty((0, 128), np.uint32)) == []


def test_what_says_nothing_is_like_nothing() -> None:
    drums = score_of(part_of((0, 1, 36), (1, 1, 38), drum=True))
    assert similarity(drums, drums) == 0
    with pytest.raises(BadArgument, match="128"):
        minhash_similarity(np.zeros(3, np.uint32), np.zeros(3, np.uint32))


def test_similarity_estimates_the_share_of_ngrams_in_common() -> None:
    rng = np.random.default_rng(0)
    first, second, third = (rng.integers(48, 84, 300).tolist() for _ in range(3))
    # Two thirds of all runs of each: half of those of both.
    both = score_of(tune(*first, *second)), score_of(tune(*first, *third))
    assert similarity(*both) == pytest.approx(1 / 3, abs=0.12)


def test_golden_fingerprints() -> None:
    with np.load(FILE) as golden:
        for seed, expected in zip((1, 2), golden["prints"], strict=True):
            np.testing.assert_array_equal(minhash(piece(seed)), expected)
