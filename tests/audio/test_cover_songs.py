"""Versions of a piece are found by their chroma sequences, whatever the key and tempo."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.audio.chroma import (
    CHROMA_FRAMES_PER_SECOND,
    COVER_THRESHOLD,
    _qmax,
    align,
    fourier_signature,
    qmax_similarities,
    quantised_chromagram,
)
from segue.audio.spectrogram import SAMPLE_RATE_HZ, ByteArray


def melody(seed: int, frames: int = 300, faster: float = 1.0) -> ByteArray:
    """Walk through chords, each for two thirds of a second or more, with some noise."""
    rng = np.random.default_rng(seed)
    chords = rng.dirichlet(np.full(12, 0.2), 80)
    changes = np.cumsum(rng.integers(3, 9, 80))
    at = np.searchsorted(changes, np.arange(frames) * faster, side="right")
    shares = chords[at % 80] + 0.01 * np.random.default_rng(seed + 999).random((frames, 12))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(np.rint(255 * np.sqrt(shares)), np.uint8)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(-5, 6))
def test_a_transposition_is_recognised(seed: int, semitones: int) -> None:
    chroma = melody(seed)
    higher = np.roll(chroma, semitones, axis=1)
    alignment = align(chroma, higher)
    assert alignment.similarity > 0.99
    assert alignment.semitones == semitones
    assert alignment.tempo == pytest.approx(0, abs=0.02)
    assert np.allclose(fourier_signature(chroma), fourier_signature(higher), atol=1e-5)


def test_tempo_and_passage_of_an_alignment() -> None:
    chroma = melody(1, 400)
    faster = melody(1, 250, faster=1.25)
    assert align(chroma, faster).tempo == pytest.approx(0.25, abs=0.08)
    passage = chroma[150:350]
    alignment = align(chroma, passage)
    assert alignment.similarity > 0.95
    assert alignment.first.start_s == pytest.approx(150 / CHROMA_FRAMES_PER_SECOND, abs=1)
    assert alignment.second.start_s == pytest.approx(0, abs=1)
    assert alignment.first.end_s == pytest.approx(350 / CHROMA_FRAMES_PER_SECOND, abs=1)


def test_other_pieces_are_not_taken_for_versions() -> None:
    others = [melody(seed) for seed in range(1, 30)]
    assert qmax_similarities(melody(0), others).max() < COVER_THRESHOLD
    mine = fourier_signature(melody(0))
    assert max(float(mine @ fourier_signature(other)) for other in others) < 0.99


def test_short_sequences_match_nothing() -> None:
    chroma = melody(0)
    assert qmax_similarities(chroma, [chroma[:3], chroma[:0]]).tolist() == [0, 0]
    assert qmax_similarities(chroma[:3], [chroma]).tolist() == [0]
    assert qmax_similarities(chroma, []).tolist() == []
    assert align(chroma, chroma[:2]).similarity == 0
    assert np.isfinite(fourier_signature(chroma[:0])).all()
    silence, drone = np.zeros((100, 12), np.uint8), np.tile(chroma[:1], (100, 1))
    for still in (silence, drone):
        assert (
            qmax_similarities(still, [chroma, still, np.roll(still, 2, axis=1)]).max()
            < COVER_THRESHOLD
        )


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(2, 30), min_size=1, max_size=4),
    st.floats(0.05, 0.6),
)
@settings(deadline=None, max_examples=40)
def test_qmax_equals_librosas(seed: int, widths: list[int], share: float) -> None:
    rng = np.random.default_rng(seed)
    plots: list[NDArray[np.bool_]] = [rng.random((25, width)) < share for width in widths]
    paths = _qmax(plots)
    for plot, (length, row, column) in zip(plots, paths, strict=True):
        reference = librosa.sequence.rqa(
            plot.astype(float), gap_onset=5, gap_extend=0.5, backtrack=False
        )
        assert length == float(reference.max())
        assert 0 <= row < 25
        assert 0 <= column < plot.shape[1]


def test_a_chroma_sequence_follows_the_pitches() -> None:
    time_s = np.arange(4 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    hz = np.where(time_s < 2, 440.0, 523.25)  # A, then C
    chroma = quantised_chromagram(
        np.sin(2 * np.pi * np.cumsum(hz) / SAMPLE_RATE_HZ).astype(np.float32)
    )
    assert chroma.dtype == np.uint8
    assert chroma[3].argmax() == 9
    assert chroma[-4].argmax() == 0
    assert quantised_chromagram(np.zeros(SAMPLE_RATE_HZ, np.float32)).max() == 0
