"""What the benchmarks of lyrics hold Segue against is what it is said to be."""

import importlib
import math
from pathlib import Path
from types import ModuleType

import pytest

from verses import song

BENCH = Path(__file__).parents[1] / "bench"
TEXTS = [song("Ada Long", seed) for seed in range(12)]


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("letter_rivals")


def test_what_is_known_costs_less(rivals: ModuleType) -> None:
    new, other = song("Ada Long", 50), song("Bob Short", 50)
    for cost in (
        rivals.kneser_ney_bits,
        lambda known, asked: rivals.compressed_bits(known, asked)["gzip"],
        lambda known, asked: rivals.compressed_bits(known, asked)["xz"],
    ):
        assert 0 < cost(TEXTS, [TEXTS[0]]) < cost(TEXTS, [new]) < cost(TEXTS, [other]) < 8


def test_nano_gpt_learns(rivals: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "_ITERATIONS", 60)
    known, asked = "\n\n".join(TEXTS), song("Ada Long", 50)
    found = rivals.nano_gpt_bits(known, asked)
    letters = len({*known, *asked})
    assert found.iterations == 60
    assert 0 < found.bits < 0.8 * math.log2(letters)
    assert found.bits_of_blocks == pytest.approx(found.bits, rel=0.1)
    assert found.weights == 128 * letters + 4 * (12 * 128**2 + 2 * 128) + 128
    assert rivals.nano_gpt_bits(known, asked, 0.01).iterations >= 1
