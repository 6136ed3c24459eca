"""What a melody over chords is like, in a few plain figures."""

from typing import Final

import numpy as np

from segue.measure.generation import groove_consistency, pitch_class_entropy, scale_consistency
from segue.represent.score.lead_sheet import LOWEST, NO_ROOT, Chart, IntArray, strong_steps

#: Those by which candidates are held against real melodies: how much is played, by what steps,
#: how far, how often on what the chord has, how often a bar's rhythm comes back, how long nothing.
COMPARED: Final = (
    "notes_per_bar", "mean_interval", "range", "chord_tones_on_strong_beats", "repeated_rhythms",
    "longest_silence",
)  # fmt: skip


def figures_of(chart: Chart, melody: IntArray) -> dict[str, float]:
    """Measure a melody.

    Parameters
    ----------
    chart : Chart
    melody : ndarray, shape (m, 2), int64
        Symbols and lengths, filling the chart.

    Returns
    -------
    dict of str to float
        notes; notes_per_bar; mean_interval, semitones between successive notes; range, semitones;
        chord_tones_on_strong_beats, of the notes that begin there over a chord;
        repeated_rhythms, the share of bars whose onsets fall as in a bar before; longest_silence,
        bars; and, as published, pitch_class_entropy, bits, scale_consistency and
        groove_consistency. NaN where there is nothing to measure.
    """
    onset, symbol = onsets(melody)
    pitch = symbol - 1 + LOWEST
    bar = chart.bar_steps
    begins = np.zeros((chart.bars, bar), np.bool_)
    begins[onset // bar, onset % bar] = True
    rhythms = [row.tobytes() for row in begins]
    again = [row in rhythms[:number] for number, row in enumerate(rhythms)][1:]
    return {
        "notes": float(len(pitch)),
        "notes_per_bar": len(pitch) / chart.bars,
        "mean_interval": float(np.abs(np.diff(pitch)).mean()) if len(pitch) > 1 else float("nan"),
        "range": float(np.ptp(pitch)) if len(pitch) else float("nan"),
        "chord_tones_on_strong_beats": chord_tone_share(chart, melody),
        "repeated_rhythms": float(np.mean(again)) if again else float("nan"),
        "longest_silence": _longest_silence(melody) / bar,
        "pitch_class_entropy": pitch_class_entropy(pitch),
        "scale_consistency": scale_consistency(pitch),
        "groove_consistency": groove_consistency(begins),
    }


def onsets(melody: IntArray) -> tuple[IntArray, IntArray]:
    """Return the step at which each note begins, and its symbol; rests are left out."""
    at = np.concatenate([[0], np.cumsum(melody[:-1, 1])]).astype(np.int64)[: len(melody)]
    heard = melody[:, 0] > 0
    return at[heard], melody[heard, 0]


def chord_tones(chart: Chart, melody: IntArray) -> tuple[int, int]:
    """Count the notes that begin on strong beats over a chord: all, and those of the chord."""
    onset, symbol = onsets(melody)
    strong = np.isin(onset % chart.bar_steps, strong_steps(chart.metre))
    onset, symbol = onset[strong], symbol[strong]
    row = np.searchsorted(chart.chords[:, 0], onset, side="right") - 1
    over = chart.chords[row, 1] != NO_ROOT
    belongs = chart.chords[row, 3] >> (symbol - 1 + LOWEST) % 12 & 1
    return int(over.sum()), int(belongs[over].sum())


def chord_tone_share(chart: Chart, melody: IntArray) -> float:
    """Return the share of notes on strong beats that belong to their chord; NaN of none."""
    count, belongs = chord_tones(chart, melody)
    return belongs / count if count else float("nan")


def _longest_silence(melody: IntArray) -> int:
    longest = here = 0
    for symbol, length in melody.tolist():
        here = 0 if symbol else here + length
        longest = max(longest, here)
    return longest
