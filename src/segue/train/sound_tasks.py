"""What is drawn and minimised for each kind of network of sound."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from segue.errors import TrainingFailed
from segue.model.sound.autoencoder import recipe
from segue.model.sound.autoencoders.transform import TransformAutoencoder
from segue.model.sound.contrastive import ActivationHead, Source
from segue.model.sound.head import POOLED_SIZE, Head, load_head
from segue.model.sound.learned import LearnedConfig
from segue.records import FloatArray
from segue.represent.log_mel import ByteArray
from segue.train.contrastive import (
    Heard,
    LabelStrength,
    drawn_by_labels,
    from_activations,
    from_images,
    training_for,
)
from segue.train.loop import Objective
from segue.train.setting import LoopConfig
from segue.train.sound_options import SoundTraining
from segue.train.tiles import Example, ReadImage, TileStream

PATIENCE: Final = 8
#: As published: a binary cross-entropy below this ended the training.
CONV_GOOD_ENOUGH: Final = 0.1
#: Tiles that the linear transform is started from.
PREPARING_TILES: Final = 2000
CONTRAST_EPOCHS: Final = 40
#: From MusiCNN's activations few steps are taken: a head that learns longer to tell tracks
#: apart tells the tracks of one album apart as well. See JOURNAL.md.
HEAD_STEPS: Final = 40
FEWEST_TO_CONTRAST: Final = 2


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done in the loop, and before it where it does not go on with a run."""

    objective: Objective
    loop: LoopConfig
    batch: int
    prepare: Callable[[], None] = lambda: None


def autoencode(
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
    return Task(objective, loop, how.batch, prepare)


def contrast(
    training: SoundTraining,
    config: LearnedConfig,
    network: torch.nn.Module,
    learn: Sequence[Example],
    validate: Sequence[Example],
    read: ReadImage,
) -> Task:
    """Prepare learning by contrast, from log-mel images or from MusiCNN's activations."""
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
    return Task(objective, loop, min(how.batch, len(learn)))


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
