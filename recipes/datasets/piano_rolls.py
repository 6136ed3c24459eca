"""Piano rolls of the freely licensed scores, packed, and divided by song.

Multitrack MIDI; POP909 warped to its annotated beats, its three tracks assigned to three
instruments; folk tunes in 4/4, 2/2 and, two bars joined, 2/4. Songs are divided by the SHA-256 of
their names, versions of one piece together: tunes of one title in both collections, and songs that
share `SHARED` windows of four bars, up to transposition.
"""

import argparse
import hashlib
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import SegueError
from segue.io.midi import read_midi
from segue.records import Score
from segue.score.piano_roll import N_PITCHES, STEPS_PER_BAR, PianoRoll, pack_bars, unpack_bars

Source = Literal["multitrack", "pop909", "folk"]
Side = Literal["train", "validation", "test"]

#: What the tracks of POP909 are played by here: all are called piano in the files, the lead is
#: sung, the bridge answers it. General MIDI: string ensemble, guitar, piano.
POP_PROGRAMS: Final = {"MELODY": 48, "BRIDGE": 25, "PIANO": 0}
#: Numbers of groups of songs in the test set and in the validation set; the others are the training
#: set. POP909 gives more than 500 candidates of retrieval; only multitrack has drums and bass.
HELD: Final[dict[Source, tuple[int, int]]] = {
    "pop909": (520, 50),
    "multitrack": (36, 12),
    "folk": (150, 60),
}
SHARED: Final = 3
FEWEST_NOTES: Final = 12  # of a passage that identifies a piece
TICKS: Final = 480


@dataclass(frozen=True, slots=True)
class Song:
    """A piece on the grid.

    Attributes
    ----------
    name : str
    source : str
    group : str
        The same for versions of one piece.
    side : str
    bars : ndarray, shape (bars, 2520), uint8
        Packed cells.
    common_time : bool
        As written: in 4/4, not made of two bars of 2/4.
    """

    name: str
    source: Source
    group: str
    side: Side
    bars: NDArray[np.uint8]
    common_time: bool

    @property
    def cells(self) -> NDArray[np.bool_]:
        """The roll, shape (bars, 48, 84, 5), bool."""
        return unpack_bars(self.bars)


def songs(data: Path, cache: Path) -> list[Song]:
    """Return all songs, from the cache where it is there.

    Parameters
    ----------
    data : Path
        The folder that holds `scores`.
    cache : Path
        A folder for the packed rolls.
    """
    path = cache / "rolls.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _prepare(data / "scores", path)
    with np.load(path) as arrays:
        bars, starts = arrays["bars"], arrays["starts"]
        columns = zip(
            *(arrays[key].tolist() for key in ("names", "sources", "groups", "sides", "common")),
            starts[:-1].tolist(),
            starts[1:].tolist(),
            strict=True,
        )
        return [
            Song(name, source, group, side, bars[first:last], common)
            for name, source, group, side, common, first, last in columns
        ]


def _prepare(scores: Path, path: Path) -> None:
    read = [*multitrack(scores), *pop909(scores), *folk(scores)]
    print(f"{len(read)} songs on the grid", flush=True)
    grouped = _divided(_grouped(read))
    np.savez(
        path,
        bars=np.concatenate([song.bars for song in grouped]),
        starts=np.cumsum([0, *(len(song.bars) for song in grouped)]),
        names=[song.name for song in grouped],
        sources=[song.source for song in grouped],
        groups=[song.group for song in grouped],
        sides=[song.side for song in grouped],
        common=[song.common_time for song in grouped],
    )


# ---- reading -----------------------------------------------------------------------------


def multitrack(scores: Path) -> Iterator[Song]:
    """Yield the native multitrack MIDI."""
    for path in sorted((scores / "multitrack").glob("*.mid")):
        yield from _song(path.stem, "multitrack", path.stem, path.read_bytes())


def folk(scores: Path) -> Iterator[Song]:
    """Yield the tunes whose bars are, or make, bars of 4/4."""
    with zipfile.ZipFile(scores / "folk_tunes.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".mid"):
                yield from _song(name.removesuffix(".mid"), "folk", "", archive.read(name))


def pop909(scores: Path) -> Iterator[Song]:
    """Yield the songs of POP909 on the grid of their beats."""
    with zipfile.ZipFile(scores / "pop909.zip") as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith(".mid"):
                continue
            text = archive.read(f"{name.rpartition('/')[0]}/beat_midi.txt").decode()
            beats = np.array([line.split() for line in text.splitlines()], np.float64)
            score = warped(read_midi(archive.read(name)), beats)
            song = f"pop909-{Path(name).stem}"
            yield _packed(song, "pop909", song, score)


def _song(name: str, source: Source, group: str, content: bytes) -> Iterator[Song]:
    try:
        score = read_midi(content)
        common = (4, 4) in [tuple(row[1:]) for row in score.time_signatures.tolist()] or not len(
            score.time_signatures
        )
        if source == "folk":
            score = _in_common_time(score)
            group = f"tune {_plain(score.title)}"
        song = _packed(name, source, group, score, common_time=common)
    except SegueError as error:
        print(f"{name}: {error}", flush=True)
        return
    if song.bars.any():
        yield song


def _packed(
    name: str, source: Source, group: str, score: Score, *, common_time: bool = True
) -> Song:
    cells = PianoRoll.from_score(score).cells
    return Song(name, source, group, "train", pack_bars(cells), common_time)


def _in_common_time(score: Score) -> Score:
    """Call 2/4 and 2/2 what they are on the grid: bars of four quarters."""
    time_signatures = score.time_signatures.copy()
    time_signatures[(time_signatures[:, 1] == 2) & np.isin(time_signatures[:, 2], (2, 4)), 1:] = 4
    return replace(score, time_signatures=time_signatures)


def _plain(title: str) -> str:
    title = re.sub(r"\(.*?\)|\[.*?\]|--.*|\d+$", " ", title.casefold())
    words = re.sub(r"[^a-z ]", "", title).split()
    return " ".join(word for word in words if word not in ("the", "a", "an"))


def warped(score: Score, beats: NDArray[np.float64]) -> Score:
    """Put a performance on the grid of its beats.

    Parameters
    ----------
    score : Score
    beats : ndarray, shape (n, 3), float64
        Seconds, and in the last column 1 where a bar begins.

    Returns
    -------
    Score
        Its quarters are the beats, from the first bar on, and its metres are the distances of
        the bars.
    """
    down = np.flatnonzero(beats[:, 2] == 1)
    first = int(down[0])
    parts = []
    for part in score.parts:
        onset, duration, pitch, velocity = part.notes.T
        on = _beat_of(_seconds(score, onset), beats[:, 0]) - first
        off = _beat_of(_seconds(score, onset + duration), beats[:, 0]) - first
        start = np.rint(on * TICKS)
        length = np.maximum(np.rint(off * TICKS) - start, 1)
        notes = np.stack([start, length, pitch, velocity], axis=1).astype(np.int32)
        notes = notes[start > -TICKS // 24]
        if len(notes):
            program = POP_PROGRAMS.get(part.name, part.program)
            parts.append(replace(part, program=program, notes=notes))
    counts = np.diff(down).tolist()
    time_signatures = [
        (int(beat - first) * TICKS, count, 4)
        for beat, count, before in zip(down[:-1], counts, [0, *counts[:-1]], strict=True)
        if count != before
    ]
    tempo = 60 / float(np.median(np.diff(beats[:, 0])))
    return Score(
        score.title, TICKS, tuple(parts), np.array([[0.0, tempo]]),
        np.array(time_signatures, np.int32).reshape(-1, 3), np.empty((0, 3), np.int32),
    )  # fmt: skip


def _seconds(score: Score, ticks: NDArray[np.int32]) -> NDArray[np.float64]:
    ticks_, bpm = score.tempos.T
    if not len(ticks_) or ticks_[0] > 0:
        ticks_, bpm = np.append(0.0, ticks_), np.append(120.0, bpm)
    each = 60 / bpm / score.ticks_per_quarter
    begins = np.append(0.0, np.cumsum(np.diff(ticks_) * each[:-1]))
    row = np.searchsorted(ticks_, ticks, side="right") - 1
    return np.asarray(begins[row] + (ticks - ticks_[row]) * each[row])


def _beat_of(seconds: NDArray[np.float64], beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate between beats; beyond the last ones at their pace."""
    place = np.interp(seconds, beats, np.arange(len(beats)))
    before, after = seconds < beats[0], seconds > beats[-1]
    place[before] = (seconds[before] - beats[0]) / (beats[1] - beats[0])
    place[after] = len(beats) - 1 + (seconds[after] - beats[-1]) / (beats[-1] - beats[-2])
    return np.asarray(place)


# ---- dividing ----------------------------------------------------------------------------


def stretches(bars: NDArray[np.uint8]) -> set[bytes]:
    """Return a hash of the onsets of each four bars that identify a piece, up to transposition."""
    cells = unpack_bars(bars)[..., 1:].any(axis=-1).reshape(-1, N_PITCHES)
    onsets = cells & ~np.pad(cells, ((1, 0), (0, 0)))[:-1]
    hashes = set()
    for start in range(len(bars) - 3):
        step, pitch = np.nonzero(onsets[start * STEPS_PER_BAR : (start + 4) * STEPS_PER_BAR])
        if len(step) >= FEWEST_NOTES:
            notes = np.stack([step, pitch - pitch.min()]).astype(np.uint8)
            hashes.add(hashlib.sha256(notes.tobytes()).digest()[:8])
    return hashes


def _grouped(read: Sequence[Song]) -> list[Song]:
    """Give versions of one piece one group, named by the first."""
    group = {song.group: song.group for song in read}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    holders = defaultdict(list)
    for song in read:
        for stretch in stretches(song.bars):
            holders[stretch].append(song.group)
    shared: dict[tuple[str, str], int] = defaultdict(int)
    for names in holders.values():
        first = names[0]
        for second_ in set(names) - {first}:
            shared[first, second_] += 1
    for (first_, second_), count in sorted(shared.items()):
        if count >= SHARED:
            low, high = sorted((root(first_), root(second_)))
            group[high] = low
    return [replace(song, group=root(song.group)) for song in read]


def _divided(read: Sequence[Song]) -> list[Song]:
    side: dict[str, Side] = {}
    for source, (test, validation) in HELD.items():
        groups = {song.group for song in read if song.source == source} - side.keys()
        ordered = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())
        for number, name in enumerate(ordered):
            side_: Side = "validation" if number < test + validation else "train"
            side[name] = "test" if number < test else side_
    return [replace(song, side=side[song.group]) for song in read]


def main() -> None:
    """Prepare the rolls, and say what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    all_songs = songs(options.data, options.cache)
    for source in HELD:
        for side in ("train", "validation", "test"):
            chosen = [song for song in all_songs if song.source == source and song.side == side]
            groups, bars = {song.group for song in chosen}, sum(len(song.bars) for song in chosen)
            common = sum(song.common_time for song in chosen)
            print(source, side, len(chosen), "songs", len(groups), "groups", bars, "bars", common)


if __name__ == "__main__":
    main()
