"""Patterns of the styles of accompaniment, beside what real bands play.

    python -m bench.styles --data ../shared/data

Sixteen bars of each style over one progression, as planned, before the transformer varies them.
Real: bars 17 to 32 of test pieces with drums and a bass, multitrack files and arrangements.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench import result_tables
from bench.continuations import jaccard
from recipes.datasets import compositions
from segue.generate.compose.plan import parse_chords, plan_bars
from segue.generate.compose.styles import STYLES, Style, chordal_instrument, style_notes
from segue.generate.compose.tokens import TIME_SIGNATURE_INDEX, Bar, read_instruments, steps_per_bar
from segue.theory.instruments import DRUMS, is_bass

BARS: Final = 16
PROGRESSION: Final = "C | Am | F | G"
#: Percentiles between which a figure counts as usual.
USUAL: Final = (10, 90)
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    options = parser.parse_args()
    real = {
        "multitrack": real_figures(options, "multitrack"),
        "band": real_figures(options, "band"),
    }
    names = list(real["band"][0])
    columns = {
        f"{source}, middle 80 % ({len(found)})": [usual(found, name) for name in names]
        for source, found in real.items()
    }
    rows: list[list[object]] = []
    outside = 0
    for style in STYLES.values():
        found = figures(planned(style))
        cells: list[object] = [style.name]
        for name in names:
            spans = [usual(each, name) for each in real.values()]
            is_usual = any(low - 1e-9 <= found[name] <= high + 1e-9 for low, high in spans)
            outside += not is_usual
            cells.append(f"{found[name]:.2f}{'' if is_usual else ' *'}")
        rows.append(cells)
    for label, spans in columns.items():
        rows.append([label, *(f"{low:.2f} … {high:.2f}" for low, high in spans)])
    result_tables.write_table(
        "styles",
        "Styles",
        [
            f"{BARS} bars of each style over {PROGRESSION}, as planned. Jaccard similarity of sets "
            "of (sixteenth, drum) of bars. * outside of the middle 80 % of both kinds of real "
            f"pieces: {outside} of {len(rows[:-2]) * len(names)}.\n",
            result_tables.table(["style", *names], rows),
        ],
    )


def planned(style: Style) -> list[Bar]:
    """Return the bars that a style is planned to be."""
    signature = TIME_SIGNATURE_INDEX[style.beats, 4]
    plans = plan_bars(BARS, (), {"": parse_chords(PROGRESSION, signature)})
    band = (*style.instruments[:2], DRUMS)
    return [
        Bar(signature, 0, tuple(sorted(note for notes in bar.values() for note in notes)))
        for bar in style_notes(style, band, plans, [steps_per_bar(signature)] * BARS)
    ]


def real_figures(options: argparse.Namespace, source: str) -> list[Figures]:
    """Return the figures of the real pieces of a source."""
    own = compositions.pieces(options.data, options.rolls)
    found = own if source != "band" else compositions.bands(options.data, own)
    excerpts = [
        one.piece.bars[BARS : 2 * BARS]
        for one in found
        if one.source == source and one.side == "test" and len(one.piece.bars) >= 2 * BARS
    ]
    return [figures(bars) for bars in excerpts if is_band(bars)]


def is_band(bars: Sequence[Bar]) -> bool:
    """Return whether drums, a bass and an instrument for chords play in most bars."""
    instruments = read_instruments(bars)
    chordal = chordal_instrument(sorted(instruments))
    roles = [
        {DRUMS},
        {each for each in instruments if is_bass(each)},
        set() if chordal is None else {chordal},
    ]
    return all(sum(bool(bar.instruments & role) for bar in bars) > len(bars) / 2 for role in roles)


def figures(bars: Sequence[Bar]) -> Figures:
    """Return figures of the drums, the bass and the chords of bars."""
    drums = [frozenset((round(n.onset / 3), n.pitch) for n in bar.notes if n.instrument == DRUMS)
             for bar in bars]  # fmt: skip
    basses = [[n for n in bar.notes if is_bass(n.instrument)] for bar in bars]
    chordal = chordal_instrument(sorted(read_instruments(bars)))
    onsets = [{n.onset for n in bar.notes if n.instrument == chordal} for bar in bars]
    chords = [n for bar in bars for n in bar.notes if n.instrument == chordal]
    count = len(bars)
    return {
        "drums, lag 1": mean([jaccard(a, b) for a, b in zip(drums[1:], drums, strict=False)]),
        "drums, lag 2": mean([jaccard(a, b) for a, b in zip(drums[2:], drums, strict=False)]),
        "different drums": float(len({pitch for bar in drums for _, pitch in bar})),
        "hits a bar": sum(map(len, drums)) / count,
        "bass notes a bar": sum(map(len, basses)) / count,
        "bass pitch classes a bar": mean([len({n.pitch % 12 for n in bar}) for bar in basses]),
        "chord onsets a bar": sum(map(len, onsets)) / count,
        "notes a chord": len(chords) / max(sum(map(len, onsets)), 1),
    }


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def usual(found: Sequence[Figures], name: str) -> tuple[float, float]:
    """Return the range of the middle of real pieces."""
    low, high = np.nanpercentile([one[name] for one in found], USUAL)
    return float(low), float(high)


if __name__ == "__main__":
    main()
