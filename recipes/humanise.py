"""The model of drummers' timing and velocity: weights/groove.safetensors.

    python -m recipes.humanise --data ../shared/data

Fitted to the training drummers of the Groove MIDI Dataset (Gillick et al. 2019), who played to a
click: the mixtures by expectation maximisation, the states by maximum likelihood. The power of the
tempo is chosen on the validation drummers.
"""

import argparse
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.optimize import Bounds, minimize
from scipy.special import expit, logsumexp

from segue.builtin_spaces import WEIGHTS
from segue.generate.compose.humanise import (
    DRUM_GROUPS,
    POSITIONS,
    Deviations,
    Floats,
    GrooveModel,
    drum_groups,
)
from segue.io.midi import read_midi

#: Whole drummers; all others are for training.
VALIDATION: Final = ("drummer5", "drummer9")
TEST: Final = ("drummer3", "drummer4", "drummer8", "drummer10")
TEMPO_EXPONENTS: Final = (0.0, 0.5, 1.0)
#: A beat has triplets if that lowers the sum of squared offsets (beats squared) by this.
TRIPLET_PENALTY: Final = 0.04**2
MIN_STDS: Final = {"timing": 2.0, "velocity": 4.0}
PSEUDO_HITS: Final = 30.0
#: Hits of a performance that the mixtures are fitted to, and the states, of every fourth one.
MIXTURE_HITS: Final = 500
VALIDATION_HITS: Final = 400
STATE_HITS: Final = 100
_NAME: Final = re.compile(r"(drummer\d+)/.*_(\d+)_(beat|fill)_4-4\.mid")

Quantity = Literal["timing", "velocity"]


@dataclass(frozen=True, slots=True, eq=False)
class Drumming:
    """A performance, quantised.

    Attributes
    ----------
    drummer : str
    bpm : float
    steps, groups : ndarray, shape (n,), int64
        Sixteenth and drum group of each hit, in order of time.
    timing, velocity : ndarray, shape (n,), float64
        Milliseconds after the grid, and MIDI velocity.
    """

    drummer: str
    bpm: float
    steps: NDArray[np.int64]
    groups: NDArray[np.int64]
    timing: Floats
    velocity: Floats


def read_drumming(data: Path) -> list[Drumming]:
    """Read the performances in 4/4 of eight hits or more."""
    performances = []
    with zipfile.ZipFile(data / "scores" / "groove_midi.zip") as archive:
        for name in sorted(archive.namelist()):
            match = _NAME.fullmatch(name)
            if not match:
                continue
            score = read_midi(archive.read(name))
            notes = np.concatenate([part.notes for part in score.parts])
            performance = _quantised(notes, score.ticks_per_quarter, match[1], float(match[2]))
            if len(performance.steps) >= 8:
                performances.append(performance)
    return performances


def _quantised(
    notes: NDArray[np.int32], ticks_per_quarter: int, drummer: str, bpm: float
) -> Drumming:
    """Quantise each beat to sixteenths or to triplets; of a group's hits at a place keep one."""
    beats = notes[:, 0] / ticks_per_quarter
    whole = np.rint(beats * 12).astype(np.int64) // 12  # a beat begins a little before the click
    inside = beats - whole
    grids = [np.rint(inside * count) / count for count in (4, 3)]
    offsets = [inside - grid for grid in grids]
    index = whole - whole.min()
    costs = [np.bincount(index, weights=offset**2) for offset in offsets]
    is_triplet = (costs[1] + TRIPLET_PENALTY < costs[0])[index]
    grid, offset = (
        np.where(is_triplet, candidates[1], candidates[0]) for candidates in (grids, offsets)
    )
    steps = np.rint((whole + grid) * 4).astype(np.int64)
    groups = drum_groups(notes[:, 2])
    # Grace notes of flams and rolls are no notes of the grid: the loudest hit counts.
    order = np.lexsort((-notes[:, 3], groups, steps))
    distinct = np.unique(np.stack([steps, groups])[:, order], axis=1, return_index=True)[1]
    chosen = order[distinct]
    chosen = chosen[np.lexsort((groups[chosen], steps[chosen]))]
    return Drumming(
        drummer,
        bpm,
        steps[chosen],
        groups[chosen],
        offset[chosen] * 60_000 / bpm,
        notes[chosen, 3].astype(np.float64),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Hits of performances, padded to one length.

    Attributes
    ----------
    steps, groups : ndarray, shape (performances, hits), int64
    values : ndarray, shape (performances, hits), float64
    mask : ndarray, shape (performances, hits), bool
    """

    steps: NDArray[np.int64]
    groups: NDArray[np.int64]
    values: Floats
    mask: NDArray[np.bool_]


def batch_of(
    performances: Sequence[Drumming], quantity: Quantity, exponent: float = 0.0, longest: int = 0
) -> Batch:
    """Pad performances; timing is scaled as at 100 quarters a minute."""
    lengths = [min(len(item.steps), longest or len(item.steps)) for item in performances]
    shape = len(performances), max(lengths)
    steps, groups = np.zeros((2, *shape), np.int64)
    values, mask = np.zeros(shape), np.zeros(shape, bool)
    for row, (item, length) in enumerate(zip(performances, lengths, strict=True)):
        scale = (item.bpm / 100) ** exponent if quantity == "timing" else 1.0
        steps[row, :length] = item.steps[:length]
        groups[row, :length] = item.groups[:length]
        values[row, :length] = getattr(item, quantity)[:length] * scale
        mask[row, :length] = True
    return Batch(steps, groups, values, mask)


def negative_log_likelihoods(model: Deviations, batch: Batch) -> Floats:
    """Return the nats of each hit given those before it, by an assumed density filter.

    The mixtures make the posterior of the states a mixture; it is replaced by the normal
    distribution with its mean and covariance at each hit, so that every prediction is a density.

    Returns
    -------
    ndarray, shape (hits,)
        Performance by performance.
    """
    count, hits = batch.values.shape
    rows, size = np.arange(count), 2 + len(DRUM_GROUPS)
    decays = np.r_[model.decays, np.full(size - 2, model.decays[1])].astype(np.float64)
    prior = np.r_[model.state_stds[:2], np.full(size - 2, model.state_stds[2])] ** 2.0
    mean, covariance = np.zeros((count, size)), np.tile(np.diag(prior), (count, 1, 1))
    weights = model.weights
    last = np.tile(weights, (count, 1, 1, 1))
    nats, previous = np.zeros((count, hits)), batch.steps[:, 0]
    for hit in range(hits):
        active, group, step = batch.mask[:, hit], batch.groups[:, hit], batch.steps[:, hit]
        position = step % POSITIONS
        decay = decays ** np.where(active, step - previous, 0)[:, None]
        mean = mean * decay
        covariance = covariance * decay[:, :, None] * decay[:, None, :]
        covariance[:, range(size), range(size)] += prior * (1 - decay**2)
        gain = covariance[:, :, 0] + covariance[:, :, 1] + covariance[rows, :, 2 + group]
        state = mean[:, 0] + mean[:, 1] + mean[rows, 2 + group]
        variance = gain[:, 0] + gain[:, 1] + gain[rows, 2 + group]
        variances = variance[:, None] + model.stds[group, position] ** 2.0
        errors = (batch.values[:, hit] - state)[:, None] - model.means[group, position]
        mixed = model.persistence * last[rows, group, position]
        mixed += (1 - model.persistence) * weights[group, position]
        logs = np.log(mixed + 1e-12) - 0.5 * (np.log(2 * np.pi * variances) + errors**2 / variances)
        total = logsumexp(logs, axis=1)
        nats[:, hit] = -total
        shares = np.exp(logs - total[:, None]) * active[:, None]
        last[rows, group, position] = np.where(active[:, None], shares, last[rows, group, position])
        slopes = errors / variances
        slope = (shares * slopes).sum(axis=1)
        curve = (shares * (slopes**2 - 1 / variances)).sum(axis=1) - slope**2
        mean += gain * slope[:, None]
        covariance += gain[:, :, None] * gain[:, None, :] * curve[:, None, None]
        previous = np.where(active, step, previous)
    return nats[batch.mask]


def independent(model: Deviations) -> Deviations:
    """Return the model without memory: the states' variance is added to that of each hit."""
    return replace(
        model,
        persistence=0.0,
        stds=np.sqrt(model.stds**2 + (model.state_stds**2).sum()),
        state_stds=np.zeros(3),
    )


def _fit_mixtures(batch: Batch, quantity: Quantity) -> tuple[Floats, ...]:
    """Fit the mixtures to hits without their performance's level; return weights, means, stds."""
    shape = len(DRUM_GROUPS), POSITIONS
    places = (batch.groups * POSITIONS + batch.steps % POSITIONS)[batch.mask]
    values = batch.values[batch.mask]
    size, means = shape[0] * shape[1], np.zeros(shape[0] * shape[1])
    # The level of a group in a performance is what its state holds; some of it is chance.
    owners = (np.arange(len(batch.mask))[:, None] * shape[0] + batch.groups)[batch.mask]
    level = np.zeros(len(values))
    for _ in range(3):
        counts = np.bincount(places, minlength=size)
        means = np.bincount(places, values - level, size) / np.maximum(counts, 1)
        hits = np.bincount(owners)
        level = (np.bincount(owners, values - means[places]) / (hits + 5.0))[owners]
    residuals = values - level
    result = np.zeros((3, *shape, 2))
    for group in range(shape[0]):
        of_group = residuals[places // POSITIONS == group]
        prior = _mixture(of_group, MIN_STDS[quantity])
        for position in range(POSITIONS):
            hits_here = residuals[places == group * POSITIONS + position]
            result[:, group, position] = _mixture(hits_here, MIN_STDS[quantity], prior)
    order = np.argsort(result[1], axis=2)
    weights, means, stds = (np.take_along_axis(table, order, axis=2) for table in result)
    return weights, means, stds


def _mixture(values: Floats, min_std: float, prior: Floats | None = None) -> Floats:
    """Fit two normal distributions by expectation maximisation; rows weights, means, stds."""
    if prior is None:
        centre, spread = values.mean(), values.std()
        weights, means = np.full(2, 0.5), centre + spread * np.array([-0.7, 0.7])
        stds, pseudo = np.full(2, spread), 0.0
    else:
        (weights, means, stds), pseudo = prior, PSEUDO_HITS
    first = weights, means, stds
    for _ in range(25):
        z_scores = (values[:, None] - means) / stds
        logs = np.log(weights) - np.log(stds) - z_scores**2 / 2
        shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        counts = shares.sum(axis=0) + pseudo * first[0] + 1e-3
        sums = (shares * values[:, None]).sum(axis=0) + (pseudo * first[0] + 1e-3) * first[1]
        new_means = sums / counts
        squares = (shares * (values[:, None] - new_means) ** 2).sum(axis=0)
        squares += (pseudo * first[0] + 1e-3) * (first[2] ** 2 + (first[1] - new_means) ** 2)
        weights, means = counts / counts.sum(), new_means
        stds = np.maximum(np.sqrt(squares / counts), min_std)
    return np.stack([weights, means, stds])


def fit(performances: Sequence[Drumming], quantity: Quantity, exponent: float = 0.0) -> Deviations:
    """Fit the model of one quantity."""
    hits = batch_of(performances, quantity, exponent, MIXTURE_HITS)
    weights, means, stds = _fit_mixtures(hits, quantity)
    batch = batch_of(performances[::4], quantity, exponent, STATE_HITS)
    spread = float(np.median(stds))

    def with_states(values: Floats) -> Deviations:
        persistence, fast, slow = expit(values[:3])
        state_stds, scale = np.exp(values[3:6]), np.exp(values[6])
        return Deviations(
            weights, means, stds * scale, float(persistence), np.array([fast, slow]), state_stds
        )

    def loss(values: Floats) -> float:
        return float(negative_log_likelihoods(with_states(values), batch).mean())

    start = np.r_[0.5, 0.5, 5.0, np.log(spread * np.array([0.4, 0.4, 0.4])), 0.0]
    slack = np.array([4.0, 4.0, 3.0, 3.0, 3.0, 3.0, 1.0])
    best = minimize(
        loss,
        start,
        method="L-BFGS-B",
        bounds=Bounds(start - slack, start + slack),
        options={"maxiter": 40, "eps": 1e-3},
    )
    return with_states(best.x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    performances = read_drumming(options.data)
    validation = [item for item in performances if item.drummer in VALIDATION]
    training = [item for item in performances if item.drummer not in (*VALIDATION, *TEST)]
    print(len(training), "training,", len(validation), "validation")
    losses = {}
    for exponent in TEMPO_EXPONENTS:
        timing = fit(training, "timing", exponent)
        batch = batch_of(validation, "timing", exponent, VALIDATION_HITS)
        scale = np.concatenate(
            [
                np.full(min(len(item.steps), VALIDATION_HITS), exponent * np.log(item.bpm / 100))
                for item in validation
            ]
        )
        loss = float((negative_log_likelihoods(timing, batch) - scale).mean())
        losses[exponent] = loss, timing
        print(
            f"timing, tempo to the power {exponent}: {loss:.3f} nats", timing.tensors("")[".states"]
        )
    exponent = min(losses, key=lambda exponent: losses[exponent][0])
    velocity = fit(training, "velocity")
    loss = negative_log_likelihoods(
        velocity, batch_of(validation, "velocity", longest=VALIDATION_HITS)
    ).mean()
    print(f"velocity: {loss:.3f} nats", velocity.tensors("")[".states"])
    timing = losses[exponent][1]
    batch = batch_of(training, "timing", exponent)
    latency = float(batch.values[batch.mask].mean())
    model = GrooveModel(timing, velocity, exponent, latency)
    save_file(model.tensors(), WEIGHTS / "groove.safetensors")


if __name__ == "__main__":
    main()
