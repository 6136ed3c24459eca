"""Embedding of files and of new tracks in all spaces of a library."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from segue.errors import BadCheckpoint
from segue.media import medium_of
from segue.records import Failure, FloatArray, Span
from segue.store import Store

if TYPE_CHECKING:
    from segue.ingest.analysis import Representation


def wanted_representations(store: Store) -> "list[Representation]":
    """List what the trained spaces of a library read of new tracks, each once."""
    from segue.audio.learned_space import config_from_json
    from segue.ingest.analysis import PIANO_ROLLS, Representation
    from segue.nn.checkpoint import MODEL, read_metadata
    from segue.training.spaces import model_folder

    representations: dict[Representation, None] = {}
    for info in store.spaces.known():
        path = model_folder(store, info.space.name) / MODEL
        if not info.trained or not path.exists():
            continue
        if info.space.kind == "score":
            representations[PIANO_ROLLS] = None
            continue
        with contextlib.suppress(BadCheckpoint):  # reported by `embed_new_tracks`
            config = config_from_json(read_metadata(path)["config"], path)
            representations[Representation(config.image, config.stereo)] = None
    return list(representations)


def embed_new_tracks(store: Store, *, workers: int = 1) -> list[Failure]:
    """Place the tracks that a learned space lacks, in every space learned from the library.

    Returns
    -------
    list of Failure
        Models that cannot be read; their spaces stay as they are.
    """
    from segue.nn.checkpoint import MODEL
    from segue.training import scores, sound
    from segue.training.spaces import model_folder

    failures: list[Failure] = []
    for info in store.spaces.known():
        name, kind = info.space.name, info.space.kind
        if not info.trained or not (model_folder(store, name) / MODEL).exists():
            continue
        lacking = store.tracks(store.spaces.tracks_without(name))
        lacking = [track for track in lacking if not track.missing and track.kind == kind]
        if not lacking:
            continue
        place = scores.embed_tracks if kind == "score" else sound.embed_tracks
        try:
            place(store, name, lacking, workers=workers)
        except BadCheckpoint as error:
            failures.append(Failure(model_folder(store, name) / MODEL, str(error)))
    return failures


class FileEmbedder:
    """Embeds files that need not be in the library, in any of its spaces; each is read once.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._embedded: dict[tuple[Path, Span | None], dict[str, FloatArray]] = {}

    def __call__(self, space: str, path: Path, passage: Span | None = None) -> FloatArray | None:
        """Compute the vector of a file, or a segment of it, in a space.

        Parameters
        ----------
        space : str
        path : Path
        passage : Span, optional
            Segment of the file; the whole file by default.

        Returns
        -------
        ndarray, shape (dimension,), or None
            None where the space takes no such file.

        Raises
        ------
        Unreadable
            With the reason.
        """
        from segue.ingest.single_file import embed_file  # brings in the decoders

        key = path, passage
        if key not in self._embedded:
            self._embedded[key] = embed_file(path, passage)
        if space not in self._embedded[key]:
            found = self._learned(space, path, passage)
            if found is None:
                return None
            self._embedded[key][space] = found
        vector = self._embedded[key][space]
        return vector if len(vector) else None

    def _learned(self, space: str, path: Path, passage: Span | None) -> FloatArray | None:
        """Embed a file in a learned space; None in one without a network, as that of listens."""
        from segue.nn.checkpoint import MODEL
        from segue.training.spaces import model_folder

        if not (model_folder(self._store, space) / MODEL).exists():
            return None
        from segue.training import scores, sound

        infos = self._store.spaces.known()
        kind = next(i.space.kind for i in infos if i.space.name == space and i.trained)
        if kind != (medium_of(path) or "sound"):
            return None
        if kind == "score":
            return scores.embed_file(self._store, space, path)
        return sound.embed_file(self._store, space, path, passage)
