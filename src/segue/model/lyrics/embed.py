"""From a decoded text to its vector in every space of lyrics."""

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from safetensors.numpy import load_file

from segue.model.lyrics.spaces import LYRICS_SPACE
from segue.records import FloatArray
from segue.represent.lyrics.features import standardise_style
from segue.represent.lyrics.letters import encode

if TYPE_CHECKING:
    from segue.model.lyrics.letters import LetterNetwork

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
        See `segue.represent.lyrics.features.style_features`.

    Returns
    -------
    dict of str to ndarray
        One vector per name in `segue.model.lyrics.spaces.lyrics_spaces`.
    """
    network, constants = _reader()
    found = (known_of(network, text) - constants["mean"]) / constants["scale"]
    return {
        "style": standardise_style(raw_features),
        "lyrics": np.asarray(found, np.float32),
    }


def known_of(network: "LetterNetwork", text: str) -> FloatArray:
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
    from segue.model.lyrics.language import LanguageModel  # brings in torch

    return LanguageModel.shipped().network, load_file(LYRICS_SPACE)
