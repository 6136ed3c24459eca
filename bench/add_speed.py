"""Time and memory of `segue add` on forty files of four minutes, compared with bliss-audio.

    python -m bench.add_speed --data ../shared/data [--runs 3] [--isa AVX2]

The files are clips of one album joined to 240 s, 44.1 kHz stereo, as mp3, flac and m4a. Both
programs run as whole processes with two workers, in turn.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import cast

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream
from threadpoolctl import threadpool_limits

from bench.result_tables import median_range, table, write_table
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.io.audio import read_recording
from segue.records import FloatArray, Span

FILES = 40
SECONDS = 240
RATE_HZ = 44_100
WORKERS = 2
ENCODERS = (
    (".mp3", "mp3", "libmp3lame", 192_000),
    (".flac", "flac", "flac", None),
    (".m4a", "ipod", "aac", 160_000),
)
BLISS = """
import sys
from concurrent.futures import ProcessPoolExecutor
from bliss_audio import Song

def analyse(path):
    return Song(path).analysis

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        print(len(list(pool.map(analyse, sys.argv[1:]))))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--isa", help="for segue alone: AVX2 hides newer units from torch")
    options = parser.parse_args()
    music = Path(tempfile.gettempdir()) / "segue-bench-add"
    files = make_files(options.data / "audio", music)
    script = music / "bliss.py"
    script.write_text(BLISS)
    runs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    # torch computes in three libraries, each with a switch of its own.
    switches = {"ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY"}
    environment = os.environ | (dict.fromkeys(switches, options.isa) if options.isa else {})
    if options.isa:
        environment["ATEN_CPU_CAPABILITY"] = options.isa.lower()
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as library:
            command = [sys.executable, "-m", "segue", "add", *map(str, files)]
            command += ["--workers", str(WORKERS), "--library", library]
            runs["segue add"].append(measured(command, environment))
        command = [sys.executable, str(script), *map(str, files)]
        runs["bliss-audio"].append(measured(command, dict(os.environ)))
    ratio = statistics.median(
        ours[0] / theirs[0]
        for ours, theirs in zip(runs["segue add"], runs["bliss-audio"], strict=True)
    )
    rows = [
        (
            name,
            *median_range([seconds for seconds, _ in figures]),
            round(max(bytes_ for _, bytes_ in figures) / 1e6),
        )
        for name, figures in runs.items()
    ]
    write_table(
        "add_speed" + (f"_{options.isa.lower()}" if options.isa else ""),
        "Adding forty files of 240 s with two workers",
        [
            table(("program", "seconds, median", "minimum", "maximum", "peak memory, MB"), rows),
            f"Time of segue over that of bliss-audio, median of pairs: **{ratio:.2f}**. Memory is "
            "the sum over all processes of a run, shared pages divided among them (PSS).\n",
            "Where one process spends it, per file, one after the other:\n",
            table(("stage", "seconds", "share"), one_threaded_stages(files)),
        ],
    )


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command; return its seconds and the peak memory of it and its children."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.2):
            peak = max(peak, memory_of_tree(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, errors = process.communicate()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{command[0]} failed: {errors[-2000:]}")
    return seconds, peak


def memory_of_tree(pid: int) -> int:
    """Return the bytes that a process and all below it hold, shared pages divided."""
    total = 0
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            total += 1024 * int(rollup.split("Pss:")[1].split()[0])
            for task in Path(f"/proc/{process}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, IndexError):
            continue  # it ended meanwhile
    return total


def one_threaded_stages(files: list[Path]) -> list[tuple[str, float, str]]:
    """Time the stages as the workers run them, on one thread each."""
    with threadpool_limits(1):
        return stages(files)


def stages(files: list[Path]) -> list[tuple[str, float, str]]:
    """Time each stage on every fourth file."""
    import torch

    from segue.audio.embedding import SoundModel
    from segue.audio.features import describe
    from segue.audio.fingerprint import fingerprint
    from segue.audio.spectrogram import musicnn_patches, spans_to_analyse
    from segue.builtin_spaces import builtin_spaces
    from segue.ingest.analysis import Identify, Identity, run_job
    from segue.records import Analysis, FileState, Tags
    from segue.store import Store

    spent: dict[str, float] = defaultdict(float)
    model = SoundModel(threads=1)
    torch.set_num_threads(1)
    chosen = files[::4]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), builtin_spaces("sound").values())
        with store.transaction():
            store.spaces.register(["sound"])
            store.files.add_root(os.fsencode(files[0].parent))
        for file in [chosen[0], *chosen]:  # the first twice: its first time warms up
            marks = [time.perf_counter()]
            identity = run_job(Identify(os.fsencode(file), os.fsencode(file.parent)))
            assert isinstance(identity, Identity)
            marks.append(time.perf_counter())
            recording = read_recording(file, SAMPLE_RATE_HZ, spans_to_analyse)
            marks.append(time.perf_counter())
            patches = musicnn_patches(recording)
            marks.append(time.perf_counter())
            description = describe(recording)
            marks.append(time.perf_counter())
            prints = fingerprint(recording)
            marks.append(time.perf_counter())
            vectors = model.embed(patches, description.vector)
            marks.append(time.perf_counter())
            analysis = Analysis(vectors, description.facts, prints, recording.duration_s)
            with store.transaction():
                store.add_track(
                    os.fsencode(file), FileState(0, 0), identity.content_hash, Tags(), analysis
                )
            marks.append(time.perf_counter())
            names = ("hash and tags", "decode and resample", "log-mel", "features")
            for name, seconds in zip(
                (*names, "fingerprint", "network and projections", "store"),
                np.diff(marks),
                strict=True,
            ):
                spent[name] += float(seconds) if store.count() > 1 or file != chosen[0] else 0.0
        store.close()
    total = sum(spent.values())
    count = len(chosen) - 1
    rows = [(name, s / count, f"{s / total:.0%}") for name, s in spent.items()]
    return [*rows, ("all", total / count, "100%")]


def make_files(clips: Path, folder: Path) -> list[Path]:
    """Join clips of one folder after another to files of 240 s; those there are kept."""
    files = [folder / f"{i:02d}{ENCODERS[i % 3][0]}" for i in range(FILES)]
    if all(file.exists() for file in files):
        return files
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    sources = sorted(clips.glob("*/*.ogg"))
    needed = SECONDS // 30
    for i, file in enumerate(files):
        own_sources = [sources[(i * 17 + k) % len(sources)] for k in range(needed)]
        samples = np.concatenate([_clip(source) for source in own_sources])
        _encode(file, samples, *ENCODERS[i % 3][1:])
    return files


def _clip(source: Path) -> FloatArray:
    recording = read_recording(source, SAMPLE_RATE_HZ, lambda s: (Span(0, s),))
    return np.resize(recording.excerpts[0], 30 * SAMPLE_RATE_HZ)


def _encode(
    path: Path, samples: FloatArray, container: str, codec: str, bit_rate: int | None
) -> None:
    left = soxr.resample(samples, SAMPLE_RATE_HZ, RATE_HZ).clip(-1, 1)
    with av.open(path, "w", format=container) as out:
        stream = cast("AudioStream", out.add_stream(codec, rate=RATE_HZ))
        stream.layout = "stereo"
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(
            np.stack([left, 0.8 * left]).astype(np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler(stream.format.name, "stereo", RATE_HZ, stream.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))


if __name__ == "__main__":
    main()
