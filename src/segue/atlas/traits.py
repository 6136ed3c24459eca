"""What a track has more of than others, in a word: of recordings, tags; of scores, how they go."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from segue.formats.names import split_genres
from segue.model.sound.spaces import TAGS
from segue.records import FloatArray, Track
from segue.store import Store

#: Names that fewer tracks have than this set nothing apart.
_FEWEST: Final = 3
_MOST_NAMES: Final = 30


@dataclass(frozen=True, slots=True)
class Traits:
    """What sets tracks apart.

    Attributes
    ----------
    names : tuple of str
    strengths : ndarray, shape (n, len(names)), float32
        In standard deviations above these tracks' mean.
    """

    names: tuple[str, ...]
    strengths: FloatArray


def traits(store: Store, tracks: Sequence[Track]) -> Traits:
    """Tell of each track how much it has of what, among these tracks.

    Parameters
    ----------
    store : Store
    tracks : sequence of Track
        In order of id.
    """
    kinds = {track.kind for track in tracks}
    if "lyrics" in kinds:
        return _of_facts(tracks, _SCALES_OF_LYRICS)
    if "score" in kinds:
        return _of_facts(tracks, _SCALES)
    known, found = store.spaces.vectors("tags")
    rows = np.searchsorted(known, [track.id for track in tracks])
    return Traits(TAGS, _standardised(found[rows]))


def _of_facts(tracks: Sequence[Track], scales: "_Scales") -> Traits:
    columns: dict[str, list[float]] = {}
    for (high, low), measure in scales.items():
        values = [measure(track) for track in tracks]
        columns[high] = values
        columns[low] = [-value for value in values]
    for word, tracks_with in _common_words(tracks).items():
        columns[word] = [float(word in words) for words in tracks_with]
    return Traits(tuple(columns), _standardised(np.array(list(columns.values()), np.float32).T))


def _standardised(found: FloatArray) -> FloatArray:
    """Scale each column; what is not known of a track sets it apart in no way."""
    known = np.isfinite(found)
    mean = np.where(known, found, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    apart = np.where(known, found - mean, 0)
    return np.asarray(apart / (apart.std(axis=0) + 1e-6), np.float32)


def _fact(name: str) -> Callable[[Track], float]:
    def measure(track: Track) -> float:
        value = track.facts.get(name)
        return float(value) if isinstance(value, int | float) else float("nan")

    return measure


def _log_fact(name: str) -> Callable[[Track], float]:
    measure = _fact(name)
    return lambda track: float(np.log(max(measure(track), 1e-3)))


def _is_minor(track: Track) -> float:
    return float(str(track.facts.get("key", "")).endswith("minor"))


def _is_drummed(track: Track) -> float:
    return float("drums" in str(track.facts.get("instruments", "")))


#: What there is more of, and less of, and by which of a score's facts it is told.
_Scales = dict[tuple[str, str], Callable[[Track], float]]
_SCALES: Final[_Scales] = {
    ("fast", "slow"): _log_fact("tempo_bpm"),
    ("minor", "major"): _is_minor,
    ("busy", "sparse"): _log_fact("notes_per_quarter"),
    ("high", "low"): _fact("mean_pitch"),
    ("many voices", "one voice"): _fact("polyphony"),
    ("drums", "no drums"): _is_drummed,
}
#: Likewise, of lyrics.
_SCALES_OF_LYRICS: Final[_Scales] = {
    ("long lines", "short lines"): _log_fact("syllables_per_line"),
    ("rhymed", "without rhymes"): _fact("rhymed_lines"),
    ("with refrains", "no line twice"): _fact("repeated_lines"),
    ("many stanzas", "few stanzas"): _log_fact("stanzas"),
    ("long", "short"): _log_fact("words"),
}


def _common_words(tracks: Sequence[Track]) -> dict[str, list[set[str]]]:
    """Return the metres and genres that some of the tracks have, and each track's own."""
    words = [
        {f"in {track.facts['metre']}", *split_genres(track.tags.genre)}
        if track.facts.get("metre")
        else set(split_genres(track.tags.genre))
        for track in tracks
    ]
    counts = Counter(word for some in words for word in some)
    common = [word for word, n in counts.most_common(_MOST_NAMES) if _FEWEST <= n < len(tracks)]
    return dict.fromkeys(common, words)
