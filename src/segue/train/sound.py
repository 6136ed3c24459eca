"""Learns a space of sound from a library's images: from options to a `LearnedSound`."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from segue.errors import BadArgument, TrainingFailed
from segue.model.sound.autoencoder import AutoencoderConfig, recipe
from segue.model.sound.autoencoders.transform import TransformAutoencoder
from segue.model.sound.contrastive import ActivationHead, ContrastiveConfig, Source
from segue.model.sound.head import POOLED_SIZE, Head, load_head
from segue.model.sound.learned import (
    LearnedConfig,
    LearnedSound,
    build,
    config_to_json,
    scale_of,
)
from segue.records import FloatArray
from segue.represent.log_mel import LOG_MELS, ByteArray
from segue.train.contrastive import (
    Heard,
    LabelStrength,
    drawn_by_labels,
    from_activations,
    from_images,
    training_for,
)
from segue.train.loop import LoopConfig, Objective, Trained, Watcher, fit
from segue.train.tiles import Example, ReadImage, TileStream, even_tiles

Preset = Literal["default", "conv", "plain-2d", "dual-axis", "contrastive"]

MODEL: Final = "space.safetensors"
FEWEST_TRACKS: Final = 3
VALIDATION_SHARE: Final = 0.1
TILE_FRAMES: Final = 128
#: Fewer steps than this between two validations are not worth one.
FEWEST_STEPS: Final = 25
_TRACKS_AT_ONCE: Final = 64
PATIENCE: Final = 8
#: As published: a binary cross-entropy below this ended the training.
CONV_GOOD_ENOUGH: Final = 0.1
#: Tiles that the linear transform is started from.
PREPARING_TILES: Final = 2000
CONTRAST_EPOCHS: Final = 40
#: From MusiCNN's activations few steps are taken: a head that learns longer to tell tracks
#: apart tells the tracks of one album apart as well. See JOURNAL.md.
HEAD_STEPS: Final = 40
HEAD_STEPS_AT_ONCE: Final = 8
MUSICNN: Final = "musicnn"
FEWEST_TO_CONTRAST: Final = 2
#: The network `conv` sees a track whole; nine tracks in ten are at least as long as its tile.
_WHOLE_QUANTILE: Final = 0.1
_MULTIPLE: Final = 8


@dataclass(frozen=True, slots=True)
class SoundTraining:
    """What a user may choose.

    Attributes
    ----------
    preset : {"default", "conv", "plain-2d", "dual-axis", "contrastive"}
    epochs : int, optional
        Else the preset's.
    minutes : float, optional
        The number of epochs is made to fit.
    device : str
    seed : int
    learning_rate : float, optional
        Else the preset's.
    channels : {"mel", "mel+mfcc+chroma"}
    step : str
        With `conv`: "bar", "beat" or a number of frames for a recurrent layer; "" for none.
    stereo : bool
        Two networks, one per channel.
    tiles : int
        A vector is the mean over so many tiles, at most.
    labels : {"", "album", "artist"}
        With `contrastive`: what also counts as the same.
    start : {"mel", "musicnn"}
        With `contrastive`: what is learned from.
    """

    preset: Preset = "default"
    epochs: int | None = None
    minutes: float | None = None
    device: str = "auto"
    seed: int = 0
    learning_rate: float | None = None
    channels: Literal["mel", "mel+mfcc+chroma"] = "mel"
    step: str = ""
    stereo: bool = False
    tiles: int = 32
    labels: Literal["", "album", "artist"] = ""
    start: Literal["mel", "musicnn"] = "mel"


def image_kind(training: SoundTraining) -> str:
    """Name the images that a preset learns from."""
    if training.start == "musicnn":
        return MUSICNN
    if training.preset == "conv":
        return "mel512"
    return "mel128" if training.channels == "mel" else "mel128+mfcc+chroma"


def split(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Divide tracks into those to train on and those to validate with: by album, else track.

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
        groups.setdefault(example.album or example.content_hash, []).append(example)
    if len(groups) < FEWEST_TRACKS:  # a single album: then by track
        groups = {example.content_hash: [example] for example in examples}
    ordered = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())
    validation: list[Example] = []
    while not validation or len(validation) < VALIDATION_SHARE * len(examples):
        validation += groups.pop(ordered.pop())
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
    task = (_contrast if training.preset == "contrastive" else _autoencode)(
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


def learned_config(training: SoundTraining, lengths: Sequence[int]) -> LearnedConfig:
    """Turn a user's choice, and the lengths of the images in frames, into a configuration."""
    if training.preset != "contrastive" and (training.labels or training.start != "mel"):
        raise BadArgument("--labels and --from belong to the preset contrastive")
    if training.preset == "contrastive" and training.stereo:
        raise BadArgument("--stereo belongs to the autoencoders, not to contrastive")
    if training.step and training.preset != "conv":
        raise BadArgument("--recurrent belongs to the preset conv")
    if training.channels != "mel" and training.preset == "conv":
        raise BadArgument("--channels belongs to the presets of 128 bands, not to conv")
    if training.start == "musicnn":
        return LearnedConfig(ContrastiveConfig(source="musicnn"), MUSICNN)
    kind = LOG_MELS[image_kind(training)]
    frames = TILE_FRAMES
    if training.preset == "conv":
        usual = int(np.quantile(lengths, _WHOLE_QUANTILE))
        frames = max(usual // _MULTIPLE, 1) * _MULTIPLE
    if training.preset == "contrastive":
        return LearnedConfig(
            ContrastiveConfig(channels=kind.channels, bands=kind.bands, frames=frames),
            kind.name,
            tiles=training.tiles,
        )
    network = AutoencoderConfig(
        training.preset,
        channels=kind.channels,
        bands=kind.bands,
        frames=frames,
        recurrent=bool(training.step),
    )
    return LearnedConfig(
        network, kind.name, training.stereo, 1 if training.preset == "conv" else training.tiles,
        training.step,
    )  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be done in the loop, and before it where it does not go on with a run."""

    objective: Objective
    loop: LoopConfig
    batch: int
    prepare: Callable[[], None] = lambda: None


def _autoencode(
    training: SoundTraining,
    config: LearnedConfig,
    network: torch.nn.Module,
    learn: Sequence[Example],
    validate: Sequence[Example],
    read: ReadImage,
) -> _Task:
    how = recipe(training.preset)  # type: ignore[arg-type]  # contrastive is not meant here
    stream = TileStream(
        learn,
        validate,
        read,
        frames=config.network.frames,
        batch=how.batch,
        recurrent=bool(config.step),
    )

    def prepare() -> None:
        rng = np.random.default_rng(training.seed)
        drawn = [stream.draw(rng)[0] for _ in range(-(-PREPARING_TILES // how.batch))]
        for module in network.modules():
            if isinstance(module, TransformAutoencoder):
                sides = [tiles.chunk(1 + config.stereo, dim=1)[0] for tiles in drawn]
                module.prepare(torch.cat(sides))

    loop = LoopConfig(
        how.epochs,
        steps_per_epoch=0,
        learning_rate=how.learning_rate,
        optimiser=how.optimiser,
        weight_decay=how.weight_decay,
        betas=how.betas,
        epsilon=how.epsilon,
        schedule=how.schedule,
        clip=how.clip_norm or 0.0,
        patience=PATIENCE,
        stop_below=CONV_GOOD_ENOUGH if training.preset == "conv" else 0.0,
    )
    objective = Objective(
        network, stream.draw, stream.validation, lambda net, *batch: net.loss(*batch)
    )
    return _Task(objective, loop, how.batch, prepare)


def _contrast(
    training: SoundTraining,
    config: LearnedConfig,
    network: torch.nn.Module,
    learn: Sequence[Example],
    validate: Sequence[Example],
    read: ReadImage,
) -> _Task:
    if len(validate) < FEWEST_TO_CONTRAST or len(learn) < FEWEST_TO_CONTRAST:
        raise TrainingFailed(
            f"there are {len(learn)} tracks to learn from and {len(validate)} to validate with; "
            f"learning by contrast needs {FEWEST_TO_CONTRAST} each: add more with `segue add`"
        )
    source: Source = "musicnn" if training.start == "musicnn" else "log-mel"
    how = training_for(source, labelled=bool(training.labels))
    together = [*learn, *validate]
    labels = label_numbers(together, training.labels)
    learned, held = np.arange(len(learn)), np.arange(len(learn), len(together))
    if isinstance(network, ActivationHead):
        rows = [read(one.content_hash) for one in together]
        heard = [Heard(row[:, :POOLED_SIZE]) for row in rows]
        head = _start(rows[: len(learn)], None if labels is None else labels[: len(learn)])
        task = from_activations(heard, learned, held, labels, how)
        loop = LoopConfig(
            HEAD_STEPS // HEAD_STEPS_AT_ONCE,
            steps_per_epoch=HEAD_STEPS_AT_ONCE,
            learning_rate=3e-3,
            schedule="cosine",
            patience=HEAD_STEPS,
        )
        objective = Objective(network, task.draw, task.validation, task.loss)
        return _Task(objective, loop, how.batch, lambda: network.start_from(head))
    task = from_images(
        _Images(together, read),
        config.network.frames,
        learned,
        held,
        labels,
        how,
    )
    loop = LoopConfig(
        CONTRAST_EPOCHS,
        steps_per_epoch=0,
        learning_rate=2e-3,
        optimiser="adamw",
        weight_decay=0.01,
        schedule="cosine",
        patience=PATIENCE,
    )
    objective = Objective(network, task.draw, task.validation, task.loss)
    return _Task(objective, loop, min(how.batch, len(learn)))


def _start(rows: Sequence[FloatArray], labels: NDArray[np.int64] | None) -> Head:
    """Return the head of `sound` to start from; drawn by labels where there are any."""
    head = load_head()
    if labels is None:
        return head
    vectors = np.stack([head.project(row[:, :POOLED_SIZE], row[0, POOLED_SIZE:]) for row in rows])
    return drawn_by_labels(head, vectors, labels, LabelStrength())


class _Images(Sequence[ByteArray]):
    """Images by number, read when asked for."""

    def __init__(self, examples: Sequence[Example], read: ReadImage) -> None:
        self._examples, self._read = examples, read

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, number: int) -> ByteArray:  # type: ignore[override]  # no slices
        return self._read(self._examples[number].content_hash)


def label_numbers(examples: Sequence[Example], labels: str) -> NDArray[np.int64] | None:
    """Give albums or artists numbers, -1 for none; None where labels are not asked for."""
    if not labels:
        return None
    names = [one.album if labels == "album" else one.artist for one in examples]
    numbers = {name: number for number, name in enumerate(sorted(set(names) - {""}))}
    return np.array([numbers.get(name, -1) for name in names])


def _loop(training: SoundTraining, task: _Task, lengths: Sequence[int], frames: int) -> LoopConfig:
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
