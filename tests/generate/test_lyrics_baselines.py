"""The baselines of the lyrics benchmarks."""

import math

import pytest

from bench import lyrics_baselines
from bench.lyrics_baselines import compressed_bits, kneser_ney_bits, nano_gpt_bits
from verses import song

TEXTS = [song("Ada Long", seed) for seed in range(12)]


def test_what_is_known_costs_less() -> None:
    new, other = song("Ada Long", 50), song("Bob Short", 50)
    for cost in (
        kneser_ney_bits,
        lambda known, asked: compressed_bits(known, asked)["gzip"],
        lambda known, asked: compressed_bits(known, asked)["xz"],
    ):
        assert 0 < cost(TEXTS, [TEXTS[0]]) < cost(TEXTS, [new]) < cost(TEXTS, [other]) < 8


def test_nano_gpt_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lyrics_baselines, "_ITERATIONS", 60)
    known, asked = "\n\n".join(TEXTS), song("Ada Long", 50)
    found = nano_gpt_bits(known, asked)
    letters = len({*known, *asked})
    assert found.iterations == 60
    assert 0 < found.bits < 0.8 * math.log2(letters)
    assert found.bits_of_blocks == pytest.approx(found.bits, rel=0.1)
    assert found.weights == 128 * letters + 4 * (12 * 128**2 + 2 * 128) + 128
    assert nano_gpt_bits(known, asked, 0.01).iterations >= 1
