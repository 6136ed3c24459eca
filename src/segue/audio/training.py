"""Training of spaces of sound.

What a user may choose when a space of sound is learned, and what network that makes.

Tiles of images: what networks see of a track. Images stay on disk until a tile is cut.

What is drawn and minimised for each kind of network of sound.

Learns a space of sound from a library's images: from options to a `LearnedSound`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.audio.autoencoders import AutoencoderConfig, TransformAutoencoder, recipe
from segue.audio.contrastive import ActivationHead, ContrastiveConfig, Source
from segue.audio.contrastive_training import (
    LabelStrength,
    TrackActivations,
    apply_wccn,
    default_training,
    from_activations,
    from_images,
)
from segue.audio.embedding import POOLED_SIZE, Head, load_head
from segue.audio.learned_space import (
    LearnedConfig,
    LearnedSound,
    build,
    config_to_json,
    mean_and_scale,
)
from segue.audio.spectrogram import LOG_MEL_SPECS, MUSICNN, ByteArray
from segue.errors import BadArgument, TrainingFailed
from segue.nn.checkpoint import MODEL
from segue.nn.trainer import (
    FitResult,
    Objective,
    ProgressCallback,
    TrainerConfig,
    TrainingOptions,
    fit,
)
from segue.records import FloatArray

# --- sound options ---

Preset = Literal["default", "conv", "plain-2d", "dual-axis", "contrastive"]

TILE_FRAMES: Final = 128
#: The network `conv` sees a track whole; nine tracks in ten are at least as long as its tile.
_WHOLE_QUANTILE: Final = 0.1
_MULTIPLE: Final = 8


@dataclass(frozen=True, slots=True)
class SoundTraining(TrainingOptions):
    """Training options; number of epochs and learning rate are by default the preset's.

    Attributes
    ----------
    preset : {"default", "conv", "plain-2d", "dual-axis", "contrastive"}
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
    channels: Literal["mel", "mel+mfcc+chroma"] = "mel"
    step: str = ""
    stereo: bool = False
    tiles: int = 32
    labels: Literal["", "album", "artist"] = ""
    start: Literal["mel", "musicnn"] = "mel"

    def __post_init__(self) -> None:
        """Check that the options go together.

        Raises
        ------
        BadArgument
        """
        TrainingOptions.__post_init__(self)
        contrasts = self.preset == "contrastive"
        for wrong, told in (
            (not contrasts and self.labels, "--labels belongs to the preset contrastive"),
            (not contrasts and self.start != "mel", "--from belongs to the preset contrastive"),
            (contrasts and self.stereo, "--stereo belongs to the autoencoders, not to contrastive"),
            (self.step and self.preset != "conv", "--recurrent belongs to the preset conv"),
            (
                self.channels != "mel" and (self.preset == "conv" or self.start != "mel"),
                "--channels belongs to the presets that read images of 128 bands",
            ),
            (
                self.step not in ("", "bar", "beat") and not _above_zero(self.step),
                f"--step {self.step!r}: give bar, beat, or a number of frames above 0",
            ),
        ):
            if wrong:
                raise BadArgument(told)


def _above_zero(text: str) -> bool:
    return text.isdigit() and int(text) > 0


def image_kind(training: SoundTraining) -> str:
    """Name the images that a preset learns from."""
    if training.start == "musicnn":
        return MUSICNN
    if training.preset == "conv":
        return "mel512"
    return "mel128" if training.channels == "mel" else "mel128+mfcc+chroma"


def learned_config(training: SoundTraining, lengths: Sequence[int]) -> LearnedConfig:
    """Turn a user's choice, and the lengths of the images in frames, into a configuration."""
    if training.start == "musicnn":
        return LearnedConfig(ContrastiveConfig(source="musicnn"), MUSICNN)
    kind = LOG_MEL_SPECS[image_kind(training)]
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


# --- tiles ---


@dataclass(frozen=True, slots=True)
class Example:
    """A track as training meets it.

    Attributes
    ----------
    content_hash : str
    album, artist : str
        "" where not known.
    step_frames : float
        Frames in a bar, a beat, or whatever a recurrent layer shall step by.
    folder : str
        What it lies in: where no album is known, what is divided as one.
    """

    content_hash: str
    album: str = ""
    artist: str = ""
    step_frames: float = 0.0
    folder: str = ""


#: From a content's hash to its image, shape (channels, bands, frames), uint8; or to MusiCNN's
#: activations, shape (patches, numbers), float32.
ReadImage = Callable[[str], NDArray[Any]]


def evenly_spaced_tiles(image: ByteArray, frames: int, most: int) -> ByteArray:
    """Cut tiles spread evenly over an image.

    Parameters
    ----------
    image : ndarray, shape (channels, bands, T), uint8
        Shorter than a tile it is repeated to fill one.
    frames : int
        Width of a tile.
    most : int
        At most so many, and no more than fit without overlap; at least one.

    Returns
    -------
    ndarray, shape (tiles, channels, bands, frames), uint8
    """
    if image.ndim != 3 or image.shape[2] == 0:
        raise BadArgument(f"expected an image (channels, bands, frames), got {image.shape}")
    length = image.shape[2]
    count = max(min(most, length // frames), 1)
    starts = np.linspace(0, max(length - frames, 0), count).round().astype(int)
    return np.stack([tile_at(image, int(start), frames) for start in starts])


def tile_at(image: ByteArray, start: int, frames: int) -> ByteArray:
    """Cut a tile; an image that is too short is repeated."""
    tile = np.asarray(image[:, :, start : start + frames])
    if tile.shape[2] < frames:
        tile = np.resize(image.transpose(2, 0, 1), (frames, *image.shape[:2])).transpose(1, 2, 0)
    return tile


def to_tensor(tiles: ByteArray) -> Tensor:
    """Scale bytes to 0…1, float32."""
    return torch.from_numpy(np.ascontiguousarray(tiles)).float().div_(255)


class TileStream:
    """Batches of tiles: random ones to train on, fixed ones to validate with.

    Parameters
    ----------
    training, validation : sequence of Example
        Each at least one.
    read : callable
    frames : int
        Width of a tile.
    batch : int
        Tiles in a batch.
    most : int
        Validation tiles of a track at most.
    recurrent : bool
        Whether batches also hold the length of a step.
    """

    def __init__(
        self,
        training: Sequence[Example],
        validation: Sequence[Example],
        read: ReadImage,
        *,
        frames: int,
        batch: int,
        most: int = 4,
        recurrent: bool = False,
    ) -> None:
        self._training, self._validation = training, validation
        self._read = read
        self._frames, self._batch, self._most = frames, batch, most
        self._recurrent = recurrent

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Draw tracks, each as likely as any other, and a tile from anywhere in each."""
        tiles, steps = [], []
        for number in rng.integers(len(self._training), size=self._batch):
            example = self._training[number]
            image = self._read(example.content_hash)
            start = int(rng.integers(max(image.shape[2] - self._frames, 0) + 1))
            tiles.append(tile_at(image, start, self._frames))
            steps.append(example.step_frames)
        return self._tensors(np.stack(tiles), steps)

    def validation(self) -> list[tuple[Tensor, ...]]:
        """Cut the same tiles of the validation tracks each time, in batches."""
        tiles: list[ByteArray] = []
        steps: list[float] = []
        for example in self._validation:
            cut = evenly_spaced_tiles(self._read(example.content_hash), self._frames, self._most)
            tiles.extend(cut)
            steps += [example.step_frames] * len(cut)
        return [
            self._tensors(np.stack(tiles[at : at + self._batch]), steps[at : at + self._batch])
            for at in range(0, len(tiles), self._batch)
        ]

    def _tensors(self, tiles: ByteArray, steps: Sequence[float]) -> tuple[Tensor, ...]:
        if self._recurrent:
            return to_tensor(tiles), torch.tensor(steps)
        return (to_tensor(tiles),)


# --- sound tasks ---

PATIENCE: Final = 8
#: As published: a binary cross-entropy below this ended the training.
CONV_TARGET_LOSS: Final = 0.1
#: Tiles that the linear transform is started from.
INITIALISATION_TILES: Final = 2000
CONTRAST_EPOCHS: Final = 40
#: From MusiCNN's activations few steps are taken: a head that learns longer to tell tracks
#: apart tells the tracks of one album apart as well. See JOURNAL.md.
HEAD_STEPS: Final = 40
MIN_CONTRASTIVE_TRACKS: Final = 2


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done in the loop, and before it where it does not go on with a run."""

    objective: Objective
    loop: TrainerConfig
    batch: int
    prepare: Callable[[], None] = lambda: None


def autoencoder_task(
    training: SoundTraining,
    config: LearnedConfig,
    network: torch.nn.Module,
    learn: Sequence[Example],
    validate: Sequence[Example],
    read: ReadImage,
) -> Task:
    """Prepare an autoencoder: tiles from anywhere, and the network's own loss."""
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
        drawn = [stream.draw(rng)[0] for _ in range(-(-INITIALISATION_TILES // how.batch))]
        for module in network.modules():
            if isinstance(module, TransformAutoencoder):
                sides = [tiles.chunk(1 + config.stereo, dim=1)[0] for tiles in drawn]
                module.prepare(torch.cat(sides))

    loop = TrainerConfig(
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
        stop_below=CONV_TARGET_LOSS if training.preset == "conv" else 0.0,
    )
    objective = Objective(
        network, stream.draw, stream.validation, lambda net, *batch: net.loss(*batch)
    )
    return Task(objective, loop, how.batch, prepare)


def contrastive_task(
    training: SoundTraining,
    config: LearnedConfig,
    network: torch.nn.Module,
    learn: Sequence[Example],
    validate: Sequence[Example],
    read: ReadImage,
) -> Task:
    """Prepare learning by contrast, from log-mel images or from MusiCNN's activations."""
    if len(validate) < MIN_CONTRASTIVE_TRACKS or len(learn) < MIN_CONTRASTIVE_TRACKS:
        raise TrainingFailed(
            f"there are {len(learn)} tracks to learn from and {len(validate)} to validate with; "
            f"learning by contrast needs {MIN_CONTRASTIVE_TRACKS} each: add more with `segue add`"
        )
    source: Source = "musicnn" if training.start == "musicnn" else "log-mel"
    how = default_training(source, labelled=bool(training.labels))
    together = [*learn, *validate]
    labels = encode_labels(together, training.labels)
    learned, held = np.arange(len(learn)), np.arange(len(learn), len(together))
    if isinstance(network, ActivationHead):
        rows = [read(one.content_hash) for one in together]
        heard = [TrackActivations(row[:, :POOLED_SIZE]) for row in rows]
        head = _start(rows[: len(learn)], None if labels is None else labels[: len(learn)])
        task = from_activations(heard, learned, held, labels, how)
        loop = TrainerConfig(
            1,
            steps_per_epoch=HEAD_STEPS,
            learning_rate=3e-3,
            schedule="cosine",
        )
        objective = Objective(network, task.draw, task.validation, task.loss)
        return Task(objective, loop, how.batch, lambda: network.start_from(head))
    task = from_images(
        _Images(together, read),
        config.network.frames,
        learned,
        held,
        labels,
        how,
    )
    loop = TrainerConfig(
        CONTRAST_EPOCHS,
        steps_per_epoch=0,
        learning_rate=2e-3,
        optimiser="adamw",
        weight_decay=0.01,
        schedule="cosine",
        patience=PATIENCE,
    )
    objective = Objective(network, task.draw, task.validation, task.loss)
    return Task(objective, loop, min(how.batch, len(learn)))


def _start(rows: Sequence[FloatArray], labels: NDArray[np.int64] | None) -> Head:
    """Return the head of `sound` to start from; drawn by labels where there are any."""
    head = load_head()
    if labels is None:
        return head
    vectors = np.stack([head.project(row[:, :POOLED_SIZE], row[0, POOLED_SIZE:]) for row in rows])
    return apply_wccn(head, vectors, labels, LabelStrength())


class _Images(Sequence[ByteArray]):
    """Images by number, read when asked for."""

    def __init__(self, examples: Sequence[Example], read: ReadImage) -> None:
        self._examples, self._read = examples, read

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, number: int) -> ByteArray:  # type: ignore[override]  # no slices
        return self._read(self._examples[number].content_hash)


def encode_labels(examples: Sequence[Example], labels: str) -> NDArray[np.int64] | None:
    """Give albums or artists numbers, -1 for none; None where labels are not asked for."""
    if not labels:
        return None
    names = [one.album if labels == "album" else one.artist for one in examples]
    numbers = {name: number for number, name in enumerate(sorted(set(names) - {""}))}
    return np.array([numbers.get(name, -1) for name in names])


# --- sound ---

MIN_TRACKS: Final = 3
VALIDATION_SHARE: Final = 0.1
MOST_VALIDATION_SHARE: Final = 1 / 3
#: Fewer steps than this between two validations are not worth one.
MIN_STEPS_PER_EPOCH: Final = 25
_TRACKS_AT_ONCE: Final = 64


def train_validation_split(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
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
    if len(examples) < MIN_TRACKS:
        raise TrainingFailed(
            f"there are {len(examples)} tracks to learn from, at least {MIN_TRACKS} are "
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
    watch: ProgressCallback | None = None,
) -> tuple[LearnedSound, FitResult]:
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
    learn, validate = train_validation_split(examples)
    config, network, trained = train_network(
        training, learn, validate, read, folder, resume=resume, watch=watch
    )
    sound = standardise_space(
        config, network, examples, read, _told(training, learn, validate, trained)
    )
    sound.save(folder / MODEL)
    return sound, trained


def train_network(
    training: SoundTraining,
    learn: Sequence[Example],
    validate: Sequence[Example],
    read: ReadImage,
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[LearnedConfig, torch.nn.Module, FitResult]:
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
    task = (contrastive_task if training.preset == "contrastive" else autoencoder_task)(
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


def standardise_space(
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
        sound.mean, sound.scale = mean_and_scale(vectors)
    return sound


def tiles_of(config: LearnedConfig, image: np.ndarray) -> np.ndarray:
    """Cut what stands for a track out of its image; of activations, take the mean."""
    if config.image == MUSICNN:
        return np.asarray(image.mean(axis=0, keepdims=True), np.float32)
    return evenly_spaced_tiles(image, config.network.frames, config.tiles)


def _loop(
    training: SoundTraining, task: Task, lengths: Sequence[int], frames: int
) -> TrainerConfig:
    tiles = sum(max(length // frames, 1) for length in lengths)
    return replace(
        task.loop,
        steps_per_epoch=task.loop.steps_per_epoch
        or max(-(-tiles // task.batch), MIN_STEPS_PER_EPOCH),
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
    trained: FitResult,
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
