"""Melody candidates for a chord progression, ranked, with accompaniment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.errors import BadArgument, check_seed
from segue.generate.copying import SharedPassage, longest_hashed_passage
from segue.generate.melody.lead_sheet import LOWEST_PITCH
from segue.generate.melody.training import RANKING_STATISTICS, melody_statistics, note_onsets
from segue.io.written_score import beat_of
from segue.records import Part, Score
from segue.score.features import pitch_name
from segue.score.harmony import Chord
from segue.theory.chord_grid import NO_ROOT, Chart, IntArray, strong_steps
from segue.theory.chords import is_chord
from segue.theory.voicing import TICKS_PER_QUARTER, TICKS_PER_STEP, Manner, parts

if TYPE_CHECKING:
    from segue.generate.melody.model import MelodyModel
    from segue.nn.sampling import Sampling

MAX_CANDIDATES: Final = 64
#: Bars of a passage that a candidate may share with what was learned from.
MAX_COPIED_BARS: Final = 4.0
#: So many are written for each that is asked for, so that there is something to choose from.
_TRIED: Final = 4
_FEWEST_TRIED: Final = 16
_TEMPI_BPM: Final = (20.0, 400.0)
#: What a note of a chord is called, by semitones above the root.
_DEGREES: Final = {3: "the third", 4: "the third", 7: "the fifth", 10: "the seventh",
                   11: "the seventh"}  # fmt: skip
#: Velocities of melody notes: on a bar's first beat, on other strong beats, elsewhere.
_ACCENTS: Final = (104, 94, 84)


@dataclass(frozen=True, slots=True)
class _Sound:
    manner: Manner
    tempo_bpm: float
    melody: int  # General MIDI programs
    chords: int
    bass: int


_SOUNDS: Final = {
    "folk": _Sound("dance", 120.0, melody=110, chords=24, bass=32),
    "pop": _Sound("held", 92.0, melody=73, chords=4, bass=33),
}
_USUAL_SOUND: Final = _Sound("held", 100.0, melody=73, chords=0, bass=32)


@dataclass(frozen=True, slots=True, eq=False)
class MelodyCandidate:
    """A melody, and how it came out.

    Attributes
    ----------
    rank : int
        From 1.
    score : Score
        The melody, the chords and the bass.
    melody : ndarray, shape (m, 2), int64
        Symbols and lengths, see `segue.generate.melody.lead_sheet`.
    likelihood : float
        Mean logarithm of the chance of an event, in nats: below 0.
    oddness : float
        How far it is from real melodies of its style: for each figure the standard deviations
        beyond the first, summed. 0 for what is usual in all of them.
    figures : dict of str to float
        See `segue.generate.melody.training.melody_statistics`.
    shared : SharedPassage
        The longest passage, up to transposition, that it shares with a melody learned from.
    shared_bars : float
        How long that is.
    shared_with : str
        Which melody has it; "" for none.
    """

    rank: int
    score: Score
    melody: IntArray
    likelihood: float
    oddness: float
    figures: dict[str, float]
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
) -> list[MelodyCandidate]:
    """Write melodies for chords, and rank them.

    Four times as many as asked for are written, at least sixteen. None shares a passage of more
    than `max_copy_bars` with what was learned from: where one would, it goes on otherwise. Those
    come first that are most like real melodies in all figures, and among equals the likeliest. The
    likeliest alone would be the dullest: real melodies are less likely than what a network repeats.

    Parameters
    ----------
    model : MelodyModel
    chart : Chart
    count : int
        How many are wanted, 1 to 64.
    style : str
        Else the model's first.
    sampling : Sampling, optional
        Else temperature 1, top-p 0.95.
    tempo_bpm : float, optional
        Quarters a minute, 20 to 400; else what suits the style.
    seed : int
    max_copy_bars : float
        Between a passage's first onset and its last; from 0 on.
    title : str

    Returns
    -------
    list of WrittenMelody
        By rank, all different: at temperature 0 there is but one.

    Raises
    ------
    BadArgument
        A value that cannot be, or a style that the model does not know.
    """
    import torch

    from segue.nn.sampling import Sampling

    check_seed(seed)
    style = style or model.styles[0]
    model.style(style)
    sound = _SOUNDS.get(style, _USUAL_SOUND)
    if tempo_bpm is None:  # as many beats, whatever a beat is
        tempo_bpm = sound.tempo_bpm * float(beat_of(*chart.metre))
    if not 1 <= count <= MAX_CANDIDATES:
        raise BadArgument(f"{count} melodies; from 1 to {MAX_CANDIDATES} can be written at once")
    low, high = _TEMPI_BPM
    if not low <= tempo_bpm <= high:
        raise BadArgument(f"a tempo of {tempo_bpm:g}; it is from {low:g} to {high:g} a minute")
    if not max_copy_bars >= 0:
        raise BadArgument(f"{max_copy_bars:g} bars may be copied at most; from 0 on that works")
    sampling = sampling or Sampling(top_p=0.95)
    tried = max(_TRIED * count, _FEWEST_TRIED) if sampling.temperature else 1
    generator = torch.Generator().manual_seed(seed)
    drawn = model.sample(chart, style, tried, sampling, generator, max_copy_bars)
    found = list({melody.tobytes(): melody for melody in drawn}.values())
    costs = model.costs([chart] * len(found), found, style)
    judged = [
        _judged(model, chart, style, melody, -float(cost.sum(axis=1).mean()))
        for melody, cost in zip(found, costs, strict=True)
    ]
    judged.sort(key=lambda one: (one.oddness, -one.likelihood))
    ranked = []
    for rank, one in enumerate(judged[:count], start=1):
        score = melody_score(chart, one.melody, style, tempo_bpm, title)
        ranked.append(
            MelodyCandidate(
                rank, score, one.melody, one.likelihood, one.oddness, one.figures, one.shared,
                one.shared_bars, one.shared_with,
            )
        )  # fmt: skip
    return ranked


def pitch_range(one: MelodyCandidate) -> str:
    """Name the lowest and the highest note of a melody, "C4 to E5"; "" of silence."""
    pitches = _pitches(one)
    return f"{pitch_name(min(pitches))} to {pitch_name(max(pitches))}" if pitches else ""


def describe_ending(one: MelodyCandidate, chart: Chart) -> str:
    """Say what a melody ends on: "C4, the root of C"."""
    pitches = _pitches(one)
    if not pitches:
        return ""
    chord, pitch_class = chart.chords[-1].tolist(), pitches[-1] % 12
    name = pitch_name(pitches[-1])
    if chord[1] == NO_ROOT:
        return name
    if pitch_class == chord[1]:
        what = "the root"
    elif chord[3] >> pitch_class & 1:
        above = (pitch_class - chord[1]) % 12
        what = _DEGREES.get(above, "a note")
    else:
        what = "outside"
    return f"{name}, {what} of {chart.names[-1]}"


def _pitches(one: MelodyCandidate) -> list[int]:
    symbols = one.melody[:, 0]
    return (symbols[symbols > 0] - 1 + LOWEST_PITCH).tolist()  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    melody: IntArray
    likelihood: float
    oddness: float
    figures: dict[str, float]
    shared: SharedPassage
    shared_bars: float
    shared_with: str


def _judged(
    model: "MelodyModel", chart: Chart, style: str, melody: IntArray, likelihood: float
) -> _Judged:
    figures = melody_statistics(chart, melody)
    usual = model.usual[style]
    beyond = [_beyond(figures[name], usual[name]) for name in RANKING_STATISTICS if name in usual]
    beyond.append(_beyond(likelihood, usual["likelihood"]))
    onset, symbol = note_onsets(melody)
    notes = np.column_stack([symbol - 1 + LOWEST_PITCH, onset])
    shared = longest_hashed_passage(notes, model.taught.runs, model.taught.starts)
    bars, name = 0.0, ""
    if shared.notes:
        last = shared.start + shared.notes - 1
        bars = float(onset[last] - onset[shared.start]) / chart.bar_steps
        name = model.taught.names[shared.piece]
    return _Judged(melody, likelihood, float(sum(beyond)), figures, shared, bars, name)


def _beyond(value: float, usual: tuple[float, float]) -> float:
    """Return how many standard deviations beyond the first a value lies; 0 of what is none."""
    mean, spread = usual
    if not np.isfinite(value):
        return 0.0
    return max(abs(value - mean) / max(spread, 1e-6) - 1, 0.0)


# ---- as a score --------------------------------------------------------------------------


def melody_score(
    chart: Chart, melody: IntArray, style: str, tempo_bpm: float, title: str = ""
) -> Score:
    """Put a melody and its chords into a score.

    Parameters
    ----------
    chart : Chart
    melody : ndarray, shape (m, 2), int64
    style : str
        Chooses the instruments and how the chords are played.
    tempo_bpm : float
    title : str

    Returns
    -------
    Score
        480 ticks to the quarter, with the chords as symbols, but degrees. Melody notes have
        velocity 104 on a bar's first beat, 94 on other strong beats, 84 elsewhere.
    """
    sound = _SOUNDS.get(style, _USUAL_SOUND)
    notes = melody_notes(chart, melody)
    lead = (Part("melody", sound.melody, False, notes),) if len(notes) else ()
    beats, unit = chart.metre
    return Score(
        title,
        TICKS_PER_QUARTER,
        (*lead, *parts(chart, sound.manner, (sound.chords, sound.bass))),
        np.array([[0.0, tempo_bpm]]),
        np.array([[0, beats, unit]], np.int32),
        np.empty((0, 3), np.int32),
        chords=tuple(
            (chord.start, chord.name) for chord in chart_chords(chart) if is_chord(chord.name)
        ),
    )


def melody_notes(
    chart: Chart, melody: IntArray
) -> "np.ndarray[tuple[int, int], np.dtype[np.int32]]":
    """Return the notes of a melody as those of a `Part`, shape (n, 4), int32."""
    at, rows = 0, []
    strong = strong_steps(chart.metre)
    first, other, weak = _ACCENTS
    for symbol, length in melody.tolist():
        if symbol:
            place = at % chart.bar_steps
            velocity = first if not place else other if place in strong else weak
            rows.append(
                (at * TICKS_PER_STEP, length * TICKS_PER_STEP, symbol - 1 + LOWEST_PITCH, velocity)
            )
        at += length
    return np.array(rows, np.int32).reshape(-1, 4)


def chords_by_bar(chart: Chart) -> list[list[str]]:
    """Name the chords of each bar; one that goes on is named again."""
    lines = np.arange(chart.bars) * chart.bar_steps
    starts: Sequence[int] = np.union1d(chart.chords[:, 0], lines).tolist()
    bars: list[list[str]] = [[] for _ in range(chart.bars)]
    for start in starts:
        row = int(np.searchsorted(chart.chords[:, 0], start, side="right")) - 1
        bars[start // chart.bar_steps].append(chart.names[row])
    return bars


def chart_chords(chart: Chart) -> tuple[Chord, ...]:
    """Return the chords of a chart as those of a score of 480 ticks to the quarter."""
    ends = np.append(chart.chords[1:, 0], chart.steps).tolist()
    return tuple(
        Chord(
            start // chart.bar_steps, start * TICKS_PER_STEP, end * TICKS_PER_STEP, name, root,
            bass, "",
        )
        for (start, root, bass, _), end, name in zip(
            chart.chords.tolist(), ends, chart.names, strict=True
        )
    )  # fmt: skip
