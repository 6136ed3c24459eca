"""Choosing tokens: each way of thinning out against its definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from segue.errors import BadArgument
from segue.nn.sampling import (
    Sampling,
    apply_temperature,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    sample,
)

ROWS = arrays(np.float32, (3, 11), elements=st.floats(-20, 20, width=16)).map(torch.from_numpy)


def kept(logits: Tensor) -> list[set[int]]:
    """Return the tokens still in play, by row."""
    return [set(np.flatnonzero(np.isfinite(row)).tolist()) for row in logits.numpy()]


@given(ROWS, st.integers(1, 14))
def test_top_k_keeps_the_k_most_probable_tokens_and_ties(logits: Tensor, count: int) -> None:
    for row, kept_tokens in zip(logits.tolist(), kept(keep_top_k(logits, count)), strict=True):
        lowest = sorted(row, reverse=True)[: min(count, len(row))][-1]
        assert kept_tokens == {token for token, value in enumerate(row) if value >= lowest}


@given(ROWS, st.floats(0.01, 0.99))
def test_top_p_keeps_the_smallest_set_of_that_probability_and_ties(
    logits: Tensor, share: float
) -> None:
    shares = logits.softmax(dim=-1)
    for row, kept_tokens in zip(shares, kept(keep_top_p(logits, share)), strict=True):
        probabilities = row[list(kept_tokens)]
        least = probabilities.min()
        assert float(probabilities.sum()) >= share - 1e-5
        above = probabilities[probabilities > least]
        assert float(above.sum()) < share + 1e-5
        others = set(range(11)) - kept_tokens
        assert not others or row[list(others)].max() < least


@given(ROWS, st.floats(0.01, 1))
def test_min_p_is_relative_to_the_most_probable_token(logits: Tensor, share: float) -> None:
    shares = logits.softmax(dim=-1)
    for row, kept_tokens in zip(shares, kept(keep_min_p(logits, share)), strict=True):
        least = float(row.max()) * share
        for token, value in enumerate(row.tolist()):
            if abs(value - least) > 1e-6:
                assert (token in kept_tokens) == (value > least)


@given(ROWS, st.floats(0.1, 10))
def test_a_temperature_raises_probabilities_to_a_power(logits: Tensor, temperature: float) -> None:
    powers = logits.double().softmax(dim=-1) ** (1 / temperature)
    expected = powers / powers.sum(dim=-1, keepdim=True)
    kept_tokens = apply_temperature(logits.double(), temperature).softmax(dim=-1)
    assert torch.allclose(kept_tokens, expected, atol=1e-9)


@given(ROWS)
def test_a_temperature_of_0_takes_the_most_probable_token(logits: Tensor) -> None:
    assert torch.equal(sample(logits, Sampling(temperature=0)), logits.argmax(dim=-1))
    # Where two probabilities are equal within the precision, either token may come.
    near = sample(logits, Sampling(temperature=1e-6))
    best = logits.max(dim=-1).values
    assert torch.allclose(logits.gather(-1, near[:, None])[:, 0], best, atol=1e-3)


def test_tokens_are_sampled_with_their_probabilities() -> None:
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0])
    logits = shares.log().expand(20_000, 5)
    generator = torch.Generator().manual_seed(1)
    counts = torch.bincount(sample(logits, Sampling(), generator), minlength=5) / 20_000
    assert torch.allclose(counts, shares, atol=0.015)
    thinned = sample(logits, Sampling(top_k=3, top_p=0.7, min_p=0.1), generator)
    assert torch.bincount(thinned, minlength=5)[2:].sum() == 0
    repeated = sample(logits, Sampling(), torch.Generator().manual_seed(1))
    assert torch.equal(torch.bincount(repeated, minlength=5) / 20_000, counts)


def test_masked_tokens_are_never_sampled() -> None:
    logits = torch.full((500, 6), -math.inf)
    logits[:, 2] = -300.0
    logits[:, 4] = -299.0
    for sampling in (Sampling(), Sampling(temperature=0), Sampling(2.0, 5, 0.9, 0.01)):
        assert set(sample(logits, sampling).tolist()) <= {2, 4}
    with pytest.raises(BadArgument, match="no token is allowed here"):
        sample(torch.full((2, 6), -math.inf), Sampling())
    with pytest.raises(BadArgument, match="no token is allowed here"):
        sample(torch.full((2, 6), math.nan), Sampling())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": -0.1}, "temperature of -0.1"),
        ({"temperature": math.nan}, "temperature of nan"),
        ({"temperature": 1e9}, "from 0 .* to 100"),
        ({"top_k": -1}, "top-k -1"),
        ({"top_p": 0.0}, "top-p 0.0"),
        ({"top_p": 1.5}, "top-p 1.5"),
        ({"min_p": -0.5}, "min-p -0.5"),
        ({"min_p": 2.0}, "min-p 2.0"),
    ],
)
def test_invalid_values_are_rejected(values: dict[str, float], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        Sampling(**values)  # type: ignore[arg-type]
