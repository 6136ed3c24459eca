"""The chorale network: a transformer over frames of four voices.

A network that writes in four voices: a transformer over the frames of a chorale, and a head.

A frame is a sixteenth: the pitches that sound then, soprano, alto, tenor, bass. The transformer
reads whole frames, so that it sees four times as far as one that reads voice after voice; the
head then finds the voices of the next frame one by one, each knowing the ones before. What is
plain to a musician is told in so many words: how long each voice has held its note, by what step
it moved, what stands above the bass, where in the bar it is; and the head weighs pitches, steps
from the voice's last pitch and intervals from the voice before.

Shape legend: B chorales, T frames, D width, N pitches (0 is silence).

The network of chorales on disk: matrices in 8 bits, each row with a scale of its own.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.nn.checkpoint import load_checkpoint, save_checkpoint
from segue.nn.quantization import restored, shortened
from segue.nn.transformer import INITIAL_SPREAD, Cache, Stack, StackConfig, dropped

# --- chorale ---

NUM_VOICES: Final = 4
#: MIDI pitch of number 1; number 0 is silence.
LOWEST_PITCH: Final = 36
NUM_PITCHES: Final = 47
FRAMES_PER_BAR: Final = 16
MAX_HELD: Final = 16  # frames a note is known to have been held
MAX_STEP: Final = 12  # semitones a voice is known to have moved
#: Steps: from -WIDEST to WIDEST, then to or from silence.
_STEPS: Final = 2 * MAX_STEP + 2
#: Intervals between any two pitches, and one place that weighs nothing, for silence.
_INTERVALS: Final = 2 * (NUM_PITCHES - 2) + 1
_OVER_BASS: Final = 13  # pitch classes over the bass, or silence


@dataclass(frozen=True, slots=True)
class ChoraleConfig:
    """Which network.

    Attributes
    ----------
    stack : StackConfig
        Its context is in frames.
    head_layers : int
        Layers that find a voice's pitch.
    forgotten : float
        Share of what is told of each voice of a frame that is left out in training. A few hundred
        chorales are soon known by heart, for much of what is told stays when one is transposed.
    """

    stack: StackConfig
    head_layers: int = 2
    forgotten: float = 0.15

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        if not 0 <= self.forgotten < 1:
            raise BadArgument(f"a share of {self.forgotten} forgotten; it is from 0 to below 1")
        if self.head_layers < 0:
            raise BadArgument(f"{self.head_layers} layers of the head; there are 0 or more")


def encode_pitches(pitches: Tensor) -> Tensor:
    """Return the numbers of MIDI pitches; -1 is silence.

    Raises
    ------
    BadArgument
        A pitch is out of the voices' range.
    """
    highest = LOWEST_PITCH + NUM_PITCHES - 2
    outside = (pitches >= 0) & ((pitches < LOWEST_PITCH) | (pitches > highest))
    if bool(outside.any()):
        raise BadArgument(
            f"there is a pitch of {int(pitches[outside][0])}; the voices sing from "
            f"{LOWEST_PITCH} to {highest}, and -1 is silence"
        )
    return torch.where(pitches < 0, 0, pitches - LOWEST_PITCH + 1)


class DecoderState:
    """What is remembered of the frames read so far, so that the next costs one frame, not all.

    Parameters
    ----------
    config : ChoraleConfig
    count : int
        Chorales read side by side, B.
    """

    def __init__(self, config: ChoraleConfig, count: int) -> None:
        self.cache = Cache(config.stack, count)
        #: The last frame read, shape (B, 4), and for how many frames each voice had held.
        self.last: Tensor | None = None
        self.held: Tensor | None = None

    def take(self, rows: Tensor) -> None:
        """Go on with some chorales, in this order: one may come several times.

        Parameters
        ----------
        rows : Tensor, shape (any,), int64
        """
        self.cache.take(rows)
        if self.last is not None and self.held is not None:
            self.last, self.held = self.last[rows], self.held[rows]


class ChoraleTransformer(nn.Module):
    """Says how likely each pitch of each voice is, given all that was sung before it."""

    def __init__(self, config: ChoraleConfig) -> None:
        super().__init__()
        self.config = config
        width = config.stack.width
        self.sung = _table(NUM_VOICES * NUM_PITCHES, width)
        self.held = _table(NUM_VOICES * (MAX_HELD + 1), width)
        self.moved = _table(NUM_VOICES * _STEPS, width)
        self.over_bass = _table((NUM_VOICES - 1) * _OVER_BASS, width)
        self.place = _table(FRAMES_PER_BAR, width)
        self.beginning = nn.Parameter(torch.zeros(width))
        self.stack = Stack(config.stack)
        self.voices = nn.Linear(width, NUM_VOICES * width, bias=False)
        self.found = _table(NUM_VOICES * NUM_PITCHES, width)
        self.found_step = _table(NUM_VOICES * _STEPS, width)
        self.head = nn.ModuleList(
            _HeadLayer(width, config.stack.dropout) for _ in range(config.head_layers)
        )
        self.norm = nn.LayerNorm(width, bias=False)
        self.pitch = nn.Linear(width, NUM_PITCHES)
        self.step = nn.Linear(width, _INTERVALS + 1)
        self.interval = nn.Linear(width, _INTERVALS + 1)
        self.voice_pitch = nn.Parameter(torch.zeros(NUM_VOICES, NUM_PITCHES))
        self.between: Tensor
        self.register_buffer("between", _between(), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits of every voice of every frame.

        Parameters
        ----------
        frames : Tensor, shape (B, T, 4), int64
            Numbers of pitches.

        Returns
        -------
        Tensor, shape (B, T, 4, N)
            Of a voice, given the frames before and the voices above in its frame.
        """
        B, T, _ = frames.shape
        before = torch.cat([frames.new_zeros(B, 1, NUM_VOICES), frames[:, :-1]], dim=1)
        context = self.stack(self._read(before))
        # A voice knows those above it: their sum, moved on by one voice.
        above = F.pad(self._known(before, frames).cumsum(dim=2)[:, :, :-1], (0, 0, 1, 0))
        x = self.voices(context).view(B, T, NUM_VOICES, -1) + above
        beside = F.pad(frames[:, :, :-1], (1, 0))  # the voice above; silence above the soprano
        return self._weighed(x, before, beside, self.voice_pitch)

    def read(self, frames: Tensor, reading: DecoderState) -> Tensor:
        """Read frames after those read before, and return what is known of the next one.

        What is read first of all is a frame of silence, as everywhere in training.

        Parameters
        ----------
        frames : Tensor, shape (B, T, 4), int64
            Numbers of pitches.
        reading : Reading
            It then holds these frames, too.

        Returns
        -------
        Tensor, shape (B, 4, D)
            For `voice`.
        """
        last = self.stack(self._read(frames, reading), reading.cache)[:, -1]
        return self.voices(last).view(len(frames), NUM_VOICES, -1)  # type: ignore[no-any-return]

    def voice(self, context: Tensor, before: Tensor, above: Tensor) -> Tensor:
        """Return the logits of one voice of the next frame.

        Parameters
        ----------
        context : Tensor, shape (B, 4, D)
            What `read` returned.
        before : Tensor, shape (B, 4), int64
            The frame read last.
        above : Tensor, shape (B, voices), int64
            What the voices above sing in the next frame; none where the soprano is asked for.

        Returns
        -------
        Tensor, shape (B, N)
        """
        number = above.shape[1]
        x = context[:, number : number + 1]
        if number:
            known = self._known(before[:, :number], above)
            x = x + known.sum(dim=1, keepdim=True)
        beside = above[:, -1:] if number else torch.zeros_like(before[:, :1])
        reference = before[:, number : number + 1]
        return self._weighed(x, reference, beside, self.voice_pitch[number : number + 1])[:, 0]

    def _known(self, before: Tensor, frames: Tensor) -> Tensor:
        """Return what is told of voices to those below, shape (…, voices, D)."""
        offset = torch.arange(frames.shape[-1], device=frames.device)
        steps = _steps(before, frames)
        found: Tensor = self.found(frames + offset * NUM_PITCHES)
        moved: Tensor = self.found_step(steps + offset * _STEPS)
        return found + moved

    def _weighed(self, x: Tensor, before: Tensor, beside: Tensor, usual: Tensor) -> Tensor:
        """Return the logits of voices, from what is known of each, shape (…, voices, D)."""
        for layer in self.head:
            x = layer(x)
        x = self.norm(x)
        logits = self.pitch(x) + usual
        logits = logits + self._to_pitches(self.step(x), before)
        return logits + self._to_pitches(self.interval(x), beside)  # type: ignore[no-any-return]

    def loss(self, frames: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean cost of the voices that are wanted, in nats.

        Parameters
        ----------
        frames : Tensor, shape (B, T, 4), int64
            Numbers of pitches, -1 after the end.
        wanted : Tensor, shape (B, T, 4), int64
            The same, or -1 where a frame does not count.
        """
        logits = self(frames.clamp(min=0)).float()
        return F.cross_entropy(logits.flatten(0, 2), wanted.flatten(), ignore_index=-1)

    def _read(self, before: Tensor, reading: DecoderState | None = None) -> Tensor:
        """Return what the layers read: of the frame before each, shape (B, T, D)."""
        first = reading.cache.length if reading else 0
        last = reading.last if reading else None
        held = _held(before, last, reading.held if reading else None)
        if reading:
            reading.last, reading.held = before[:, -1], held[:, -1]
        offset = torch.arange(NUM_VOICES, device=before.device)
        earlier = torch.cat([before[:, :1] if last is None else last[:, None], before[:, :-1]], 1)
        bass = before[..., NUM_VOICES - 1 :]
        above = before[..., : NUM_VOICES - 1]
        over = torch.where((above > 0) & (bass > 0), (above - bass) % 12, _OVER_BASS - 1)
        place = torch.arange(first, first + before.shape[1], device=before.device) % FRAMES_PER_BAR
        x = (
            self._told(self.sung(before + offset * NUM_PITCHES))
            + self._told(self.held(held + offset * (MAX_HELD + 1)))
            + self._told(self.moved(_steps(earlier, before) + offset * _STEPS))
            + self._told(self.over_bass(over + offset[: NUM_VOICES - 1] * _OVER_BASS))
            + self.place(place)
        )
        if not first:
            x = torch.cat([x[:, :1] + self.beginning, x[:, 1:]], dim=1)
        return dropped(x, self.config.stack.dropout) if self.training else x

    def _told(self, found: Tensor) -> Tensor:
        """Add up what is told of the voices, some of it forgotten, shape (B, T, D)."""
        if self.training and self.config.forgotten:
            kept = torch.rand(*found.shape[:-1], 1, device=found.device) >= self.config.forgotten
            found = found * kept
        return found.sum(dim=2)

    def _to_pitches(self, by_interval: Tensor, reference: Tensor) -> Tensor:
        """Give each pitch the weight of its interval from a reference pitch."""
        weights = F.pad(by_interval[..., :_INTERVALS], (0, 1))
        # The reference being silent weighs too: it moves the pitch of silence alone.
        silence = by_interval[..., _INTERVALS:] * (reference[..., None] == 0)
        found = weights.gather(-1, self.between[reference])
        return found + F.pad(silence, (0, NUM_PITCHES - 1))


class _HeadLayer(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm = nn.LayerNorm(width, bias=False)
        self.thinking = nn.Linear(width, 4 * width)
        self.thought = nn.Linear(2 * width, width)
        nn.init.normal_(self.thinking.weight, std=INITIAL_SPREAD)
        nn.init.normal_(self.thought.weight, std=INITIAL_SPREAD / 2)

    def forward(self, x: Tensor) -> Tensor:
        units, gates = self.thinking(self.norm(x)).chunk(2, dim=-1)
        thought = self.thought(F.silu(gates) * units)
        return x + (dropped(thought, self.dropout) if self.training else thought)


def _table(count: int, width: int) -> nn.Embedding:
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=INITIAL_SPREAD)
    return table


def _between() -> Tensor:
    """Return the place of each interval, by reference and pitch, shape (N, N)."""
    pitches = torch.arange(NUM_PITCHES)
    places = pitches - pitches[:, None] + NUM_PITCHES - 2
    silent = pitches == 0
    return torch.where(silent | silent[:, None], _INTERVALS, places)


def _steps(first: Tensor, second: Tensor) -> Tensor:
    """Return by what step each voice moved, from 0 to below `_STEPS`."""
    steps = (second - first).clamp(-MAX_STEP, MAX_STEP) + MAX_STEP
    return torch.where((first == 0) ^ (second == 0), _STEPS - 1, steps)


def _held(frames: Tensor, last: Tensor | None = None, held: Tensor | None = None) -> Tensor:
    """Return for how many frames each voice has held its pitch, from 0 to `LONGEST`.

    `last` is the frame before the first, shape (B, 4), and `held` the same of it.
    """
    times = torch.arange(frames.shape[1], device=frames.device)[:, None]
    changed = torch.ones_like(frames, dtype=torch.bool)
    changed[:, 1:] = frames[:, 1:] != frames[:, :-1]
    if last is not None:
        changed[:, 0] = frames[:, 0] != last
    since = torch.where(changed, times, -1).cummax(dim=1).values
    before = -1 if held is None else held[:, None]
    return torch.where(since >= 0, times - since, before + 1 + times).clamp(max=MAX_HELD)


# --- chorale weights ---

CHECKPOINT_KIND: Final = "chorales"
#: Raised when a frame comes to mean something else.
VERSION: Final = 1
PRETRAINED: Final = WEIGHTS / "chorales.safetensors"


def save_chorale_network(network: ChoraleTransformer, path: Path, told: Mapping[str, Any]) -> str:
    """Write a network, as a whole or not at all.

    Parameters
    ----------
    network : ChoraleTransformer
    path : Path
    told : mapping
        JSON values: how it was learned, and how well.

    Returns
    -------
    str
        The fingerprint.

    Raises
    ------
    DiskFull
    """
    about = {"configuration": asdict(network.config), "version": VERSION, "told": dict(told)}
    return save_checkpoint(path, CHECKPOINT_KIND, about, shortened(network.state_dict()))


def load_chorale_network(path: Path = PRETRAINED) -> ChoraleTransformer:
    """Read a network; else the one that comes with Segue.

    Raises
    ------
    BadCheckpoint
        The file is not there, damaged, or of another version.
    """
    checkpoint = load_checkpoint(path, CHECKPOINT_KIND)
    about, tensors = checkpoint.about, checkpoint.tensors
    if about.get("version") != VERSION:
        raise BadCheckpoint(
            f"{path} knows chorales of version {about.get('version')}, this Segue writes version "
            f"{VERSION}; save it anew"
        )
    try:
        config = about["configuration"]
        network = ChoraleTransformer(
            ChoraleConfig(
                StackConfig(**config["stack"]), config["head_layers"], config["forgotten"]
            )
        )
        network.load_state_dict(restored(tensors))
    except (KeyError, TypeError, RuntimeError, BadArgument) as error:
        raise BadCheckpoint(f"{path} holds no whole network of chorales ({error})") from None
    return network.eval().requires_grad_(False)
