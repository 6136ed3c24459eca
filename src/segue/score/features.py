"""Named features of a score, the embedding space `score-features`, and the facts shown of a score.

Features that jSymbolic has too are named after it: McKay, Cumming & Fujinaga, "jSymbolic 2.2:
Extracting Features from Symbolic Music for Use in Musicological and MIR Research", ISMIR 2018. All
are invariant to key. Histograms are stored as square roots, so that rare and common bins have
similar weight.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import clipped_z_scores, load_constants
from segue.errors import BadArgument
from segue.feature_names import (
    CHORDS,
    INSTRUMENT_FAMILIES,
    INTERVALS,
    NO_CHORD,
    NOTE_VALUES,
    SCORE_FEATURE_GROUPS,
    SCORE_FEATURE_NAMES,
    SCORE_FEATURES_BY_GROUP,
    SIXTEENTHS_PER_BAR,
    TIME_SIGNATURES,
)
from segue.io.unfolding import beat_duration
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


@dataclass(frozen=True, slots=True, eq=False)
class ScoreAnalysis:
    """What the facts and the features of a score are computed from.

    Attributes
    ----------
    score : Score
    bars : BarGrid
    notes, drums : NoteTable
        Notes of the pitched parts, and of the drum parts.
    key : ScoreKey
    lines : list of MelodicLine
        Melodic lines of the pitched parts.
    sounding : ndarray, shape (slices, 128), bool
        Pitches that sound at the middle of each sixteenth.
    polyphony : ndarray, shape (slices,), int64
        Number of notes that sound there.
    """

    score: Score
    bars: BarGrid
    notes: NoteTable
    drums: NoteTable
    key: ScoreKey
    lines: list[MelodicLine]
    sounding: NDArray[np.bool_]
    polyphony: NDArray[np.int64]


def analyse_score(score: Score) -> ScoreAnalysis:
    """Analyse a score.

    Raises
    ------
    BadArgument
        The score has no notes, or more than 100,000 bars.
    """
    if not score.parts:
        raise BadArgument("expected a score with notes, got one without")
    sounding, polyphony = pitch_slices(score)
    return ScoreAnalysis(
        score,
        bar_grid(score),
        note_table(score),
        note_table(score, drums=True),
        estimate_key(score),
        melodic_lines(score),
        sounding,
        polyphony,
    )


#: Changes when, and only when, a golden vector moves by more than 1e-3.
VERSION: Final = 1

Numbers = NDArray[np.float64]


def score_features(score: Score) -> FloatArray:
    """Compute the features of a score.

    Returns
    -------
    ndarray, shape (len(SCORE_FEATURE_NAMES),), float32
        Finite, not yet standardised.

    Raises
    ------
    BadArgument
        The score has no notes, or more than 100,000 bars.
    """
    return features_from_analysis(analyse_score(score))


def features_from_analysis(analysis: ScoreAnalysis) -> FloatArray:
    """Compute the features of an analysed score; see `score_features`."""
    groups = {
        "pitch": _pitch(analysis),
        "melody": _melody(analysis.lines),
        "harmony": _harmony(analysis),
        "rhythm": _rhythm(analysis),
        "metre": _time_signature(analysis),
        "figures": _figures(analysis),
        "texture": _texture(analysis),
        "instruments": _instruments(analysis.score),
    }
    vector = np.concatenate(
        [np.asarray(groups[group], np.float64) for group in SCORE_FEATURES_BY_GROUP]
    )
    return vector.astype(np.float32)


def standardise_score(vector: FloatArray) -> FloatArray:
    """Standardise features, into the embedding space `score-features`.

    Parameters
    ----------
    vector : ndarray, shape (..., len(SCORE_FEATURE_NAMES)), float32
        From `score_features`.

    Returns
    -------
    ndarray, same shape, float32
        Z-scores, clipped to -4 to 4, then whitened within each group but `figures`, and weighted
        by group, with bundled constants (weights/score-features.md).

    Raises
    ------
    BadArgument
        The vector has another length.
    """
    if vector.shape[-1] != len(SCORE_FEATURE_NAMES):
        raise BadArgument(
            f"expected {len(SCORE_FEATURE_NAMES)} numbers, got {vector.shape[-1]}; "
            "describe the score again"
        )
    constants = load_constants("score-features")
    standard = clipped_z_scores(vector, constants)
    for group, at in SCORE_FEATURE_GROUPS.items():
        if group in constants:
            standard[..., at] = standard[..., at] @ constants[group]
    return np.asarray(standard * constants["weight"], np.float32)


# --- feature groups ---


def _pitch(analysis: ScoreAnalysis) -> list[float]:
    notes, key = analysis.notes, analysis.key
    if not len(notes):
        return [0.0] * len(SCORE_FEATURES_BY_GROUP["pitch"])
    duration = np.minimum(notes.duration, 16 * analysis.score.ticks_per_quarter)
    share = _histogram(notes.pitch % 12, 12, duration.astype(np.float64))
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


def _melody(lines: list[MelodicLine]) -> list[float]:
    steps = np.concatenate([np.zeros(0, np.int64), *(np.diff(line.pitch) for line in lines)])
    if not len(steps):
        return [0.0] * len(SCORE_FEATURES_BY_GROUP["melody"])
    size = np.abs(steps)
    length, span = _arcs(lines)
    moving = np.count_nonzero(steps)
    return [
        *np.sqrt(_histogram(np.clip(steps, -12, 12) + 12, len(INTERVALS))),
        float(np.minimum(size, 24).mean()),
        float(np.isin(size, (0, 3, 4, 7, 10, 11, 12, 15, 16)).mean()),
        float((size == 0).mean()),
        float((size == 1).mean()),
        float(np.isin(size, (1, 2)).mean()),
        float((size > 12).mean()),
        float((steps > 0).sum() / max(moving, 1)),
        float(np.log(length)),
        float(np.minimum(span, 24)),
    ]


def _arcs(lines: list[MelodicLine]) -> tuple[float, float]:
    """Return the mean number of notes, and of semitones, of a melodic arc in one direction."""
    notes, semitones = [], []
    for line in lines:
        steps = np.diff(line.pitch)
        steps = steps[steps != 0]
        if len(steps):
            starts = np.concatenate([[0], np.flatnonzero(np.diff(np.sign(steps))) + 1])
            notes.append(np.diff(np.append(starts, len(steps))))
            semitones.append(np.abs(np.add.reduceat(steps, starts)))
    if not notes:
        return 1.0, 0.0
    return float(np.concatenate(notes).mean()), float(np.concatenate(semitones).mean())


def _harmony(analysis: ScoreAnalysis) -> list[float]:
    sounding = analysis.sounding[analysis.polyphony > 0]
    if not len(sounding):
        return [0.0] * len(SCORE_FEATURES_BY_GROUP["harmony"])
    octaves = np.pad(sounding, ((0, 0), (0, 4))).reshape(len(sounding), 11, 12)
    classes = octaves.any(axis=1)
    bass = sounding.argmax(axis=1) % 12
    # Intervals above the bass, which are invariant to key.
    above = np.take_along_axis(classes, (np.arange(12) + bass[:, None]) % 12, axis=1)
    n_classes = classes.sum(axis=1)
    vertical = above.sum(axis=0).astype(np.float64)
    vertical[0] = (n_classes == 1).sum()
    chords = np.bincount(_chord_types()[classes @ (1 << np.arange(12))], minlength=NO_CHORD + 1)
    return [
        *np.sqrt(vertical / max(vertical.sum(), 1)),
        *np.sqrt(chords[:NO_CHORD] / len(sounding)),
        *np.sqrt(_histogram((bass - analysis.key.tonic) % 12, 12)),
        float(n_classes.mean()),
        float(n_classes.std()),
    ]


@cache
def _chord_types() -> NDArray[np.int64]:
    """Return the index of the chord of each set of pitch classes, as a bit mask; shape (4096,)."""
    types = np.full(1 << 12, NO_CHORD)
    for index, tones in enumerate(CHORDS.values()):
        for root in range(12):
            types[sum(1 << (root + tone) % 12 for tone in tones)] = index
    return types


def _rhythm(analysis: ScoreAnalysis) -> list[float]:
    score, everything = analysis.score, (analysis.notes, analysis.drums)
    quarter = score.ticks_per_quarter
    durations = (everything[0] if len(everything[0]) else everything[1]).duration / quarter
    onsets = np.unique(np.concatenate([unique_onsets(notes, quarter) for notes in everything]))
    iois = np.diff(onsets) if len(onsets) > 1 else np.array([4.0])
    count = sum(len(notes) for notes in everything)
    quarters = float(onsets[-1] - onsets[0]) + 1
    return [
        *np.sqrt(_histogram(_note_value(durations), len(NOTE_VALUES))),
        *np.sqrt(_histogram(_note_value(iois), len(NOTE_VALUES))),
        float(np.log2(count / quarters + 0.1)),
        float(np.log2(count / max(duration_s(score), 1.0) + 0.1)),
        float(np.log2(np.minimum(iois, 16).mean() + 0.05)),
        float(np.log2(np.minimum(iois, 16).std() + 0.05)),
        float(np.log2(main_tempo_bpm(score))),
        float(np.log2(np.minimum(durations, 16).mean() + 0.05)),
        float(np.log2(np.minimum(durations, 16).std() + 0.05)),
    ]


def _note_value(quarters: Numbers) -> NDArray[np.int64]:
    """Return the index of the note value nearest to each duration, by ratio."""
    values = np.log2(list(NOTE_VALUES.values()))
    edges = (values[1:] + values[:-1]) / 2
    return np.searchsorted(edges, np.log2(np.maximum(quarters, 1e-3)))


def _time_signature(analysis: ScoreAnalysis) -> list[float]:
    grid, quarter = analysis.bars, analysis.score.ticks_per_quarter
    ticks = np.zeros(len(TIME_SIGNATURES))
    for (beats, unit), length in time_signature_durations(grid).items():
        ticks[_time_signature_class(beats, unit)] += length
    onsets = np.concatenate([analysis.notes.onset, analysis.drums.onset]) / quarter
    positions = position_in_bar(grid, onsets, quarter, positions=SIXTEENTHS_PER_BAR)
    return [*(ticks / ticks.sum()), *np.sqrt(_histogram(positions, SIXTEENTHS_PER_BAR))]


def _time_signature_class(beats: int, unit: int) -> int:
    classes = {(2, 4): 0, (2, 2): 0, (3, 4): 1, (4, 4): 2, (4, 2): 2, (6, 8): 3, (12, 8): 3}
    return classes.get((beats, unit), 4 if unit == 8 and beats in {3, 9} else 5)


def _figures(analysis: ScoreAnalysis) -> list[float]:
    counts = np.zeros(SIXTEENTHS_PER_BAR * 12)
    for line in analysis.lines:
        interval = np.diff(line.pitch) % 12
        position = position_in_bar(
            analysis.bars,
            line.onset[:-1],
            analysis.score.ticks_per_quarter,
            positions=SIXTEENTHS_PER_BAR,
        )
        counts += np.bincount(position * 12 + interval, minlength=len(counts))
    return list(np.sqrt(counts / max(counts.sum(), 1)))


def _texture(analysis: ScoreAnalysis) -> list[float]:
    notes, polyphony = analysis.notes, analysis.polyphony
    quarter = analysis.score.ticks_per_quarter
    sounding = polyphony[polyphony > 0] if polyphony.any() else np.zeros(1)
    onsets = len(unique_onsets(notes, quarter)) if len(notes) else 1
    note_quarters = float(notes.duration.sum()) / quarter
    return [
        float(np.log2(sounding.mean() + 1)),
        float(np.log2(sounding.max() + 1)),
        float(np.log2(sounding.std() + 0.5)),
        float((polyphony == 0).mean()) ** 0.5,
        float(np.log2(max(len(notes), 1) / onsets)),
        float(np.log2(note_quarters / onsets + 0.1)),
    ]


def _instruments(score: Score) -> list[float]:
    counts = np.zeros(len(INSTRUMENT_FAMILIES))
    starts = [first for first, _ in INSTRUMENT_FAMILIES.values()]
    drums: set[int] = set()
    drum_notes = 0
    for part in score.parts:
        if part.is_drum:
            drum_notes += len(part.notes)
            drums |= set(np.unique(part.notes[:, 2]).tolist())
        else:
            counts[np.searchsorted(starts, part.program, side="right") - 1] += len(part.notes)
    programs = {part.program for part in score.parts if not part.is_drum}
    total = counts.sum() + drum_notes
    return [
        *np.sqrt(counts / total),
        float(np.log2(len(programs) + 1)),
        float(drum_notes / total) ** 0.5,
        float(np.log2(len(drums) + 1)),
    ]


def _histogram(classes: NDArray[np.integer], count: int, weight: Numbers | None = None) -> Numbers:
    """Return the normalised histogram of classes, shape (count,)."""
    counts = np.bincount(classes, weight, minlength=count).astype(np.float64)
    return np.asarray(counts / max(counts.sum(), 1e-9))


# --- description ---


@dataclass(frozen=True, slots=True, eq=False)
class ScoreDescription:
    """Facts and features of a score.

    Attributes
    ----------
    facts : dict of str to float or str
        Named facts, with units in the names; the same names as for audio where possible.
    vector : ndarray, shape (len(SCORE_FEATURE_NAMES),), float32
        Features from `score_features`, not yet standardised.
    """

    facts: dict[str, float | str]
    vector: FloatArray


def describe_score(score: Score) -> ScoreDescription:
    """Describe a score.

    Raises
    ------
    BadArgument
        The score has no notes, or more than 100,000 bars.
    """
    analysis = analyse_score(score)
    return ScoreDescription(_facts(analysis), features_from_analysis(analysis))


def pitch_name(pitch: int) -> str:
    """Return the name of a MIDI pitch, such as "C4" for 60."""
    return f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"


def time_signature_text(score: Score) -> str:
    """Return the main time signature, such as "6/8", and the number of others, as text."""
    beats, unit = main_time_signature(score)
    others = len(time_signature_durations(bar_grid(score))) - 1
    suffix = {0: "", 1: " and another"}.get(others, f" and {others} others")
    return f"{beats}/{unit}{suffix}"


def _facts(analysis: ScoreAnalysis) -> dict[str, float | str]:
    score, key, notes = analysis.score, analysis.key, analysis.notes
    facts: dict[str, float | str] = {
        "duration_s": duration_s(score),
        "tempo_bpm": main_beats_per_minute(score),
        **(
            {"tempo_beat": "dotted quarter"}
            if beat_duration(*main_time_signature(score)) > 1
            else {}
        ),
        "metre": time_signature_text(score),
        "bars": float(len(analysis.bars)),
        "notes": float(sum(len(part.notes) for part in score.parts)),
        "notes_per_quarter": _notes_per_quarter(analysis),
        "instruments": ", ".join(_instrument_names(score)),
    }
    if len(notes):
        polyphony = analysis.polyphony
        facts |= {
            "tonic": key.name.split()[0],
            "key": key.name,
            "key_confidence": key.confidence,
            "lowest_pitch": pitch_name(int(notes.pitch.min())),
            "highest_pitch": pitch_name(int(notes.pitch.max())),
            "mean_pitch": float(np.average(notes.pitch, weights=notes.duration)),
            "polyphony": float(polyphony[polyphony > 0].mean()) if polyphony.any() else 1.0,
        }
    if score.warnings:
        facts["warnings"] = "; ".join(score.warnings)
    return facts


def _notes_per_quarter(analysis: ScoreAnalysis) -> float:
    """Return the note density: mean number of onsets per quarter note."""
    ticks = int(analysis.bars.edges[-1] - analysis.bars.edges[0])
    onsets = len(analysis.notes) + len(analysis.drums)
    return onsets * analysis.score.ticks_per_quarter / max(ticks, 1)


def _instrument_names(score: Score) -> list[str]:
    """Return the names of the instruments, in order of appearance, drums last."""
    pitched = dict.fromkeys(PROGRAM_NAMES[p.program] for p in score.parts if not p.is_drum)
    return [*pitched, *(["drums"] if any(part.is_drum for part in score.parts) else [])]
