"""Transcription of recordings: from the notes of Basic Pitch to a score of three parts.

Beats, tempo and key are those of Segue's own analysis. The beats are joined by straight lines, as
few as stay within 50 ms of them, so that music in one tempo has one tempo mark; notes keep their
times as they were played, and `notated` moves them onto the grid. Which beat is the first of a bar
is where most notes begin, low ones above all, and where the harmony changes.

Melody and bass are the best chains of notes that follow one another: each note counts by its length
and by the share of it in which it is the highest, or the lowest, of all that sound, and leaps cost.
What neither takes are the chords.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.audio.features import (
    Measurements,
    classify_sound_kinds,
    feature_vector,
    measure,
    sound_kind_probabilities,
    standardise,
)
from segue.audio.note_events import (
    BasicPitch,
    NoteEvents,
    load_basic_pitch,
    note_activations,
    note_events,
)
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.builtin_spaces import WEIGHTS, feature_z_scores
from segue.errors import BadArgument
from segue.ingest.analysis import decode_samples
from segue.records import BoolArray, FloatArray, IntArray, Part, Score, Span
from segue.score.harmony import NO_CHORD, estimate_chords
from segue.theory.keys import MODES, key_signature

TICKS_PER_QUARTER: Final = 480
PART_NAMES: Final = ("Melody", "Chords", "Bass")
#: Tuning in semitones from which a recording is resampled.
_MAX_DETUNING: Final = 0.1
_SIXTEENTH: Final = TICKS_PER_QUARTER // 4
_TRIPLET: Final = TICKS_PER_QUARTER // 3
#: Error of triplets, as a share of that of sixteenths, below which a beat has triplets.
_TRIPLET_MARGIN: Final = 0.5
#: Tempo where there is no beat.
_NO_BEAT_BPM: Final = 120.0
_MIN_BEATS: Final = 4
#: Above this tempo every second beat counts.
_MAX_BPM: Final = 200.0
#: Maximum distance of a beat from the line of its tempo, and the share of beats that must be as
#: near to one line for a piece in one tempo.
_TEMPO_TOLERANCE_S: Final = 0.05
_ONE_TEMPO_SHARE: Final = 0.85
_LINE_FITS: Final = 4
#: Distance from a beat within which a note begins on it, in beats.
_ON_BEAT: Final = 0.15
_LOW_PITCH: Final = 52
#: Weights of the onsets of low notes and of a change of harmony for the first beat of a bar.
_LOW_WEIGHT: Final = 2.0
_CHANGE_WEIGHT: Final = 1.0

FRAME_S: Final = 0.01
#: A bass note is below this pitch.
MAX_BASS_PITCH: Final = 60
#: Share of the time as highest or lowest note from which a note counts for a line.
_MIN_OUTER_SHARE: Final = 0.35
#: Cost of a leap of an octave, in the units of a note of a second that is always outermost.
_LEAP_COST: Final = 0.6
#: Share of a note after which the next of its line may begin.
_LEGATO_SHARE: Final = 0.3
_MAX_REST_S: Final = 4.0

Times = NDArray[np.float64]


def transcribe(
    path: Path, passage: Span | None = None, watch: Callable[[int, int], None] | None = None
) -> Score:
    """Transcribe a recording to a score.

    Parameters
    ----------
    passage : Span, optional
        Part of the recording; by default all of it.
    watch : callable, optional
        Called with the number of windows of 2 s done and in all.

    Returns
    -------
    Score
        Parts "Melody", "Chords" and "Bass", without those that have no note, chord symbols, and
        a warning if it does not sound like music.

    Raises
    ------
    Unreadable
        The file cannot be decoded.
    BadArgument
        It has no notes.
    """
    decoded = decode_samples(path, passage)
    measured = measure((decoded.samples,), decoded.tags.genre)
    events = transcribe_samples(decoded.samples, measured.harmony.tuning, watch)
    if not len(events):
        raise BadArgument(f"{path}: no notes are heard in it; is it silence, noise or speech?")
    score = to_score(events, measured, decoded.tags.title or path.stem)
    scores = feature_z_scores("sound", standardise(feature_vector(measured)))
    kind = classify_sound_kinds(sound_kind_probabilities(scores)[None])[0]
    if kind != "music":
        warning = f"{path.name} sounds like {kind}, not music: its notes mean little"
        score = replace(score, warnings=(warning,))
    return score


def transcribe_samples(
    samples: FloatArray, tuning: float = 0.0, watch: Callable[[int, int], None] | None = None
) -> NoteEvents:
    """Find the notes of a recording.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at 22,050 Hz.
    tuning : float
        Deviation from A4 = 440 Hz in semitones, -0.5 to 0.5. The network expects nearly none:
        other recordings are resampled to that pitch.
    watch : callable, optional
        Called with the number of windows of 2 s done and in all.
    """
    import soxr  # slow to import

    ratio = 2 ** (tuning / 12) if abs(tuning) > _MAX_DETUNING else 1.0
    if ratio != 1:
        samples = np.asarray(
            soxr.resample(samples, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * ratio), np.float32
        )
    events = note_events(*note_activations(_network(), samples, watch))
    return replace(events, onset_s=events.onset_s / ratio, offset_s=events.offset_s / ratio)


@cache
def _network() -> BasicPitch:
    return load_basic_pitch(WEIGHTS / "basic-pitch.safetensors")


def to_score(events: NoteEvents, measured: Measurements, title: str) -> Score:
    """Create a score of the notes of a recording.

    Parameters
    ----------
    events : NoteEvents
        At least one.
    measured : Measurements
        Measurements of the whole recording as one excerpt: its beats and key.
    """
    beats_s = measured.beats.beats_s[0].astype(np.float64)
    has_beat = measured.tempo.bpm > 0 and len(beats_s) >= _MIN_BEATS
    if not has_beat:
        beats_s = events.onset_s[0] + 60 / _NO_BEAT_BPM * np.arange(_MIN_BEATS, dtype=np.float64)
    beats_per_bar = measured.beats.beats_per_bar if has_beat else 4
    beats_s = _straighten(beats_s)
    if np.median(np.diff(beats_s)) < 60 / _MAX_BPM:
        beats_s = beats_s[::2]
    beats_s = _extend(beats_s, events, beats_per_bar)
    first = first_downbeat(events, beats_s, beats_per_bar) if has_beat else 0
    # The score begins with the last first beat of a bar that no note precedes.
    before = int(np.searchsorted(beats_s, events.onset_s[0] + _half_sixteenth(beats_s))) - 1
    first += (before - first) // beats_per_bar * beats_per_bar
    beats_s = beats_s[first:]
    grid = np.arange(len(beats_s)) * TICKS_PER_QUARTER
    onset, offset = (
        np.rint(np.interp(times, beats_s, grid)).astype(np.int64)
        for times in (events.onset_s, events.offset_s)
    )
    velocity = np.clip(np.rint(127 * events.amplitude), 1, 127).astype(np.int64)
    notes = np.stack([onset, np.maximum(offset - onset, 1), events.pitch, velocity], axis=1)
    parts = tuple(
        Part(name, 0, False, _sorted(notes[rows]))
        for name, rows in zip(PART_NAMES, split_parts(events), strict=True)
        if len(rows)
    )
    harmony = measured.harmony
    is_minor = harmony.mode == MODES[1]
    sharps = key_signature(harmony.tonic, is_minor=is_minor)
    score = Score(
        title,
        TICKS_PER_QUARTER,
        parts,
        _tempos(beats_s),
        np.array([[0, beats_per_bar, 4]], np.int32),
        np.array([[0, sharps, int(is_minor)]], np.int32),
    )
    # A melody alone has no chords.
    return replace(score, chords=_chord_symbols(score)) if len(parts) > 1 else score


def _sorted(notes: NDArray[np.int64]) -> NDArray[np.int32]:
    return notes[np.lexsort((notes[:, 2], notes[:, 0]))].astype(np.int32)


def _chord_symbols(score: Score) -> tuple[tuple[int, str], ...]:
    """Return the chords of a score where they change."""
    symbols: list[tuple[int, str]] = []
    for chord in estimate_chords(score):
        if chord.name != NO_CHORD and (not symbols or symbols[-1][1] != chord.name):
            symbols.append((chord.start, chord.name))
    return tuple(symbols)


def notated(score: Score) -> Score:
    """Move a transcription onto the grid of its beats, as chords that follow one another.

    Beats are divided into sixteenths, or into triplets where these are clearly nearer. In each part
    notes that begin together also end together, at the latest where the next ones begin.
    """
    every_onset = np.concatenate([part.notes[:, 0] for part in score.parts])
    is_triplet = _triplet_beats(every_onset)
    parts = tuple(replace(part, notes=_on_grid(part.notes, is_triplet)) for part in score.parts)
    return replace(score, parts=parts)


def _triplet_beats(onset: IntArray) -> BoolArray:
    """Return for each beat whether its onsets are nearer to triplets than to sixteenths."""
    beat, place = np.divmod(onset.astype(np.int64), TICKS_PER_QUARTER)
    errors = [
        np.bincount(beat, np.abs(place - np.rint(place / step) * step))
        for step in (_SIXTEENTH, _TRIPLET)
    ]
    # One note proves nothing.
    return np.asarray((errors[1] < _TRIPLET_MARGIN * errors[0]) & (np.bincount(beat) > 2))


def _on_grid(notes: NDArray[np.int32], is_triplet: BoolArray) -> NDArray[np.int32]:
    step = np.where(is_triplet[notes[:, 0] // TICKS_PER_QUARTER], _TRIPLET, _SIXTEENTH)
    onset = (np.rint(notes[:, 0] / step) * step).astype(np.int64)
    offset = np.rint((notes[:, 0] + notes[:, 1]) / step) * step
    starts, group = np.unique(onset, return_inverse=True)
    end = np.zeros(len(starts))
    np.maximum.at(end, group, offset)
    following = np.append(starts[1:], np.inf)
    end = np.minimum(np.maximum(end, starts + _TRIPLET // 2), following)
    # Short rests are articulation, which notation leaves to the player.
    end = np.where(following - end <= _SIXTEENTH, following, end)
    table = np.stack([onset, end[group] - onset, notes[:, 2], notes[:, 3]], axis=1)
    table = table[np.lexsort((-table[:, 3], table[:, 2], table[:, 0]))].astype(np.int32)
    is_first = np.ones(len(table), np.bool_)
    is_first[1:] = (np.diff(table[:, 0]) != 0) | (np.diff(table[:, 2]) != 0)
    return table[is_first]


# --- beats ---


def _straighten(beats_s: Times) -> Times:
    """Move beats onto a line if nearly all are near one, else onto as few lines as are near all."""
    index = np.arange(len(beats_s))
    line = np.polyval(np.polyfit(index, beats_s, 1), index)
    for _ in range(_LINE_FITS):
        is_near = np.abs(beats_s - line) <= _TEMPO_TOLERANCE_S
        if is_near.sum() >= _MIN_BEATS:
            line = np.polyval(np.polyfit(index[is_near], beats_s[is_near], 1), index)
    if is_near.mean() >= _ONE_TEMPO_SHARE:
        return np.asarray(line)
    straight = beats_s.copy()
    start = 0
    while start < len(beats_s) - 1:
        end = start + 1
        for candidate in range(start + 2, len(beats_s)):
            line = np.linspace(straight[start], beats_s[candidate], candidate - start + 1)
            if np.abs(line - beats_s[start : candidate + 1]).max() > _TEMPO_TOLERANCE_S:
                break
            end = candidate
        straight[start : end + 1] = np.linspace(straight[start], beats_s[end], end - start + 1)
        start = end
    return straight


def _extend(beats_s: Times, events: NoteEvents, beats_per_bar: int) -> Times:
    """Continue beats in the outermost tempos, to a bar before the first and after the last note."""
    first_s, last_s = float(events.onset_s[0]), float(events.offset_s.max())
    begin_s, end_s = beats_s[1] - beats_s[0], beats_s[-1] - beats_s[-2]
    n_before = max(int(np.ceil((beats_s[0] - first_s) / begin_s)), 0) + beats_per_bar
    n_after = max(int(np.ceil((last_s - beats_s[-1]) / end_s)), 0) + 1
    before = beats_s[0] - begin_s * np.arange(n_before, 0, -1)
    after = beats_s[-1] + end_s * np.arange(1, n_after + 1)
    return np.concatenate([before, beats_s, after])


def _half_sixteenth(beats_s: Times) -> float:
    return float(np.median(np.diff(beats_s))) / 8


def _tempos(beats_s: Times) -> Times:
    """Return ticks and tempos, those that differ from the one before."""
    bpm = np.round(60 / np.diff(beats_s), 2)
    changes = np.flatnonzero(np.diff(bpm, prepend=0.0))
    return np.stack([changes * float(TICKS_PER_QUARTER), bpm[changes]], axis=1)


def first_downbeat(events: NoteEvents, beats_s: Times, beats_per_bar: int) -> int:
    """Return the index of the first beat that begins a bar."""
    position = np.interp(events.onset_s, beats_s, np.arange(len(beats_s)))
    nearest = np.rint(position).astype(np.int64)
    on_beat = np.abs(position - nearest) < _ON_BEAT
    weight = events.amplitude * np.where(events.pitch < _LOW_PITCH, _LOW_WEIGHT, 1.0)
    accent = np.bincount(nearest[on_beat], weight[on_beat], minlength=len(beats_s))
    chroma = np.zeros((len(beats_s), 12))
    length_s = events.offset_s - events.onset_s
    np.add.at(chroma, (np.floor(position).astype(np.int64), events.pitch % 12), length_s)
    unit = chroma / np.maximum(np.linalg.norm(chroma, axis=1, keepdims=True), 1e-9)
    change = np.zeros(len(beats_s))
    change[1:] = 1 - (unit[1:] * unit[:-1]).sum(axis=1)
    total = accent / max(float(accent.mean()), 1e-9) + _CHANGE_WEIGHT * change
    heard = np.arange(nearest[0], nearest[-1] + 1)  # beats before and after the music say nothing
    phases = [total[heard[heard % beats_per_bar == phase]] for phase in range(beats_per_bar)]
    return int(np.argmax([each.mean() if len(each) else 0.0 for each in phases]))


# --- parts ---


def split_parts(events: NoteEvents) -> tuple[IntArray, IntArray, IntArray]:
    """Return the indices of the notes of melody, chords and bass, in this order."""
    highest, lowest = outer_shares(events)
    everything = np.ones(len(events), np.bool_)
    melody = best_line(events, highest, everything)
    rest = everything.copy()
    rest[melody] = False
    bass = best_line(events, lowest, rest & (events.pitch < MAX_BASS_PITCH))
    rest[bass] = False
    return melody, np.flatnonzero(rest), bass


def outer_shares(events: NoteEvents) -> tuple[Times, Times]:
    """Return the share of each note in which it is the highest, and the lowest, that sounds."""
    start = np.rint(events.onset_s / FRAME_S).astype(np.int64)
    end = np.maximum(np.rint(events.offset_s / FRAME_S).astype(np.int64), start + 1)
    highest = np.full(int(end.max()), -1)
    lowest = np.full(int(end.max()), 128)
    for begin, stop, pitch in zip(start.tolist(), end.tolist(), events.pitch.tolist(), strict=True):
        np.maximum(highest[begin:stop], pitch, out=highest[begin:stop])
        np.minimum(lowest[begin:stop], pitch, out=lowest[begin:stop])
    shares = [
        [
            float((outermost[begin:stop] == pitch).mean())
            for begin, stop, pitch in zip(start, end, events.pitch, strict=True)
        ]
        for outermost in (highest, lowest)
    ]
    return np.array(shares[0]), np.array(shares[1])


def best_line(events: NoteEvents, share: Times, usable: BoolArray) -> IntArray:
    """Return the indices of the best chain of notes, by dynamic programming.

    Parameters
    ----------
    share : ndarray, shape (n,), float64
        Share of each note in which it is outermost.
    usable : ndarray of bool, shape (n,)
        Notes that may be in the chain.
    """
    rows = np.flatnonzero(usable)
    if not len(rows):
        return rows
    onset, pitch = events.onset_s[rows], events.pitch[rows]
    length = events.offset_s[rows] - onset
    value = np.sqrt(np.minimum(length, 1.0)) * (share[rows] - _MIN_OUTER_SHARE)
    ready_s = onset + _LEGATO_SHARE * length
    total, previous = value.copy(), np.full(len(rows), -1)
    best_before, best_row = np.zeros(len(rows) + 1), np.full(len(rows) + 1, -1)
    for row in range(len(rows)):
        first = int(np.searchsorted(onset, onset[row] - _MAX_REST_S))
        near = np.arange(first, row)
        near = near[ready_s[near] <= onset[row]]
        # A line may also begin again after a long rest, at no cost.
        gain, chosen = best_before[first], best_row[first]
        if len(near):
            leap = np.abs(pitch[near] - pitch[row]) / 12
            gains = total[near] - _LEAP_COST * leap
            if gains.max() > gain:
                gain, chosen = float(gains.max()), int(near[gains.argmax()])
        if gain > 0:
            total[row] += gain
            previous[row] = chosen
        is_better = total[row] > best_before[row]
        best_before[row + 1] = total[row] if is_better else best_before[row]
        best_row[row + 1] = row if is_better else best_row[row]
    chain, row = [], int(best_row[-1])
    while row >= 0:
        chain.append(row)
        row = int(previous[row])
    return np.asarray(rows[chain[::-1]])
