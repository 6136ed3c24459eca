"""The named features of a score and the space `score-features`.

Everything measured of a score once, before it is summed up.

What can be said of a score in named numbers, and the space `score-features` of them.

Where a number is one of jSymbolic's it has its name there: McKay, Cumming & Fujinaga, "jSymbolic
2.2: Extracting Features from Symbolic Music for Use in Musicological and MIR Research", ISMIR
2018. None depends on the key, so that what is transposed stays where it is. Shares are kept as
their square roots, whose differences count alike for what is rare and what is common.

What people are told of a score, and the numbers it is compared by.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from segue.errors import BadArgument
from segue.feature_names import (
    CHORDS,
    FAMILIES,
    INTERVALS,
    METRES,
    NO_CHORD,
    PLACES,
    SCORE_FEATURE_GROUPS,
    SCORE_FEATURE_NAMES,
    SCORE_FEATURES_BY_GROUP,
    VALUES,
)
from segue.io.written_score import beat_of
from segue.records import FloatArray, Score
from segue.score.harmony import ScoreKey, estimate_key
from segue.score.lines import (
    MelodicLine,
    melodic_lines,
    pitch_slices,
    position_in_bar,
    unique_onsets,
)
from segue.score.timing import (
    BarGrid,
    NoteTable,
    bar_grid,
    duration_s,
    main_beats_per_minute,
    main_tempo_bpm,
    main_time_signature,
    note_table,
    time_signature_durations,
)
from segue.theory.instruments import PROGRAM_NAMES
from segue.theory.keys import PITCH_CLASSES

# --- measured ---


@dataclass(frozen=True, slots=True, eq=False)
class ScoreAnalysis:
    """What the facts and the features of a score are made of.

    Attributes
    ----------
    score : Score
    bars : Bars
    notes, drums : NoteTable
        Those that have a pitch, and those of drums.
    key : ScoreKey
    lines : list of Line
        The highest notes of each part that has a pitch.
    sounding : ndarray, shape (moments, 128), bool
        Which pitches sound, at the middle of each sixteenth.
    voices : ndarray, shape (moments,), int64
        How many notes sound then.
    """

    score: Score
    bars: BarGrid
    notes: NoteTable
    drums: NoteTable
    key: ScoreKey
    lines: list[MelodicLine]
    sounding: NDArray[np.bool_]
    voices: NDArray[np.int64]


def analyse_score(score: Score) -> ScoreAnalysis:
    """Measure a score.

    Parameters
    ----------
    score : Score

    Returns
    -------
    MeasuredScore

    Raises
    ------
    BadArgument
        It has no notes, or more than 100,000 bars.
    """
    if not score.parts:
        raise BadArgument("expected a score with notes, got one without")
    sounding, voices = pitch_slices(score)
    return ScoreAnalysis(
        score,
        bar_grid(score),
        note_table(score),
        note_table(score, drums=True),
        estimate_key(score),
        melodic_lines(score),
        sounding,
        voices,
    )


# --- features ---

#: Changes when, and only when, a golden vector moves by more than 1e-3.
VERSION: Final = 1

#: Standardised numbers are cut off here: one odd number must not decide.
MAX_Z_SCORE: Final = 4.0

Numbers = NDArray[np.float64]


def score_features(score: Score) -> FloatArray:
    """Measure a score.

    Parameters
    ----------
    score : Score

    Returns
    -------
    ndarray, shape (len(SCORE_FEATURE_NAMES),), float32
        Encoded so that differences mean something, not yet standardised; finite.

    Raises
    ------
    BadArgument
        It has no notes, or more than 100,000 bars.
    """
    return features_from_analysis(analyse_score(score))


def features_from_analysis(measured: ScoreAnalysis) -> FloatArray:
    """Sum up what was measured of a score, as `score_features` does."""
    numbers = {
        "pitch": _pitch(measured),
        "melody": _melody(measured.lines),
        "harmony": _harmony(measured),
        "rhythm": _rhythm(measured),
        "metre": _metre(measured),
        "figures": _figures(measured),
        "texture": _texture(measured),
        "instruments": _instruments(measured.score),
    }
    vector = np.concatenate(
        [np.asarray(numbers[group], np.float64) for group in SCORE_FEATURES_BY_GROUP]
    )
    return vector.astype(np.float32)


def standardise_score(vector: FloatArray) -> FloatArray:
    """Bring a vector into the space `score-features`.

    Parameters
    ----------
    vector : ndarray, shape (..., len(SCORE_FEATURE_NAMES)), float32
        From `score_features`.

    Returns
    -------
    ndarray, same shape, float32
        Each number less its mean and divided by its scale, within -4 to 4; then freed of what
        the others of its group say too, except in `figures`; and weighted by group. All by the
        shipped constants (weights/score-features.md).

    Raises
    ------
    BadArgument
        It has another number of numbers.
    """
    if vector.shape[-1] != len(SCORE_FEATURE_NAMES):
        raise BadArgument(
            f"expected {len(SCORE_FEATURE_NAMES)} numbers, got {vector.shape[-1]}; "
            "describe the score again"
        )
    constants = _constants()
    standard = np.clip((vector - constants["mean"]) / constants["scale"], -MAX_Z_SCORE, MAX_Z_SCORE)
    for group, at in SCORE_FEATURE_GROUPS.items():
        if group in constants:
            standard[..., at] = standard[..., at] @ constants[group]
    return np.asarray(standard * constants["weight"], np.float32)


def score_z_scores(vector: FloatArray) -> FloatArray:
    """Tell of a vector of the space `score-features` how far each number is from the average.

    Parameters
    ----------
    vector : ndarray, shape (..., len(SCORE_FEATURE_NAMES)), float32
        From `standardise_score`.

    Returns
    -------
    ndarray, same shape, float32
        Standard deviations, within -4 to 4: what the others of its group say is in it again, and
        its group's weight is not.
    """
    constants = _constants()
    standard = vector / constants["weight"]
    for group, at in SCORE_FEATURE_GROUPS.items():
        if group in constants:
            standard[..., at] = np.linalg.solve(constants[group].T, standard[..., at].T).T
    return np.asarray(standard, np.float32)


@cache
def _constants() -> dict[str, FloatArray]:
    return dict(load((files("segue.weights") / "score-features.safetensors").read_bytes()))


# ---- the groups --------------------------------------------------------------------------


def _pitch(measured: ScoreAnalysis) -> list[float]:
    notes, key = measured.notes, measured.key
    if not len(notes):
        return [0.0] * len(SCORE_FEATURES_BY_GROUP["pitch"])
    length = np.minimum(notes.duration, 16 * measured.score.ticks_per_quarter).astype(np.float64)
    share = _shares(notes.pitch % 12, 12, length)
    common = np.argsort(-share, kind="stable")
    deviation = (notes.pitch - notes.pitch.mean()) / max(float(notes.pitch.std()), 1.0)
    return [
        *np.sqrt(np.roll(share, -key.tonic)),
        *np.abs(np.fft.fft(share))[1:7],
        float(np.ptp(notes.pitch)),
        float(notes.pitch.std()),
        float(len(np.unique(notes.pitch))) ** 0.5,
        float(np.count_nonzero(share)),
        float(np.mean(deviation**3)),
        float(share.max()),
        float((common[1] - common[0]) % 12),
        float(key.correlations[:12].max() - key.correlations[12:].max()),
    ]


def _melody(parts: list[MelodicLine]) -> list[float]:
    steps = np.concatenate([np.zeros(0, np.int64), *(np.diff(line.pitch) for line in parts)])
    if not len(steps):
        return [0.0] * len(SCORE_FEATURES_BY_GROUP["melody"])
    size = np.abs(steps)
    lengths, spans = _arcs(parts)
    moving = np.count_nonzero(steps)
    return [
        *np.sqrt(_shares(np.clip(steps, -12, 12) + 12, len(INTERVALS))),
        float(np.minimum(size, 24).mean()),
        float(np.isin(size, (0, 3, 4, 7, 10, 11, 12, 15, 16)).mean()),
        float((size == 0).mean()),
        float((size == 1).mean()),
        float(np.isin(size, (1, 2)).mean()),
        float((size > 12).mean()),
        float((steps > 0).sum() / max(moving, 1)),
        float(np.log(lengths)),
        float(np.minimum(spans, 24)),
    ]


def _arcs(parts: list[MelodicLine]) -> tuple[float, float]:
    """Return the mean notes and semitones between turns of the melody."""
    notes, semitones = [], []
    for line in parts:
        steps = np.diff(line.pitch)
        steps = steps[steps != 0]
        if len(steps):
            starts = np.concatenate([[0], np.flatnonzero(np.diff(np.sign(steps))) + 1])
            notes.append(np.diff(np.append(starts, len(steps))))
            semitones.append(np.abs(np.add.reduceat(steps, starts)))
    if not notes:
        return 1.0, 0.0
    return float(np.concatenate(notes).mean()), float(np.concatenate(semitones).mean())


def _harmony(measured: ScoreAnalysis) -> list[float]:
    sounding = measured.sounding[measured.voices > 0]
    if not len(sounding):
        return [0.0] * len(SCORE_FEATURES_BY_GROUP["harmony"])
    octaves = np.pad(sounding, ((0, 0), (0, 4))).reshape(len(sounding), 11, 12)
    classes = octaves.any(axis=1)
    bass = sounding.argmax(axis=1) % 12
    # Above the bass, so that a chord is the same in all keys.
    above = np.take_along_axis(classes, (np.arange(12) + bass[:, None]) % 12, axis=1)
    number = classes.sum(axis=1)
    vertical = above.sum(axis=0).astype(np.float64)
    vertical[0] = (number == 1).sum()
    chords = np.bincount(_chord_kinds()[classes @ (1 << np.arange(12))], minlength=NO_CHORD + 1)
    return [
        *np.sqrt(vertical / max(vertical.sum(), 1)),
        *np.sqrt(chords[:NO_CHORD] / len(sounding)),
        *np.sqrt(_shares((bass - measured.key.tonic) % 12, 12)),
        float(number.mean()),
        float(number.std()),
    ]


@cache
def _chord_kinds() -> NDArray[np.int64]:
    """Return which chord each set of pitch classes is, a bit for each; shape (4096,)."""
    kinds = np.full(1 << 12, NO_CHORD)
    for kind, tones in enumerate(CHORDS.values()):
        for root in range(12):
            kinds[sum(1 << (root + tone) % 12 for tone in tones)] = kind
    return kinds


def _rhythm(measured: ScoreAnalysis) -> list[float]:
    score, everything = measured.score, (measured.notes, measured.drums)
    quarter = score.ticks_per_quarter
    values = (everything[0] if len(everything[0]) else everything[1]).duration / quarter
    attacks = np.unique(np.concatenate([unique_onsets(notes, quarter) for notes in everything]))
    between = np.diff(attacks) if len(attacks) > 1 else np.array([4.0])
    count = sum(len(notes) for notes in everything)
    long_quarters = float(attacks[-1] - attacks[0]) + 1
    return [
        *np.sqrt(_shares(_value(values), len(VALUES))),
        *np.sqrt(_shares(_value(between), len(VALUES))),
        float(np.log2(count / long_quarters + 0.1)),
        float(np.log2(count / max(duration_s(score), 1.0) + 0.1)),
        float(np.log2(np.minimum(between, 16).mean() + 0.05)),
        float(np.log2(np.minimum(between, 16).std() + 0.05)),
        float(np.log2(main_tempo_bpm(score))),
        float(np.log2(np.minimum(values, 16).mean() + 0.05)),
        float(np.log2(np.minimum(values, 16).std() + 0.05)),
    ]


def _value(quarters: Numbers) -> NDArray[np.int64]:
    """Return the nearest rhythmic value of each length, by ratio."""
    known = np.log2(list(VALUES.values()))
    edges = (known[1:] + known[:-1]) / 2
    return np.searchsorted(edges, np.log2(np.maximum(quarters, 1e-3)))


def _metre(measured: ScoreAnalysis) -> list[float]:
    divided, quarter = measured.bars, measured.score.ticks_per_quarter
    which = np.zeros(len(METRES))
    for (beats, unit), length in time_signature_durations(divided).items():
        which[_metre_kind(beats, unit)] += length
    onsets = np.concatenate([measured.notes.onset, measured.drums.onset]) / quarter
    places = position_in_bar(divided, onsets, quarter, positions=PLACES)
    return [*(which / which.sum()), *np.sqrt(_shares(places, PLACES))]


def _metre_kind(beats: int, unit: int) -> int:
    known = {(2, 4): 0, (2, 2): 0, (3, 4): 1, (4, 4): 2, (4, 2): 2, (6, 8): 3, (12, 8): 3}
    return known.get((beats, unit), 4 if unit == 8 and beats in {3, 9} else 5)


def _figures(measured: ScoreAnalysis) -> list[float]:
    counts = np.zeros(PLACES * 12)
    for line in measured.lines:
        interval = np.diff(line.pitch) % 12
        place = position_in_bar(
            measured.bars, line.onset[:-1], measured.score.ticks_per_quarter, positions=PLACES
        )
        counts += np.bincount(place * 12 + interval, minlength=len(counts))
    return list(np.sqrt(counts / max(counts.sum(), 1)))


def _texture(measured: ScoreAnalysis) -> list[float]:
    notes, voices = measured.notes, measured.voices
    quarter = measured.score.ticks_per_quarter
    heard = voices[voices > 0] if voices.any() else np.zeros(1)
    attacks = len(unique_onsets(notes, quarter)) if len(notes) else 1
    busy = float(notes.duration.sum()) / quarter
    return [
        float(np.log2(heard.mean() + 1)),
        float(np.log2(heard.max() + 1)),
        float(np.log2(heard.std() + 0.5)),
        float((voices == 0).mean()) ** 0.5,
        float(np.log2(max(len(notes), 1) / attacks)),
        float(np.log2(busy / attacks + 0.1)),
    ]


def _instruments(score: Score) -> list[float]:
    counts = np.zeros(len(FAMILIES))
    starts = [first for first, _ in FAMILIES.values()]
    drums: set[int] = set()
    beats = 0
    for part in score.parts:
        if part.is_drum:
            beats += len(part.notes)
            drums |= set(np.unique(part.notes[:, 2]).tolist())
        else:
            counts[np.searchsorted(starts, part.program, side="right") - 1] += len(part.notes)
    programs = {part.program for part in score.parts if not part.is_drum}
    total = counts.sum() + beats
    return [
        *np.sqrt(counts / total),
        float(np.log2(len(programs) + 1)),
        float(beats / total) ** 0.5,
        float(np.log2(len(drums) + 1)),
    ]


def _shares(which: NDArray[np.integer], count: int, weight: Numbers | None = None) -> Numbers:
    """Return which share each of `count` kinds has, shape (count,)."""
    counts = np.bincount(which, weight, minlength=count).astype(np.float64)
    return np.asarray(counts / max(counts.sum(), 1e-9))


# --- description ---


@dataclass(frozen=True, slots=True, eq=False)
class ScoreDescription:
    """A score in named numbers.

    Attributes
    ----------
    facts : dict of str to float or str
        For people; names carry their units, and are those of recordings where they mean the
        same.
    vector : ndarray, shape (len(SCORE_FEATURE_NAMES),), float32
        From `segue.score.features.score_features`: not yet standardised.
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
    measured = analyse_score(score)
    return ScoreDescription(_facts(measured), features_from_analysis(measured))


def pitch_name(pitch: int) -> str:
    """Return a MIDI pitch as "C4", which is middle C, 60."""
    return f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"


def time_signature_text(score: Score) -> str:
    """Return the metre that most of a score is in, as "6/8", and how many others there are."""
    beats, unit = main_time_signature(score)
    others = len(time_signature_durations(bar_grid(score))) - 1
    told = {0: "", 1: " and another"}.get(others, f" and {others} others")
    return f"{beats}/{unit}{told}"


def _facts(measured: ScoreAnalysis) -> dict[str, float | str]:
    score, key, notes = measured.score, measured.key, measured.notes
    facts: dict[str, float | str] = {
        "duration_s": duration_s(score),
        "tempo_bpm": main_beats_per_minute(score),
        **({"tempo_beat": "dotted quarter"} if beat_of(*main_time_signature(score)) > 1 else {}),
        "metre": time_signature_text(score),
        "bars": float(len(measured.bars)),
        "notes": float(sum(len(part.notes) for part in score.parts)),
        "notes_per_quarter": _notes_per_quarter(measured),
        "instruments": ", ".join(_instrument_names(score)),
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


def _notes_per_quarter(measured: ScoreAnalysis) -> float:
    """Return how many notes begin in a quarter, from the first bar to the end of the last."""
    ticks = int(measured.bars.edges[-1] - measured.bars.edges[0])
    begun = len(measured.notes) + len(measured.drums)
    return begun * measured.score.ticks_per_quarter / max(ticks, 1)


def _instrument_names(score: Score) -> list[str]:
    """Name each instrument once, those that come first in the score first, drums last."""
    pitched = dict.fromkeys(PROGRAM_NAMES[p.program] for p in score.parts if not p.is_drum)
    return [*pitched, *(["drums"] if any(part.is_drum for part in score.parts) else [])]
