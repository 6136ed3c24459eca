"""The melody model: a transformer that generates a melody for given chords.

The chords are encoded by a bidirectional GRU. A transformer then generates one event after another:
the input of each is the encoding of the chord that holds there, which needs no attention over the
chords since the alignment is known, and the conditioning features of
`segue.generate.melody.lead_sheet`. The pitch comes first: its logits are sums of scores of pitches,
of intervals from the last pitch and of degrees of the chord, so that the model generalises over
keys. Then comes the duration, given the pitch.

`MelodyModel` adds reference statistics of real melodies and the hashes of the training set, for
ranking candidates and for detecting copies.

Shape legend: B melodies, T events, S chords, D width, N symbols (0 is a rest), L durations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.generate.copying import NoteTracker, PassageIndex
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
from segue.generate.melody.phrases import PhrasePlan
from segue.nn.checkpoint import Checkpoint, SavedModel, save_model
from segue.nn.sampling import MASKED, Sampling, sample
from segue.nn.transformer import KVCache, Stack, StackConfig, dropout, normal_embedding
from segue.records import IntArray
from segue.theory.chord_charts import NO_ROOT, Chart

NUM_SYMBOLS: Final = NUM_PITCHES + 1
#: Semitones; wider intervals from the last pitch count as this.
_MAX_INTERVAL: Final = 24
_IGNORED: Final = -1  # target behind the end

CHECKPOINT_KIND: Final = "melody"
#: Increased when the conditioning features change.
VERSION: Final = 1
MODEL_FILE: Final = "melody.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL_FILE
MAX_REPEATED_NOTES: Final = 6
_ALL_PITCHES: Final = range(LOWEST_PITCH, LOWEST_PITCH + NUM_PITCHES)


@dataclass(frozen=True, slots=True)
class MelodyConfig:
    """Hyperparameters of the network.

    Attributes
    ----------
    stack : StackConfig
        Transformer; its context is in events.
    styles : tuple of str
        Styles of melodies, such as "folk".
    chord_width : int
        Width of the chord encoder in each direction.
    feature_dropout : float
        Dropout probability of whole conditioning features.
    """

    stack: StackConfig
    styles: tuple[str, ...]
    chord_width: int = 64
    feature_dropout: float = 0.1

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        if not self.styles:
            raise BadArgument("a melody network has at least one style")
        if self.chord_width < 1:
            raise BadArgument(f"a chord encoder of width {self.chord_width}; it is at least 1 wide")
        if not 0 <= self.feature_dropout < 1:
            raise BadArgument(
                f"a feature dropout of {self.feature_dropout}; it is from 0 to below 1"
            )


@dataclass(frozen=True, slots=True, eq=False)
class MelodyLosses:
    """Mean cross-entropy of an event's symbol and of its duration, in nats."""

    symbols: Tensor
    lengths: Tensor


class MelodyNetwork(nn.Module):
    """Predicts pitch and duration of each event from the chords and the melody so far."""

    def __init__(self, config: MelodyConfig) -> None:
        super().__init__()
        self.config = config
        width, chord = config.stack.width, config.chord_width
        self.chord_embeddings = nn.ModuleList(
            normal_embedding(n, chord) for n in CHORD_FEATURES.values()
        )
        self.chord_tones = nn.Linear(12, chord)
        self.chord_style_embedding = normal_embedding(len(config.styles), chord)
        self.chord_encoder = nn.GRU(chord, chord, batch_first=True, bidirectional=True)
        self.chord_projection = nn.Linear(2 * chord, width)
        self.feature_embeddings = nn.ModuleList(
            normal_embedding(n, width) for n in FEATURES.values()
        )
        self.style_embedding = normal_embedding(len(config.styles), width)
        self.stack = Stack(config.stack)
        self.symbol_head = nn.Linear(width, NUM_SYMBOLS)
        self.interval_head = nn.Linear(width, 2 * _MAX_INTERVAL + 1)
        self.degree_head = nn.Linear(width, 12)
        self.symbol_embedding = normal_embedding(NUM_SYMBOLS, width)
        self.interval_embedding = normal_embedding(2 * _MAX_INTERVAL + 2, width)
        self.degree_embedding = normal_embedding(13, width)
        self.duration_norm = nn.LayerNorm(width, bias=False)
        self.duration_mlp = nn.Linear(width, 2 * width)
        self.duration_head = nn.Linear(width, MAX_DURATION)

    def encode_chords(self, chords: Tensor, count: Tensor, style: Tensor) -> Tensor:
        """Encode chords in both directions.

        Parameters
        ----------
        chords : Tensor, shape (B, S, 6), int64
            See `lead_sheet.chord_features`; anything behind the last.
        count : Tensor, shape (B,), int64
            Number of chords.
        style : Tensor, shape (B,), int64

        Returns
        -------
        Tensor, shape (B, S, D)
        """
        bits = chords[..., -1:] >> torch.arange(12, device=chords.device) & 1
        x = self.chord_tones(bits.to(self.chord_tones.weight.dtype))
        x = x + self.chord_style_embedding(style)[:, None]
        for column, embedding in enumerate(self.chord_embeddings):
            x = x + embedding(chords[..., column])
        packed = nn.utils.rnn.pack_padded_sequence(
            self._dropout(x), count.cpu(), batch_first=True, enforce_sorted=False
        )
        output, _ = self.chord_encoder(packed)
        encoding, _ = nn.utils.rnn.pad_packed_sequence(
            output, batch_first=True, total_length=chords.shape[1]
        )
        return self.chord_projection(self._dropout(encoding))  # type: ignore[no-any-return]

    def hidden_states(
        self, chords: Tensor, features: Tensor, style: Tensor, cache: KVCache | None = None
    ) -> Tensor:
        """Return the hidden state before each event, shape (B, T, D).

        Parameters
        ----------
        chords : Tensor, shape (B, S, D)
            From `encode_chords`.
        features : Tensor, shape (B, T, NUM_FEATURES), int64
        style : Tensor, shape (B,), int64
        cache : Cache, optional
            KV cache of the events before.
        """
        index = features[..., CHORD_INDEX, None].expand(-1, -1, chords.shape[-1])
        x = chords.gather(1, index) + self.style_embedding(style)[:, None]
        for column, embedding in enumerate(self.feature_embeddings):
            x = x + self._feature_dropout(embedding(features[..., column]))
        return self.stack(self._dropout(x), cache)  # type: ignore[no-any-return]

    def symbol_logits(self, hidden: Tensor, features: Tensor) -> Tensor:
        """Return the logits of the symbol of each event, shape (B, T, N)."""
        last, root = features[..., LAST_PITCH, None], features[..., CHORD_ROOT, None]
        pitches = torch.arange(1, NUM_SYMBOLS, device=features.device)
        interval = (pitches - last).clamp(-_MAX_INTERVAL, _MAX_INTERVAL) + _MAX_INTERVAL
        by_interval = self.interval_head(hidden).gather(-1, interval) * (last > 0)
        by_degree = self.degree_head(hidden).gather(-1, (pitches - 1 + LOWEST_PITCH - root) % 12)
        scores = by_interval + by_degree * (root != NO_ROOT)
        return self.symbol_head(hidden) + F.pad(scores, (1, 0))  # type: ignore[no-any-return]

    def duration_logits(self, hidden: Tensor, features: Tensor, symbol: Tensor) -> Tensor:
        """Return the logits of the duration of each event, from 1 step on, shape (B, T, L)."""
        last, root = features[..., LAST_PITCH], features[..., CHORD_ROOT]
        interval = (symbol - last).clamp(-_MAX_INTERVAL, _MAX_INTERVAL) + _MAX_INTERVAL
        interval = torch.where((symbol > 0) & (last > 0), interval, 2 * _MAX_INTERVAL + 1)
        degree = torch.where(
            (symbol > 0) & (root != NO_ROOT), (symbol - 1 + LOWEST_PITCH - root) % 12, 12
        )
        x = hidden + self.symbol_embedding(symbol)
        x = x + self.interval_embedding(interval) + self.degree_embedding(degree)
        up, gate = self.duration_mlp(self.duration_norm(x)).chunk(2, dim=-1)
        return self.duration_head(self._dropout(F.silu(gate) * up))  # type: ignore[no-any-return]

    def loss(
        self, features: Tensor, targets: Tensor, chords: Tensor, count: Tensor, style: Tensor
    ) -> MelodyLosses:
        """Return the mean cross-entropies of events.

        Parameters
        ----------
        features : Tensor, shape (B, T, NUM_FEATURES), int64
            Anything behind the end.
        targets : Tensor, shape (B, T, 2), int64
            Symbol and duration of each event; -1 behind the end.
        chords : Tensor, shape (B, S, 6), int64
        count, style : Tensor, shape (B,), int64
        """
        nll = self.nll(features, targets, chords, count, style)
        events = (targets[..., 0] >= 0).sum().clamp(min=1)
        return MelodyLosses(nll[..., 0].sum() / events, nll[..., 1].sum() / events)

    def nll(
        self, features: Tensor, targets: Tensor, chords: Tensor, count: Tensor, style: Tensor
    ) -> Tensor:
        """Return the negative log-likelihood of symbols and durations.

        Parameters are those of `loss`.

        Returns
        -------
        Tensor, shape (B, T, 2)
            Nats; 0 behind the end.
        """
        hidden = self.hidden_states(self.encode_chords(chords, count, style), features, style)
        symbol, duration = targets[..., 0], targets[..., 1]
        duration = torch.where(duration > 0, duration - 1, _IGNORED)
        logits = (
            self.symbol_logits(hidden, features),
            self.duration_logits(hidden, features, symbol.clamp(min=0)),
        )
        return torch.stack(
            [
                F.cross_entropy(
                    each.float().flatten(0, 1),
                    target.flatten(),
                    ignore_index=_IGNORED,
                    reduction="none",
                ).view(target.shape)
                for each, target in zip(logits, (symbol, duration), strict=True)
            ],
            dim=-1,
        )

    def _dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.stack.dropout) if self.training else x

    def _feature_dropout(self, embedding: Tensor) -> Tensor:
        if not self.training or not self.config.feature_dropout:
            return embedding
        uniform = torch.rand(*embedding.shape[:-1], 1, device=embedding.device)
        return embedding * (uniform >= self.config.feature_dropout)


class MelodyModel(SavedModel):
    """A melody network, with the statistics that rank its samples.

    Parameters
    ----------
    network : MelodyNetwork
    reference : mapping of str to mapping of str to (float, float)
        For each style, mean and standard deviation of the statistics of real melodies; under
        "pitch" the lowest and the highest pitch.
    training_melodies : PassageIndex
        Of `segue.generate.copying.melody_ngrams`, for detecting copies.
    metadata : mapping
        JSON values: how it was trained, and validation figures.
    """

    kind: ClassVar = CHECKPOINT_KIND
    version: ClassVar = VERSION
    bundled: ClassVar = PRETRAINED

    def __init__(
        self,
        network: MelodyNetwork,
        reference: Mapping[str, Mapping[str, tuple[float, float]]],
        training_melodies: PassageIndex,
        metadata: Mapping[str, Any],
    ) -> None:
        self.network = network.eval()
        self.reference = {style: dict(values) for style, values in reference.items()}
        self.training_melodies = training_melodies
        self.metadata = dict(metadata)
        self.fingerprint = ""

    @property
    def styles(self) -> tuple[str, ...]:
        """Styles of melodies."""
        return self.network.config.styles

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        metadata, tensors = checkpoint.metadata, dict(checkpoint.tensors)
        config = dict(metadata["config"])
        stack, styles = StackConfig(**config.pop("stack")), tuple(config.pop("styles"))
        network = MelodyNetwork(MelodyConfig(stack, styles, **config))
        melodies = PassageIndex.from_starts(
            tensors.pop("training_melodies.hashes").numpy().view(np.uint16),
            tensors.pop("training_melodies.starts").numpy(),
            metadata["taught"],
        )
        network.load_state_dict(tensors)
        reference = {
            style: {name: (float(low), float(high)) for name, (low, high) in values.items()}
            for style, values in metadata["usual"].items()
        }
        if set(reference) != set(styles):
            raise ValueError(
                f"statistics of the styles {', '.join(reference)}, but its network knows "
                f"{', '.join(styles)}"
            )
        model = cls(network, reference, melodies, metadata["told"])
        model.fingerprint = checkpoint.fingerprint
        return model

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write the model atomically.

        Parameters
        ----------
        path : Path
        dtype : torch.dtype
            Precision of the weights.

        Raises
        ------
        DiskFull
        """
        about = {
            "config": asdict(self.network.config),
            "usual": self.reference,
            "taught": list(self.training_melodies.names),
            "told": self.metadata,
        }
        tensors = dict(self.network.state_dict())
        melodies = self.training_melodies
        tensors["training_melodies.hashes"] = torch.from_numpy(melodies.keys.view(np.int16))
        tensors["training_melodies.starts"] = torch.from_numpy(melodies.starts.astype(np.int32))
        self.fingerprint = save_model(path, CHECKPOINT_KIND, VERSION, about, tensors, dtype)

    def style_index(self, name: str) -> int:
        """Return the index of a style.

        Raises
        ------
        BadArgument
            The model does not know the style.
        """
        if name not in self.styles:
            raise BadArgument(f"no style {name!r}; this model knows: {', '.join(self.styles)}")
        return self.styles.index(name)

    @torch.inference_mode()
    def nll(
        self, charts: Sequence[Chart], melodies: Sequence[IntArray], style: str
    ) -> list[NDArray[np.float64]]:
        """Return the negative log-likelihood of each event, given the chords and earlier events.

        Parameters
        ----------
        charts : sequence of Chart
        melodies : sequence of ndarray, each of shape (m, 2), int64
            One per chart, filling it.
        style : str

        Returns
        -------
        list of ndarray, each of shape (m, 2), float64
            Nats of the symbol and of the duration.
        """
        styles = torch.tensor([self.style_index(style)])
        context = self.network.config.stack.context
        results = []
        for chart, melody in zip(charts, melodies, strict=True):
            chords = torch.from_numpy(chord_features(chart))[None]
            features = torch.from_numpy(conditioning_features(chart, melody))[None]
            targets = torch.from_numpy(melody)[None]
            count = torch.tensor([chords.shape[1]])
            nll = np.zeros((len(melody), 2))
            done = 0
            while done < len(melody):  # windows that overlap by half
                start = max(done - context // 2, 0) if done else 0
                end = min(start + context, len(melody))
                window = self.network.nll(
                    features[:, start:end], targets[:, start:end], chords, count, styles
                )
                nll[done:end] = window[0, done - start :].numpy()
                done = end
            results.append(nll)
        return results

    @torch.inference_mode()
    def sample(
        self,
        chart: Chart,
        style: str,
        count: int,
        sampling: Sampling,
        generator: torch.Generator,
        max_copy_bars: float = float("inf"),
        *,
        form: str = "",
        pitch_range: tuple[int, int] | None = None,
    ) -> list[IntArray]:
        """Sample melodies for a chart, in parallel.

        Melodies begin in the first half of the first bar, rest for a bar at most, repeat a note six
        times at most, and stay in the range of the style. A note that would extend a passage shared
        with a training melody, in any key, beyond `max_copy_bars` is masked.

        Parameters
        ----------
        chart : Chart
        style : str
        count : int
            Number of melodies, at least 1.
        sampling : Sampling
        generator : torch.Generator
        max_copy_bars : float
            Bars from the first to the last onset of a shared passage.
        form : str
            A letter for each phrase, see `segue.generate.melody.phrases`; "" for no phrases.
        pitch_range : tuple of int, optional
            Lowest and highest MIDI pitch; by default the range of the style.

        Returns
        -------
        list of ndarray, each of shape (m, 2), int64
            Symbols and durations, filling the chart.

        Raises
        ------
        BadArgument
            The model does not know the style, or the form does not fit the chart.
        """
        network = self.network
        styles = torch.full((count,), self.style_index(style))
        chords = torch.from_numpy(chord_features(chart))[None]
        encoding = network.encode_chords(chords, torch.tensor([chords.shape[1]]), styles[:1])
        encoding = encoding.expand(count, -1, -1)
        mask = _range_mask(pitch_range or self._style_range(style))
        plan = PhrasePlan(form, chart) if form else None
        melodies = [
            _PartialMelody(chart, mask, NoteTracker(self.training_melodies), max_copy_bars, plan)
            for _ in range(count)
        ]
        cache = KVCache(network.config.stack, count)
        history: list[Tensor] = []
        while not all(melody.done for melody in melodies):
            features = torch.tensor([melody.features() for melody in melodies])[:, None]
            if not cache.free:  # refill with the recent half of the context
                cache.truncate(0)
                recent = torch.cat(history[-(network.config.stack.context // 2) :], dim=1)
                network.hidden_states(encoding, recent, styles, cache)
            history.append(features)
            hidden = network.hidden_states(encoding, features, styles, cache)
            logits = network.symbol_logits(hidden, features)[:, 0]
            logits = logits + torch.stack([melody.symbol_mask() for melody in melodies])
            symbols = sample(logits, sampling, generator)
            logits = network.duration_logits(hidden, features, symbols[:, None])[:, 0]
            pairs = zip(melodies, symbols.tolist(), strict=True)
            logits = logits + torch.stack([melody.duration_mask(each) for melody, each in pairs])
            durations = sample(logits, sampling, generator) + 1
            for melody, *event in zip(melodies, symbols.tolist(), durations.tolist(), strict=True):
                melody.append(*event)
        return [np.array(melody.events, np.int64) for melody in melodies]

    def _style_range(self, style: str) -> tuple[int, int]:
        low, high = self.reference[style]["pitch"]
        return round(low), round(high)


def _range_mask(pitch_range: tuple[int, int]) -> Tensor:
    """Return 0 for rests and each symbol of a range, minus infinity for others."""
    low, high = (pitch - LOWEST_PITCH + 1 for pitch in pitch_range)
    mask = torch.full((NUM_SYMBOLS,), MASKED)
    mask[0] = 0
    mask[low : high + 1] = 0
    return mask


def _masked(allowed: NDArray[np.bool_]) -> Tensor:
    """Return 0 where something is allowed, minus infinity elsewhere."""
    return torch.where(torch.from_numpy(allowed), 0.0, MASKED)


class _PartialMelody:
    """A melody that is being generated, and the masks of its next event."""

    def __init__(
        self,
        chart: Chart,
        range_mask: Tensor,
        copies: NoteTracker,
        max_copy_bars: float,
        plan: PhrasePlan | None,
    ) -> None:
        self._state = ConditioningState(chart)
        self._range_mask, self._plan = range_mask, plan
        self._starts: dict[int, tuple[int, int]] = {}  # event that begins at each position
        self._ended = False  # whether the last note of the phrase has begun
        self._copies, self._max_copy_steps = copies, max_copy_bars * chart.steps_per_bar
        self._bar = chart.steps_per_bar
        # Steps of rest that are left. Many tunes begin with an upbeat in a bar of its own, but
        # charts are counted from the first full bar.
        self._rest_left = chart.steps_per_bar // 2
        self._pitch, self._repetitions = 0, 0
        self._last_features: list[int] = []
        self.events: list[tuple[int, int]] = []

    @property
    def done(self) -> bool:
        return self._state.done

    def features(self) -> list[int]:
        if not self.done:
            self._last_features = self._state.features()
        return self._last_features  # events beyond the end are discarded

    def symbol_mask(self) -> Tensor:
        mask = self._range_mask.clone()
        if self.done:
            return mask
        if self._plan and (phrase_mask := self._phrase_mask(self._plan)) is not None:
            return phrase_mask
        if not self._rest_left:
            mask[0] = MASKED
        if self._repetitions >= MAX_REPEATED_NOTES:
            mask[self._pitch] = MASKED
        copied = self._copies.would_copy(_ALL_PITCHES, self._state.position, self._max_copy_steps)
        mask[1:].masked_fill_(torch.from_numpy(copied), MASKED)
        return mask

    def _phrase_mask(self, plan: PhrasePlan) -> Tensor | None:
        """Return the mask of a repeated note or a cadence; None where a phrase is free."""
        at = self._state.position
        if self._ended:
            return _masked(np.arange(NUM_SYMBOLS) == 0)
        if event := self._repeated_event(plan):
            source = plan.source(at) or 0
            return self._range_mask + _masked(plan.allowed_symbols(at, event[0], source))
        if plan.in_cadence(at):
            allowed = plan.chord_tones(at)
            # In a narrow range the root may be missing; a rest ends the phrase then.
            allowed[0] = not np.isfinite(self._range_mask.numpy()[1:][allowed[1:]]).any()
            return self._range_mask + _masked(allowed)
        return None

    def _repeated_event(self, plan: PhrasePlan) -> tuple[int, int] | None:
        source = plan.source(self._state.position)
        return None if source is None else self._starts.get(source)

    def duration_mask(self, symbol: int) -> Tensor:
        mask = torch.zeros(MAX_DURATION)
        if self.done:
            return mask
        at, left = self._state.position, self._state.remaining
        if not self._plan:
            mask[left if symbol else min(left, self._rest_left) :] = MASKED
            return mask
        left = self._plan.left(at)
        if self._ended:
            return _masked(np.arange(1, MAX_DURATION + 1) == min(left, MAX_DURATION))
        if event := self._repeated_event(self._plan):
            repeated = min(event[1], self._plan.until_last_bar(at))
            return _masked(np.arange(1, MAX_DURATION + 1) == repeated)
        if symbol:
            is_chord_tone = bool(self._plan.chord_tones(at)[symbol])
            return _masked(self._plan.allowed_durations(at, is_chord_tone=is_chord_tone))
        mask[max(min(self._plan.until_cadence(at), self._rest_left), 1) :] = MASKED
        return mask

    def append(self, symbol: int, duration: int) -> None:
        if self.done:
            return
        if symbol:
            self._repetitions = self._repetitions + 1 if symbol == self._pitch else 1
            self._pitch, self._rest_left = symbol, self._bar
            self._copies.append(symbol - 1 + LOWEST_PITCH, self._state.position)
        else:
            self._rest_left -= duration
        self.events.append((symbol, duration))
        at, end = self._state.position, self._state.position + duration
        self._state.append(symbol, duration)
        if self._plan:
            self._starts[at] = symbol, duration
            if self._plan.left(at) == duration:
                self._ended = False
            elif symbol and self._plan.in_cadence(end - 1):
                self._ended = True
