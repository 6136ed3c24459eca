"""The melody model: its network, conditioning and sampling.

A network that writes a melody for chords: sequence to sequence, its alignment known.

The chords are read from both ends by a recurrent layer, so that each knows what came and what
will come. A transformer then writes one event after the other: before each it is given the state
of the chord that holds there, and what `represent.score.lead_sheet` tells of the place and of the
melody so far. It finds the pitch first, weighing pitches, steps from the last pitch and degrees of
the chord, so that it writes alike in all keys; then, knowing the pitch, how long it lasts.

Shape legend: B melodies, T events, S chords, D width, N symbols (0 is a rest), L lengths.

A network of melodies that writes: with what it was taught, on disk, asked, and sampled.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.copying import CopyTracker, Hashes, NgramIndex
from segue.generate.melody.lead_sheet import (
    CHORD_FEATURES,
    CHORD_INDEX,
    CHORD_ROOT,
    FEATURES,
    LAST_PITCH,
    LOWEST_PITCH,
    MAX_DURATION,
    NUM_PITCHES,
    ConditioningState,
    chord_features,
    conditioning_features,
)
from segue.nn.checkpoint import load_checkpoint, save_checkpoint
from segue.nn.sampling import NEVER, Sampling, choose
from segue.nn.transformer import INITIAL_SPREAD, Cache, Stack, StackConfig, dropped
from segue.theory.chord_grid import NO_ROOT, Chart, IntArray

# --- melody ---

#: Steps from the last pitch that the head weighs; wider ones count as the widest.
_WIDEST: Final = 24
_NOTHING: Final = -1
NUM_SYMBOLS: Final = NUM_PITCHES + 1


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
        self.chord_tables = nn.ModuleList(_table(size, chord) for size in CHORD_FEATURES.values())
        self.chord_tones = nn.Linear(12, chord)
        self.chord_style = _table(len(config.styles), chord)
        self.chords = nn.GRU(chord, chord, batch_first=True, bidirectional=True)
        self.harmony = nn.Linear(2 * chord, width)
        self.tables = nn.ModuleList(_table(size, width) for size in FEATURES.values())
        self.style = _table(len(config.styles), width)
        self.stack = Stack(config.stack)
        self.pitch = nn.Linear(width, NUM_SYMBOLS)
        self.step = nn.Linear(width, 2 * _WIDEST + 1)
        self.degree = nn.Linear(width, 12)
        self.found = _table(NUM_SYMBOLS, width)
        self.found_step = _table(2 * _WIDEST + 2, width)
        self.found_degree = _table(13, width)
        self.length_norm = nn.LayerNorm(width, bias=False)
        self.length_hidden = nn.Linear(width, 2 * width)
        self.length = nn.Linear(width, MAX_DURATION)

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
        self, harmony: Tensor, features: Tensor, style: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """Return what is known before each event, shape (B, T, D).

        Parameters
        ----------
        harmony : Tensor, shape (B, S, D)
            Of `read_chords`.
        features : Tensor, shape (B, T, NUM_FEATURES), int64
        style : Tensor, shape (B,), int64
        cache : Cache, optional
            Of the events before.
        """
        number = features[..., CHORD_INDEX, None].expand(-1, -1, harmony.shape[-1])
        x = harmony.gather(1, number) + self.style(style)[:, None]
        for column, table in enumerate(self.tables):
            x = x + self._remembered(table(features[..., column]))
        return self.stack(self._dropped(x), cache)  # type: ignore[no-any-return]

    def symbols(self, state: Tensor, features: Tensor) -> Tensor:
        """Return the logits of the symbol of each event, shape (B, T, N)."""
        last, root = (
            features[..., LAST_PITCH, None],
            features[..., CHORD_ROOT, None],
        )
        pitches = torch.arange(1, NUM_SYMBOLS, device=features.device)
        step = (pitches - last).clamp(-_WIDEST, _WIDEST) + _WIDEST
        steps = self.step(state).gather(-1, step) * (last > 0)
        degrees = self.degree(state).gather(-1, (pitches - 1 + LOWEST_PITCH - root) % 12)
        weighed = steps + degrees * (root != NO_ROOT)
        return self.pitch(state) + F.pad(weighed, (1, 0))  # type: ignore[no-any-return]

    def lengths(self, state: Tensor, features: Tensor, symbol: Tensor) -> Tensor:
        """Return the logits of the length of each event, from 1 step on, shape (B, T, L)."""
        last, root = features[..., LAST_PITCH], features[..., CHORD_ROOT]
        step = (symbol - last).clamp(-_WIDEST, _WIDEST) + _WIDEST
        step = torch.where((symbol > 0) & (last > 0), step, 2 * _WIDEST + 1)
        degree = torch.where(
            (symbol > 0) & (root != NO_ROOT), (symbol - 1 + LOWEST_PITCH - root) % 12, 12
        )
        x = state + self.found(symbol) + self.found_step(step) + self.found_degree(degree)
        units, gates = self.length_hidden(self.length_norm(x)).chunk(2, dim=-1)
        return self.length(self._dropped(F.silu(gates) * units))  # type: ignore[no-any-return]

    def loss(
        self, features: Tensor, wanted: Tensor, chords: Tensor, count: Tensor, style: Tensor
    ) -> MelodyLosses:
        """Return the mean costs of events.

        Parameters
        ----------
        features : Tensor, shape (B, T, NUM_FEATURES), int64
            Anything behind the end.
        wanted : Tensor, shape (B, T, 2), int64
            Symbol and length of each event; -1 behind the end.
        chords : Tensor, shape (B, S, 6), int64
        count, style : Tensor, shape (B,), int64
        """
        costs = self.costs(features, wanted, chords, count, style)
        events = (wanted[..., 0] >= 0).sum().clamp(min=1)
        return MelodyLosses(costs[..., 0].sum() / events, costs[..., 1].sum() / events)

    def costs(
        self, features: Tensor, wanted: Tensor, chords: Tensor, count: Tensor, style: Tensor
    ) -> Tensor:
        """Return what symbol and length of each event cost, shape (B, T, 2), 0 behind the end."""
        harmony = self.read_chords(chords, count, style)
        state = self.states(harmony, features, style)
        symbol = wanted[..., 0].clamp(min=0)
        found = (
            self.symbols(state, features),
            self.lengths(state, features, symbol),
        )
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


# --- melody model ---

CHECKPOINT_KIND: Final = "melody"
#: Raised when what is told to the network changes.
VERSION: Final = 1
MODEL_FILE: Final = "melody.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL_FILE
#: A note is struck so many times in a row at most, then another comes.
MAX_REPEATED_NOTES: Final = 6
_ALL_PITCHES: Final = range(LOWEST_PITCH, LOWEST_PITCH + NUM_PITCHES)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingMelodies:
    """The melodies that a model learned from, as hashes, see `segue.generate.copying`.

    Attributes
    ----------
    names : tuple of str
    starts : ndarray, shape (pieces,), int64
        Where each begins in `runs`.
    runs : ndarray, shape (n,), uint16
    """

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    runs: Hashes

    def joined(self, other: "TrainingMelodies") -> "TrainingMelodies":
        """Return the melodies of both."""
        return TrainingMelodies(
            (*self.names, *other.names),
            np.concatenate([self.starts, other.starts + len(self.runs)]),
            np.concatenate([self.runs, other.runs]),
        )


class MelodyModel:
    """Writes melodies for chords.

    Parameters
    ----------
    network : MelodyNetwork
    usual : mapping of str to mapping of str to (float, float)
        Of each style, mean and spread of what real melodies are like, measure by measure; under
        "pitch" the lowest and the highest that it writes.
    taught : Taught
    about : mapping
        JSON values: how it was taught, and how well.
    """

    def __init__(
        self,
        network: MelodyNetwork,
        usual: Mapping[str, Mapping[str, tuple[float, float]]],
        taught: TrainingMelodies,
        about: Mapping[str, Any],
    ) -> None:
        self.network = network.eval()
        self.usual = {style: dict(values) for style, values in usual.items()}
        self.taught = taught
        self.about = dict(about)
        self.fingerprint = ""

    @property
    def styles(self) -> tuple[str, ...]:
        """The kinds of melodies it writes."""
        return self.network.config.styles

    @classmethod
    def shipped(cls) -> Self:
        """Load the model that comes with Segue."""
        return cls.load(PRETRAINED)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a model.

        Raises
        ------
        BadCheckpoint
            The file is not there, damaged, or of another version.
        """
        checkpoint = load_checkpoint(path, CHECKPOINT_KIND)
        about = checkpoint.about
        if about.get("version") != VERSION:
            raise BadCheckpoint(
                f"{path} was taught what version {about.get('version')} tells of melodies, this "
                f"Segue tells version {VERSION}; train anew"
            )
        try:
            config = dict(about["config"])
            network = MelodyNetwork(
                MelodyConfig(
                    StackConfig(**config.pop("stack")), tuple(config.pop("styles")), **config
                )
            )
            tensors = dict(checkpoint.tensors)
            runs = tensors.pop("taught.runs").numpy().view(np.uint16)
            starts = tensors.pop("taught.starts").numpy().astype(np.int64)
            network.load_state_dict({name: each.float() for name, each in tensors.items()})
            usual = {
                style: {name: (float(low), float(high)) for name, (low, high) in values.items()}
                for style, values in about["usual"].items()
            }
            names = tuple(about["taught"])
        except (KeyError, TypeError, ValueError, RuntimeError, BadArgument) as error:
            raise BadCheckpoint(
                f"{path} holds no whole model of melodies ({error}); train anew"
            ) from None
        if set(usual) != set(network.config.styles) or len(starts) != len(names):
            raise BadCheckpoint(
                f"{path} tells of the styles {', '.join(usual)} and {len(names)} melodies, but its "
                f"network knows {', '.join(network.config.styles)} and {len(starts)}; train anew"
            )
        found = cls(network, usual, TrainingMelodies(names, starts, runs), about["told"])
        found.fingerprint = checkpoint.fingerprint
        return found

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write it, as a whole or not at all.

        Parameters
        ----------
        path : Path
        dtype : torch.dtype
            Half the precision takes half the room.

        Raises
        ------
        DiskFull
        """
        about = {
            "config": asdict(self.network.config),
            "version": VERSION,
            "usual": self.usual,
            "taught": list(self.taught.names),
            "told": json.loads(json.dumps(self.about)),
        }
        tensors = {name: each.to(dtype) for name, each in self.network.state_dict().items()}
        tensors["taught.runs"] = torch.from_numpy(self.taught.runs.view(np.int16))
        tensors["taught.starts"] = torch.from_numpy(self.taught.starts.astype(np.int32))
        self.fingerprint = save_checkpoint(path, CHECKPOINT_KIND, about, tensors)

    def style(self, name: str) -> int:
        """Return the number of a style.

        Raises
        ------
        BadArgument
            It was not taught.
        """
        if name not in self.styles:
            raise BadArgument(f"no style {name!r}; this model knows: {', '.join(self.styles)}")
        return self.styles.index(name)

    @torch.inference_mode()
    def costs(
        self, charts: Sequence[Chart], melodies: Sequence[IntArray], style: str
    ) -> list[NDArray[np.float64]]:
        """Return what each event of melodies costs, given its chords and those before it.

        Parameters
        ----------
        charts : sequence of Chart
        melodies : sequence of ndarray, each of shape (m, 2), int64
            One for each chart, filling it.
        style : str

        Returns
        -------
        list of ndarray, each of shape (m, 2), float64
            Nats of the symbol and of the length.
        """
        number = self.style(style)
        context = self.network.config.stack.context
        found = []
        for chart, melody in zip(charts, melodies, strict=True):
            chords = torch.from_numpy(chord_features(chart))[None]
            rows = torch.from_numpy(conditioning_features(chart, melody))[None]
            wanted = torch.from_numpy(melody)[None]
            count, kind = torch.tensor([chords.shape[1]]), torch.tensor([number])
            cost = np.zeros((len(melody), 2))
            done = 0
            while done < len(melody):
                start = max(done - context // 2, 0) if done else 0
                end = min(start + context, len(melody))
                here = self.network.costs(
                    rows[:, start:end], wanted[:, start:end], chords, count, kind
                )
                cost[done:end] = here[0, done - start :].numpy()
                done = end
            found.append(cost)
        return found

    @torch.inference_mode()
    def sample(
        self,
        chart: Chart,
        style: str,
        count: int,
        sampling: Sampling,
        generator: torch.Generator,
        max_copy_bars: float = float("inf"),
    ) -> list[IntArray]:
        """Write melodies for a chart, all of them side by side.

        No melody begins later than in the middle of the first bar, is silent for longer than a
        bar, strikes one note more than six times in a row, or leaves the range that is usual for
        its style. A note that would carry a passage of a melody learned from on, in whatever key,
        beyond `max_copy_bars` from the passage's first onset does not come: another one does.

        Parameters
        ----------
        chart : Chart
        style : str
        count : int
            At least 1.
        sampling : Sampling
        generator : torch.Generator
        max_copy_bars : float

        Returns
        -------
        list of ndarray, each of shape (m, 2), int64
            Symbols and lengths, filling the chart.
        """
        network, number = self.network, self.style(style)
        one = torch.from_numpy(chord_features(chart))[None]
        kind = torch.full((count,), number)
        harmony = network.read_chords(one, torch.tensor([one.shape[1]]), kind[:1])
        harmony = harmony.expand(count, -1, -1)
        known = NgramIndex(self.taught.runs, self.taught.starts)
        writers = [
            _Writer(chart, self._allowed(style), CopyTracker(known), max_copy_bars)
            for _ in range(count)
        ]
        cache = Cache(network.config.stack, count)
        history: list[Tensor] = []
        while not all(writer.done for writer in writers):
            row = torch.tensor([writer.tell() for writer in writers])[:, None]
            if not cache.room:  # begin anew with the younger half
                cache.cut(0)
                kept = torch.cat(history[-(network.config.stack.context // 2) :], dim=1)
                network.states(harmony, kept, kind, cache)
            history.append(row)
            state = network.states(harmony, row, kind, cache)
            logits = network.symbols(state, row)[:, 0]
            logits = logits + torch.stack([writer.symbols() for writer in writers])
            symbol = choose(logits, sampling, generator)
            logits = network.lengths(state, row, symbol[:, None])[:, 0]
            logits = logits + torch.stack(
                [
                    writer.lengths(each)
                    for writer, each in zip(writers, symbol.tolist(), strict=True)
                ]
            )
            length = choose(logits, sampling, generator) + 1
            for writer, *event in zip(writers, symbol.tolist(), length.tolist(), strict=True):
                writer.write(*event)
        return [np.array(writer.events, np.int64) for writer in writers]

    def _allowed(self, style: str) -> Tensor:
        """Return 0 for each symbol of the style's range and for the rest, else minus infinity."""
        low, high = (round(each) - LOWEST_PITCH + 1 for each in self.usual[style]["pitch"])
        mask = torch.full((NUM_PITCHES + 1,), NEVER)
        mask[0] = 0
        mask[low : high + 1] = 0
        return mask


class _Writer:
    """One melody that is being written, and what may come next in it."""

    def __init__(
        self, chart: Chart, allowed: Tensor, trail: CopyTracker, max_copy_bars: float
    ) -> None:
        self._teller = ConditioningState(chart)
        self._allowed = allowed
        self._trail, self._most_copied = trail, max_copy_bars * chart.bar_steps
        # Steps that may still be silent. Many tunes begin with an upbeat in a bar of its own, but
        # whoever gives chords counts from the first full bar.
        self._silence = chart.bar_steps // 2
        self._bar = chart.bar_steps
        self._pitch, self._repeated = 0, 0
        self._last: list[int] = []
        self.events: list[tuple[int, int]] = []

    @property
    def done(self) -> bool:
        return self._teller.done

    def tell(self) -> list[int]:
        if not self.done:
            self._last = self._teller.tell()
        return self._last  # what is written beyond the end is thrown away

    def symbols(self) -> Tensor:
        mask = self._allowed.clone()
        if self.done:
            return mask
        if not self._silence:
            mask[0] = NEVER
        if self._repeated >= MAX_REPEATED_NOTES:
            mask[self._pitch] = NEVER
        copied = self._trail.copies(_ALL_PITCHES, self._teller.at, self._most_copied)
        mask[1:].masked_fill_(torch.from_numpy(copied), NEVER)
        return mask

    def lengths(self, symbol: int) -> Tensor:
        mask = torch.zeros(MAX_DURATION)
        if not self.done:
            most = self._teller.room if symbol else min(self._teller.room, self._silence)
            mask[most:] = NEVER
        return mask

    def write(self, symbol: int, length: int) -> None:
        if self.done:
            return
        if symbol:
            self._repeated = self._repeated + 1 if symbol == self._pitch else 1
            self._pitch, self._silence = symbol, self._bar
            self._trail.hear(symbol - 1 + LOWEST_PITCH, self._teller.at)
        else:
            self._silence -= length
        self.events.append((symbol, length))
        self._teller.hear(symbol, length)
