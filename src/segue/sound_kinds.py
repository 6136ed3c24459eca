"""Which recordings of a library are no music: speech, noise, and what is too short to tell."""

from typing import Final, Literal

from segue.store import Store

NotMusic = Literal["speech", "noise", "short"]
#: What is shorter is a ring tone, an effect or a jingle.
SHORTEST_S: Final = 10.0


def not_music(store: Store) -> dict[int, NotMusic]:
    """List the recordings of a library that are no music.

    Returns
    -------
    dict of int to str
        From the track's id to what it is: "short" of all that lasts less than 10 s. A recording
        that an older Segue described counts as music until `segue add` meets it again.
    """
    found: dict[int, NotMusic] = {}
    kinds: tuple[NotMusic, ...] = ("speech", "noise")
    for kind in kinds:
        of_kind = store.where("kind = 'sound' AND json_extract(facts, '$.sound_kind') = ?", (kind,))
        found |= dict.fromkeys(of_kind, kind)
    short = store.where("kind = 'sound' AND duration_s < ?", (SHORTEST_S,))
    return found | dict.fromkeys(short, "short")
