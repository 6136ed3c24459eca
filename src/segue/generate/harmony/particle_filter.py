"""Sampling of alto, tenor and bass below a given soprano with a particle filter.

The chorale network generates frame by frame and cannot look ahead to the soprano's next notes.
Therefore many harmonisations, the particles, are sampled in parallel and weighted by the likelihood
of the soprano's next frame; those to which it comes as a surprise are replaced by copies of the
others (sequential Monte Carlo: Gordon, Salmond & Smith 1993). At the end the likeliest is returned.

Voice-leading rules are hard constraints: no voice crossing, no pitch out of a voice's range, no
parallel fifths and octaves.

Shape legend: K particles, T frames, N pitches (0 is silence), D width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.generate.harmony.chorale_network import (
    FRAMES_PER_BAR,
    LOWEST_PITCH,
    NUM_PITCHES,
    NUM_VOICES,
    ChoraleTransformer,
    DecoderState,
)
from segue.nn.sampling import MASKED, Sampling, sample

#: Lowest and highest MIDI pitch of soprano, alto, tenor and bass; in Bach's chorales one note in
#: two hundred is outside.
VOICE_RANGES: Final = ((60, 81), (53, 74), (48, 69), (36, 62))
#: Effective sample size, as a share of the particles, below which they are resampled.
_MIN_EFFECTIVE_SHARE: Final = 0.5
#: Frames that are kept when the context is full; whole bars, as in training.
_KEPT_FRAMES: Final = 128
MAX_PARTICLES: Final = 512
#: Penalty in nats for a particle from which a required chord cannot be reached.
_UNREACHABLE_PENALTY: Final = 8.0
DEFAULT_SAMPLING: Final = Sampling(temperature=0.78, top_p=0.95)

Watcher = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ParticleFilterOptions:
    """Options of the particle filter.

    Attributes
    ----------
    sampling : Sampling
    particles : int
        Number of particles; 1 is plain autoregressive sampling.
    strict : bool
        Whether voice-leading rules are hard constraints.

    Raises
    ------
    BadArgument
    """

    sampling: Sampling = DEFAULT_SAMPLING
    particles: int = 32
    strict: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.particles <= MAX_PARTICLES:
            raise BadArgument(f"{self.particles} particles; from 1 to {MAX_PARTICLES} are possible")


@dataclass(frozen=True, slots=True)
class ChordConstraint:
    """A chord required at the beginning or at the end; the data do not mark the end of a chorale.

    Attributes
    ----------
    frames : int
        Number of frames from the beginning or to the end.
    bass : int
        Pitch class of the bass, relative to pitch code 1, a C.
    classes : frozenset of int
        Pitch classes of the other voices, the bass's among them.
    """

    frames: int
    bass: int
    classes: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class SampledVoices:
    """Four sampled voices.

    Attributes
    ----------
    frames : Tensor, shape (T, 4), int64
        Pitch codes, the given soprano first.
    nll : float
        Mean negative log-likelihood of a voice in a frame in nats, the soprano's included.
    """

    frames: Tensor
    nll: float


@torch.inference_mode()
def sample_voices(
    network: ChoraleTransformer,
    soprano: Tensor,
    options: ParticleFilterOptions,
    generator: torch.Generator,
    opening: ChordConstraint | None = None,
    ending: ChordConstraint | None = None,
    watch: Watcher | None = None,
) -> SampledVoices:
    """Sample three voices below a soprano.

    Parameters
    ----------
    network : ChoraleTransformer
    soprano : Tensor, shape (T,), int64
        Pitch codes.
    options : ParticleFilterOptions
    generator : torch.Generator
    opening, ending : ChordConstraint, optional
    watch : callable, optional
        Called with the number of frames done and in total.

    Raises
    ------
    BadArgument
        The soprano has no frame, or an invalid pitch code.
    """
    if soprano.ndim != 1 or not len(soprano):
        raise BadArgument(f"a soprano of shape {tuple(soprano.shape)}; it has at least one frame")
    if not 0 <= int(soprano.min()) <= int(soprano.max()) < NUM_PITCHES:
        raise BadArgument(
            f"the soprano's pitch codes are from {int(soprano.min())} to {int(soprano.max())}; "
            f"expected 0 to {NUM_PITCHES - 1}"
        )
    constraints: list[ChordConstraint | None] = [None] * len(soprano)
    if opening:
        constraints[: opening.frames] = [opening] * min(opening.frames, len(constraints))
    if ending:
        constraints[-ending.frames :] = [ending] * min(ending.frames, len(constraints))
    particles = _Particles(network, options, generator)
    for at, (pitch, constraint) in enumerate(zip(soprano.tolist(), constraints, strict=True)):
        particles.step(pitch, constraint)
        if watch:
            watch(at + 1, len(soprano))
    return particles.best()


class _Particles:
    """Particles, their weights and their negative log-likelihoods."""

    def __init__(
        self,
        network: ChoraleTransformer,
        options: ParticleFilterOptions,
        generator: torch.Generator,
    ) -> None:
        self.network, self.options, self.generator = network, options, generator
        count = options.particles
        self.committed: list[Tensor] = []  # frames common to all particles
        self.recent = torch.zeros(count, 0, NUM_VOICES, dtype=torch.int64)  # frames since
        self.previous = torch.zeros(count, NUM_VOICES, dtype=torch.int64)
        self.log_weights = torch.zeros(count)
        self.nll = torch.zeros(count, dtype=torch.float64)
        self.state = DecoderState(network.config, count)
        self.context = network.advance(self.previous[:, None], self.state)

    def step(self, pitch: int, constraint: ChordConstraint | None) -> None:
        """Weight the particles by the soprano's next frame, and sample the voices below."""
        if not self.state.cache.free:
            self._shorten_context()
        no_voice = self.previous[:, :0]
        logits = self.network.voice_logits(self.context, self.previous, no_voice)
        soprano = logits.log_softmax(dim=-1)[:, pitch]
        self.log_weights += soprano
        self.nll -= soprano
        self._resample()
        frame = torch.full((self.options.particles, 1), pitch)
        while frame.shape[1] < NUM_VOICES:
            logits = self.network.voice_logits(self.context, self.previous, frame)
            log_probs = logits.log_softmax(dim=-1)
            mask = torch.ones(len(frame), NUM_PITCHES, dtype=torch.bool)
            if self.options.strict:
                mask = allowed_pitches(self.previous, frame)
            if constraint:
                in_chord = mask & constrained_pitches(constraint, frame.shape[1])
                reachable = in_chord.any(dim=1)
                self.log_weights -= _UNREACHABLE_PENALTY * ~reachable
                mask = torch.where(reachable[:, None], in_chord, mask)
            masked = log_probs.masked_fill(~mask, MASKED)
            # A particle whose likely continuations are forbidden has taken a wrong turn.
            self.log_weights += masked.logsumexp(dim=-1)
            chosen = sample(masked, self.options.sampling, self.generator)[:, None]
            self.nll -= log_probs.gather(1, chosen)[:, 0]
            frame = torch.cat([frame, chosen], dim=1)
        self.previous = frame
        self.recent = torch.cat([self.recent, frame[:, None]], dim=1)
        if self.state.cache.free:
            self.context = self.network.advance(frame[:, None], self.state)

    def best(self) -> SampledVoices:
        """Return the likeliest particle."""
        best = int(self._scores().argmax())
        frames = torch.cat([*self.committed, self.recent[best]])
        return SampledVoices(frames, float(self.nll[best]) / frames.numel())

    def _scores(self) -> Tensor:
        # Resampling has reset the weights that the particles had in common.
        return self.log_weights.double() - self.nll

    def _resample(self) -> None:
        """Resample the particles systematically if few of them carry most of the weight."""
        weights = self.log_weights.softmax(dim=0)
        count = self.options.particles
        if float(1 / weights.square().sum()) >= _MIN_EFFECTIVE_SHARE * count:
            return
        # Evenly spaced points with one random offset (Kitagawa 1996).
        points = torch.rand(1, generator=self.generator) + torch.arange(count)
        rows = torch.searchsorted(weights.cumsum(dim=0), points / count)
        self._select(rows.clamp(max=count - 1))
        self.log_weights = torch.zeros_like(self.log_weights)

    def _select(self, rows: Tensor) -> None:
        self.recent, self.previous = self.recent[rows], self.previous[rows]
        self.nll, self.log_weights = self.nll[rows], self.log_weights[rows]
        self.context = self.context[rows]
        self.state.select(rows)

    def _shorten_context(self) -> None:
        """Commit to the likeliest particle, and keep only its last bars as context."""
        count = self.options.particles
        self._select(self._scores().argmax().expand(count))
        self.committed.append(self.recent[0])
        self.recent = self.recent[:, :0]
        known = torch.cat(self.committed[-2:])
        kept = min(_KEPT_FRAMES, self.network.config.stack.context // 2)
        total = sum(map(len, self.committed))
        # A context begins with a bar, as a chorale does.
        first = -(-(total - kept) // FRAMES_PER_BAR) * FRAMES_PER_BAR
        frames = known[first - total :]
        self.state = DecoderState(self.network.config, 1)
        silence = torch.zeros(1, 1, NUM_VOICES, dtype=torch.int64)
        self.context = self.network.advance(torch.cat([silence, frames[None]], dim=1), self.state)
        rows = torch.zeros(count, dtype=torch.int64)
        self.context = self.context[rows]
        self.state.select(rows)


def allowed_pitches(previous: Tensor, above: Tensor) -> Tensor:
    """Return a mask of the pitches that voice-leading rules allow for the next voice.

    Parameters
    ----------
    previous : Tensor, shape (K, 4), int64
        Previous frame.
    above : Tensor, shape (K, voices), int64
        Pitch codes of the voices above in this frame; at least one.

    Returns
    -------
    Tensor, shape (K, N), bool
        Pitches in the voice's range, not above the neighbouring voice, and without parallel fifths
        or octaves with any voice above; if there are none, all pitches but silence.
    """
    voice = above.shape[1]
    pitches = torch.arange(NUM_PITCHES)
    low, high = (pitch - LOWEST_PITCH + 1 for pitch in VOICE_RANGES[voice])
    neighbour = above[:, -1:]
    allowed = (pitches >= low) & (pitches <= high) & ((pitches <= neighbour) | (neighbour == 0))
    own = previous[:, voice, None]
    for other in range(voice):
        before, after = previous[:, other, None], above[:, other, None]
        interval = (before - own) % 12
        moved = (before != after) & (pitches != own) & (before > 0) & (after > 0) & (own > 0)
        parallel = ((interval == 0) | (interval == 7)) & ((after - pitches) % 12 == interval)
        allowed = allowed & ~(moved & parallel)
    return torch.where(allowed.any(dim=1, keepdim=True), allowed, pitches > 0)


def constrained_pitches(constraint: ChordConstraint, voice: int) -> Tensor:
    """Return a mask of the pitches that a chord allows for a voice, shape (N,), bool."""
    classes = {constraint.bass} if voice == NUM_VOICES - 1 else constraint.classes
    return torch.tensor([code > 0 and (code - 1) % 12 in classes for code in range(NUM_PITCHES)])
