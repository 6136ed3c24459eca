"""Melodies for chords: use of the chords, and generated melodies beside those of the test set.

    python -m bench.melody --data ../shared/data

Of the bundled model, on songs of the test set (`recipes/datasets/lead_sheets.py`).
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.result_tables import table, write_table
from recipes.datasets.lead_sheets import Song, songs
from recipes.melody import CONFIG, sheets_of
from segue.evaluation.generated import overlapping_area, pitch_class_entropy
from segue.generate.melody.candidates import MelodyCandidate, generate_melodies, melody_score
from segue.generate.melody.lead_sheet import LOWEST_PITCH, MAX_DURATION, LeadSheet
from segue.generate.melody.model import (
    PRETRAINED,
    MelodyModel,
)
from segue.generate.melody.training import (
    count_chord_tones,
    note_onsets,
)
from segue.nn.sampling import Sampling
from segue.records import IntArray
from segue.score.harmony import ScoreKey, estimate_key
from segue.theory.chord_charts import NO_ROOT, Chart, split_at_barlines

STYLES: Final = CONFIG.styles
#: Songs of each style that are written on, so many of their bars at most, and candidates of each.
WRITTEN: Final = 14
BARS: Final = 16
CANDIDATES: Final = 16
_SCALES: Final = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}

Melody = IntArray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    show(MelodyModel.pretrained(), songs(options.data))


# ---- are the chords used? ----------------------------------------------------------------


def permuted(chart: Chart, rng: np.random.Generator) -> Chart | None:
    """Put the bars of a chart into another order; None where that changes nothing."""
    cut = split_at_barlines(chart)
    bars = [cut[cut[:, 0] // chart.steps_per_bar == bar] for bar in range(chart.bars)]
    bar_notes = [
        (rows - [[bar * chart.steps_per_bar, 0, 0, 0]]).tolist() for bar, rows in enumerate(bars)
    ]
    for _ in range(20):
        order = rng.permutation(chart.bars).tolist()
        if [bar_notes[bar] for bar in order] != bar_notes:
            rows = [
                (at + place * chart.steps_per_bar, *rest)
                for place, bar in enumerate(order)
                for at, *rest in bar_notes[bar]
            ]
            return Chart(chart.time_signature, chart.bars, _merged(np.array(rows, np.int64)))
    return None


def _merged(rows: IntArray) -> IntArray:
    other = (rows[1:, 1:] != rows[:-1, 1:]).any(axis=1)
    return np.asarray(rows[np.concatenate([[True], other])])


def chords_used(model: MelodyModel, some: Sequence[Song]) -> list[object]:
    """Return for how many songs the true chords make the true melody likelier than permuted ones.

    And what an event costs with each.
    """
    rng = np.random.default_rng(0)
    per_song, symbols, lengths = [], [], []
    for song in some:
        own, other, events = 0.0, 0.0, 0
        for sheet in song.sheets:
            chart = permuted(sheet.chart, rng)
            if chart is None:
                continue
            costs, moved = model.nll([sheet.chart, chart], [sheet.melody] * 2, sheet.style)
            own += float(costs.sum())
            other += float(moved.sum())
            events += len(costs)
            symbols.append(costs[:, 0])
            lengths.append(costs[:, 1])
        if events:
            per_song.append((own / events, other / events))
    own_costs, other_costs = np.array(per_song).T
    return [
        len(per_song),
        float(np.concatenate(symbols).mean()),
        float(np.concatenate(lengths).mean()),
        float(own_costs.mean()),
        float(other_costs.mean()),
        f"**{(own_costs < other_costs).mean():.1%}**",
    ]


# ---- what is written ---------------------------------------------------------------------


def beginning(song: Song) -> LeadSheet:
    """Return the first bars of a song's longest sheet."""
    sheet = max(song.sheets, key=lambda one: one.chart.bars)
    bars = min(sheet.chart.bars, BARS)
    steps = bars * sheet.chart.steps_per_bar
    rows = sheet.chart.chords[sheet.chart.chords[:, 0] < steps]
    at, events = 0, []
    for symbol, length in sheet.melody.tolist():
        if at < steps:
            events.append((symbol, min(length, steps - at)))
        at += length
    chart = Chart(sheet.chart.time_signature, bars, rows, ("",) * len(rows))
    return replace(sheet, chart=chart, melody=np.array(events, np.int64))


def random_in_key(sheet: LeadSheet, key: ScoreKey, lengths: IntArray, seed: int) -> Melody:
    """Draw notes of the key's scale at random, of lengths as real melodies have them."""
    rng = np.random.default_rng(seed)
    scale = [(key.tonic + step) % 12 for step in _SCALES[key.mode]]
    pitches = [pitch for pitch in range(60, 80) if pitch % 12 in scale]
    events, room = [], sheet.chart.steps
    while room:
        length = min(int(rng.choice(lengths)), room)
        events.append((int(rng.choice(pitches)) - LOWEST_PITCH + 1, length))
        room -= length
    return np.array(events, np.int64)


def nearest_chord_tones(sheet: LeadSheet, key: ScoreKey, lengths: IntArray, seed: int) -> Melody:
    """Walk through the scale by small steps; a note on a beat moves to the nearest chord tone."""
    rng = np.random.default_rng(seed)
    scale = [(key.tonic + step) % 12 for step in _SCALES[key.mode]]
    events, at, pitch = [], 0, 67
    while at < sheet.chart.steps:
        length = min(int(rng.choice(lengths)), sheet.chart.steps - at)
        wanted = pitch + int(rng.integers(-4, 5))
        row = np.searchsorted(sheet.chart.chords[:, 0], at, side="right") - 1
        _, root, _, bits = sheet.chart.chords[row].tolist()
        tones = [each for each in range(12) if bits >> each & 1]
        classes = tones if at % 4 == 0 and root != NO_ROOT else scale
        near = [each for each in range(57, 84) if each % 12 in classes]
        pitch = min(near, key=lambda each: abs(each - wanted))
        events.append((pitch - LOWEST_PITCH + 1, length))
        at += length
    return np.array(events, np.int64)


def compared(
    name: str, some: Sequence[LeadSheet], keys: Sequence[ScoreKey], written: Sequence[Melody]
) -> list[object]:
    """Compare melodies with the real ones on the same chords."""
    on_strong = np.array(
        [
            count_chord_tones(sheet.chart, melody)
            for sheet, melody in zip(some, written, strict=True)
        ]
    )
    count, belongs = on_strong.sum(axis=0).tolist()
    real = [sheet.melody for sheet in some]
    pooled = [
        _overlap(of(real, keys).sum(axis=0), of(written, keys).sum(axis=0))
        for of in (_classes, _lengths)
    ]
    single = [
        float(
            np.mean(
                [_overlap(a, b) for a, b in zip(of(real, keys), of(written, keys), strict=True)]
            )
        )
        for of in (_classes, _lengths)
    ]
    areas = [
        overlapping_area(np.array(list(map(one, real))), np.array(list(map(one, written))))
        for one in (_entropy, _mean_length)
    ]
    return [name, belongs / count, pooled[0], single[0], pooled[1], single[1], *areas]


def _classes(melodies: Sequence[Melody], keys: Sequence[ScoreKey]) -> NDArray[np.float64]:
    """Count pitch classes over the tonic of each melody, shape (melodies, 12)."""
    return np.array(
        [
            np.bincount((note_onsets(melody)[1] - 1 + LOWEST_PITCH - key.tonic) % 12, minlength=12)
            for melody, key in zip(melodies, keys, strict=True)
        ],
        np.float64,
    )


def _lengths(melodies: Sequence[Melody], _: Sequence[ScoreKey]) -> NDArray[np.float64]:
    return np.array(
        [
            np.bincount(melody[melody[:, 0] > 0, 1], minlength=MAX_DURATION + 1)[: MAX_DURATION + 1]
            for melody in melodies
        ],
        np.float64,
    )


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())


def _entropy(melody: Melody) -> float:
    return pitch_class_entropy(note_onsets(melody)[1])


def _mean_length(melody: Melody) -> float:
    return float(melody[melody[:, 0] > 0, 1].mean())


# ---- the table ---------------------------------------------------------------------------


def show(model: MelodyModel, found: Sequence[Song]) -> None:
    """Make the table."""
    test = {
        style: [song for song in found if song.side == "test" and song.style == style]
        for style in STYLES
    }
    used = []
    for style in STYLES:
        used.append([style, *chords_used(model, test[style])])
        print(used[-1], flush=True)
    sections = []
    for style in STYLES:
        sections += written_on(model, style, test[style], sheets_of(found, "train"))
    size = sum(each.numel() for each in model.network.parameters())
    best = model.metadata["best"]
    counts = ", ".join(f"{len(test[style])} {style} songs" for style in STYLES)
    write_table(        "melody",
        "Melodies for chords",
        [
            f"{size / 1e6:.2f} M weights in bfloat16, "
            f"{PRETRAINED.stat().st_size / 1e6:.2f} MB with the hashes of "
            f"{model.metadata['melodies']} melodies; trained for "
            f"{best['seconds'] / 60:.0f} minutes on a shared core "
            f"({model.metadata['precision']}), "
            f"epoch {best['epoch']} of "
            f"{model.metadata['epochs']}: {best['loss']:.3f} nats per event "
            f"in training (with dropout), {best['validation_loss']:.3f} in validation. Test: "
            f"{counts}, versions of one song in one set. The chords of pop are annotated "
            "(POP909); those of folk are estimated from the tune itself, which therefore agrees "
            "with them.\n",
            "## Dependence on the chords\n\n"
            "Negative log-likelihood of the actual melody per event, in nats: pitch and "
            "duration; then per song with its chords, and with the chords of its bars permuted "
            "(songs with equal bars are left out).\n",
            table(
                (
                    "", "songs", "pitch or rest", "duration", "actual chords", "permuted",
                    "songs likelier with their chords",
                ),
                used,
            ),
            *sections,
        ],
    )  # fmt: skip


def written_on(
    model: MelodyModel, style: str, some: Sequence[Song], train: Sequence[LeadSheet]
) -> list[str]:
    """Generate melodies for the chords of songs, and make the table."""
    chosen = [beginning(song) for song in some[:WRITTEN]]
    keys = [estimate_key(melody_score(each.chart, each.melody, style, 100)) for each in chosen]
    known = np.concatenate([each.melody for each in train if each.style == style])
    lengths = known[known[:, 0] > 0, 1]
    began = time.monotonic()
    ranked, first = [], []
    for number, sheet in enumerate(chosen):
        ranked.append(_best(model, sheet, style, number))
        first.append(model.sample(sheet.chart, style, 1, Sampling(top_p=0.95),
                                  torch.Generator().manual_seed(number))[0])  # fmt: skip
        print(style, number, f"{time.monotonic() - began:.0f} s", flush=True)
    baselines: dict[str, Callable[[LeadSheet, ScoreKey, IntArray, int], Melody]] = {
        "random in key": random_in_key,
        "nearest chord tones": nearest_chord_tones,
    }
    rows = [
        compared("actual melodies", chosen, keys, [each.melody for each in chosen]),
        compared("Segue, best of 16", chosen, keys, [each.melody for each in ranked]),
        compared("Segue, one sample", chosen, keys, first),
        *(
            compared(name, chosen, keys,
                     [of(*each, lengths, number) for number, each in
                      enumerate(zip(chosen, keys, strict=True))])
            for name, of in baselines.items()
        ),
    ]  # fmt: skip
    bars = np.array([each.shared_bars for each in ranked])
    most = max(ranked, key=lambda each: each.shared_bars)
    names = ("chord_tones_on_strong_beats", "repeated_rhythms", "longest_silence")
    usual = "; ".join(
        f"{name.replace('_', ' ')} {np.nanmean([each.statistics[name] for each in ranked]):.2f} "
        f"(training set: {model.reference[style][name][0]:.2f} ± "
        f"{model.reference[style][name][1]:.2f})"
        for name in names
    )
    return [
        f"## Generated melodies for {len(chosen)} songs of the test set, {style}\n\n"
        f"For the chords of the first {BARS} bars at most. Pitch classes are relative to the "
        "tonic; overlap is the intersection of two distributions (1: equal), of all songs pooled, "
        "and per song with the actual melody, on average; the last columns are the overlapping "
        "area (Yang & Lerch 2020) of a statistic per melody. The baselines sample durations from "
        "actual melodies, and so agree in these.\n",
        table(
            (
                "", "chord tones on strong beats", "pitch classes, pooled", "per song",
                "durations, pooled", "per song", "area: entropy", "area: mean duration",
            ),
            rows,
        ),
        f"Of the best of 16: {usual}; longest passage shared with a melody of the training set: "
        f"{np.median(bars):.1f} bars (median), {bars.max():.1f} at most "
        f"({most.shared.length} notes, of “{most.shared_with}”).\n",
    ]  # fmt: skip


def _best(model: MelodyModel, sheet: LeadSheet, style: str, seed: int) -> MelodyCandidate:
    return generate_melodies(model, sheet.chart, CANDIDATES // 4, style=style, seed=seed)[0]


if __name__ == "__main__":
    main()
