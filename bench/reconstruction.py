"""Reconstruction error after equal training time: the published dual-axis recipe and the default.

    python -m bench.reconstruction --data ../shared/data --work DIR [--minutes 40]

Both are trained at the same time, each on one core, on the same four fifths of the packages, and
validated on tiles of the same fifth. `--work` is that of bench/learned_spaces.py, and keeps the
spectrograms.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from bench.clip_folds import divided, images
from bench.result_tables import table, write_table
from recipes.datasets import game_music
from segue.audio.training import SoundTraining, image_kind, train_network

PRESETS = ("dual-axis", "default")
FOLD = 0
PUBLISHED = 0.0037


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(".bench-cache/learned"))
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--train", metavar="PRESET", help="one alone")
    parser.add_argument("--core", type=int, default=0, help="on this core")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    audio = options.data / "audio"
    clips = game_music.read_clips(audio / "tracks.csv")
    if options.train:
        os.sched_setaffinity(0, {options.core})
        learn(options.work, audio, clips, options.train, options.minutes)
        return
    images(options.work, audio, clips, "mel128")
    running = [
        subprocess.Popen(
            [
                sys.executable, "-m", __spec__.name, "--data", options.data, "--work", options.work,
                "--minutes", str(options.minutes), "--train", preset, "--core", str(core),
            ],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for core, preset in enumerate(PRESETS)
    ]  # fmt: skip
    failed = [process.args for process in running if process.wait()]
    if failed:
        sys.exit(f"failed: {failed}")
    runs = {p: json.loads((options.work / f"reconstruction-{p}.json").read_text()) for p in PRESETS}
    published, ours = (runs[preset]["validation"] for preset in PRESETS)
    rows = [
        (
            f"`{p}`",
            *(f"{runs[p][key]:.4f}" for key in ("training", "validation")),
            runs[p]["epochs"],
            runs[p]["seconds"],
        )
        for p in PRESETS
    ]
    summary = (
        f"{options.minutes:g} minutes, a core each, at the same moment; {runs['default']['learn']} "
        f"training clips, {runs['default']['validate']} of other packages for validation, 256 "
        f"numbers for each tile of 128 × 128.\n"
    )
    rows_table = table(
        ("network", "training MSE", "validation MSE", "epochs", "seconds of training"), rows
    )
    less = (
        f"Segue's default is {1 - ours / published:.0%} lower. The published {PUBLISHED} was "
        "reached with 20 epochs of 125,440 tiles out of 278,581 previews; here there is 500 "
        "times less music, of other kinds, and less time.\n"
    )
    write_table(
        "reconstruction",
        "Reconstruction error after equal training time",
        [summary, rows_table, less],
    )


def learn(work: Path, audio: Path, clips: game_music.Clips, preset: str, minutes: float) -> None:
    training = SoundTraining(preset=preset, minutes=minutes, device="cpu")  # type: ignore[arg-type]
    images_ = images(work, audio, clips, image_kind(training))
    train, validation = divided(clips, FOLD)
    _, _, trained = train_network(
        training,
        train,
        validation,
        lambda name: images_[int(name)],
        work / f"run-reconstruction-{preset}",
    )
    last = trained.history[-1]
    (work / f"reconstruction-{preset}.json").write_text(
        json.dumps(
            {
                "training": trained.best.loss,
                "validation": trained.best.validation_loss,
                "epochs": last.epoch,
                "seconds": round(last.seconds),
                "learn": len(train),
                "validate": len(validation),
            }
        )
    )


if __name__ == "__main__":
    main()
