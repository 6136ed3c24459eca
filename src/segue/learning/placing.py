"""New tracks and files in learned spaces, of whichever kind of music these were learned from."""

from pathlib import Path

from segue.errors import BadCheckpoint
from segue.formats.kinds import kind_of
from segue.learning import scores, sounds
from segue.learning.places import model_folder
from segue.model.checkpoint import MODEL
from segue.records import Failure, FloatArray, Span
from segue.store import Store


def place_new(store: Store, *, workers: int = 1) -> list[Failure]:
    """Place the tracks that a learned space lacks, in every space learned from the library.

    Returns
    -------
    list of Failure
        Models that cannot be read; their spaces stay as they are.
    """
    failures: list[Failure] = []
    for info in store.spaces.known():
        name, kind = info.space.name, info.space.kind
        if not info.trained or not (model_folder(store, name) / MODEL).exists():
            continue
        lacking = store.tracks(store.spaces.tracks_without(name))
        lacking = [track for track in lacking if not track.missing and track.kind == kind]
        if not lacking:
            continue
        place = scores.place if kind == "score" else sounds.place
        try:
            place(store, name, lacking, workers=workers)
        except BadCheckpoint as error:
            failures.append(Failure(model_folder(store, name) / MODEL, str(error)))
    return failures


def embed_file(store: Store, space: str, path: Path, passage: Span | None) -> FloatArray | None:
    """Compute the vector of a file, or a passage of it, in a learned space.

    Returns
    -------
    ndarray, shape (dimension,), or None
        None where the space has no network that reads such a file, as that of listens.

    Raises
    ------
    Unreadable
        With the reason.
    """
    if not (model_folder(store, space) / MODEL).exists():
        return None
    kind = next(i.space.kind for i in store.spaces.known() if i.space.name == space and i.trained)
    if kind != (kind_of(path) or "sound"):
        return None
    if kind == "score":
        return scores.embed_file(store, space, path)
    return sounds.embed_file(store, space, path, passage)
