"""Learns a space of sound from a library's images: from options to a `LearnedSound`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from segue.errors import TrainingFailed
from segue.model.checkpoint import MODEL
from segue.model.sound.contrastive import ContrastiveConfig
from segue.model.sound.learned import (
    LearnedConfig,
    LearnedSound,
    build,
    config_to_json,
    scale_of,
)
from segue.train.loop import Trained, Watcher, fit
from segue.train.setting import LoopConfig
from segue.train.sound_options import MUSICNN, SoundTraining, learned_config
from segue.train.sound_tasks import Task, autoencode, contrast
from segue.train.tiles import Example, ReadImage, even_tiles

FEWEST_TRACKS: Final = 3
VALIDATION_SHARE: Final = 0.1
MOST_VALIDATION_SHARE: Final = 1 / 3
#: Fewer steps than this between two validations are not worth one.
FEWEST_STEPS: Final = 25
_TRACKS_AT_ONCE: Final = 64


def split(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Divide tracks into those to train on and those to validate with.

    By album, of tracks without one by folder; by track where the smallest of these is more than a
    third of all.

    Returns
    -------
    training, validation : list of Example
        About a tenth of the tracks validate, at least one. The same tracks are always
        divided alike.

    Raises
    ------
    TrainingFailed
        There are too few tracks.
    """
    if len(examples) < FEWEST_TRACKS:
        raise TrainingFailed(
            f"there are {len(examples)} tracks to learn from, at least {FEWEST_TRACKS} are "
            "needed (and some hundred for a space worth having); add more with `segue add`"
        )
    groups: dict[str, list[Example]] = {}
    for example in sorted(examples, key=lambda one: one.content_hash):
        key = example.album or example.folder or example.content_hash
        groups.setdefault(key, []).append(example)
    if min(map(len, groups.values())) > MOST_VALIDATION_SHARE * len(examples):
        groups = {example.content_hash: [example] for example in examples}
    validation: list[Example] = []
    for name in sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if len(validation) >= VALIDATION_SHARE * len(examples):
            break
        # An album that is half of the library would leave nothing to learn from.
        if len(validation) + len(groups[name]) <= MOST_VALIDATION_SHARE * len(examples):
            validation += groups[name]
    held = {example.content_hash for example in validation}
    return [example for example in examples if example.content_hash not in held], validation


def train_sound(
    training: SoundTraining,
    examples: Sequence[Example],
    read: ReadImage,
    folder: Path,
    *,
    resume: bool = False,
    watch: Watcher | None = None,
) -> tuple[LearnedSound, Trained]:
    """Learn a space.

    Parameters
    ----------
    training : SoundTraining
    examples : sequence of Example
        Different contents; at least three.
    read : callable
        Reads an example's image.
    folder : Path
        Where the run's state and, at the end, the space are kept.
    resume : bool
    watch : callable, optional

    Returns
    -------
    LearnedSound
        Also written to `folder` as `MODEL`.
    Trained
    """
    learn, validate = split(examples)
    config, network, trained = train_on(
        training, learn, validate, read, folder, resume=resume, watch=watch
    )
    sound = finish(config, network, examples, read, _told(training, learn, validate, trained))
    sound.save(folder / MODEL)
    return sound, trained


def train_on(
    training: SoundTraining,
    learn: Sequence[Example],
    validate: Sequence[Example],
    read: ReadImage,
    folder: Path,
    *,
    resume: bool = False,
    watch: Watcher | None = None,
) -> tuple[LearnedConfig, torch.nn.Module, Trained]:
    """Train a network on some tracks, and judge it by others.

    Returns
    -------
    LearnedConfig
    Module
        With the weights of the best epoch.
    Trained
    """
    lengths = [read(one.content_hash).shape[-1] for one in learn]
    config = learned_config(training, lengths)
    torch.manual_seed(training.seed)
    network = build(config)
    task = (contrast if training.preset == "contrastive" else autoencode)(
        training, config, network, learn, validate, read
    )
    loop = _loop(training, task, lengths, config.network.frames)
    if not resume:
        task.prepare()
    about = {
        "configuration": config_to_json(config),
        "tracks": _fingerprint(learn, validate),
        "learning_rate": loop.learning_rate,
    }
    trained = fit(task.objective, loop, folder, about, resume=resume, watch=watch)
    return config, network, trained


def finish(
    config: LearnedConfig,
    network: torch.nn.Module,
    examples: Sequence[Example],
    read: ReadImage,
    about: Mapping[str, Any],
) -> LearnedSound:
    """Standardise the space over the library that it was learned on."""
    size = np.ones(1, np.float32)
    sound = LearnedSound(config, network, 0 * size, size, about)
    raw = [
        sound.raw_vectors(
            [tiles_of(config, read(one.content_hash)) for one in some],
            [one.step_frames for one in some],
        )
        for at in range(0, len(examples), _TRACKS_AT_ONCE)
        for some in [examples[at : at + _TRACKS_AT_ONCE]]
    ]
    vectors = np.concatenate(raw)
    if isinstance(config.network, ContrastiveConfig):  # its distances are learned as they are
        sound.mean, sound.scale = 0 * vectors[0], np.ones_like(vectors[0])
    else:
        sound.mean, sound.scale = scale_of(vectors)
    return sound


def tiles_of(config: LearnedConfig, image: np.ndarray) -> np.ndarray:
    """Cut what stands for a track out of its image; of activations, take the mean."""
    if config.image == MUSICNN:
        return np.asarray(image.mean(axis=0, keepdims=True), np.float32)
    return even_tiles(image, config.network.frames, config.tiles)


def _loop(training: SoundTraining, task: Task, lengths: Sequence[int], frames: int) -> LoopConfig:
    tiles = sum(max(length // frames, 1) for length in lengths)
    return replace(
        task.loop,
        steps_per_epoch=task.loop.steps_per_epoch or max(-(-tiles // task.batch), FEWEST_STEPS),
        epochs=training.epochs or task.loop.epochs,
        learning_rate=training.learning_rate or task.loop.learning_rate,
        minutes=training.minutes,
        seed=training.seed,
        device=training.device,
    )


def _fingerprint(learn: Sequence[Example], validate: Sequence[Example]) -> str:
    names = [one.content_hash for one in (*learn, *validate)]
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:16]


def _told(
    training: SoundTraining,
    learn: Sequence[Example],
    validate: Sequence[Example],
    trained: Trained,
) -> dict[str, Any]:
    return {
        "training": asdict(training),
        "tracks": len(learn),
        "validation_tracks": len(validate),
        "epochs": len(trained.history),
        "best_epoch": trained.best.epoch,
        "loss": trained.best.loss,
        "validation_loss": trained.best.validation_loss,
        "stopped": trained.stopped,
        "precision": trained.precision,
    }
