"""The critic tells bars that fit their piece from others, and needs few bars for it."""

import numpy as np
import pytest

from conftest import little_score
from segue.generate.compose.critic import PRETRAINED, WINDOW, Critic, feature_matrix
from segue.generate.compose.tokens import Bar, Note, score_to_bars
from segue.theory.instruments import DRUMS


def piece(bars: int) -> list[Bar]:
    return score_to_bars(little_score(3, bars))


def scattered(bars: list[Bar], seed: int) -> list[Bar]:
    """Return as many notes at random places, and drums of the whole kit."""
    rng = np.random.default_rng(seed)
    return [
        bar._replace(
            notes=tuple(
                sorted(
                    Note(
                        int(rng.integers(48)),
                        int(rng.choice([DRUMS, note.instrument, 60])),
                        int(rng.integers(35, 82)),
                        int(rng.integers(1, 40)),
                        int(rng.integers(8)),
                    )
                    for note in bar.notes
                )
            )
        )
        for bar in bars
    ]


def test_scattered_notes_are_less_real_than_the_piece_going_on() -> None:
    bars, critic = piece(16), Critic.pretrained()
    real = critic.probability(bars[8:12], bars[:8])
    for seed in range(5):
        assert critic.probability(scattered(bars[8:12], seed), bars[:8]) < real / 2


def test_windows_cover_the_bars() -> None:
    bars = piece(24)
    for count, windows in ((1, 1), (WINDOW, 1), (WINDOW + 2, 2), (16, 7)):
        assert len(feature_matrix(bars[8 : 8 + count], bars[:8], ())) == windows


@pytest.mark.parametrize("bars", [[Bar(7, 18, ())], [Bar(7, 18, (Note(0, DRUMS, 36, 1, 5),))] * 3])
def test_little_music_is_judged(bars: list[Bar]) -> None:
    critic = Critic.pretrained()
    for before in ((), bars, piece(8)):
        assert 0 < critic.probability(bars, before, bars) < 1
    assert 0 < critic.probability(piece(4)) < 1


def test_the_key_does_not_matter() -> None:
    bars, critic = piece(12), Critic.pretrained()
    higher = [bar.transpose(3) for bar in bars]
    assert critic.probability(higher[8:], higher[:8]) == pytest.approx(
        critic.probability(bars[8:], bars[:8]), abs=1e-6
    )


def test_the_bundled_critic_is_small() -> None:
    assert PRETRAINED.stat().st_size < 100_000
