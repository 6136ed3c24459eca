"""Humdrum **kern: agreement of notes with verovio, and speed, on files of Polish Scores.

    pip install verovio
    python -m bench.kern --data ../shared/data [--sample 60] [--seed 0] [--most-kb 40]

Both follow expansion lists. verovio plays grace notes and arpeggios before or after the beat, so
notes agree if verovio plays the pitch within an eighth of a quarter note. It omits bars written as
repetition signs (``*rep``) and plays drums at pitch 0, so such files are left out; it plays a
tremolo as one note, and shifts what follows notes or rests tied over a bar line. music21 is not
compared: it omits notes of spines that split into more than two.
"""

import argparse
import base64
import io
import random
import re
import time
import zipfile
from collections import Counter
from pathlib import Path

import mido  # type: ignore[import-untyped]
import verovio  # type: ignore[import-not-found, import-untyped, unused-ignore]

from bench.result_tables import table, write_table
from segue.io.encodings import decode
from segue.io.kern_read import read_kern

NEAR = 0.12  # quarters
ARCHIVE = Path("scores", "polish_scores_krn.zip")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-kb", type=int, default=40, help="verovio takes long")
    options = parser.parse_args()
    verovio.enableLog(verovio.LOG_OFF)
    rng = random.Random(options.seed)
    rows: dict[str, Counter[str]] = {}
    with zipfile.ZipFile(options.data / ARCHIVE) as archive:
        small = [i.filename for i in archive.infolist() if i.file_size < options.most_kb << 10]
        for name in rng.sample(sorted(small), options.sample):
            content = archive.read(name)
            if b"*rep" in content or re.search(rb"\t\d+R", content):
                continue
            row = rows.setdefault("split spines" if b"*^" in content else "others", Counter())
            compare(content, row)
    columns = [
        "",
        "files",
        "notes",
        "same, %",
        "Segue alone",
        "verovio alone",
        "files that agree",
    ]
    columns += ["Segue, files/s", "verovio, files/s"]
    rows_of_table = [
        (
            name, row["files"], row["notes"], f"{100 * row['same'] / max(row['notes'], 1):.2f}",
            row["ours"], row["theirs"], row["whole"], row["silent"],
            f"{1e6 * row['files'] / max(row['our_us'], 1):.1f}",
            f"{1e6 * row['files'] / max(row['their_us'], 1):.2f}",
        )
        for name, row in sorted(rows.items())
    ]  # fmt: skip
    write_table(
        "kern", "Humdrum **kern reader compared with verovio", [table(columns, rows_of_table)]
    )


def compare(content: bytes, row: Counter[str]) -> None:
    """Count the notes that both play, and those of one alone."""
    begin = time.process_time()
    score = read_kern(content)
    row["our_us"] += round(1e6 * (time.process_time() - begin))
    quarter = score.ticks_per_quarter
    notes = [
        (on / quarter, pitch) for part in score.parts for on, _, pitch, _ in part.notes.tolist()
    ]
    begin = time.process_time()
    theirs = played_by_verovio(decode(content))
    row["their_us"] += round(1e6 * (time.process_time() - begin))
    row["files"] += 1
    if not theirs:
        row["silent"] += 1
        return
    late = min(notes)[0] - min(theirs)[0]  # a pickup waits for its bar line
    same = matched([(on - late, pitch) for on, pitch in notes], theirs)
    row["notes"] += len(notes)
    row["same"] += same
    row["ours"] += len(notes) - same
    row["theirs"] += len(theirs) - same
    row["whole"] += same == len(notes) == len(theirs)


def matched(ours: list[tuple[float, int]], theirs: list[tuple[float, int]]) -> int:
    """Count the notes of both that have a pitch and about an onset in common, each once."""
    matches = 0
    for pitch in {pitch for _, pitch in ours}:
        mine, others = (sorted(on for on, p in notes if p == pitch) for notes in (ours, theirs))
        index = 0
        for on in mine:
            while index < len(others) and others[index] < on - NEAR:
                index += 1
            if index < len(others) and others[index] <= on + NEAR:
                matches += 1
                index += 1
    return matches


def played_by_verovio(text: str) -> list[tuple[float, int]]:
    """Return onset, in quarters, and pitch of the notes that verovio plays."""
    toolkit = verovio.toolkit()
    toolkit.loadData(text)
    file = mido.MidiFile(file=io.BytesIO(base64.b64decode(toolkit.renderToMIDI())))
    onsets = []
    for track in file.tracks:
        time = 0
        for message in track:
            time += message.time
            if message.type == "note_on" and message.velocity:
                onsets.append((time / file.ticks_per_beat, message.note))
    return onsets


if __name__ == "__main__":
    main()
