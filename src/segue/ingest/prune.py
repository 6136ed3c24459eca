"""Tracks whose files are gone."""

import os

from segue.errors import BadArgument
from segue.records import Pruned
from segue.store import Store


def prune(store: Store, *, really: bool) -> Pruned:
    """Take out the tracks whose files are gone.

    Raises
    ------
    BadArgument
        More than half is gone at once, as when a disk is not connected, and not `really`.
    """
    tracks = store.tracks()
    gone = [track for track in tracks if not os.path.lexists(track.path)]
    if 2 * len(gone) > len(tracks) and not really:
        raise BadArgument(
            f"{len(gone)} of {len(tracks)} files are gone: is a disk not connected? "
            "Connect it, or say --really to take them all out"
        )
    with store.writing(), store.transaction():
        store.remove_tracks(track.id for track in gone)
        kept = [track.id for track in tracks if track.missing and track not in gone]
        store.set_missing(kept, missing=False)
    return Pruned(gone, len(tracks) - len(gone))
