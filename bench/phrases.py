"""Phrases of melodies: how they end and which return, beside melodies of the test set.

    python -m bench.phrases --data ../shared/data

Of the bundled model, on songs of the test set (`recipes/datasets/lead_sheets.py`).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.melody import beginning
from bench.result_tables import table, write_table
from recipes.datasets.lead_sheets import songs
from segue.generate.melody.lead_sheet import LOWEST_PITCH, LeadSheet
from segue.generate.melody.model import MelodyModel
from segue.generate.melody.phrases import VOICE_RANGES
from segue.generate.melody.training import note_onsets
from segue.nn.sampling import Sampling
from segue.records import IntArray
from segue.theory.chord_charts import NO_ROOT

#: Songs of each style with sixteen bars, and melodies sampled for each.
SONGS: Final = 8
SAMPLES: Final = 2
BARS: Final = 16
FORM: Final = "AABA"
PHRASE: Final = BARS // len(FORM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    dataset = songs(parser.parse_args().data)
    torch.set_num_threads(1)
    model = MelodyModel.pretrained()
    sections = []
    for style in model.styles:
        sheets = [
            beginning(song) for song in dataset if song.side == "test" and song.style == style
        ]
        sheets = [sheet for sheet in sheets if sheet.chart.bars == BARS][:SONGS]
        rows: list[list[object]] = [
            ["actual melodies", *statistics(sheets, [[each.melody] for each in sheets])]
        ]
        for name, form, pitch_range in (
            ("Segue", "", None),
            (f"Segue, form {FORM}", FORM, None),
            (f"Segue, form {FORM}, range of a soprano", FORM, VOICE_RANGES["soprano"]),
        ):
            sampled = [
                model.sample(
                    sheet.chart, style, SAMPLES, Sampling(top_p=0.95),
                    torch.Generator().manual_seed(index), 4.0, form=form, pitch_range=pitch_range,
                )
                for index, sheet in enumerate(sheets)
            ]  # fmt: skip
            rows.append([name, *statistics(sheets, sampled)])
            print(style, rows[-1], flush=True)
        header = (
            "", "last note is a chord tone", "lasts a beat", "last note of all is the root",
            "held over the end", "A and A", "A and B", "out of a soprano's range",
        )  # fmt: skip
        sections.append(f"## {len(sheets)} songs, {style}\n\n" + table(header, rows))
    write_table(
        "phrases",
        "Phrases of melodies",
        [
            f"First {BARS} bars of songs of the test set, in phrases of {PHRASE} bars; "
            f"{SAMPLES} melodies sampled for the chords of each, not ranked. Share of the phrases "
            "whose last note is a chord tone, and lasts a beat or more until the next phrase or "
            "note; of the melodies that end on the root of the last chord; of the phrases whose "
            "last note is held into the next one. A and A: share of the steps with equal pitch, "
            "of the first phrase beside the second and fourth; A and B: beside the third. Share of "
            "notes out of a soprano's range (C4 to G5).\n",
            *sections,
        ],
    )


def statistics(sheets: Sequence[LeadSheet], melodies: Sequence[Sequence[IntArray]]) -> list[float]:
    """Return the columns of the table, as means over the melodies of the sheets."""
    low, high = VOICE_RANGES["soprano"]
    rows = []
    for sheet, group in zip(sheets, melodies, strict=True):
        for melody in group:
            pitches = note_onsets(melody)[1] - 1 + LOWEST_PITCH
            outside = float(np.mean((pitches < low) | (pitches > high)))
            rows.append([*_endings(sheet, melody), *_returns(sheet, melody), outside])
    return [float(value) for value in np.nanmean(rows, axis=0)]


def _endings(sheet: LeadSheet, melody: IntArray) -> list[float]:
    bar, beat = sheet.chart.steps_per_bar, sheet.chart.steps_per_bar // 4
    onset, symbol = note_onsets(melody)
    ends = np.cumsum(melody[:, 1])[melody[:, 0] > 0]
    chord_tones, long, held = [], [], []
    ends_on_root = float("nan")
    for end in range(PHRASE * bar, sheet.chart.steps + 1, PHRASE * bar):
        last = int(np.searchsorted(onset, end)) - 1
        if last < 0 or onset[last] < end - PHRASE * bar:
            continue
        row = np.searchsorted(sheet.chart.chords[:, 0], onset[last], side="right") - 1
        _, root, _, tones = sheet.chart.chords[row].tolist()
        pitch_class = int(symbol[last] - 1 + LOWEST_PITCH) % 12
        following = onset[last + 1] if last + 1 < len(onset) else sheet.chart.steps
        long.append(min(following, end) - onset[last] >= beat)
        held.append(ends[last] > end)
        if root != NO_ROOT:
            chord_tones.append(tones >> pitch_class & 1)
            if end == sheet.chart.steps:
                ends_on_root = float(pitch_class == root)
    return [_mean(chord_tones), _mean(long), ends_on_root, _mean(held)]


def _mean(values: Sequence[int]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _returns(sheet: LeadSheet, melody: IntArray) -> list[float]:
    """Return the share of equal steps of the first phrase and of those like it, and of the third.

    A step in which a note is held differs from one in which it begins.
    """
    steps = np.repeat(melody[:, 0], melody[:, 1])
    begins = np.zeros(len(steps), np.int64)
    begins[np.cumsum(melody[:-1, 1])] = 1
    phrases = (2 * steps + begins).reshape(len(FORM), PHRASE * sheet.chart.steps_per_bar)
    phrases[:, 0] |= 1
    equal = [float(np.mean(phrases[0] == other)) for other in phrases[1:]]
    return [(equal[0] + equal[2]) / 2, equal[1]]


if __name__ == "__main__":
    main()
