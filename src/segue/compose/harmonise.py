"""Harmony for a melody: four voices as in a chorale, or chords with an accompaniment."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, check_seed
from segue.measure.voice_leading import VoiceLeading, voice_leading
from segue.records import Part, Score
from segue.represent.score.accompaniment import accompaniment
from segue.represent.score.chorale_frames import BEAT, Frames, frames_of, parts_of
from segue.represent.score.chord_slots import Slots, slots_of
from segue.represent.score.chord_spelling import chord_name, sharps_of, tonic_name
from segue.represent.score.harmony import NO_CHORD, Chord, ScoreKey, find_key
from segue.represent.score.melody import melody_of
from segue.represent.score.timing import bars

if TYPE_CHECKING:
    from segue.model.score.chorale import ChoraleTransformer
    from segue.model.score.chord_paths import ChordPath, ChordTables
    from segue.model.score.four_voices import Choir, Given

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
    led: VoiceLeading
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

    from segue.model.score.chorale import LOWEST, numbers
    from segue.model.score.chorale_weights import load_chorales
    from segue.model.score.four_voices import Choir, sing

    check_seed(seed)
    check_count(n)
    melody = melody_of(score, part)
    frames = frames_of(melody, score)
    opening, close = _ends(frames, find_key(replace(score, parts=(melody,))))
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
        found.append(FourVoices(made, sung.nats, voice_leading(pitches), pitches))
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
    from segue.model.score.four_voices import Given

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
    from segue.model.score.chord_paths import (
        best_path,
        check_temperature,
        drawn_path,
        load_tables,
    )

    check_seed(seed)
    check_count(n)
    check_temperature(temperature)
    melody = melody_of(score, part)
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
    key = find_key(replace(score, parts=(melody,)))
    prior = _KEY_FIT * key.fits.astype(np.float64)
    prior[key.tonic + 12 * (key.mode == "minor")] += _KEY_FOUND
    return np.where(prior >= np.sort(prior)[-_KEYS_TRIED], prior, -np.inf)


def _chorded(score: Score, melody: Part, slots: Slots, path: "ChordPath") -> Chorded:
    from segue.model.score.chord_paths import MODES, NONE, QUALITIES

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
    played = accompaniment(chords, tones, bars(replace(score, parts=(melody,))).at, melody)
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
