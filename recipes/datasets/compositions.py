"""Pieces for the composing transformer: multitrack, POP909, folk tunes and art songs.

Songs are divided by the SHA-256 of their names, versions of one piece together, as far as
`piano_rolls` knows them.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from recipes.datasets import piano_rolls
from segue.errors import SegueError
from segue.generate.compose.tokens import Bar, Note, Pedal
from segue.generate.compose.training import TrainingPiece, make_piece
from segue.io.midi import read_midi
from segue.io.scores import read_scores
from segue.records import Score

Side = Literal["train", "validation", "test"]

#: Of 60 songs, the numbers in the test set and in the validation set.
HELD: Final = {"multitrack": (9, 4), "pop909": (6, 2), "folk": (4, 1), "lieder": (4, 2)}
SIXTY: Final = 60


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece, where it comes from, and what it is for."""

    source: str
    side: Side
    piece: TrainingPiece


def pieces(data: Path, cache: Path) -> list[Piece]:
    """Return all pieces, from the cache where it is there.

    Parameters
    ----------
    data : Path
        The folder that holds `scores`.
    cache : Path
        A folder.
    """
    kept = cache / "compositions.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _keep(list(_read(data, cache)), kept)
    return _load(kept)


def _read(data: Path, cache: Path) -> Iterator[tuple[str, TrainingPiece]]:
    groups = {song.name: song.group for song in piano_rolls.songs(data, cache)}
    scores = data / "scores"
    for source, name, score in (
        *_multitrack(scores), *_pop909(scores), *_folk(scores), *_lieder(scores)
    ):  # fmt: skip
        try:
            yield source, make_piece(name, score, groups.get(name, name))
        except SegueError as error:
            print(f"{name}: {error}", flush=True)


def _multitrack(scores: Path) -> Iterator[tuple[str, str, Score]]:
    for path in sorted((scores / "multitrack").glob("*.mid")):
        try:
            yield "multitrack", path.stem, read_midi(path.read_bytes())
        except SegueError as error:
            print(f"{path.name}: {error}", flush=True)


def _folk(scores: Path) -> Iterator[tuple[str, str, Score]]:
    with zipfile.ZipFile(scores / "folk_tunes.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".mid"):
                yield "folk", name.removesuffix(".mid"), read_midi(archive.read(name))


def _pop909(scores: Path) -> Iterator[tuple[str, str, Score]]:
    with zipfile.ZipFile(scores / "pop909.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".mid"):
                text = archive.read(f"{name.rpartition('/')[0]}/beat_midi.txt").decode()
                beats = np.array([line.split() for line in text.splitlines()], np.float64)
                score = piano_rolls.warped(read_midi(archive.read(name)), beats)
                yield "pop909", f"pop909-{Path(name).stem}", score


def _lieder(scores: Path) -> Iterator[tuple[str, str, Score]]:
    with (
        zipfile.ZipFile(scores / "lieder_mxl.zip") as archive,
        tempfile.TemporaryDirectory() as tmp,
    ):
        for name in sorted(archive.namelist()):
            if not name.endswith(".mxl"):
                continue
            file = Path(tmp) / "song.mxl"
            file.write_bytes(archive.read(name))
            try:
                found = read_scores(file)[0]
            except SegueError as error:
                print(f"{name}: {error}", flush=True)
                continue
            if isinstance(found, Score) and found.parts:
                yield "lieder", name.rpartition("/")[0].removeprefix("scores/"), found


def _keep(read: list[tuple[str, TrainingPiece]], kept: Path) -> None:
    bars = [(n, bar) for n, (_, piece) in enumerate(read) for bar in piece.bars]
    notes = [(b, *note) for b, (_, bar) in enumerate(bars) for note in bar.notes]
    pedals = [(b, *pedal) for b, (_, bar) in enumerate(bars) for pedal in bar.pedals]
    np.savez(
        kept,
        sources=[source for source, _ in read],
        names=[piece.name for _, piece in read],
        groups=[piece.group for _, piece in read],
        keys=[piece.key for _, piece in read],
        bars=np.array([(n, bar.time_signature, bar.tempo) for n, bar in bars], np.int32),
        notes=np.array(notes, np.int32),
        pedals=np.array(pedals, np.int32),
    )


def _load(kept: Path) -> list[Piece]:
    with np.load(kept) as arrays:
        read = _unpacked(arrays, arrays["notes"], arrays["pedals"])
        sources = arrays["sources"].tolist()
    return [
        Piece(source, _side(source, piece.group), piece)
        for source, piece in zip(sources, read, strict=True)
    ]


def bands(data: Path, own: Sequence[Piece]) -> list[Piece]:
    """Return the arrangements, lead sheets, drum recordings and games' music of `bands.npz`.

    Parameters
    ----------
    data : Path
        The folder that holds `scores`.
    own : sequence of Piece
        What `pieces` returns: an arrangement of a song is on the side of the song.
    """
    side_of = {one.piece.group: one.side for one in own if one.source == "pop909"}
    with np.load(data / "scores" / "bands.npz") as arrays:
        notes, pedals = (
            np.column_stack([np.cumsum(arrays[count].astype(np.int64)), arrays[rows].T])
            for count, rows in (("nb", "n"), ("pb", "p"))
        )
        read = _unpacked(arrays, notes, pedals)
        sources = arrays["sources"].tolist()
    return [
        Piece(source, side_of.get(piece.group, "train"), piece)
        for source, piece in zip(sources, read, strict=True)
    ]


def _unpacked(
    arrays: Mapping[str, NDArray[Any]], notes: NDArray[Any], pedals: NDArray[Any]
) -> list[TrainingPiece]:
    bars = arrays["bars"].tolist()
    notes_of: list[list[Note]] = [[] for _ in bars]
    for bar, *note in notes.tolist():
        notes_of[bar].append(Note(*note))
    pedals_of: list[list[Pedal]] = [[] for _ in bars]
    for bar, *pedal in pedals.tolist():
        pedals_of[bar].append(Pedal(*pedal))
    bars_of: list[list[Bar]] = [[] for _ in arrays["names"]]
    for index, (piece, time_signature, tempo) in enumerate(bars):
        bars_of[piece].append(
            Bar(time_signature, tempo, tuple(notes_of[index]), tuple(pedals_of[index]))
        )
    columns = (arrays[name].tolist() for name in ("names", "keys", "groups"))
    return [
        TrainingPiece(name, tuple(of_piece), key, group)
        for (name, key, group), of_piece in zip(zip(*columns, strict=True), bars_of, strict=True)
    ]


def _side(source: str, group: str) -> Side:
    place = int.from_bytes(hashlib.sha256(f"compose {group}".encode()).digest()[:4]) % SIXTY
    test, validation = HELD[source]
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"
