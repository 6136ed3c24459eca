"""Music from the piano-roll VAE: samples, interpolations, reconstructions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.errors import BadArgument, check_seed
from segue.records import FloatArray, Score
from segue.score.features import time_signature_text
from segue.score.piano_roll import BoolArray, PianoRoll

if TYPE_CHECKING:
    from segue.score.vae.model import RollModel

WINDOW_BARS: Final = 4
MAX_ROLLS: Final = 1000
_USUAL_BPM: Final = 120.0
_DRAWS: Final = 20
_SILENT: Final = 0.5  # of the bars
_ANOTHER: Final = 1 << 32  # beyond every seed that may be asked for


def sample(model: "RollModel", n: int = 4, *, seed: int = 0) -> list[PianoRoll]:
    """Draw points of the space, and decode each to four bars.

    What is silent for half of its bars or more is drawn again, some times.

    Parameters
    ----------
    model : RollModel
    n : int
        How many, at least 1.
    seed : int

    Returns
    -------
    list of PianoRoll
    """
    check_seed(seed)
    if not 1 <= n <= MAX_ROLLS:
        raise BadArgument(f"{n} samples; from 1 to {MAX_ROLLS} can be made")
    found = _decoded(model, model.sample(n, seed))
    for again in range(1, _DRAWS):
        silent = np.flatnonzero(found.any(axis=(2, 3, 4)).mean(axis=1) <= _SILENT)
        if not len(silent):
            break
        found[silent] = _decoded(model, model.sample(n, seed + again * _ANOTHER))[silent]
    return [PianoRoll(cells, _USUAL_BPM) for cells in found]


def interpolate(model: "RollModel", first: Score, last: Score, steps: int = 8) -> list[PianoRoll]:
    """Go from one score to another in even steps through the space.

    Parameters
    ----------
    model : RollModel
    first, last : Score
        The four bars of each that are most like the whole stand for it.
    steps : int
        How many rolls are made, at least 2: the first and the last are those bars, decoded.

    Returns
    -------
    list of PianoRoll
        Tempos go along, by equal ratios. The first and the last tell how many bars of their scores
        had no place in the space.

    Raises
    ------
    BadArgument
        A score has no note in a bar of 4/4.
    """
    if not 2 <= steps <= MAX_ROLLS:
        raise BadArgument(f"{steps} steps; from 2 to {MAX_ROLLS} can be made")
    rolls = [to_piano_roll(score) for score in (first, last)]
    ends = [_most_typical(model, roll.cells) for roll in rolls]
    shares = np.linspace(0, 1, steps)
    points = np.stack([(1 - share) * ends[0] + share * ends[1] for share in shares])
    tempos = np.geomspace(rolls[0].tempo_bpm, rolls[1].tempo_bpm, steps)
    skipped = [rolls[0].skipped_bars, *[0] * (steps - 2), rolls[1].skipped_bars]
    decoded = _decoded(model, np.asarray(points, np.float32))
    return [PianoRoll(*one) for one in zip(decoded, tempos.tolist(), skipped, strict=True)]


def reconstruct(model: "RollModel", score: Score) -> tuple[PianoRoll, PianoRoll]:
    """Encode a score and decode it again.

    Returns
    -------
    roll, reconstruction : PianoRoll
        Of as many bars.

    Raises
    ------
    BadArgument
        It has no note in a bar of 4/4.
    """
    roll = to_piano_roll(score)
    mean, _ = model.encode(padded_windows(roll.cells))
    cells = _decoded(model, mean).reshape(-1, *roll.cells.shape[1:])[: len(roll.cells)]
    return roll, PianoRoll(cells, roll.tempo_bpm)


def to_piano_roll(score: Score) -> PianoRoll:
    """Return the piano roll of a score.

    Raises
    ------
    BadArgument
        It has no note in a bar of 4/4.
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
    """Cut a roll into windows of four bars, one after the other; the last is filled up.

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
    lacking = -len(cells) % WINDOW_BARS
    filled = np.pad(cells, ((0, lacking), (0, 0), (0, 0), (0, 0)))
    return filled.reshape(-1, WINDOW_BARS, *cells.shape[1:])


def concatenate(rolls: Sequence[PianoRoll]) -> PianoRoll:
    """Put rolls one after the other, at the tempo of the first."""
    return PianoRoll(np.concatenate([roll.cells for roll in rolls]), rolls[0].tempo_bpm)


def _most_typical(model: "RollModel", cells: BoolArray) -> FloatArray:
    """Return the latent point of the window that lies nearest to the middle of all."""
    cut = padded_windows(cells)
    means, _ = model.encode(cut[cut.any(axis=(1, 2, 3, 4))])
    nearest = np.linalg.norm(means - means.mean(axis=0), axis=1).argmin()
    return np.asarray(means[nearest], np.float32)


def _decoded(model: "RollModel", points: FloatArray) -> BoolArray:
    return model.to_cells(model.decode(points))
