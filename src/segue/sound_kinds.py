"""Which recordings are no music: speech, noise, and what is too short to tell."""

from typing import Final, Literal

from segue.records import Track
from segue.store import Store

NotMusic = Literal["speech", "noise", "short"]
#: What is shorter is a ring tone, an effect or a jingle.
SHORTEST_S: Final = 10.0
_OTHERS: Final[tuple[NotMusic, ...]] = ("speech", "noise")


def kind_if_not_music(track: Track) -> NotMusic | None:
    """Tell what a track is that is no music: "short" where it lasts less than 10 s.

    What an older Segue described counts as music until `segue add` meets it again.
    """
    if track.kind != "sound":
        return None
    if track.duration_s < SHORTEST_S:
        return "short"
    return next((kind for kind in _OTHERS if track.facts.get("sound_kind") == kind), None)


def not_music(store: Store) -> list[int]:
    """List the tracks of a library that are no music."""
    return store.where(
        "kind = 'sound' AND (duration_s < ? OR json_extract(facts, '$.sound_kind') IN (?, ?))",
        (SHORTEST_S, *_OTHERS),
    )
