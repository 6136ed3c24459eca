"""Learn autoencoders of piano rolls on the freely licensed scores; `--ship` those of Segue.

    python -m recipes.roll_vae --data ../shared/data --work DIR [--minutes 30] [NAME ...]

NAME is of `MODELS`. They are learned on the songs that train, judged and calibrated on those that
validate; songs that test are never touched. With `--ship`, the default is written to the package
in half precision. What was learned before is loaded, and an interrupted run goes on.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from recipes.datasets.piano_rolls import Side, Song, Source, songs
from segue.builtin_spaces import ROLL_VAE_WEIGHTS
from segue.nn.checkpoint import MODEL
from segue.nn.trainer import STATE, Progress, ProgressCallback
from segue.score.vae.model import RollModel
from segue.score.vae.training import RollTrack, ScoreTraining, finetune_decoder, train_on_split

MODELS: dict[str, ScoreTraining] = {
    "classic": ScoreTraining("conv"),
    "classic-3": ScoreTraining("conv", convolutions=3),
    "lstm": ScoreTraining("lstm"),
    "default": ScoreTraining(),
}
#: How often a source is drawn from.
SHARES: dict[Source, float] = {"pop909": 0.55, "folk": 0.2, "multitrack": 0.25}
FEWEST_BARS = 8
TOLD_EVERY_S = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--further", type=float, default=12.0, help="minutes, of decoding alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ship", action="store_true", help="the default, into the package")
    parser.add_argument("--again", type=float, help="minutes, of decoding, of what is shipped")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = songs(options.data, options.work)
    learn, validate = tracks(found, "train"), tracks(found, "validation")
    for name in options.names:
        learned(MODELS[name], learn, validate, options.work / name, options.minutes)
    if options.again:
        model = RollModel.shipped()
        folder = options.work / "shipped-decoding"
        trained = finetune_decoder(
            model,
            learn,
            validate,
            folder,
            options.again,
            resume=(folder / STATE).exists(),
            watch=told("decoding again"),
        )
        print(
            *trained.history, trained.best, trained.stopped, model.thresholds, sep="\n", flush=True
        )
        model.save(options.work / "roll-vae.safetensors", torch.float16)
    if options.ship:
        folder = options.work / "default"
        model = learned(MODELS["default"], learn, validate, folder, options.minutes)
        further = options.work / "default-decoding"
        if (further / MODEL).exists():
            model = RollModel.load(further)
        elif options.further:
            resume = (further / STATE).exists()
            trained = finetune_decoder(
                model, learn, validate, further, options.further, resume=resume,
                watch=told("decoding"),
            )  # fmt: skip
            print(trained.best, trained.stopped, flush=True)
            model.save(further / MODEL)
        model.save(ROLL_VAE_WEIGHTS, torch.float16)
        print(
            f"{ROLL_VAE_WEIGHTS}: {ROLL_VAE_WEIGHTS.stat().st_size / 1e6:.2f} MB, "
            f"{model.fingerprint}"
        )


def tracks(found: Sequence[Song], side: Side) -> list[RollTrack]:
    """Return the songs of a side that are long enough, weighted by their sources."""
    some = [song for song in found if song.side == side and len(song.bars) >= FEWEST_BARS]
    count = Counter(song.source for song in some)
    return [
        RollTrack(song.name, song.bars, song.group, SHARES[song.source] / count[song.source])
        for song in some
    ]


def told(name: str) -> ProgressCallback:
    """Return what prints how far a run has come, now and then."""
    last = time.monotonic()

    def watch(at: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > TOLD_EVERY_S:
            last = time.monotonic()
            parts = " ".join(f"{part} {value:.2f}" for part, value in at.loss_terms.items())
            print(
                f"{name} {at.epoch}/{at.epochs} {at.step}: {at.loss:.3f} "
                f"{at.validation_loss:.3f} {parts} {at.items_per_second:.0f}/s",
                flush=True,
            )

    return watch


def learned(
    training: ScoreTraining,
    learn: Sequence[RollTrack],
    validate: Sequence[RollTrack],
    folder: Path,
    minutes: float,
) -> RollModel:
    """Learn a model, or load it where it was learned before."""
    if (folder / MODEL).exists():
        return RollModel.load(folder)
    training = replace(training, minutes=minutes)
    resume = (folder / STATE).exists()
    model, trained = train_on_split(
        training, learn, validate, folder, resume=resume, watch=told(folder.name)
    )
    print(
        folder.name, trained.best, trained.stopped, model.metadata["validation_parts"], flush=True
    )
    model.save(folder / MODEL)
    return model


if __name__ == "__main__":
    main()
