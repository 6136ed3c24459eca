"""From an analysed file to its embedding in every space.

From a decoded tune to its vector in every space of scores.

From a decoded text to its vector in every space of lyrics.

From what a worker decoded to what the library keeps of it: with its place in every space.
"""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from segue.builtin_spaces import LYRICS_SPACE
from segue.generate.lyrics.vocabulary import encode
from segue.ingest.analysis import DecodedText, DecodedTune
from segue.lyrics.features import standardise_style
from segue.records import Analysis, FloatArray
from segue.score.features import standardise_score
from segue.score.piano_roll import unpacked
from segue.score.vae.model import RollModel

if TYPE_CHECKING:
    from segue.generate.lyrics.network import LetterNetwork


# --- embed ---


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
            See `segue.score.piano_roll.packed`.
        raw_features : ndarray, shape (len(SCORE_FEATURE_NAMES),), float32
            See `segue.score.features.describe_score`.

        Returns
        -------
        dict of str to ndarray
            One vector per name in `segue.builtin_spaces.builtin_spaces`, of shape (0,) where
            the tune has no place there: in `roll-vae`, one without a note in a bar of 4/4.
        """
        placed = self._rolls.embed(unpacked(bars))
        return {
            "score-features": standardise_score(raw_features),
            "roll-vae": np.empty(0, np.float32) if placed is None else placed,
        }


# --- embed ---

#: Letters that are read on end: what was learned reaches hardly further.
_WINDOW: Final = 128
#: Windows at most: what a song is like shows in its first pages.
_MOST_WINDOWS: Final = 128


def embed_lyrics(text: str, raw_features: FloatArray) -> dict[str, FloatArray]:
    """Compute a text's vectors.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`, with words.
    raw_features : ndarray, shape (len(STYLE_FEATURE_NAMES),), float32
        See `segue.lyrics.features.style_features`.

    Returns
    -------
    dict of str to ndarray
        One vector per name in `segue.builtin_spaces.builtin_spaces`.
    """
    network, constants = _reader()
    found = (pooled_states(network, text) - constants["mean"]) / constants["scale"]
    return {
        "style": standardise_style(raw_features),
        "lyrics": np.asarray(found, np.float32),
    }


def pooled_states(network: "LetterNetwork", text: str) -> FloatArray:
    """Return what a network makes of a text: mean and spread, over its letters, of what it holds.

    Parameters
    ----------
    network : LetterNetwork
        With an LSTM.
    text : str
        Its first 16,000 letters count.

    Returns
    -------
    ndarray, shape (2 * width,), float32
    """
    import torch

    tokens = encode(text)[: _WINDOW * _MOST_WINDOWS]
    windows = np.zeros((-(-len(tokens) // _WINDOW), _WINDOW), np.int64)
    windows.flat[: len(tokens)] = tokens
    with torch.inference_mode():
        known = network.read_states(torch.from_numpy(windows))
    held = known.flatten(0, 1)[: len(tokens)].float()
    return np.asarray(torch.cat([held.mean(dim=0), held.std(dim=0, correction=0)]), np.float32)


@cache
def _reader() -> "tuple[LetterNetwork, dict[str, FloatArray]]":
    from segue.generate.lyrics.language_model import LanguageModel  # brings in torch

    return LanguageModel.shipped().network, load_file(LYRICS_SPACE)


# --- embedding ---


def embed_tune(tune: DecodedTune, model: "ScoreModel") -> Analysis:
    """Place a tune, and its words, in the spaces of their kinds."""
    analysis = Analysis(
        vectors=model.embed(tune.bars, tune.features),
        facts=tune.facts,
        fingerprint=tune.shingles,
        duration_s=tune.duration_s,
    )
    return with_lyrics(analysis, tune.words)


def with_lyrics(analysis: Analysis, words: DecodedText | None) -> Analysis:
    """Join words to what they belong to: a place among all words, and the text."""
    if words is None:
        return analysis
    vectors = analysis.vectors | embed_lyrics(words.text, words.features)
    return replace(analysis, vectors=vectors, words=words.text)
