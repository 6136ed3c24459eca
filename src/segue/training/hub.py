"""Spaces of encoders in the format of `transformers`: added, kept up to date, searched by text.

A space keeps the name of its model and a hash of it. The model itself stays where it is: in a
folder of the user's, or in the cache of the Hugging Face Hub.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segue.errors import BadArgument, BadCheckpoint, NotFound, Unreadable
from segue.ingest.analysis import IMAGE_LIMIT_S, TASK, Answer, DecodeWaveforms, Job, Waveforms
from segue.ingest.cache import Watcher
from segue.ingest.workers import Workers
from segue.nn.checkpoint import MODEL, read_metadata, save_model
from segue.nn.pretrained import BaseModel, check_folder, download, fingerprint, locate, parse_base
from segue.records import Failure, FloatArray, Space, Span, Track
from segue.store import Store
from segue.training.models import check_run, model_folder

if TYPE_CHECKING:
    from segue.audio.hub_encoder import HubEncoder

KIND: Final = "encoder of the hub"
VERSION: Final = 1
#: Vectors that are committed at once.
_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class HubSpace:
    """A space whose vectors an encoder of the hub computes.

    Attributes
    ----------
    space : Space
    source : str
        Name of the model, as "hf:laion/clap-htsat-unfused", or a folder.
    embeds_text : bool
        Whether it is searched by text.
    tracks : int
        Number of recordings in it.
    failures : tuple of Failure
        Recordings that could not be embedded.
    """

    space: Space
    source: str
    embeds_text: bool
    tracks: int
    failures: tuple[Failure, ...]


def add_space(
    store: Store, name: str, source: str, *, workers: int = 1, watch: Watcher | None = None
) -> HubSpace:
    """Add a space; see `segue.library.learning.Learning.add_space`."""
    base = parse_base(source)
    if base is None or base.kind == "gguf":
        base = BaseModel("path", os.path.abspath(os.path.expanduser(source)))
    folder = check_run(store, name, resume=True, restart=False)
    is_known = (folder / MODEL).exists() and _is_hub(folder / MODEL)
    if base.kind == "hf":
        download(base)
    located = locate(base)
    check_folder(located, tokenizer=False)
    metadata = read_metadata(folder / MODEL) if is_known else {}
    if metadata.get("fingerprint") != fingerprint(located):
        encoder = _load(str(located), fingerprint(located))
        metadata = {
            "source": str(base),
            "base": [base.kind, base.name],
            "fingerprint": fingerprint(located),
            "dimension": encoder.dimension,
            "rate_hz": encoder.rate_hz,
            "embeds_text": encoder.embeds_text,
        }
        space = Space(name, "sound", encoder.dimension, "cosine", metadata["fingerprint"], VERSION)
        with store.writing(), store.transaction():
            store.spaces.replace_trained(space)
        save_model(folder / MODEL, KIND, VERSION, metadata, {})
    failures = update_space(store, name, workers=workers, watch=watch)
    info = next(info for info in store.spaces.known() if info.space.name == name)
    return HubSpace(
        info.space, metadata["source"], metadata["embeds_text"], info.tracks, tuple(failures)
    )


def update_space(
    store: Store, name: str, *, workers: int = 1, watch: Watcher | None = None
) -> list[Failure]:
    """Embed the recordings that a space lacks; what is done when it is stopped stays."""
    tracks = [
        track
        for track in store.tracks(store.spaces.tracks_without(name))
        if track.kind == "sound" and not track.missing
    ]
    failures: list[Failure] = []
    batch: list[tuple[int, FloatArray]] = []

    def commit() -> None:
        with store.writing(), store.transaction():
            for track, vector in batch:
                store.spaces.put(name, track, vector)
        batch.clear()

    try:
        for pair in embed_tracks(store, name, tracks, workers, watch, failures):
            batch.append(pair)
            if len(batch) >= _BATCH:
                commit()
    finally:
        if batch:
            commit()
    return failures


def is_hub_space(store: Store, name: str) -> bool:
    """Return whether an encoder of the hub computes the vectors of a space."""
    path = model_folder(store, name) / MODEL
    return path.exists() and _is_hub(path)


def embed_tracks(
    store: Store,
    name: str,
    tracks: Sequence[Track],
    workers: int,
    watch: Watcher | None = None,
    failures: list[Failure] | None = None,
) -> Iterator[tuple[int, FloatArray]]:
    """Embed recordings; yields track ids and vectors.

    Raises
    ------
    BadCheckpoint
        The model is gone, or has changed since the space was added.
    """
    if not tracks:
        return
    encoder = _encoder(store, name)
    jobs: dict[Job, Track] = {
        DecodeWaveforms(os.fsencode(track.path), encoder.rate_hz, track.passage): track
        for track in tracks
    }
    for job, answer in Workers[Job, Answer].run(TASK, jobs, IMAGE_LIMIT_S, workers, watch):
        track = jobs[job]
        if isinstance(answer, Waveforms):
            yield track.id, encoder.embed(answer.samples)
        elif failures is not None:
            failures.append(Failure(track.path, getattr(answer, "reason", "unreadable")))


def embed_file(store: Store, name: str, path: Path, passage: Span | None) -> FloatArray:
    """Embed a file that need not be in the library, or a passage of it.

    Raises
    ------
    Unreadable
        The file cannot be decoded.
    BadCheckpoint
        The model is gone, or has changed since the space was added.
    """
    encoder = _encoder(store, name)
    job = DecodeWaveforms(os.fsencode(path), encoder.rate_hz, passage)
    ((_, answer),) = Workers[Job, Answer].run(TASK, [job], IMAGE_LIMIT_S, 1)
    if not isinstance(answer, Waveforms):
        raise Unreadable(f"{path}: {getattr(answer, 'reason', 'unreadable')}")
    return encoder.embed(answer.samples)


def embed_text(store: Store, name: str, text: str) -> FloatArray:
    """Embed a text in a space; see `embeds_text`."""
    return _encoder(store, name).embed_text(text)


def embeds_text(store: Store, name: str) -> bool:
    """Return whether a space is searched by text."""
    path = model_folder(store, name) / MODEL
    return is_hub_space(store, name) and bool(read_metadata(path).get("embeds_text"))


def _is_hub(path: Path) -> bool:
    try:
        return "base" in read_metadata(path)
    except BadCheckpoint:
        return False


def _encoder(store: Store, name: str) -> "HubEncoder":
    path = model_folder(store, name) / MODEL
    metadata = read_metadata(path)
    try:
        kind, model = metadata["base"]
        folder = locate(BaseModel(kind, model))
        check_folder(folder, tokenizer=False)
        current = fingerprint(folder)
    except (NotFound, BadArgument, OSError, KeyError, ValueError) as error:
        raise BadCheckpoint(f"the model of the space {name!r} cannot be read: {error}") from None
    if current != metadata.get("fingerprint"):
        raise BadCheckpoint(
            f"the model of the space {name!r} has changed since: `segue spaces add {name} --from "
            f"{metadata.get('source')}` computes all its vectors again"
        )
    return _load(str(folder), current)


@lru_cache(maxsize=2)
def _load(folder: str, _fingerprint: str) -> "HubEncoder":
    from segue.audio.hub_encoder import HubEncoder  # imports torch

    return HubEncoder(Path(folder))
