"""Autoencoders and contrastive networks of recordings: reconstruction error and retrieval.

    python -m bench.learned_spaces --data ../shared/data --cache DIR --work DIR [--minutes 2]

Five-fold cross-validation: packages are divided by int(sha256(name), 16) % 5, and figures are means
over the folds. Every network is trained for the same minutes on one thread in each fold, two at a
time, and kept in --work: an interrupted run is continued. `--cache` is that of
bench/sound_space.py, which fills it. Settings were not tuned on these figures, except where a row
says so.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from bench import sound_space
from bench.clip_folds import FOLDS, divided, folds, images
from bench.result_tables import table, write_table
from recipes.datasets import game_music
from recipes.sound import fit_projection
from recipes.sound_projection import SoundSpaceConfig
from segue.audio.contrastive import ContrastiveConfig, build
from segue.audio.contrastive_training import (
    apply_wccn,
    default_training,
    from_activations,
)
from segue.audio.embedding import Head
from segue.audio.spectrogram import ByteArray
from segue.audio.training import (
    SoundTraining,
    evenly_spaced_tiles,
    image_kind,
    standardise_space,
    tiles_of,
    to_tensor,
    train_network,
)
from segue.evaluation.retrieval import (
    RetrievalMetrics,
    bootstrap_difference,
    bootstrap_interval,
    evaluate_retrieval,
)
from segue.records import FloatArray

PRESETS = ("conv", "plain-2d", "dual-axis", "default", "contrastive")
#: Columns of the production numbers.
PRODUCTION = {"loudness": 0, "bandwidth": 3, "noise floor": 4}
HEAD_STEPS = 40
HEAD_RATE = 3e-3
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors of all clips in a space, one array per fold, trained on the other folds."""

    name: str
    by_fold: tuple[FloatArray, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"))
    parser.add_argument("--work", type=Path, default=Path(".bench-cache/learned"))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--train", nargs=2, metavar=("PRESET", "FOLD"), help="one run alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    audio = options.data / "audio"
    clips = game_music.read_clips(audio / "tracks.csv")
    options.work.mkdir(parents=True, exist_ok=True)
    if options.train:
        preset, fold = options.train
        learn_one(options.work, audio, clips, preset, int(fold), options.minutes)
        return
    for name in ("mel128", "mel512"):
        images(options.work, audio, clips, name)
    learn_all(options)
    versions = {
        name: game_music.cached(options.cache, audio, clips, name)
        for name in ("clean", *game_music.COPIES)
    }
    spaces = all_spaces(options.work, clips, versions)
    write_table(
        "learned_spaces",
        "Learned spaces of recordings",
        [
            errors(options.work, clips, options.minutes),
            qualities(spaces, clips),
            confusions(spaces, clips, versions["clean"].production),
        ],
    )


# ---- learning ----------------------------------------------------------------------------


def learn_all(options: argparse.Namespace) -> None:
    """Train the spaces that are missing, each in a process of its own."""
    waiting = [
        (preset, fold)
        for fold in range(FOLDS)
        for preset in PRESETS
        if not (options.work / f"{preset}-{fold}.npz").exists()
    ]

    def learn(run: tuple[str, int]) -> None:
        print(*run, flush=True)
        subprocess.run(
            [
                sys.executable, "-m", __spec__.name, "--data", options.data, "--work", options.work,
                "--minutes", str(options.minutes), "--train", run[0], str(run[1]),
            ],
            check=True,
        )  # fmt: skip

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(learn, waiting))


def learn_one(
    work: Path, audio: Path, clips: game_music.Clips, preset: str, fold: int, minutes: float
) -> None:
    training = SoundTraining(preset=preset, minutes=minutes, device="cpu")  # type: ignore[arg-type]
    images_ = images(work, audio, clips, image_kind(training))
    test = folds(clips) == fold
    train, validate = divided(clips, fold)
    read = lambda name: images_[int(name)]  # noqa: E731
    config, network, trained = train_network(
        training, train, validate, read, work / f"run-{preset}-{fold}"
    )
    # A quarter of the clips is enough to standardise by.
    sound = standardise_space(config, network, train[::4], read, {})
    vectors = np.zeros((len(images_), len(sound.mean)), np.float32)
    for number in np.flatnonzero(test).tolist():
        vectors[number] = sound.vectors([tiles_of(sound.config, images_[number])], [0.0])[0]
    last = trained.history[-1]
    np.savez(
        work / f"{preset}-{fold}.npz",
        vectors=vectors,
        training=trained.best.loss,
        validation=trained.best.validation_loss,
        # The loss of the others is it already.
        square=square_error(sound.network, images_, test) if preset == "conv" else np.nan,
        epochs=last.epoch,
        seconds=last.seconds,
    )


@torch.inference_mode()
def square_error(network: torch.nn.Module, images_: Sequence[ByteArray], test: np.ndarray) -> float:
    """Mean squared error of `conv` over clips held out, every fourth of them."""
    sums, count = 0.0, 0
    for image in [image_ for image_, in_test in zip(images_, test, strict=True) if in_test][::4]:
        x = to_tensor(evenly_spaced_tiles(image, image.shape[2] // 8 * 8, 1))
        sums += float(((network(x).float() - x) ** 2).mean())
        count += 1
    return sums / count


# ---- the spaces --------------------------------------------------------------------------


def all_spaces(
    work: Path, clips: game_music.Clips, versions: dict[str, game_music.Version]
) -> list[Space]:
    fold_of = folds(clips)
    clean = versions["clean"]
    heads = [fit_projection(versions, SoundSpaceConfig(), fold_of != k) for k in range(FOLDS)]
    sound = Space("**`sound`**", tuple(sound_space.project(head, clean) for head in heads))
    learned = {
        preset: Space(
            f"`{preset}`",
            tuple(np.load(work / f"{preset}-{k}.npz")["vectors"] for k in range(FOLDS)),
        )
        for preset in PRESETS
    }
    pooled = clean.patches.means.astype(np.float32)
    free = contrasted(heads, clips, clean, labels=False)
    labelled = contrasted(heads, clips, clean, labels=True)
    random_space = Space(
        "`sound` drawn by album labels",
        tuple(
            sound_space.project(draw(head, vectors, clips, fold_of != k), clean)
            for k, (head, vectors) in enumerate(zip(heads, sound.by_fold, strict=True))
        ),
    )
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((len(pooled), 64)).astype(np.float32)
    return [
        Space("random vectors", (noise,) * FOLDS),
        fixed("nine production descriptors", clean.production, fold_of),
        fixed("`features`", clean.features, fold_of),
        fixed("`musicnn`", pooled, fold_of),
        sound,
        *learned.values(),
        free,
        labelled,
        random_space,
        blend(sound, learned["contrastive"], 0.1),
        blend(sound, learned["dual-axis"], 0.1),
        blend(sound, free, 0.5),
        blend(sound, labelled, 0.5),
    ]


def fixed(name: str, numbers: FloatArray, fold_of: np.ndarray) -> Space:
    standard = []
    for k in range(FOLDS):
        train = numbers[fold_of != k]
        standard.append((numbers - train.mean(axis=0)) / (train.std(axis=0) + 1e-6))
    return Space(name, tuple(standard))


def blend(a: Space, b: Space, weight: float) -> Space:
    """Put two spaces side by side so that their cosines have the weights 1 - weight, weight."""

    def unit(x: FloatArray) -> FloatArray:
        return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9))

    joined = tuple(
        np.hstack([np.sqrt(1 - weight) * unit(x), np.sqrt(weight) * unit(y)])
        for x, y in zip(a.by_fold, b.by_fold, strict=True)
    )
    return Space(f"{1 - weight:g} {a.name} + {weight:g} {b.name}", joined)


def draw(head: Head, vectors: FloatArray, clips: game_music.Clips, in_training: np.ndarray) -> Head:
    return apply_wccn(head, vectors[in_training], numbered(clips)[in_training])


def numbered(clips: game_music.Clips) -> np.ndarray:
    return np.unique(clips.packages, return_inverse=True)[1]


def contrasted(
    heads: Sequence[Head], clips: game_music.Clips, clean: game_music.Version, *, labels: bool
) -> Space:
    """Train a head on MusiCNN's activations by a contrastive loss, initialised with `sound`."""
    fold_of = folds(clips)
    patches = clean.patches
    starts = np.searchsorted(patches.tracks, np.arange(len(fold_of) + 1))
    heard = [patches.pooled[a:b] for a, b in pairwise(starts)]
    x = np.hstack([patches.means.astype(np.float32), clean.features])
    by_fold = []
    for k, start in enumerate(heads):
        in_training = fold_of != k
        head = start
        if labels:
            head = draw(head, sound_space.project(head, clean), clips, in_training)
        torch.manual_seed(0)
        network = build(ContrastiveConfig(source="musicnn"))
        network.start_from(head)  # type: ignore[operator]
        settings = default_training("musicnn", labelled=labels)
        tracks = np.flatnonzero(in_training)
        task = from_activations(
            heard, tracks, tracks[:2], numbered(clips) if labels else None, settings
        )
        optimiser = torch.optim.Adam(network.parameters(), lr=HEAD_RATE)
        for step in range(HEAD_STEPS):
            for group in optimiser.param_groups:
                group["lr"] = HEAD_RATE * 0.5 * (1 + np.cos(np.pi * step / HEAD_STEPS))
            optimiser.zero_grad()
            task.loss(network, *task.draw(np.random.default_rng([0, step]))).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.inference_mode():
            by_fold.append(network.vector(torch.from_numpy(x)).numpy())
    how = "album labels" if labels else "no labels"
    return Space(f"`contrastive --from musicnn`, {how}", tuple(by_fold))


# ---- the tables --------------------------------------------------------------------------


def errors(work: Path, clips: game_music.Clips, minutes: float) -> str:
    rows = []
    for preset in PRESETS:
        runs = [np.load(work / f"{preset}-{k}.npz") for k in range(FOLDS)]
        rows.append(
            (
                f"`{preset}`",
                *(
                    shown_mean([float(run[name]) for run in runs])
                    for name in ("training", "validation", "square", "epochs", "seconds")
                ),
            )
        )
    columns = ("network", "training loss", "validation loss", "MSE of `conv`", "epochs", "seconds")
    return (
        f"Reconstruction of tracks of held-out packages, {len(clips.paths)} clips in five "
        f"folds, {minutes:g} minutes of one thread each, validation included: far from "
        "convergence. The loss of `conv` is a binary cross-entropy, that of `contrastive` is in "
        "nats, of "
        "the others the MSE. `conv` sees whole clips of 512 bands and keeps 82,432 "
        "numbers of each, the others 256 of each 7.5 s.\n\n" + table(columns, rows)
    )


def shown_mean(numbers: Sequence[float]) -> float | str:
    return "–" if np.isnan(numbers).any() else f"{np.mean(numbers):.4f}"


def measured(
    space: Space, clips: game_music.Clips, labels: Sequence[str]
) -> list[RetrievalMetrics]:
    fold_of = folds(clips)
    return [
        evaluate_retrieval(
            space.by_fold[k][fold_of == k],
            [labels[i] for i in np.flatnonzero(fold_of == k).tolist()],
        )
        for k in range(FOLDS)
    ]


def qualities(spaces: Sequence[Space], clips: game_music.Clips) -> str:
    album = {space.name: measured(space, clips, clips.packages) for space in spaces}
    artist = {space.name: measured(space, clips, clips.artists) for space in spaces}
    reference = album["**`sound`**"]
    rows = []
    for space in spaces:
        metrics = album[space.name]
        versus = bootstrap_difference(metrics, reference, "precision_at_1")
        ranks = bootstrap_difference(metrics, reference, "mean_average_precision")
        rows.append(
            (
                space.name,
                sound_space.ranged(bootstrap_interval(metrics)),
                float(np.mean([fold.precision_at_5 for fold in metrics])),
                float(np.mean([fold.mean_average_precision for fold in metrics])),
                float(np.mean([fold.macro_precision_at_1 for fold in metrics])),
                float(np.mean([fold.precision_at_1 for fold in artist[space.name]])),
                sound_space.ranged(versus, "+") if space.name != "**`sound`**" else "–",
                sound_space.ranged(ranks, "+") if space.name != "**`sound`**" else "–",
            )
        )
    columns = (
        "space", "P@1 (95 % over albums)", "P@5", "mAP", "macro P@1", "artist P@1",
        "P@1 − `sound`", "mAP − `sound`",
    )  # fmt: skip
    return (
        "Retrieval of tracks of the same package (artist) among the held-out tracks.\n\n"
        + table(columns, rows)
    )


def confusions(spaces: Sequence[Space], clips: game_music.Clips, production: FloatArray) -> str:
    """Return how much likelier than by chance neighbours share a production number."""
    fold_of = folds(clips)
    names = ("loudness", "bandwidth", "noise floor")
    columns = [production[:, PRODUCTION[name]] for name in names]
    rows = []
    for space in spaces:
        ratios = []
        for numbers in columns:
            hits, chance = [], []
            for k in range(FOLDS):
                rows_of = np.flatnonzero(fold_of == k)
                packages = [clips.packages[i] for i in rows_of.tolist()]
                near = nearest_elsewhere(space.by_fold[k][rows_of], packages)
                fifth = np.searchsorted(
                    np.quantile(numbers[rows_of], (0.2, 0.4, 0.6, 0.8)), numbers[rows_of]
                )
                is_query = near >= 0
                hits.append(np.mean(fifth[is_query] == fifth[near[is_query]]))
                confused = (
                    np.array(clips.packages)[rows_of][:, None] != np.array(clips.packages)[rows_of]
                )
                chance.append(np.mean((fifth[:, None] == fifth)[confused]))
            ratios.append(float(np.mean(hits) / np.mean(chance)))
        rows.append((space.name, *ratios))
    return (
        "Influence of recording conditions: how often the nearest track of another package lies "
        "in the same quintile of loudness, bandwidth and noise floor, relative to chance (1).\n\n"
        + table(("space", *names), rows)
    )


def nearest_elsewhere(vectors: FloatArray, packages: Sequence[str]) -> np.ndarray:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosines = unit @ unit.T
    same = np.array(packages)[:, None] == np.array(packages)
    cosines[same] = -np.inf
    return np.where(same.all(axis=1), -1, cosines.argmax(axis=1))


if __name__ == "__main__":
    main()
