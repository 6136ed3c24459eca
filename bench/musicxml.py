"""MusicXML readers: speed compared with music21 and partitura, play order with MuseScore.

    python -m bench.musicxml --data ../shared/data [--sample 40] [--seed 0] [--midi FOLDER]

Speed: art songs and string quartets, to the onsets and pitches of all notes; music21 and partitura
(if installed) without repeats. Play order: every art song with repeats or jumps, compared with the
MIDI file of MuseScore (`mscore3`, if installed; its files are kept in a folder). A bar is correct
if at least a third of its notes sound when MuseScore plays them (it plays ornaments and
arpeggios), and a piece if all bars but one in fifty are.
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

from bench.result_tables import table, write_table
from bench.score_reading import per_s, unpack
from segue.errors import Unreadable
from segue.io.midi import read_midi
from segue.io.musicxml_read import read_music_xml, read_notated_score
from segue.records import Score

QUARTETS = 4
GRID = 12  # to the quarter
RIGHT = 1 / 3  # of a bar's notes
ALL_RIGHT = 0.98  # of a piece's bars
#: Looked at in the file, where MuseScore plays other bars.
WHY = {
    "lc30707789": (
        "bars 2 to 30 three times, bar 10 in passes 1 and 2 only; MuseScore ends with bar 9 "
        "of the third pass. Segue is right"
    ),
    "lc6613355": (
        "a refrain (bars 3 to 24), endings 1 and 2 (25 to 60) that both lead back, and a third "
        "verse (61 to 98). The words want the refrain before each verse: 142 bars. music21, "
        "partitura and verovio play a section as often as its endings count, and so does Segue: "
        "120, without the refrain before verse 3; MuseScore leads back once more, and plays "
        "ending 2 once more, too: 160. Nobody is right"
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
    "lc4986026": (
        "the last bar is ending 3, and no sign leads back from endings 1 and 2, which Segue "
        "says; it plays the bar, MuseScore does not. Segue is right"
    ),
    "lc5105152": (
        "endings '1, 2' and '2' (printed 3.) of a section played three times: MuseScore "
        "leaves the last ending out. Segue is right"
    ),
    "lc6605890": (
        "the same bars in the same order; the last of each time has an arpeggio. Segue is right"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--midi", type=Path)
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
            orders(lieder, options.midi or work),
        ]
    write_table("musicxml", "MusicXML readers: speed and play order", sections)


# ---- speed -----------------------------------------------------------------------------------


def by_segue(file: Path) -> object:
    return read_music_xml(file.read_bytes())


def by_music21(file: Path) -> object:
    from music21 import converter

    stream = converter.parse(file, forceSource=True, storePickle=False)
    return [
        (float(element.offset), pitch.midi)
        for element in stream.flatten().notes
        for pitch in element.pitches
    ]


def by_partitura(file: Path) -> object:
    partitura = import_module("partitura")  # which has no types
    return partitura.load_musicxml(str(file)).note_array()


def speed(sets: dict[str, list[Path]]) -> str:
    rows = []
    for name, files in sets.items():
        subset = files[: max(len(files) // 4, min(len(files), QUARTETS))]  # of what is slow
        segue, refused = per_s(by_segue, files)
        rows.append((name, "Segue", len(files), f"{segue:.1f}", refused, ""))
        for reader, read in (("music21", by_music21), ("partitura", by_partitura)):
            if reader == "partitura" and not installed(reader):
                continue
            slow, refused = per_s(read, subset)
            ours, _ = per_s(by_segue, subset)
            rows.append((name, reader, len(subset), f"{slow:.2f}", refused, f"{ours / slow:.1f}"))
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


def orders(files: Sequence[Path], folder: Path) -> str:
    repeated = [file for file in files if is_repeated(file)]
    if not shutil.which("mscore3"):
        return f"{len(repeated)} art songs have repeats; MuseScore is not installed.\n"
    by_musescore(repeated, folder)
    rows: list[tuple[object, ...]] = []
    right = bars = right_bars = read = explained = 0
    for file in repeated:
        played = folder / f"{file.stem}.mid"
        if not played.exists():
            continue
        read += 1
        good, count, quarters = compare(file, read_midi(played.read_bytes()))
        right_bars, bars = right_bars + good, bars + count
        if good >= ALL_RIGHT * count and abs(quarters) <= 2:
            right += 1
        else:
            title = file.parts[-2].replace("_", " ")
            why = WHY.get(file.stem, "not looked at")
            explained += why.endswith("Segue is right")
            rows.append((title, count, good, f"{quarters:+.0f}", why))
    return (
        f"Of {len(repeated)} art songs with repeats or jumps MuseScore read {read}. {right} are "
        f"played alike; with those where MuseScore leaves out or doubles bars, "
        f"{right + explained} of {read} are right ({(right + explained) / read:.1%}). "
        f"Of {bars} bars, {right_bars} are as MuseScore plays them ({right_bars / bars:.1%}). "
        "The songs that are not, with by how many quarters Segue's are longer:\n\n"
        + table(("", "bars", "agree", "longer", "examined"), rows)
    )


def is_repeated(file: Path) -> bool:
    try:
        marks = read_notated_score(file.read_bytes()).marks
    except Unreadable:
        return False
    return any(mark.closes or mark.jump or mark.endings for mark in marks)


def by_musescore(files: Sequence[Path], folder: Path) -> None:
    """Have MuseScore write MIDI of all files that have none yet, in one go, without a window."""
    folder.mkdir(exist_ok=True)
    targets = {file: folder / f"{file.stem}.mid" for file in files}
    jobs = [{"in": str(f), "out": str(t)} for f, t in targets.items() if not t.exists()]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    if jobs:
        subprocess.run(
            ["mscore3", "-j", str(folder / "jobs.json")],
            check=False,
            capture_output=True,
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        )


def compare(file: Path, reference: Score) -> tuple[int, int, float]:
    """Return how many bars as we play them sound in the other, of how many, and how much longer."""
    score = read_music_xml(file.read_bytes())
    ours, sounding = onsets(score), onsets(reference)
    shift = min(sounding) - min(ours)
    starts = bar_starts(score)
    good = count = 0
    by_bar: dict[int, list[tuple[int, set[int]]]] = defaultdict(list)
    for tick, pitches in ours.items():
        by_bar[bisect.bisect_right(starts, tick)].append((tick, pitches))
    for notes in by_bar.values():
        matched = sum(len(pitches & sounding.get(tick + shift, set())) for tick, pitches in notes)
        count += 1
        good += matched >= RIGHT * sum(len(pitches) for _, pitches in notes)
    return good, count, (max(ours) + shift - max(sounding)) / GRID


def onsets(score: Score) -> dict[int, set[int]]:
    """Return the pitches that begin at each time."""
    pitches_at: dict[int, set[int]] = defaultdict(set)
    for part in score.parts:
        for on, _, pitch, _ in part.notes.tolist():
            pitches_at[round(on / score.ticks_per_quarter * GRID)].add(pitch)
    return pitches_at


def bar_starts(score: Score) -> list[int]:
    from segue.score.timing import bar_grid

    return [round(tick / score.ticks_per_quarter * GRID) for tick in bar_grid(score).edges.tolist()]


if __name__ == "__main__":
    main()
