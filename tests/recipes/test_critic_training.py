"""The critic's training: corrupted bars stay bars, and what is fitted tells the classes apart."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from conftest import little_score
from recipes.critic import Windows, fit, make_windows, random_notes, shuffle_notes
from recipes.datasets.generated_bars import Excerpt
from segue.generate.compose.critic import CLASSES, GENERATED, REAL, Critic
from segue.generate.compose.tokens import Bar, bars_to_score, score_to_bars


def make_excerpt(seed: int) -> Excerpt:
    """Return an excerpt in which the generated bars leave out the violin."""
    bars = score_to_bars(little_score(seed, 16))
    take = [bar.select(bar.instruments - {40}) for bar in bars[8:16]]
    return Excerpt(f"{seed}", "folk", "train", "continuation", bars[:8], (), bars[8:16], [take])


@pytest.mark.parametrize("corrupt", [shuffle_notes, random_notes])
def test_corrupted_bars_have_as_many_notes(
    corrupt: Callable[[Sequence[Bar], np.random.Generator], list[Bar]],
) -> None:
    excerpt, rng = make_excerpt(1), np.random.default_rng(0)
    bars = corrupt(excerpt.real, rng)
    assert [len(bar.notes) for bar in bars] == [len(bar.notes) for bar in excerpt.real]
    assert [bar.notes for bar in bars] != [bar.notes for bar in excerpt.real]
    assert score_to_bars(bars_to_score(bars))


def test_a_fitted_critic_tells_the_classes_apart() -> None:
    windows = make_windows([make_excerpt(seed) for seed in range(8)])
    assert isinstance(windows, Windows)
    assert set(windows.classes) == set(range(len(CLASSES)))
    assert windows.weights[windows.classes == REAL].sum() == pytest.approx(8)
    assert windows.weights[windows.classes == GENERATED].sum() == pytest.approx(8)
    critic = fit(windows, 0.1)
    new = make_excerpt(9)
    assert critic.probability(new.real, new.before) > 2 * critic.probability(
        new.takes[0], new.before
    )


def test_a_saved_critic_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    critic = fit(make_windows([make_excerpt(seed) for seed in range(4)]), 0.1)
    path = tmp_path / "critic.safetensors"
    critic.save(path)
    monkeypatch.setattr("segue.generate.compose.critic.PRETRAINED", path)
    loaded = Critic.pretrained.__wrapped__(Critic)
    new = make_excerpt(9)
    assert loaded.probability(new.real, new.before) == pytest.approx(
        critic.probability(new.real, new.before), abs=1e-5
    )
