"""A network that writes a melody for chords: sequence to sequence, its alignment known.

The chords are read from both ends by a recurrent layer, so that each knows what came and what
will come. A transformer then writes one event after the other: before each it is given the state
of the chord that holds there, and what `represent.score.lead_sheet` tells of the place and of the
melody so far. It finds the pitch first, weighing pitches, steps from the last pitch and degrees of
the chord, so that it writes alike in all keys; then, knowing the pitch, how long it lasts.

Shape legend: B melodies, T events, S chords, D width, N symbols (0 is a rest), L lengths.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.model.transformer import INITIAL_SPREAD, Cache, Stack, StackConfig, dropped
from segue.represent.score.lead_sheet import (
    CHORD,
    CHORD_COLUMNS,
    COLUMNS,
    LAST,
    LONGEST,
    LOWEST,
    NO_ROOT,
    PITCHES,
    ROOT,
)

#: Steps from the last pitch that the head weighs; wider ones count as the widest.
_WIDEST: Final = 24
_NOTHING: Final = -1
SYMBOLS: Final = PITCHES + 1


@dataclass(frozen=True, slots=True)
class MelodyConfig:
    """Which network.

    Attributes
    ----------
    stack : StackConfig
        Its context is in events.
    styles : tuple of str
        Kinds of melodies it was taught, "folk" say.
    chord_width : int
        Of the layer that reads the chords, each way.
    forgotten : float
        Share of the columns told that are left out in training.
    """

    stack: StackConfig
    styles: tuple[str, ...]
    chord_width: int = 64
    forgotten: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        if not self.styles:
            raise BadArgument("a network of melodies has at least one style")
        if self.chord_width < 1:
            raise BadArgument(f"a layer for chords of {self.chord_width}; it is at least 1 wide")
        if not 0 <= self.forgotten < 1:
            raise BadArgument(f"a share of {self.forgotten} forgotten; it is from 0 to below 1")


@dataclass(frozen=True, slots=True, eq=False)
class MelodyLosses:
    """The mean cost of an event's symbol and of its length, in nats."""

    symbols: Tensor
    lengths: Tensor


class MelodyNetwork(nn.Module):
    """Says how likely each pitch and length is, given the chords and the melody so far."""

    def __init__(self, config: MelodyConfig) -> None:
        super().__init__()
        self.config = config
        width, chord = config.stack.width, config.chord_width
        self.chord_tables = nn.ModuleList(_table(size, chord) for size in CHORD_COLUMNS.values())
        self.chord_tones = nn.Linear(12, chord)
        self.chord_style = _table(len(config.styles), chord)
        self.chords = nn.GRU(chord, chord, batch_first=True, bidirectional=True)
        self.harmony = nn.Linear(2 * chord, width)
        self.tables = nn.ModuleList(_table(size, width) for size in COLUMNS.values())
        self.style = _table(len(config.styles), width)
        self.stack = Stack(config.stack)
        self.pitch = nn.Linear(width, SYMBOLS)
        self.step = nn.Linear(width, 2 * _WIDEST + 1)
        self.degree = nn.Linear(width, 12)
        self.found = _table(SYMBOLS, width)
        self.found_step = _table(2 * _WIDEST + 2, width)
        self.found_degree = _table(13, width)
        self.length_norm = nn.LayerNorm(width, bias=False)
        self.length_hidden = nn.Linear(width, 2 * width)
        self.length = nn.Linear(width, LONGEST)

    def read_chords(self, chords: Tensor, count: Tensor, style: Tensor) -> Tensor:
        """Read chords from both ends.

        Parameters
        ----------
        chords : Tensor, shape (B, S, 6), int64
            See `lead_sheet.read_chords`; anything behind the last.
        count : Tensor, shape (B,), int64
            How many there are.
        style : Tensor, shape (B,), int64

        Returns
        -------
        Tensor, shape (B, S, D)
        """
        bits = chords[..., -1:] >> torch.arange(12, device=chords.device) & 1
        x = self.chord_tones(bits.to(self.chord_tones.weight.dtype))
        x = x + self.chord_style(style)[:, None]
        for column, table in enumerate(self.chord_tables):
            x = x + table(chords[..., column])
        packed = nn.utils.rnn.pack_padded_sequence(
            self._dropped(x), count.cpu(), batch_first=True, enforce_sorted=False
        )
        read, _ = self.chords(packed)
        state, _ = nn.utils.rnn.pad_packed_sequence(
            read, batch_first=True, total_length=chords.shape[1]
        )
        return self.harmony(self._dropped(state))  # type: ignore[no-any-return]

    def states(
        self, harmony: Tensor, told: Tensor, style: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """Return what is known before each event, shape (B, T, D).

        Parameters
        ----------
        harmony : Tensor, shape (B, S, D)
            Of `read_chords`.
        told : Tensor, shape (B, T, TOLD), int64
        style : Tensor, shape (B,), int64
        cache : Cache, optional
            Of the events before.
        """
        number = told[..., CHORD, None].expand(-1, -1, harmony.shape[-1])
        x = harmony.gather(1, number) + self.style(style)[:, None]
        for column, table in enumerate(self.tables):
            x = x + self._remembered(table(told[..., column]))
        return self.stack(self._dropped(x), cache)  # type: ignore[no-any-return]

    def symbols(self, state: Tensor, told: Tensor) -> Tensor:
        """Return the logits of the symbol of each event, shape (B, T, N)."""
        last, root = told[..., LAST, None], told[..., ROOT, None]
        pitches = torch.arange(1, SYMBOLS, device=told.device)
        step = (pitches - last).clamp(-_WIDEST, _WIDEST) + _WIDEST
        steps = self.step(state).gather(-1, step) * (last > 0)
        degrees = self.degree(state).gather(-1, (pitches - 1 + LOWEST - root) % 12)
        weighed = steps + degrees * (root != NO_ROOT)
        return self.pitch(state) + F.pad(weighed, (1, 0))  # type: ignore[no-any-return]

    def lengths(self, state: Tensor, told: Tensor, symbol: Tensor) -> Tensor:
        """Return the logits of the length of each event, from 1 step on, shape (B, T, L)."""
        last, root = told[..., LAST], told[..., ROOT]
        step = (symbol - last).clamp(-_WIDEST, _WIDEST) + _WIDEST
        step = torch.where((symbol > 0) & (last > 0), step, 2 * _WIDEST + 1)
        degree = torch.where(
            (symbol > 0) & (root != NO_ROOT), (symbol - 1 + LOWEST - root) % 12, 12
        )
        x = state + self.found(symbol) + self.found_step(step) + self.found_degree(degree)
        units, gates = self.length_hidden(self.length_norm(x)).chunk(2, dim=-1)
        return self.length(self._dropped(F.silu(gates) * units))  # type: ignore[no-any-return]

    def loss(
        self, told: Tensor, wanted: Tensor, chords: Tensor, count: Tensor, style: Tensor
    ) -> MelodyLosses:
        """Return the mean costs of events.

        Parameters
        ----------
        told : Tensor, shape (B, T, TOLD), int64
            Anything behind the end.
        wanted : Tensor, shape (B, T, 2), int64
            Symbol and length of each event; -1 behind the end.
        chords : Tensor, shape (B, S, 6), int64
        count, style : Tensor, shape (B,), int64
        """
        costs = self.costs(told, wanted, chords, count, style)
        events = (wanted[..., 0] >= 0).sum().clamp(min=1)
        return MelodyLosses(costs[..., 0].sum() / events, costs[..., 1].sum() / events)

    def costs(
        self, told: Tensor, wanted: Tensor, chords: Tensor, count: Tensor, style: Tensor
    ) -> Tensor:
        """Return what symbol and length of each event cost, shape (B, T, 2), 0 behind the end."""
        harmony = self.read_chords(chords, count, style)
        state = self.states(harmony, told, style)
        symbol = wanted[..., 0].clamp(min=0)
        found = (self.symbols(state, told), self.lengths(state, told, symbol))
        targets = (wanted[..., 0], torch.where(wanted[..., 1] > 0, wanted[..., 1] - 1, _NOTHING))
        return torch.stack(
            [
                F.cross_entropy(
                    logits.float().flatten(0, 1),
                    target.flatten(),
                    ignore_index=_NOTHING,
                    reduction="none",
                ).view(target.shape)
                for logits, target in zip(found, targets, strict=True)
            ],
            dim=-1,
        )

    def _dropped(self, x: Tensor) -> Tensor:
        return dropped(x, self.config.stack.dropout) if self.training else x

    def _remembered(self, found: Tensor) -> Tensor:
        """Leave some of it out while learning."""
        if not self.training or not self.config.forgotten:
            return found
        kept = torch.rand(*found.shape[:-1], 1, device=found.device) >= self.config.forgotten
        return found * kept


def _table(count: int, width: int) -> nn.Embedding:
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=INITIAL_SPREAD)
    return table
