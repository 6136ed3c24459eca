"""A trained piano-roll VAE: embedding, encoding, decoding and sampling of windows of four bars.

The embedding of a window joins the mean of its latent with a projection of its pattern histograms:
counts of short rhythmic and melodic patterns, which are invariant to key. Windows are sampled from
an autoregressive prior of the latents of quarter notes. Onsets above a threshold become notes of
the predicted duration; the cells of networks without onsets become notes by hysteresis
thresholding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.builtin_spaces import REPRESENTATION_VERSION, ROLL_VAE_WEIGHTS, WEIGHTS
from segue.errors import BadArgument, check_seed
from segue.nn.checkpoint import MODEL, Checkpoint, SavedModel, load_model, save_model
from segue.records import BoolArray, FloatArray, Score, Space
from segue.score.features import time_signature_text
from segue.score.piano_roll import (
    INSTRUMENTS,
    N_PITCHES,
    STEPS_PER_BAR,
    STEPS_PER_QUARTER,
    WINDOW_BARS,
    WINDOW_SHAPE,
    WINDOW_STEPS,
    PianoRoll,
    RollNotes,
    check_windows,
    extract_notes,
    split_windows,
)
from segue.score.vae.frames import LatentPrior, calibrate_onset_thresholds
from segue.score.vae.network import RollVAE, RollVAEConfig

#: A note continues while its probability is above this fraction of its instrument's threshold.
#: Among 0.5 to 1, this and 0.7 gave the best F1 of piano notes on the validation set (0.176; 0.169
#: at 1, where notes break up).
RELEASE_FACTOR: Final = 0.8
_BISECTIONS: Final = 14


def hysteresis_threshold(probabilities: FloatArray, thresholds: FloatArray) -> BoolArray:
    """Convert probabilities to cells with a threshold for onsets and a lower one to continue.

    Parameters
    ----------
    probabilities : ndarray, shape (n, bars, 48, 84, instruments) or (n, bars, 48, 84), float32
        Windows; a note may continue from one bar of a window into the next.
    thresholds : ndarray, shape (instruments,) or (), float32
        Probability at which a note begins.

    Returns
    -------
    ndarray, same shape, bool
    """
    n, bars, steps, *rest = probabilities.shape
    flat = probabilities.reshape(n, bars * steps, *rest)
    begins, continues = flat >= thresholds, flat >= RELEASE_FACTOR * thresholds
    cells = np.empty_like(begins)
    active = np.zeros_like(begins[:, 0])
    for step in range(bars * steps):
        active = begins[:, step] | (active & continues[:, step])
        cells[:, step] = active
    return cells.reshape(probabilities.shape)


def calibrate_thresholds(probabilities: FloatArray, cells: BoolArray) -> FloatArray:
    """Return the threshold of each instrument that gives as many notes as the reference.

    Parameters
    ----------
    probabilities : ndarray, shape (n, bars, 48, 84, 5), float32
    cells : ndarray, shape (n, bars, 48, 84, 5), bool
        Reference.

    Returns
    -------
    ndarray, shape (5,), float32
        0.5 for an instrument without notes.
    """
    thresholds = np.full(len(INSTRUMENTS), 0.5, np.float32)
    for instrument in range(len(INSTRUMENTS)):
        target = _count_onsets(cells[..., instrument])
        if not target:
            continue
        low, high = 0.0, 1.0
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            threshold = np.array(middle, np.float32)
            estimate = hysteresis_threshold(probabilities[..., instrument], threshold)
            if _count_onsets(estimate) > target:
                low = middle
            else:
                high = middle
        thresholds[instrument] = high
    return thresholds


def _count_onsets(cells: BoolArray) -> int:
    """Count the notes of one instrument in windows, shape (n, bars, 48, 84)."""
    n, bars, steps, pitches = cells.shape
    flat = cells.reshape(n, bars * steps, pitches)
    before: NDArray[np.bool_] = np.pad(flat, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return int(np.count_nonzero(flat & ~before))


# --- pattern histograms ---

_SIXTEENTHS: Final = 16
_OCTAVE: Final = 12
_INTERVALS: Final = 2 * _OCTAVE + 1  # clipped to an octave
#: Edges of the duration classes, in steps.
_DURATION_EDGES: Final = np.array([2, 3, 4, 6, 8, 9, 12, 18, 24, 36, 48])
_DURATIONS: Final = len(_DURATION_EDGES) + 1
_QUARTERS: Final = 4
_HEIGHTS: Final = 48
#: Bins of the five histograms: position in the bar with the interval from the note before, or from
#: the one before that; position and duration; duration and interval; beat and height above the
#: lowest note of the beat.
HISTOGRAM_SIZES: Final = (
    _SIXTEENTHS * _INTERVALS,
    _SIXTEENTHS * _INTERVALS,
    _SIXTEENTHS * _DURATIONS,
    _DURATIONS * _INTERVALS,
    _QUARTERS * _HEIGHTS,
)


def pattern_histograms(notes: RollNotes) -> FloatArray:
    """Return the histograms of rhythmic and melodic patterns of windows of four bars.

    Counts are kept as square roots, so that rare and common patterns have similar weight, and each
    histogram has unit length.

    Parameters
    ----------
    notes : RollNotes
        Sorted.

    Returns
    -------
    ndarray, shape (windows, sum(HISTOGRAM_SIZES)), float32
        All zero for a window with nothing but drums.
    """
    notes = notes.select(notes.instrument > 0)
    position = notes.step % STEPS_PER_BAR * _SIXTEENTHS // STEPS_PER_BAR
    duration = np.searchsorted(_DURATION_EDGES, notes.length, side="right")
    second, interval = _intervals(notes, 1)
    third, wider = _intervals(notes, 2)
    beat = notes.step % STEPS_PER_BAR // STEPS_PER_QUARTER
    patterns = (
        (notes.window[second], position[second] * _INTERVALS + interval),
        (notes.window[third], position[third] * _INTERVALS + wider),
        (notes.window, position * _DURATIONS + duration),
        (notes.window[second], duration[second] * _INTERVALS + interval),
        (notes.window, beat * _HEIGHTS + _heights(notes)),
    )
    return np.concatenate(
        [
            _histogram(window, pattern, notes.windows, size)
            for (window, pattern), size in zip(patterns, HISTOGRAM_SIZES, strict=True)
        ],
        axis=1,
    )


def _intervals(notes: RollNotes, lag: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the notes with a note `lag` before them in their part, and the interval from it."""
    same = notes.window[lag:] == notes.window[:-lag]
    same &= notes.instrument[lag:] == notes.instrument[:-lag]
    index = np.flatnonzero(same) + lag
    interval = notes.pitch[index] - notes.pitch[index - lag]
    return index, interval.clip(-_OCTAVE, _OCTAVE) + _OCTAVE


def _heights(notes: RollNotes) -> NDArray[np.int64]:
    """Return the interval of each note above the lowest onset of its beat."""
    beat = (notes.window * WINDOW_STEPS + notes.step) // STEPS_PER_QUARTER
    lowest = np.full(notes.windows * WINDOW_STEPS // STEPS_PER_QUARTER, N_PITCHES)
    np.minimum.at(lowest, beat, notes.pitch)
    return np.asarray((notes.pitch - lowest[beat]).clip(0, _HEIGHTS - 1))


def _histogram(
    window: NDArray[np.int64], pattern: NDArray[np.int64], windows: int, size: int
) -> FloatArray:
    counts = np.bincount(window * size + pattern, minlength=windows * size)
    roots = np.sqrt(counts.reshape(windows, size))
    norm = np.linalg.norm(roots, axis=1, keepdims=True)
    return np.asarray(roots / np.maximum(norm, 1), np.float32)


# --- the model ---

KIND: Final = "space of scores"
DECODER_KIND: Final = "decoder of scores"
#: The autoencoder of quarter notes of the bundled model.
ROLL_DECODER_WEIGHTS: Final = WEIGHTS / "roll-decoder.safetensors"
#: Version of the piano roll and the pattern histograms.
VERSION: Final = 1
BATCH_SIZE: Final = 128
#: Weight of the latent in a cosine similarity; the rest is that of the pattern histograms.
LATENT_WEIGHT: Final = 0.5
_EPSILON: Final = 1e-6


class RollModel(SavedModel):
    """A trained VAE with its thresholds and the Gaussian of its latents.

    Parameters
    ----------
    network : RollVAE
    thresholds : ndarray, shape (5,), float32
        Onset threshold of each instrument.
    mean : ndarray, shape (latent,), float32
        Mean of the latents of the calibration windows.
    prior : LatentPrior or ndarray, shape (latent, latent), float32
        What latents are sampled from: the prior of quarter notes, or for a network without their
        latents a normal distribution, given as the lower Cholesky factor of its covariance.
    metadata : mapping
        How the model was trained: a JSON object.
    projection : PatternProjection, optional
        Projection of the pattern histograms, if the configuration has `counted` dimensions.
    fingerprint : str
        Hash of the checkpoint.
    """

    kind: ClassVar = KIND
    version: ClassVar = VERSION
    bundled: ClassVar = ROLL_VAE_WEIGHTS

    def __init__(
        self,
        network: RollVAE,
        thresholds: FloatArray,
        mean: FloatArray,
        prior: LatentPrior | FloatArray,
        metadata: Mapping[str, Any],
        projection: "PatternProjection | None" = None,
        fingerprint: str = "",
    ) -> None:
        self.network = network.eval()
        self.thresholds, self.mean, self.prior = thresholds, mean, prior
        self.metadata = dict(metadata)
        self.projection = projection
        self.fingerprint = fingerprint
        #: Model of whole windows, whose samples this one encodes and decodes again.
        self.sketcher: RollModel | None = None

    @property
    def config(self) -> RollVAEConfig:
        """Configuration of the network."""
        return self.network.config

    @property
    def dimension(self) -> int:
        """Dimension of the embedding."""
        return self.config.dimension

    def space(self, name: str) -> Space:
        """Describe the space of the embeddings."""
        return Space(
            name, "score", self.dimension, "cosine", self.fingerprint, REPRESENTATION_VERSION
        )

    @classmethod
    @cache
    def pretrained(cls) -> Self:
        """Load the model that comes with Segue; it is cached.

        Its space is that of version 0.1, and so is the file of the encoder; the autoencoder of
        quarter notes is a file of its own.
        """
        model = super().pretrained()
        decoder = load_model(ROLL_DECODER_WEIGHTS, DECODER_KIND, VERSION, cls._build)
        encoder = model.network.encoder.state_dict()
        expected = decoder.network.encoder.state_dict().keys()
        decoder.network.encoder.load_state_dict({name: encoder[name] for name in expected})
        invariant = decoder.config.invariant
        decoder.mean[:invariant] = model.mean[:invariant]
        decoder.projection, decoder.fingerprint = model.projection, model.fingerprint
        decoder.sketcher = model
        return decoder

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a model, given as a file or as the folder of a training run.

        Raises
        ------
        BadCheckpoint
            The file is missing, damaged, inconsistent, of another version, or of another kind.
        """
        return super().load(path / MODEL if path.is_dir() else path)

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        config, tensors = RollVAEConfig(**checkpoint.metadata["config"]), dict(checkpoint.tensors)
        thresholds, mean = (tensors.pop(name).numpy() for name in ("thresholds", "mean"))
        prior: LatentPrior | FloatArray
        if config.frame_latent:
            prior = LatentPrior(config.frame_latent)
            prior.load_state_dict(_take(tensors, "prior."))
            prior.eval()
        else:
            prior = tensors.pop("spread").numpy()
        projection = None
        if "counts.mean" in tensors:
            projection = PatternProjection(
                tensors.pop("counts.mean").numpy(), tensors.pop("counts.map").numpy()
            )
        network = RollVAE(config)
        # The file of the bundled decoder has no encoder of notes.
        is_complete = checkpoint.kind == KIND
        network.load_state_dict(_take(tensors, "network."), strict=is_complete)
        metadata = checkpoint.metadata["about"]
        return cls(network, thresholds, mean, prior, metadata, projection, checkpoint.fingerprint)

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Save the model as one file, and set its fingerprint.

        Parameters
        ----------
        path : Path
            Path of the checkpoint.
        dtype : dtype
            Type of the saved weights; `torch.float16` halves the file.
        """
        self.fingerprint = self._save(path, KIND, dtype, self.network.state_dict())

    def save_decoder(self, path: Path, dtype: torch.dtype = torch.float16) -> None:
        """Save the autoencoder of quarter notes alone, as in `ROLL_DECODER_WEIGHTS`."""
        weights = {
            name: tensor
            for name, tensor in self.network.state_dict().items()
            if not name.startswith("encoder.")
        }
        self._save(path, DECODER_KIND, dtype, weights)

    def _save(
        self, path: Path, kind: str, dtype: torch.dtype, weights: Mapping[str, Tensor]
    ) -> str:
        tensors = {f"network.{name}": tensor for name, tensor in weights.items()}
        tensors |= {
            "thresholds": torch.from_numpy(self.thresholds),
            "mean": torch.from_numpy(self.mean),
        }
        if isinstance(self.prior, LatentPrior):
            tensors |= {f"prior.{name}": tensor for name, tensor in self.prior.state_dict().items()}
        else:
            tensors["spread"] = torch.from_numpy(self.prior)
        if self.projection is not None and kind == KIND:
            tensors["counts.mean"] = torch.from_numpy(self.projection.mean)
            tensors["counts.map"] = torch.from_numpy(self.projection.matrix)
        metadata = {"config": asdict(self.config), "about": self.metadata}
        return save_model(path, kind, VERSION, metadata, tensors, dtype)

    def embed(self, cells: BoolArray) -> FloatArray | None:
        """Embed a score.

        Parameters
        ----------
        cells : ndarray, shape (bars, 48, 84, 5), bool
            Piano roll of a whole score.

        Returns
        -------
        ndarray, shape (dimension,), float32, or None
            Unit vector: the mean of the embeddings of its windows. None for a silent score.
        """
        windows = split_windows(cells)
        if not len(windows):
            return None
        mean = l2_normalise(self.embed_windows(windows)).mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), _EPSILON), np.float32)

    @torch.inference_mode()
    def embed_windows(self, windows: BoolArray) -> FloatArray:
        """Embed windows for comparison by cosine similarity.

        Parameters
        ----------
        windows : ndarray, shape (n, 4, 48, 84, 5), bool

        Returns
        -------
        ndarray, shape (n, dimension), float32
            Unit vectors: the centred means of the latents joined with the projected pattern
            histograms, so that a cosine is the weighted mean of the cosines of both.
        """
        check_windows(windows)
        batches = [self._embed_batch(batch, extract_notes(batch)) for batch in _batches(windows)]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *batches])

    def _embed_batch(self, windows: BoolArray, notes: RollNotes) -> FloatArray:
        means = self.network.embed(windows, notes).float().numpy()
        latents = l2_normalise(means - self.mean[: means.shape[1]])
        if self.projection is None:
            return latents
        patterns = self.projection(notes)
        parts = [LATENT_WEIGHT**0.5 * latents, (1 - LATENT_WEIGHT) ** 0.5 * patterns]
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
        latents = [self.network.encode(batch) for batch in _batches(windows)]
        empty = np.empty((0, self.config.latent), np.float32)
        mean = np.concatenate([empty, *(batch.mean.numpy() for batch in latents)])
        return mean, np.concatenate([empty, *(batch.log_variance.numpy() for batch in latents)])

    @torch.inference_mode()
    def decode(self, latents: FloatArray) -> FloatArray:
        """Return probabilities of latents: of an onset in each cell, or else of its sounding.

        Parameters
        ----------
        latents : ndarray, shape (n, latent), float32

        Returns
        -------
        ndarray, shape (n, 4, 48, 84, 5), float32

        Raises
        ------
        BadArgument
            The shape is wrong.
        """
        decoded = [self.network.decode(z).float().sigmoid().numpy() for z in self._batched(latents)]
        return np.concatenate([np.empty((0, *WINDOW_SHAPE), np.float32), *decoded])

    @torch.inference_mode()
    def decode_cells(self, latents: FloatArray) -> BoolArray:
        """Decode latents to windows, shape (n, 4, 48, 84, 5), bool.

        Raises
        ------
        BadArgument
            The shape is wrong.
        """
        if not self.config.frame_latent:
            return hysteresis_threshold(self.decode(latents), self.thresholds)
        decoded = [self.network.decode_notes(z, self.thresholds) for z in self._batched(latents)]
        return np.concatenate([np.empty((0, *WINDOW_SHAPE), np.bool_), *decoded])

    def _batched(self, latents: FloatArray) -> "list[Tensor]":
        if latents.ndim != 2 or latents.shape[1] != self.config.latent:
            raise BadArgument(
                f"expected latents of shape (n, {self.config.latent}), got {latents.shape}"
            )
        z = torch.from_numpy(np.asarray(latents, np.float32))
        return [z[start : start + BATCH_SIZE] for start in range(0, len(z), BATCH_SIZE)]

    def sample(self, count: int, seed: int) -> FloatArray:
        """Sample latents from the prior, or those of a sketcher's samples.

        A latent of a whole window is coherent and coarse: encoded and decoded by quarter notes, its
        samples have the rhythms and durations of music.

        Parameters
        ----------
        count : int
            Number of latents.
        seed : int

        Returns
        -------
        ndarray, shape (count, latent), float32
            The invariant part, which is not decoded, of a sample from the prior is its mean.
        """
        if self.sketcher is not None:
            return self.encode(self.sketcher.decode_cells(self.sketcher.sample(count, seed)))[0]
        if isinstance(self.prior, LatentPrior):
            invariant = np.tile(self.mean[: self.config.invariant], (count, 1))
            return np.concatenate([invariant, self.prior.sample(count, seed).numpy()], axis=1)
        normal = np.random.default_rng(seed).standard_normal((count, self.config.latent))
        return np.asarray(self.mean + normal.astype(np.float32) @ self.prior.T, np.float32)

    def calibrate(self, windows: BoolArray) -> None:
        """Fit the thresholds, and the mean of the latents, to validation windows.

        The normal distribution of a network without latents of quarter notes is fitted, too.

        Parameters
        ----------
        windows : ndarray, shape (n, 4, 48, 84, 5), bool
        """
        mean, log_variance = self.encode(windows)
        self.mean = mean.mean(axis=0)
        probabilities = self.decode(mean)
        if self.config.frame_latent:
            self.thresholds = calibrate_onset_thresholds(probabilities, extract_notes(windows))
            return
        covariance = np.cov(mean.T, ddof=0) + np.diag(np.exp(log_variance).mean(axis=0))
        self.prior = np.linalg.cholesky(covariance).astype(np.float32)
        self.thresholds = calibrate_thresholds(probabilities, windows)


@dataclass(frozen=True, slots=True, eq=False)
class PatternProjection:
    """Linear projection of pattern histograms: PCA with partial whitening.

    Attributes
    ----------
    mean : ndarray, shape (sum(HISTOGRAM_SIZES),), float32
    matrix : ndarray, shape (sum(HISTOGRAM_SIZES), counted), float32
    """

    mean: FloatArray
    matrix: FloatArray

    @classmethod
    def fit(cls, windows: BoolArray, size: int) -> Self:
        """Fit the principal components, each divided by the square root of its deviation."""
        histograms = np.concatenate(
            [pattern_histograms(extract_notes(batch)) for batch in _batches(windows)]
        )
        mean = histograms.mean(axis=0)
        variance, components = np.linalg.eigh(np.cov(histograms.T, ddof=0).astype(np.float64))
        scale = np.maximum(variance[-size:], _EPSILON) ** -0.25
        return cls(mean, np.asarray(components[:, -size:] * scale, np.float32))

    def __call__(self, notes: RollNotes) -> FloatArray:
        """Return unit vectors of windows, shape (n, counted)."""
        centred = pattern_histograms(notes) - self.mean
        return l2_normalise(np.asarray(centred @ self.matrix, np.float32))


def l2_normalise(vectors: FloatArray) -> FloatArray:
    """Scale vectors, shape (n, dimension), to unit length."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, _EPSILON), np.float32)


def _take(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Take the tensors whose names have a prefix, without it."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _batches(windows: BoolArray) -> "list[BoolArray]":
    return [windows[start : start + BATCH_SIZE] for start in range(0, len(windows), BATCH_SIZE)]


# --- music ---

MAX_ROLLS: Final = 1000
_DEFAULT_BPM: Final = 120.0
_MAX_DRAWS: Final = 20
_SEED_STRIDE: Final = 1 << 32  # greater than any seed of a user


def sample(model: RollModel, n: int = 4, *, seed: int = 0) -> list[PianoRoll]:
    """Sample latents and decode each to four bars.

    A sample with a silent bar is drawn again, up to 20 times.
    """
    check_seed(seed)
    if not 1 <= n <= MAX_ROLLS:
        raise BadArgument(f"{n} samples; from 1 to {MAX_ROLLS} can be made")
    samples = _decode(model, model.sample(n, seed))
    for draw in range(1, _MAX_DRAWS):
        sounding_share = samples.any(axis=(2, 3, 4)).mean(axis=1)
        rejected = np.flatnonzero(sounding_share < 1)
        if not len(rejected):
            break
        redrawn = _decode(model, model.sample(n, seed + draw * _SEED_STRIDE))
        samples[rejected] = redrawn[rejected]
    return [PianoRoll(cells, _DEFAULT_BPM) for cells in samples]


def interpolate(model: RollModel, first: Score, last: Score, steps: int = 8) -> list[PianoRoll]:
    """Interpolate linearly between the latents of two scores.

    Parameters
    ----------
    model : RollModel
    first, last : Score
        Each is represented by its four bars nearest to the mean of its latents.
    steps : int
        Number of rolls, at least 2; the first and the last are reconstructions of the scores.

    Returns
    -------
    list of PianoRoll
        Tempos are interpolated geometrically. The first and the last roll have the number of bars
        of their scores that were skipped.

    Raises
    ------
    BadArgument
        A score has no note in a bar of 4/4.
    """
    if not 2 <= steps <= MAX_ROLLS:
        raise BadArgument(f"{steps} steps; from 2 to {MAX_ROLLS} can be made")
    rolls = [to_piano_roll(score) for score in (first, last)]
    start, end = (_central_latent(model, roll.cells) for roll in rolls)
    latents = np.stack([(1 - t) * start + t * end for t in np.linspace(0, 1, steps)])
    tempos = np.geomspace(rolls[0].tempo_bpm, rolls[1].tempo_bpm, steps)
    skipped = [rolls[0].skipped_bars, *[0] * (steps - 2), rolls[1].skipped_bars]
    decoded = _decode(model, np.asarray(latents, np.float32))
    return [PianoRoll(*fields) for fields in zip(decoded, tempos.tolist(), skipped, strict=True)]


def reconstruct(model: RollModel, score: Score) -> tuple[PianoRoll, PianoRoll]:
    """Encode and decode a score.

    Returns
    -------
    roll, reconstruction : PianoRoll
        Both of the same number of bars.

    Raises
    ------
    BadArgument
        The score has no note in a bar of 4/4.
    """
    roll = to_piano_roll(score)
    mean, _ = model.encode(padded_windows(roll.cells))
    cells = _decode(model, mean).reshape(-1, *roll.cells.shape[1:])[: len(roll.cells)]
    return roll, PianoRoll(cells, roll.tempo_bpm)


def to_piano_roll(score: Score) -> PianoRoll:
    """Return the piano roll of a score.

    Raises
    ------
    BadArgument
        The score has no note in a bar of 4/4.
    """
    roll = PianoRoll.from_score(score)
    if not roll.cells.any():
        named = f"{score.title!r}" if score.title else "the score"
        raise BadArgument(
            f"{named} is in {time_signature_text(score)}, without a note in a bar of 4/4: "
            "spaces of piano rolls know no other metre. `segue like --space score-features` "
            "compares in any, and "
            "`segue compose` goes on in any"
        )
    return roll


def padded_windows(cells: BoolArray) -> BoolArray:
    """Split a roll into successive windows of four bars, the last padded with silence.

    Returns
    -------
    ndarray, shape (windows, 4, 48, 84, 5), bool

    Raises
    ------
    BadArgument
        There is no note.
    """
    if not cells.any():
        raise BadArgument("the score has no note in a bar of 4/4, and piano rolls know no other")
    padded = np.pad(cells, ((0, -len(cells) % WINDOW_BARS), (0, 0), (0, 0), (0, 0)))
    return padded.reshape(-1, WINDOW_BARS, *cells.shape[1:])


def concatenate(rolls: Sequence[PianoRoll]) -> PianoRoll:
    """Concatenate rolls in time, at the tempo of the first."""
    return PianoRoll(np.concatenate([roll.cells for roll in rolls]), rolls[0].tempo_bpm)


def _central_latent(model: RollModel, cells: BoolArray) -> FloatArray:
    """Return the latent of the window that is nearest to the mean of all."""
    windows = padded_windows(cells)
    means, _ = model.encode(windows[windows.any(axis=(1, 2, 3, 4))])
    nearest = np.linalg.norm(means - means.mean(axis=0), axis=1).argmin()
    return np.asarray(means[nearest], np.float32)


def _decode(model: RollModel, latents: FloatArray) -> BoolArray:
    return model.decode_cells(latents)
