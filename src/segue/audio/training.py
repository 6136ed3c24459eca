"""Training of spaces of sound on the images of a library.

Options choose a network and its images. Tiles of the images, random ones for training and fixed
ones for validation, are cut when they are needed, since the images stay on disk. The result is a
`LearnedSound`, standardised over the library.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.audio.autoencoders import AutoencoderConfig, TransformAutoencoder
from segue.audio.contrastive import ActivationHead, ContrastiveConfig, Source
from segue.audio.contrastive_training import (
    UNLABELLED,
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
from segue.nn.split import train_validation_split
from segue.nn.trainer import (
    FitResult,
    Objective,
    ProgressCallback,
    TrainerConfig,
    TrainingOptions,
    data_fingerprint,
    fit,
)
from segue.records import FloatArray

# --- options ---

Preset = Literal["default", "conv", "plain-2d", "dual-axis", "contrastive"]

TILE_FRAMES: Final = 128
#: A tile of the network `conv` is as long as this quantile of the tracks, so that few are repeated.
_CONV_QUANTILE: Final = 0.1
_CONV_FRAMES_MULTIPLE: Final = 8


@dataclass(frozen=True, slots=True)
class SoundTraining(TrainingOptions):
    """Training options; number of epochs and learning rate are by default the preset's.

    Attributes
    ----------
    preset : {"default", "conv", "plain-2d", "dual-axis", "contrastive"}
    channels : {"mel", "mel+mfcc+chroma"}
    step : str
        Step of a recurrent layer of `conv`: "bar", "beat", a number of frames, or "" for none.
    stereo : bool
        Whether to train one network per channel.
    tiles : int
        Maximum number of tiles whose mean is an embedding.
    labels : {"", "album", "artist"}
        Labels of `contrastive`.
    start : {"mel", "musicnn"}
        Input of `contrastive`.
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
        contrastive = self.preset == "contrastive"
        for wrong, message in (
            (not contrastive and self.labels, "--labels belongs to the preset contrastive"),
            (not contrastive and self.start != "mel", "--from belongs to the preset contrastive"),
            (
                contrastive and self.stereo,
                "--stereo belongs to the autoencoders, not to contrastive",
            ),
            (self.step and self.preset != "conv", "--recurrent belongs to the preset conv"),
            (
                self.channels != "mel" and (self.preset == "conv" or self.start != "mel"),
                "--channels belongs to the presets that read images of 128 bands",
            ),
            (
                self.step not in ("", "bar", "beat") and not _is_positive(self.step),
                f"--step {self.step!r}: give bar, beat, or a number of frames above 0",
            ),
        ):
            if wrong:
                raise BadArgument(message)


def _is_positive(text: str) -> bool:
    return text.isdigit() and int(text) > 0


def image_kind(training: SoundTraining) -> str:
    """Return the kind of image that a network reads."""
    if training.start == "musicnn":
        return MUSICNN
    if training.preset == "conv":
        return "mel512"
    return "mel128" if training.channels == "mel" else "mel128+mfcc+chroma"


def learned_config(training: SoundTraining, lengths: Sequence[int]) -> LearnedConfig:
    """Return the configuration for options and for the lengths of the images, in frames."""
    if training.start == "musicnn":
        return LearnedConfig(ContrastiveConfig(source="musicnn"), MUSICNN)
    kind = LOG_MEL_SPECS[image_kind(training)]
    frames = TILE_FRAMES
    if training.preset == "conv":
        shortest = int(np.quantile(lengths, _CONV_QUANTILE))
        frames = max(shortest // _CONV_FRAMES_MULTIPLE, 1) * _CONV_FRAMES_MULTIPLE
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
    """A track of the training or validation set.

    Attributes
    ----------
    content_hash : str
    album, artist : str
        "" if unknown.
    step_frames : float
        Frames per step of a recurrent layer.
    folder : str
        Keeps tracks of an unknown album in one set.
    """

    content_hash: str
    album: str = ""
    artist: str = ""
    step_frames: float = 0.0
    folder: str = ""

    @property
    def name(self) -> str:
        """Name by which examples are split into training and validation set."""
        return self.content_hash

    @property
    def group(self) -> str:
        """Album or folder, which is not divided between the sets."""
        return self.album or self.folder


#: Returns the image of a content hash, shape (channels, bands, frames), uint8, or MusiCNN's
#: activations and the features, shape (patches, 1506 + features), float32.
ReadImage = Callable[[str], NDArray[Any]]


def evenly_spaced_tiles(image: ByteArray, frames: int, max_tiles: int) -> ByteArray:
    """Cut evenly spaced tiles from an image, as many as fit without overlap, at least one.

    Parameters
    ----------
    image : ndarray, shape (channels, bands, T), uint8
        Repeated if shorter than a tile.
    frames : int
        Width of a tile.

    Returns
    -------
    ndarray, shape (tiles, channels, bands, frames), uint8
    """
    if image.ndim != 3 or image.shape[2] == 0:
        raise BadArgument(f"expected an image (channels, bands, frames), got {image.shape}")
    length = image.shape[2]
    count = max(min(max_tiles, length // frames), 1)
    starts = np.linspace(0, max(length - frames, 0), count).round().astype(int)
    return np.stack([tile_at(image, int(start), frames) for start in starts])


def tile_at(image: ByteArray, start: int, frames: int) -> ByteArray:
    """Cut a tile from an image, which is repeated if it is too short."""
    tile = np.asarray(image[:, :, start : start + frames])
    if tile.shape[2] < frames:
        tile = np.resize(image.transpose(2, 0, 1), (frames, *image.shape[:2])).transpose(1, 2, 0)
    return tile


def to_tensor(tiles: ByteArray) -> Tensor:
    """Scale bytes to float32 from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(tiles)).float().div_(255)


class TileStream:
    """Batches of tiles: random ones for training, fixed ones for validation.

    Parameters
    ----------
    training, validation : sequence of Example
        At least one each.
    frames : int
        Width of a tile.
    batch : int
        Tiles in a batch.
    max_tiles : int
        Maximum number of validation tiles of a track.
    recurrent : bool
        Whether batches also have the frames per step.
    """

    def __init__(
        self,
        training: Sequence[Example],
        validation: Sequence[Example],
        read: ReadImage,
        *,
        frames: int,
        batch: int,
        max_tiles: int = 4,
        recurrent: bool = False,
    ) -> None:
        self._training, self._validation = training, validation
        self._read = read
        self._frames, self._batch, self._max_tiles = frames, batch, max_tiles
        self._recurrent = recurrent

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Draw random tracks with a random tile of each."""
        tiles, steps = [], []
        for index in rng.integers(len(self._training), size=self._batch):
            example = self._training[index]
            image = self._read(example.content_hash)
            start = int(rng.integers(max(image.shape[2] - self._frames, 0) + 1))
            tiles.append(tile_at(image, start, self._frames))
            steps.append(example.step_frames)
        return self._tensors(np.stack(tiles), steps)

    def validation(self) -> list[tuple[Tensor, ...]]:
        """Return the fixed tiles of the validation set in batches."""
        tiles: list[ByteArray] = []
        steps: list[float] = []
        for example in self._validation:
            example_tiles = evenly_spaced_tiles(
                self._read(example.content_hash), self._frames, self._max_tiles
            )
            tiles.extend(example_tiles)
            steps += [example.step_frames] * len(example_tiles)
        return [
            self._tensors(
                np.stack(tiles[start : start + self._batch]), steps[start : start + self._batch]
            )
            for start in range(0, len(tiles), self._batch)
        ]

    def _tensors(self, tiles: ByteArray, steps: Sequence[float]) -> tuple[Tensor, ...]:
        if self._recurrent:
            return to_tensor(tiles), torch.tensor(steps)
        return (to_tensor(tiles),)


# --- objectives ---

PATIENCE: Final = 8
_PUBLISHED: Final = TrainerConfig(20, steps_per_epoch=0, learning_rate=1e-3, patience=PATIENCE)
#: Tiles per batch and hyperparameters by preset; those but `default` are as published.
AUTOENCODER_TRAINING: Final[dict[str, tuple[int, TrainerConfig]]] = {
    # Adadelta as in Keras: the learning rate decays with the steps, not the epochs.
    "conv": (
        8,
        TrainerConfig(
            50, steps_per_epoch=0, learning_rate=1.0, optimiser="adadelta", betas=(0.0, 0.95),
            schedule="inverse", patience=PATIENCE, stop_below=0.1,
        ),
    ),
    "plain-2d": (32, _PUBLISHED),
    "dual-axis": (32, _PUBLISHED),
    "default": (
        32,
        TrainerConfig(
            20, steps_per_epoch=0, learning_rate=1e-3, optimiser="adamw", weight_decay=0.01,
            betas=(0.9, 0.99), epsilon=1e-8, schedule="cosine", clip=1.0, patience=PATIENCE,
        ),
    ),
}  # fmt: skip
#: Number of tiles that initialise the linear transform.
INITIALISATION_TILES: Final = 2000
CONTRASTIVE_EPOCHS: Final = 40
#: A head that is trained longer to discriminate tracks also discriminates those of one album; see
#: JOURNAL.md.
HEAD_STEPS: Final = 40
MIN_CONTRASTIVE_TRACKS: Final = 2


@dataclass(frozen=True, slots=True)
class Task:
    """A training task; `prepare` is called before training unless a run is resumed."""

    objective: Objective
    loop: TrainerConfig
    batch: int
    prepare: Callable[[], None] = lambda: None


def autoencoder_task(
    training: SoundTraining,
    config: LearnedConfig,
    network: torch.nn.Module,
    train: Sequence[Example],
    validation: Sequence[Example],
    read: ReadImage,
) -> Task:
    """Create the task of an autoencoder: random tiles, and the loss of the network."""
    batch, loop = AUTOENCODER_TRAINING[training.preset]
    stream = TileStream(
        train,
        validation,
        read,
        frames=config.network.frames,
        batch=batch,
        recurrent=bool(config.step),
    )

    def prepare() -> None:
        rng = np.random.default_rng(training.seed)
        batches = [stream.draw(rng)[0] for _ in range(-(-INITIALISATION_TILES // batch))]
        for module in network.modules():
            if isinstance(module, TransformAutoencoder):
                channel = [tiles.chunk(1 + config.stereo, dim=1)[0] for tiles in batches]
                module.prepare(torch.cat(channel))

    objective = Objective(
        network, stream.draw, stream.validation, lambda net, *tiles: net.loss(*tiles)
    )
    return Task(objective, loop, batch, prepare)


def contrastive_task(
    training: SoundTraining,
    config: LearnedConfig,
    network: torch.nn.Module,
    train: Sequence[Example],
    validation: Sequence[Example],
    read: ReadImage,
) -> Task:
    """Create the task of contrastive learning from log-mel images or MusiCNN's activations."""
    if len(validation) < MIN_CONTRASTIVE_TRACKS or len(train) < MIN_CONTRASTIVE_TRACKS:
        raise TrainingFailed(
            f"there are {len(train)} training and {len(validation)} validation tracks; contrastive "
            f"training needs {MIN_CONTRASTIVE_TRACKS} of each: add more with `segue add`"
        )
    source: Source = "musicnn" if training.start == "musicnn" else "log-mel"
    settings = default_training(source, labelled=bool(training.labels))
    examples = [*train, *validation]
    labels = encode_labels(examples, training.labels)
    indices = np.arange(len(train)), np.arange(len(train), len(examples))
    if isinstance(network, ActivationHead):
        arrays = [read(example.content_hash) for example in examples]
        head = _initial_head(arrays[: len(train)], None if labels is None else labels[: len(train)])
        tracks = [array[:, :POOLED_SIZE] for array in arrays]
        contrastive = from_activations(tracks, *indices, labels, settings)
        loop = TrainerConfig(
            1,
            steps_per_epoch=HEAD_STEPS,
            learning_rate=3e-3,
            schedule="cosine",
        )
        objective = Objective(network, contrastive.draw, contrastive.validation, contrastive.loss)
        return Task(objective, loop, settings.batch, lambda: network.start_from(head))
    contrastive = from_images(
        _Images(examples, read), config.network.frames, *indices, labels, settings
    )
    loop = TrainerConfig(
        CONTRASTIVE_EPOCHS,
        steps_per_epoch=0,
        learning_rate=2e-3,
        optimiser="adamw",
        weight_decay=0.01,
        schedule="cosine",
        patience=PATIENCE,
    )
    objective = Objective(network, contrastive.draw, contrastive.validation, contrastive.loss)
    return Task(objective, loop, min(settings.batch, len(train)))


def _initial_head(arrays: Sequence[FloatArray], labels: NDArray[np.int64] | None) -> Head:
    """Return the bundled head, normalised by labels if there are any."""
    head = load_head()
    if labels is None:
        return head
    vectors = np.stack(
        [head.project(array[:, :POOLED_SIZE], array[0, POOLED_SIZE:]) for array in arrays]
    )
    return apply_wccn(head, vectors, labels)


class _Images(Sequence[ByteArray]):
    """Images by index, read on access."""

    def __init__(self, examples: Sequence[Example], read: ReadImage) -> None:
        self._examples, self._read = examples, read

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> ByteArray:  # type: ignore[override]  # no slices
        return self._read(self._examples[index].content_hash)


def encode_labels(examples: Sequence[Example], labels: str) -> NDArray[np.int64] | None:
    """Encode albums or artists as integers, -1 for unknown ones; None without labels."""
    if not labels:
        return None
    names = [example.album if labels == "album" else example.artist for example in examples]
    codes = {name: code for code, name in enumerate(sorted(set(names) - {""}))}
    return np.array([codes.get(name, UNLABELLED) for name in names])


# --- training ---

#: A larger album would leave too little to train on.
MAX_VALIDATION_SHARE: Final = 1 / 3
#: So that validation does not dominate on small libraries.
MIN_STEPS_PER_EPOCH: Final = 25
_TRACK_BATCH_SIZE: Final = 64


def train_sound(
    training: SoundTraining,
    examples: Sequence[Example],
    read: ReadImage,
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[LearnedSound, FitResult]:
    """Train a space, and save it.

    Parameters
    ----------
    examples : sequence of Example
        At least three, of different content.
    read : callable
        Reads the image of an example.
    folder : Path
        Folder of the state of the run and of the result, `MODEL`.
    resume : bool
    watch : callable, optional
    """
    train, validation = train_validation_split(examples, "tracks", max_share=MAX_VALIDATION_SHARE)
    config, network, result = train_network(
        training, train, validation, read, folder, resume=resume, watch=watch
    )
    metadata = _metadata(training, train, validation, result)
    sound = standardise_space(config, network, examples, read, metadata)
    sound.save(folder / MODEL)
    return sound, result


def train_network(
    training: SoundTraining,
    train: Sequence[Example],
    validation: Sequence[Example],
    read: ReadImage,
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[LearnedConfig, torch.nn.Module, FitResult]:
    """Train a network, and return it with the weights of the best epoch."""
    lengths = [read(example.content_hash).shape[-1] for example in train]
    config = learned_config(training, lengths)
    torch.manual_seed(training.seed)
    network = build(config)
    task = (contrastive_task if training.preset == "contrastive" else autoencoder_task)(
        training, config, network, train, validation, read
    )
    loop = _loop(training, task, lengths, config.network.frames)
    if not resume:
        task.prepare()
    metadata = {
        "configuration": config_to_json(config),
        "tracks": data_fingerprint(
            [" ".join(example.content_hash for example in (*train, *validation))]
        ),
        "learning_rate": loop.learning_rate,
    }
    result = fit(task.objective, loop, folder, metadata, resume=resume, watch=watch)
    return config, network, result


def standardise_space(
    config: LearnedConfig,
    network: torch.nn.Module,
    examples: Sequence[Example],
    read: ReadImage,
    metadata: Mapping[str, Any],
) -> LearnedSound:
    """Standardise a space over the library that it was trained on."""
    mean, scale = np.zeros(1, np.float32), np.ones(1, np.float32)
    sound = LearnedSound(config, network, mean, scale, metadata)
    batches = [
        examples[start : start + _TRACK_BATCH_SIZE]
        for start in range(0, len(examples), _TRACK_BATCH_SIZE)
    ]
    vectors = np.concatenate(
        [
            sound.raw_vectors(
                [tiles_of(config, read(example.content_hash)) for example in batch],
                [example.step_frames for example in batch],
            )
            for batch in batches
        ]
    )
    if isinstance(config.network, ContrastiveConfig):  # the loss compares unscaled vectors
        sound.mean, sound.scale = 0 * vectors[0], np.ones_like(vectors[0])
    else:
        sound.mean, sound.scale = mean_and_scale(vectors)
    return sound


def tiles_of(config: LearnedConfig, image: np.ndarray) -> np.ndarray:
    """Return the tiles of an image that are embedded, or the mean of activations."""
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
        **training.run_settings(),
    )


def _metadata(
    training: SoundTraining,
    train: Sequence[Example],
    validation: Sequence[Example],
    result: FitResult,
) -> dict[str, Any]:
    return {
        "training": asdict(training),
        "tracks": len(train),
        "validation_tracks": len(validation),
        **result.summary(),
    }
