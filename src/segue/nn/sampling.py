"""Sampling from language models: temperature, top-k, top-p and min-p.

Functions of logits take any shape whose last axis is the vocabulary, and return new tensors. The
logit of a masked token is minus infinity. Every filter keeps the most likely token.

Shape legend: … any, V vocabulary size.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from segue.errors import BadArgument

MAX_TEMPERATURE: Final = 100.0  # beyond it the distribution is practically uniform
MASKED: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is sampled; the defaults sample from the model's distribution.

    Attributes
    ----------
    temperature : float
        Divisor of the logits; 0 takes the most likely token.
    top_k : int
        Number of most likely tokens to sample from; 0 for all.
    top_p : float
        Probability mass of the most likely tokens to sample from (nucleus sampling).
    min_p : float
        Least probability of a token, relative to the most likely.

    Raises
    ------
    BadArgument
        A value is out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        # The conditions are false of NaN, too.
        for valid, message in (
            (
                0 <= self.temperature <= MAX_TEMPERATURE,
                f"a temperature of {self.temperature}: it is from 0 (always the most likely) to "
                f"{MAX_TEMPERATURE:g}; 1 is as trained",
            ),
            (self.top_k >= 0, f"top-k {self.top_k}: at least 1 token, or 0 for all of them"),
            (0 < self.top_p <= 1, f"top-p {self.top_p}: a probability above 0, at most 1"),
            (0 <= self.min_p <= 1, f"min-p {self.min_p}: a ratio from 0 to 1"),
        ):
            if not valid:
                raise BadArgument(message)


def sample(logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
    """Sample a token for each row.

    The filters are applied after the temperature, in the order top-k, top-p, min-p.

    Parameters
    ----------
    logits : Tensor, shape (…, V)
    sampling : Sampling
    generator : torch.Generator, optional
        By default torch's global generator.

    Returns
    -------
    Tensor, shape (…), int64

    Raises
    ------
    BadArgument
        All tokens of a row are masked, or a logit is NaN.
    """
    logits = logits.float()
    if not bool(torch.isfinite(logits.amax(dim=-1)).all()):
        raise BadArgument("no token is allowed here: all are masked, or the network is broken")
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    logits = apply_temperature(logits, sampling.temperature)
    if sampling.top_k:
        logits = keep_top_k(logits, sampling.top_k)
    if sampling.top_p < 1:
        logits = keep_top_p(logits, sampling.top_p)
    if sampling.min_p > 0:
        logits = keep_min_p(logits, sampling.min_p)
    # Inverse transform sampling: one random number per row, where torch.multinomial draws V.
    cdf = logits.softmax(dim=-1).double().cumsum(dim=-1)
    uniform = torch.rand_like(cdf[..., :1], generator=generator)
    return torch.searchsorted(cdf, uniform * cdf[..., -1:], right=True)[..., 0]


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide logits by a temperature above 0; the maximum is subtracted first."""
    return (logits - logits.amax(dim=-1, keepdim=True)) / temperature


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Mask all but the `k` most likely tokens; ties with the last of them are kept."""
    if k >= logits.shape[-1]:
        return logits
    lowest = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < lowest, MASKED)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Mask all but the fewest most likely tokens of total probability `p`; ties are kept.

    Nucleus sampling: Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020.
    """
    probabilities = logits.softmax(dim=-1)
    # NumPy sorts some twenty times as fast as torch.
    ordered = torch.from_numpy(np.sort(probabilities.cpu().numpy())).to(logits.device).flip(-1)
    in_nucleus = ordered.cumsum(dim=-1) - ordered < p
    in_nucleus[..., 0] = True
    threshold = ordered.gather(-1, in_nucleus.sum(dim=-1, keepdim=True) - 1)
    return logits.masked_fill(probabilities < threshold, MASKED)


def keep_min_p(logits: Tensor, p: float) -> Tensor:
    """Mask tokens less than `p` times as likely as the most likely.

    Nguyen et al., "Turning Up the Heat: Min-p Sampling", ICLR 2025.
    """
    probabilities = logits.softmax(dim=-1)
    threshold = probabilities.amax(dim=-1, keepdim=True) * p
    return logits.masked_fill(probabilities < threshold, MASKED)
