"""What `segue sample` writes, beside real excerpts and the sketches that it is composed from.

    python -m bench.samples --data ../shared/data [--samples 12] [--figure FILE]

Statistics of passages of four bars: in how many passages each lies within the middle 80 % of real
ones, and medians. And how near the latents are to the points that were drawn.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.result_tables import table, write_table
from bench.score_queries import FEWEST_BARS, starts
from recipes.datasets.piano_rolls import Song, folk, multitrack, pop909
from segue.evaluation.generated import roll_onsets, scale_consistency
from segue.generate.compose.model import Composer
from segue.generate.compose.sketches import ATTEMPTS, ComposedSketch, compose_sketch
from segue.nn.sampling import Sampling
from segue.records import BoolArray
from segue.score.piano_roll import (
    LOWEST_PITCH,
    STEPS_PER_BAR,
    WINDOW_BARS,
    WINDOW_STEPS,
    PianoRoll,
    unpack_bars,
)
from segue.score.vae.model import RollModel, sample

SEED: Final = 0
#: Songs of each source that excerpts are drawn from, and excerpts of each song.
SONGS: Final[dict[Callable[[Path], Iterator[Song]], int]] = {multitrack: 50, pop909: 40, folk: 40}
WINDOWS: Final = 2
_PITCHED: Final = slice(1, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--figure", type=Path, help="draw sketches and what is composed from them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, composer = RollModel.pretrained(), Composer.pretrained()
    sketches = sample(model, options.samples, seed=SEED)
    composed = [
        compose_sketch(composer, model, sketch, Sampling(top_p=0.95), seed=index)
        for index, sketch in enumerate(sketches)
    ]
    if options.figure:
        draw(composed, options.figure)
    columns = {
        "music": excerpts(options.data / "scores"),
        "sketches": np.stack([sketch.cells for sketch in sketches]),
        "**composed**": np.stack([padded(each.roll) for each in composed]),
    }
    write_table("samples", "Samples of four bars", [similarities(model, composed), rows(columns)])


def excerpts(scores: Path) -> BoolArray:
    """Return windows of four bars of real music, shape (n, 4, 48, 84, 5)."""
    rng = np.random.default_rng(SEED)
    windows = []
    for source, count in SONGS.items():
        for song in islice(source(scores), count):
            candidates = starts(song)
            if len(song.bars) >= FEWEST_BARS and len(candidates):
                chosen = rng.choice(candidates, min(WINDOWS, len(candidates)), replace=False)
                windows += [song.bars[start : start + WINDOW_BARS] for start in chosen.tolist()]
    return unpack_bars(np.stack(windows))


def padded(roll: PianoRoll) -> BoolArray:
    """Return four bars of a roll; silent bars at the end are missing in it."""
    cells = roll.cells
    padded_cells: BoolArray = np.pad(cells, ((0, WINDOW_BARS - len(cells)), (0, 0), (0, 0), (0, 0)))
    return padded_cells


def similarities(model: RollModel, composed: list[ComposedSketch]) -> str:
    latents = model.encode(np.stack([each.sketch.cells for each in composed]))[0] - model.mean
    unit = latents / np.linalg.norm(latents, axis=1, keepdims=True)
    others = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    values = [each.similarity for each in composed]
    return (
        f"{len(composed)} points drawn, each decoded to a sketch; the composer goes on from the "
        f"sketch {ATTEMPTS} times, and what is nearest to it is kept. Cosine similarity of the "
        f"latents to those of the sketch: {np.median(values):.2f} in the median, "
        f"{min(values):.2f} to {max(values):.2f}; of two sketches {np.median(others):.2f}.\n"
    )


def rows(columns: dict[str, BoolArray]) -> str:
    values = {
        name: {title: np.array([one(window) for window in cells]) for title, one in STATISTICS}
        for name, cells in columns.items()
    }
    lines: list[list[object]] = []
    for title, _ in STATISTICS:
        low, high = np.nanpercentile(values["music"][title], [10, 90])
        line: list[object] = [title, f"{low:.2f} … {high:.2f}"]
        for name in columns:
            own = values[name][title]
            own = own[np.isfinite(own)]
            within = float(np.mean((own >= low) & (own <= high)))
            line += [float(np.median(own)), within]
        lines.append(line)
    header = ["", "middle 80 % of music"]
    for name in columns:
        header += [f"{name}: median", "within"]
    return table(header, lines)


# ---- statistics of a window of four bars, shape (4, 48, 84, 5) ---------------------------


def _onsets(window: BoolArray) -> BoolArray:
    flat = window.reshape(1, WINDOW_STEPS, -1)
    return roll_onsets(flat).reshape(WINDOW_STEPS, *window.shape[2:])


def _notes(window: BoolArray) -> float:
    return float(_onsets(window).sum())


def _scale(window: BoolArray) -> float:
    pitches = np.nonzero(_onsets(window)[..., _PITCHED])[1] + LOWEST_PITCH
    return scale_consistency(pitches)


def _polyphony(window: BoolArray) -> float:
    sounding = window[..., _PITCHED].any(axis=-1).sum(axis=-1).ravel()
    return float(sounding[sounding > 0].mean()) if sounding.any() else float("nan")


def _silence(window: BoolArray) -> float:
    return float(1 - window.any(axis=(2, 3)).mean())


def _on_eighths(window: BoolArray) -> float:
    steps = np.nonzero(_onsets(window))[0]
    return float(np.mean(steps % (STEPS_PER_BAR // 8) == 0))


def _short_notes(window: BoolArray) -> float:
    """Return the share of pitched notes that are shorter than a sixteenth."""
    pitched = window[..., _PITCHED].reshape(WINDOW_STEPS, -1)
    begins = np.flatnonzero((pitched & ~np.pad(pitched, ((1, 0), (0, 0)))[:-1]).T.ravel())
    ends = np.flatnonzero((pitched & ~np.pad(pitched, ((0, 1), (0, 0)))[1:]).T.ravel())
    return float(np.mean(ends - begins + 1 < STEPS_PER_BAR // 16)) if len(begins) else float("nan")


def _bar_similarity(of: Callable[[BoolArray], BoolArray]) -> Callable[[BoolArray], float]:
    """Return the mean Jaccard similarity of each bar and the one before it."""

    def similarity(window: BoolArray) -> float:
        bars = of(_onsets(window).reshape(window.shape))
        pairs = [(a, b) for a, b in zip(bars[1:], bars[:-1], strict=True) if (a | b).any()]
        return float(np.mean([(a & b).sum() / (a | b).sum() for a, b in pairs] or [np.nan]))

    return similarity


def _rhythm(onsets: BoolArray) -> BoolArray:
    return np.asarray(onsets.any(axis=(2, 3)))


def _whole(onsets: BoolArray) -> BoolArray:
    return onsets


STATISTICS: Final[tuple[tuple[str, Callable[[BoolArray], float]], ...]] = (
    ("notes", _notes),
    ("notes in one major scale", _scale),
    ("pitches that sound at once", _polyphony),
    ("silent steps", _silence),
    ("onsets on eighths", _on_eighths),
    ("notes shorter than a sixteenth", _short_notes),
    ("rhythm like that of the bar before", _bar_similarity(_rhythm)),
    ("notes like those of the bar before", _bar_similarity(_whole)),
)


def draw(composed: list[ComposedSketch], path: Path) -> None:
    from segue.render.piano_roll_plots import draw_piano_rolls

    rolls = [
        pair
        for number, each in enumerate(composed[:12], start=1)
        for pair in (
            (f"sketch {number}", each.sketch),
            (f"composed, {each.similarity:.2f}", each.roll),
        )
    ]
    draw_piano_rolls(rolls, path, title="sketches, and what is composed from them", columns=4)


if __name__ == "__main__":
    main()
