"""The critic: its accuracy on pieces of the test set, and whether its choice among takes is better.

    python -m bench.critic --cache .bench-cache/critic --continuations .bench-cache/continuations

`recipes.datasets.generated_bars` makes the first cache; the second one, of `bench.continuations`,
has continuations of sixteen bars by the composer and by the one of an earlier version.
`--page FILE` writes a page of pairs, real and generated in random order, for a listening test.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench import result_tables
from bench.continuations import COMPARED, Figures, Prompt, figures
from bench.listening_page import write_listening_page
from recipes.critic import random_notes, shuffle_notes
from recipes.datasets import generated_bars
from recipes.datasets.generated_bars import Excerpt, bars_from_json
from segue.generate.compose.critic import GENERATED, REAL, Critic, feature_matrix
from segue.generate.compose.tokens import Bar

RESAMPLES: Final = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache/critic"))
    parser.add_argument("--continuations", type=Path, default=Path(".bench-cache/continuations"))
    parser.add_argument("--labels", nargs="*", default=["new-1", "old"])
    parser.add_argument("--page", type=Path, help="an HTML page of pairs for a listening test")
    options = parser.parse_args()
    excerpts = generated_bars.load(options.cache)
    test = [excerpt for excerpt in excerpts if excerpt.side == "test"]
    if options.page:
        write_listening_page(test, options.page)
        return
    critic = Critic.pretrained()
    rows = [
        accuracy_row(task, [e for e in test if e.task == task]) for task in generated_bars.LENGTHS
    ]
    by_source = [
        accuracy_row(source, [e for e in test if e.source == source])
        for source in generated_bars.SOURCES
    ]
    longer = [
        accuracy_row(f"16 bars after 16, {label}", continuations(options.continuations, label))
        for label in options.labels
        if (options.continuations / label).exists()
    ]
    train = [excerpt for excerpt in excerpts if excerpt.side != "test"]
    columns = [
        "bars", "pieces", "accuracy", "90 % interval", "real chosen", "P(real) of real bars",
        "P(real) of generated bars",
    ]  # fmt: skip
    result_tables.write_table(
        "critic",
        "Critic",
        [
            f"Trained on {len(train)} excerpts of {len({e.piece for e in train})} pieces of the "
            f"composer's training and validation sets, tested on {len(test)} excerpts of "
            f"{len({e.piece for e in test})} pieces of its test set: eight bars after eight, and "
            "four between eight and four. Accuracy: bars are called real where that is more "
            "probable than generated; 0.5 is chance, and what a perfect composer would reach. "
            "Intervals by resampling pieces. Real chosen: share of the pairs in which the real "
            "bars have the higher probability of being real, of all classes. The composer of an "
            "earlier version errs in other ways than the one that the critic was trained on: its "
            "bars look shuffled rather than generated, so that only the last columns count "
            "there.\n",
            result_tables.table(columns, [*rows, *by_source, *longer]),
            probabilities(critic, test),
            choice(critic, test),
        ],
    )


def accuracy_row(name: str, excerpts: Sequence[Excerpt]) -> list[object]:
    """Return a row: accuracy on real and on generated bars, and on pairs of them."""
    critic = Critic.pretrained()
    pieces = sorted({excerpt.piece for excerpt in excerpts})
    correct: dict[str, list[bool]] = {piece: [] for piece in pieces}
    real_chosen, probabilities_real, probabilities_generated = [], [], []
    for excerpt in excerpts:
        around = excerpt.before, excerpt.after
        real = critic.probability(excerpt.real, *around)
        is_real = margin(critic, excerpt, excerpt.real) > 0
        for take in excerpt.takes:
            generated = critic.probability(take, *around)
            correct[excerpt.piece] += [is_real, margin(critic, excerpt, take) <= 0]
            real_chosen.append(real > generated)
            probabilities_real.append(real)
            probabilities_generated.append(generated)
    if not pieces:
        return [name, 0, "", "", "", "", ""]
    means = np.array([np.mean(values) for values in correct.values()])
    rng = np.random.default_rng(0)
    resampled = means[rng.integers(len(means), size=(RESAMPLES, len(means)))].mean(axis=1)
    low, high = np.quantile(resampled, (0.05, 0.95))
    columns = real_chosen, probabilities_real, probabilities_generated
    return [
        name, len(pieces), float(means.mean()), f"{low:.2f} … {high:.2f}",
        *(float(np.mean(column)) for column in columns),
    ]  # fmt: skip


def margin(critic: Critic, excerpt: Excerpt, bars: Sequence[Bar]) -> float:
    """Return the mean log-odds of real against generated."""
    features = feature_matrix(bars, excerpt.before, excerpt.after)
    log_probabilities = critic.log_probabilities(features)
    return float((log_probabilities[:, REAL] - log_probabilities[:, GENERATED]).mean())


def continuations(cache: Path, label: str) -> list[Excerpt]:
    """Return the continuations of `bench.continuations` as excerpts."""
    excerpts = []
    for name, source, *bars in json.loads((cache / "prompts-test.json").read_text()):
        path = cache / label / f"{name}-0.json".replace("/", "_")
        if path.exists():
            before, real = map(bars_from_json, bars)
            take = bars_from_json(json.loads(path.read_text())["bars"])
            excerpts.append(Excerpt(name, source, "test", "continuation", before, (), real, [take]))
    return excerpts


def probabilities(critic: Critic, excerpts: Sequence[Excerpt]) -> str:
    """Return a section: what else the critic takes for real."""
    rng = np.random.default_rng(0)
    columns: dict[str, list[float]] = {}
    for excerpt in excerpts:
        loop = (list(excerpt.before[-4:]) * 2)[: len(excerpt.real)]
        alternatives = {
            "really there": excerpt.real,
            "generated": excerpt.takes[0],
            "last four bars repeated": loop,
            "notes shuffled": shuffle_notes(excerpt.real, rng),
            "random notes": random_notes(excerpt.real, rng),
        }
        for name, bars in alternatives.items():
            probability = critic.probability(bars, excerpt.before, excerpt.after)
            columns.setdefault(name, []).append(probability)
    rows = [
        [name, float(np.mean(values)), float(np.median(values))] for name, values in columns.items()
    ]
    return "\n## Probability of being real\n\n" + result_tables.table(
        ["bars", "mean", "median"], rows
    )


def choice(critic: Critic, excerpts: Sequence[Excerpt]) -> str:
    """Return a section: figures of the take that the critic chooses, and of takes on average."""
    several = [each for each in excerpts if len(each.takes) > 1]
    differences: dict[str, list[tuple[float, float, float]]] = {name: [] for name in COMPARED}
    nearer, farther = 0, 0
    for excerpt in several:
        prompt = Prompt(excerpt.piece, excerpt.source, tuple(excerpt.before), tuple(excerpt.real))
        real = figures(prompt, excerpt.real)
        takes = [figures(prompt, take) for take in excerpt.takes]
        best = int(np.argmax([critic.probability(take, excerpt.before) for take in excerpt.takes]))
        worst = int(np.argmin([critic.probability(take, excerpt.before) for take in excerpt.takes]))
        distances = distance_matrix(takes, real)
        for name, row in zip(COMPARED, distances.T, strict=True):
            if not np.isnan(row).any():
                differences[name].append((row[best], float(row.mean()), row[worst]))
        sign = np.sign(distances.mean(axis=0) - distances[best])
        nearer += int(np.nansum(sign) > 0)
        farther += int(np.nansum(sign) < 0)
    rows = [
        [name, *(float(np.mean(column)) for column in zip(*values, strict=True)), len(values)]
        for name, values in differences.items()
        if values
    ]
    return (
        f"\n## Choice among {generated_bars.TAKES} takes\n\n"
        f"{len(several)} prompts. Distance of the figures of `bench/continuations` from those of "
        "what really follows. By the majority of the figures, the chosen take is nearer than the "
        f"average take on {nearer} prompts and farther on {farther}.\n\n"
        + result_tables.table(["figure", "chosen", "average take", "ranked last", "prompts"], rows)
    )


def distance_matrix(takes: Sequence[Figures], real: Figures) -> np.ndarray:
    """Return the distances from the real figures, shape (takes, figures)."""
    return np.array([[abs(take[name] - real[name]) for name in COMPARED] for take in takes])


if __name__ == "__main__":
    main()
