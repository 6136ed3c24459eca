"""A decoder-only transformer with rotary position embeddings and a key-value cache.

Each layer looks back with several heads (Vaswani et al. 2017), knows how far by rotating what it
compares (Su et al. 2021), and passes the outcome through gated units (Shazeer 2020); each half of
a layer adds to what was there, after a normalisation. What was read before is kept in a `Cache`,
so that a step of writing costs one token, not all of them.

Shape legend: B sequences, T positions given, P positions in view, D width of the network,
H heads, C width of a head, V tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument

ROTARY_BASE: Final = 10_000.0
INITIAL_SPREAD: Final = 0.02


@dataclass(frozen=True, slots=True)
class StackConfig:
    """The layers of a transformer, whatever it reads.

    Attributes
    ----------
    width : int
        Numbers at a position.
    layers : int
    heads : int
        They share the width out evenly.
    context : int
        Positions in view at most.
    dropout : float
        Share of numbers silenced in training.
    """

    width: int
    layers: int
    heads: int
    context: int
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what does not go together.

        Raises
        ------
        BadArgument
        """
        for name in ("width", "layers", "heads", "context"):
            if getattr(self, name) < 1:
                raise BadArgument(f"{name} is {getattr(self, name)}; it is at least 1")
        if self.width % (2 * self.heads):
            raise BadArgument(
                f"a width of {self.width} cannot be shared out among {self.heads} heads: each "
                "needs an even number of numbers"
            )
        if not 0 <= self.dropout < 1:
            raise BadArgument(f"a dropout of {self.dropout}; it is from 0 to below 1")

    @property
    def inner(self) -> int:
        """Gated units of a layer: 8/3 of the width, as many weights as 4 times it ungated."""
        return -(-8 * self.width // (3 * 32)) * 32


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """A transformer of tokens.

    Attributes
    ----------
    vocabulary : int
        Tokens from 0 to below this.
    stack : StackConfig
    """

    vocabulary: int
    stack: StackConfig

    def __post_init__(self) -> None:
        """Refuse an empty vocabulary.

        Raises
        ------
        BadArgument
        """
        if self.vocabulary < 1:
            raise BadArgument(f"a vocabulary of {self.vocabulary} tokens; there is at least 1")


def small(vocabulary: int) -> TransformerConfig:
    """Return the network for some hundred pieces: 4 layers of 192."""
    return TransformerConfig(vocabulary, StackConfig(192, 4, 4, 512, 0.2))


def medium(vocabulary: int) -> TransformerConfig:
    """Return the network for some thousand pieces: 6 layers of 384, 11 million weights."""
    return TransformerConfig(vocabulary, StackConfig(384, 6, 6, 1024, 0.1))


class Cache:
    """What the layers remember of the positions read so far, in buffers of a fixed size.

    Parameters
    ----------
    config : StackConfig
    count : int
        Sequences, B.
    dtype : torch.dtype
        Of the network's weights.
    """

    def __init__(self, config: StackConfig, count: int, dtype: torch.dtype = torch.float32) -> None:
        shape = (count, config.heads, config.context, config.width // config.heads)
        # Not filled: what is not read yet is never looked at, and pages never touched cost nothing.
        self.keys = [torch.empty(shape, dtype=dtype) for _ in range(config.layers)]
        self.values = [torch.empty(shape, dtype=dtype) for _ in range(config.layers)]
        self.length = 0

    @property
    def room(self) -> int:
        """Positions that can still be read."""
        return self.keys[0].shape[2] - self.length

    def cut(self, length: int) -> None:
        """Forget all but the first `length` positions.

        Raises
        ------
        BadArgument
            There are not as many.
        """
        if not 0 <= length <= self.length:
            raise BadArgument(f"the cache holds {self.length} positions, not {length}")
        self.length = length

    def held(self) -> list[Tensor]:
        """Return what is remembered, keys of all layers, then values, as it is now."""
        return [table[:, :, : self.length].clone() for table in (*self.keys, *self.values)]

    def fill(self, held: Sequence[Tensor]) -> None:
        """Remember what `held` returned."""
        self.length = held[0].shape[2]
        for table, one in zip((*self.keys, *self.values), held, strict=True):
            table[:, :, : self.length] = one

    def take(self, rows: Tensor) -> None:
        """Go on with some of the sequences, in this order: one may come several times.

        Parameters
        ----------
        rows : Tensor, shape (any,), int64
        """
        for tables in (self.keys, self.values):
            for number, table in enumerate(tables):
                if len(rows) == len(table):
                    table[:, :, : self.length] = table[rows, :, : self.length]
                else:
                    tables[number] = table[rows]


class Stack(nn.Module):
    """The layers: from what stands at each position to what may follow there."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, bias=False)
        turns, signed = _rotations(config)
        self.turns: Tensor
        self.signed: Tensor
        self.register_buffer("turns", turns, persistent=False)
        self.register_buffer("signed", signed, persistent=False)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """Read positions, after those of the cache, which then holds them, too.

        Parameters
        ----------
        x : Tensor, shape (B, T, D)
        cache : Cache, optional

        Returns
        -------
        Tensor, shape (B, T, D)

        Raises
        ------
        BadArgument
            There are more positions than the network can have in view.
        """
        before, new = cache.length if cache else 0, x.shape[1]
        if before + new > self.config.context:
            raise BadArgument(
                f"{before + new} positions; this network has at most {self.config.context} in "
                "view: forget the oldest"
            )
        turn = self.turns[before : before + new], self.signed[before : before + new]
        for number, layer in enumerate(self.layers):
            x = layer(x, turn, cache, number)
        if cache:
            cache.length += new
        return self.norm(x)  # type: ignore[no-any-return]


class _Layer(nn.Module):
    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.dropout = config.heads, config.dropout
        self.looking_norm = nn.LayerNorm(width, bias=False)
        self.looking = nn.Linear(width, 3 * width, bias=False)  # queries, keys, values
        self.looked = nn.Linear(width, width, bias=False)
        self.thinking_norm = nn.LayerNorm(width, bias=False)
        self.thinking = nn.Linear(width, 2 * config.inner, bias=False)  # units and their gates
        self.thought = nn.Linear(config.inner, width, bias=False)
        for linear in (self.looking, self.thinking):
            nn.init.normal_(linear.weight, std=INITIAL_SPREAD)
        for linear in (self.looked, self.thought):  # they add up along the layers
            nn.init.normal_(linear.weight, std=INITIAL_SPREAD / (2 * config.layers) ** 0.5)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], cache: Cache | None, number: int
    ) -> Tensor:
        x = x + self._dropped(self._look(self.looking_norm(x), turn, cache, number))
        units, gates = self.thinking(self.thinking_norm(x)).chunk(2, dim=-1)
        return x + self._dropped(self.thought(F.silu(gates) * units))

    def _look(
        self, x: Tensor, turn: tuple[Tensor, Tensor], cache: Cache | None, number: int
    ) -> Tensor:
        B, T, D = x.shape
        parts = self.looking(x).view(B, T, 3, self.heads, D // self.heads)
        turned = _turned(parts[:, :, :2], *turn)
        queries, keys = turned[:, :, 0].transpose(1, 2), turned[:, :, 1].transpose(1, 2)
        values = parts[:, :, 2].transpose(1, 2)  # (B, H, T, C)
        mask = None
        if cache:
            first, last = cache.length, cache.length + T
            cache.keys[number][:, :, first:last] = keys
            cache.values[number][:, :, first:last] = values
            keys = cache.keys[number][:, :, :last]
            values = cache.values[number][:, :, :last]
            if T > 1 and first:  # new positions after old ones: torch's own mask would not do
                mask = torch.ones(T, last, dtype=torch.bool, device=x.device).tril(first)
        seen = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and T > 1,
        )
        return self.looked(seen.transpose(1, 2).reshape(B, T, D))  # type: ignore[no-any-return]

    def _dropped(self, x: Tensor) -> Tensor:
        return dropped(x, self.dropout) if self.training else x


class Transformer(nn.Module):
    """Reads tokens, and gives for each position the logits of the next one.

    The table of the tokens is also what the outcome is compared with (Press & Wolf 2017).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.stack.width)
        nn.init.normal_(self.tokens.weight, std=INITIAL_SPREAD)
        self.stack = Stack(config.stack)

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Return the logits of what comes after each position.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
        cache : Cache, optional
            What was read before; it then holds these tokens, too.

        Returns
        -------
        Tensor, shape (B, T, V)
        """
        x = self.tokens(tokens)
        if self.training:
            x = dropped(x, self.config.stack.dropout)
        return F.linear(self.stack(x, cache), self.tokens.weight)

    def read(self, tokens: Tensor, cache: Cache) -> Tensor:
        """Read tokens and return the logits of the next one alone, shape (B, V)."""
        last = self.stack(self.tokens(tokens), cache)[:, -1]
        return F.linear(last, self.tokens.weight)

    def loss(self, tokens: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean cost of the tokens that are wanted, in nats.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
            -1 after the end.
        wanted : Tensor, shape (B, T), int64
            The same, or -1 where a token does not count. The first one never does.
        """
        logits = self(tokens[:, :-1].clamp(min=0)).float()
        return F.cross_entropy(logits.flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=-1)


def dropped(x: Tensor, share: float) -> Tensor:
    """Silence a share of the numbers, to a 256th, and raise the others so that the mean stays.

    As torch's dropout, which draws a random number for each: a quarter of a training step on a
    processor. Here eight come out of one draw.
    """
    silent = round(share * 256)
    if not silent:
        return x
    drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
    drawn.random_(-(2**63), None)
    kept = drawn.view(torch.uint8)[: x.numel()].view(x.shape) >= silent
    return x * kept * (256 / (256 - silent))


def _rotations(config: StackConfig) -> tuple[Tensor, Tensor]:
    """Return cosines and signed sines of the angles, shape (context, 1, 1, C) each."""
    half = config.width // config.heads // 2
    rates = ROTARY_BASE ** -(torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(config.context, dtype=torch.float64)[:, None] * rates
    sines = angles.sin().float()
    turns = angles.cos().float().repeat(1, 2)
    return turns[:, None, None], torch.cat([-sines, sines], dim=-1)[:, None, None]


def _turned(x: Tensor, turns: Tensor, signed: Tensor) -> Tensor:
    """Rotate each pair, a number of the first half and its fellow of the second."""
    turns, signed = turns.to(x.dtype), signed.to(x.dtype)
    return torch.addcmul(x * turns, x.roll(x.shape[-1] // 2, dims=-1), signed)
