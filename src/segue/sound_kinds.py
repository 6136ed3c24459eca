"""Which recordings are no music: speech, noise, and what is too short to tell.

Told from what is stored of every recording, so that nothing need be read again.
"""

from typing import Final, Literal

import numpy as np

from segue.errors import NotFound, WrongSpace
from segue.represent.sound_kind import SOUND_KINDS, VERSION, chances_of_kinds
from segue.store import Store

NotMusic = Literal["speech", "noise", "short"]
#: What is shorter is a ring tone, an effect or a jingle.
SHORTEST_S: Final = 10.0
#: What is music with a chance below this is not. Music left out is missed more than noise let in
#: disturbs: bench/tables/sound_kinds.md tells how much of each.
MUSIC_FROM: Final = 0.2


def not_music(store: Store) -> dict[int, NotMusic]:
    """List the recordings of a library that are no music.

    Returns
    -------
    dict of int to str
        From the track's id to what it is: "short" of all that lasts less than 10 s.
    """
    if not store.kinds().get("sound"):
        return {}
    found: dict[int, NotMusic] = {}
    ids, chances = _chances(store)
    for row in np.flatnonzero(chances[:, 0] < MUSIC_FROM).tolist():
        speech, noise = chances[row, 1:]
        found[int(ids[row])] = "speech" if speech > noise else "noise"
    short = store.where("kind = 'sound' AND duration_s < ?", (SHORTEST_S,))
    return found | dict.fromkeys(short, "short")


def _chances(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Return track ids (n,), and how likely each is music, speech or noise (n, 3)."""
    what = f"sound-kinds-{VERSION}"
    try:
        kept = store.spaces.derived("features", what)
        if kept is None:
            ids, vectors = store.spaces.vectors("features")
            kept = {"ids": ids, "chances": chances_of_kinds(vectors)}
            store.spaces.keep_derived("features", what, kept)
    except (NotFound, WrongSpace):  # an older Segue's: the next `segue add` makes it anew
        return np.zeros(0, np.int64), np.zeros((0, len(SOUND_KINDS)), np.float32)
    return kept["ids"], kept["chances"]
