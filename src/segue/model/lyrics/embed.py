"""From a decoded text to its vector in every space of lyrics."""

from segue.records import FloatArray
from segue.represent.lyrics.features import standardise_style


def embed_lyrics(raw_features: FloatArray) -> dict[str, FloatArray]:
    """Compute a text's vectors.

    Parameters
    ----------
    raw_features : ndarray, shape (len(STYLE_FEATURE_NAMES),), float32
        See `segue.represent.lyrics.features.style_features`.

    Returns
    -------
    dict of str to ndarray
        One vector per name in `segue.model.lyrics.spaces.lyrics_spaces`.
    """
    return {"style": standardise_style(raw_features)}
