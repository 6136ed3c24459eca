"""A trained piano-roll VAE: piano rolls to latents and back.

From the probabilities of cells to cells that sound: where notes begin, and where they end.

How often each small figure comes in windows of a roll: counts that know no key and no drum.

A figure is where in the bar a note begins, with the interval from a note before it, its length,
or its height above the lowest note of that quarter. Counts are kept as their square roots, whose
differences count alike for what is rare and what is common; each kind has length 1.

A trained autoencoder of rolls, with the constants that belong to it: cells ↔ latents.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from segue.builtin_spaces import ROLL_VAE_WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.nn.checkpoint import MODEL, load_checkpoint, save_checkpoint
from segue.records import FloatArray
from segue.score.piano_roll import (
    INSTRUMENTS,
    N_PITCHES,
    STEPS_PER_BAR,
    STEPS_PER_QUARTER,
    WINDOW_SHAPE,
    WINDOW_STEPS,
    BoolArray,
    RollNotes,
    check_windows,
    extract_notes,
    split_windows,
)
from segue.score.vae.network import RollVAE, RollVAEConfig

# --- thresholds ---

#: A note that has begun goes on above such a share of its instrument's threshold. Of 0.5 to 1,
#: this share and 0.7 gave the most notes right of songs that validated (F1 0.176 of the piano's,
#: 0.169 at 1, where notes fall to pieces).
RELEASE_FACTOR: Final = 0.8
_HALVINGS: Final = 14


def hysteresis_threshold(probabilities: FloatArray, thresholds: FloatArray) -> BoolArray:
    """Say which cells sound.

    Parameters
    ----------
    probabilities : ndarray, shape (n, bars, 48, 84, instruments), float32, or without the last
        Windows; a note may go on from one bar of a window into the next.
    thresholds : ndarray, shape (instruments,) or (), float32
        Probability from which on a note begins.

    Returns
    -------
    ndarray, same shape, bool
    """
    n, bars, steps, *rest = probabilities.shape
    flat = probabilities.reshape(n, bars * steps, *rest)
    begins, goes_on = flat >= thresholds, flat >= RELEASE_FACTOR * thresholds
    found = np.empty_like(begins)
    now = np.zeros_like(begins[:, 0])
    for step in range(bars * steps):
        now = begins[:, step] | (now & goes_on[:, step])
        found[:, step] = now
    return found.reshape(probabilities.shape)


def calibrate_thresholds(probabilities: FloatArray, cells: BoolArray) -> FloatArray:
    """Return the threshold of each instrument by which as many notes begin as do.

    Parameters
    ----------
    probabilities, cells : ndarray, shape (n, bars, 48, 84, 5)

    Returns
    -------
    ndarray, shape (5,), float32
        One half for what never sounds.
    """
    found = np.full(len(INSTRUMENTS), 0.5, np.float32)
    for number in range(len(INSTRUMENTS)):
        wanted = _beginnings(cells[..., number])
        likely = probabilities[..., number]
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS if wanted else 0):
            middle = (low + high) / 2
            if _beginnings(hysteresis_threshold(likely, np.array(middle, np.float32))) > wanted:
                low = middle
            else:
                high = middle
        found[number] = high if wanted else 0.5
    return found


def _beginnings(cells: BoolArray) -> int:
    """Count the notes of one instrument in windows, shape (n, bars, 48, 84)."""
    n, bars, steps, pitches = cells.shape
    flat = cells.reshape(n, bars * steps, pitches)
    before: NDArray[np.bool_] = np.pad(flat, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return int(np.count_nonzero(flat & ~before))


# --- roll figures ---

_SIXTEENTHS: Final = 16
_OCTAVE: Final = 12
_INTERVALS: Final = 2 * _OCTAVE + 1  # wider ones count as an octave
#: First lengths of the classes of length, in steps.
_LENGTHS: Final = np.array([2, 3, 4, 6, 8, 9, 12, 18, 24, 36, 48])
_CLASSES: Final = len(_LENGTHS) + 1
_QUARTERS: Final = 4
_HEIGHTS: Final = 48
#: Place and interval from the note before, and from the one before that; place and length;
#: length and interval; quarter and height above the lowest note.
HISTOGRAM_SIZES: Final = (
    _SIXTEENTHS * _INTERVALS,
    _SIXTEENTHS * _INTERVALS,
    _SIXTEENTHS * _CLASSES,
    _CLASSES * _INTERVALS,
    _QUARTERS * _HEIGHTS,
)
N_PATTERNS: Final = sum(HISTOGRAM_SIZES)


def pattern_histograms(notes: RollNotes) -> FloatArray:
    """Count the figures of windows of four bars.

    Parameters
    ----------
    notes : RollNotes
        Ordered.

    Returns
    -------
    ndarray, shape (windows, FIGURES), float32
        Within 0 to 1; all 0 where nothing but drums plays.
    """
    notes = notes.only(notes.instrument > 0)
    place = notes.step % STEPS_PER_BAR * _SIXTEENTHS // STEPS_PER_BAR
    length = np.searchsorted(_LENGTHS, notes.length, side="right")
    before, interval = _intervals(notes, 1)
    earlier, wider = _intervals(notes, 2)
    quarter = notes.step % STEPS_PER_BAR // STEPS_PER_QUARTER
    kinds = (
        (notes.window[before], place[before] * _INTERVALS + interval),
        (notes.window[earlier], place[earlier] * _INTERVALS + wider),
        (notes.window, place * _CLASSES + length),
        (notes.window[before], length[before] * _INTERVALS + interval),
        (notes.window, quarter * _HEIGHTS + _heights(notes)),
    )
    return np.concatenate(
        [
            _counted(*kind, notes.windows, size)
            for kind, size in zip(kinds, HISTOGRAM_SIZES, strict=True)
        ],
        axis=1,
    )


def _intervals(notes: RollNotes, back: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which notes have one so many before them in their part, and the interval from it."""
    same = notes.window[back:] == notes.window[:-back]
    same &= notes.instrument[back:] == notes.instrument[:-back]
    which = np.flatnonzero(same) + back
    interval = notes.pitch[which] - notes.pitch[which - back]
    return which, interval.clip(-_OCTAVE, _OCTAVE) + _OCTAVE


def _heights(notes: RollNotes) -> NDArray[np.int64]:
    """Return how far each note lies above the lowest that begins in its quarter."""
    quarter = (notes.window * WINDOW_STEPS + notes.step) // STEPS_PER_QUARTER
    lowest = np.full(notes.windows * WINDOW_STEPS // STEPS_PER_QUARTER, N_PITCHES)
    np.minimum.at(lowest, quarter, notes.pitch)
    return np.asarray((notes.pitch - lowest[quarter]).clip(0, _HEIGHTS - 1))


def _counted(
    window: NDArray[np.int64], figure: NDArray[np.int64], windows: int, size: int
) -> FloatArray:
    counts = np.bincount(window * size + figure, minlength=windows * size)
    roots = np.sqrt(counts.reshape(windows, size))
    total = np.linalg.norm(roots, axis=1, keepdims=True)
    return np.asarray(roots / np.maximum(total, 1), np.float32)


# --- rolls ---

KIND: Final = "space of scores"
#: Of the rolls and what is read of them.
VERSION: Final = 1
BATCH_SIZE: Final = 128
#: How much of a likeness what was learned decides; the rest, what was counted.
LATENT_WEIGHT: Final = 0.5
_LEAST_LENGTH: Final = 1e-6


class RollModel:
    """A trained autoencoder with its thresholds, and where its latents lie.

    Parameters
    ----------
    network : RollVAE
    thresholds : ndarray, shape (5,), float32
        Probability from which on a note begins, for each instrument.
    mean : ndarray, shape (latent,), float32
        Of the latents' means over the windows learned from.
    spread : ndarray, shape (latent, latent), float32
        Lower triangular; times a normal vector, plus the mean, it is a latent like theirs.
    about : mapping
        How it was trained, for people.
    counts : Counts, optional
        Where the network's configuration has counted numbers.
    fingerprint : str
    """

    def __init__(
        self,
        network: RollVAE,
        thresholds: FloatArray,
        mean: FloatArray,
        spread: FloatArray,
        about: Mapping[str, Any],
        counts: "PatternProjection | None" = None,
        fingerprint: str = "",
    ) -> None:
        self.network = network.eval()
        self.thresholds, self.mean, self.spread = thresholds, mean, spread
        self.about = dict(about)
        self.counts = counts
        self.fingerprint = fingerprint

    @property
    def config(self) -> RollVAEConfig:
        """Which network it is."""
        return self.network.config

    @property
    def dimension(self) -> int:
        """Numbers of the vector that `embed` gives."""
        return self.config.dimension

    @classmethod
    @cache
    def shipped(cls) -> Self:
        """Load the model that comes with Segue, once.

        Raises
        ------
        BadCheckpoint
            The file is damaged.
        """
        return cls.load(ROLL_VAE_WEIGHTS)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote, a file or the folder of a run.

        Raises
        ------
        BadCheckpoint
            The file is damaged, of another version, or no such model.
        """
        if path.is_dir():
            path = path / MODEL
        checkpoint = load_checkpoint(path, KIND)
        config = _config(checkpoint.about, path)
        tensors = {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in checkpoint.tensors.items()
        }
        thresholds, mean, spread = (
            tensors.pop(name).numpy() for name in ("thresholds", "mean", "spread")
        )
        counts = None
        if config.counted:
            counts = PatternProjection(
                tensors.pop("counts.mean").numpy(), tensors.pop("counts.map").numpy()
            )
        network = RollVAE(config)
        try:
            network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items()})
        except RuntimeError:
            raise BadCheckpoint(
                f"the weights in {path} do not fit the network they name; train anew"
            ) from None
        about = checkpoint.about["about"]
        return cls(network, thresholds, mean, spread, about, counts, checkpoint.fingerprint)

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write it as one file, and note its fingerprint.

        Parameters
        ----------
        path : Path
        dtype : dtype
            Of the numbers; `torch.float16` halves the file.
        """
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()} | {
            "thresholds": torch.from_numpy(self.thresholds),
            "mean": torch.from_numpy(self.mean),
            "spread": torch.from_numpy(self.spread),
        }
        if self.counts is not None:
            tensors["counts.mean"] = torch.from_numpy(self.counts.mean)
            tensors["counts.map"] = torch.from_numpy(self.counts.map)
        about = {"config": asdict(self.config), "version": VERSION, "about": self.about}
        smaller = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
        self.fingerprint = save_checkpoint(path, KIND, about, smaller)

    def embed(self, cells: BoolArray) -> FloatArray | None:
        """Place a score in the space.

        Parameters
        ----------
        cells : ndarray, shape (bars, 48, 84, 5), bool
            A whole score.

        Returns
        -------
        ndarray, shape (dimension,), float32, or None
            Of length 1: the mean of its windows, each of length 1. None of silence.
        """
        windows = split_windows(cells)
        if not len(windows):
            return None
        return self.pooled(self.likeness(windows))

    def embed_many(self, scores: "list[BoolArray]") -> list[FloatArray | None]:
        """Do as `embed` does, for several scores at once, which is faster for short ones."""
        windows = [split_windows(cells) for cells in scores]
        empty = np.empty((0, *WINDOW_SHAPE), np.bool_)
        vectors = self.likeness(np.concatenate([empty, *windows]))
        ends = np.cumsum([len(some) for some in windows])
        return [
            self.pooled(vectors[end - len(some) : end]) if len(some) else None
            for some, end in zip(windows, ends.tolist(), strict=True)
        ]

    @staticmethod
    def pooled(vectors: FloatArray) -> FloatArray:
        """Join the vectors of a score's windows to one of length 1."""
        total = l2_normalise(vectors).mean(axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), _LEAST_LENGTH), np.float32)

    @torch.inference_mode()
    def likeness(self, windows: BoolArray) -> FloatArray:
        """Return what is compared for likeness.

        Parameters
        ----------
        windows : ndarray, shape (n, 4, 48, 84, 5), bool

        Returns
        -------
        ndarray, shape (n, dimension), float32
            Of length 1: the latents' means, about the mean of the music that validated, and
            beside them the counted figures, so that a cosine is the weighted mean of both.
        """
        check_windows(windows)
        found = [self._likeness(some, extract_notes(some)) for some in _portions(windows)]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *found])

    def _likeness(self, windows: BoolArray, notes: RollNotes) -> FloatArray:
        means = self.network.likeness(windows, notes).float().numpy()
        learned = l2_normalise(means - self.mean[: means.shape[1]])
        if self.counts is None:
            return learned
        parts = [LATENT_WEIGHT**0.5 * learned, (1 - LATENT_WEIGHT) ** 0.5 * self.counts.of(notes)]
        return l2_normalise(np.concatenate(parts, axis=1))

    @torch.inference_mode()
    def encode(self, windows: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Encode windows.

        Parameters
        ----------
        windows : ndarray, shape (n, 4, 48, 84, 5), bool

        Returns
        -------
        mean, log_variance : ndarray, shape (n, latent), float32
        """
        check_windows(windows)
        found = [self.network.encode(some) for some in _portions(windows)]
        empty = np.empty((0, self.config.latent), np.float32)
        mean = np.concatenate([empty, *(one.mean.numpy() for one in found)])
        return mean, np.concatenate([empty, *(one.log_variance.numpy() for one in found)])

    @torch.inference_mode()
    def decode(self, latents: FloatArray) -> FloatArray:
        """Decode latents.

        Parameters
        ----------
        latents : ndarray, shape (n, latent), float32

        Returns
        -------
        ndarray, shape (n, 4, 48, 84, 5), float32
            Probabilities that a cell sounds.

        Raises
        ------
        BadArgument
            The shape is another.
        """
        if latents.ndim != 2 or latents.shape[1] != self.config.latent:
            raise BadArgument(
                f"expected latents of shape (n, {self.config.latent}), got {latents.shape}"
            )
        z = torch.from_numpy(np.asarray(latents, np.float32))
        found = [
            self.network.decode(z[at : at + BATCH_SIZE]).float().sigmoid().numpy()
            for at in range(0, len(z), BATCH_SIZE)
        ]
        return np.concatenate([np.empty((0, *WINDOW_SHAPE), np.float32), *found])

    def to_cells(self, probabilities: FloatArray) -> BoolArray:
        """Say which cells sound, by each instrument's threshold; see `thresholds.sounding`.

        Parameters
        ----------
        probabilities : ndarray, shape (n, 4, 48, 84, 5), float32

        Returns
        -------
        ndarray, bool
        """
        return hysteresis_threshold(probabilities, self.thresholds)

    def sample(self, count: int, seed: int) -> FloatArray:
        """Draw latents as those of the music learned from lie: normal, with their covariance.

        Parameters
        ----------
        count : int
        seed : int

        Returns
        -------
        ndarray, shape (count, latent), float32
        """
        drawn = np.random.default_rng(seed).standard_normal((count, self.config.latent))
        return np.asarray(self.mean + drawn.astype(np.float32) @ self.spread.T, np.float32)

    def settle(self, windows: BoolArray) -> None:
        """Set the thresholds, the mean and the spread by windows that were not learned from.

        Parameters
        ----------
        windows : ndarray, shape (n, 4, 48, 84, 5), bool
        """
        mean, log_variance = self.encode(windows)
        self.mean = mean.mean(axis=0)
        covariance = np.cov(mean.T, ddof=0) + np.diag(np.exp(log_variance).mean(axis=0))
        self.spread = np.linalg.cholesky(covariance).astype(np.float32)
        self.thresholds = calibrate_thresholds(self.decode(mean), windows)


@dataclass(frozen=True, slots=True, eq=False)
class PatternProjection:
    """Counted figures in few numbers.

    Attributes
    ----------
    mean : ndarray, shape (FIGURES,), float32
    map : ndarray, shape (FIGURES, counted), float32
    """

    mean: FloatArray
    map: FloatArray

    @classmethod
    def fit(cls, windows: BoolArray, size: int) -> Self:
        """Take the directions in which figures vary most, the strong ones weakened.

        Each is divided by the square root of its deviation: half way to giving all one say.
        """
        found = np.concatenate(
            [pattern_histograms(extract_notes(some)) for some in _portions(windows)]
        )
        mean = found.mean(axis=0)
        variance, directions = np.linalg.eigh(np.cov(found.T, ddof=0).astype(np.float64))
        strength = np.maximum(variance[-size:], _LEAST_LENGTH) ** -0.25
        return cls(mean, np.asarray(directions[:, -size:] * strength, np.float32))

    def of(self, notes: RollNotes) -> FloatArray:
        """Return the numbers of windows, shape (n, counted), of length 1."""
        return l2_normalise(
            np.asarray((pattern_histograms(notes) - self.mean) @ self.map, np.float32)
        )


def l2_normalise(vectors: FloatArray) -> FloatArray:
    """Scale vectors, shape (n, dimension), to length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, _LEAST_LENGTH), np.float32)


def _portions(windows: BoolArray) -> "list[BoolArray]":
    return [windows[at : at + BATCH_SIZE] for at in range(0, len(windows), BATCH_SIZE)]


def _config(about: Mapping[str, Any], path: Path) -> RollVAEConfig:
    try:
        config, version = RollVAEConfig(**about["config"]), about["version"]
    except (KeyError, TypeError, BadArgument) as error:
        raise BadCheckpoint(
            f"{path} was written by another version of Segue ({error}); train anew"
        ) from None
    if version != VERSION:
        raise BadCheckpoint(
            f"{path} was learned from rolls of version {version}, this Segue makes version "
            f"{VERSION}; train anew"
        )
    return config
