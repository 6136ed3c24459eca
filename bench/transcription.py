"""Transcription of rendered songs: notes, lines, beats and chords, beside Basic Pitch's program.

    python -m bench.transcription --data ../shared/data [--font FONT] [--basic-pitch FOLDER]

Songs of POP909 of the test half, rendered with TimGM6mb and, with FluidSynth in the path, with
another sound font. FOLDER is the unpacked PyPI package basic-pitch 0.4.0, which takes
onnxruntime and resampy.
"""

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Final

import mir_eval
import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from bench import result_tables
from recipes.datasets.pop909 import half_of
from segue.audio.chroma import Harmony
from segue.audio.features import measure
from segue.audio.note_events import (
    WINDOW_SAMPLES,
    BasicPitch,
    NoteEvents,
    note_activations,
    note_events,
)
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.ingest.transcription import (
    _network,
    outer_shares,
    split_parts,
    to_score,
    transcribe_samples,
)
from segue.io.scores import read_scores, write_score
from segue.records import FloatArray, Score
from segue.score.harmony import NO_CHORD, Chord, estimate_chords
from segue.score.synthesis import synthesise
from segue.score.timing import ticks_to_seconds

Notes = tuple[NDArray[np.float64], NDArray[np.int64]]  # onset and offset in seconds, and pitch

#: Songs by which thresholds and the costs of lines were chosen.
TUNED: Final = frozenset(
    ["007", "023", "036", "051", "186", "244", "326", "473", "650", "748", "750", "774"]
)
RENDERED_S: Final = 40.0
#: Qualities of `estimate_chords` in the syntax of Harte et al. (ISMIR 2005).
QUALITIES: Final = {
    "": "maj", "m": "min", "7": "7", "m7": "min7", "maj7": "maj7", "sus4": "sus4", "dim": "dim",
    "m7b5": "hdim7", "dim7": "dim7", "aug": "aug",
}  # fmt: skip
ROOTS: Final = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
Figures = dict[str, list[tuple[float, ...]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--songs", type=int, default=8)
    parser.add_argument("--font", type=Path, help="second sound font, for FluidSynth")
    parser.add_argument("--fluidsynth", default="fluidsynth")
    parser.add_argument("--basic-pitch", type=Path)
    parser.add_argument("--tuning", action="store_true", help="only the effect of the tuning")
    options = parser.parse_args()
    torch.set_num_threads(1)
    archive = zipfile.ZipFile(options.data / "scores" / "pop909.zip")
    names = sorted({Path(name).parts[1] for name in archive.namelist() if name.endswith(".mid")})
    held_out = [name for name in names if half_of(name) == "test" and name not in TUNED]
    songs: dict[str, Score] = {}
    for name in np.random.default_rng(1).permutation(held_out).tolist():
        if len(songs) == options.songs:
            break
        score = _beginning(archive, name)
        if "MELODY" in [part.name for part in score.parts]:  # in some it begins later
            songs[name] = score
    if options.tuning:
        _write_tuning_table(songs)
        return
    sections = [
        f"{len(songs)} songs of POP909 that nothing was chosen by, the first {RENDERED_S:.0f} s "
        "of each, rendered. Notes: onset within 50 ms and the right pitch (mir_eval). Lines: the "
        "notes of the melody track, and the lowest of all notes, as far as these are alone. "
        "Beats: F-measure, 70 ms; tempo, beats and key are Segue's, which hears all three without "
        "notes. Chords: share of time with the annotated root, and root and third. Means over "
        "songs.\n"
    ]
    fonts = {"TimGM6mb": None} | ({options.font.stem: options.font} if options.font else {})
    for label, font in fonts.items():
        figures: Figures = defaultdict(list)
        for name, score in songs.items():
            _evaluate(archive, name, score, font, options, figures)
            print(label, name, flush=True)
        sections += _sections(label, figures)
    if options.basic_pitch:
        sections.append(_onnx_difference(options.basic_pitch))
    result_tables.write_table("transcription", "Transcription of recordings", sections)


def _evaluate(
    archive: zipfile.ZipFile,
    name: str,
    score: Score,
    font: Path | None,
    options: argparse.Namespace,
    figures: Figures,
) -> None:
    """Transcribe a song, and add its figures."""
    with tempfile.TemporaryDirectory() as folder:
        samples = _render(score, font, options.fluidsynth, Path(folder))
        truth = _notes(score)
        began = time.process_time()
        activations = note_activations(_network(), samples)
        events = note_events(*activations)
        figures["seconds"].append(((time.process_time() - began) / len(samples) * SAMPLE_RATE_HZ,))
        figures["**Segue**"].append(_note_figures(truth, _events(events)))
        published = note_events(*activations, onset_threshold=0.5, note_threshold=0.3)
        figures["thresholds as published"].append(_note_figures(truth, _events(published)))
        if options.basic_pitch:
            theirs = _basic_pitch(samples, options.basic_pitch, Path(folder))
            figures["Basic Pitch 0.4"].append(_note_figures(truth, theirs))
    _evaluate_lines(score, events, figures)
    measured = measure((samples,))
    transcribed = to_score(events, measured, name)
    beats = np.array(_rows(archive, f"POP909/{name}/beat_midi.txt"), float)
    _evaluate_beats(events, measured.beats.beats_s[0], beats, transcribed, figures)
    labels = _rows(archive, f"POP909/{name}/chord_midi.txt")
    _evaluate_chords(labels, transcribed, events, score, measured.harmony, figures)


def _rows(archive: zipfile.ZipFile, name: str) -> list[list[str]]:
    return [row.split() for row in archive.read(name).decode().splitlines() if row]


def _beginning(archive: zipfile.ZipFile, name: str) -> Score:
    """Read the notes of a song that begin before `RENDERED_S`."""
    with tempfile.TemporaryDirectory() as folder:
        midi = Path(folder) / "song.mid"
        midi.write_bytes(archive.read(f"POP909/{name}/{name}.mid"))
        (score,) = read_scores(midi)
    assert isinstance(score, Score)
    parts = []
    for part in score.parts:
        on_s = ticks_to_seconds(score, part.notes[:, 0])
        notes = part.notes[on_s < RENDERED_S - 0.5]
        if len(notes):
            parts.append(replace(part, notes=notes))
    return replace(score, parts=tuple(parts))


def _render(score: Score, font: Path | None, fluidsynth: str, folder: Path) -> FloatArray:
    if font is None:
        samples = synthesise(score, SAMPLE_RATE_HZ).mean(axis=0)
    else:
        write_score(score, folder / "cut.mid")
        command = [fluidsynth, "-ni", "-q", "-F", folder / "a.wav", "-r", str(SAMPLE_RATE_HZ)]
        subprocess.run([*map(str, command), str(font), str(folder / "cut.mid")], check=True)
        samples = soundfile.read(folder / "a.wav", dtype="float32")[0].mean(axis=1)
    return np.asarray(samples[: round(RENDERED_S * SAMPLE_RATE_HZ)], np.float32)


def _notes(score: Score, part: str = "") -> Notes:
    """Return the notes of a part, or of all pitched parts, in order of onset."""
    notes = np.concatenate(
        [each.notes for each in score.parts if not each.is_drum and part in ("", each.name)]
    )
    ends = notes[:, 0] + notes[:, 1]
    on_s, off_s = (ticks_to_seconds(score, ticks) for ticks in (notes[:, 0], ends))
    intervals = np.stack([on_s, np.clip(off_s, on_s + 0.01, RENDERED_S)], axis=1)
    order = np.lexsort((notes[:, 2], on_s))
    return intervals[order], notes[order, 2].astype(np.int64)


def _events(events: NoteEvents, rows: NDArray[np.int64] | None = None) -> Notes:
    table = np.stack([events.onset_s, np.maximum(events.offset_s, events.onset_s + 0.01)], axis=1)
    return (table, events.pitch) if rows is None else (table[rows], events.pitch[rows])


def _note_figures(truth: Notes, estimate: Notes) -> tuple[float, ...]:
    """Return precision, recall and F-measure by onsets, and F-measure by onsets and offsets."""
    if not len(truth[1]) or not len(estimate[1]):
        return 0.0, 0.0, 0.0, 0.0
    reference, estimated = (
        (intervals, mir_eval.util.midi_to_hz(pitch.astype(float)))
        for intervals, pitch in (truth, estimate)
    )
    by_onset, with_offset = (
        mir_eval.transcription.precision_recall_f1_overlap(
            *reference, *estimated, offset_ratio=ratio
        )
        for ratio in (None, 0.2)
    )
    return (*map(float, by_onset[:3]), float(with_offset[2]))


def _basic_pitch(samples: FloatArray, package: Path, folder: Path) -> Notes:
    """Return the notes of the published program, with its defaults."""
    sys.path.insert(0, str(package))
    inference = import_module("basic_pitch.inference")
    sys.path.remove(str(package))
    model = inference.Model(package / "basic_pitch/saved_models/icassp_2022/nmp.onnx")
    soundfile.write(folder / "b.wav", samples, SAMPLE_RATE_HZ, "FLOAT")
    with contextlib.redirect_stdout(io.StringIO()):
        _, _, notes = inference.predict(folder / "b.wav", model)
    rows = sorted(notes, key=lambda note: note[0])
    intervals = np.array([[note[0], max(note[1], note[0] + 0.01)] for note in rows])
    return intervals, np.array([note[2] for note in rows], np.int64)


def _evaluate_lines(score: Score, events: NoteEvents, figures: Figures) -> None:
    melody, _, bass = split_parts(events)
    highest, lowest = outer_shares(events)
    tune = _notes(score, "MELODY")
    for label, rows in (
        ("melody: **Segue**", melody),
        ("melody: highest notes", np.flatnonzero(highest > 0.5)),
        ("melody: all notes", np.arange(len(events))),
    ):
        figures[label].append(_note_figures(tune, _events(events, rows)))
    intervals, pitch = _notes(score)
    real = NoteEvents(intervals[:, 0], intervals[:, 1], pitch, np.ones(len(pitch)))
    deepest = np.flatnonzero((outer_shares(real)[1] > 0.9) & (pitch < 55))
    for label, rows in (
        ("bass: **Segue**", bass),
        ("bass: lowest notes", np.flatnonzero(lowest > 0.5)),
    ):
        figures[label].append(
            _note_figures((intervals[deepest], pitch[deepest]), _events(events, rows))
        )


def _evaluate_beats(
    events: NoteEvents,
    tracked_s: FloatArray,
    beats: NDArray[np.float64],
    score: Score,
    figures: Figures,
) -> None:
    true_s = beats[beats[:, 0] < RENDERED_S, 0]
    downbeats_s = beats[(beats[:, 0] < RENDERED_S) & (beats[:, 2] == 1), 0]
    quarter = score.ticks_per_quarter
    last = int(max((part.notes[:, 0] + part.notes[:, 1]).max() for part in score.parts))
    offset_s = _start_s(events, score)
    grid_s = offset_s + ticks_to_seconds(score, np.arange(0, last, quarter))
    per_bar = int(score.time_signatures[0, 1])
    figures["beats"].append(
        (
            mir_eval.beat.f_measure(true_s, tracked_s.astype(float), 0.07),
            mir_eval.beat.f_measure(true_s, grid_s, 0.07),
            mir_eval.beat.f_measure(downbeats_s, grid_s[::per_bar], 0.07),
        )
    )


def _start_s(events: NoteEvents, score: Score) -> float:
    """Return the time in the recording at which a transcription begins."""
    first = min(int(part.notes[0, 0]) for part in score.parts)
    return float(events.onset_s[0] - ticks_to_seconds(score, np.array([first]))[0])


def _evaluate_chords(
    labels: list[list[str]],
    score: Score,
    events: NoteEvents,
    real: Score,
    harmony: Harmony,
    figures: Figures,
) -> None:
    rows = [(float(start), float(end), label) for start, end, label in labels]
    reference = [row for row in rows if row[0] < RENDERED_S]
    intervals = np.array([row[:2] for row in reference])
    intervals[-1, 1] = min(intervals[-1, 1], RENDERED_S)
    names = [label for _, _, label in reference]
    tonic = f"{ROOTS[harmony.tonic]}:{'min' if harmony.mode == 'minor' else 'maj'}"
    for label, estimate in (
        ("**Segue**", _chords(score, _start_s(events, score))),
        ("the real notes, in the bars of the file, which has none", _chords(real, 0.0)),
        ("the tonic's triad always", (np.array([[0.0, RENDERED_S]]), [tonic])),
    ):
        adjusted, estimated = mir_eval.util.adjust_intervals(
            *estimate, intervals.min(), intervals.max(), mir_eval.chord.NO_CHORD, "N"
        )
        merged, first, second = mir_eval.util.merge_labeled_intervals(
            intervals, names, adjusted, estimated
        )
        durations = mir_eval.util.intervals_to_durations(merged)
        figures[f"chords: {label}"].append(
            tuple(
                mir_eval.chord.weighted_accuracy(compare(first, second), durations)
                for compare in (mir_eval.chord.root, mir_eval.chord.thirds)
            )
        )


def _chords(score: Score, start_s: float) -> tuple[NDArray[np.float64], list[str]]:
    chords = estimate_chords(score)
    ticks = np.array([[chord.start, chord.end] for chord in chords])
    times = start_s + ticks_to_seconds(score, ticks.ravel()).reshape(-1, 2)
    return times, [_harte(chord) for chord in chords]


def _harte(chord: Chord) -> str:
    return "N" if chord.name == NO_CHORD else f"{ROOTS[chord.root]}:{QUALITIES[chord.quality]}"


def _sections(label: str, figures: Figures) -> list[str]:
    def rows(names: list[str]) -> list[list[object]]:
        return [
            [name.partition(": ")[2] or name, *np.mean(figures[name], axis=0).tolist()]
            for name in names
            if name in figures
        ]

    lines = [name for name in figures if name.startswith(("melody", "bass"))]
    chords = [name for name in figures if name.startswith("chords")]
    beats = np.mean(figures["beats"], axis=0)
    columns = ["precision", "recall", "F", "F with offsets"]
    return [
        f"## {label}\n",
        result_tables.table(
            ["notes", *columns], rows(["**Segue**", "thresholds as published", "Basic Pitch 0.4"])
        ),
        result_tables.table(
            ["line", *columns],
            [[name, *np.mean(figures[name], axis=0).tolist()] for name in lines],
        ),
        result_tables.table(["chords", "root", "root and third"], rows(chords)),
        f"Beats as tracked {beats[0]:.3f}, on the straight lines of the score {beats[1]:.3f}; "
        f"downbeats {beats[2]:.3f}. Finding the notes took "
        f"{np.mean(figures['seconds']):.3f} s of one processor for a second of music.\n",
    ]


def _write_tuning_table(songs: dict[str, Score]) -> None:
    """Compare transcriptions of recordings that are sharp, with and without their tuning."""
    rows: list[list[object]] = []
    for cents in (0, 15, 30, 45):
        figures = []
        for score in songs.values():
            samples = synthesise(score, SAMPLE_RATE_HZ).mean(axis=0)
            samples = samples[: round(RENDERED_S * SAMPLE_RATE_HZ)]
            ratio = 2 ** (cents / 1200)  # played faster, and so sharp
            sharp = np.asarray(
                soxr.resample(samples, SAMPLE_RATE_HZ * ratio, SAMPLE_RATE_HZ), np.float32
            )
            intervals, pitch = _notes(score)
            tuning = measure((sharp,)).harmony.tuning
            figures.append(
                [
                    _note_figures((intervals / ratio, pitch), _events(events))[2]
                    for events in (transcribe_samples(sharp), transcribe_samples(sharp, tuning))
                ]
            )
        rows.append([cents, *np.mean(figures, axis=0).tolist()])
        print(rows[-1], flush=True)
    result_tables.write_table(
        "transcription_tuning",
        "Transcription of recordings that are not in A4 = 440 Hz",
        [
            f"{len(songs)} songs of POP909 that nothing was chosen by, {RENDERED_S:.0f} s of each, "
            "played faster, which makes them sharp. F-measure of the notes, onsets within 50 ms.\n",
            result_tables.table(["cents", "as it is", "**at the estimated tuning**"], rows),
        ],
    )


def _onnx_difference(package: Path) -> str:
    """Return the largest difference from the published ONNX file, in words."""
    runtime = import_module("onnxruntime")
    path = package / "basic_pitch/saved_models/icassp_2022/nmp.onnx"
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (4, WINDOW_SAMPLES)).cumsum(axis=1)
    audio = (noise / np.abs(noise).max() + rng.normal(0, 0.02, noise.shape)).astype(np.float32)
    network: BasicPitch = _network()
    ours = network(torch.from_numpy(audio))
    names = [f"StatefulPartitionedCall:{number}" for number in range(3)]
    theirs = session.run(names, {"serving_default_input_2:0": audio[..., None]})
    difference = max(
        float(np.abs(mine.numpy() - other).max())
        for mine, other in zip((ours.contour, ours.note, ours.onset), theirs, strict=True)
    )
    return f"Largest difference of an activation from the published ONNX file: {difference:.1e}."


if __name__ == "__main__":
    main()
