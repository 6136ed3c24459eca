"""Harmony for a melody: four voices as in a chorale, or chords with an accompaniment."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.errors import BadArgument, check_seed
from segue.measure.voice_leading import VoiceLeading, voice_leading
from segue.records import Score
from segue.represent.score.chorale_frames import BEAT, Frames, frames_of, parts_of
from segue.represent.score.harmony import ScoreKey, find_key
from segue.represent.score.melody import melody_of

if TYPE_CHECKING:
    from segue.model.score.chorale import ChoraleTransformer
    from segue.model.score.four_voices import Choir, Close

MOST: Final = 100
Watcher = Callable[[int, int], None]


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
    """

    score: Score
    nats: float
    led: VoiceLeading


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
    close = _close(frames, find_key(replace(score, parts=(melody,))))
    soprano = numbers(torch.from_numpy(frames.pitch))
    network = network or load_chorales()
    found = []
    for number in range(n):

        def told(done: int, total: int, before: int = number) -> None:
            if watch:
                watch(before * total + done, n * total)

        generator = torch.Generator().manual_seed(seed + (number << 32))
        sung = sing(network, soprano, choir or Choir(), generator, close, told)
        pitches = sung.frames.numpy()
        pitches = np.where(pitches > 0, pitches + LOWEST - 1, -1)
        parts = parts_of(frames, pitches[:, 1:], melody)
        found.append(
            FourVoices(replace(score, parts=parts), sung.nats, voice_leading(pitches))
        )
    return sorted(found, key=lambda one: one.nats)


def check_count(n: int) -> None:
    """Refuse a number of harmonisations that cannot be made.

    Raises
    ------
    BadArgument
    """
    if not 1 <= n <= MOST:
        raise BadArgument(f"{n} harmonisations; from 1 to {MOST} can be made")


def _close(frames: Frames, key: ScoreKey) -> "Close":
    """Return the chord to end with: the tonic's, else the dominant's, else the melody's own."""
    from segue.model.score.four_voices import Close

    tonic = key.tonic + frames.shift
    last = int(frames.pitch[-1])
    third = 3 if key.mode == "minor" else 4
    triads = [(tonic, (0, third, 7)), (tonic + 7, (0, 4, 7)), (last, (0, 4, 7))]
    bass, classes = next(
        (root % 12, {(root + step) % 12 for step in steps})
        for root, steps in triads
        if (last - root) % 12 in steps
    )
    changes = np.flatnonzero(frames.pitch != last)
    held = len(frames) - 1 - int(changes[-1]) if len(changes) else len(frames)
    # The numbers of pitches begin with a C.
    return Close(min(held, BEAT), bass, frozenset(classes))
