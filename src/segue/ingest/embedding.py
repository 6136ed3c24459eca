"""Embedding of decoded tracks in the built-in spaces."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from segue.audio.embedding import SoundModel
from segue.builtin_spaces import LYRICS_ENCODER, LYRICS_SPACE
from segue.generate.lyrics.vocabulary import encode
from segue.ingest.analysis import ACTIVATIONS, PIANO_ROLLS, DecodedTrack, Representation
from segue.lyrics.features import standardise_style
from segue.records import Analysis, FloatArray, Medium
from segue.score.features import standardise_score
from segue.score.piano_roll import unpack_bars

if TYPE_CHECKING:
    from segue.generate.lyrics.network import CharNetwork
    from segue.score.vae.model import RollModel


#: Characters per window: the context that the network uses is hardly longer.
_WINDOW: Final = 128
#: Maximum number of windows of a song that are read.
_MAX_WINDOWS: Final = 128


class TrackEmbedder:
    """Embeds decoded tracks in the built-in spaces; models are loaded when they are needed.

    Parameters
    ----------
    threads : int
        Number of torch's threads.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._sound_model: SoundModel | None = None
        self._roll_model: RollModel | None = None
        self._activations: tuple[DecodedTrack, FloatArray, FloatArray] | None = None
        self._embed: dict[Medium, Callable[[DecodedTrack], dict[str, FloatArray]]] = {
            "sound": self._embed_recording,
            "score": self._embed_tune,
            "lyrics": lambda _: {},
        }

    def embed(self, track: DecodedTrack) -> Analysis:
        """Embed a track, and its lyrics if it has any.

        A vector has shape (0,) where there is none: in `roll-vae`, of a tune without a note in a
        bar of 4/4.
        """
        vectors, words = self._embed[track.kind](track), track.words
        if words is not None:
            vectors |= embed_lyrics(words.text, words.features)
        text = words.text if words is not None else ""
        return Analysis(vectors, track.facts, track.fingerprint, track.duration_s, text)

    def represent(
        self, track: DecodedTrack, representation: Representation
    ) -> NDArray[np.generic] | None:
        """Return a representation of a track for the cache; None where there is none.

        Activations have the shape (patches, 1506 + features), float32: the pooled activations of
        each patch, then the features of the recording, which are the same in every row.
        """
        if representation == PIANO_ROLLS:
            return track.inputs
        if representation == ACTIVATIONS:
            pooled, _ = self._musicnn(track)
            features = np.tile(track.features, (len(pooled), 1))
            return np.hstack([pooled, features]).astype(np.float32)
        return track.images.get(representation)

    def _embed_recording(self, track: DecodedTrack) -> dict[str, FloatArray]:
        pooled, logits = self._musicnn(track)
        return self._loaded_sound_model().vectors(pooled, logits, track.features)

    def _embed_tune(self, track: DecodedTrack) -> dict[str, FloatArray]:
        if self._roll_model is None:
            import torch  # takes seconds to import

            from segue.score.vae.model import RollModel

            torch.set_num_threads(self._threads)
            self._roll_model = RollModel.pretrained()
        vector = self._roll_model.embed(unpack_bars(track.inputs))
        return {
            "score-features": standardise_score(track.features),
            "roll-vae": np.empty(0, np.float32) if vector is None else vector,
        }

    def _musicnn(self, track: DecodedTrack) -> tuple[FloatArray, FloatArray]:
        """Return pooled activations and logits of a recording; those of the last one are kept."""
        if self._activations is None or self._activations[0] is not track:
            activations = self._loaded_sound_model().activations(track.inputs)
            self._activations = (track, *activations)
        return self._activations[1:]

    def _loaded_sound_model(self) -> SoundModel:
        if self._sound_model is None:
            self._sound_model = SoundModel(self._threads)
        return self._sound_model


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

    return LanguageModel.load(LYRICS_ENCODER).network, load_file(LYRICS_SPACE)
