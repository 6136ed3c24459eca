"""Autoencoders with recurrent layers over bars, and with stereo input.

    python -m bench.autoencoder_variants --data ../shared/data --library DIR [--minutes 4]

Recurrent: `conv` with a recurrent layer whose step is the bar or the beat of each clip, or a number
of frames, and without; same held-out packages, same time. Stereo: multitrack MIDI rendered in
stereo, two excerpts of 30 s of each piece; a space is trained on half of the pieces, from both
channels or from their mean; in the other half, the nearest neighbour of an excerpt should be the
other excerpt of the piece. Both were future work of the published authors.

Two networks are trained at a time, each on one core, and kept in --work.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import Queue

import numpy as np
import symusic
import torch

from bench.clip_folds import FOLDS, divided, images
from bench.result_tables import table, write_table
from recipes.datasets import game_music
from recipes.datasets.rendered_midi import render
from segue.audio.spectrogram import LOG_MEL_SPECS, SAMPLE_RATE_HZ, ByteArray, log_mel_image
from segue.audio.training import (
    Example,
    Preset,
    SoundTraining,
    image_kind,
    standardise_space,
    tiles_of,
    train_network,
)
from segue.evaluation.retrieval import evaluate_retrieval
from segue.library import Library
from segue.training.sound import step_frames

#: A bar and a beat in 4/4 at 120 are 86 and 22 frames.
STEPS = ("", "bar", "86", "beat", "22")
SIDES: tuple[tuple[Preset, bool], ...] = (
    ("dual-axis", False),
    ("dual-axis", True),
    ("default", False),
    ("default", True),
)
FOLD = 0
PIECES = 100
STRETCH_S = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--library", type=Path, default=Path(".bench-cache/clips"))
    parser.add_argument("--work", type=Path, default=Path(".bench-cache/learned"))
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--run", help="one alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.run:
        what, name = options.run.split(":")
        if what == "step":
            recurrent(options, name)
        else:
            preset, side = name.split("/")
            (chosen,) = {known for known, _ in SIDES if known == preset}
            both_sides(options, chosen, stereo=side == "stereo")
        return
    clips = game_music.read_clips(options.data / "audio" / "tracks.csv")
    images(options.work, options.data / "audio", clips, "mel512")
    with Library.open(options.library) as lib:
        if not lib.tracks():
            lib.add([options.data / "audio"])
    stretches(options)
    runs = [f"step:{step}" for step in STEPS]
    runs += [f"side:{preset}/{'stereo' if stereo else 'mono'}" for preset, stereo in SIDES]
    run_all(options, [run for run in runs if not kept(options.work, run).exists()])
    sections = [steps_told(options), sides_told(options)]
    write_table(
        "autoencoder_variants", "Recurrent layers and stereo input of autoencoders", sections
    )


def run_all(options: argparse.Namespace, runs: Sequence[str]) -> None:
    cores: Queue[int] = Queue()
    for core in range(os.cpu_count() or 1):
        cores.put(core)

    def learn(run: str) -> None:
        print(run, flush=True)
        core = cores.get()
        command = [
            "taskset", "-c", str(core), sys.executable, "-m", __spec__.name, "--data", options.data,
            "--library", options.library, "--work", options.work, "--minutes",
            str(options.minutes), "--run", run,
        ]  # fmt: skip
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        cores.put(core)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(learn, runs))


def kept(work: Path, run: str) -> Path:
    return work / f"wish-{run.replace(':', '-').replace('/', '-')}.npz"


# ---- recurrent ---------------------------------------------------------------------------


def recurrent(options: argparse.Namespace, step: str) -> None:
    clips = game_music.read_clips(options.data / "audio" / "tracks.csv")
    images_of = images(options.work, options.data / "audio", clips, "mel512")
    training = SoundTraining(preset="conv", minutes=options.minutes, device="cpu", step=step)
    with Library.open(options.library) as lib:
        known = {track.path.parent.name + "/" + track.path.name: track for track in lib.tracks()}
    steps = [
        step_frames(known["/".join(Path(path).parts[-2:])], step, "mel512") for path in clips.paths
    ]
    train, validate = (
        [replace(example, step_frames=steps[int(example.content_hash)]) for example in part]
        for part in divided(clips, FOLD)
    )
    _, _, trained = train_network(
        training, train, validate, lambda name: images_of[int(name)],
        options.work / f"run-wish-step-{step}",
    )  # fmt: skip
    last = trained.history[-1]
    np.savez(
        kept(options.work, f"step:{step}"),
        training=trained.best.loss, validation=trained.best.validation_loss,
        epochs=last.epoch, seconds=last.seconds,
    )  # fmt: skip


def steps_told(options: argparse.Namespace) -> str:
    rows = []
    for step in STEPS:
        run = np.load(kept(options.work, f"step:{step}"))
        name = "no recurrent layer" if not step else f"--recurrent --step {step}"
        losses = (f"{float(run[key]):.5f}" for key in ("training", "validation"))
        rows.append((name, *losses, int(run["epochs"]), int(run["seconds"])))
    return (
        f"`conv`, {options.minutes:g} minutes each, one fold of {FOLDS}; the loss is a binary "
        "cross-entropy, frames last 23 ms:\n\n"
        + table(("", "training loss", "validation loss", "epochs", "seconds"), rows)
    )


# ---- stereo ------------------------------------------------------------------------------


def stretches(options: argparse.Namespace) -> list[ByteArray]:
    """Render pieces, and draw both channels of two stretches of each; kept in --work."""
    file = options.work / "stereo.npz"
    if not file.exists():
        excerpts: list[ByteArray] = []
        for path in sorted((options.data / "scores" / "multitrack").glob("*.mid")):
            score = symusic.Score.from_midi(path.read_bytes())
            wide = len({(track.program, track.is_drum) for track in score.tracks}) > 1
            if score.to("second").end() < 2 * STRETCH_S or not wide:
                continue
            sides = render(score, stereo=True)[:, : 2 * STRETCH_S * SAMPLE_RATE_HZ]
            for half in np.split(sides, 2, axis=1):
                kind = LOG_MEL_SPECS["mel128"]
                excerpts.append(np.concatenate([log_mel_image(side, kind) for side in half]))
                excerpts.append(log_mel_image(half.mean(axis=0), kind))
            if len(excerpts) == 4 * PIECES:
                break
        np.savez(file, *excerpts)
    with np.load(file) as arrays:
        return [arrays[f"arr_{number}"] for number in range(len(arrays.files))]


def both_sides(options: argparse.Namespace, preset: Preset, *, stereo: bool) -> None:
    excerpts = stretches(options)[0 if stereo else 1 :: 2]

    def read(name: str) -> ByteArray:
        return excerpts[int(name)]

    training = SoundTraining(preset, minutes=options.minutes, device="cpu", stereo=stereo)
    assert image_kind(training) == "mel128"
    examples = [Example(str(number), str(number // 2)) for number in range(len(excerpts))]
    train = [example for example in examples if int(example.album) % 2 == 0]
    validate = [example for example in examples if int(example.album) % 2]
    name = f"side:{preset}/{'stereo' if stereo else 'mono'}"
    config, network, trained = train_network(
        training, train, validate, read, options.work / f"run-{kept(Path(), name).stem}"
    )
    sound = standardise_space(config, network, train, read, {})
    tiles = [tiles_of(sound.config, read(example.content_hash)) for example in validate]
    np.savez(
        kept(options.work, name),
        vectors=sound.vectors(tiles, [0.0] * len(tiles)),
        pieces=[example.album for example in validate],
        validation=trained.best.validation_loss,
    )


def sides_told(options: argparse.Namespace) -> str:
    rows: list[tuple[object, ...]] = []
    count = 0
    for preset, stereo in SIDES:
        side = "stereo" if stereo else "mono"
        run = np.load(kept(options.work, f"side:{preset}/{side}"))
        measured = evaluate_retrieval(run["vectors"], run["pieces"].tolist(), min_tracks=2)
        count = len(run["pieces"])
        rows.append(
            (f"`{preset}`{' --stereo' if stereo else ''}", measured.precision_at_1,
             measured.mean_average_precision, f"{float(run['validation']):.5f}")
        )  # fmt: skip
    rows.append(("chance", 1 / (count - 1), "", ""))
    return (
        f"{count} excerpts of {count // 2} pieces of the test set, {options.minutes:g} minutes "
        "each:\n\n"
        + table(("", "nearest neighbour is of the piece", "mean AP", "validation MSE"), rows)
    )


if __name__ == "__main__":
    main()
