"""What the benchmarks of lyrics hold Segue against is what it is said to be."""

import importlib
import math
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from verses import song

BENCH = Path(__file__).parents[1] / "bench"
TEXTS = [song("Ada Long", seed) for seed in range(12)]
LETTERS = sorted(set().union(*TEXTS, "Ωq"))


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("letter_rivals")


@pytest.mark.parametrize("order", [1, 2, 5, 6])
def test_kneser_ney_sums_to_one(rivals: ModuleType, order: int) -> None:
    model = rivals.KneserNey(TEXTS, LETTERS, order)
    for before in ("", "t", "the rive", "Ωq", "the silver rain", TEXTS[0]):
        chances = model.chances(before)
        assert chances.sum() == pytest.approx(1, abs=1e-12)
        assert chances.min() > 0


def slow_chance(texts: list[str], letters: list[str], before: str, letter: str) -> float:
    """Return what the formula says, run by run, for runs of at most three; "$" is the end."""
    whole = ["^^" + text + "$" for text in texts]
    raw = [
        Counter(t[at - n + 1 : at + 1] for t in whole for at in range(2, len(t)))
        for n in range(1, 4)
    ]
    likely = 1 / (len(letters) + 1)
    for n in range(1, 4):
        counts = {
            run: raw[n - 1][run]
            if n == 3 or (n > 1 and run[0] == "^")
            else sum(longer[1:] == run for longer in raw[n])
            for run in raw[n - 1]
        }
        of = Counter(counts.values())
        if all(of[k] for k in (1, 2, 3, 4)):
            y = of[1] / (of[1] + 2 * of[2])
            off = [0.0] + [k - (k + 1) * y * of[k + 1] / of[k] for k in (1, 2, 3)]
            off = [min(max(each, 0.0), float(k)) for k, each in enumerate(off)]
        else:
            off = [0, 0.5, 1, 1.5]
        context = ("^^" + before)[-(n - 1) :] if n > 1 else ""
        after = {run: count for run, count in counts.items() if run[:-1] == context}
        if after:
            total = sum(after.values())
            left = sum(off[min(count, 3)] for count in after.values()) / total
            count = after.get(context + letter, 0)
            likely = (count - off[min(count, 3)]) / total + left * likely
    return likely


def test_kneser_ney_is_its_formula(rivals: ModuleType) -> None:
    texts = [text[:150] for text in TEXTS[:3]]
    model = rivals.KneserNey(texts, LETTERS, 3)
    for before in ("", "t", "th", "my", "Ωq", texts[1]):
        expected = [slow_chance(texts, LETTERS, before, letter) for letter in [*LETTERS, "$"]]
        np.testing.assert_allclose(model.chances(before), expected, rtol=1e-9)
    told = [-math.log2(slow_chance(texts, LETTERS, "th"[:at], "the"[at])) for at in range(3)]
    np.testing.assert_allclose(model.bits(["the"])[:3], told, rtol=1e-9)


def test_what_is_known_costs_less(rivals: ModuleType) -> None:
    new, other = song("Ada Long", 50), song("Bob Short", 50)
    for cost in (
        rivals.kneser_ney_bits,
        lambda known, asked: rivals.compressed_bits(known, asked)["gzip"],
        lambda known, asked: rivals.compressed_bits(known, asked)["xz"],
    ):
        assert 0 < cost(TEXTS, [TEXTS[0]]) < cost(TEXTS, [new]) < cost(TEXTS, [other]) < 8


def test_runs_too_long_to_number_are_refused(rivals: ModuleType) -> None:
    with pytest.raises(ValueError, match="more than 2"):
        rivals.KneserNey(TEXTS, LETTERS, 14)


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
