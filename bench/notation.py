"""Notation written from MIDI, compared with the published notation of the same songs.

    python -m bench.notation --data ../shared/data [--songs 40] [--half test] [--seed 0]

Art songs whose bars are played in the order of the page are read from MusicXML, written as MIDI,
and notated again: as the MIDI file has them (exact), and with the timing of a performance (onsets
spread by 15 ms, chords by 5 ms, notes held for 70 to 100 % of their value). Compared are Segue,
MuseScore's import of MIDI (`musescore3` or `mscore3`, if installed) and music21's. A note is right
if the original has the same pitch at the same place with the same note value (type, dots and
tuplet). Composers are divided into two halves: notation was developed on one.
"""

import argparse
import os
import random
import shutil
import subprocess
import tempfile
import warnings
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from bench.result_tables import table, write_table
from bench.score_reading import unpack
from segue.io.midi import read_midi, write_midi
from segue.io.musicxml_elements import decompress
from segue.io.musicxml_read import read_music_xml
from segue.io.musicxml_write import write_music_xml
from segue.records import Score
from segue.score.harmony import with_estimated_key

MAX_BARS = 60
ONSET_SD_S, CHORD_SD_S = 0.015, 0.005
HELD = (0.7, 1.0)  # share of the notated duration
GRID = 48  # to the quarter: places that are compared


@dataclass(slots=True)
class Notation:
    """What a reader sees of a score.

    Attributes
    ----------
    values : dict
        Note value and number of the staff by place in grid steps and MIDI pitch.
    notes, ties, rests : int
        Number of note heads that begin a note, of ties, and of visible rests within bars.
    voices : Counter
        Number of bars of a staff by number of voices with notes.
    clefs : list of str
        First clef of each staff.
    """

    values: dict[tuple[int, int], tuple[str, int]] = field(default_factory=dict)
    notes: int = 0
    ties: int = 0
    rests: int = 0
    voices: Counter[int] = field(default_factory=Counter)
    clefs: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--songs", type=int, default=40)
    parser.add_argument("--half", choices=["development", "test"], default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        files = unpack(options.data / "scores" / "lieder_mxl.zip", work / "lieder", ".mxl")
        songs = choose(files, options.half, options.songs, options.seed)
        sections = [
            compare(songs, work, options.seed, options.only, performed=performed)
            for performed in (False, True)
        ]
    write_table("notation", "Notation written from MIDI beside the published notation", sections)


def choose(files: Sequence[Path], half: str, count: int, seed: int) -> list[bytes]:
    """Return songs of one half of the composers without repeats and transposed parts."""
    order = [f for f in files if (zlib.crc32(f.parts[-4].encode()) % 2 == 0) == (half == "test")]
    random.Random(seed).shuffle(order)
    songs: list[bytes] = []
    for file in order:
        text = decompress(file.read_bytes())
        root = ET.fromstring(text)  # of the published collection
        bars = len(root.findall("part[1]/measure"))
        signs = ("repeat", "ending", "segno", "coda", "transpose", "cue")
        if bars <= MAX_BARS and not any(root.find(f".//{sign}") is not None for sign in signs):
            songs.append(text)
        if len(songs) == count:
            break
    return songs


def compare(
    songs: Sequence[bytes], work: Path, seed: int, only: Sequence[str], *, performed: bool
) -> str:
    """Return the table of all systems for exact or performed MIDI."""
    systems: dict[str, Callable[[bytes, Path], bytes]] = {"Segue": by_segue}
    if shutil.which("musescore3") or shutil.which("mscore3"):
        systems["MuseScore 3"] = by_musescore
    systems["music21"] = by_music21
    systems = {name: run for name, run in systems.items() if not only or name in only}
    rows: list[list[object]] = [figures("published", [(read(song), read(song)) for song in songs])]
    rng = np.random.default_rng(seed)
    midis = []
    for song in songs:
        score = read_midi(write_midi(read_music_xml(song)))
        midis.append(write_midi(perform(score, rng) if performed else score))
    for name, notate in systems.items():
        pairs, refused = [], 0
        for song, midi in zip(songs, midis, strict=True):
            try:
                pairs.append((read(notate(midi, work)), read(song)))
            except Exception:  # noqa: BLE001  # any failure of another program
                refused += 1
        rows.append(figures(f"{name}{f' ({refused} refused)' if refused else ''}", pairs))
    kind = "with the timing of a performance" if performed else "as its MIDI file has it"
    head = f"{len(songs)} songs, each {kind}.\n\n"
    columns = ["", "note values right", "same staff", "first clefs right", "rests per note",
               "ties per note", "voices per bar of a staff"]  # fmt: skip
    return head + table(columns, rows)


def perform(score: Score, rng: np.random.Generator) -> Score:
    """Return a score with the timing of a performance."""
    bpm = float(score.tempos[0, 1]) if len(score.tempos) else 100.0
    ticks_per_s = score.ticks_per_quarter * bpm / 60
    parts = []
    for part in score.parts:
        notes = part.notes.astype(np.float64)
        onsets, index = np.unique(notes[:, 0], return_inverse=True)
        shift = rng.normal(0, ONSET_SD_S, len(onsets))[index] + rng.normal(
            0, CHORD_SD_S, len(notes)
        )
        notes[:, 0] = np.maximum(notes[:, 0] + shift * ticks_per_s, 0)
        notes[:, 1] = np.maximum(notes[:, 1] * rng.uniform(*HELD, len(notes)), 1)
        rounded = np.rint(notes).astype(np.int32)
        order = np.lexsort((rounded[:, 2], rounded[:, 0]))
        parts.append(type(part)(part.name, part.program, part.is_drum, rounded[order]))
    return Score(
        score.title, score.ticks_per_quarter, tuple(parts), score.tempos, score.time_signatures,
        score.keys,
    )  # fmt: skip


def by_segue(midi: bytes, _: Path) -> bytes:
    return write_music_xml(with_estimated_key(read_midi(midi)))


def by_musescore(midi: bytes, work: Path) -> bytes:
    source, target = work / "in.mid", work / "out.musicxml"
    source.write_bytes(midi)
    target.unlink(missing_ok=True)
    program = shutil.which("musescore3") or "mscore3"
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    subprocess.run([program, "-o", target, source], env=environment, timeout=120, check=False,
                   capture_output=True)  # fmt: skip
    return target.read_bytes()


def by_music21(midi: bytes, work: Path) -> bytes:
    from music21 import converter
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    warnings.simplefilter("ignore")
    source = work / "in21.mid"
    source.write_bytes(midi)
    stream = converter.parse(source, forceSource=True, storePickle=False)
    return bytes(GeneralObjectExporter(stream).parse())


# ---- reading of notation -----------------------------------------------------------------


def read(xml: bytes) -> Notation:
    """Read what a reader sees of plain MusicXML; places count from the first note."""
    root = ET.fromstring(xml)  # written here, or of the published collection
    notation = Notation()
    first_staff = 0
    placed: dict[tuple[Fraction, int], tuple[str, int]] = {}
    for part in root.findall("part"):
        staves = max((int(e.text or 1) for e in part.iter("staves")), default=1)
        clefs = {int(clef.get("number", 1)): clef for clef in reversed(list(part.iter("clef")))}
        notation.clefs += [
            (clefs[n].findtext("sign") or "") if n in clefs else "" for n in range(1, staves + 1)
        ]
        _read_part(part, first_staff, notation, placed)
        first_staff += staves
    start = min((place for place, _ in placed), default=Fraction(0))
    for (place, pitch), value in placed.items():
        notation.values[round((place - start) * GRID), pitch] = value
    return notation


def _read_part(
    part: ET.Element,
    first_staff: int,
    notation: Notation,
    placed: dict[tuple[Fraction, int], tuple[str, int]],
) -> None:
    divisions, bar_start = 1, Fraction(0)
    for measure in part.findall("measure"):
        at = end = onset = bar_start
        voices: dict[int, set[str]] = defaultdict(set)
        for element in measure:
            divisions = int(element.findtext("divisions") or divisions)
            if element.tag == "note" and element.find("grace") is not None:
                continue
            length = Fraction(element.findtext("duration") or 0) / divisions
            if element.tag == "backup":
                at -= length
            elif element.tag == "forward":
                at += length
            elif element.tag == "note":
                if element.find("chord") is None:
                    onset, at = at, at + length
                staff = first_staff + int(element.findtext("staff") or 1) - 1
                _read_note(element, onset, staff, voices[staff], notation, placed)
            end = max(end, at)
        notation.voices.update(len(names) for names in voices.values() if names)
        bar_start = end


def _read_note(
    note: ET.Element,
    onset: Fraction,
    staff: int,
    voices: set[str],
    notation: Notation,
    placed: dict[tuple[Fraction, int], tuple[str, int]],
) -> None:
    rest = note.find("rest")
    if rest is not None:
        notation.rests += rest.get("measure") != "yes" and note.get("print-object") != "no"
        return
    voices.add(note.findtext("voice") or "1")
    ties = {tie.get("type") for tie in note.findall("tie")}
    notation.ties += "start" in ties
    step = note.findtext("pitch/step")
    if "stop" in ties or step is None:
        return
    notation.notes += 1
    octave, alter = int(note.findtext("pitch/octave") or 0), note.findtext("pitch/alter") or 0
    pitch = 12 * (octave + 1) + "C D EF G A B".index(step) + round(float(alter))
    tuplet = f"{note.findtext('*/actual-notes') or ''}"
    value = f"{note.findtext('type')}{'.' * len(note.findall('dot'))}{tuplet}"
    placed.setdefault((onset, pitch), (value, staff))


def figures(name: str, pairs: Sequence[tuple[Notation, Notation]]) -> list[object]:
    """Return a row of figures over all songs."""
    right = same_staff = notes = clefs = all_clefs = 0
    for written, published in pairs:
        for key, (value, staff) in published.values.items():
            written_value, written_staff = written.values.get(key, ("", -1))
            right += written_value == value
            same_staff += written_staff == staff
        notes += len(published.values)
        clefs += sum(a == b for a, b in zip(written.clefs, published.clefs, strict=False))
        all_clefs += len(published.clefs)
    heads = max(sum(written.notes for written, _ in pairs), 1)
    voices: Counter[int] = sum((written.voices for written, _ in pairs), Counter())
    return [
        name,
        right / max(notes, 1),
        same_staff / max(notes, 1),
        clefs / max(all_clefs, 1),
        sum(written.rests for written, _ in pairs) / heads,
        sum(written.ties for written, _ in pairs) / heads,
        sum(count * n for count, n in voices.items()) / max(sum(voices.values()), 1),
    ]


if __name__ == "__main__":
    main()
