"""Search speed compared with faiss, and time of whole commands on large libraries.

    python -m bench.search_speed [--million] [--data IGNORED]

Vectors are random directions of 256 dimensions: the time of an exact search does not depend on
their values. Segue and faiss search in turn, in one process, with the same number of threads.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

from bench.result_tables import median_range, table, write_table
from segue.builtin_spaces import builtin_spaces
from segue.records import Analysis, FileState, FloatArray, Space, Tags
from segue.search.neighbours import cosine_similarities, iter_descending
from segue.store import Store
from segue.store.spaces import Matrix

PUBLISHED = 278_581
TOP = 10
QUERIES = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        searches = [row for n in (PUBLISHED, 1_000_000) for row in beside_faiss(n)]
        commands = [
            row for n in (10_000, PUBLISHED) for row in cold_commands(Path(folder) / str(n), n)
        ]
    write_table(
        "search_speed",
        "Search speed",
        [
            "Exact top 10, one query at a time, warm:\n",
            table(("vectors", "search", "ms, median", "minimum", "maximum"), searches),
            "Whole commands, from the shell:\n",
            table(("tracks", "command", "seconds, median", "minimum", "maximum"), commands),
        ],
    )


def beside_faiss(n: int) -> list[tuple[object, ...]]:
    rng = np.random.default_rng(0)
    unit = rng.standard_normal((n, 256), dtype=np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    queries = rng.standard_normal((QUERIES, 256), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    threads = os.cpu_count() or 1
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(256)
    index.add(unit)
    matrix = Matrix(Space("sound", "sound", 256, "cosine", "", 1), np.arange(n), unit)

    def segue(query: FloatArray) -> list[int]:
        best: list[int] = next(iter_descending(cosine_similarities(matrix, query)))[:TOP].tolist()
        return best

    def faiss_search(query: FloatArray) -> list[int]:
        best: list[int] = index.search(query[None], TOP)[1][0].tolist()
        return best

    takes: dict[str, list[float]] = {"segue": [], "faiss IndexFlatIP": []}
    for query in queries:
        neighbours = []
        for name, search in (("segue", segue), ("faiss IndexFlatIP", faiss_search)):
            start = time.perf_counter()
            neighbours.append(search(query))
            takes[name].append(1000 * (time.perf_counter() - start))
        assert neighbours[0] == neighbours[1]
    ratio = statistics.median(a / b for a, b in zip(*takes.values(), strict=True))
    rows: list[tuple[object, ...]] = [
        (f"{n:,}", f"{name}, {threads} threads", *median_range(ms)) for name, ms in takes.items()
    ]
    return [*rows, (f"{n:,}", "segue / faiss, median of pairs", ratio, "", "")]


def cold_commands(folder: Path, n: int) -> list[tuple[object, ...]]:
    music = make_library(folder, n)
    segue = [sys.executable, "-m", "segue"]
    library = ["--library", str(folder / "library")]
    commands = {
        "segue like ID": [*segue, "like", "77", *library],
        "segue like ID --json --bpm 90-140": [
            *segue, "like", "77", "--json", "--bpm", "90-140", *library
        ],
        "segue like WORDS": [*segue, "like", "song number 77", *library],
    }  # fmt: skip
    if n <= 10_000:
        commands["segue add, all unchanged"] = [*segue, "add", str(music), *library]
        commands["segue --help"] = [*segue, "--help"]
    return [(f"{n:,}", name, *median_range(timed(command))) for name, command in commands.items()]


def make_library(folder: Path, n: int) -> Path:
    """Fill a library with tracks of random vectors; their files are empty, but there."""
    music = folder / "music"
    music.mkdir(parents=True)
    rng = np.random.default_rng(1)
    spaces = builtin_spaces("sound")
    chosen_spaces = spaces if n <= 10_000 else {"sound": spaces["sound"]}
    store = Store(folder / "library", spaces.values())
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(os.fsencode(music))
        for i in range(n):
            file = music / f"{i}.mp3"
            state = FileState(0, 0)
            if n <= 10_000:
                file.touch()
                state = FileState(0, file.stat().st_mtime_ns)
            vectors = {
                name: rng.standard_normal(space.dimension, dtype=np.float32)
                for name, space in chosen_spaces.items()
            }
            facts: dict[str, float | str] = {"tempo_bpm": float(rng.uniform(60, 180))}
            prints = rng.integers(0, 2**32, 300, dtype=np.uint32)
            tags = Tags(f"Song number {i}", f"Artist {i % 5000}", f"Album {i % 20000}")
            store.add_track(
                os.fsencode(file), state, f"{i:032x}", tags, Analysis(vectors, facts, prints, 30.0)
            )
    store.spaces.matrix("sound")
    store.close()
    return music


def timed(command: list[str], runs: int = 7) -> list[float]:
    takes = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        takes.append(time.perf_counter() - start)
    return takes[1:]


if __name__ == "__main__":
    main()
