"""Melody candidates for a chord progression, sampled, ranked, and scored with an accompaniment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, check_seed
from segue.generate.copying import SharedPassage, longest_shared_notes
from segue.generate.melody.lead_sheet import LOWEST_PITCH
from segue.generate.melody.training import RANKING_STATISTICS, melody_statistics, note_onsets
from segue.io.unfolding import beat_duration
from segue.records import IntArray, Part, Score
from segue.score.features import pitch_name
from segue.score.harmony import Chord
from segue.theory.chord_charts import NO_ROOT, Chart, strong_steps
from segue.theory.chords import is_chord
from segue.theory.voicing import (
    TICKS_PER_QUARTER,
    TICKS_PER_STEP,
    AccompanimentStyle,
    accompaniment_parts,
)

if TYPE_CHECKING:
    from segue.generate.melody.model import MelodyModel
    from segue.nn.sampling import Sampling

MAX_CANDIDATES: Final = 64
MAX_COPIED_BARS: Final = 4.0
#: Samples per requested candidate, and samples at least.
_OVERSAMPLING: Final = 4
_MIN_SAMPLES: Final = 16
_TEMPO_RANGE_BPM: Final = (20.0, 400.0)
#: Names of chord tones by semitones above the root.
_CHORD_TONES: Final = {3: "the third", 4: "the third", 7: "the fifth", 10: "the seventh",
                       11: "the seventh"}  # fmt: skip
#: Velocities of melody notes on the first beat of a bar, on other strong beats, elsewhere.
_VELOCITIES: Final = (104, 94, 84)


@dataclass(frozen=True, slots=True)
class _Arrangement:
    """Accompaniment pattern, tempo, and General MIDI programs."""

    manner: AccompanimentStyle
    tempo_bpm: float
    melody: int
    chords: int
    bass: int


_ARRANGEMENTS: Final = {
    "folk": _Arrangement("dance", 120.0, melody=110, chords=24, bass=32),
    "pop": _Arrangement("held", 92.0, melody=73, chords=4, bass=33),
    "song": _Arrangement("dance", 108.0, melody=71, chords=0, bass=32),
    "lied": _Arrangement("held", 80.0, melody=68, chords=0, bass=43),
}
_DEFAULT_ARRANGEMENT: Final = _Arrangement("held", 100.0, melody=73, chords=0, bass=32)


@dataclass(frozen=True, slots=True, eq=False)
class MelodyCandidate:
    """A generated melody and its evaluation.

    Attributes
    ----------
    rank : int
        From 1.
    score : Score
        The melody, the chords and the bass.
    melody : ndarray, shape (m, 2), int64
        Symbols and durations, see `segue.generate.melody.lead_sheet`.
    log_likelihood : float
        Mean log-likelihood of an event, in nats.
    deviation : float
        Deviation from real melodies of the style: standard deviations beyond the first, summed
        over the ranking statistics. 0 if all are typical.
    statistics : dict of str to float
        See `segue.generate.melody.training.melody_statistics`.
    shared : SharedPassage
        The longest passage shared with a training melody, up to transposition.
    shared_bars : float
        Bars from the first to the last onset of the passage.
    shared_with : str
        Name of that training melody; "" for none.
    """

    rank: int
    score: Score
    melody: IntArray
    log_likelihood: float
    deviation: float
    statistics: dict[str, float]
    shared: SharedPassage
    shared_bars: float
    shared_with: str


def generate_melodies(
    model: "MelodyModel",
    chart: Chart,
    count: int = 4,
    *,
    style: str = "",
    sampling: "Sampling | None" = None,
    tempo_bpm: float | None = None,
    seed: int = 0,
    max_copy_bars: float = MAX_COPIED_BARS,
    title: str = "",
    form: str = "",
    pitch_range: tuple[int, int] | None = None,
) -> list[MelodyCandidate]:
    """Generate melodies for chords, and rank them.

    Four times as many as requested are sampled, at least sixteen. The most typical in their
    statistics rank first, and among equals the likeliest. Ranking by likelihood alone would prefer
    dull melodies: real ones are less likely than what a network repeats.

    Parameters
    ----------
    model : MelodyModel
    chart : Chart
    count : int
        Number of candidates, 1 to 64.
    style : str
        The model's first by default.
    sampling : Sampling, optional
        By default temperature 1, top-p 0.95.
    tempo_bpm : float, optional
        Quarter notes per minute, 20 to 400; by default that of the style.
    seed : int
    max_copy_bars : float
        Maximum length in bars of a passage shared with a training melody, from the first to the
        last onset; see `MelodyModel.sample`.
    title : str
    form : str
        A letter for each phrase, such as "AABA"; see `segue.generate.melody.phrases`.
    pitch_range : tuple of int, optional
        Lowest and highest MIDI pitch, see `parse_range`; by default the range of the style.

    Returns
    -------
    list of MelodyCandidate
        Sorted by rank, without duplicates: at temperature 0 there is only one.

    Raises
    ------
    BadArgument
        A value is out of range, the form does not fit the chords, or the model does not know the
        style.
    """
    import torch

    from segue.nn.sampling import Sampling

    check_seed(seed)
    style = style or model.styles[0]
    model.style_index(style)
    tempo_bpm = usual_tempo(style, chart) if tempo_bpm is None else tempo_bpm
    if not 1 <= count <= MAX_CANDIDATES:
        raise BadArgument(f"{count} melodies; from 1 to {MAX_CANDIDATES} can be written at once")
    check_tempo(tempo_bpm)
    if not max_copy_bars >= 0:
        raise BadArgument(f"{max_copy_bars:g} bars may be copied at most; from 0 on that works")
    sampling = sampling or Sampling(top_p=0.95)
    samples = max(_OVERSAMPLING * count, _MIN_SAMPLES) if sampling.temperature else 1
    generator = torch.Generator().manual_seed(seed)
    sampled = model.sample(
        chart,
        style,
        samples,
        sampling,
        generator,
        max_copy_bars,
        form=form,
        pitch_range=pitch_range,
    )
    return rank_melodies(model, chart, sampled, style, tempo_bpm, title)[:count]


def rank_melodies(
    model: "MelodyModel",
    chart: Chart,
    sampled: Sequence[IntArray],
    style: str,
    tempo_bpm: float,
    title: str = "",
) -> list[MelodyCandidate]:
    """Return melodies for a chart, the most typical first, with an accompaniment each.

    Parameters
    ----------
    model : MelodyModel
    chart : Chart
    sampled : sequence of ndarray, each of shape (m, 2), int64
        Duplicates are left out.
    style : str
    tempo_bpm : float
        Quarter notes per minute.
    title : str
    """
    melodies = list({melody.tobytes(): melody for melody in sampled}.values())
    nll = model.nll([chart] * len(melodies), melodies, style)
    candidates = []
    for melody, each in zip(melodies, nll, strict=True):
        score = melody_score(chart, melody, style, tempo_bpm, title)
        log_likelihood = -float(each.sum(axis=1).mean())
        candidates.append(_evaluate(model, chart, melody, style, log_likelihood, score))
    candidates.sort(key=lambda each: (each.deviation, -each.log_likelihood))
    return [replace(each, rank=rank) for rank, each in enumerate(candidates, start=1)]


def check_tempo(tempo_bpm: float) -> None:
    """Raise `BadArgument` for a tempo that nobody plays."""
    low, high = _TEMPO_RANGE_BPM
    if not low <= tempo_bpm <= high:
        raise BadArgument(f"a tempo of {tempo_bpm:g}; it is from {low:g} to {high:g} a minute")


def usual_tempo(style: str, chart: Chart) -> float:
    """Return a style's quarter notes per minute: as many beats, whatever a beat is."""
    arrangement = _ARRANGEMENTS.get(style, _DEFAULT_ARRANGEMENT)
    return arrangement.tempo_bpm * float(beat_duration(*chart.time_signature))


def _evaluate(
    model: "MelodyModel",
    chart: Chart,
    melody: IntArray,
    style: str,
    log_likelihood: float,
    score: Score,
) -> MelodyCandidate:
    statistics = melody_statistics(chart, melody)
    reference = model.reference[style]
    values: dict[str, float] = {
        name: statistics[name] for name in RANKING_STATISTICS if name in reference
    }
    values["likelihood"] = log_likelihood
    deviation = sum(_excess_deviation(value, *reference[name]) for name, value in values.items())
    onset, symbol = note_onsets(melody)
    notes = np.column_stack([symbol - 1 + LOWEST_PITCH, onset])
    shared = longest_shared_notes(model.training_melodies, notes)
    bars, name = 0.0, ""
    if shared.length:
        bars = float(onset[shared.end] - onset[shared.start]) / chart.steps_per_bar
        name = model.training_melodies.names[shared.piece]
    return MelodyCandidate(
        0, score, melody, log_likelihood, float(deviation), statistics, shared, bars, name
    )


def _excess_deviation(value: float, mean: float, std: float) -> float:
    """Return the standard deviations beyond the first; 0 for NaN."""
    if not np.isfinite(value):
        return 0.0
    return max(abs(value - mean) / max(std, 1e-6) - 1, 0.0)


def pitch_range(candidate: MelodyCandidate) -> str:
    """Return the lowest and the highest note, as "C4 to E5"; "" for silence."""
    pitches = _pitches(candidate)
    return f"{pitch_name(min(pitches))} to {pitch_name(max(pitches))}" if pitches else ""


def describe_ending(candidate: MelodyCandidate, chart: Chart) -> str:
    """Return the last note and its function in the chord, as "C4, the root of C"."""
    pitches = _pitches(candidate)
    if not pitches:
        return ""
    _, root, _, bits = chart.chords[-1].tolist()
    pitch_class, name = pitches[-1] % 12, pitch_name(pitches[-1])
    if root == NO_ROOT:
        return name
    if pitch_class == root:
        function = "the root"
    elif bits >> pitch_class & 1:
        function = _CHORD_TONES.get((pitch_class - root) % 12, "a note")
    else:
        function = "outside"
    return f"{name}, {function} of {chart.names[-1]}"


def _pitches(candidate: MelodyCandidate) -> list[int]:
    symbols = candidate.melody[:, 0]
    return (symbols[symbols > 0] - 1 + LOWEST_PITCH).tolist()  # type: ignore[no-any-return]


def melody_score(
    chart: Chart, melody: IntArray, style: str, tempo_bpm: float, title: str = ""
) -> Score:
    """Return the score of a melody with an accompaniment.

    Parameters
    ----------
    chart : Chart
    melody : ndarray, shape (m, 2), int64
    style : str
        Determines instruments and accompaniment pattern.
    tempo_bpm : float
        Quarter notes per minute.
    title : str

    Returns
    -------
    Score
        480 ticks per quarter note, with chord symbols, but no Roman numerals. Melody notes have
        velocity 104 on the first beat of a bar, 94 on other strong beats, 84 elsewhere.
    """
    arrangement = _ARRANGEMENTS.get(style, _DEFAULT_ARRANGEMENT)
    notes = melody_notes(chart, melody)
    lead = (Part("Melody", arrangement.melody, False, notes),) if len(notes) else ()
    programs = (arrangement.chords, arrangement.bass)
    beats, unit = chart.time_signature
    return Score(
        title,
        TICKS_PER_QUARTER,
        (*lead, *accompaniment_parts(chart, arrangement.manner, programs)),
        np.array([[0.0, tempo_bpm]]),
        np.array([[0, beats, unit]], np.int32),
        np.empty((0, 3), np.int32),
        chords=tuple(
            (chord.start, chord.name) for chord in chart_chords(chart) if is_chord(chord.name)
        ),
    )


def melody_notes(chart: Chart, melody: IntArray) -> NDArray[np.int32]:
    """Return the notes of a melody as in `Part.notes`, shape (n, 4), int32."""
    step, notes = 0, []
    strong = strong_steps(chart.time_signature)
    first, other, weak = _VELOCITIES
    for symbol, duration in melody.tolist():
        if symbol:
            in_bar = step % chart.steps_per_bar
            velocity = first if not in_bar else other if in_bar in strong else weak
            onset, length = step * TICKS_PER_STEP, duration * TICKS_PER_STEP
            notes.append((onset, length, symbol - 1 + LOWEST_PITCH, velocity))
        step += duration
    return np.array(notes, np.int32).reshape(-1, 4)


def chords_by_bar(chart: Chart) -> list[list[str]]:
    """Return the names of the chords in each bar; a held chord is repeated."""
    bar_lines = np.arange(chart.bars) * chart.steps_per_bar
    starts: Sequence[int] = np.union1d(chart.chords[:, 0], bar_lines).tolist()
    bars: list[list[str]] = [[] for _ in range(chart.bars)]
    for start in starts:
        row = int(np.searchsorted(chart.chords[:, 0], start, side="right")) - 1
        bars[start // chart.steps_per_bar].append(chart.names[row])
    return bars


def chart_chords(chart: Chart) -> tuple[Chord, ...]:
    """Return the chords of a chart, in ticks of `TICKS_PER_QUARTER`."""
    ends = np.append(chart.chords[1:, 0], chart.steps).tolist()
    return tuple(
        Chord(
            start // chart.steps_per_bar, start * TICKS_PER_STEP, end * TICKS_PER_STEP, name, root,
            bass, "",
        )
        for (start, root, bass, _), end, name in zip(
            chart.chords.tolist(), ends, chart.names, strict=True
        )
    )  # fmt: skip
