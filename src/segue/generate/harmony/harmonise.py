"""Harmonisation of a melody: a four-part chorale, or chords with an accompaniment.

Chorales are sampled by a particle filter on the chorale network, chords from the chord network.
The accompaniment is for a keyboard: the root in the bass, and above it the chord in close position,
with as little movement as possible from one voicing to the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, check_seed
from segue.evaluation.generated import VoiceLeadingErrors, voice_leading_errors
from segue.generate.harmony.chorale_frames import (
    FRAMES_PER_BEAT,
    Frames,
    melody_frames,
    voice_parts,
)
from segue.generate.harmony.chord_network import NO_CHORD_INDEX, ChordSlots, melody_slots
from segue.records import IntArray, Part, Score
from segue.score.harmony import NO_CHORD, Chord, ScoreKey, estimate_key
from segue.score.lines import extract_melody
from segue.score.timing import bar_grid
from segue.theory.chords import QUALITIES, spell_chord
from segue.theory.keys import key_signature

if TYPE_CHECKING:
    from segue.generate.harmony.chorale_network import ChoraleTransformer
    from segue.generate.harmony.chord_network import ChordNetwork
    from segue.generate.harmony.particle_filter import ChordConstraint, ParticleFilterOptions

ACCOMPANIMENT: Final = "Accompaniment"
PIANO: Final = 0  # General MIDI program
BASS_RANGE: Final = (33, 50)
#: The highest note of the voicings is below most of the melody, but within this range.
_TOP_RANGE: Final = (58, 67)
_VOICING_SPAN: Final = 16  # semitones below the highest note, but not below this pitch:
_LOWEST_VOICING: Final = 48
_BASS_GAP: Final = 3  # minimum interval from the bass to the voicing, in semitones
_VELOCITY_FACTOR: Final = 0.75
_USUAL_BASS: Final = 43
_MUDDY_BELOW: Final = 52  # pitch below which seconds sound muddy

MAX_HARMONISATIONS: Final = 100
_MIN_KEY_CONFIDENCE: Final = 0.5  # to begin a chorale with the tonic's or dominant's chord
_MIN_BARS_WITH_UPBEAT: Final = 4
_SAMPLES_PER_SEQUENCE: Final = 10  # attempts for each distinct chord sequence
CHORD_TEMPERATURE: Final = 0.7
Watcher = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class ChoraleHarmony:
    """A melody with three voices below it.

    Attributes
    ----------
    score : Score
        Soprano, alto, tenor, bass.
    nll : float
        Mean negative log-likelihood of a voice in a frame, in nats.
    voice_leading : VoiceLeading
        Violations of voice-leading rules.
    pitches : ndarray, shape (frames, 4), int64
        MIDI pitch of each voice in each sixteenth; -1 for silence.
    """

    score: Score
    nll: float
    voice_leading: VoiceLeadingErrors
    pitches: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ChordHarmony:
    """A melody with chords.

    Attributes
    ----------
    score : Score
        The unchanged melody and its accompaniment.
    chords : tuple of Chord
        In order, without gaps, from the bar in which the melody begins.
    key : str
        Name of the key, such as "Eb minor".
    log_likelihood : float
        Log-likelihood per slot; comparable for one melody.
    """

    score: Score
    chords: tuple[Chord, ...]
    key: str
    log_likelihood: float


def harmonise_chorale(
    score: Score,
    n: int = 1,
    *,
    options: "ParticleFilterOptions | None" = None,
    part: str = "",
    seed: int = 0,
    network: "ChoraleTransformer | None" = None,
    watch: Watcher | None = None,
) -> list[ChoraleHarmony]:
    """Harmonise a melody as a four-part chorale.

    Parameters
    ----------
    score : Score
    n : int
        Number of harmonisations, from 1 to 100.
    options : ParticleFilterOptions, optional
    part : str
        Index or name of the melody's part; detected by default.
    seed : int
    network : ChoraleTransformer, optional
        The bundled one by default.
    watch : callable, optional
        Called with the number of frames done and in total.

    Returns
    -------
    list of ChoraleHarmony
        The likeliest first. The soprano has the unchanged notes of the melody.

    Raises
    ------
    BadArgument
    """
    import torch

    from segue.generate.harmony.chorale_network import (
        LOWEST_PITCH,
        encode_pitches,
        load_chorale_network,
    )
    from segue.generate.harmony.particle_filter import ParticleFilterOptions, sample_voices

    check_seed(seed)
    check_count(n)
    melody = extract_melody(score, part)
    frames = melody_frames(melody, score)
    opening, ending = _constraints(frames, estimate_key(replace(score, parts=(melody,))))
    soprano = encode_pitches(torch.from_numpy(frames.pitch))
    network = network or load_chorale_network()
    harmonisations = []
    for index in range(n):

        def progress(done: int, total: int, index: int = index) -> None:
            if watch:
                watch(index * total + done, n * total)

        generator = torch.Generator().manual_seed(seed + (index << 32))
        sampled = sample_voices(
            network,
            soprano,
            options or ParticleFilterOptions(),
            generator,
            opening,
            ending,
            progress,
        )
        codes = sampled.frames.numpy()
        pitches = np.where(codes > 0, codes + LOWEST_PITCH - 1, -1)
        parts = voice_parts(frames, pitches[:, 1:], melody)
        harmonised = replace(score, parts=parts, chords=())  # old chord symbols no longer apply
        harmonisations.append(
            ChoraleHarmony(harmonised, sampled.nll, voice_leading_errors(pitches), pitches)
        )
    return sorted(harmonisations, key=lambda each: each.nll)


def check_count(n: int) -> None:
    """Validate a number of harmonisations.

    Raises
    ------
    BadArgument
    """
    if not 1 <= n <= MAX_HARMONISATIONS:
        raise BadArgument(f"{n} harmonisations; from 1 to {MAX_HARMONISATIONS} can be made")


def _constraints(frames: Frames, key: ScoreKey) -> "tuple[ChordConstraint | None, ChordConstraint]":
    """Return the first and the last chord: the tonic's or else the dominant's.

    If the melody begins with a note of neither, the first chord is left to the network; if it ends
    with one, the last chord is the major triad on that note.
    """
    from segue.generate.harmony.particle_filter import ChordConstraint

    tonic = key.tonic + frames.shift
    triads = [(tonic, (0, 3, 7) if key.mode == "minor" else (0, 4, 7)), (tonic + 7, (0, 4, 7))]
    first, last = int(frames.pitch[0]), int(frames.pitch[-1])
    first_triads = [triad for triad in triads if (first - triad[0]) % 12 in triad[1]]
    last_triads = [triad for triad in triads if (last - triad[0]) % 12 in triad[1]]
    last_triads = last_triads or [(last, (0, 4, 7))]

    def constraint(triad: tuple[int, tuple[int, ...]], length: int) -> ChordConstraint:
        # Pitch codes begin with a C, as pitch classes do.
        root, intervals = triad
        classes = frozenset((root + interval) % 12 for interval in intervals)
        return ChordConstraint(length, root % 12, classes)

    changes = np.flatnonzero(frames.pitch != last)
    held = len(frames) - 1 - int(changes[-1]) if len(changes) else len(frames)
    confident = key.confidence > _MIN_KEY_CONFIDENCE
    opening = constraint(first_triads[0], 1) if first_triads and confident else None
    return opening, constraint(last_triads[0], min(held, FRAMES_PER_BEAT))


def harmonise_chords(
    score: Score,
    n: int = 1,
    *,
    temperature: float = CHORD_TEMPERATURE,
    part: str = "",
    seed: int = 0,
    network: "ChordNetwork | None" = None,
) -> list[ChordHarmony]:
    """Harmonise a melody with chords, by bars or half bars, and an accompaniment.

    Parameters
    ----------
    score : Score
    n : int
        Number of harmonisations, from 1 to 100. The first is the likeliest of all, the others are
        sampled; there are fewer if no more distinct ones are found.
    temperature : float
        Sampling temperature.
    part : str
        Index or name of the melody's part; detected by default.
    seed : int
    network : ChordNetwork, optional
        The bundled one by default.

    Returns
    -------
    list of ChordHarmony
        The likeliest first.

    Raises
    ------
    BadArgument
    """
    from segue.generate.harmony.chord_network import (
        ChordChain,
        check_temperature,
        load_chord_network,
    )

    check_seed(seed)
    check_count(n)
    check_temperature(temperature)
    melody = extract_melody(score, part)
    slots = melody_slots(melody, score)
    key = estimate_key(replace(score, parts=(melody,)))
    chain = ChordChain(network or load_chord_network(), slots, relative_major(key))
    sequences = [chain.best()]
    if n > 1:
        rng = np.random.default_rng(seed)
        sequences += chain.sample(_SAMPLES_PER_SEQUENCE * (n - 1), temperature, rng)
    distinct = {sequence.chords.tobytes(): sequence for sequence in reversed(sequences)}
    first = [*reversed(distinct.values())][:n]
    ranked = sorted(first, key=lambda sequence: -sequence.log_likelihood)
    return [
        _chord_harmony(
            score, melody, slots, key, sequence.chords, sequence.log_likelihood / len(slots)
        )
        for sequence in ranked
    ]


def relative_major(key: ScoreKey) -> int:
    """Return the tonic of the major key with the same key signature."""
    return (key.tonic + 3 * (key.mode == "minor")) % 12


def _chord_harmony(
    score: Score,
    melody: Part,
    slots: ChordSlots,
    key: ScoreKey,
    sequence: IntArray,
    log_likelihood: float,
) -> ChordHarmony:
    is_minor = key.mode == "minor"
    sharps = key_signature(key.tonic, is_minor=is_minor)
    qualities = list(QUALITIES)
    states = np.where(_is_upbeat(melody, slots), NO_CHORD_INDEX, sequence)
    # Equal chords of one bar are merged.
    begins = np.append(True, (np.diff(states) != 0) | (np.diff(slots.bar) != 0))
    first = np.flatnonzero(begins)
    ends = np.append(slots.edges[first[1:]], slots.edges[-1])
    chords: list[Chord] = []
    intervals: list[tuple[int, ...]] = []
    for slot, end in zip(first.tolist(), ends.tolist(), strict=True):
        span = int(slots.bar[slot]), int(slots.edges[slot]), int(end)
        if states[slot] == NO_CHORD_INDEX:
            chords.append(Chord(*span, NO_CHORD, -1, -1, ""))
            intervals.append(())
            continue
        root, quality = int(states[slot]) % 12, qualities[int(states[slot]) // 12]
        name = spell_chord(root, quality, root, sharps, is_minor=is_minor)
        chords.append(Chord(*span, name, root, root, quality))
        intervals.append(QUALITIES[quality])
    bar_lines = bar_grid(replace(score, parts=(melody,))).edges
    symbols = tuple(
        (chord.start, chord.name)
        for previous, chord in zip([None, *chords], chords, strict=False)
        if previous is None or previous.name != chord.name
    )
    parts = (melody, accompaniment(chords, intervals, bar_lines, melody))
    return ChordHarmony(
        replace(score, parts=parts, chords=symbols),
        tuple(chords),
        key.name,
        log_likelihood,
    )


def _is_upbeat(melody: Part, slots: ChordSlots) -> NDArray[np.bool_]:
    """Return which slots are an upbeat: those of a first bar that begins with half a bar's rest.

    A tune of a few bars is too short for an upbeat in a bar of its own, and has chords throughout.
    """
    in_first_bar = slots.bar == slots.bar[0]
    count = int(in_first_bar.sum())
    start, end = slots.edges[0], slots.edges[count]
    bars = int(slots.bar[-1]) - int(slots.bar[0]) + 1
    late = int(melody.notes[0, 0]) - start >= (end - start) / 2
    return np.asarray(in_first_bar & (late and bars >= _MIN_BARS_WITH_UPBEAT), np.bool_)


def accompaniment(
    chords: Sequence[Chord],
    intervals: Sequence[Sequence[int]],
    bar_lines: NDArray[np.int64],
    melody: Part,
) -> Part:
    """Voice chords for a keyboard.

    Chords are held, and struck again at each bar line. Chords of four notes leave the root to the
    bass.

    Parameters
    ----------
    chords : sequence of Chord
        At least one with a root.
    intervals : sequence of sequence of int
        Semitones of each chord's notes above its root.
    bar_lines : ndarray of int64
        Ticks.
    melody : Part
        The chords are below most of it, and softer.

    Returns
    -------
    Part
    """
    low_melody = int(np.percentile(melody.notes[:, 2], 10))
    top = int(np.clip(low_melody - 3, *_TOP_RANGE))
    velocity = max(round(float(np.median(melody.notes[:, 3])) * _VELOCITY_FACTOR), 1)
    voicing, bass = [top - 9, top - 5, top - 1], _USUAL_BASS
    notes: list[list[int]] = []
    for chord, above_root in zip(chords, intervals, strict=True):
        if chord.root < 0:
            continue
        voicing = _nearest_voicing(chord.root, above_root, voicing, top)
        bass = _nearest_bass(chord.root, bass, voicing[0] - _BASS_GAP)
        inner = bar_lines[(bar_lines > chord.start) & (bar_lines < chord.end)].tolist()
        for start, end in pairwise([chord.start, *inner, chord.end]):
            notes += [[start, end - start, pitch, velocity] for pitch in (bass, *voicing)]
    notes.sort(key=lambda note: (note[0], note[2]))
    return Part(ACCOMPANIMENT, PIANO, False, np.array(notes, np.int32))


def _nearest_voicing(
    root: int, intervals: Sequence[int], previous: Sequence[int], top: int
) -> list[int]:
    """Return the voicing that moves least from the previous one, with each note once."""
    classes = [(root + interval) % 12 for interval in intervals]
    classes = classes[1:] if len(classes) > 3 else classes
    low = min(max(top - _VOICING_SPAN, _LOWEST_VOICING), top - 11)
    pitches = [[pitch for pitch in range(low, top + 1) if pitch % 12 == each] for each in classes]
    voicings = [sorted(voicing) for voicing in product(*pitches)]
    return min(voicings, key=lambda voicing: _voicing_cost(voicing, previous, top))


def _voicing_cost(voicing: Sequence[int], previous: Sequence[int], top: int) -> float:
    movement = sum(abs(a - b) for a, b in zip(voicing, previous, strict=True))
    muddy = sum(b - a < 3 for a, b in pairwise(voicing) if a < _MUDDY_BELOW)
    wide = max(voicing[-1] - voicing[0] - 12, 0)
    # Pulled to the middle, so that small steps do not drift away.
    drift = abs(float(np.mean(voicing)) - (top - 5)) / 4
    return movement + 3 * muddy + wide + drift


def _nearest_bass(root: int, previous: int, highest: int) -> int:
    lowest = BASS_RANGE[0] + (root - BASS_RANGE[0]) % 12
    pitches = [p for p in range(lowest, BASS_RANGE[1] + 1, 12) if p <= highest] or [lowest]
    return min(pitches, key=lambda pitch: abs(pitch - previous) + abs(pitch - _USUAL_BASS) / 4)
