"""MusicXML: how fast it is read, and whether bars are played in the order that they should.

    python bench/musicxml.py --data ../shared/data [--sample 40] [--seed 0] [--musescore mscore3]

Speed: art songs and string quartets, Segue against music21 and partitura (where it is installed),
each to the onsets and pitches of all notes, repeats as they are written for the others. Play order:
every art song and lead sheet with repeats or jumps, against the MIDI that MuseScore plays it as
(`mscore3`, where it is installed). A bar is right where at least half of its notes sound when
MuseScore plays them, and a piece where all bars but one in fifty are.
"""

import argparse
import bisect
import json
import os
import random
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from reading import per_s, unpack
from segue.errors import Unreadable
from segue.formats.score.midi import read_midi
from segue.formats.score.music_xml import read_music_xml, read_written
from segue.records import Score
from tables import keep, table

QUARTETS = 4
GRID = 12  # to the quarter
RIGHT = 0.5  # of a bar's notes
ALL_RIGHT = 0.98  # of a piece's bars
#: Looked at in the file, where MuseScore plays other bars.
WHY = {
    "lc30707789": (
        "bars 2 to 30 three times, bar 10 in passes 1 and 2 only; MuseScore ends with bar 9 "
        "of the third pass. Segue is right"
    ),
    "lc6613355": (
        "a refrain, endings 1 and 2 that both lead back, and more music. MuseScore plays the "
        "second ending twice, Segue once. The third verse wants the refrain again: neither is "
        "right"
    ),
    "lc6609481": (
        "D.C. al Coda without a To Coda sign: MuseScore leaves it out; Segue plays from the "
        "start into the coda, as the words ask. Segue is right"
    ),
    "lc6986302": (
        "a refrain with endings 1 to 3; from 1 and 2 verses lead back. Segue plays refrain, "
        "verse 1, refrain, verse 2, refrain to Fine; MuseScore verse 1 twice. Segue is right"
    ),
    "lc6993176": (
        "as Je te veux: Segue ends with ending 3 and Fine, MuseScore plays 32 bars more. "
        "Segue is right"
    ),
    "lc6670960": (
        "signs with labels that do not fit lead from verse to verse. Segue says that they "
        "contradict each other and reads as written; MuseScore plays verse 1 five times. "
        "Neither is right"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--musescore", default="mscore3")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    scores = options.data / "scores"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        lieder = unpack(scores / "lieder_mxl.zip", work / "lieder", ".mxl")
        sheets = unpack(scores / "openewld_mxl.zip", work / "sheets", ".mxl")
        quartets = unpack(scores / "openscore_quartets_mxl.zip", work / "quartets", ".mxl")
        sections = [
            speed(
                {
                    "art songs": rng.sample(lieder, options.sample),
                    "lead sheets": rng.sample(sheets, options.sample),
                    "string quartets": rng.sample(quartets, QUARTETS),
                }
            ),
            orders([*lieder, *sheets], work, options.musescore),
        ]
    keep("musicxml", "Reading MusicXML", sections)


# ---- speed -----------------------------------------------------------------------------------


def by_segue(file: Path) -> object:
    return read_music_xml(file.read_bytes())


def by_music21(file: Path) -> object:
    from music21 import converter

    stream = converter.parse(file, forceSource=True, storePickle=False)
    return [
        (float(one.offset), pitch.midi) for one in stream.flatten().notes for pitch in one.pitches
    ]


def by_partitura(file: Path) -> object:
    partitura = import_module("partitura")  # which has no types
    return partitura.load_musicxml(str(file)).note_array()


def speed(sets: dict[str, list[Path]]) -> str:
    rows = []
    for name, files in sets.items():
        few = files[: max(len(files) // 4, min(len(files), QUARTETS))]  # of what is slow
        segue, refused = per_s(by_segue, files)
        rows.append((name, "Segue", len(files), f"{segue:.1f}", refused, ""))
        for other, read in (("music21", by_music21), ("partitura", by_partitura)):
            if other == "partitura" and not installed(other):
                continue
            slow, refused = per_s(read, few)
            ours, _ = per_s(by_segue, few)
            rows.append((name, other, len(few), f"{slow:.2f}", refused, f"{ours / slow:.1f}"))
    return (
        "Files a second of processor time, each in a process of its own; Segue, times on the same "
        "files. Asked for: five times music21.\n\n"
        + table(("", "", "files", "files/s", "refused", "Segue, times"), rows)
    )


def installed(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True


# ---- order -------------------------------------------------------------------------------------


def orders(files: Sequence[Path], work: Path, musescore: str) -> str:
    repeated = [file for file in files if is_repeated(file)]
    if not shutil.which(musescore):
        return f"{len(repeated)} pieces with repeats; MuseScore is not installed.\n"
    midi = by_musescore(repeated, work, musescore)
    rows, right, bars, right_bars, refused = [], 0, 0, 0, 0
    for file in repeated:
        if file not in midi:
            refused += 1
            continue
        good, count, quarters = compare(file, midi[file])
        right_bars, bars = right_bars + good, bars + count
        if good >= ALL_RIGHT * count and abs(quarters) <= 4:
            right += 1
        else:
            title = file.relative_to(work).parts[-2].replace("_", " ")
            why = WHY.get(file.stem, "")
            rows.append((title, count, good, f"{quarters:+.0f}", why))
    return (
        f"Of {len(repeated)} pieces with repeats or jumps MuseScore read "
        f"{len(repeated) - refused}. "
        f"{right} are played alike, {right_bars} of {bars} bars ({right_bars / bars:.1%}). "
        "The others, with what is played longer by Segue, in quarters:\n\n"
        + table(("", "bars", "alike", "longer", "looked at"), rows)
    )


def is_repeated(file: Path) -> bool:
    try:
        marks = read_written(file.read_bytes()).marks
    except Unreadable:
        return False
    return any(mark.closes or mark.jump or mark.endings for mark in marks)


def by_musescore(files: Sequence[Path], work: Path, program: str) -> dict[Path, Score]:
    """Have MuseScore write MIDI of all files, in one go, without a window."""
    out = work / "midi"
    out.mkdir()
    targets = {file: out / f"{number}.mid" for number, file in enumerate(files)}
    jobs = work / "jobs.json"
    jobs.write_text(json.dumps([{"in": str(f), "out": str(t)} for f, t in targets.items()]))
    subprocess.run(
        [program, "-j", str(jobs)],
        check=False,
        capture_output=True,
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
    )
    return {
        file: read_midi(target.read_bytes()) for file, target in targets.items() if target.exists()
    }


def compare(file: Path, other: Score) -> tuple[int, int, float]:
    """Return how many bars as we play them sound in the other, of how many, and how much longer."""
    score = read_music_xml(file.read_bytes())
    own, sounding = onsets(score), onsets(other)
    shift = min(sounding) - min(own)
    starts = bar_starts(score)
    good = count = 0
    by_bar: dict[int, list[tuple[int, set[int]]]] = defaultdict(list)
    for at, pitches in own.items():
        by_bar[bisect.bisect_right(starts, at)].append((at, pitches))
    for notes in by_bar.values():
        found = sum(len(pitches & sounding.get(at + shift, set())) for at, pitches in notes)
        count += 1
        good += found >= RIGHT * sum(len(pitches) for _, pitches in notes)
    return good, count, (max(own) + shift - max(sounding)) / GRID


def onsets(score: Score) -> dict[int, set[int]]:
    """Return the pitches that begin at each time."""
    found: dict[int, set[int]] = defaultdict(set)
    for part in score.parts:
        for on, _, pitch, _ in part.notes.tolist():
            found[round(on / score.ticks_per_quarter * GRID)].add(pitch)
    return found


def bar_starts(score: Score) -> list[int]:
    from segue.represent.score.timing import bars

    return [round(tick / score.ticks_per_quarter * GRID) for tick in bars(score).at.tolist()]


if __name__ == "__main__":
    main()
