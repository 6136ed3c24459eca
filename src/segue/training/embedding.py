"""Embedding of new tracks and of files in the spaces of a library."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from segue.errors import BadCheckpoint
from segue.media import medium_of
from segue.records import Failure, FloatArray, Medium, Span, Tags
from segue.store import Store

if TYPE_CHECKING:
    from segue.ingest.analysis import Representation


def _trained_spaces(medium: Medium) -> ModuleType:
    """Return the module that embeds tracks of a medium in spaces trained on it."""
    from segue.training import scores, sound

    return {"sound": sound, "score": scores}[medium]


def representations(store: Store) -> "list[Representation]":
    """List what the trained spaces of a library read of new tracks, each once."""
    from segue.nn.checkpoint import MODEL
    from segue.training.hub import is_hub_space
    from segue.training.models import model_folder

    read: dict[Representation, None] = {}
    for info in store.spaces.known():
        path = model_folder(store, info.space.name) / MODEL
        if info.trained and path.exists() and not is_hub_space(store, info.space.name):
            with contextlib.suppress(BadCheckpoint):  # reported by `embed_new_tracks`
                read[_trained_spaces(info.space.kind).read_representation(path)] = None
    return list(read)


def embed_new_tracks(store: Store, *, workers: int = 1) -> list[Failure]:
    """Embed the tracks that a trained space lacks, in every space trained on the library.

    Returns
    -------
    list of Failure
        Models that cannot be read; their spaces are left as they are.
    """
    from segue.nn.checkpoint import MODEL
    from segue.training.hub import is_hub_space, update_space
    from segue.training.models import model_folder

    failures: list[Failure] = []
    for info in store.spaces.known():
        name, kind = info.space.name, info.space.kind
        model = model_folder(store, name) / MODEL
        if not info.trained or not model.exists():
            continue
        tracks = store.tracks(store.spaces.tracks_without(name))
        tracks = [track for track in tracks if not track.missing and track.kind == kind]
        if not tracks:
            continue
        try:
            if is_hub_space(store, name):
                failures += update_space(store, name, workers=workers)
                continue
            vectors = _trained_spaces(kind).embed_tracks(store, name, tracks, workers)
        except BadCheckpoint as error:
            failures.append(Failure(model, str(error)))
            continue
        with store.writing(), store.transaction():
            store_vectors(store, name, vectors)
    return failures


def store_vectors(store: Store, space: str, vectors: Iterable[tuple[int, FloatArray]]) -> int:
    """Write vectors by track id, within a transaction; return the number of those not empty."""
    count = 0
    for track, vector in vectors:
        store.spaces.put(space, track, vector)
        count += len(vector) > 0
    return count


class LibraryFileReader:
    """Embeds files that need not be in the library in any of its spaces, and reads their tags.

    Each file is read once for the bundled spaces, and its vectors are cached.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._embedded: dict[tuple[Path, Span | None], dict[str, FloatArray]] = {}

    def vector(self, space: str, path: Path, passage: Span | None = None) -> FloatArray | None:
        """Compute the vector of a file, or an excerpt of it, in a space.

        Parameters
        ----------
        space : str
        path : Path
        passage : Span, optional
            Excerpt of the file; the whole file by default.

        Returns
        -------
        ndarray, shape (dimension,), or None
            None if the file cannot be embedded in the space.

        Raises
        ------
        Unreadable
            With the reason.
        """
        from segue.ingest.analysis import embed_file  # imports the decoders

        key = path, passage
        if key not in self._embedded:
            self._embedded[key] = embed_file(path, passage)
        vectors = self._embedded[key]
        if space not in vectors:
            vector = self._embed_in_trained(space, path, passage)
            if vector is None:
                return None
            vectors[space] = vector
        return vectors[space] if len(vectors[space]) else None

    def tags(self, path: Path) -> Tags:
        """Read the tags of a file, or of its first tune or song; by its suffix, else as sound."""
        from segue.ingest.analysis import READ_TAGS  # imports the decoders

        return READ_TAGS[medium_of(path) or "sound"](path, path.parent, Tags())[0]

    def _embed_in_trained(self, space: str, path: Path, passage: Span | None) -> FloatArray | None:
        """Embed a file in a trained space; None if it has no network, as that of listens."""
        from segue.nn.checkpoint import MODEL
        from segue.training import hub
        from segue.training.models import model_folder

        if not (model_folder(self._store, space) / MODEL).exists():
            return None
        infos = self._store.spaces.known()
        kind = next(i.space.kind for i in infos if i.space.name == space and i.trained)
        if kind != (medium_of(path) or "sound"):
            return None
        if hub.is_hub_space(self._store, space):
            return hub.embed_file(self._store, space, path, passage)
        vector: FloatArray = _trained_spaces(kind).embed_file(self._store, space, path, passage)
        return vector
