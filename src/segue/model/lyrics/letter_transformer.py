"""A network that writes letter by letter: a transformer that also reads runs of letters at once.

What comes next is told best by the last few letters, and it takes a transformer many steps to find
that out. So each position is given, beside its letter, a vector for each run of two to six letters
that ends there, looked up in tables by hashes: the idea of fastText (Bojanowski et al. 2017), used
for bytes by the Byte Latent Transformer (Pagnoni et al. 2024). A vector of the voice, whose songs
are read, comes on top.

Shape legend: B sequences, T positions, D width, V tokens.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.model.score.transformer import INITIAL_SPREAD, Cache, Stack, StackConfig, dropped

#: Odd numbers that spread runs of letters over the places of a table.
_SPREADING: Final = (1, 31_337, 2_654_435, 12_582_917, 805_459, 6_291_469, 3_145_739)
#: Share of windows in training that nobody's voice is told of.
_UNTOLD: Final = 0.1
#: The voice of nobody in particular.
ANYBODY: Final = 0


@dataclass(frozen=True, slots=True)
class LetterConfig:
    """Which network.

    Attributes
    ----------
    vocabulary : int
    stack : StackConfig
    runs : tuple of int
        Places in the table of the runs of two letters, of three, and so on.
    voices : int
        That it tells apart, beside `ANYBODY`.
    """

    vocabulary: int
    stack: StackConfig
    runs: tuple[int, ...] = (4096, 8192, 8192, 8192)
    voices: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        if len(self.runs) >= len(_SPREADING) or any(places < 1 for places in self.runs):
            raise BadArgument(
                f"runs {self.runs}: at most {len(_SPREADING) - 1} tables, of a place or more"
            )
        if self.voices < 0 or self.vocabulary < 1:
            raise BadArgument(f"{self.voices} voices, a vocabulary of {self.vocabulary}")


class LetterTransformer(nn.Module):
    """Says how likely each letter is, given those before it."""

    def __init__(self, config: LetterConfig) -> None:
        super().__init__()
        self.config = config
        width = config.stack.width
        self.tokens = _table(config.vocabulary, width)
        self.runs = nn.ModuleList(_table(places, width) for places in config.runs)
        self.voices = _table(1 + config.voices, width)
        self.stack = Stack(config.stack)

    def forward(self, tokens: Tensor, voices: Tensor, before: Tensor | None = None,
                cache: Cache | None = None) -> Tensor:
        """Return the logits of what comes after each position.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
        voices : Tensor, shape (B,), int64
        before : Tensor, shape (B, any), int64, optional
            The tokens before these, as many as a run may have.
        cache : Cache, optional
            What was read before; it then holds these tokens, too.

        Returns
        -------
        Tensor, shape (B, T, V)
        """
        x = self._read(tokens, before) + self.voices(voices)[:, None]
        if self.training:
            x = dropped(x, self.config.stack.dropout)
        return F.linear(self.stack(x, cache), self.tokens.weight)

    def loss(self, tokens: Tensor, wanted: Tensor, voices: Tensor) -> Tensor:
        """Return the mean cost of the tokens that are wanted, in nats.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
            -1 after the end.
        wanted : Tensor, shape (B, T), int64
            The same, or -1 where a token does not count. The first one never does.
        voices : Tensor, shape (B,), int64
        """
        if self.training:
            told = torch.rand(voices.shape, device=voices.device) >= _UNTOLD
            voices = voices * told
        logits = self(tokens[:, :-1].clamp(min=0), voices).float()
        return F.cross_entropy(logits.flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=-1)

    def _read(self, tokens: Tensor, before: Tensor | None) -> Tensor:
        x: Tensor = self.tokens(tokens)
        reach = len(self.config.runs)
        if before is None:
            before = tokens[:, :0]
        known = F.pad(torch.cat([before[:, -reach:] if reach else before[:, :0], tokens], 1),
                      (max(reach - before.shape[1], 0), 0))
        spread = known[:, reach:]
        for number, (table, places) in enumerate(zip(self.runs, self.config.runs), start=1):
            spread = spread + known[:, reach - number : known.shape[1] - number] * _SPREADING[number]
            mixed = (spread ^ (spread >> 15)) * 0x2C1B3C6D
            found = table((mixed ^ (mixed >> 12)) % places)
            x = x + (dropped(found, self.config.stack.dropout) if self.training else found)
        return x


def _table(count: int, width: int) -> nn.Embedding:
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=INITIAL_SPREAD)
    return table
