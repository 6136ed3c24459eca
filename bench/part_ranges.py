"""Registers of generated parts, and the share of roots in generated basses.

    python -m bench.part_ranges PROMPTS [--before SRC] [--pieces 6] [--bars 8]

PROMPTS is a folder of MIDI files; of the first that have a part that is not a bass, the first bars
are taken without their basses, and `segue compose --add bass` generates one; also with a cello. Two
line-ups are generated without a prompt. SRC is the source of another version to compare with.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench import result_tables
from segue.errors import SegueError
from segue.io.midi import read_midi, write_midi
from segue.records import Part, Score
from segue.score.features import pitch_name
from segue.score.harmony import estimate_chords
from segue.score.timing import bar_grid, excerpt
from segue.theory.instruments import instrument_name, is_bass, parse_instrument, tessitura

ADDED: Final = ("bass", "cello")
LINE_UPS: Final = (
    ("piano,bass,drums", "--key", "Dm"),
    ("violin,viola,cello", "--key", "G"),
)
HERE: Final = Path(__file__).parents[1] / "src"


@dataclass(frozen=True, slots=True)
class Found:
    """The notes of one instrument in one piece.

    Attributes
    ----------
    pitches : list of int
    on_beats, roots : int
        Notes that begin on a beat under a chord, and how many of them are its root.
    """

    pitches: list[int]
    on_beats: int = 0
    roots: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompts", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--pieces", type=int, default=6)
    parser.add_argument("--bars", type=int, default=8)
    options = parser.parse_args()
    sources = {"now": HERE} | ({"before": options.before} if options.before else {})
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompts = list(prepared(options.prompts, folder, options.pieces, options.bars))
        for instrument in ADDED:
            for when, source in sources.items():
                parts = [added(source, file, score, instrument) for file, score in prompts]
                rows.append(
                    [f"`--add {instrument}`", instrument, when, *figures(parts, instrument)]
                )
        for instruments, *others in LINE_UPS:
            for when, source in sources.items():
                score = written(source, folder, instruments, others, options.bars)
                for part in [part for part in score.parts if not part.is_drum]:
                    called = instrument_name(part.program)
                    parts = [Found(part.notes[:, 2].tolist())]
                    option = f"`--instruments {instruments}`"
                    rows.append([option, called, when, *figures(parts, str(part.program))])
    rows.sort(key=lambda row: (row[0], row[1], row[2]), reverse=True)
    result_tables.write_table(
        "part_ranges",
        "Registers of generated parts",
        [
            f"{len(prompts)} prompts of {options.bars} bars, basses removed; without a prompt "
            f"{options.bars} bars; seed 0. The typical register is that of "
            "`segue.theory.instruments`. Roots: share of the notes that begin on a beat.\n",
            result_tables.table(
                ["", "part", "", "notes", "in the typical register", "lowest", "median", "highest",
                 "roots on beats"],
                rows,
            ),
        ],
    )  # fmt: skip


def prepared(folder: Path, target: Path, count: int, length: int) -> Iterator[tuple[Path, Score]]:
    """Cut prompts without basses."""
    prompts = 0
    for file in sorted(folder.glob("*.mid")):
        try:
            score = read_midi(file.read_bytes())
            cut = excerpt(score, 0, length)
        except (SegueError, ValueError):
            continue
        parts = tuple(part for part in cut.parts if part.is_drum or not unwanted(part))
        cut = replace(cut, parts=parts)
        if sum(not part.is_drum for part in parts) < 2 or len(bar_grid(cut)) < length:
            continue
        path = target / f"prompt-{prompts}.mid"
        path.write_bytes(write_midi(cut))
        yield path, cut
        prompts += 1
        if prompts == count:
            return


def unwanted(part: Part) -> bool:
    return is_bass(part.program) or part.program in {parse_instrument(name) for name in ADDED}


def run(source: Path, target: Path, arguments: Sequence[str | Path]) -> Score:
    command = [sys.executable, "-m", "segue", "compose", *map(str, arguments), "-o", str(target)]
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | {"PYTHONPATH": str(source)} | dict.fromkeys(names, "1")
    environment["SEGUE_LIBRARY"] = str(target.parent / "none")
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return read_midi(target.read_bytes())


def added(source: Path, file: Path, prompt: Score, instrument: str) -> Found:
    """Add a part, and look at its notes."""
    score = run(source, file.with_name("made.mid"), [file, "--add", instrument, "--seed", "0"])
    number = parse_instrument(instrument)
    (part,) = [part for part in score.parts if part.program == number and not part.is_drum]
    divided = bar_grid(prompt)
    ticks = prompt.ticks_per_quarter / score.ticks_per_quarter
    onsets = np.rint(part.notes[:, 0] * ticks).astype(np.int64)
    on_beats = roots = 0
    under = estimate_chords(prompt)
    starts = np.array([chord.start for chord in under])
    for onset, pitch in zip(onsets.tolist(), part.notes[:, 2].tolist(), strict=True):
        bar = int(divided.index_of(np.array([onset]))[0])
        chord = under[int(np.searchsorted(starts, onset, side="right")) - 1]
        if chord.root >= 0 and not (onset - int(divided.edges[bar])) % prompt.ticks_per_quarter:
            on_beats += 1
            roots += pitch % 12 == chord.root
    return Found(part.notes[:, 2].tolist(), on_beats, roots)


def written(
    source: Path, folder: Path, instruments: str, others: Sequence[str], count: int
) -> Score:
    arguments = ["--instruments", instruments, *others, "--bars", str(count), "--seed", "0"]
    return run(source, folder / "made.mid", arguments)


def figures(parts: Sequence[Found], instrument: str) -> list[object]:
    """Return notes, the share in the typical register, the span, and the share of roots."""
    pitches = np.array([pitch for part in parts for pitch in part.pitches])
    low, high = tessitura(parse_instrument(instrument))
    inside = float(((pitches >= low) & (pitches <= high)).mean())
    span = [pitch_name(int(pitch)) for pitch in (pitches.min(), np.median(pitches), pitches.max())]
    on_beats = sum(part.on_beats for part in parts)
    roots = f"{sum(part.roots for part in parts) / on_beats:.2f}" if on_beats else ""
    return [len(pitches), inside, *span, roots]


if __name__ == "__main__":
    main()
