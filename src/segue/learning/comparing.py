"""Two tracks of a library side by side: what makes them alike, and what sets them apart."""

from typing import Final

from segue.errors import BadArgument, NotFound
from segue.explain.pairs import Comparison, Trait, groups_of_traits, traits
from segue.ingest.now import read_score
from segue.measure.embeddings import unit
from segue.model.sound.spaces import TAGS
from segue.records import FloatArray, Track
from segue.represent.features import FEATURE_GROUPS, FEATURE_NAMES, standard_scores
from segue.represent.lyrics.feature_names import STYLE_FEATURE_GROUPS, STYLE_FEATURE_NAMES
from segue.represent.lyrics.features import standard_style_scores
from segue.represent.score.bar_likeness import BarPair, bars_alike
from segue.represent.score.feature_names import SCORE_FEATURE_GROUPS, SCORE_FEATURE_NAMES
from segue.represent.score.features import standard_score_scores
from segue.store import Store

#: The space of named numbers of each kind of music.
_NAMED: Final = {"sound": "features", "score": "score-features", "lyrics": "style"}
_KINDS: Final = {"sound": "recording", "score": "score", "lyrics": "text"}


def compare(store: Store, first: Track, second: Track, n: int = 5) -> Comparison:
    """Compare two tracks.

    Parameters
    ----------
    store : Store
    first, second : Track
    n : int
        How many pairs of bars.

    Raises
    ------
    BadArgument
        They are of different kinds, or one track twice.
    NotFound
        One has no place in the space of named numbers.
    Unreadable
        The file of a score.
    """
    if first.kind != second.kind:
        raise BadArgument(
            f"{first.id} is a {_KINDS[first.kind]} and {second.id} a {_KINDS[second.kind]}: they "
            "have no space in common; compare two of one kind"
        )
    if first.id == second.id:
        raise BadArgument(f"both are the track {first.id}; name two")
    space = _NAMED[first.kind]
    vectors = [store.spaces.find_vector(space, track.id) for track in (first, second)]
    if vectors[0] is None or vectors[1] is None:
        lacking = first if vectors[0] is None else second
        raise NotFound(f"the track {lacking.id} has no place in the space {space!r}")
    a, b = vectors[0], vectors[1]
    tags: tuple[Trait, ...] = ()
    bars: tuple[BarPair, ...] = ()
    if first.kind == "sound":
        named = traits(FEATURE_NAMES, a, b, (standard_scores(a), standard_scores(b)))
        groups = groups_of_traits(FEATURE_GROUPS, a, b)
        tags = _tags(store, first, second)
    elif first.kind == "lyrics":
        named = _traits_of_style(a, b)
        groups = groups_of_traits(STYLE_FEATURE_GROUPS, a, b)
    else:
        scores = (standard_score_scores(a), standard_score_scores(b))
        named = traits(SCORE_FEATURE_NAMES, a, b, scores)
        groups = groups_of_traits(SCORE_FEATURE_GROUPS, a, b)
        one, other = (read_score(track.path, track.tune) for track in (first, second))
        bars = bars_alike(one, other, n)
    similarities = _similarities(store, first, second)
    return Comparison(first.kind, first, second, similarities, groups, named, tags, bars)


def _traits_of_style(a: FloatArray, b: FloatArray) -> tuple[Trait, ...]:
    """Leave out the runs of characters: which fell into one bucket tells nobody anything."""
    scores = (standard_style_scores(a), standard_style_scores(b))
    return traits(STYLE_FEATURE_NAMES, a, b, scores)[STYLE_FEATURE_GROUPS["characters"].stop :]


def _similarities(store: Store, first: Track, second: Track) -> dict[str, float]:
    found = {}
    for info in store.spaces.known():
        if info.space.kind == first.kind and not info.outdated:
            a, b = (store.spaces.find_vector(info.space.name, t.id) for t in (first, second))
            if a is not None and b is not None:
                found[info.space.name] = _cosine(a, b)
    return found


def _cosine(a: FloatArray, b: FloatArray) -> float:
    one, other = unit(a[None])[0], unit(b[None])[0]
    return float(one @ other)


def _tags(store: Store, first: Track, second: Track) -> tuple[Trait, ...]:
    a, b = (store.spaces.find_vector("tags", track.id) for track in (first, second))
    return () if a is None or b is None else traits(TAGS, a, b, (a, b))
