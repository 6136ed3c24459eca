"""The chorale network: weights/chorales.safetensors.

    python -m recipes.chorales --data ../shared/data --work .bench-cache/chorales --train firmly
    python -m recipes.chorales --data ../shared/data --work .bench-cache/chorales --save taught

The first trains one of `RUNS`, or continues it; the second writes its best weights so far, with the
logits divided by the temperature of the lowest loss on the validation set (temperature scaling: Guo
et al., "On Calibration of Modern Neural Networks", ICML 2017). On the 229 chorales of the published
training set, transposed.
"""

import argparse
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recipes import print_progress
from segue.errors import TrainingFailed
from segue.generate.harmony.chorale_network import (
    CHECKPOINT_KIND,
    NUM_PITCHES,
    PRETRAINED,
    VERSION,
    ChoraleConfig,
    ChoraleTransformer,
    encode_pitches,
    load_chorale_network,
)
from segue.nn.checkpoint import save_model
from segue.nn.lm_training import IGNORED, LMTrainingConfig, fit_lm, load_best
from segue.nn.quantization import quantize_weights
from segue.nn.trainer import STATE, Batch, FitResult, ProgressCallback, data_fingerprint
from segue.nn.transformer import StackConfig

Tokens = NDArray[np.int64]

TRAINING: Final = LMTrainingConfig(
    context=256,
    batch_size=8,
    epochs=80,
    steps_per_epoch=50,
    max_transpose=6,
    stride=16,
    device="cpu",
)


#: Networks, and how each is trained. "gently" knows chorales by heart after some hundred steps.
RUNS: Final[dict[str, tuple[ChoraleConfig, LMTrainingConfig]]] = {
    "gently": (
        ChoraleConfig(StackConfig(192, 5, 3, context=256, dropout=0.2), feature_dropout=0.0),
        replace(TRAINING, learning_rate=2e-3, weight_decay=0.1, ema_decay=0.998),
    ),
    "firmly": (
        ChoraleConfig(StackConfig(192, 4, 3, context=256, dropout=0.35), feature_dropout=0.15),
        replace(TRAINING, learning_rate=1.5e-3, weight_decay=0.3, ema_decay=0.99),
    ),
    # As firmly, which was best after 15 epochs at nearly its highest rate: here the rate is low by
    # the time that chorales are known by heart.
    "annealed": (
        ChoraleConfig(StackConfig(192, 4, 3, context=256, dropout=0.4), feature_dropout=0.25),
        replace(TRAINING, learning_rate=1.5e-3, weight_decay=0.3, ema_decay=0.99, epochs=28),
    ),
    # Knowledge distillation: the targets are also the probabilities of two other networks.
    "taught": (
        ChoraleConfig(StackConfig(192, 4, 3, context=256, dropout=0.3), feature_dropout=0.2),
        replace(TRAINING, learning_rate=1.5e-3, weight_decay=0.3, ema_decay=0.99, epochs=30),
    ),
}


#: Who teaches whom: what they hold likely, averaged, against what came, by `TAUGHT`.
TEACHERS: Final = {"taught": ("firmly", "annealed")}


TAUGHT: Final = 0.7


#: Temperatures to choose from when a network is calibrated.
TEMPERATURES: Final = (1.0, 1.05, 1.1, 1.15, 1.2)


#: Hop of the windows when a chorale is evaluated, in frames; the context is at least the rest.
MOVED_ON: Final = 64


# --- windows of pieces ---


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece of a training or validation set.

    Attributes
    ----------
    name : str
        Identifies the piece.
    tokens : ndarray, shape (T,) or (T, voices), int64
        The whole piece.
    """

    name: str
    tokens: Tokens


#: Transposes tokens by semitones; None where they would leave the pitch range.
Transpose = Callable[[Tokens, int], Tokens | None]


class WindowSampler:
    """Samples windows of pieces; a window never spans two pieces.

    Parameters
    ----------
    pieces : sequence of Piece
    training : LMTrainingConfig
    transpose : callable
    """

    def __init__(
        self, pieces: Sequence[Piece], training: LMTrainingConfig, transpose: Transpose
    ) -> None:
        self._pieces = pieces
        self._training = training
        self._transpose = transpose
        lengths = np.array([len(piece.tokens) for piece in pieces], np.float64)
        self._probabilities = lengths / lengths.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: pieces in proportion to length, starts and transpositions uniformly."""
        training = self._training
        chosen = rng.choice(len(self._pieces), training.batch_size, p=self._probabilities).tolist()
        windows = []
        for index in chosen:
            tokens = self._pieces[index].tokens
            # One start beyond the last full window, so that ends are as likely as middles.
            last = max(len(tokens) - training.context, 0)
            starts = -(-last // training.stride) + 1
            start = int(rng.integers(starts)) * training.stride
            semitones = int(rng.integers(-training.max_transpose, training.max_transpose + 1))
            transposed = self._transpose(tokens, semitones)
            windows.append((tokens if transposed is None else transposed, start))
        return collate(windows, training.context)

    def all(self) -> list[Batch]:
        """Return all pieces in consecutive windows, for validation."""
        context = self._training.context
        windows = [
            (piece.tokens, start)
            for piece in self._pieces
            for start in range(0, len(piece.tokens), context)
        ]
        windows.sort(key=lambda window: min(len(window[0]) - window[1], context))
        size = self._training.batch_size
        return [
            collate(windows[first : first + size], context)
            for first in range(0, len(windows), size)
        ]


def collate(windows: Sequence[tuple[Tokens, int]], context: int) -> Batch:
    """Pad windows to a batch.

    Parameters
    ----------
    windows : sequence of (ndarray, int)
        Tokens of a piece, and start of the window.
    context : int
        Length of a window.

    Returns
    -------
    tokens, targets : Tensor, shape (windows, T[, voices]), int64
        `IGNORED` after the end of a piece. The first token is a target at the beginning of a
        piece alone.
    """
    cut = [tokens[start : start + context] for tokens, start in windows]
    longest = max(len(tokens) for tokens in cut)
    batch = np.full((len(cut), longest, *cut[0].shape[1:]), IGNORED, np.int64)
    for row, tokens in zip(batch, cut, strict=True):
        row[: len(tokens)] = tokens
    targets = batch.copy()
    targets[[start > 0 for _, start in windows], 0] = IGNORED
    return torch.from_numpy(batch), torch.from_numpy(targets)


def train_lm(
    network: nn.Module,
    training: LMTrainingConfig,
    train: Sequence[Piece],
    validation: Sequence[Piece],
    transpose: Transpose,
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> FitResult:
    """Train a network on pieces, and leave it with the best weights.

    Parameters
    ----------
    network : Module
        With a dataclass `config` and a method `loss(tokens, targets)`, such as a `Transformer`.
    training : LMTrainingConfig
        Hyperparameters.
    train, validation : sequence of Piece
        Disjoint sets.
    transpose : callable
        Transposes tokens by semitones.
    folder : Path
        Folder of the run's state.
    resume : bool
        Whether to continue the run in the folder.
    watch : callable, optional
        Called with a `Progress` after each step.

    Returns
    -------
    FitResult

    Raises
    ------
    TrainingFailed
        A set is empty, or the loss is not finite.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    if not train or not validation:
        raise TrainingFailed(
            f"{len(train)} pieces to train on and {len(validation)} for validation; at least one "
            "of each is needed"
        )
    torch.manual_seed(training.seed)
    windows = WindowSampler(train, training, transpose)
    batches = WindowSampler(validation, training, transpose).all()
    fingerprint = data_fingerprint(
        part
        for piece in (*train, *validation)
        for part in (f"{piece.name} {piece.tokens.shape}\n", piece.tokens)
    )
    metadata = {"pieces": fingerprint}
    return fit_lm(
        network, training, windows.draw, batches, folder, metadata, resume=resume, watch=watch
    )


# --- the chorale network ---


def read_chorales(data: Path) -> dict[str, list[Piece]]:
    """Return the chorales of each set, as numbers of pitches, shape (frames, 4)."""
    path = data / "scores" / "jsb" / "Jsb16thSeparated.json"
    by_side = json.loads(path.read_text(encoding="utf-8"))
    return {
        side: [
            Piece(f"{side} {place}", encode_pitches(torch.tensor(chorale)).numpy())
            for place, chorale in enumerate(chorales)
        ]
        for side, chorales in by_side.items()
    }


def transpose(tokens: Tokens, semitones: int) -> Tokens | None:
    """Transpose all sounding pitches, unless one would leave the range."""
    moved = np.where(tokens > 0, tokens + semitones, 0)
    fits = moved.max() < NUM_PITCHES and bool(((moved > 0) == (tokens > 0)).all())
    return moved if fits else None


def train(name: str, pieces: dict[str, list[Piece]], work: Path) -> None:
    """Train a network, or resume an interrupted run."""
    config, training = RUNS[name]
    torch.manual_seed(training.seed)
    network = ChoraleTransformer(config)
    teachers = [load_network(teacher, work.parent) for teacher in TEACHERS.get(name, ())]
    if teachers:
        network = _Student(config, teachers)
    resume = (work / STATE).exists()
    train_lm(
        network,
        training,
        pieces["train"],
        pieces["valid"],
        transpose,
        work,
        resume=resume,
        watch=print_progress(),
    )


class _Student(ChoraleTransformer):
    """A network trained on the mean distribution of teachers (distillation), and on the data."""

    def __init__(self, config: ChoraleConfig, teachers: Sequence[ChoraleTransformer]) -> None:
        super().__init__(config)
        self._teachers = tuple(teachers)  # in a tuple, so that their weights are not trained

    def loss(self, frames: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().loss(frames, targets)
        inputs, counts = frames.clamp(min=0), (targets >= 0).flatten()
        with torch.no_grad():
            soft_targets = torch.stack(
                [teacher(inputs).softmax(dim=-1) for teacher in self._teachers]
            )
            soft_targets = soft_targets.float().mean(dim=0).flatten(0, 2)[counts]
        log_probs: torch.Tensor = self(inputs).float().log_softmax(dim=-1).flatten(0, 2)[counts]
        nll = -log_probs.gather(1, targets.flatten()[counts, None]).mean()
        return nll.lerp(-(soft_targets * log_probs).sum(dim=1).mean(), TAUGHT)


def load_network(name: str, work: Path) -> ChoraleTransformer:
    network = ChoraleTransformer(RUNS[name][0])
    load_best(network, work / name)
    return network


def save_best(name: str, pieces: dict[str, list[Piece]], work: Path) -> None:
    """Write the bundled weights, and print the loss before and after quantisation."""
    network = load_network(name, work)
    temperature = best_temperature(network, pieces["valid"])
    divide_logits(network, temperature)
    before = {side: float(costs(network, pieces[side]).mean()) for side in ("valid", "test")}
    save_chorale_network(
        network, PRETRAINED, {"run": name, "nats": before, "temperature": temperature}
    )
    bundled = load_chorale_network()
    for side, nats in before.items():
        after = float(costs(bundled, pieces[side]).mean())
        print(f"{side}: {nats:.4f}, quantised {after:.4f}")
    print(f"{PRETRAINED}: {PRETRAINED.stat().st_size / 1e6:.2f} MB")


def best_temperature(network: ChoraleTransformer, pieces: Sequence[Piece]) -> float:
    """Return the one of `TEMPERATURES` at which the pieces are likeliest."""
    nats = {}
    for temperature in TEMPERATURES:
        calibrated = copy.deepcopy(network)
        divide_logits(calibrated, temperature)
        nats[temperature] = float(costs(calibrated, pieces).mean())
        print(f"temperature {temperature}: {nats[temperature]:.4f}", flush=True)
    return min(nats, key=lambda temperature: nats[temperature])


@torch.no_grad()
def divide_logits(network: ChoraleTransformer, temperature: float) -> None:
    """Divide the logits of a network by a temperature, in place: its heads are linear."""
    heads = network.pitch_head, network.melodic_head, network.harmonic_head
    for parameter in (network.pitch_bias, *(each for head in heads for each in head.parameters())):
        parameter.div_(temperature)


@torch.inference_mode()
def costs(network: ChoraleTransformer, pieces: Sequence[Piece]) -> NDArray[np.float64]:
    """Return what each voice of each frame costs, shape (frames of all pieces, 4)."""
    network.eval()
    context = network.config.stack.context
    all_costs = []
    for piece in pieces:
        frames = torch.from_numpy(piece.tokens)[None]
        cost = np.zeros(piece.tokens.shape)
        done = 0
        for start in range(0, max(len(piece.tokens) - context, 0) + MOVED_ON, MOVED_ON):
            window = frames[:, start : start + context]
            likely = network(window).log_softmax(dim=-1)
            now = -likely.gather(-1, window[..., None])[0, done - start :, :, 0]
            cost[done : start + window.shape[1]] = now.numpy()
            done = start + window.shape[1]
            if done == len(piece.tokens):
                break
        assert done == len(piece.tokens)
        all_costs.append(cost)
    return np.concatenate(all_costs)


def save_chorale_network(
    network: ChoraleTransformer, path: Path, metadata: Mapping[str, Any]
) -> str:
    """Write a network atomically; return its fingerprint.

    Parameters
    ----------
    network : ChoraleTransformer
    path : Path
    metadata : mapping
        JSON values: how it was trained, and validation figures.

    Raises
    ------
    DiskFull
    """
    about = {"configuration": asdict(network.config), "told": dict(metadata)}
    tensors = quantize_weights(network.state_dict())
    return save_model(path, CHECKPOINT_KIND, VERSION, about, tensors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--train", choices=sorted(RUNS))
    parser.add_argument("--save", choices=sorted(RUNS))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pieces = read_chorales(options.data)
    if options.train:
        train(options.train, pieces, options.work / options.train)
    if options.save:
        save_best(options.save, pieces, options.work)


if __name__ == "__main__":
    main()
