"""A page of pairs for a listening test, each of a real and a generated continuation.

Written by `python -m bench.critic --page FILE`. The page shows neither notes nor names before the
answers are given; then it counts them.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from recipes.datasets.generated_bars import Excerpt
from segue.files import write_text
from segue.generate.compose.tokens import Bar, bars_to_score
from segue.io.opus import encode_opus
from segue.score.synthesis import synthesise
from segue.score.timing import bar_grid, ticks_to_seconds

PAIRS: Final = 20
RATE_HZ: Final = 48_000
BIT_RATE: Final = 48_000
TEMPLATE: Final = Path(__file__).with_suffix(".html")


def write_listening_page(excerpts: Sequence[Excerpt], target: Path) -> None:
    """Write the page of the first pairs of continuations, in random order."""
    rng = np.random.default_rng(0)
    chosen = [excerpt for excerpt in excerpts if excerpt.task == "continuation"]
    order = rng.permutation(len(chosen))[:PAIRS]
    pairs = []
    for index in order:
        excerpt = chosen[index]
        real_first = bool(rng.random() < 0.5)
        sides = [excerpt.real, excerpt.takes[0]]
        pairs.append(
            {
                "name": f"{excerpt.piece} ({excerpt.source})",
                "real": 0 if real_first else 1,
                "sounds": [
                    render([*excerpt.before[-4:], *bars])
                    for bars in (sides if real_first else sides[::-1])
                ],
                "seam": seam_s(excerpt),
            }
        )
    data = json.dumps(pairs).replace("<", "\\u003c")
    write_text(TEMPLATE.read_text(encoding="utf-8").replace("/*DATA*/", data), target)
    print(f"{target}: {len(pairs)} pairs, {target.stat().st_size / 1e6:.1f} MB")


def render(bars: Sequence[Bar]) -> str:
    """Return the sound of bars as base64 of Ogg Opus."""
    sound = synthesise(bars_to_score(bars), RATE_HZ)
    return base64.b64encode(encode_opus(sound, RATE_HZ, BIT_RATE)).decode("ascii")


def seam_s(excerpt: Excerpt) -> float:
    """Return when the bars begin that are real or generated, in seconds."""
    score = bars_to_score([*excerpt.before[-4:], *excerpt.real])
    return float(ticks_to_seconds(score, bar_grid(score).edges[4:5])[0])
