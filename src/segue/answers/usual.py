"""Which space is meant where none is named."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from segue.records import Kind, Track
from segue.store import Store

if TYPE_CHECKING:
    from segue.answers.question import Question

#: Of each kind of music, the better space first: some hold not every track.
USUAL: Final[dict[Kind, tuple[str, ...]]] = {
    "sound": ("sound",),
    "score": ("roll-vae", "score-features"),
    "lyrics": ("style",),
}
#: Where copies of one recording, tune or text lie close together; it holds every track of its kind.
COPIES_IN: Final[dict[Kind, str]] = {
    "sound": "sound",
    "score": "score-features",
    "lyrics": "style",
}
#: The space of a library as a whole holds such a share of its tracks at least.
_SHARE: Final = 0.9
#: One in which half of the music cannot be found is not asked in.
_LEAST_SHARE: Final = 0.5


def usual_space(question: "Question") -> str:
    """Choose the space to ask in: the first of its kind that holds all that is asked with.

    It holds half of the tracks of that kind, too: of what it does not hold nothing is found.
    """
    spaces = _holding(question.store, question.kind, _LEAST_SHARE)
    for space in spaces[:-1]:
        likes, unlikes = question.vectors(space)
        if all(vector is not None for vector in [*likes, *unlikes]):
            return space
    return spaces[-1]


def usual_space_of(store: Store, tracks: Sequence[Track]) -> str:
    """Choose the space to compare some tracks in: the first that holds all of them."""
    spaces = _holding(store, tracks[0].kind, _LEAST_SHARE)
    for space in spaces[:-1]:
        if all(store.spaces.find_vector(space, track.id) is not None for track in tracks):
            return space
    return spaces[-1]


def usual_space_of_all(store: Store) -> str:
    """Choose the space to see a library in: that of the kind that it holds most of."""
    counts = store.kinds() or {"sound": 0}
    kind = max(counts, key=lambda kind: counts[kind])
    return _holding(store, kind, _SHARE)[0]


def _holding(store: Store, kind: Kind, share: float) -> list[str]:
    """List the usual spaces that hold such a share of all tracks of a kind, and the last one."""
    *spaces, last = USUAL[kind]
    if not spaces:
        return [last]
    held = {info.space.name: info.tracks for info in store.spaces.known() if not info.outdated}
    least = share * store.kinds().get(kind, 0)
    return [*(space for space in spaces if held.get(space, 0) >= least), last]
