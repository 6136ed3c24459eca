"""Hashes of what the shipped network of chorales learned from: to tell what comes along of it.

    python bench/chorale_runs.py --data ../shared/data

Writes `chorale-runs.safetensors`, of the chorales for learning of the published division, and
prints what the chorales for testing share with them: what composers share with each other.
"""

import argparse
from pathlib import Path

import numpy as np

from chorales import chorales
from segue.generate.harmony.chorale_frames import KnownChorales
from segue.generate.harmony.chorale_network import LOWEST_PITCH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    found = {
        side: [np.where(piece.tokens > 0, piece.tokens + LOWEST_PITCH - 1, -1) for piece in pieces]
        for side, pieces in chorales(parser.parse_args().data).items()
    }
    names = [f"chorale {place + 1} of those for learning" for place in range(len(found["train"]))]
    known = KnownChorales.from_chorales(names, found["train"])
    print(known.save(), sum(len(index.keys) for index in known.voices), "n-grams")
    notes = [known.report(one)["notes"] for one in found["test"]]
    print("notes shared by a chorale for testing:", np.percentile(notes, [0, 25, 50, 75, 100]))


if __name__ == "__main__":
    main()
