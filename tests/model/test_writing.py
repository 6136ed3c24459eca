"""Writing on and on: what is in view, and what may come."""

from itertools import islice

import pytest
import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.nn.sampling import Sampling, generate
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig

VOCABULARY = 13
GREEDY = Sampling(temperature=0)


@pytest.fixture
def network() -> Transformer:
    torch.manual_seed(2)
    found = Transformer(TransformerConfig(VOCABULARY, StackConfig(32, 2, 4, 16, 0.1))).eval()
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return found


def some(rows: int, length: int) -> Tensor:
    return torch.randint(VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(1))


def test_the_likeliest_token_comes_given_all_that_is_in_view(network: Transformer) -> None:
    tokens = some(2, 4)
    for chosen in islice(generate(network, tokens, GREEDY), 12):
        with torch.inference_mode():
            assert torch.equal(chosen, network(tokens)[:, -1].argmax(dim=-1))
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)


def test_beyond_the_view_the_first_tokens_and_the_latest_are_known(network: Transformer) -> None:
    tokens = some(1, 4)
    written = list(islice(generate(network, tokens, GREEDY, keep=3), 80))
    tokens = torch.cat([tokens, torch.stack(written, dim=1)], dim=1)
    # After 16 are read, the seventeenth is chosen; with it the view is made anew.
    seen = torch.cat([tokens[:, :3], tokens[:, 12:17]], dim=1)
    with torch.inference_mode():
        for at in range(17, 26):
            assert int(tokens[0, at]) == int(network(seen)[0, -1].argmax())
            seen = torch.cat([seen, tokens[:, at : at + 1]], dim=1)


def test_a_prompt_longer_than_the_view_counts_by_its_end(network: Transformer) -> None:
    prompt = some(1, 50)
    seen = torch.cat([prompt[:, :1], prompt[:, -7:]], dim=1)
    with torch.inference_mode():
        expected = network(seen)[:, -1].argmax(dim=-1)
    assert torch.equal(next(generate(network, prompt, GREEDY)), expected)


def test_only_what_may_come_comes_and_the_seed_says_what(network: Transformer) -> None:
    def even_after_odd(seen: Tensor) -> Tensor:
        return (torch.arange(VOCABULARY) + seen[:, -1:]) % 2 == 1

    def run(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        found = generate(network, some(3, 5), Sampling(2.0), generator, allowed=even_after_odd)
        return torch.stack(list(islice(found, 60)), dim=1)

    one = run(1)
    assert ((one[:, 1:] + one[:, :-1]) % 2 == 1).all()
    assert torch.equal(one, run(1))
    assert not torch.equal(one, run(2))
    with pytest.raises(BadArgument, match="no token is allowed here"):
        next(generate(network, some(1, 5), GREEDY, allowed=lambda _: torch.zeros(VOCABULARY) > 0))


def test_prompts_that_cannot_be_are_refused(network: Transformer) -> None:
    for prompt, keep, message in (
        (torch.zeros(1, 0, dtype=torch.int64), 1, "rows of at least one token"),
        (
            torch.tensor([[3, 13]]),
            1,
            "tokens from 3 to 13; the vocabulary of this network is from 0 to 12",
        ),
        (torch.tensor([[-1, 3]]), 1, "tokens from -1"),
        (some(1, 5), 8, "8 tokens cannot be kept in a context of 16; at most 7"),
    ):
        with pytest.raises(BadArgument, match=message):
            next(generate(network, prompt, GREEDY, keep=keep))
