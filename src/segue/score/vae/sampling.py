"""Music from the piano-roll VAE: samples, interpolations, reconstructions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.errors import BadArgument, check_seed
from segue.records import FloatArray, Score
from segue.score.features import time_signature_text
from segue.score.piano_roll import WINDOW_BARS, BoolArray, PianoRoll

if TYPE_CHECKING:
    from segue.score.vae.model import RollModel

MAX_ROLLS: Final = 1000
_DEFAULT_BPM: Final = 120.0
_MAX_DRAWS: Final = 20
_MIN_SOUNDING_SHARE: Final = 0.5  # of the bars of a sample
_SEED_STRIDE: Final = 1 << 32  # greater than any seed of a user


def sample(model: "RollModel", n: int = 4, *, seed: int = 0) -> list[PianoRoll]:
    """Sample latents and decode each to four bars.

    A sample that is silent in half of its bars or more is drawn again, up to 20 times.

    Parameters
    ----------
    model : RollModel
    n : int
        Number of samples.
    seed : int

    Returns
    -------
    list of PianoRoll
    """
    check_seed(seed)
    if not 1 <= n <= MAX_ROLLS:
        raise BadArgument(f"{n} samples; from 1 to {MAX_ROLLS} can be made")
    samples = _decode(model, model.sample(n, seed))
    for draw in range(1, _MAX_DRAWS):
        sounding_share = samples.any(axis=(2, 3, 4)).mean(axis=1)
        rejected = np.flatnonzero(sounding_share <= _MIN_SOUNDING_SHARE)
        if not len(rejected):
            break
        redrawn = _decode(model, model.sample(n, seed + draw * _SEED_STRIDE))
        samples[rejected] = redrawn[rejected]
    return [PianoRoll(cells, _DEFAULT_BPM) for cells in samples]


def interpolate(model: "RollModel", first: Score, last: Score, steps: int = 8) -> list[PianoRoll]:
    """Interpolate linearly between the latents of two scores.

    Parameters
    ----------
    model : RollModel
    first, last : Score
        Each is represented by its four bars nearest to the mean of its latents.
    steps : int
        Number of rolls, at least 2; the first and the last are reconstructions of the scores.

    Returns
    -------
    list of PianoRoll
        Tempos are interpolated geometrically. The first and the last roll have the number of bars
        of their scores that were skipped.

    Raises
    ------
    BadArgument
        A score has no note in a bar of 4/4.
    """
    if not 2 <= steps <= MAX_ROLLS:
        raise BadArgument(f"{steps} steps; from 2 to {MAX_ROLLS} can be made")
    rolls = [to_piano_roll(score) for score in (first, last)]
    start, end = (_central_latent(model, roll.cells) for roll in rolls)
    latents = np.stack([(1 - t) * start + t * end for t in np.linspace(0, 1, steps)])
    tempos = np.geomspace(rolls[0].tempo_bpm, rolls[1].tempo_bpm, steps)
    skipped = [rolls[0].skipped_bars, *[0] * (steps - 2), rolls[1].skipped_bars]
    decoded = _decode(model, np.asarray(latents, np.float32))
    return [PianoRoll(*fields) for fields in zip(decoded, tempos.tolist(), skipped, strict=True)]


def reconstruct(model: "RollModel", score: Score) -> tuple[PianoRoll, PianoRoll]:
    """Encode and decode a score.

    Returns
    -------
    roll, reconstruction : PianoRoll
        Both of the same number of bars.

    Raises
    ------
    BadArgument
        The score has no note in a bar of 4/4.
    """
    roll = to_piano_roll(score)
    mean, _ = model.encode(padded_windows(roll.cells))
    cells = _decode(model, mean).reshape(-1, *roll.cells.shape[1:])[: len(roll.cells)]
    return roll, PianoRoll(cells, roll.tempo_bpm)


def to_piano_roll(score: Score) -> PianoRoll:
    """Return the piano roll of a score.

    Raises
    ------
    BadArgument
        The score has no note in a bar of 4/4.
    """
    roll = PianoRoll.from_score(score)
    if not roll.cells.any():
        named = f"{score.title!r}" if score.title else "the score"
        raise BadArgument(
            f"{named} is in {time_signature_text(score)}, without a note in a bar of 4/4: "
            "spaces of piano rolls know no other metre. `segue like --space score-features` "
            "compares in any, and "
            "`segue compose` goes on in any"
        )
    return roll


def padded_windows(cells: BoolArray) -> BoolArray:
    """Split a roll into successive windows of four bars, the last padded with silence.

    Returns
    -------
    ndarray, shape (windows, 4, 48, 84, 5), bool

    Raises
    ------
    BadArgument
        There is no note.
    """
    if not cells.any():
        raise BadArgument("the score has no note in a bar of 4/4, and piano rolls know no other")
    padded = np.pad(cells, ((0, -len(cells) % WINDOW_BARS), (0, 0), (0, 0), (0, 0)))
    return padded.reshape(-1, WINDOW_BARS, *cells.shape[1:])


def concatenate(rolls: Sequence[PianoRoll]) -> PianoRoll:
    """Concatenate rolls in time, at the tempo of the first."""
    return PianoRoll(np.concatenate([roll.cells for roll in rolls]), rolls[0].tempo_bpm)


def _central_latent(model: "RollModel", cells: BoolArray) -> FloatArray:
    """Return the latent of the window that is nearest to the mean of all."""
    windows = padded_windows(cells)
    means, _ = model.encode(windows[windows.any(axis=(1, 2, 3, 4))])
    nearest = np.linalg.norm(means - means.mean(axis=0), axis=1).argmin()
    return np.asarray(means[nearest], np.float32)


def _decode(model: "RollModel", latents: FloatArray) -> BoolArray:
    return model.to_cells(model.decode(latents))
