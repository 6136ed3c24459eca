"""Lyrics read in one voice: what a network expects, together with runs of the artist's letters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.model.lyrics.letters import ANYBODY, CONTEXT, LetterNetwork, State
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
    emphasis : float
        How often what sets the voice apart from nobody's in particular is added to what `read`
        says: 0 to foretell, more to write. Classifier-free guidance (Ho & Salimans 2021; of
        language models, Sanchez et al. 2023).
    """

    network: LetterNetwork
    voice: int
    runs: Runs | None = None
    share: float = 0.0
    emphasis: float = 0.0

    def begin(self) -> Remembered:
        """Return what is remembered before anything is read."""
        return Remembered((), self.network.begin(len(self._read_as)))

    @property
    def _read_as(self) -> tuple[int, ...]:
        """Whose songs the network takes a text for, at once."""
        apart = self.emphasis and self.voice != ANYBODY
        return (self.voice, ANYBODY) if apart else (self.voice,)

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
        voices = torch.tensor(self._read_as)
        given = torch.tensor([tokens] * len(voices))
        logits, state = self.network.read(given, voices, before.state)
        expected = logits.float().log_softmax(dim=-1)
        outlook = expected[0]
        last: tuple[int, ...] = ()
        if self.runs is not None:
            last = (*before.last, *tokens)[-self.runs.longest :]
            counted = torch.from_numpy(self.runs.outlook(last)).float().log()
            outlook = together(outlook, counted, self.share)
        if len(voices) > 1:
            apart = expected[0] - expected[1]
            outlook = (outlook + self.emphasis * apart).log_softmax(dim=-1)
        return outlook, Remembered(last, state)

    def costs(self, tokens: Tokens) -> Real:
        """Return what each token of a song costs after the first, in nats, shape (n - 1,)."""
        outlooks = network_outlooks(self.network, tokens, self.voice)
        if self.runs is not None:
            counted = torch.from_numpy(self.runs.outlooks(tokens)).float().log()
            outlooks = together(outlooks, counted, self.share)
        return costs_of(outlooks, tokens)


def together(expected: Tensor, counted: Tensor, share: float) -> Tensor:
    """Return what a network and runs of letters say together: where one is sure, it decides.

    The weighted mean of their logarithms; with that of their probabilities every artist's songs
    cost a hundredth more (JOURNAL.md).

    Parameters
    ----------
    expected, counted : Tensor, shape (..., V)
        Log-probabilities.
    share : float
        Of what was counted.
    """
    return ((1 - share) * expected + share * counted).log_softmax(dim=-1)


def costs_of(outlooks: Tensor, tokens: Tokens) -> Real:
    """Return what the tokens of a song cost after the first, in nats, shape (n - 1,).

    Parameters
    ----------
    outlooks : Tensor, shape (n - 1, V)
        Log-probabilities.
    tokens : ndarray, shape (n,)
    """
    found: Real = -outlooks.gather(1, torch.from_numpy(tokens[1:, None]))[:, 0].double().numpy()
    return found


@torch.inference_mode()
def network_outlooks(network: LetterNetwork, tokens: Tokens, voice: int) -> Tensor:
    """Return how likely a network holds each token of a song after the first, shape (n - 1, V).

    As log-probabilities. It is read from its beginning to its end; by a transformer in windows
    that overlap by half.
    """
    given, who = torch.from_numpy(tokens[None, :-1]), torch.tensor([voice])
    if network.config.core == "lstm":
        return network.read_all(given, who)[0][0].float().log_softmax(dim=-1)
    found, half = [], CONTEXT // 2
    for start in range(0, max(given.shape[1] - half, 1), half):
        window = network.read_all(given[:, start : start + CONTEXT], who)[0][0]
        found.append(window[half if start else 0 :])  # those seen with more before them stay
    return torch.cat(found).float().log_softmax(dim=-1)
