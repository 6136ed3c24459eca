"""Alto, tenor and bass for a soprano by a particle filter.

Voices are drawn frame by frame, so that a frame cannot know what the soprano does next. Hence
many are drawn side by side, and those to which the soprano's next frame came as a surprise give
way to those that foresaw it: a particle filter (Gordon, Salmond & Smith 1993), whose weights are
the likelihood of the soprano. At the end the likeliest of them is taken.

What every textbook forbids is not drawn: a voice above its neighbour or out of a choir's range,
and fifths and octaves in parallel.

Shape legend: K drawn side by side, T frames, N pitches (0 is silence), D width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.generate.harmony.chorale_network import (
    LOWEST_PITCH,
    NUM_PITCHES,
    NUM_VOICES,
    ChoraleTransformer,
    DecoderState,
)
from segue.nn.sampling import NEVER, Sampling, choose

#: Lowest and highest MIDI pitch of soprano, alto, tenor and bass: what Bach asks of them, but for
#: one note in two hundred.
VOICE_RANGES: Final = ((60, 81), (53, 74), (48, 69), (36, 62))
#: Where fewer count, as by their weights, they are drawn again.
_FEWEST: Final = 0.5
#: Of frames in view, so many are read anew where no more fit; whole bars, as in training.
_KEPT: Final = 128
MAX_PARTICLES: Final = 512
#: What it costs, in nats, to have come where a given chord cannot follow.
_FORCED: Final = 8.0

Watcher = Callable[[int, int], None]


DEFAULT_SAMPLING: Final = Sampling(temperature=0.9, top_p=0.95)


@dataclass(frozen=True, slots=True)
class ParticleFilterOptions:
    """How voices are drawn.

    Attributes
    ----------
    sampling : Sampling
    drawn : int
        So many side by side; 1 knows nothing of what the soprano does next.
    strict : bool
        What textbooks forbid is not drawn.

    Raises
    ------
    BadArgument
    """

    sampling: Sampling = DEFAULT_SAMPLING
    drawn: int = 32
    strict: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.drawn <= MAX_PARTICLES:
            raise BadArgument(f"{self.drawn} drawn side by side; from 1 to {MAX_PARTICLES} can be")


@dataclass(frozen=True, slots=True)
class ChordConstraint:
    """A chord to begin or to end with: nothing in the data says where a chorale ends.

    Attributes
    ----------
    frames : int
        So many, from the beginning or to the end.
    bass : int
        Pitch class, 0 for number 1.
    classes : frozenset of int
        What the other voices may sing, the bass's among them.
    """

    frames: int
    bass: int
    classes: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class SampledVoices:
    """Four voices.

    Attributes
    ----------
    frames : Tensor, shape (T, 4), int64
        Numbers of pitches, soprano first, as given.
    nats : float
        What a voice of a frame costs in the mean, the soprano's included.
    """

    frames: Tensor
    nats: float


@torch.inference_mode()
def sample_voices(
    network: ChoraleTransformer,
    soprano: Tensor,
    choir: ParticleFilterOptions,
    generator: torch.Generator,
    opening: ChordConstraint | None = None,
    close: ChordConstraint | None = None,
    watch: Watcher | None = None,
) -> SampledVoices:
    """Draw three voices below a soprano.

    Parameters
    ----------
    network : ChoraleTransformer
    soprano : Tensor, shape (T,), int64
        Numbers of pitches.
    choir : Choir
    generator : torch.Generator
    opening, close : Given, optional
    watch : callable, optional
        Told how many frames of how many are sung.

    Returns
    -------
    Sung

    Raises
    ------
    BadArgument
        The soprano has no frame, or a number that is no pitch.
    """
    if soprano.ndim != 1 or not len(soprano):
        raise BadArgument(f"a soprano of shape {tuple(soprano.shape)}; it has at least one frame")
    if not 0 <= int(soprano.min()) <= int(soprano.max()) < NUM_PITCHES:
        raise BadArgument(
            f"the soprano's numbers are from {int(soprano.min())} to {int(soprano.max())}; pitches "
            f"are numbered from 0 to {NUM_PITCHES - 1}"
        )
    drawing = _Drawing(network, choir, generator)
    chords: list[ChordConstraint | None] = [None] * len(soprano)
    if opening:
        chords[: opening.frames] = [opening] * min(opening.frames, len(chords))
    if close:
        chords[-close.frames :] = [close] * min(close.frames, len(chords))
    for at, (pitch, given) in enumerate(zip(soprano.tolist(), chords, strict=True)):
        drawing.sing(pitch, given)
        if watch:
            watch(at + 1, len(soprano))
    return drawing.best()


class _Drawing:
    """What is drawn side by side, and what each costs."""

    def __init__(
        self, network: ChoraleTransformer, choir: ParticleFilterOptions, generator: torch.Generator
    ) -> None:
        self.network, self.choir, self.generator = network, choir, generator
        count = choir.drawn
        self.done: list[Tensor] = []  # frames that are decided
        self.open = torch.zeros(count, 0, NUM_VOICES, dtype=torch.int64)  # those since
        self.before = torch.zeros(count, NUM_VOICES, dtype=torch.int64)
        self.weights = torch.zeros(count)
        self.costs = torch.zeros(count, dtype=torch.float64)
        self.reading = DecoderState(network.config, count)
        self.context = network.read(self.before[:, None], self.reading)

    def sing(self, pitch: int, given: ChordConstraint | None) -> None:
        """Give the soprano's next frame, and draw the voices below."""
        if not self.reading.cache.room:
            self._read_anew()
        nothing = self.before[:, :0]
        first = self.network.voice(self.context, self.before, nothing).log_softmax(dim=-1)[:, pitch]
        self.weights += first
        self.costs -= first
        self._draw_again()
        frame = torch.full((self.choir.drawn, 1), pitch)
        while frame.shape[1] < NUM_VOICES:
            likely = self.network.voice(self.context, self.before, frame).log_softmax(dim=-1)
            may = _anything(len(frame))
            if self.choir.strict:
                may = allowed_pitches(self.before, frame)
            if given:
                goes = may & constrained_pitches(given, frame.shape[1])
                fits = goes.any(dim=1)
                self.weights -= _FORCED * ~fits
                may = torch.where(fits[:, None], goes, may)
            drawn = likely.masked_fill(~may, NEVER)
            # Where little of what is likely may come, the way here was a bad one.
            self.weights += drawn.logsumexp(dim=-1)
            chosen = choose(drawn, self.choir.sampling, self.generator)[:, None]
            self.costs -= likely.gather(1, chosen)[:, 0]
            frame = torch.cat([frame, chosen], dim=1)
        self.before = frame
        self.open = torch.cat([self.open, frame[:, None]], dim=1)
        if self.reading.cache.room:
            self.context = self.network.read(frame[:, None], self.reading)

    def best(self) -> SampledVoices:
        """Return the likeliest of those drawn."""
        best = int(self._scores().argmax())
        frames = torch.cat([*self.done, self.open[best]])
        return SampledVoices(frames, float(self.costs[best]) / frames.numel())

    def _scores(self) -> Tensor:
        # Those that were drawn again have the weights that they had in common behind them.
        return self.weights.double() - self.costs

    def _draw_again(self) -> None:
        """Let the likelier ones take the place of the others, where few count."""
        shares = self.weights.softmax(dim=0)
        if float(1 / shares.square().sum()) >= _FEWEST * self.choir.drawn:
            return
        # Evenly spaced marks along the shares: one random number for all (Kitagawa 1996).
        marks = torch.rand(1, generator=self.generator) + torch.arange(self.choir.drawn)
        rows = torch.searchsorted(shares.cumsum(dim=0), marks / self.choir.drawn)
        self._take(rows.clamp(max=self.choir.drawn - 1))
        self.weights = torch.zeros_like(self.weights)

    def _take(self, rows: Tensor) -> None:
        self.open, self.before = self.open[rows], self.before[rows]
        self.costs, self.weights = self.costs[rows], self.weights[rows]
        self.context = self.context[rows]
        self.reading.take(rows)

    def _read_anew(self) -> None:
        """Decide for the likeliest so far, and keep the last bars alone in view."""
        count = self.choir.drawn
        self._take(self._scores().argmax().expand(count))
        self.done.append(self.open[0])
        self.open = self.open[:, :0]
        known = torch.cat(self.done[-2:])
        kept = min(_KEPT, self.network.config.stack.context // 2)
        # A view begins with a bar, as a chorale does.
        first = -(-(sum(map(len, self.done)) - kept) // 16) * 16
        seen = known[first - sum(map(len, self.done)) :]
        self.reading = DecoderState(self.network.config, 1)
        silence = torch.zeros(1, 1, NUM_VOICES, dtype=torch.int64)
        self.context = self.network.read(torch.cat([silence, seen[None]], dim=1), self.reading)
        rows = torch.zeros(count, dtype=torch.int64)
        self.context = self.context[rows]
        self.reading.take(rows)


def allowed_pitches(before: Tensor, above: Tensor) -> Tensor:
    """Tell what a voice may sing by the textbook.

    Parameters
    ----------
    before : Tensor, shape (K, 4), int64
        The frame before.
    above : Tensor, shape (K, voices), int64
        What the voices above sing; at least one.

    Returns
    -------
    Tensor, shape (K, N), bool
        In the voice's range, not above its neighbour, and no fifths or octaves in parallel with
        any voice above; where nothing is left, whatever is no silence.
    """
    number = above.shape[1]
    pitches = torch.arange(NUM_PITCHES)
    low, high = (pitch - LOWEST_PITCH + 1 for pitch in VOICE_RANGES[number])
    neighbour = above[:, -1:]
    found = (pitches >= low) & (pitches <= high) & ((pitches <= neighbour) | (neighbour == 0))
    own = before[:, number, None]
    for other in range(number):
        was, now = before[:, other, None], above[:, other, None]
        perfect = (was - own) % 12
        moved = (was != now) & (pitches != own) & (was > 0) & (now > 0) & (own > 0)
        parallel = ((perfect == 0) | (perfect == 7)) & ((now - pitches) % 12 == perfect)
        found = found & ~(moved & parallel)
    return torch.where(found.any(dim=1, keepdim=True), found, pitches > 0)


def constrained_pitches(given: ChordConstraint, number: int) -> Tensor:
    """Tell what a voice, by its number, may sing in a given chord, shape (N,), bool."""
    classes = {given.bass} if number == NUM_VOICES - 1 else given.classes
    return torch.tensor([pitch > 0 and (pitch - 1) % 12 in classes for pitch in range(NUM_PITCHES)])


def _anything(rows: int) -> Tensor:
    return torch.ones(rows, NUM_PITCHES, dtype=torch.bool)
