"""Compares continuations with what really follows, and with repeating the last four bars.

    python -m bench.continuations --data ../shared/data --old OLD.safetensors

Prompts are the first 16 bars of pieces that were never trained on; 16 bars are generated with the
defaults. `--side validation` takes the pieces to tune on. Generated bars are kept in the cache, by
the label of what generated them.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench import result_tables
from recipes.datasets import compositions
from segue.generate.compose.composition import Composition
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.tokens import Bar, Note, bars_to_score, steps_per_bar, tempo_to_bpm
from segue.nn.sampling import Sampling
from segue.theory.instruments import DRUMS

PROMPT: Final = 16
CONTINUED: Final = 16
#: In the training set under another name, or in another style.
LEAKED: Final = ("freedoom__freedoom2_D_SHAWN2", "mma__pflib_16beat2")
#: Prompts of each source; all of multitrack.
PROMPTS: Final = {"multitrack": 100, "band": 15, "pop909": 15}
SAMPLING: Final = Sampling(1.0, top_p=0.95)
LAGS: Final = (1, 2, 4, 8)
#: Figures that decide whether a continuation or the loop is nearer to what really follows.
COMPARED: Final = (
    *(f"drums, lag {lag}" for lag in (1, 2)),
    *(f"pitched, lag {lag}" for lag in (1, 4, 8)),
    "best match in the prompt, drums",
    "best match in the prompt, pitched",
    "programs still playing",
    "different drums",
    "notes a bar",
)

Cell = tuple[int, int]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """The beginning of a piece, and what really follows."""

    name: str
    source: str
    bars: tuple[Bar, ...]
    follows: tuple[Bar, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache/continuations"))
    parser.add_argument("--old", type=Path, help="the composer of an earlier version")
    parser.add_argument("--side", choices=("validation", "test"), default="test")
    parser.add_argument("--sources", default="multitrack")
    parser.add_argument("--repetition", type=float, nargs="*", default=[0.0, 1.0])
    parser.add_argument("--label", default="new")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = prompts(options)[: options.limit]
    columns: dict[str, list[Figures]] = {
        "prompt": [figures(one, one.bars) for one in chosen],
        "really follows": [figures(one, one.follows) for one in chosen],
        "last four bars": [figures(one, one.bars[-4:] * (CONTINUED // 4)) for one in chosen],
    }
    if options.old:
        columns["old network"] = generated(options, Composer.load(options.old), "old", chosen)[0]
    notes = []
    composer = Composer.pretrained()
    for repetition in options.repetition:
        label = f"{options.label}-{repetition:g}"
        columns[f"repetition {repetition:g}"], note = generated(
            options, composer, label, chosen, repetition
        )
        notes.append(note)
    sections = report(chosen, columns, notes)
    if options.side == "test":
        result_tables.write_table("continuations", "Continuations", sections)
    else:
        print("\n".join(sections))


def prompts(options: argparse.Namespace) -> list[Prompt]:
    """Return the prompts of a side."""
    kept = options.cache / f"prompts-{options.side}.json"
    if kept.exists():
        found = [_prompt(*row) for row in json.loads(kept.read_text())]
    else:
        own = compositions.pieces(options.data, options.rolls)
        found = []
        for one in [*own, *compositions.bands(options.data, own)]:
            bars = one.piece.bars[: PROMPT + CONTINUED]
            if (
                one.source not in PROMPTS
                or one.side != options.side
                or one.piece.name in LEAKED
                or len(bars) < PROMPT + CONTINUED
                or sum(bool(bar.notes) for bar in bars[:PROMPT]) < PROMPT // 2
            ):
                continue
            found.append(Prompt(one.piece.name, one.source, bars[:PROMPT], bars[PROMPT:]))
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([(p.name, p.source, p.bars, p.follows) for p in found]))
    chosen = []
    for source, count in PROMPTS.items():
        if source in options.sources.split(","):
            of_source = [one for one in found if one.source == source]
            order = np.random.default_rng(0).permutation(len(of_source))
            chosen += [of_source[n] for n in sorted(order[:count])]
    return chosen


def _prompt(name: str, source: str, bars: list[list[object]], follows: list[object]) -> Prompt:
    return Prompt(name, source, _bars(bars), _bars(follows))


def _bars(rows: Sequence[object]) -> tuple[Bar, ...]:
    return tuple(
        Bar(row[0], row[1], tuple(Note(*note) for note in row[2]))  # type: ignore[index]
        for row in rows
    )


def generated(
    options: argparse.Namespace,
    composer: Composer,
    label: str,
    chosen: Sequence[Prompt],
    repetition: float = 0.0,
) -> tuple[list[Figures], str]:
    """Return the figures of generated continuations, and how fast they were made."""
    found, played, took, shared = [], 0.0, 0.0, []
    for one in chosen:
        name = f"{one.name}-{options.seed}".replace("/", "_")
        path = options.cache / label / f"{name}.json"
        if not path.exists():
            asked = CompositionOptions(SAMPLING, seed=options.seed, repetition=repetition)
            piece = Composition(composer, asked, CONTINUED, bars_to_score(one.bars))
            began = time.process_time()
            written = list(piece)
            seconds = time.process_time() - began
            copied = piece.report["longest_passage_shared"]["bars"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"bars": written, "seconds": seconds, "shared": copied}))
            print(f"{label} {one.name}: {seconds:.1f} s", flush=True)
        kept = json.loads(path.read_text())
        bars = _bars(kept["bars"])
        found.append(figures(one, bars))
        played += sum(
            steps_per_bar(bar.time_signature) / 12 * 60 / tempo_to_bpm(bar.tempo) for bar in bars
        )
        took += kept["seconds"]
        shared.append(kept["shared"])
    note = (
        f"{label}: {took / len(chosen):.1f} s of processor time for {CONTINUED} bars, "
        f"{played / took:.2f} times real time; longest passage shared with the training set: "
        f"median {np.median(shared):.0f}, at most {max(shared)}."
    )
    return found, note


# ---- figures -------------------------------------------------------------------------------


def figures(prompt: Prompt, bars: Sequence[Bar]) -> Figures:
    """Return the figures of bars after a prompt; NaN where one is undefined."""
    found: Figures = {}
    for name, select in (("drums", _drums), ("pitched", _pitched)):
        cells = [select(bar) for bar in bars]
        before = [select(bar) for bar in prompt.bars]
        for lag in LAGS:
            found[f"{name}, lag {lag}"] = _mean(
                [jaccard(a, b) for a, b in zip(cells[lag:], cells, strict=False) if a or b]
            )
        found[f"best match in the prompt, {name}"] = _mean(
            [max(jaccard(a, b) for b in before) for a in cells if a]
        )
    programs = frozenset[int]().union(*(bar.instruments for bar in prompt.bars[-4:])) - {DRUMS}
    found["programs still playing"] = _mean(
        [len(bar.instruments & programs) / len(programs) for bar in bars if programs]
    )
    notes = [note for bar in bars for note in bar.notes]
    pitches = [note.pitch for note in notes if note.instrument != DRUMS]
    before_notes = sum(len(bar.notes) for bar in prompt.bars) / len(prompt.bars)
    found["different drums"] = float(len({n.pitch for n in notes if n.instrument == DRUMS}))
    found["notes a bar"] = len(notes) / len(bars)
    found["density drift, octaves"] = float(np.log2(max(len(notes) / len(bars), 1) / before_notes))
    found["bars with drums"] = _mean([DRUMS in bar.instruments for bar in bars])
    found["bars with bass"] = _mean([_has_bass(bar) for bar in bars])
    chords = [best_triad(bar) for bar in bars]
    found["chord changes at barlines"] = _mean(
        [a != b for a, b in pairwise(chords) if None not in (a, b)]
    )
    low, high = np.percentile(pitches, (2, 98)) if pitches else (np.nan, np.nan)
    found["lowest pitch"], found["highest pitch"] = float(low), float(high)
    found["theme shared with the prompt, notes"] = float(longest_theme(prompt.bars, bars))
    return found


def _drums(bar: Bar) -> frozenset[Cell]:
    return frozenset((round(n.onset / 3), n.pitch) for n in bar.notes if n.instrument == DRUMS)


def _pitched(bar: Bar) -> frozenset[Cell]:
    return frozenset((round(n.onset / 3), n.pitch) for n in bar.notes if n.instrument != DRUMS)


def jaccard(a: frozenset[Cell], b: frozenset[Cell]) -> float:
    return len(a & b) / len(a | b) if a or b else 0.0


def _has_bass(bar: Bar) -> bool:
    return any(
        32 <= note.instrument < 40 or (note.instrument != DRUMS and note.pitch < 48)
        for note in bar.notes
    )


def best_triad(bar: Bar) -> tuple[int, int] | None:
    """Return the major or minor triad that covers most of a bar's duration."""
    weights = np.zeros(12)
    for note in bar.notes:
        if note.instrument != DRUMS:
            weights[note.pitch % 12] += note.duration
    if not weights.any():
        return None
    triads = [(root, third) for root in range(12) for third in (4, 3)]
    return max(triads, key=lambda t: weights[[t[0], (t[0] + t[1]) % 12, (t[0] + 7) % 12]].sum())


def longest_theme(before: Sequence[Bar], after: Sequence[Bar]) -> int:
    """Return the longest run of intervals of the highest notes that both share."""
    first, second = (np.diff(_melody(bars)) for bars in (before, after))
    longest, row = 0, np.zeros(len(second) + 1, int)
    for interval in first:
        row[1:] = np.where(second == interval, row[:-1] + 1, 0)
        longest = max(longest, int(row.max()))
    return longest + bool(longest)


def _melody(bars: Sequence[Bar]) -> list[int]:
    highest: dict[tuple[int, int], int] = {}
    for index, bar in enumerate(bars):
        for note in bar.notes:
            if note.instrument != DRUMS:
                at = index, note.onset
                highest[at] = max(highest.get(at, 0), note.pitch)
    return [highest[at] for at in sorted(highest)]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


# ---- report --------------------------------------------------------------------------------


def nearer(real: Figures, figure: Figures, loop: Figures) -> int:
    """Return in how many more figures one is nearer to the real one than the loop."""
    return sum(
        int(np.sign(abs(loop[name] - real[name]) - abs(figure[name] - real[name])))
        for name in COMPARED
        if not np.isnan([real[name], figure[name], loop[name]]).any()
    )


def report(
    chosen: Sequence[Prompt], columns: Mapping[str, list[Figures]], notes: Sequence[str]
) -> list[str]:
    names = list(columns["prompt"][0])
    average: Callable[[Sequence[Figures], str], float] = lambda found, name: float(  # noqa: E731
        np.nanmean([one[name] for one in found])
    )
    real = columns["really follows"]
    means = [[name, *(average(found, name) for found in columns.values())] for name in names]
    spread = []
    for name in names:
        values = np.array([one[name] for one in real])
        low, high = np.nanquantile(values, (0.1, 0.9))
        row: list[object] = [name, f"{low:.2f} … {high:.2f}"]
        for label in [*columns][2:]:
            written = np.array([one[name] for one in columns[label]])
            written = written[~np.isnan(written)]
            row.append(f"{np.mean((written >= low - 1e-9) & (written <= high + 1e-9)):.2f}")
        spread.append(row)
    verdicts = []
    for label in [*columns][3:]:
        differences = [
            nearer(*figure)
            for figure in zip(real, columns[label], columns["last four bars"], strict=True)
        ]
        won, lost = (sum(sign * d > 0 for d in differences) for sign in (1, -1))
        verdicts.append([label, won, lost, len(differences) - won - lost])
    pieces = [
        [one.name, one.source, *(f"{found[n]['best match in the prompt, drums']:.2f} / "
         f"{found[n]['best match in the prompt, pitched']:.2f}" for found in columns.values())]
        for n, one in enumerate(chosen)
    ]  # fmt: skip
    counts = {source: sum(one.source == source for one in chosen) for source in PROMPTS}
    return [
        f"{len(chosen)} prompts ("
        + ", ".join(f"{count} {source}" for source, count in counts.items() if count)
        + f"), the first {PROMPT} bars of pieces never trained on; {CONTINUED} bars generated at "
        "temperature 1, top-p 0.95. Jaccard similarity of sets of (sixteenth, pitch) of bars, "
        "drums apart from pitched parts; lags between generated bars.\n",
        "## Means\n",
        result_tables.table(["figure", *columns], means),
        "\n## Share of pieces within the middle 80 % of what really follows\n",
        result_tables.table(["figure", "middle 80 %", *[*columns][2:]], spread),
        "\n## Nearer to what really follows than the last four bars\n",
        f"By the majority of: {', '.join(COMPARED)}.\n",
        result_tables.table(["", "pieces nearer", "the loop is nearer", "undecided"], verdicts),
        "\n" + " ".join(notes) + "\n",
        "\n## Piece by piece: best match of a bar in the prompt, drums / pitched\n",
        result_tables.table(["piece", "source", *columns], pieces),
    ]


if __name__ == "__main__":
    main()
