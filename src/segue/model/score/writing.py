"""Writes tokens one after the other, as long as one likes, in memory that does not grow."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.model.sampling import NEVER, Sampling, choose
from segue.model.transformer import Cache, Transformer

#: From all tokens so far, shape (B, T), to which may come next, shape (B, V) or (V,), bool.
Mask = Callable[[Tensor], Tensor]


def write(
    network: Transformer,
    prompt: Tensor,
    sampling: Sampling,
    generator: torch.Generator | None = None,
    *,
    kept: int = 1,
    may_come: Mask | None = None,
) -> Iterator[Tensor]:
    """Go on with a prompt, without an end.

    Where no more positions fit in view, the oldest of them are forgotten but for the first ones,
    and what is left, half of them, is read anew: as in training, nothing is known of what is out
    of view.

    Parameters
    ----------
    network : Transformer
        `for_writing` makes a fast one.
    prompt : Tensor, shape (B, T), int64
        At least one token. Of one that is longer than the view, the end counts.
    sampling : Sampling
    generator : torch.Generator, optional
    kept : int
        Tokens from the beginning that are always in view: what a piece is said to be.
    may_come : callable, optional
        Told the tokens in view, says which may come next.

    Yields
    ------
    Tensor, shape (B,), int64

    Raises
    ------
    BadArgument
        The prompt is empty or holds tokens the network does not know, too much is to be kept, or
        no token may come.
    """
    stack = network.config.stack
    _check(network, prompt, kept)
    cache = Cache(stack, len(prompt), network.tokens.weight.dtype)
    seen = unread = _in_view(prompt, kept, stack.context)
    while True:
        with torch.inference_mode():
            logits = network.read(unread, cache)
            if may_come:
                logits = logits.masked_fill(~may_come(seen), NEVER)
            chosen = choose(logits, sampling, generator)
        yield chosen
        unread = chosen[:, None]
        seen = torch.cat([seen, unread], dim=1)
        if not cache.room:
            seen = unread = _in_view(seen, kept, stack.context)
            cache.cut(0)


def _in_view(tokens: Tensor, kept: int, context: int) -> Tensor:
    """Return the first tokens and so many of the last that half of the view is free."""
    if tokens.shape[1] <= context:
        return tokens
    last = max(context // 2 - kept, 1)
    return torch.cat([tokens[:, :kept], tokens[:, -last:]], dim=1)


def _check(network: Transformer, prompt: Tensor, kept: int) -> None:
    context, vocabulary = network.config.stack.context, network.config.vocabulary
    if prompt.ndim != 2 or not prompt.numel():
        raise BadArgument(
            f"a prompt of shape {tuple(prompt.shape)}; it has rows of at least one token"
        )
    if not 0 <= int(prompt.min()) <= int(prompt.max()) < vocabulary:
        raise BadArgument(
            f"the prompt holds tokens from {int(prompt.min())} to {int(prompt.max())}; this "
            f"network knows those from 0 to {vocabulary - 1}"
        )
    if not 0 <= kept < context // 2:
        raise BadArgument(
            f"{kept} tokens are to be kept in view, of {context}; at most {context // 2 - 1} can"
        )
