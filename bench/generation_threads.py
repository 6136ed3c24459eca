"""Processor time of generation with one and two threads.

    python -m bench.generation_threads [--bars 16] [--lines 8]

16 bars and 8 lines with the same seeds; commands run in turns, and the load of the machine is
printed.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import result_tables

COMMANDS = {
    "compose": ["--instruments", "piano,bass,drums", "--key", "Dm", "--bars"],
    "write": ["--artist", "Robert Burns", "--lines"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=16)
    parser.add_argument("--lines", type=int, default=8)
    options = parser.parse_args()
    counts = {"compose": options.bars, "write": options.lines}
    rows = []
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        for command, arguments in COMMANDS.items():
            for threads in (1, 2):
                ending = "mid" if command == "compose" else "txt"
                target = f"{folder}/made.{ending}"
                how = ["--seed", "0", "--threads", str(threads), "-o", target]
                command_line = [command, *arguments, str(counts[command]), *how]
                seconds = run(command_line, Path(folder))
                length_text = f"{counts[command]} {'bars' if command == 'compose' else 'lines'}"
                rows.append([f"`{command}`, {length_text}", threads, *seconds])
                print(*rows[-1], flush=True)
    result_tables.write_table(
        "generation_threads",
        "Generation with one and two threads",
        [
            f"Load average before: {load:.1f}, after: {os.getloadavg()[0]:.1f}. Start-up time is "
            "included.\n",
            result_tables.table(["", "threads", "processor s", "wall s"], rows),
        ],
    )


def run(arguments: list[str], library: Path) -> tuple[str, str]:
    """Return processor and wall seconds of a command."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment["SEGUE_LIBRARY"] = str(library / "none")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "segue", *arguments]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{used:.1f}", f"{time.perf_counter() - began:.1f}"


if __name__ == "__main__":
    main()
