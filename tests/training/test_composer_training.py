"""What a composer learns from: windows that can be read again, and going on where one stopped."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import segue.generate.compose.training
from conftest import little_score
from segue.errors import BadCheckpoint, TrainingFailed
from segue.generate.compose import training
from segue.generate.compose.grammar import GrammarState, decode, encode_bar
from segue.generate.compose.model import MODEL, Composer
from segue.generate.compose.tokens import (
    BEGIN,
    END,
    FIRST_TOKEN,
    PART,
    SUFFIX_END,
    TOKEN_KINDS,
    VOCABULARY_SIZE,
    semitones_to_c,
)
from segue.generate.compose.training import (
    ComposerTraining,
    ExampleSampler,
    TrainingPiece,
    make_piece,
    train_composer,
)
from segue.nn.trainer import Progress, fixed_batches
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig

PIECES = [make_piece(f"piece {seed}", little_score(seed, 8)) for seed in range(6)]
TRAINING = ComposerTraining(epochs=2, learning_rate=5e-3, device="cpu")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learn little, with a small network."""

    def network(seed: int = 0) -> Transformer:
        torch.manual_seed(seed)
        return Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(16, 1, 2, 96, 0.1)))

    monkeypatch.setattr(segue.generate.compose.training, "new_network", network)
    monkeypatch.setattr(segue.generate.compose.training, "STEPS_PER_EPOCH", 5)
    monkeypatch.setattr(segue.generate.compose.training, "BATCH_SIZE", 4)
    monkeypatch.setattr(segue.generate.compose.training, "VALIDATION_BATCHES", 1)


def windows(count: int, context: int = 512) -> list[list[int]]:
    batch = ExampleSampler(PIECES, context, count).draw(np.random.default_rng(0))[0]
    return [[token for token in row if token >= 0] for row in batch.tolist()]


def bars_of(tokens: list[int]) -> list[list[int]]:
    """Cut tokens into bars."""
    starts = [place for place, token in enumerate(tokens) if TOKEN_KINDS[token] == "bar"]
    ends = [*starts, len(tokens)][1:]
    return [tokens[first:last] for first, last in zip(starts, ends, strict=True)]


def test_windows_are_of_all_three_kinds() -> None:
    batch = windows(60)
    assert all(window[0] == BEGIN for window in batch)
    ways = {
        "filled": [window for window in batch if SUFFIX_END in window],
        "added": [window for window in batch if PART in window],
        "gone on": [window for window in batch if SUFFIX_END not in window and PART not in window],
    }
    assert all(len(examples) > 5 for examples in ways.values())
    for window in ways["gone on"]:
        decode(window[: last_whole(window)])  # a score


def last_whole(window: list[int]) -> int:
    """Return where the last note of a window that was cut off is over."""
    return 1 + max(
        n for n, token in enumerate(window) if TOKEN_KINDS[token] in ("duration", "drum")
    )


def test_infilled_bars_come_last() -> None:
    plain = {
        tuple(encode_bar(bar.transpose(semitones_to_c(piece.key))))
        for piece in PIECES
        for bar in piece.bars
    }
    for window in windows(60, 2000):
        if SUFFIX_END not in window:
            continue
        assert window[-1] == END
        count = (
            next(token for token in window if TOKEN_KINDS[token] == "fill")
            - FIRST_TOKEN["fill"]
            + 1
        )
        suffix_end = window.index(SUFFIX_END)
        written = bars_of([token for token in window[suffix_end:] if token != END])
        assert len(written) >= count
        bars = [*bars_of(window[:suffix_end]), *written]
        assert all(tuple(bar) in plain for bar in bars)


def test_an_added_part_comes_last_in_each_bar() -> None:
    for window in windows(60, 2000):
        if PART not in window:
            continue
        added = window[window.index(PART) + 1]
        for bar in bars_of([token for token in window if token != END]):
            place = bar.index(PART)
            assert added not in bar[:place]
            reading = GrammarState()
            for token in (BEGIN, *bar[:2], *bar[place + 1 :]):
                reading.consume(token)
            assert reading.bars[0].instruments <= {added - FIRST_TOKEN["instrument"]}


def test_all_pieces_are_transposed_to_one_key() -> None:
    score = little_score(3, 8)
    moved = little_score(3, 8, transposed=5)
    original, transposed = (make_piece("same", music) for music in (score, moved))
    assert original.key != transposed.key
    pitches = []
    for music in (original, transposed):
        batch = ExampleSampler([music], 512, 8).draw(np.random.default_rng(0))[0].flatten().tolist()
        pitches.append(np.array([n for n in batch if n >= 0 and TOKEN_KINDS[n] == "pitch"]))
    assert set((pitches[0] - pitches[1]).tolist()) <= {-12, 0, 12}


@pytest.mark.usefixtures("small")
def test_training_lowers_the_loss_indexes_the_pieces_and_reloads(tmp_path: Path) -> None:
    reports: list[Progress] = []
    composer, trained = train_composer(
        TRAINING, PIECES[:5], PIECES[5:], tmp_path, watch=reports.append
    )
    assert len(reports) == 10
    assert reports[-1].loss < reports[0].loss
    reloaded = Composer.load(tmp_path / MODEL)
    assert reloaded.fingerprint == composer.fingerprint
    assert reloaded.index.names == tuple(piece.name for piece in PIECES[:5])
    assert reloaded.metadata["pieces"] == 5
    assert trained.best.validation_loss > 0


@pytest.mark.usefixtures("small")
def test_an_interrupted_run_that_is_resumed_equals_one_that_was_not(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (2, 2):
            os.kill(os.getpid(), signal.SIGINT)

    whole, _ = train_composer(TRAINING, PIECES[:5], PIECES[5:], tmp_path / "whole")
    halves = tmp_path / "halves"
    with pytest.raises(KeyboardInterrupt):
        train_composer(TRAINING, PIECES[:5], PIECES[5:], halves, watch=stop)
    resumed, _ = train_composer(TRAINING, PIECES[:5], PIECES[5:], halves, resume=True)
    for expected, actual in zip(
        whole.network.parameters(), resumed.network.parameters(), strict=True
    ):
        assert torch.equal(expected, actual)
    with pytest.raises(BadCheckpoint):
        train_composer(TRAINING, PIECES[:4], PIECES[5:], halves, resume=True)


@pytest.mark.usefixtures("small")
def test_fine_tuning_starts_from_another_model(tmp_path: Path) -> None:
    first, _ = train_composer(TRAINING, PIECES[:3], PIECES[5:], tmp_path / "first")
    on = replace(TRAINING, start="first", learning_rate=1e-6)
    second, _ = train_composer(on, PIECES[3:5], PIECES[5:], tmp_path / "second", start=first)
    assert second.index.names == tuple(piece.name for piece in PIECES[:5])
    for expected, actual in zip(
        first.network.parameters(), second.network.parameters(), strict=True
    ):
        assert torch.allclose(expected, actual, atol=1e-4)


def test_too_few_pieces_are_reported(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="0 scores to train on"):
        train_composer(TRAINING, [], PIECES, tmp_path)


def test_windows_depend_on_the_generator_alone() -> None:
    first, second = (fixed_batches(ExampleSampler(PIECES, 200, 4).draw, 2, 3) for _ in range(2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, second, strict=True))


def test_a_short_piece_is_drawn_whole() -> None:
    short = TrainingPiece("short", PIECES[0].bars[:1], 0)
    batch = ExampleSampler([short], 512, 30).draw(np.random.default_rng(0))[0].tolist()
    assert any(END in row for row in batch)
    assert training.fingerprint([short]) != training.fingerprint(PIECES[:1])
