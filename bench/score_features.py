"""Speed of the features of scores, and norms of the groups in the space `score-features`.

    python -m bench.score_features --data ../shared/data

On the scores that the constants of the space were fitted on (`recipes/score_features.py`).
"""

import argparse
import time
from pathlib import Path

import numpy as np

from bench.result_tables import table, write_table
from recipes.score_features import training_scores
from segue.feature_names import SCORE_FEATURE_GROUPS
from segue.score.features import VERSION, score_features, standardise_score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    scores = training_scores(arguments.data / "scores")
    begun = time.process_time()
    vectors = {
        name: np.stack([score_features(score) for score in of_source])
        for name, of_source in scores.items()
    }
    took_ms = (time.process_time() - begun) / sum(map(len, scores.values())) * 1000
    space = standardise_score(np.concatenate(list(vectors.values())))
    rows: list[tuple[object, ...]] = [
        (
            group,
            columns.stop - columns.start,
            float(np.sqrt(np.mean((space[:, columns] ** 2).sum(axis=1)))),
        )
        for group, columns in SCORE_FEATURE_GROUPS.items()
    ]
    counts = ", ".join(f"{len(of_source)} {name}" for name, of_source in scores.items())
    summary = f"Version {VERSION}; {counts}; {took_ms:.2f} ms of processor time each.\n"
    write_table(
        "score_features",
        "Features of scores: speed and norms",
        [summary, table(("group", "numbers", "length"), rows)],
    )


if __name__ == "__main__":
    main()
