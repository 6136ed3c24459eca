"""Piano-roll VAE: F1 of reconstructed notes, and MuseGAN's statistics of samples.

    python -m bench.roll_vae_reconstruction --data ../shared/data --work DIR [--picture FILE]

On four bars of songs of the test set: notes that are reconstructed (onset and pitch), by
instrument; the statistics of these bars, of their reconstructions and of samples.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from bench.result_tables import table, write_table
from bench.score_queries import FEWEST_BARS, starts
from bench.score_retrieval import DROPPED
from recipes.datasets.piano_rolls import Song, songs
from recipes.roll_vae import tracks
from segue.evaluation.generated import (
    drum_in_pattern_rate,
    n_pitch_classes_used,
    note_scores,
    qualified_note_rate,
    roll_empty_bar_rate,
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
    unpack_bars,
)
from segue.score.vae.model import RollModel, calibrate_thresholds
from segue.score.vae.training import WindowSampler

WINDOWS_OF_EACH = 2
SAMPLES = 512
SEED = 0
CALIBRATING = 1024  # windows of songs that validate
#: Two instruments whose harmony is compared.
PAIRS = ((1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--picture", type=Path, help="draw some windows, and what came of them")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = RollModel.pretrained()
    found = songs(options.data, options.work)
    held = [song for song in found if song.side == "test"]
    kinds = {
        "multitrack": windows(held, "multitrack", 8),
        "POP909": windows(held, "pop909", 1),
        "folk tunes": windows(held, "folk", WINDOWS_OF_EACH),
    }
    together = np.concatenate(list(kinds.values()))
    drawn = model.to_cells(model.decode(model.sample(SAMPLES, SEED)))
    classic = RollModel.load(options.work / "classic")
    judged = WindowSampler(tracks(found, "validation"), contrast=False)
    some = judged.windows(CALIBRATING, np.random.default_rng(SEED))
    classic.thresholds = calibrate_thresholds(classic.decode(classic.encode(some)[0]), some)
    models = {"**default**": model, "classic": classic}
    sections = [found_again(models, kinds), statistics(model, together, drawn)]
    write_table("roll_vae_reconstruction", "Piano-roll VAE: reconstructions and samples", sections)
    if options.picture:
        draw(model, kinds, drawn, options.picture)


def windows(held: Sequence[Song], source: str, of_each: int) -> BoolArray:
    rng = np.random.default_rng(SEED)
    chosen = []
    for song in held:
        if song.source != source or len(song.bars) < FEWEST_BARS:
            continue
        at = starts(song)
        some = rng.choice(at, min(of_each, len(at)), replace=False).tolist()
        chosen += [song.bars[start : start + WINDOW_BARS] for start in some]
    return unpack_bars(np.stack(chosen))


def reconstructed(model: RollModel, cells: BoolArray) -> BoolArray:
    return model.to_cells(model.decode(model.encode(cells)[0]))


def found_again(models: dict[str, RollModel], kinds: dict[str, BoolArray]) -> str:
    body = []
    for kind, cells in kinds.items():
        thin = drop_notes(cells, DROPPED, np.random.default_rng(SEED))
        given = {"": cells, ", 10 % of the notes dropped": thin}
        for said, some in given.items():
            for name, model in models.items():
                again = reconstructed(model, some)
                body.append((f"{kind}{said} ({len(cells)})", name, *f1_of_each(again, cells)))
    return "\n".join(
        [
            "## Reconstruction\n",
            "F1 of notes by exact onset (of 48 steps in a bar) and pitch; of bars of held-out "
            "songs, decoded from the mean of their latents with the calibrated thresholds. The "
            "classic one, of two convolutions, is that of `score_retrieval.py`.\n",
            table(("bars of", "network", *INSTRUMENTS, "all"), body),
        ]
    )


def f1_of_each(estimate: BoolArray, reference: BoolArray) -> list[float | str]:
    shape = (len(reference), WINDOW_STEPS, N_PITCHES, len(INSTRUMENTS))
    one, other = estimate.reshape(shape), reference.reshape(shape)
    each = [note_scores(one[..., i], other[..., i]) for i in range(len(INSTRUMENTS))]
    found = [score.f1 if score.reference else "–" for score in each]
    total = sum(score.estimated + score.reference for score in each)
    return [*found, 2 * sum(score.matched for score in each) / total]


def statistics(model: RollModel, music: BoolArray, drawn: BoolArray) -> str:
    columns = {
        "music": music,
        "reconstructed": reconstructed(model, music),
        "sampled": drawn,
    }
    flat = {
        name: cells.reshape(-1, STEPS_PER_BAR, N_PITCHES, len(INSTRUMENTS))
        for name, cells in columns.items()
    }
    rows: list[tuple[object, ...]] = []
    for number, name in enumerate(INSTRUMENTS):
        rows.append(
            (
                f"empty bars, {name}",
                *(roll_empty_bar_rate(bars[..., number]) for bars in flat.values()),
            )
        )
    for number, name in enumerate(INSTRUMENTS[1:], start=1):
        rows.append(
            (
                f"used pitch classes, {name}",
                *(n_pitch_classes_used(bars[..., number]) for bars in flat.values()),
            )
        )
    for number, name in enumerate(INSTRUMENTS[1:], start=1):
        rows.append(
            (
                f"qualified notes, {name}",
                *(qualified_note_rate(bars[..., number]) for bars in flat.values()),
            )
        )
    rows.append(
        (
            "drum strokes on sixteenths",
            *(drum_in_pattern_rate(bars[..., 0]) for bars in flat.values()),
        )
    )
    for one, other in PAIRS:
        rows.append(
            (
                f"tonal distance, {INSTRUMENTS[one]} and {INSTRUMENTS[other]}",
                *(tonal_distance(bars[..., one], bars[..., other]) for bars in flat.values()),
            )
        )
    return "\n".join(
        [
            "## Statistics of MuseGAN\n",
            f"Of {len(music)} windows of four bars of held-out songs, of their reconstructions, "
            f"and of {len(drawn)} samples from a normal distribution with the mean and covariance "
            "of the latents of music. Definitions: `segue/evaluation/generated.py`; of bars that "
            "are not "
            "empty where that is meant.\n",
            table(("statistic", *columns), rows),
        ]
    )


def draw(model: RollModel, kinds: dict[str, BoolArray], drawn: BoolArray, picture: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.colors import to_rgb

    colours = [np.array(to_rgb(c)) for c in ("#666666", "#1f77b4", "#2ca02c", "#d62728", "#ff9900")]

    def image(cells: BoolArray) -> np.ndarray:
        flat = cells.reshape(WINDOW_STEPS, N_PITCHES, len(INSTRUMENTS))
        shown = np.ones((N_PITCHES, WINDOW_STEPS, 3))
        for number, colour in enumerate(colours):
            shown[flat[..., number].T] = colour
        return shown

    figure, axes = plt.subplots(4, 3, figsize=(15, 11), sharex=True, sharey=True)
    rows = [cells[[0, 1]] for cells in list(kinds.values())[:2]]
    shown = np.concatenate(rows)
    for row, cells in enumerate(shown):
        again = reconstructed(model, cells[None])[0]
        for axis, part, name in zip(
            axes[row],
            (cells, again, drawn[row]),
            ("music", "reconstructed", "sampled"),
            strict=True,
        ):
            axis.imshow(image(part), origin="lower", aspect="auto", interpolation="nearest")
            axis.set_title(name, fontsize=9)
            for bar in range(1, WINDOW_BARS):
                axis.axvline(bar * STEPS_PER_BAR - 0.5, color="0.85", linewidth=0.5)
    figure.tight_layout()
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    main()
