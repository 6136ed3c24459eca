"""What people are told of a score, and the numbers it is compared by."""

from dataclasses import dataclass

import numpy as np

from segue.formats.score.bars import beat_of
from segue.formats.score.general_midi import PROGRAM_NAMES
from segue.records import FloatArray, Score
from segue.represent.harmony import PITCH_CLASSES
from segue.represent.score.features import features_of
from segue.represent.score.measured import MeasuredScore, measure_score
from segue.represent.score.timing import (
    bars,
    duration_s,
    lasting,
    main_beats_per_minute,
    main_metre,
)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreDescription:
    """A score in named numbers.

    Attributes
    ----------
    facts : dict of str to float or str
        For people; names carry their units, and are those of recordings where they mean the
        same.
    vector : ndarray, shape (len(SCORE_FEATURE_NAMES),), float32
        From `segue.represent.score.features.score_features`: not yet standardised.
    """

    facts: dict[str, float | str]
    vector: FloatArray


def describe_score(score: Score) -> ScoreDescription:
    """Describe a score.

    Parameters
    ----------
    score : Score

    Returns
    -------
    ScoreDescription

    Raises
    ------
    BadArgument
        It has no notes, or more than 100,000 bars.
    """
    measured = measure_score(score)
    return ScoreDescription(_facts(measured), features_of(measured))


def pitch_name(pitch: int) -> str:
    """Return a MIDI pitch as "C4", which is middle C, 60."""
    return f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"


def metre_of(score: Score) -> str:
    """Return the metre that most of a score is in, as "6/8", and how many others there are."""
    beats, unit = main_metre(score)
    others = len(lasting(bars(score))) - 1
    told = {0: "", 1: " and another"}.get(others, f" and {others} others")
    return f"{beats}/{unit}{told}"


def _facts(measured: MeasuredScore) -> dict[str, float | str]:
    score, key, notes = measured.score, measured.key, measured.notes
    facts: dict[str, float | str] = {
        "duration_s": duration_s(score),
        "tempo_bpm": main_beats_per_minute(score),
        **({"tempo_beat": "dotted quarter"} if beat_of(*main_metre(score)) > 1 else {}),
        "metre": metre_of(score),
        "bars": float(len(measured.bars)),
        "notes": float(sum(len(part.notes) for part in score.parts)),
        "notes_per_quarter": _notes_per_quarter(measured),
        "instruments": ", ".join(_instruments(score)),
    }
    if len(notes):
        voices = measured.voices
        facts |= {
            "tonic": key.name.split()[0],
            "key": key.name,
            "key_confidence": key.confidence,
            "lowest_pitch": pitch_name(int(notes.pitch.min())),
            "highest_pitch": pitch_name(int(notes.pitch.max())),
            "mean_pitch": float(np.average(notes.pitch, weights=notes.duration)),
            "polyphony": float(voices[voices > 0].mean()) if voices.any() else 1.0,
        }
    if score.warnings:
        facts["warnings"] = "; ".join(score.warnings)
    return facts


def _notes_per_quarter(measured: MeasuredScore) -> float:
    """Return how many notes begin in a quarter, from the first bar to the end of the last."""
    ticks = int(measured.bars.at[-1] - measured.bars.at[0])
    begun = len(measured.notes) + len(measured.drums)
    return begun * measured.score.ticks_per_quarter / max(ticks, 1)


def _instruments(score: Score) -> list[str]:
    """Name each instrument once, those that come first in the score first, drums last."""
    pitched = dict.fromkeys(PROGRAM_NAMES[p.program] for p in score.parts if not p.is_drum)
    return [*pitched, *(["drums"] if any(part.is_drum for part in score.parts) else [])]
