"""Embedding of decoded tunes and lyrics in the built-in spaces.

Recordings are embedded by `segue.audio.embedding.SoundModel`.
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
from segue.score.piano_roll import unpack_bars
from segue.score.vae.model import RollModel

if TYPE_CHECKING:
    from segue.generate.lyrics.network import CharNetwork


#: Characters per window: the context that the network uses is hardly longer.
_WINDOW: Final = 128
#: Maximum number of windows of a song that are read.
_MAX_WINDOWS: Final = 128


class ScoreModel:
    """The bundled VAE of piano rolls, loaded.

    Parameters
    ----------
    threads : int
        Number of torch's threads.
    """

    def __init__(self, threads: int = 1) -> None:
        import torch  # takes seconds to import

        torch.set_num_threads(threads)
        self._rolls = RollModel.shipped()

    def embed(self, bars: NDArray[np.uint8], raw_features: FloatArray) -> dict[str, FloatArray]:
        """Compute the vectors of a tune.

        Parameters
        ----------
        bars : ndarray, shape (bars, 2520), uint8
            See `segue.score.piano_roll.pack_bars`.
        raw_features : ndarray, shape (len(SCORE_FEATURE_NAMES),), float32
            See `segue.score.features.describe_score`.

        Returns
        -------
        dict of str to ndarray
            One vector per built-in space of scores, of shape (0,) where there is none: in
            `roll-vae`, for a tune without a note in a bar of 4/4.
        """
        vector = self._rolls.embed(unpack_bars(bars))
        return {
            "score-features": standardise_score(raw_features),
            "roll-vae": np.empty(0, np.float32) if vector is None else vector,
        }


def embed_lyrics(text: str, raw_features: FloatArray) -> dict[str, FloatArray]:
    """Compute the vectors of lyrics.

    Parameters
    ----------
    text : str
        See `segue.records.Lyrics.text`; it must contain words.
    raw_features : ndarray, shape (len(STYLE_FEATURE_NAMES),), float32
        See `segue.lyrics.features.style_features`.

    Returns
    -------
    dict of str to ndarray
        One vector per built-in space of lyrics.
    """
    network, constants = _lyrics_network()
    vector = (pooled_states(network, text) - constants["mean"]) / constants["scale"]
    return {
        "style": standardise_style(raw_features),
        "lyrics": np.asarray(vector, np.float32),
    }


def pooled_states(network: "CharNetwork", text: str) -> FloatArray:
    """Return mean and standard deviation of a network's hidden states over the characters.

    Parameters
    ----------
    network : CharNetwork
        With an LSTM.
    text : str
        Its first 16,000 characters are read.

    Returns
    -------
    ndarray, shape (2 * width,), float32
    """
    import torch

    tokens = encode(text)[: _WINDOW * _MAX_WINDOWS]
    windows = np.zeros((-(-len(tokens) // _WINDOW), _WINDOW), np.int64)
    windows.flat[: len(tokens)] = tokens
    with torch.inference_mode():
        states = network.hidden_states(torch.from_numpy(windows))
    states = states.flatten(0, 1)[: len(tokens)].float()
    return np.asarray(torch.cat([states.mean(dim=0), states.std(dim=0, correction=0)]), np.float32)


@cache
def _lyrics_network() -> "tuple[CharNetwork, dict[str, FloatArray]]":
    from segue.generate.lyrics.language_model import LanguageModel  # brings in torch

    return LanguageModel.pretrained().network, load_file(LYRICS_SPACE)


def embed_tune(tune: DecodedTune, model: ScoreModel) -> Analysis:
    """Embed a tune, and its lyrics if it has any."""
    analysis = Analysis(
        vectors=model.embed(tune.bars, tune.features),
        facts=tune.facts,
        fingerprint=tune.shingles,
        duration_s=tune.duration_s,
    )
    return with_lyrics(analysis, tune.words)


def with_lyrics(analysis: Analysis, words: DecodedText | None) -> Analysis:
    """Add lyrics, and their vectors, to the analysis of what they belong to."""
    if words is None:
        return analysis
    vectors = analysis.vectors | embed_lyrics(words.text, words.features)
    return replace(analysis, vectors=vectors, words=words.text)
