"""Spectrograms of the recordings of a library, and their embedding in trained spaces."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from segue.audio.learned_space import LearnedConfig, LearnedSound, config_from_json
from segue.audio.spectrogram import LOG_MEL_SPECS, ByteArray
from segue.audio.training import Example, ReadImage, tiles_of
from segue.errors import NotFound, TrainingFailed
from segue.ingest.analysis import Representation
from segue.ingest.cache import Cache, fill_cache, represent_file
from segue.nn.checkpoint import MODEL, read_metadata
from segue.records import FloatArray, Span, Track
from segue.store import Store
from segue.training.models import existing_spaces, model_folder

BATCH_SIZE: Final = 64
#: Range of the duration of a step of a recurrent layer; beyond it, a tempo is mistaken.
STEP_RANGE_S: Final = (0.1, 20.0)


def representation(config: LearnedConfig) -> Representation:
    """Return the representation that the network of a space reads."""
    return Representation(config.image, config.stereo)


def read_representation(model: Path) -> Representation:
    """Return the representation that the network in a checkpoint reads."""
    return representation(config_from_json(read_metadata(model)["config"], model))


def make_examples(tracks: Sequence[Track], cache: Cache, step: str, image: str) -> list[Example]:
    """Return an example for each content that is in the cache."""
    unique = {track.content_key: track for track in tracks if track.content_key in cache}
    return [
        Example(
            track.content_key,
            track.tags.album,
            track.tags.artist,
            step_frames(track, step, image),
            track.path.parent.name,
        )
        for track in unique.values()
    ]


def reader(cache: Cache) -> ReadImage:
    """Return a function that reads spectrograms from a cache by content hash.

    It raises `TrainingFailed` if one is missing.
    """
    return lambda content_hash: np.asarray(cache.require(content_hash, "spectrogram"))


def image_of(store: Store, sound: LearnedSound, track: Track) -> ByteArray:
    """Return the spectrogram of a track as the network of a space takes it.

    Raises
    ------
    TrainingFailed
        The file cannot be read.
    """
    cache, report = fill_cache(store.folder, representation(sound.config), [track], 1)
    image = cache.read(track.content_key)
    if image is None:
        reason = report.failures[0].reason if report.failures else "the cache is full"
        raise TrainingFailed(f"no image can be made of {track.path}: {reason}")
    return np.asarray(image, np.uint8)


def load(store: Store, space: str) -> LearnedSound:
    """Load the model of a trained space.

    Raises
    ------
    NotFound
        There is no such space.
    BadCheckpoint
        The file is damaged, or of another version.
    """
    path = model_folder(store, space) / MODEL
    if not path.exists():
        raise NotFound(
            f"no space {space!r} was trained on this library; {existing_spaces(store)}. "
            "Train one with `segue train sound --preset dual-axis`"
        )
    return LearnedSound.load(path)


def embed_tracks(
    store: Store, space: str, tracks: Sequence[Track], workers: int
) -> Iterator[tuple[int, FloatArray]]:
    """Embed recordings in a trained space; yields track ids and vectors.

    Raises
    ------
    BadCheckpoint
        The model cannot be read.
    """
    sound = load(store, space)
    cache, _ = fill_cache(store.folder, representation(sound.config), tracks, workers)
    return embed(sound, tracks, cache)


def embed(
    sound: LearnedSound, tracks: Sequence[Track], cache: Cache
) -> Iterator[tuple[int, FloatArray]]:
    """Embed the recordings that are in the cache; yields track ids and vectors."""
    cached = [track for track in tracks if track.content_key in cache]
    config, read = sound.config, reader(cache)
    for first in range(0, len(cached), BATCH_SIZE):
        batch = cached[first : first + BATCH_SIZE]
        vectors = sound.vectors(
            [tiles_of(config, read(track.content_key)) for track in batch],
            [step_frames(track, config.step, config.image) for track in batch],
        )
        yield from zip((track.id for track in batch), vectors, strict=True)


def embed_file(store: Store, space: str, path: Path, passage: Span | None) -> FloatArray:
    """Embed a recording, or an excerpt of it, that need not be in the library.

    Returns
    -------
    ndarray, shape (dimension,)

    Raises
    ------
    Unreadable
        With the reason.
    """
    sound = load(store, space)
    config = sound.config
    image = represent_file(path, representation(config), passage)
    step = step_frames(None, config.step, config.image)
    vector: FloatArray = sound.vectors([tiles_of(config, image)], [step])[0]
    return vector


def step_frames(track: Track | None, step: str, image: str) -> float:
    """Return the duration of a step of a recurrent layer, in frames.

    Parameters
    ----------
    track : Track, optional
        Its tempo and beats per bar are used; without them, 4/4 at 120 BPM.
    step : str
        "bar", "beat" or a number of frames; "" for no recurrent layer, whose step is 0.
    image : str
        A key of `segue.audio.spectrogram.LOG_MEL_SPECS`.
    """
    if step not in ("bar", "beat"):
        return float(step) if step.isdigit() else 0.0
    facts: Mapping[str, float | str] = track.facts if track else {}
    tempo_bpm = float(facts.get("tempo_bpm") or 0) or 120.0
    beats = float(facts.get("beats_per_bar") or 4) if step == "bar" else 1.0
    step_s = float(np.clip(beats * 60 / tempo_bpm, *STEP_RANGE_S))
    return step_s * LOG_MEL_SPECS[image].frames_per_second
