"""Bars that the composer generates, beside the bars that pieces really have there.

    python -m recipes.datasets.generated_bars --data ../shared/data --cache .bench-cache/critic

For each piece: eight bars after the eight before them, and four bars between eight before and
four after. One file each in the cache, so that a run that is stopped loses nothing; `--limit` ends
it earlier. Sources and sets take turns, so that any number of files is balanced.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch

from recipes.datasets import compositions
from segue.generate.compose.composition import Composition
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.tokens import Bar, Note, bars_to_score
from segue.nn.sampling import Sampling

Task = Literal["continuation", "infill"]
BEFORE: Final = 8
#: Number of generated bars, and of those after them.
LENGTHS: Final[dict[Task, tuple[int, int]]] = {"continuation": (8, 0), "infill": (4, 4)}
#: Number of pieces of each source in a set.
PIECES: Final = {"train": 100, "validation": 40, "test": 12}
SOURCES: Final = ("multitrack", "pop909", "lieder", "folk")
#: Continuations of each piece of the test set, for which a critic has to choose one.
TAKES: Final = 4
SAMPLING: Final = Sampling(1.0, top_p=0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """An excerpt of a piece, in which some bars were also generated.

    Attributes
    ----------
    piece : str
        Name of the piece.
    source : str
        One of `SOURCES`.
    side : str
        "train", "validation" or "test".
    task : {"continuation", "infill"}
    before, after : sequence of Bar
        Bars around those generated.
    real : sequence of Bar
        Bars that really stand there.
    takes : sequence of sequence of Bar
        Generated bars, by seed.
    """

    piece: str
    source: str
    side: str
    task: Task
    before: Sequence[Bar]
    after: Sequence[Bar]
    real: Sequence[Bar]
    takes: Sequence[Sequence[Bar]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache/critic"))
    parser.add_argument("--composer", type=Path, help="a checkpoint; by default the bundled one")
    parser.add_argument("--sides", default="train,validation,test")
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    composer = Composer.load(options.composer) if options.composer else Composer.pretrained()
    options.cache.mkdir(parents=True, exist_ok=True)
    jobs = choose_excerpts(compositions.pieces(options.data, options.rolls), options.sides)
    for count, job in enumerate(jobs):
        if count == options.limit:
            break
        path = options.cache / f"{job.side}-{job.task}-{job.piece}.json".replace("/", "_")
        if not path.exists():
            path.write_text(json.dumps(_to_json(job, generate(composer, job))))
            print(count, path.name, flush=True)


def choose_excerpts(pieces: Sequence[compositions.Piece], sides: str) -> Iterator[Excerpt]:
    """Choose excerpts of pieces at random; no take is generated yet."""
    rng = np.random.default_rng(0)
    chosen = []
    for side in sides.split(","):
        for source in SOURCES:
            usable = [
                piece
                for piece in pieces
                if (piece.source, piece.side) == (source, side)
                and len(piece.piece.bars) >= BEFORE + max(map(sum, LENGTHS.values()))
            ]
            order = rng.permutation(len(usable))[: PIECES[side]]
            chosen.append([usable[index] for index in order])
    for row in zip_longest(*chosen):
        for piece in filter(None, row):
            for task in LENGTHS:
                excerpt = _excerpt(piece, task, rng)
                if any(bar.notes for bar in excerpt.before[-4:]) and any(
                    bar.notes for bar in excerpt.real
                ):
                    yield excerpt


def _excerpt(piece: compositions.Piece, task: Task, rng: np.random.Generator) -> Excerpt:
    count, n_after = LENGTHS[task]
    bars = [bar._replace(pedals=()) for bar in piece.piece.bars]
    start = BEFORE + int(rng.integers((len(bars) - BEFORE - count - n_after) // 4 + 1)) * 4
    end = start + count
    return Excerpt(
        piece.piece.name,
        piece.source,
        piece.side,
        task,
        bars[start - BEFORE : start],
        bars[end : end + n_after],
        bars[start:end],
        (),
    )


def generate(composer: Composer, excerpt: Excerpt) -> list[list[Bar]]:
    """Generate the takes of an excerpt."""
    several = excerpt.side == "test" and excerpt.task == "continuation"
    context = [*excerpt.before, *excerpt.real, *excerpt.after]
    takes = []
    for seed in range(TAKES if several else 1):
        options = CompositionOptions(SAMPLING, seed=seed)
        if excerpt.task == "infill":
            span = BEFORE + 1, BEFORE + len(excerpt.real)
            piece = Composition(composer, options, prompt=bars_to_score(context), infill=span)
        else:
            prompt = bars_to_score(excerpt.before)
            piece = Composition(composer, options, len(excerpt.real), prompt)
        takes.append([bar._replace(pedals=()) for bar in piece])
    return takes


def _to_json(excerpt: Excerpt, takes: Sequence[Sequence[Bar]]) -> dict[str, object]:
    return {
        "piece": excerpt.piece,
        "source": excerpt.source,
        "side": excerpt.side,
        "task": excerpt.task,
        "before": excerpt.before,
        "after": excerpt.after,
        "real": excerpt.real,
        "takes": takes,
    }


def load(cache: Path) -> list[Excerpt]:
    """Return the excerpts whose takes are in the cache."""
    return [_from_json(path) for path in sorted(cache.glob("*.json"))]


def _from_json(path: Path) -> Excerpt:
    fields = json.loads(path.read_text())
    before, after, real = (bars_from_json(fields[name]) for name in ("before", "after", "real"))
    return Excerpt(
        fields["piece"],
        fields["source"],
        fields["side"],
        fields["task"],
        before,
        after,
        real,
        [bars_from_json(take) for take in fields["takes"]],
    )


def bars_from_json(rows: Sequence[Sequence[object]]) -> list[Bar]:
    """Return bars from lists of their fields, without pedals."""
    return [
        Bar(row[0], row[1], tuple(Note(*note) for note in row[2]))  # type: ignore[arg-type, attr-defined]
        for row in rows
    ]


if __name__ == "__main__":
    main()
