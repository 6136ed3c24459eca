"""Lyrics read in one voice: what a network expects, mixed with what its runs of letters tell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.model.lyrics.letters import CONTEXT, LetterNetwork, State
from segue.model.lyrics.runs import Runs
from segue.represent.lyrics.letters import Tokens

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a reader remembers: the last letters, and what the network made of all."""

    last: tuple[int, ...]
    state: State


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """Reads a text, and says what comes next.

    Attributes
    ----------
    network : LetterNetwork
    voice : int
        Whose songs it takes them for.
    runs : Runs, optional
        Of that artist's songs.
    share : float
        Of `runs` in what is said, from 0 to below 1.
    """

    network: LetterNetwork
    voice: int
    runs: Runs | None = None
    share: float = 0.0

    def begin(self) -> Remembered:
        """Return what is remembered before anything is read."""
        return Remembered((), self.network.begin())

    @torch.inference_mode()
    def read(self, tokens: Sequence[int], before: Remembered) -> tuple[Tensor, Remembered]:
        """Read tokens, at least one.

        Returns
        -------
        Tensor, shape (V,)
            Log-probabilities of what comes next.
        Remembered
            To be read on from, again and again.
        """
        given, voice = torch.tensor([tokens]), torch.tensor([self.voice])
        logits, state = self.network.read(given, voice, before.state)
        outlook = logits[0].float().log_softmax(dim=-1)
        if self.runs is None:
            return outlook, Remembered((), state)
        last = (*before.last, *tokens)[-self.runs.longest :]
        counted = torch.from_numpy(self.runs.outlook(last)).float().log()
        mixed = torch.logaddexp(outlook + math.log(1 - self.share), counted + math.log(self.share))
        return mixed, Remembered(last, state)

    def costs(self, tokens: Tokens) -> Real:
        """Return what each token of a song costs after the first, in nats, shape (n - 1,)."""
        costs = network_costs(self.network, tokens, self.voice)
        if self.runs is None:
            return costs
        return mixed_costs(costs, self.runs.chances(tokens), self.share)


def mixed_costs(costs: Real, chances: Real, share: float) -> Real:
    """Return what tokens cost, in nats, where runs have a share in what is foretold.

    Parameters
    ----------
    costs : ndarray, shape (n,)
        By the network alone, in nats.
    chances : ndarray, shape (n,)
        By runs alone.
    share : float
        Of the runs.
    """
    found: Real = -np.log((1 - share) * np.exp(-costs) + share * chances)
    return found


@torch.inference_mode()
def network_costs(network: LetterNetwork, tokens: Tokens, voice: int) -> Real:
    """Return what each token of a song costs a network after the first, in nats, shape (n - 1,).

    It is read from its beginning to its end; by a transformer in windows that overlap by half.
    """
    whole = network.config.core == "lstm"
    context = len(tokens) if whole else CONTEXT
    costs = np.zeros(len(tokens) - 1)
    for start in range(0, max(len(tokens) - 1 - context // 2, 1), max(context // 2, 1)):
        given = torch.from_numpy(tokens[start : start + context])[None]
        wanted = torch.from_numpy(tokens[start + 1 : start + context + 1])
        likely = network.read_all(given, torch.tensor([voice]))[0][0, : len(wanted)]
        found = -likely.float().log_softmax(dim=-1).gather(1, wanted[:, None])[:, 0].double()
        known = 0 if start == 0 else context // 2  # costs seen with more before them stay
        costs[start + known : start + len(found)] = found.numpy()[known:]
        if whole:
            break
    return costs
