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
    drawn = ExampleSampler(PIECES, context, count).draw(np.random.default_rng(0))[0]
    return [[token for token in row if token >= 0] for row in drawn.tolist()]


def bars_of(tokens: list[int]) -> list[list[int]]:
    """Cut tokens into bars."""
    starts = [place for place, token in enumerate(tokens) if TOKEN_KINDS[token] == "bar"]
    ends = [*starts, len(tokens)][1:]
    return [tokens[first:last] for first, last in zip(starts, ends, strict=True)]


def test_windows_are_written_in_all_three_ways() -> None:
    drawn = windows(60)
    assert all(window[0] == BEGIN for window in drawn)
    ways = {
        "filled": [window for window in drawn if SUFFIX_END in window],
        "added": [window for window in drawn if PART in window],
        "gone on": [window for window in drawn if SUFFIX_END not in window and PART not in window],
    }
    assert all(len(found) > 5 for found in ways.values())
    for window in ways["gone on"]:
        decode(window[: last_whole(window)])  # a score


def last_whole(window: list[int]) -> int:
    """Return where the last note of a window that was cut off is over."""
    return 1 + max(
        n for n, token in enumerate(window) if TOKEN_KINDS[token] in ("duration", "drum")
    )


def test_bars_to_be_filled_in_come_last_and_are_those_of_the_piece() -> None:
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
        here = window.index(SUFFIX_END)
        written = bars_of([token for token in window[here:] if token != END])
        assert len(written) >= count
        bars = [*bars_of(window[:here]), *written]
        assert all(tuple(bar) in plain for bar in bars)


def test_a_part_to_be_added_comes_last_in_each_bar() -> None:
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


def test_all_keys_are_learned_as_one() -> None:
    score = little_score(3, 8)
    moved = little_score(3, 8, transposed=5)
    one, other = (make_piece("same", some) for some in (score, moved))
    assert one.key != other.key
    pitches = []
    for some in (one, other):
        drawn = ExampleSampler([some], 512, 8).draw(np.random.default_rng(0))[0].flatten().tolist()
        pitches.append(np.array([n for n in drawn if n >= 0 and TOKEN_KINDS[n] == "pitch"]))
    assert set((pitches[0] - pitches[1]).tolist()) <= {-12, 0, 12}


@pytest.mark.usefixtures("small")
def test_it_learns_knows_what_it_learned_from_and_loads_again(tmp_path: Path) -> None:
    told: list[Progress] = []
    composer, trained = train_composer(
        TRAINING, PIECES[:5], PIECES[5:], tmp_path, watch=told.append
    )
    assert len(told) == 10
    assert told[-1].loss < told[0].loss
    again = Composer.load(tmp_path / MODEL)
    assert again.fingerprint == composer.fingerprint
    assert again.index.names == tuple(piece.name for piece in PIECES[:5])
    assert again.metadata["pieces"] == 5
    assert trained.best.validation_loss > 0


@pytest.mark.usefixtures("small")
def test_an_interrupted_run_that_is_resumed_equals_one_that_was_not(tmp_path: Path) -> None:
    def stop(at: Progress) -> None:
        if (at.epoch, at.step) == (2, 2):
            os.kill(os.getpid(), signal.SIGINT)

    whole, _ = train_composer(TRAINING, PIECES[:5], PIECES[5:], tmp_path / "whole")
    halves = tmp_path / "halves"
    with pytest.raises(KeyboardInterrupt):
        train_composer(TRAINING, PIECES[:5], PIECES[5:], halves, watch=stop)
    resumed, _ = train_composer(TRAINING, PIECES[:5], PIECES[5:], halves, resume=True)
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(BadCheckpoint):
        train_composer(TRAINING, PIECES[:4], PIECES[5:], halves, resume=True)


@pytest.mark.usefixtures("small")
def test_it_learns_on_from_another(tmp_path: Path) -> None:
    first, _ = train_composer(TRAINING, PIECES[:3], PIECES[5:], tmp_path / "first")
    on = replace(TRAINING, start="first", learning_rate=1e-6)
    second, _ = train_composer(on, PIECES[3:5], PIECES[5:], tmp_path / "second", start=first)
    assert second.index.names == tuple(piece.name for piece in PIECES[:5])
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_too_little_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="0 scores to train on"):
        train_composer(TRAINING, [], PIECES, tmp_path)


def test_windows_hang_on_the_generator_alone() -> None:
    one, other = (fixed_batches(ExampleSampler(PIECES, 200, 4).draw, 2, 3) for _ in range(2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


def test_a_short_piece_is_drawn_whole() -> None:
    short = TrainingPiece("short", PIECES[0].bars[:1], 0)
    drawn = ExampleSampler([short], 512, 30).draw(np.random.default_rng(0))[0].tolist()
    assert any(END in row for row in drawn)
    assert training.fingerprint([short]) != training.fingerprint(PIECES[:1])
