"""The character-level recurrent language model.

What comes next is told best by the last few letters, and it takes a network many steps to find
that out. So each position is given, beside its letter, a short vector for each run of two to six
letters that ends there, looked up in tables by hashes: the idea of fastText (Bojanowski et al.
2017), used for bytes by the Byte Latent Transformer (Pagnoni et al. 2024). A vector of the voice
whose songs are read comes on top. An LSTM (Hochreiter & Schmidhuber 1997) or a transformer does
the rest. With an LSTM and without runs it is what many have trained on lyrics.

Shape legend: B sequences, T positions, D width, V tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.generate.lyrics.vocabulary import VOCABULARY_SIZE
from segue.nn.transformer import INITIAL_SPREAD, Cache, Stack, StackConfig, dropped

#: Odd numbers that spread runs of letters over the places of a table.
_SPREADING: Final = (1, 31_337, 2_654_435, 12_582_917, 805_459, 6_291_469, 3_145_739)
_MIX: Final = 0x2C1B3C6D
#: Of the numbers that a run is looked up by, at first.
_RUN_SPREAD: Final = 0.1
#: Share of the windows of training of which nobody is told whose they are.
_UNTOLD: Final = 0.1
#: The voice of nobody in particular.
UNCONDITIONAL: Final = 0
#: Of a transformer.
HEADS: Final = 4
CONTEXT: Final = 256
#: What the network remembers: letters, and what its layers made of them; never changed.
State = tuple[Tensor, ...]
Core = Literal["lstm", "transformer"]


@dataclass(frozen=True, slots=True)
class CharNetworkConfig:
    """Which network.

    Attributes
    ----------
    width : int
        Numbers at a position.
    layers : int
    core : {"lstm", "transformer"}
    runs : tuple of int
        Places in the table of the runs of two letters, of three, and so on; at most six tables.
    run_width : int
        Numbers of a run.
    voices : int
        That it tells apart, beside `ANYBODY`.
    dropout : float
        Share of numbers silenced in training.
    run_dropout : float
        The same of what runs are looked up by: long ones are soon known by heart.
    backing_off : float
        How often, in training, long runs are taken for ones never seen, each position from a
        length of its own on: 0 never, 1 from each length on equally often. As n-grams back off
        (Katz 1987), so that what is told by short runs is learned, too.
    """

    width: int
    layers: int = 1
    core: Core = "lstm"
    runs: tuple[int, ...] = (4096, 16384, 32768, 32768, 32768)
    run_width: int = 32
    voices: int = 0
    dropout: float = 0.2
    run_dropout: float = 0.5
    backing_off: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        for name in ("width", "layers", "run_width"):
            if getattr(self, name) < 1:
                raise BadArgument(f"{name} is {getattr(self, name)}; it is at least 1")
        if len(self.runs) >= len(_SPREADING) or any(places < 1 for places in self.runs):
            raise BadArgument(
                f"runs of {self.runs}: at most {len(_SPREADING) - 1} tables of 1 place or more"
            )
        shares = (self.dropout, self.run_dropout)
        if self.voices < 0 or not all(0 <= share < 1 for share in shares) or self.backing_off < 0:
            raise BadArgument(
                f"{self.voices} voices, dropouts of {self.dropout} and {self.run_dropout}, backing "
                f"off by {self.backing_off}"
            )


class CharNetwork(nn.Module):
    """Says how likely each letter is, given those before it."""

    def __init__(self, config: CharNetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, count = config.width, len(config.runs)
        self.tokens = nn.Embedding(VOCABULARY_SIZE, width)
        nn.init.normal_(self.tokens.weight, std=INITIAL_SPREAD)
        self.runs = nn.ModuleList(nn.Embedding(places, config.run_width) for places in config.runs)
        for weight in self.runs.parameters():
            # Where the network backs off, runs never seen say nothing.
            nn.init.normal_(weight, std=0 if config.backing_off else _RUN_SPREAD)
        self.together = nn.Linear(count * config.run_width, width) if count else None
        self.voices = nn.Embedding(1 + config.voices, width)
        nn.init.zeros_(self.voices.weight)
        self.core: nn.LSTM | Stack
        if config.core == "lstm":
            self.core = nn.LSTM(width, width, config.layers, batch_first=True)
        else:
            self.core = Stack(StackConfig(width, config.layers, HEADS, CONTEXT, config.dropout))
        self.norm = nn.LayerNorm(width)
        self.usual = nn.Parameter(torch.zeros(VOCABULARY_SIZE))

    def begin(self, count: int = 1) -> State:
        """Return the state before anything was read of so many texts."""
        config = self.config
        before = torch.zeros(count, 0, dtype=torch.int64)
        if isinstance(self.core, Stack):
            nothing = self.usual.new_zeros(count, HEADS, 0, config.width // HEADS)
            return before, *([nothing] * (2 * config.layers))
        blank = self.usual.new_zeros(config.layers, count, config.width)
        return before, blank, blank

    def read(self, tokens: Tensor, voices: Tensor, state: State) -> tuple[Tensor, State]:
        """Read tokens, and return the logits of what comes after the last.

        A transformer forgets the older half of what it has in view where no more fits in.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
            At least one each.
        voices : Tensor, shape (B,), int64
        state : tuple of Tensor
            From `begin` or `read`; it can be read on from again.

        Returns
        -------
        Tensor, shape (B, V)
        tuple of Tensor
        """
        before, *memory = state
        known = torch.cat([before, tokens], dim=1)
        if isinstance(self.core, Stack):
            if known.shape[1] > CONTEXT:
                before, *memory = self.begin(len(tokens))
                known = tokens = known[:, -CONTEXT // 2 :]
            cache = Cache(self.core.config, len(tokens))
            cache.fill(memory)
            x = self._read(tokens, voices, before)
            y = self.core(x, cache)
            return self._likely(x[:, -1], y[:, -1]), (known, *cache.held())
        x = self._read(tokens, voices, before)
        y, memory = self._stepped(x, memory) if x.shape[1] == 1 else self.core(x, tuple(memory))
        known = known[:, max(known.shape[1] - len(self.config.runs), 0) :]
        return self._likely(x[:, -1], y[:, -1]), (known, *memory)

    def read_all(self, tokens: Tensor, voices: Tensor) -> tuple[Tensor, Tensor]:
        """Read texts from their beginnings.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
            Of a transformer, at most `CONTEXT` each.
        voices : Tensor, shape (B,), int64

        Returns
        -------
        Tensor, shape (B, T, V)
            The logits of what comes after each position.
        Tensor, shape (B, T, D)
            What is known there.
        """
        x = self._read(tokens, voices, tokens[:, :0])
        y = self._made(x)
        return self._likely(x, y), y

    def read_states(self, tokens: Tensor) -> Tensor:
        """Return what is known at each position of texts of nobody, shape (B, T, D).

        As `read_all` does, without what is likely to follow.
        """
        nobody = torch.zeros(len(tokens), dtype=torch.int64, device=tokens.device)
        return self._made(self._read(tokens, nobody, tokens[:, :0]))

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
            voices = voices * (torch.rand(voices.shape, device=voices.device) >= _UNTOLD)
        x = self._read(tokens[:, :-1].clamp(min=0), voices, tokens[:, :0])
        y = self._made(x)
        counts = wanted[:, 1:] >= 0
        likely = self._likely(x[counts], y[counts])
        return F.cross_entropy(likely.float(), wanted[:, 1:][counts])

    def _read(self, tokens: Tensor, voices: Tensor, before: Tensor) -> Tensor:
        """Return what the layers read; where it is not known what came before, nothing did."""
        x: Tensor = self.tokens(tokens) + self.voices(voices)[:, None]
        if self.together is not None:
            reach = len(self.config.runs)
            known = F.pad(torch.cat([before, tokens], dim=1), (reach - before.shape[1], 0))
            code, found = tokens, []
            for number, table in enumerate(self.runs, start=1):
                earlier = known[:, reach - number : known.shape[1] - number]
                code = code + earlier * _SPREADING[number]
                mixed = (code ^ (code >> 15)) * _MIX
                found.append(table((mixed ^ (mixed >> 12)) % self.config.runs[number - 1]))
            if self.training and self.config.backing_off:
                drawn = torch.rand(tokens.shape, device=tokens.device)
                longest = drawn**self.config.backing_off * (reach + 1)
                found = [run * (longest > number)[..., None] for number, run in enumerate(found, 1)]
            runs = torch.cat(found, dim=-1)
            x = x + self.together(dropped(runs, self.config.run_dropout) if self.training else runs)
        return self._dropped(x)

    def _stepped(self, x: Tensor, memory: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Read one position, five times as fast as the layers of torch, made for many, do."""
        layers = cast("nn.LSTM", self.core).all_weights
        y, hidden, cell = x[:, 0], [], []
        for weights, before in zip(layers, zip(*memory, strict=True), strict=True):
            y, kept = torch.lstm_cell(y, before, *weights)
            hidden.append(y)
            cell.append(kept)
        return y[:, None], [torch.stack(hidden), torch.stack(cell)]

    def _made(self, x: Tensor) -> Tensor:
        found = self.core(x)
        return found if isinstance(self.core, Stack) else found[0]  # type: ignore[no-any-return]

    def _likely(self, x: Tensor, y: Tensor) -> Tensor:
        """Return logits, from what the layers read and what they made of it."""
        found = self.norm(x + y if self.together is not None else y)
        return F.linear(self._dropped(found), self.tokens.weight, self.usual)

    def _dropped(self, x: Tensor) -> Tensor:
        return dropped(x, self.config.dropout) if self.training else x
