"""What a genre says of tempo: the range in which people count its beats.

Music of one genre may be counted at either of two tempos, one twice the other, and only custom
says which: dubstep at 140 and not at 70, drum and bass at 174 and not at 87.
"""

from typing import Final

import numpy as np

from segue.formats.names import normalise, split_genres
from segue.records import FloatArray

#: Lowest and highest usual tempo, beats a minute, by words of the genre. The first entry with
#: all its words in the genre counts, so that a kind of a genre stands before the genre.
RANGES_BPM: Final[dict[str, tuple[float, float]]] = {
    "liquid funk": (160, 180),
    "drum bass": (160, 180),
    "drum n bass": (160, 180),
    "drumnbass": (160, 180),
    "dnb": (160, 180),
    "d b": (160, 180),
    "neurofunk": (165, 180),
    "jungle": (150, 180),
    "breakcore": (160, 220),
    "speedcore": (220, 300),
    "gabber": (150, 200),
    "happy hardcore": (160, 185),
    "hardstyle": (140, 165),
    "footwork": (150, 165),
    "juke": (150, 165),
    "psytrance": (135, 150),
    "psy trance": (135, 150),
    "goa": (135, 150),
    "trance": (125, 150),
    "dubstep": (135, 150),
    "grime": (135, 145),
    "deep house": (115, 128),
    "house": (112, 132),
    "techno": (118, 150),
    "uk garage": (125, 140),
    "2 step": (125, 140),
    "disco": (105, 132),
    "eurodance": (125, 155),
    "reggaeton": (85, 108),
    "dembow": (85, 125),
    "boom bap": (78, 104),
    "trip hop": (65, 105),
    "slow waltz": (78, 96),
    "english waltz": (78, 96),
    "viennese waltz": (150, 192),
    "wiener walzer": (150, 192),
    "jive": (145, 185),
    "quickstep": (180, 215),
    "polka": (95, 140),
    "salsa": (150, 225),
    "bossa nova": (100, 165),
    "thrash metal": (150, 225),
    "hardcore punk": (150, 225),
    "ballad": (52, 88),
}
#: By how many logarithmic units a tempo is less likely that is an octave outside the range.
_WEIGHT: Final = 3.0
_WORDS: Final = {kind: frozenset(kind.split()) for kind in RANGES_BPM}


def genre_range_bpm(genre: str) -> tuple[float, float] | None:
    """Return the usual tempos of a genre tag, lowest and highest; None where it says nothing.

    Parameters
    ----------
    genre : str
        One genre or several, "Electronic; Drum & Bass". The first with a usual tempo counts.
    """
    for one in split_genres(genre):
        words = set(normalise(one).split())
        for kind, usual in RANGES_BPM.items():
            if _WORDS[kind] <= words:
                return usual
    return None


def genre_log_prior(genre: str, tempos_bpm: FloatArray) -> FloatArray:
    """Tell how likely tempos are in a genre.

    Parameters
    ----------
    genre : str
        As in the tags; empty where there is none.
    tempos_bpm : ndarray, shape (n,), float32

    Returns
    -------
    ndarray, shape (n,), float32
        Logarithms, 0 within the usual range and falling with the octaves outside; all 0 where
        the genre has none.
    """
    usual = genre_range_bpm(genre)
    if usual is None:
        return np.zeros(len(tempos_bpm), np.float32)
    low_bpm, high_bpm = usual
    below = np.log2(low_bpm / np.minimum(tempos_bpm, low_bpm))
    above = np.log2(np.maximum(tempos_bpm, high_bpm) / high_bpm)
    return np.asarray(-_WEIGHT * (below + above), np.float32)
