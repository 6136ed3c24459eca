"""The chorale network: a transformer over frames of four voices, with a head per voice.

A frame is a sixteenth: the pitches of soprano, alto, tenor and bass. The transformer reads whole
frames, so that its context is four times as long as over single voices; the head predicts the
voices of the next frame one after another, each conditioned on those above. Musical features are
given explicitly: how long each voice has held its note, the interval by which it moved, the
intervals above the bass, the position in the bar. The logits of the head are sums of scores of
pitches, of melodic intervals from the voice's last pitch, and of harmonic intervals from the voice
above.

Pitches are encoded from 1 on, 0 is silence. Checkpoints hold matrices in 8 bits with a scale per
row.

Shape legend: B chorales, T frames, D width, N pitches (0 is silence).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.nn.checkpoint import Checkpoint, load_model
from segue.nn.quantization import dequantize_weights
from segue.nn.transformer import INIT_STD, KVCache, Stack, StackConfig, dropout, normal_embedding

NUM_VOICES: Final = 4
#: MIDI pitch of code 1.
LOWEST_PITCH: Final = 36
NUM_PITCHES: Final = 47
FRAMES_PER_BAR: Final = 16
MAX_HELD: Final = 16  # frames; longer notes count as this
MAX_INTERVAL: Final = 12  # semitones; wider melodic intervals count as this
#: Melodic intervals from -MAX_INTERVAL to MAX_INTERVAL, then those from or to silence.
_MELODIC_INTERVALS: Final = 2 * MAX_INTERVAL + 2
#: Intervals between any two pitches; the head has one more, for silence.
_INTERVALS: Final = 2 * (NUM_PITCHES - 2) + 1
_OVER_BASS: Final = 13  # pitch classes above the bass, and silence

CHECKPOINT_KIND: Final = "chorales"
#: Increased when the meaning of a frame changes.
VERSION: Final = 1
PRETRAINED: Final = WEIGHTS / "chorales.safetensors"


@dataclass(frozen=True, slots=True)
class ChoraleConfig:
    """Hyperparameters of the network.

    Attributes
    ----------
    stack : StackConfig
        Transformer; its context is in frames.
    head_layers : int
        Number of layers of the head.
    feature_dropout : float
        Dropout probability of whole feature embeddings. A few hundred chorales are soon memorised,
        since many features are invariant to transposition.
    """

    stack: StackConfig
    head_layers: int = 2
    feature_dropout: float = 0.15

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        if not 0 <= self.feature_dropout < 1:
            raise BadArgument(
                f"a feature dropout of {self.feature_dropout}; it is from 0 to below 1"
            )
        if self.head_layers < 0:
            raise BadArgument(f"{self.head_layers} layers of the head; there are 0 or more")


def encode_pitches(pitches: Tensor) -> Tensor:
    """Encode MIDI pitches; -1 is silence.

    Raises
    ------
    BadArgument
        A pitch is out of the range of the voices.
    """
    highest = LOWEST_PITCH + NUM_PITCHES - 2
    outside = (pitches >= 0) & ((pitches < LOWEST_PITCH) | (pitches > highest))
    if bool(outside.any()):
        raise BadArgument(
            f"there is a pitch of {int(pitches[outside][0])}; the voices sing from {LOWEST_PITCH} "
            f"to {highest}, and -1 is silence"
        )
    return torch.where(pitches < 0, 0, pitches - LOWEST_PITCH + 1)


class DecoderState:
    """State of incremental decoding: the KV cache, and the features of the last frame.

    Parameters
    ----------
    config : ChoraleConfig
    count : int
        Number of chorales, B.
    """

    def __init__(self, config: ChoraleConfig, count: int) -> None:
        self.cache = KVCache(config.stack, count)
        #: Last frame and the number of frames each voice had held its note, shape (B, 4).
        self.last: Tensor | None = None
        self.held: Tensor | None = None

    def select(self, rows: Tensor) -> None:
        """Select chorales by index; one may be selected several times.

        Parameters
        ----------
        rows : Tensor, shape (any,), int64
        """
        self.cache.select(rows)
        if self.last is not None and self.held is not None:
            self.last, self.held = self.last[rows], self.held[rows]


class ChoraleTransformer(nn.Module):
    """Predicts each voice of each frame from the frames before and the voices above."""

    def __init__(self, config: ChoraleConfig) -> None:
        super().__init__()
        self.config = config
        width = config.stack.width
        self.pitch_embedding = normal_embedding(NUM_VOICES * NUM_PITCHES, width)
        self.held_embedding = normal_embedding(NUM_VOICES * (MAX_HELD + 1), width)
        self.interval_embedding = normal_embedding(NUM_VOICES * _MELODIC_INTERVALS, width)
        self.over_bass_embedding = normal_embedding((NUM_VOICES - 1) * _OVER_BASS, width)
        self.beat_embedding = normal_embedding(FRAMES_PER_BAR, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.stack = Stack(config.stack)
        self.voice_projection = nn.Linear(width, NUM_VOICES * width, bias=False)
        self.voice_pitch_embedding = normal_embedding(NUM_VOICES * NUM_PITCHES, width)
        self.voice_interval_embedding = normal_embedding(NUM_VOICES * _MELODIC_INTERVALS, width)
        self.head = nn.ModuleList(
            _HeadLayer(width, config.stack.dropout) for _ in range(config.head_layers)
        )
        self.norm = nn.LayerNorm(width, bias=False)
        self.pitch_head = nn.Linear(width, NUM_PITCHES)
        self.melodic_head = nn.Linear(width, _INTERVALS + 1)
        self.harmonic_head = nn.Linear(width, _INTERVALS + 1)
        self.pitch_bias = nn.Parameter(torch.zeros(NUM_VOICES, NUM_PITCHES))
        self.between: Tensor
        self.register_buffer("between", _interval_indices(), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits of each voice of each frame (teacher forcing).

        Parameters
        ----------
        frames : Tensor, shape (B, T, 4), int64
            Pitch codes.

        Returns
        -------
        Tensor, shape (B, T, 4, N)
        """
        B, T, _ = frames.shape
        previous = torch.cat([frames.new_zeros(B, 1, NUM_VOICES), frames[:, :-1]], dim=1)
        context = self.stack(self._embed(previous))
        # The sum over the voices above: a cumulative sum, shifted by one voice.
        above = self._embed_voices(previous, frames).cumsum(dim=2)[:, :, :-1]
        x = self.voice_projection(context).view(B, T, NUM_VOICES, -1) + F.pad(above, (0, 0, 1, 0))
        neighbour = F.pad(frames[:, :, :-1], (1, 0))  # silence above the soprano
        return self._logits(x, previous, neighbour, self.pitch_bias)

    def advance(self, frames: Tensor, state: DecoderState) -> Tensor:
        """Advance by some frames, and return the context of the next one.

        The first frame of all must be silence, as in training.

        Parameters
        ----------
        frames : Tensor, shape (B, T, 4), int64
            Pitch codes.
        state : DecoderState
            Updated in place.

        Returns
        -------
        Tensor, shape (B, 4, D)
            For `voice_logits`.
        """
        last = self.stack(self._embed(frames, state), state.cache)[:, -1]
        return self.voice_projection(last).view(len(frames), NUM_VOICES, -1)  # type: ignore[no-any-return]

    def voice_logits(self, context: Tensor, previous: Tensor, above: Tensor) -> Tensor:
        """Return the logits of one voice of the next frame.

        Parameters
        ----------
        context : Tensor, shape (B, 4, D)
            From `advance`.
        previous : Tensor, shape (B, 4), int64
            Last frame.
        above : Tensor, shape (B, voices), int64
            Pitch codes of the voices above in the next frame; none for the soprano.

        Returns
        -------
        Tensor, shape (B, N)
        """
        voice = above.shape[1]
        x = context[:, voice : voice + 1]
        if voice:
            x = x + self._embed_voices(previous[:, :voice], above).sum(dim=1, keepdim=True)
        neighbour = above[:, -1:] if voice else torch.zeros_like(previous[:, :1])
        own = previous[:, voice : voice + 1]
        return self._logits(x, own, neighbour, self.pitch_bias[voice : voice + 1])[:, 0]

    def _embed_voices(self, previous: Tensor, frames: Tensor) -> Tensor:
        """Return embeddings of voices for those below, shape (…, voices, D)."""
        offset = torch.arange(frames.shape[-1], device=frames.device)
        intervals = _melodic_intervals(previous, frames)
        pitch: Tensor = self.voice_pitch_embedding(frames + offset * NUM_PITCHES)
        interval: Tensor = self.voice_interval_embedding(intervals + offset * _MELODIC_INTERVALS)
        return pitch + interval

    def _logits(self, x: Tensor, previous: Tensor, neighbour: Tensor, bias: Tensor) -> Tensor:
        """Apply the head to hidden states of shape (…, voices, D)."""
        for layer in self.head:
            x = layer(x)
        x = self.norm(x)
        logits = self.pitch_head(x) + bias
        logits = logits + self._interval_scores(self.melodic_head(x), previous)
        return logits + self._interval_scores(self.harmonic_head(x), neighbour)  # type: ignore[no-any-return]

    def loss(self, frames: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of the target voices, in nats.

        Parameters
        ----------
        frames : Tensor, shape (B, T, 4), int64
            Pitch codes, -1 after the end.
        targets : Tensor, shape (B, T, 4), int64
            The same, or -1 where a frame is ignored.
        """
        logits = self(frames.clamp(min=0)).float()
        return F.cross_entropy(logits.flatten(0, 2), targets.flatten(), ignore_index=-1)

    def _embed(self, frames: Tensor, state: DecoderState | None = None) -> Tensor:
        """Return the input of the transformer, shape (B, T, D)."""
        first = state.cache.length if state else 0
        last = state.last if state else None
        held = _frames_held(frames, last, state.held if state else None)
        if state:
            state.last, state.held = frames[:, -1], held[:, -1]
        offset = torch.arange(NUM_VOICES, device=frames.device)
        earlier = torch.cat([frames[:, :1] if last is None else last[:, None], frames[:, :-1]], 1)
        bass = frames[..., NUM_VOICES - 1 :]
        above = frames[..., : NUM_VOICES - 1]
        over_bass = torch.where((above > 0) & (bass > 0), (above - bass) % 12, _OVER_BASS - 1)
        over_bass = over_bass + offset[: NUM_VOICES - 1] * _OVER_BASS
        moved = _melodic_intervals(earlier, frames)
        position = torch.arange(first, first + frames.shape[1], device=frames.device)
        x = (
            self._sum_voices(self.pitch_embedding(frames + offset * NUM_PITCHES))
            + self._sum_voices(self.held_embedding(held + offset * (MAX_HELD + 1)))
            + self._sum_voices(self.interval_embedding(moved + offset * _MELODIC_INTERVALS))
            + self._sum_voices(self.over_bass_embedding(over_bass))
            + self.beat_embedding(position % FRAMES_PER_BAR)
        )
        if not first:
            x = torch.cat([x[:, :1] + self.start, x[:, 1:]], dim=1)
        return dropout(x, self.config.stack.dropout) if self.training else x

    def _sum_voices(self, embeddings: Tensor) -> Tensor:
        """Sum embeddings over the voices, with feature dropout, shape (B, T, D)."""
        if self.training and self.config.feature_dropout:
            uniform = torch.rand(*embeddings.shape[:-1], 1, device=embeddings.device)
            embeddings = embeddings * (uniform >= self.config.feature_dropout)
        return embeddings.sum(dim=2)

    def _interval_scores(self, scores: Tensor, reference: Tensor) -> Tensor:
        """Return the score of each pitch, by its interval from a reference pitch."""
        by_interval = F.pad(scores[..., :_INTERVALS], (0, 1))
        # A silent reference contributes to the score of silence alone.
        silence = scores[..., _INTERVALS:] * (reference[..., None] == 0)
        return by_interval.gather(-1, self.between[reference]) + F.pad(
            silence, (0, NUM_PITCHES - 1)
        )


class _HeadLayer(nn.Module):
    """Residual gated MLP."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm = nn.LayerNorm(width, bias=False)
        self.gate_up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(2 * width, width)
        nn.init.normal_(self.gate_up.weight, std=INIT_STD)
        nn.init.normal_(self.down.weight, std=INIT_STD / 2)

    def forward(self, x: Tensor) -> Tensor:
        up, gate = self.gate_up(self.norm(x)).chunk(2, dim=-1)
        y = self.down(F.silu(gate) * up)
        return x + (dropout(y, self.dropout) if self.training else y)


def _interval_indices() -> Tensor:
    """Return the index of the interval between two pitch codes, shape (N, N)."""
    codes = torch.arange(NUM_PITCHES)
    indices = codes - codes[:, None] + NUM_PITCHES - 2
    silent = codes == 0
    return torch.where(silent | silent[:, None], _INTERVALS, indices)


def _melodic_intervals(first: Tensor, second: Tensor) -> Tensor:
    """Return the index of each voice's melodic interval, from 0 to below _MELODIC_INTERVALS."""
    intervals = (second - first).clamp(-MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
    return torch.where((first == 0) ^ (second == 0), _MELODIC_INTERVALS - 1, intervals)


def _frames_held(frames: Tensor, last: Tensor | None = None, held: Tensor | None = None) -> Tensor:
    """Return the number of frames that each voice has held its pitch, up to `MAX_HELD`.

    `last` is the frame before the first, shape (B, 4), and `held` its result.
    """
    times = torch.arange(frames.shape[1], device=frames.device)[:, None]
    changed = torch.ones_like(frames, dtype=torch.bool)
    changed[:, 1:] = frames[:, 1:] != frames[:, :-1]
    if last is not None:
        changed[:, 0] = frames[:, 0] != last
    onset = torch.where(changed, times, -1).cummax(dim=1).values
    before = -1 if held is None else held[:, None]
    return torch.where(onset >= 0, times - onset, before + 1 + times).clamp(max=MAX_HELD)


def load_chorale_network(path: Path = PRETRAINED) -> ChoraleTransformer:
    """Read a network, by default the bundled one.

    Raises
    ------
    BadCheckpoint
        The file is missing, damaged, or of another version.
    """
    return load_model(path, CHECKPOINT_KIND, VERSION, _build)


def _build(checkpoint: Checkpoint) -> ChoraleTransformer:
    config = checkpoint.metadata["configuration"]
    network = ChoraleTransformer(
        ChoraleConfig(
            StackConfig(**config["stack"]), config["head_layers"], config["feature_dropout"]
        )
    )
    network.load_state_dict(dequantize_weights(checkpoint.tensors))
    return network.eval().requires_grad_(False)
