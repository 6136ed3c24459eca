"""Harmonisation of a melody: four-part chorale or chords with accompaniment.

Chords as a part for a keyboard: near one another above, the root below.

Harmony for a melody: four voices as in a chorale, or chords with an accompaniment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, check_seed
from segue.evaluation.generated import VoiceLeadingErrors, voice_leading_errors
from segue.generate.harmony.chorale_frames import BEAT, Frames, frames_of, parts_of
from segue.generate.harmony.chord_hmm import Slots, slots_of
from segue.records import Part, Score
from segue.score.harmony import NO_CHORD, Chord, ScoreKey, estimate_key
from segue.score.lines import extract_melody
from segue.score.timing import bar_grid
from segue.theory.chords import chord_name, sharps_of, tonic_name

if TYPE_CHECKING:
    from segue.generate.harmony.chorale_network import ChoraleTransformer
    from segue.generate.harmony.chord_hmm import ChordPath, ChordTables
    from segue.generate.harmony.particle_filter import Choir, Given


# --- accompaniment ---

NAME: Final = "Accompaniment"
PIANO: Final = 0
BASS: Final = (33, 50)
#: The highest note of the chords lies below most of the melody, but not outside of this.
_TOPS: Final = (58, 67)
_SPAN: Final = 16  # semitones below the highest; but no lower than this, if all tones are there
_LOWEST: Final = 48
_APART: Final = 3  # semitones from the bass to the chord at least
_SOFTER: Final = 0.75
_USUAL_BASS: Final = 43
_MUDDY: Final = 52  # below it seconds blur


def accompaniment(
    chords: Sequence[Chord], tones: Sequence[Sequence[int]], bars: NDArray[np.int64], melody: Part
) -> Part:
    """Write chords for a keyboard.

    Each is held until the next one, and struck again where a bar begins. Of a chord of four tones
    the root is left to the bass. Of all voicings that one is taken that moves least.

    Parameters
    ----------
    chords : sequence of Chord
        At least one with a root.
    tones : sequence of sequence of int
        The semitones of each above its root.
    bars : ndarray of int64
        Ticks at which bars begin.
    melody : Part
        The chords stay below most of it, and softer.

    Returns
    -------
    Part
    """
    low_melody = int(np.percentile(melody.notes[:, 2], 10))
    top = int(np.clip(low_melody - 3, *_TOPS))
    velocity = max(round(float(np.median(melody.notes[:, 3])) * _SOFTER), 1)
    voicing, bass = [top - 9, top - 5, top - 1], _USUAL_BASS
    rows: list[list[int]] = []
    for chord, above in zip(chords, tones, strict=True):
        if chord.root < 0:
            continue
        voicing = _nearest(chord.root, above, voicing, top)
        bass = _nearest_bass(chord.root, bass, voicing[0] - _APART)
        edges = [chord.start, *bars[(bars > chord.start) & (bars < chord.end)].tolist(), chord.end]
        for start, end in pairwise(edges):
            rows += [[start, end - start, pitch, velocity] for pitch in (bass, *voicing)]
    return Part(
        NAME, PIANO, False, np.array(sorted(rows, key=lambda row: (row[0], row[2])), np.int32)
    )


def _nearest(root: int, above: Sequence[int], before: Sequence[int], top: int) -> list[int]:
    """Return the voicing that moves least from the one before, with the tones once each."""
    classes = [(root + tone) % 12 for tone in above]
    classes = classes[1:] if len(classes) > 3 else classes
    low = min(max(top - _SPAN, _LOWEST), top - 11)
    places = [[pitch for pitch in range(low, top + 1) if pitch % 12 == one] for one in classes]
    found = [sorted(voicing) for voicing in product(*places)]
    return min(found, key=lambda one: _effort(one, before, top))


def _effort(voicing: Sequence[int], before: Sequence[int], top: int) -> float:
    moved = sum(abs(a - b) for a, b in zip(voicing, before, strict=True))
    close = sum(b - a < 3 for a, b in pairwise(voicing) if a < _MUDDY)
    wide = max(voicing[-1] - voicing[0] - 12, 0)
    # Held to the middle, so that many small steps do not lead away.
    away = abs(float(np.mean(voicing)) - (top - 5)) / 4
    return moved + 3 * close + wide + away


def _nearest_bass(root: int, before: int, highest: int) -> int:
    lowest = BASS[0] + (root - BASS[0]) % 12
    places = [pitch for pitch in range(lowest, BASS[1] + 1, 12) if pitch <= highest] or [lowest]
    return min(places, key=lambda pitch: abs(pitch - before) + abs(pitch - _USUAL_BASS) / 4)


# --- harmonise ---

MOST: Final = 100
_SURE: Final = 0.5  # of the key, to begin with its chord
#: What a key's fit weighs, and that it is the one found; any in this range finds as many of the
#: chords of pop songs.
_KEY_FIT: Final = 40.0
_KEY_FOUND: Final = 2.0
_KEYS_TRIED: Final = 6
_TRIES: Final = 10  # for each different path of chords
CHORD_TEMPERATURE: Final = 0.7
Watcher = Callable[[int, int], None]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FourVoices:
    """A melody with three voices below it.

    Attributes
    ----------
    score : Score
        Soprano, alto, tenor, bass.
    nats : float
        What a voice of a frame costs the network in the mean; less is likelier.
    led : VoiceLeading
    pitches : ndarray, shape (frames, 4), int64
        What the voices sing in each sixteenth; -1 for silence.
    """

    score: Score
    nats: float
    led: VoiceLeadingErrors
    pitches: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Chorded:
    """A melody with chords.

    Attributes
    ----------
    score : Score
        The melody as it was, and its accompaniment.
    chords : tuple of Chord
        In order, without gaps, from the bar in which the melody begins.
    key : str
        "Eb minor".
    likelihood : float
        Logarithm, for each stretch that may have a chord of its own; for comparing.
    """

    score: Score
    chords: tuple[Chord, ...]
    key: str
    likelihood: float


def four_voices(
    score: Score,
    n: int = 1,
    *,
    choir: "Choir | None" = None,
    part: str = "",
    seed: int = 0,
    network: "ChoraleTransformer | None" = None,
    watch: Watcher | None = None,
) -> list[FourVoices]:
    """Give a melody an alto, a tenor and a bass, as in a chorale.

    Parameters
    ----------
    score : Score
    n : int
        How many, from 1 to 100.
    choir : Choir, optional
        How they are drawn.
    part : str
        Which part is the melody, by number or name; else it is found.
    seed : int
    network : ChoraleTransformer, optional
        Else the one that comes with Segue.
    watch : callable, optional
        Told how many frames of how many are sung.

    Returns
    -------
    list of FourVoices
        The likeliest first. The soprano has the melody's notes as they were.

    Raises
    ------
    BadArgument
    """
    import torch

    from segue.generate.harmony.chorale_network import LOWEST, load_chorales, numbers
    from segue.generate.harmony.particle_filter import Choir, sing

    check_seed(seed)
    check_count(n)
    melody = extract_melody(score, part)
    frames = frames_of(melody, score)
    opening, close = _ends(frames, estimate_key(replace(score, parts=(melody,))))
    soprano = numbers(torch.from_numpy(frames.pitch))
    network = network or load_chorales()
    found = []
    for number in range(n):

        def told(done: int, total: int, before: int = number) -> None:
            if watch:
                watch(before * total + done, n * total)

        generator = torch.Generator().manual_seed(seed + (number << 32))
        sung = sing(network, soprano, choir or Choir(), generator, opening, close, told)
        pitches = sung.frames.numpy()
        pitches = np.where(pitches > 0, pitches + LOWEST - 1, -1)
        parts = parts_of(frames, pitches[:, 1:], melody)
        made = replace(score, parts=parts, chords=())  # what was written above it holds no more
        found.append(FourVoices(made, sung.nats, voice_leading_errors(pitches), pitches))
    return sorted(found, key=lambda one: one.nats)


def check_count(n: int) -> None:
    """Refuse a number of harmonisations that cannot be made.

    Raises
    ------
    BadArgument
    """
    if not 1 <= n <= MOST:
        raise BadArgument(f"{n} harmonisations; from 1 to {MOST} can be made")


def _ends(frames: Frames, key: ScoreKey) -> "tuple[Given | None, Given]":
    """Return the chords to begin and to end with: the tonic's, else the dominant's.

    Of a melody that begins with another note the network finds the chord; one that ends with
    another ends on its own triad.
    """
    from segue.generate.harmony.particle_filter import Given

    tonic = key.tonic + frames.shift
    usual = [(tonic, (0, 3, 7) if key.mode == "minor" else (0, 4, 7)), (tonic + 7, (0, 4, 7))]
    first, last = int(frames.pitch[0]), int(frames.pitch[-1])
    opens = [triad for triad in usual if (first - triad[0]) % 12 in triad[1]]
    ends = [triad for triad in usual if (last - triad[0]) % 12 in triad[1]] or [(last, (0, 4, 7))]

    def given(triad: tuple[int, tuple[int, ...]], count: int) -> Given:
        # The numbers of pitches begin with a C, as pitch classes do.
        root, steps = triad
        return Given(count, root % 12, frozenset((root + step) % 12 for step in steps))

    changes = np.flatnonzero(frames.pitch != last)
    held = len(frames) - 1 - int(changes[-1]) if len(changes) else len(frames)
    opening = given(opens[0], 1) if opens and key.confidence > _SURE else None
    return opening, given(ends[0], min(held, BEAT))


# ---- chords ------------------------------------------------------------------------------


def with_chords(
    score: Score,
    n: int = 1,
    *,
    temperature: float = CHORD_TEMPERATURE,
    part: str = "",
    seed: int = 0,
    tables: "ChordTables | None" = None,
) -> list[Chorded]:
    """Give a melody chords, by bars or half bars, and an accompaniment of them.

    Parameters
    ----------
    score : Score
    n : int
        How many, from 1 to 100. The first is the likeliest of all; the others are drawn, and there
        are fewer where no more different ones are found.
    temperature : float
        How the others are drawn: less is more like the first.
    part : str
        Which part is the melody, by number or name; else it is found.
    seed : int
    tables : ChordTables, optional
        Else those that come with Segue.

    Returns
    -------
    list of Chorded
        The likeliest first.

    Raises
    ------
    BadArgument
    """
    from segue.generate.harmony.chord_hmm import (
        best_path,
        check_temperature,
        drawn_path,
        load_tables,
    )

    check_seed(seed)
    check_count(n)
    check_temperature(temperature)
    melody = extract_melody(score, part)
    slots = slots_of(melody, score)
    tables = tables or load_tables()
    best = best_path(tables, slots, key_prior(score, melody))
    rng = np.random.default_rng(seed)
    found = {best.chords.tobytes(): best}
    for _ in range(_TRIES * (n - 1)):
        if len(found) == n:
            break
        path = drawn_path(tables, slots, best.tonic, best.mode, temperature, rng)
        found.setdefault(path.chords.tobytes(), path)
    ranked = sorted(found.values(), key=lambda path: -path.likelihood)
    return [_chorded(score, melody, slots, path) for path in ranked]


def key_prior(score: Score, melody: Part) -> FloatArray:
    """Return how likely each key is by a melody's notes and its end alone.

    The tables know pop songs, which end on many a chord: tunes that end on their tonic need it.

    Parameters
    ----------
    score : Score
    melody : Part
        Of it.

    Returns
    -------
    ndarray, shape (24,), float64
        Logarithms, of twelve major keys and twelve minor ones; of all but a few it is impossible.
    """
    key = estimate_key(replace(score, parts=(melody,)))
    prior = _KEY_FIT * key.correlations.astype(np.float64)
    prior[key.tonic + 12 * (key.mode == "minor")] += _KEY_FOUND
    return np.where(prior >= np.sort(prior)[-_KEYS_TRIED], prior, -np.inf)


def _chorded(score: Score, melody: Part, slots: Slots, path: "ChordPath") -> Chorded:
    from segue.generate.harmony.chord_hmm import MODES, NONE, QUALITIES

    mode = MODES[path.mode]
    is_minor = mode == "minor"
    sharps = sharps_of(path.tonic, is_minor=is_minor)
    qualities = list(QUALITIES)
    numbers = np.where(_is_upbeat(melody, slots), NONE, path.chords)
    # One chord where neighbours of a bar are the same.
    begins = np.append(True, (np.diff(numbers) != 0) | (np.diff(slots.bar) != 0))
    first = np.flatnonzero(begins)
    ends = np.append(slots.edges[first[1:]], slots.edges[-1])
    chords: list[Chord] = []
    tones: list[tuple[int, ...]] = []
    for at, end in zip(first.tolist(), ends.tolist(), strict=True):
        place = int(slots.bar[at]), int(slots.edges[at]), int(end)
        if numbers[at] == NONE:
            chords.append(Chord(*place, NO_CHORD, -1, -1, ""))
            tones.append(())
            continue
        root, quality = int(numbers[at]) % 12, qualities[int(numbers[at]) // 12]
        name = chord_name(root, quality, root, sharps, is_minor=is_minor)
        chords.append(Chord(*place, name, root, root, quality))
        tones.append(QUALITIES[quality])
    played = accompaniment(chords, tones, bar_grid(replace(score, parts=(melody,))).edges, melody)
    return Chorded(
        replace(
            score,
            parts=(melody, played),
            chords=tuple(
                (each.start, each.name)
                for before, each in zip([None, *chords], chords, strict=False)
                if before is None or before.name != each.name
            ),
        ),
        tuple(chords),
        f"{tonic_name(path.tonic, is_minor=is_minor)} {mode}",
        path.likelihood / len(slots),
    )


def _is_upbeat(melody: Part, slots: Slots) -> NDArray[np.bool_]:
    """Tell which stretches are but an upbeat: of a first bar that begins with half a bar's rest."""
    is_first = slots.bar == slots.bar[0]
    start, end = slots.edges[0], slots.edges[int(is_first.sum())]
    late = int(melody.notes[0, 0]) - start >= (end - start) / 2
    return np.asarray(is_first & (late and len(slots) > int(is_first.sum())), np.bool_)
