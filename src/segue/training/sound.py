"""Spaces trained on the recordings of a library."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.audio.learned_space import LearnedSound
from segue.audio.spectrogram import LOG_MEL_SPECS, VERSION, ByteArray
from segue.audio.training import (
    MUSICNN,
    Example,
    ReadImage,
    SoundTraining,
    image_kind,
    tiles_of,
    train_sound,
)
from segue.builtin_spaces import REPRESENTATION_VERSION
from segue.errors import NotFound, TrainingFailed
from segue.ingest.cache import (
    CacheReport,
    activations_of_file,
    cache_activations,
    cache_images,
    image_of_file,
)
from segue.nn.checkpoint import MODEL
from segue.nn.trainer import ProgressCallback as TrainingWatcher
from segue.records import FloatArray, Span, Track
from segue.render.plots import draw_losses
from segue.store import Store
from segue.store.cache import Cache
from segue.training.spaces import CURVE, TrainingResult, Watcher, check_run, model_folder

EMBED_AT_ONCE: Final = 64
#: A step may last so long; other tempos are mistakes.
STEP_BETWEEN_S: Final = (0.1, 20.0)


def train(
    store: Store,
    space: str,
    training: SoundTraining,
    *,
    resume: bool = False,
    restart: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
    watch_training: TrainingWatcher | None = None,
) -> TrainingResult:
    """Train a space on all recordings of a library, and embed them in it.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
        Name of the space; a trained one of that name is replaced when training is done.
    training : SoundTraining
    resume : bool
        Resume an interrupted run.
    anew : bool
        Restart, even if an interrupted run could be resumed.
    workers : int
        Number of decoding processes.
    watch, watch_training : callable, optional
        Called after each file, and after each training step.

    Raises
    ------
    TrainingFailed
        There are too few training examples, or the loss is not finite.
    BadCheckpoint
        There is no run to resume, or it is damaged.
    """
    folder = check_run(store, space, resume=resume, restart=restart)
    tracks = [track for track in store.tracks() if track.kind == "sound" and not track.missing]
    cache, filled = fill_cache(store, image_kind(training), training.stereo, tracks, workers, watch)
    examples = _examples(tracks, cache, training.step, image_kind(training))
    sound, trained = train_sound(
        training, examples, reader(cache), folder, resume=resume, watch=watch_training
    )
    draw_losses(trained.history, folder / CURVE, f"{space}: {training.preset}")
    count = _place(store, space, sound, tracks, cache, restart=True)
    return TrainingResult(space, trained, count, filled.failures, filled.left_out, folder)


def embed_tracks(store: Store, space: str, tracks: Sequence[Track], *, workers: int) -> None:
    """Embed recordings in a trained space.

    Raises
    ------
    BadCheckpoint
        The model cannot be read.
    """
    sound = load(store, space)
    config = sound.config
    cache, _ = fill_cache(store, config.image, config.stereo, tracks, workers, None)
    _place(store, space, sound, tracks, cache, restart=False)


def load(store: Store, space: str) -> LearnedSound:
    """Load the model of a trained space.

    Raises
    ------
    NotFound
        No such space was learned here.
    BadCheckpoint
        The file is damaged, or of another version.
    """
    path = model_folder(store, space) / MODEL
    if not path.exists():
        learned = [info.space.name for info in store.spaces.known() if info.trained]
        there = f"there are: {', '.join(learned)}" if learned else "there are none yet"
        raise NotFound(
            f"no space {space!r} was learned from this library; {there}. "
            f"Learn one with `segue train sound --preset dual-axis`"
        )
    return LearnedSound.load(path)


def image_of(store: Store, sound: LearnedSound, track: Track) -> ByteArray:
    """Read a track's image, from the cache or its file.

    Raises
    ------
    TrainingFailed
        The file cannot be read.
    """
    config = sound.config
    cache, filled = fill_cache(store, config.image, config.stereo, [track], 1, None)
    image = cache.read(track.content_hash)
    if image is None:
        reason = filled.failures[0].reason if filled.failures else "the cache is full"
        raise TrainingFailed(f"no image can be made of {track.path}: {reason}")
    return np.asarray(image, np.uint8)


def embed_file(store: Store, space: str, path: Path, passage: Span | None) -> FloatArray:
    """Embed a recording, or an excerpt of it, in a trained space.

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
    image: NDArray[Any] = (
        activations_of_file(path, passage)
        if config.image == MUSICNN
        else image_of_file(path, config.image, passage, stereo=config.stereo)
    )
    step = step_frames(None, config.step, config.image)
    vector: FloatArray = sound.vectors([tiles_of(config, image)], [step])[0]
    return vector


def fill_cache(
    store: Store,
    kind: str,
    stereo: bool,
    tracks: Sequence[Track],
    workers: int,
    watch: Watcher | None,
) -> tuple[Cache, CacheReport]:
    """Open the cache of a kind of image, and make what it lacks."""
    version = REPRESENTATION_VERSION if kind == MUSICNN else VERSION
    name = f"{kind}{'-stereo' if stereo else ''}-v{version}"
    cache = Cache(store.folder / "cache" / name)
    told = (lambda done, total: watch("spectrograms", done, total)) if watch else None
    if kind == MUSICNN:
        return cache, cache_activations(cache, tracks, workers=workers, watch=told)
    return cache, cache_images(cache, tracks, kind, stereo=stereo, workers=workers, watch=told)


def _examples(tracks: Sequence[Track], cache: Cache, step: str, kind: str) -> list[Example]:
    """List each content once that has an image."""
    once = {track.content_hash: track for track in tracks if track.content_hash in cache}
    return [
        Example(
            track.content_hash,
            track.tags.album,
            track.tags.artist,
            step_frames(track, step, kind),
            track.path.parent.name,
        )
        for track in once.values()
    ]


def step_frames(track: Track | None, step: str, kind: str) -> float:
    """Turn "bar", "beat" or a number into frames, by the track's own tempo and metre."""
    if not step or step.isdigit():
        return float(step or 0)
    return _seconds_of(step, track.facts if track else {}) * LOG_MEL_SPECS[kind].frames_per_second


def _seconds_of(step: str, facts: Mapping[str, float | str]) -> float:
    """Tell how long a bar or beat is; of unknown music, in 4/4 at 120 beats a minute."""
    if step not in ("bar", "beat"):
        return 0.0
    tempo_bpm = float(facts.get("tempo_bpm") or 0) or 120.0
    beats = float(facts.get("beats_per_bar") or 4) if step == "bar" else 1.0
    return float(np.clip(beats * 60 / tempo_bpm, *STEP_BETWEEN_S))


def reader(cache: Cache) -> ReadImage:
    """Return what reads images from a cache, and says so where one is gone."""

    def read(content_hash: str) -> NDArray[Any]:
        image = cache.read(content_hash)
        if image is None:
            raise TrainingFailed(
                f"the spectrogram {content_hash} vanished from the cache or is damaged; run the "
                "same command again with --resume, and it is made anew"
            )
        return np.asarray(image)

    return read


def _place(
    store: Store,
    space: str,
    sound: LearnedSound,
    tracks: Sequence[Track],
    cache: Cache,
    *,
    restart: bool,
) -> int:
    """Write the tracks' vectors, in one transaction; return how many there are."""
    there = [track for track in tracks if track.content_hash in cache]
    read = reader(cache)
    with store.writing(), store.transaction():
        if restart:
            store.spaces.replace_trained(sound.space(space))
        for at in range(0, len(there), EMBED_AT_ONCE):
            some = there[at : at + EMBED_AT_ONCE]
            vectors = sound.vectors(
                [tiles_of(sound.config, read(track.content_hash)) for track in some],
                [step_frames(track, sound.config.step, sound.config.image) for track in some],
            )
            for track, vector in zip(some, vectors, strict=True):
                store.spaces.put(space, track.id, vector)
    return len(there)
