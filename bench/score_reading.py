"""Speed of score readers: Segue compared with other libraries in the same run.

    python -m bench.score_reading --data ../shared/data [--only midi|abc|add] [--sample 40]

One table per part. MIDI: multitrack files and folk tunes, compared with pretty_midi, symusic (which
is faster, and omits notes and instruments: see `segue.io.midi_events`), and music21 on a few.
ABC: tunes of music21's corpus, compared with music21 and with abc2midi, which symusic calls; also
for how many tunes both agree. Add: the whole command. For MusicXML see bench/musicxml.py.
"""

import argparse
import contextlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import environ
from pathlib import Path

from bench.result_tables import table, write_table
from segue.errors import Unreadable
from segue.io import abc_read
from segue.io.midi import read_midi
from segue.io.scores import read_scores
from segue.records import Score

ORNAMENT = re.compile(r"[~HLMOPRSTuv.](?=[\[(^_=A-Ga-g{\"v])")
PASSES = 3
SLOW = 10  # files for what takes a second or more for each
ADDED_S = 20
BARS = {"music21": 50, "pretty_midi": 10}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("midi", "abc", "add"))
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    parts = [options.only] if options.only else ["midi", "abc", "add"]
    rng = random.Random(options.seed)
    scores = options.data / "scores"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folk = unpack(scores / "folk_tunes.zip", work / "folk", ".mid")
        multitrack = sorted((scores / "multitrack").glob("*.mid"))
        if "midi" in parts:
            read = midi(options, rng, {"multitrack": multitrack, "folk tunes": folk})
            write_table("score_reading_midi", "MIDI readers: speed", [read])
        if "abc" in parts:
            write_table(
                "score_reading_abc",
                "ABC readers: speed and agreement",
                [tunes(rng, work, options.sample)],
            )
        if "add" in parts:
            added_row = added(work / "folk", len(folk), work / "library")
            write_table("score_reading_add", "Adding folk tunes", [added_row])


def added(folder: Path, count: int, library: Path) -> str:
    """Time the whole command, as a user waits for it."""
    command = [sys.executable, "-m", "segue", "add", str(folder), "--library", str(library)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run([*command, "--workers", "2"], check=True, capture_output=True)
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (
        f"`segue add` of {count} folk tunes, two workers: {seconds:.1f} s by the clock, "
        f"{spent:.1f} s of processor time (asked for: {ADDED_S} s). Read, described, placed in "
        "both spaces, stored.\n"
    )


def unpack(archive: Path, folder: Path, suffix: str) -> list[Path]:
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return sorted(folder.rglob(f"*{suffix}"))


def per_s(
    read: Callable[[Path], object], files: Sequence[Path], passes: int = 1
) -> tuple[float, int]:
    """Return files read a second of processor time, at best, and how many were refused.

    In a process of its own: what others left in memory slows the next one down.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(timed, read, files, passes).result()


def timed(read: Callable[[Path], object], files: Sequence[Path], passes: int) -> tuple[float, int]:
    warnings.simplefilter("ignore")  # of the others, about what they find odd
    read(files[0])  # what is imported at the first is not timed
    seconds = []
    for _ in range(passes):
        refused = 0
        begin = time.process_time()
        for file in files:
            try:
                read(file)
            except Exception:  # noqa: BLE001  # what other programs raise at a damaged file
                refused += 1
        seconds.append(time.process_time() - begin)
    return len(files) / min(seconds), refused


def by_pretty_midi(file: Path) -> object:
    import pretty_midi

    return pretty_midi.PrettyMIDI(str(file))


def by_music21(file: Path) -> object:
    import music21

    return music21.converter.parse(file, forceSource=True, storePickle=False)


def by_symusic(file: Path) -> object:
    import symusic

    return symusic.Score(str(file))


def midi(options: argparse.Namespace, rng: random.Random, sets: dict[str, list[Path]]) -> str:
    rows: list[tuple[object, ...]] = []
    bars = []
    for name, files in sets.items():
        sample = rng.sample(files, options.sample)
        segue, _ = per_s(read_scores, sample, PASSES)
        whole, refused = per_s(read_scores, files)
        rows.append((name, "Segue", f"{segue:,.0f}", f"{whole:,.0f}", refused, "", ""))
        for reader, read in (("pretty_midi", by_pretty_midi), ("symusic", by_symusic)):
            rate, _ = per_s(read, sample, PASSES)
            other_whole, refused = per_s(read, files)
            rows.append((name, reader, f"{rate:,.0f}", f"{other_whole:,.0f}", refused,
                         f"{segue / rate:.2g}", f"{whole / other_whole:.2g}"))  # fmt: skip
            if reader in BARS:
                bars.append(f"{name}, {reader}: {missed(whole / other_whole, BARS[reader])}")
        slow, refused = per_s(by_music21, sample[:SLOW])
        rows.append((name, "music21", f"{slow:,.2f}", "", f"{refused} of {SLOW}",
                     f"{segue / slow:,.0f}", ""))  # fmt: skip
        bars.append(f"{name}, music21: {missed(segue / slow, BARS['music21'])}")
    return (
        f"Files a second of processor time, each reader in a process of its own, on "
        f"{options.sample} drawn (seed {options.seed}; best of {PASSES} passes; music21: on "
        f"{SLOW} of them, once) and once on all of "
        f"{', '.join(f'{len(files)} {name}' for name, files in sets.items())}. "
        f"Asked for: {BARS['music21']} times music21, {BARS['pretty_midi']} times pretty_midi.\n\n"
        + table(("", "", "sample", "all", "refused", "Segue, times", "on all"), rows)
        + "\n"
        + "; ".join(bars)
        + ".\n"
    )


def missed(times: float, bar: float) -> str:
    """Say whether a bar is reached."""
    return f"{times:.3g} times, {'reached' if times >= bar else 'MISSED'} ({bar})"


def tunes(rng: random.Random, work: Path, count: int) -> str:
    import music21

    corpus = Path(music21.__file__).parent / "corpus"
    texts = [
        text
        for file in sorted(corpus.rglob("*.abc"))
        for text in re.split(r"(?m)^(?=X:)", file.read_text("utf-8", "replace"))[1:]
    ]
    rows: list[tuple[object, ...]] = []
    whole = len(texts)
    texts = rng.sample(texts, 50 * count)
    subset = texts[:count]
    begin = time.process_time()
    for text in subset:
        by_music21_abc(text)
    rows.append(("music21", count, f"{count / (time.process_time() - begin):.1f}", "", ""))
    begin = time.process_time()
    read = {text: own(text) for text in texts}
    speed = len(texts) / (time.process_time() - begin)
    rows.append(("Segue", len(texts), f"{speed:.0f}", sum(s is None for s in read.values()), ""))
    more = texts[: 20 * count]
    begin = time.perf_counter()  # another process's work is not in ours
    by_reference = {text: by_abc2midi(text, work) for text in more}
    speed = len(more) / (time.perf_counter() - begin)
    pairs = [(a, b) for text in more if (a := read[text]) and (b := by_reference[text])]
    same = sum(sounds(a, 0) == sounds(b, 1) for a, b in pairs)
    silent = sum(result is None for result in by_reference.values())
    rows.append(("abc2midi", len(more), f"{speed:.0f}", silent, f"{same / len(pairs):.1%}"))
    return (
        f"Tunes of the {whole} in music21's corpus. abc2midi (by the clock) without "
        "accompaniment, grace notes, ornaments and the swing of hornpipes; onsets (1/24 quarter) "
        "and pitches:\n\n" + table(("", "tunes", "tunes/s", "refused", "agrees with Segue"), rows)
    )


def own(text: str) -> Score | None:
    try:
        return abc_read.read_tune(abc_read.split_tune_book(text.encode())[0])
    except Unreadable:
        return None


def by_music21_abc(text: str) -> None:
    import music21

    with contextlib.suppress(Exception):  # its time counts all the same
        music21.converter.parseData(text, format="abc").expandRepeats()


def by_abc2midi(text: str, work: Path) -> Score | None:
    plain = "\n".join(
        line if re.match("[A-Za-z]:|%", line) else ORNAMENT.sub("", line)
        for line in text.split("\n")
        if not line.startswith("R:")
    )  # fmt: skip
    import symusic

    (work / "tune.abc").write_text(plain)
    (work / "tune.mid").unlink(missing_ok=True)
    assert symusic.__file__  # it names the program's place
    subprocess.run(
        [environ["SYMUSIC_ABC2MIDI"], work / "tune.abc", "-o", work / "tune.mid", "-silent",
         "-NGRA", "-NGUI", "-NFER"], capture_output=True, check=False,
    )  # fmt: skip
    try:
        return read_midi((work / "tune.mid").read_bytes())
    except (Unreadable, OSError):
        return None


def sounds(score: Score, late: int) -> list[tuple[int, int]]:
    """Return onsets from the first on, and pitches; abc2midi is a tick late."""
    rows = sorted(
        (round((on - late) / 20), pitch)
        for part in score.parts
        for on, _, pitch, _ in part.notes.tolist()
    )
    return [(on - rows[0][0], pitch) for on, pitch in rows]


if __name__ == "__main__":
    main()
