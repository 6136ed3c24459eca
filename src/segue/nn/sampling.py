"""Sampling of tokens from logits: temperature, top-k, top-p, min-p.

Choosing the next token: which ones stay in play, and one of them by chance.

All functions take logits of any shape whose last axis is the vocabulary, and leave what they were
given as it is; a logit of minus infinity is a token that may not come. Every function that thins
out keeps the likeliest token, so that something can always be chosen.

Shape legend: … any, V tokens.

Writes tokens one after the other, as long as one likes, in memory that does not grow.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.nn.transformer import KVCache, Transformer

# --- sampling ---

HOTTEST: Final = 100.0  # beyond it all tokens are as likely, whatever was learned
NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is chosen; what is left at its default changes nothing.

    Attributes
    ----------
    temperature : float
        0 takes the likeliest, 1 the probabilities as they are, more makes them more alike.
    top_k : int
        Of the likeliest so many; 0 of all.
    top_p : float
        Of the likeliest ones that hold this share of probability together.
    min_p : float
        Of those at least so likely, relative to the likeliest.

    Raises
    ------
    BadArgument
        A value means nothing.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        # Written so that what is no number fails, too.
        for right, told in (
            (
                0 <= self.temperature <= HOTTEST,
                f"a temperature of {self.temperature}: it is from 0 (always the likeliest) to "
                f"{HOTTEST:g}; 1 is as learned",
            ),
            (self.top_k >= 0, f"top-k {self.top_k}: at least 1 token, or 0 for all of them"),
            (0 < self.top_p <= 1, f"top-p {self.top_p}: a share above 0, at most 1"),
            (0 <= self.min_p <= 1, f"min-p {self.min_p}: a share from 0 to 1"),
        ):
            if not right:
                raise BadArgument(told)


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
    """Choose a token for each row.

    Thinning out comes after the temperature, in the order top-k, top-p, min-p.

    Parameters
    ----------
    logits : Tensor, shape (…, V)
    sampling : Sampling
    generator : torch.Generator, optional
        Where chance comes from; else torch's own.

    Returns
    -------
    Tensor, shape (…), int64

    Raises
    ------
    BadArgument
        In some row no token may come, or a logit is no number.
    """
    logits = logits.float()
    if not bool(torch.isfinite(logits.amax(dim=-1)).all()):
        raise BadArgument("no token may come here: the mask leaves none, or the network is broken")
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    logits = tempered(logits, sampling.temperature)
    if sampling.top_k:
        logits = likeliest(logits, sampling.top_k)
    if sampling.top_p < 1:
        logits = nucleus(logits, sampling.top_p)
    if sampling.min_p > 0:
        logits = not_unlikely(logits, sampling.min_p)
    shares = logits.softmax(dim=-1)
    # One number for each row, not one for each token as torch.multinomial draws.
    ends = shares.double().cumsum(dim=-1)
    drawn = torch.rand_like(ends[..., :1], generator=generator)
    return torch.searchsorted(ends, drawn * ends[..., -1:], right=True)[..., 0]


def tempered(logits: Tensor, temperature: float) -> Tensor:
    """Divide the logits by a temperature above 0."""
    # From the highest down, so that a temperature near 0 makes no infinities of either sign.
    return (logits - logits.amax(dim=-1, keepdim=True)) / temperature


def likeliest(logits: Tensor, count: int) -> Tensor:
    """Keep the `count` likeliest tokens (top-k); those as likely as the last of them stay, too."""
    if count >= logits.shape[-1]:
        return logits
    lowest = logits.topk(count, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < lowest, NEVER)


def nucleus(logits: Tensor, share: float) -> Tensor:
    """Keep the fewest likeliest tokens that hold a share of probability (top-p).

    Those as likely as the last of them stay, too.

    After Holtzman et al., "The Curious Case of Neural Text Degeneration" (ICLR 2020).
    """
    shares = logits.softmax(dim=-1)
    # NumPy sorts some twenty times faster than torch, which was felt in writing.
    ordered = torch.from_numpy(np.sort(shares.cpu().numpy())).to(shares.device).flip(-1)
    # What comes before a token already holds the share: the token is not needed.
    needed = ordered.cumsum(dim=-1) - ordered < share
    needed[..., 0] = True
    least = ordered.gather(-1, needed.sum(dim=-1, keepdim=True) - 1)
    return logits.masked_fill(shares < least, NEVER)


def not_unlikely(logits: Tensor, share: float) -> Tensor:
    """Keep tokens at least `share` times as likely as the likeliest (min-p).

    After Nguyen et al., "Turning Up the Heat: Min-p Sampling" (ICLR 2025).
    """
    shares = logits.softmax(dim=-1)
    least = shares.amax(dim=-1, keepdim=True) * share
    return logits.masked_fill(shares < least, NEVER)


# --- writing ---

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
    cache = KVCache(stack, len(prompt), network.tokens.weight.dtype)
    seen = unread = _in_view(prompt, kept, stack.context)
    while True:
        with torch.inference_mode():
            logits = network.next_logits(unread, cache)
            if may_come:
                logits = logits.masked_fill(~may_come(seen), NEVER)
            chosen = choose(logits, sampling, generator)
        yield chosen
        unread = chosen[:, None]
        seen = torch.cat([seen, unread], dim=1)
        if not cache.free:
            seen = unread = _in_view(seen, kept, stack.context)
            cache.truncate(0)


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
