"""Excerpts of long tracks: cosine similarity to the full analysis, and to a cut start.

    python -m bench.long_tracks --data ../shared/data [--tracks 30]

Long tracks are multitrack MIDI files of at least two minutes rendered to audio (one piece of music
each), and joined clips of one album (harder: eight pieces in one file).
"""

import argparse
import csv
import random
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile
import symusic

from bench.result_tables import table, write_table
from segue.audio.embedding import SoundModel
from segue.audio.features import describe
from segue.audio.spectrogram import SAMPLE_RATE_HZ, musicnn_patches, spans_to_analyse
from segue.io.audio import read_recording
from segue.records import FloatArray, Recording, Span

CUT_S = 1.2
SHORTEST_S = 120.0
LONGEST_S = 300.0
SPACES = ("sound", "musicnn", "features", "tags")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tracks", type=int, default=8)
    options = parser.parse_args()
    model = SoundModel(threads=1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, sounds in (
            ("rendered MIDI", rendered(options.data / "scores" / "multitrack", options.tracks)),
            ("joined clips", joined(options.data / "audio", options.tracks)),
        ):
            cosines: dict[tuple[str, str], list[float]] = defaultdict(list)
            for i, sound in enumerate(sounds):
                compare(model, Path(folder) / f"{i}.flac", sound, cosines)
            for (space, what), values in sorted(cosines.items()):
                rows.append(
                    (kind, space, what, float(np.median(values)), float(np.quantile(values, 0.1)))
                )
    write_table(
        "long_tracks",
        "Excerpts of long tracks: cosine similarity to the full analysis, and to the analysis "
        "without the start",
        [
            table(("tracks", "space", "compared", "median", "10th percentile"), rows),
            f"{options.tracks} tracks of each kind, of 120 to 300 s. Cut: {CUT_S} s off the "
            "start, both analysed in parts.\n",
        ],
    )


def compare(
    model: SoundModel,
    path: Path,
    sound: FloatArray,
    cosines: dict[tuple[str, str], list[float]],
) -> None:
    soundfile.write(path, sound, SAMPLE_RATE_HZ)
    parts = vectors(model, read_recording(path, SAMPLE_RATE_HZ, spans_to_analyse))
    whole = vectors(model, read_recording(path, SAMPLE_RATE_HZ, lambda s: (Span(0, s),)))
    soundfile.write(path, sound[round(CUT_S * SAMPLE_RATE_HZ) :], SAMPLE_RATE_HZ)
    cut = vectors(model, read_recording(path, SAMPLE_RATE_HZ, spans_to_analyse))
    for space in SPACES:
        cosines[space, "in parts : full"].append(cosine(parts[space], whole[space]))
        cosines[space, "in parts : cut, in parts"].append(cosine(parts[space], cut[space]))


def vectors(model: SoundModel, recording: Recording) -> dict[str, FloatArray]:
    return model.embed(musicnn_patches(recording), describe(recording).vector)


def cosine(a: FloatArray, b: FloatArray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def rendered(folder: Path, count: int) -> list[FloatArray]:
    font = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
    synthesizer = symusic.Synthesizer(sf_path=str(font), sample_rate=SAMPLE_RATE_HZ)
    files = sorted(folder.rglob("*.mid"))
    random.Random(0).shuffle(files)
    sounds: list[FloatArray] = []
    for file in files:
        score = symusic.Score(file).to("second")
        if SHORTEST_S <= score.end() <= LONGEST_S and len(sounds) < count:
            stereo = synthesizer.render(score)
            sounds.append(np.clip(stereo.mean(axis=0), -1, 1).astype(np.float32))
    return sounds


def joined(folder: Path, count: int) -> list[FloatArray]:
    albums = defaultdict(list)
    with (folder / "tracks.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            albums[row["source_package"]].append(folder / row["path"])
    sounds: list[FloatArray] = []
    chooser = random.Random(0)
    for clips in [clips for _, clips in sorted(albums.items()) if len(clips) >= 8] * 3:
        if len(sounds) < count:
            chosen = chooser.sample(clips, 8)
            sounds.append(np.concatenate([_clip(clip) for clip in chosen]))
    return sounds


def _clip(path: Path) -> FloatArray:
    return read_recording(path, SAMPLE_RATE_HZ, lambda s: (Span(0, s),)).excerpts[0]


if __name__ == "__main__":
    main()
