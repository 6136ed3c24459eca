"""A trained autoencoder of rolls, with the constants that belong to it: cells ↔ latents."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch

from segue.errors import BadArgument, BadCheckpoint
from segue.model.checkpoint import MODEL, load_checkpoint, save_checkpoint
from segue.model.score.roll_vae import RollVAE, RollVAEConfig
from segue.model.score.shipped import WEIGHTS
from segue.model.score.thresholds import calibrated, sounding
from segue.records import FloatArray
from segue.represent.score.roll_figures import figures
from segue.represent.score.roll_notes import (
    WINDOW_SHAPE,
    BoolArray,
    RollNotes,
    check_windows,
    notes_of,
    windows_of,
)

KIND: Final = "space of scores"
#: Of the rolls and what is read of them.
VERSION: Final = 1
WINDOWS_AT_ONCE: Final = 128
#: How much of a likeness what was learned decides; the rest, what was counted.
LEARNED_SHARE: Final = 0.5
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
        counts: "Counts | None" = None,
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
        return cls.load(WEIGHTS)

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
            counts = Counts(tensors.pop("counts.mean").numpy(), tensors.pop("counts.map").numpy())
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
        windows = windows_of(cells)
        if not len(windows):
            return None
        return self.pooled(self.likeness(windows))

    def embed_many(self, scores: "list[BoolArray]") -> list[FloatArray | None]:
        """Do as `embed` does, for several scores at once, which is faster for short ones."""
        windows = [windows_of(cells) for cells in scores]
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
        total = unit(vectors).mean(axis=0)
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
        found = [self._likeness(some, notes_of(some)) for some in _portions(windows)]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *found])

    def _likeness(self, windows: BoolArray, notes: RollNotes) -> FloatArray:
        means = self.network.likeness(windows, notes).float().numpy()
        learned = unit(means - self.mean[: means.shape[1]])
        if self.counts is None:
            return learned
        parts = [LEARNED_SHARE**0.5 * learned, (1 - LEARNED_SHARE) ** 0.5 * self.counts.of(notes)]
        return unit(np.concatenate(parts, axis=1))

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
            self.network.decode(z[at : at + WINDOWS_AT_ONCE]).float().sigmoid().numpy()
            for at in range(0, len(z), WINDOWS_AT_ONCE)
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
        return sounding(probabilities, self.thresholds)

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
        self.thresholds = calibrated(self.decode(mean), windows)


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
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
        found = np.concatenate([figures(notes_of(some)) for some in _portions(windows)])
        mean = found.mean(axis=0)
        variance, directions = np.linalg.eigh(np.cov(found.T, ddof=0).astype(np.float64))
        strength = np.maximum(variance[-size:], _LEAST_LENGTH) ** -0.25
        return cls(mean, np.asarray(directions[:, -size:] * strength, np.float32))

    def of(self, notes: RollNotes) -> FloatArray:
        """Return the numbers of windows, shape (n, counted), of length 1."""
        return unit(np.asarray((figures(notes) - self.mean) @ self.map, np.float32))


def unit(vectors: FloatArray) -> FloatArray:
    """Scale vectors, shape (n, dimension), to length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, _LEAST_LENGTH), np.float32)


def _portions(windows: BoolArray) -> "list[BoolArray]":
    return [windows[at : at + WINDOWS_AT_ONCE] for at in range(0, len(windows), WINDOWS_AT_ONCE)]


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
