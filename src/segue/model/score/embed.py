"""From a decoded tune to its vector in every space of scores."""

import numpy as np
from numpy.typing import NDArray

from segue.model.score.rolls import RollModel
from segue.records import FloatArray
from segue.represent.score.features import standardise_score
from segue.represent.score.roll_notes import unpacked


class ScoreModel:
    """The shipped model of piano rolls, loaded."""

    def __init__(self, threads: int = 1) -> None:
        import torch  # seconds; only those who embed pay them

        torch.set_num_threads(threads)
        self._rolls = RollModel.shipped()

    def embed(self, bars: NDArray[np.uint8], raw_features: FloatArray) -> dict[str, FloatArray]:
        """Compute a tune's vectors.

        Parameters
        ----------
        bars : ndarray, shape (bars, 2520), uint8
            See `segue.represent.score.roll_notes.packed`.
        raw_features : ndarray, shape (len(SCORE_FEATURE_NAMES),), float32
            See `segue.represent.score.features.describe_score`.

        Returns
        -------
        dict of str to ndarray
            One vector per name in `segue.model.score.spaces.score_spaces`, of shape (0,) where
            the tune has no place there: in `roll-vae`, one without a note in a bar of 4/4.
        """
        placed = self._rolls.embed(unpacked(bars))
        return {
            "score-features": standardise_score(raw_features),
            "roll-vae": np.empty(0, np.float32) if placed is None else placed,
        }
