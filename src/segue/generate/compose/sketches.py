"""Music composed from a sketch: a point of a latent space of piano rolls, decoded to four bars.

A decoded point has the harmony, the texture and the instruments of a passage, and fragments of its
lines. The composer goes on from these bars over the same chords, several times; of what it writes,
that which the encoder maps nearest to the point is kept. Its similarity to the point is reported,
beside that of the sketch.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.plan import BarChord, BarPlan
from segue.generate.compose.planning import key_index
from segue.generate.compose.sampler import BarSampler
from segue.generate.compose.tokens import Bar, bars_to_score, score_to_bars, steps_per_bar
from segue.records import FloatArray, Score
from segue.score.harmony import estimate_chords
from segue.score.piano_roll import STEPS_PER_QUARTER, WINDOW_BARS, PianoRoll
from segue.score.vae.model import padded_windows
from segue.theory.chords import parse_chord

if TYPE_CHECKING:
    from segue.generate.compose.model import Composer
    from segue.nn.sampling import Sampling
    from segue.score.vae.model import RollModel

#: Compositions for each sketch, of which the nearest is kept.
ATTEMPTS: Final = 4
#: Bars of a sketch in which an instrument plays at least to be one of the band.
_MIN_BARS: Final = 2
#: Distinct bars of a part that may coincide with a training piece.
_MAX_COPY: Final = 2
_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ComposedSketch:
    """Four bars composed from a sketch.

    Attributes
    ----------
    sketch : PianoRoll
    score : Score
        What is composed; the sketch itself where the composer wrote nothing but silence.
    similarity : float
        Cosine similarity of its latent to that of the sketch, both centred, -1 to 1.
    """

    sketch: PianoRoll
    score: Score
    similarity: float

    @property
    def roll(self) -> PianoRoll:
        """The piano roll of what is composed, of as many bars as the sketch."""
        return _first_bars(PianoRoll.from_score(self.score), len(self.sketch.cells))


def compose_sketch(
    composer: "Composer",
    model: "RollModel",
    sketch: PianoRoll,
    sampling: "Sampling",
    *,
    attempts: int = ATTEMPTS,
    seed: int = 0,
) -> ComposedSketch:
    """Compose four bars from a sketch.

    Parameters
    ----------
    composer : Composer
    model : RollModel
        Whose latents are compared.
    sketch : PianoRoll
        Four bars, not silent.
    sampling : Sampling
    attempts : int
        Number of compositions, of which the one nearest to the sketch is kept; at least 1.
    seed : int
    """
    score = sketch.to_score()
    bars = score_to_bars(score)
    bars += [Bar(bars[-1].time_signature, bars[-1].tempo, ())] * (len(sketch.cells) - len(bars))
    counts = Counter(instrument for bar in bars for instrument in bar.instruments)
    band = {each for each, count in counts.items() if count >= _MIN_BARS} or set(counts)
    bars = [bar.select(bar.instruments & band) for bar in bars]
    plans = [BarPlan(chords) for chords in _chords(score, bars)]
    options = CompositionOptions(
        sampling, tuple(sorted(band)), key=key_index(score), max_copy=_MAX_COPY
    )
    target = _latent(model, sketch)
    best = ComposedSketch(sketch, score, 1.0)
    similarities: list[float] = []
    for each in np.random.default_rng(seed).integers(1 << 31, size=attempts).tolist():
        sampler = BarSampler(composer, replace(options, seed=each))
        written = list(sampler.extend(len(bars), bars, plans))
        if not any(bar.notes for bar in written):
            continue
        composed = bars_to_score(written)
        similarity = _cosine(_latent(model, PianoRoll.from_score(composed)), target)
        if similarity > max(similarities, default=-np.inf):
            best = ComposedSketch(sketch, composed, similarity)
        similarities.append(similarity)
    return best


def _chords(score: Score, bars: list[Bar]) -> list[tuple[BarChord, ...]]:
    """Return the estimated chords of each bar."""
    chords: list[list[BarChord]] = [[] for _ in bars]
    for chord in estimate_chords(score):
        if chord.bar < len(bars) and chord.root >= 0:
            tick = chord.start * STEPS_PER_QUARTER // score.ticks_per_quarter
            step = tick - chord.bar * steps_per_bar(bars[0].time_signature)
            chords[chord.bar].append(BarChord.of(parse_chord(chord.name), step))
    return [tuple(each) for each in chords]


def _first_bars(roll: PianoRoll, count: int) -> PianoRoll:
    return replace(roll, cells=roll.cells[:count])


def _latent(model: "RollModel", roll: PianoRoll) -> FloatArray:
    """Return the centred latent of the first four bars."""
    mean, _ = model.encode(padded_windows(_first_bars(roll, WINDOW_BARS).cells))
    return np.asarray(mean[0] - model.mean, np.float32)


def _cosine(first: FloatArray, second: FloatArray) -> float:
    norms = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(first @ second) / max(norms, _EPSILON)
