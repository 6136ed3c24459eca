"""Likelihood of drummers' timing and velocity, and how near generated velocities come to them.

    python -m bench.humanise --data ../shared/data

On drummers that nothing was fitted to or chosen by, see `recipes/humanise.py`. Every row is a
density of each hit, so that the rows can be compared; less is better.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bench import result_tables
from recipes.humanise import (
    TEST,
    VALIDATION,
    Drumming,
    Quantity,
    batch_of,
    independent,
    negative_log_likelihoods,
    read_drumming,
)
from segue.generate.compose.humanise import (
    DRUM_GROUPS,
    POSITIONS,
    Deviations,
    Floats,
    GrooveModel,
    HumaniseOptions,
    humanise,
)
from segue.records import Part, Score

QUANTITIES: Final[tuple[Quantity, ...]] = ("timing", "velocity")
#: Hits of a group at a position from which on its mean velocity is compared.
MIN_HITS: Final = 20
#: Constant velocity of the scores that are humanised.
VELOCITY: Final = 80
TICKS_PER_QUARTER: Final = 480


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    performances = read_drumming(options.data)
    training = [item for item in performances if item.drummer not in (*TEST, *VALIDATION)]
    test = [item for item in performances if item.drummer in TEST]
    model = GrooveModel.pretrained()
    ways = _ways(training, test, model)
    counts = {name: sum(len(item.steps) for item in test if item.drummer == name) for name in TEST}
    rows = [
        [way, *(f"{_by_drummer(nats, test):.3f} / {nats.mean():.3f}" for nats in measures)]
        for way, measures in ways.items()
    ]
    heads = ["", "timing (ms)", "velocity"]
    drummers = ", ".join(f"{name} ({count:,} hits)" for name, count in counts.items())
    result_tables.write_table(
        "humanise",
        "Humanisation",
        [
            f"Nats a hit on held-out drummers, mean over drummers / over hits: {drummers}.\n",
            result_tables.table(heads, rows),
            "\nMean velocity of each drum group and position: correlation with that of the\n"
            f"held-out drummers. Their hits at constant velocity {VELOCITY}, humanised:\n",
            result_tables.table(
                ["", "over all", "within the group"], _profiles(training, test, model)
            ),
        ],
    )


def _by_drummer(nats: Floats, performances: Sequence[Drumming]) -> float:
    """Return the mean over drummers of their mean over hits."""
    drummers = np.repeat(
        [item.drummer for item in performances], [len(item.steps) for item in performances]
    )
    return float(np.mean([nats[drummers == name].mean() for name in np.unique(drummers)]))


def _ways(
    training: Sequence[Drumming], test: Sequence[Drumming], model: GrooveModel
) -> dict[str, list[Floats]]:
    """Return the nats of each hit's timing and velocity, by way of humanising."""
    ways: dict[str, list[Floats]] = {}
    groups = np.concatenate([item.groups for item in test])
    known_groups = np.concatenate([item.groups for item in training])
    scale = np.concatenate([np.full(len(item.steps), np.log(item.bpm / 100)) for item in test])
    for quantity in QUANTITIES:
        known = np.concatenate([getattr(item, quantity) for item in training])
        values = np.concatenate([getattr(item, quantity) for item in test])
        centre = 0.0 if quantity == "timing" else known.mean()
        spread = np.sqrt(np.mean((known - centre) ** 2))
        of_group = [known[known_groups == group] for group in range(len(DRUM_GROUPS))]
        means, stds = (np.array([f(hits) for hits in of_group])[groups] for f in (np.mean, np.std))
        deviations: Deviations = getattr(model, quantity)
        batch = batch_of(test, quantity, model.tempo_exponent)
        units = model.tempo_exponent * scale if quantity == "timing" else np.zeros(len(scale))
        for way, nats in {
            "on the grid, one velocity; normal distribution about it": _normal(
                values, centre, spread
            ),
            "independent normal jitter of each drum group": _normal(values, means, stds),
            "the model without memory": negative_log_likelihoods(independent(deviations), batch)
            - units,
            "the model": negative_log_likelihoods(deviations, batch) - units,
        }.items():
            ways.setdefault(way, []).append(nats)
    return ways


def _normal(values: Floats, mean: Floats | float, std: Floats | float) -> Floats:
    return np.asarray(0.5 * (np.log(2 * np.pi * np.square(std)) + ((values - mean) / std) ** 2))


def _profiles(
    training: Sequence[Drumming], test: Sequence[Drumming], model: GrooveModel
) -> list[list[object]]:
    """Compare profiles of mean velocity with that of the test drummers."""
    real, counts = _profile(test)
    known = counts >= MIN_HITS
    rng = np.random.default_rng(0)
    jitter = [
        replace(item, velocity=VELOCITY + rng.normal(0, item.velocity.std(), len(item.steps)))
        for item in test
    ]
    played = [_humanised(item, seed, model) for seed, item in enumerate(test)]
    group_means = np.array(
        [
            np.concatenate([item.velocity[item.groups == group] for item in training]).mean()
            for group in range(len(DRUM_GROUPS))
        ]
    )
    by_group = [replace(item, velocity=group_means[item.groups]) for item in test]
    rows: list[list[object]] = []
    for name, performances in {
        "constant velocity with independent jitter": jitter,
        "mean velocity of each drum group": by_group,
        "the model": played,
        "the training drummers themselves": training,
    }.items():
        profile = _profile(performances)[0]
        pairs = real[known], profile[known]
        within = [table - np.nanmean(np.where(known, table, np.nan), 1, keepdims=True)
                  for table in (real, profile)]  # fmt: skip
        inside = [table[known] for table in within]
        rows.append(
            [
                name,
                float(np.corrcoef(*pairs)[0, 1]),
                "–" if inside[1].std() < 1e-6 else float(np.corrcoef(*inside)[0, 1]),
            ]
        )
    return rows


def _profile(performances: Sequence[Drumming]) -> tuple[Floats, Floats]:
    """Return mean velocity and number of hits, by drum group and position."""
    places = np.concatenate([item.groups * POSITIONS + item.steps % POSITIONS
                             for item in performances])  # fmt: skip
    velocities = np.concatenate([item.velocity for item in performances])
    size, shape = len(DRUM_GROUPS) * POSITIONS, (len(DRUM_GROUPS), POSITIONS)
    counts = np.bincount(places, minlength=size)
    sums = np.bincount(places, velocities, size)
    return (sums / np.maximum(counts, 1)).reshape(shape), counts.reshape(shape).astype(float)


def _humanised(performance: Drumming, seed: int, model: GrooveModel) -> Drumming:
    """Humanise the hits of a performance at constant velocity."""
    keys = np.array([keys[-1] for keys in DRUM_GROUPS.values()])[performance.groups]
    steps = performance.steps - performance.steps.min() // POSITIONS * POSITIONS
    onsets = steps * (TICKS_PER_QUARTER // 4)
    columns = onsets, np.full_like(onsets, 60), keys, np.full_like(onsets, VELOCITY)
    notes = np.stack(columns, axis=1).astype(np.int32)
    order = np.lexsort((notes[:, 2], notes[:, 0]))
    score = Score(
        "",
        TICKS_PER_QUARTER,
        (Part("", 0, True, notes[order]),),
        np.array([[0, performance.bpm]]),
        np.array([[0, 4, 4]], np.int32),
        np.empty((0, 3), np.int32),
    )
    played = humanise(score, HumaniseOptions(1.0, seed=seed), model).parts[0].notes
    # Hits of a pitch stay in order, so that sorting both by pitch and onset pairs them.
    ours, theirs = (np.lexsort((table[:, 0], table[:, 2])) for table in (notes, played))
    velocity = np.zeros(len(notes))
    velocity[ours] = played[theirs, 3]
    return replace(performance, velocity=velocity)


if __name__ == "__main__":
    main()
