"""Piano-roll VAE: F1 of reconstructed notes, and MuseGAN's statistics of samples.

    python -m bench.roll_vae_reconstruction --data ../shared/data --work DIR [--figure FILE]

On four bars of songs of the test set: F1 of reconstructed notes (onset and pitch), by instrument,
of the bundled decoder, of that of version 0.1, and of the training window with the nearest latent;
how the durations of notes differ; the statistics of these bars, of their reconstructions and of
samples.
"""

import argparse
import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from bench.result_tables import table, write_table
from bench.score_queries import FEWEST_BARS, starts
from bench.score_retrieval import DROPPED
from recipes.datasets.piano_rolls import Song, songs
from recipes.roll_vae import tracks
from segue.builtin_spaces import ROLL_VAE_WEIGHTS
from segue.evaluation.generated import (
    drum_in_pattern_rate,
    n_pitch_classes_used,
    note_scores,
    qualified_note_rate,
    roll_empty_bar_rate,
    roll_onsets,
    tonal_distance,
)
from segue.records import BoolArray
from segue.score.piano_roll import (
    INSTRUMENTS,
    N_PITCHES,
    STEPS_PER_BAR,
    WINDOW_BARS,
    WINDOW_STEPS,
    drop_notes,
    extract_notes,
    unpack_bars,
)
from segue.score.vae.model import RollModel, sample
from segue.score.vae.training import WindowSampler

#: Windows of a song in the test set, by source.
WINDOWS_PER_SONG = {"multitrack": 8, "pop909": 1, "folk": 2}
#: Most windows of a source.
MAX_WINDOWS = 256
SAMPLES = 128
SEED = 0
#: Training windows among which the nearest latent is looked up.
TRAINING_WINDOWS = 1024
#: Two instruments whose harmony is compared.
PAIRS = ((1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4))

Reconstruct = Callable[[BoolArray], BoolArray]
#: Reconstructed windows by source and method.
Results = dict[tuple[str, str], BoolArray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--figure", type=Path, help="draw windows, reconstructions and samples")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    all_songs = songs(options.data, options.work)
    test_songs = [song for song in all_songs if song.side == "test"]
    music = {source: test_windows(test_songs, source) for source in WINDOWS_PER_SONG}
    model, earlier = RollModel.pretrained(), RollModel.load(ROLL_VAE_WEIGHTS)
    training = WindowSampler(tracks(all_songs, "train"), contrast=False)
    known = training.windows(TRAINING_WINDOWS, np.random.default_rng(SEED))
    methods: dict[str, Reconstruct] = {
        "**now**": lambda cells: reconstructed(model, cells),
        "version 0.1": lambda cells: reconstructed(earlier, cells),
        "nearest training window": nearest_window(model, known),
    }
    results = {
        (source, name): reconstruct(cells)
        for source, cells in music.items()
        for name, reconstruct in methods.items()
    }
    prior_model = copy.copy(model)
    prior_model.sketcher = None
    columns = {
        "music": np.concatenate(list(music.values())),
        "reconstructed": np.concatenate([results[source, "**now**"] for source in music]),
        "sampled": sampled(model),
        "sampled from the prior": sampled(prior_model),
        "sampled, version 0.1": sampled(earlier),
    }
    sections = [
        reconstruction(results, music),
        thinned_input(methods, music),
        durations(results, music),
        statistics(columns),
    ]
    write_table("roll_vae_reconstruction", "Piano-roll VAE: reconstructions and samples", sections)
    if options.figure:
        draw(model, music, columns["sampled"], options.figure)


def test_windows(test_songs: Sequence[Song], source: str) -> BoolArray:
    """Return windows of the songs of a source, shape (n, 4, 48, 84, 5)."""
    rng = np.random.default_rng(SEED)
    windows = []
    for song in test_songs:
        if song.source != source or len(song.bars) < FEWEST_BARS:
            continue
        candidates = starts(song)
        count = min(WINDOWS_PER_SONG[source], len(candidates))
        chosen = rng.choice(candidates, count, replace=False).tolist()
        windows += [song.bars[start : start + WINDOW_BARS] for start in chosen]
    return unpack_bars(np.stack(windows[:MAX_WINDOWS]))


def reconstructed(model: RollModel, cells: BoolArray) -> BoolArray:
    return model.decode_cells(model.encode(cells)[0])


def sampled(model: RollModel) -> BoolArray:
    return np.stack([roll.cells for roll in sample(model, SAMPLES, seed=SEED)])


def nearest_window(model: RollModel, known: BoolArray) -> Reconstruct:
    """Return the training window whose latent is nearest, as a baseline."""
    latents = model.encode(known)[0]

    def reconstruct(cells: BoolArray) -> BoolArray:
        queries = model.encode(cells)[0]
        distance = (latents**2).sum(axis=1) - 2 * queries @ latents.T
        nearest: BoolArray = known[distance.argmin(axis=1)]
        return nearest

    return reconstruct


def reconstruction(results: Results, music: dict[str, BoolArray]) -> str:
    rows = [
        (f"{source} ({len(cells)})", name, *f1_by_instrument(result, cells))
        for source, cells in music.items()
        for (of_source, name), result in results.items()
        if of_source == source
    ]
    return "\n".join(
        [
            "## Reconstruction\n",
            "F1 of notes by exact onset (of 48 steps in a bar) and pitch; of bars of songs in the "
            "test set, decoded from the mean of their latents with thresholds calibrated on the "
            "validation set. The nearest of "
            f"{TRAINING_WINDOWS} training windows is what copying would reach.\n",
            table(("bars of", "decoder", *INSTRUMENTS, "all"), rows),
        ]
    )


def thinned_input(methods: dict[str, Reconstruct], music: dict[str, BoolArray]) -> str:
    rows = []
    for source, cells in music.items():
        thinned = drop_notes(cells, DROPPED, np.random.default_rng(SEED))
        for name in ("**now**", "version 0.1"):
            f1 = f1_by_instrument(methods[name](thinned), cells)[-1]
            rows.append((source, name, f1))
    return "\n".join(
        [
            "Of the same bars with a tenth of the notes dropped, compared with all notes:\n",
            table(("bars of", "decoder", "all"), rows),
        ]
    )


def f1_by_instrument(estimate: BoolArray, reference: BoolArray) -> list[float | str]:
    """Return the F1 of each instrument and of all notes."""
    shape = (len(reference), WINDOW_STEPS, N_PITCHES, len(INSTRUMENTS))
    first, second = estimate.reshape(shape), reference.reshape(shape)
    scores = [note_scores(first[..., i], second[..., i]) for i in range(len(INSTRUMENTS))]
    f1 = [score.f1 if score.reference else "–" for score in scores]
    total = sum(score.estimated + score.reference for score in scores)
    return [*f1, 2 * sum(score.matched for score in scores) / total]


def durations(results: Results, music: dict[str, BoolArray]) -> str:
    rows = []
    for (source, name), result in results.items():
        if name == "nearest training window":
            continue
        errors = duration_errors(result, music[source])
        rows.append((source, name, float((errors == 0).mean()), float((errors <= 1).mean())))
    return "\n".join(
        [
            "## Durations\n",
            "Of the notes that are reconstructed, drums excepted: the share of the same duration, "
            "and of one at most a step (a twelfth of a quarter note) longer or shorter.\n",
            table(("bars of", "decoder", "the same", "within a step"), rows),
        ]
    )


def duration_errors(estimate: BoolArray, reference: BoolArray) -> np.ndarray:
    """Return the differences of duration of matched notes, in steps."""
    lengths = []
    for cells in (estimate, reference):
        notes = extract_notes(cells)
        keys = zip(*(getattr(notes, name).tolist() for name in ("window", "instrument", "step",
                                                                "pitch")), strict=True)  # fmt: skip
        lengths.append(dict(zip(keys, notes.length.tolist(), strict=True)))
    shared = [key for key in lengths[0].keys() & lengths[1].keys() if key[1] > 0]
    return np.array([abs(lengths[0][key] - lengths[1][key]) for key in shared])


def statistics(columns: dict[str, BoolArray]) -> str:
    flat = {
        name: cells.reshape(-1, STEPS_PER_BAR, N_PITCHES, len(INSTRUMENTS))
        for name, cells in columns.items()
    }
    rows: list[tuple[object, ...]] = [
        ("notes in a window",
         *(float(roll_onsets(cells.reshape(len(cells), WINDOW_STEPS, -1)).sum() / len(cells))
           for cells in columns.values())),
    ]  # fmt: skip
    for label, statistic, first in (
        ("empty bars", roll_empty_bar_rate, 0),
        ("used pitch classes", n_pitch_classes_used, 1),
        ("qualified notes", qualified_note_rate, 1),
    ):
        for index, name in list(enumerate(INSTRUMENTS))[first:]:
            values = (statistic(bars[..., index]) for bars in flat.values())
            rows.append((f"{label}, {name}", *values))
    rows.append(
        ("drum strokes on sixteenths", *(drum_in_pattern_rate(b[..., 0]) for b in flat.values()))
    )
    for i, j in PAIRS:
        values = (tonal_distance(bars[..., i], bars[..., j]) for bars in flat.values())
        rows.append((f"tonal distance, {INSTRUMENTS[i]} and {INSTRUMENTS[j]}", *values))
    return "\n".join(
        [
            "## Statistics of MuseGAN\n",
            f"Of {len(columns['music'])} windows of four bars of songs in the test set, of their "
            f"reconstructions, and of {SAMPLES} samples: those of version 0.1 (latents of whole "
            "windows from a normal distribution) encoded and decoded by quarter notes, which is "
            "what `segue sample --sketch` writes; of the autoregressive prior; and of version 0.1. "
            "Definitions: `segue/evaluation/generated.py`; of bars that are not empty where that "
            "is meant.\n",
            table(("statistic", *columns), rows),
        ]
    )


def draw(model: RollModel, music: dict[str, BoolArray], samples: BoolArray, path: Path) -> None:
    """Draw windows, their reconstructions, and samples."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.colors import to_rgb

    colours = [np.array(to_rgb(c)) for c in ("#666666", "#1f77b4", "#2ca02c", "#d62728", "#ff9900")]

    def image(cells: BoolArray) -> np.ndarray:
        flat = cells.reshape(WINDOW_STEPS, N_PITCHES, len(INSTRUMENTS))
        pixels = np.ones((N_PITCHES, WINDOW_STEPS, 3))
        for instrument, colour in enumerate(colours):
            pixels[flat[..., instrument].T] = colour
        return pixels

    windows = np.concatenate([cells[:2] for cells in list(music.values())[:2]])
    again = reconstructed(model, windows)
    figure, axes = plt.subplots(4, 4, figsize=(20, 13), sharex=True, sharey=True)
    for row in range(4):
        parts = (windows[row], again[row], samples[2 * row], samples[2 * row + 1])
        titles = ("music", "reconstructed", "sampled", "sampled")
        for axis, cells, title in zip(axes[row], parts, titles, strict=True):
            axis.imshow(image(cells), origin="lower", aspect="auto", interpolation="nearest")
            axis.set_title(title, fontsize=9)
            for bar in range(1, WINDOW_BARS):
                axis.axvline(bar * STEPS_PER_BAR - 0.5, color="0.85", linewidth=0.5)
    figure.tight_layout()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
