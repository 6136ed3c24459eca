"""Finding the files to add: folders, links and what is in the way."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from segue.formats.kinds import READABLE, kind_of
from segue.formats.lyrics.tables import holds_csv_songs, holds_json_songs
from segue.formats.whole import is_partial
from segue.records import FileState, Kind

#: Music that Segue cannot read (yet): said once per file, where covers and texts are passed over.
UNSUPPORTED: Final = frozenset(
    [
        ".mod",
        ".xm",
        ".it",
        ".s3m",
        ".mtm",
        ".stm",
        ".med",
        ".669",
        ".umx",
        ".sid",
        ".nsf",
        ".spc",
        ".vgm",
        ".ape",
        ".mpc",
        ".tta",
        ".dsf",
        ".dff",
        ".ra",
        ".rm",
        ".amr",
        ".caf",
        ".shn",
        ".au",
        ".snd",
        ".voc",
        ".spx",
        ".mpg",
        ".mpeg",
        ".vob",
        ".3gp",
        ".dts",
        ".ac3",
    ]
)


_HEAD: Final = 65_536
_TS_PACKET: Final = 188  # bytes; each begins with "G"
#: Texts that lie beside music and programs and are no lyrics: passed over unless asked for by name.
_NO_LYRICS: Final = re.compile(
    r"(read.?me|licen[cs]e|copying|copyright|notice|change.?log|changes|history|news|authors|"
    r"credits|contributors|contributing|attributions?|acknowledge?ments|install|todo|notes|info|"
    r"about|index|contents|track.?list(ing)?|playlist|requirements|robots|cmakelists|journal|"
    r"architecture)([ ._-].*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file to add; `root` is the folder it was found from."""

    path: bytes
    root: bytes
    state: FileState
    kind: Kind


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A place that cannot be entered or read, and why."""

    path: bytes
    root: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file that is no music."""

    path: bytes


Scanned = Found | Obstacle | PassedOver


def scan(paths: Sequence[Path]) -> Iterator[Scanned]:
    """Walk files and folders, following links, in order of name.

    Parameters
    ----------
    paths : sequence of Path
        Files or folders; one that was met already is not met again.

    Yields
    ------
    Found, Obstacle or PassedOver
        Paths are absolute, as bytes: names need not be UTF-8.
    """
    seen: set[bytes] = set()
    for path in paths:
        whole = os.fsencode(os.path.abspath(path))  # keeps links as they are
        is_folder = os.path.isdir(whole)  # Path refuses bytes
        root = whole if is_folder else os.path.dirname(whole)
        walk = _walk(whole, root, ()) if is_folder else _look(whole, root, asked_for=True)
        for item in walk:
            if item.path not in seen:
                seen.add(item.path)
                yield item


def _walk(folder: bytes, root: bytes, above: tuple[tuple[int, int], ...]) -> Iterator[Scanned]:
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            yield Obstacle(folder, root, "a link that leads back to a folder it lies in")
            return
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Obstacle(folder, root, _why(error))
        return
    for entry in listed:
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            yield Obstacle(entry.path, root, _why(error))
            continue
        if is_folder:
            yield from _walk(entry.path, root, (*above, identity))
        else:
            yield from _look(entry.path, root, asked_for=False)


def _look(path: bytes, root: bytes, *, asked_for: bool) -> Iterator[Scanned]:
    file = Path(os.fsdecode(path))
    suffix = file.suffix.lower()
    if is_partial(file):
        yield PassedOver(path)
        return
    kind = kind_of(file)
    if kind is None:
        if suffix in UNSUPPORTED or asked_for:
            yield Obstacle(path, root, f"unsupported: {suffix or 'no ending'}; {_readable()}")
        else:
            yield PassedOver(path)
        return
    try:
        status = os.stat(path)
    except OSError as error:
        yield Obstacle(path, root, _why(error))
        return
    if not stat.S_ISREG(status.st_mode):
        yield Obstacle(path, root, "not a regular file")
        return
    if not asked_for and not _may_be_music(path, suffix):
        yield PassedOver(path)
        return
    yield Found(path, root, FileState(status.st_size, status.st_mtime_ns), kind)


def _may_be_music(path: bytes, suffix: str) -> bool:
    """Tell what is music from all else of such an ending, by its name and its beginning."""
    name = os.fsdecode(os.path.basename(path))
    if suffix in {".txt", ".md"}:
        return _NO_LYRICS.fullmatch(name.removesuffix(Path(name).suffix)) is None
    if suffix not in {".xml", ".csv", ".json", ".jsonl", ".ts"}:
        return True
    try:
        with open(path, "rb") as file:  # Path refuses bytes
            head = file.read(_HEAD)
    except OSError:
        return True  # the reader will say what is wrong
    if suffix == ".ts":  # MPEG transport stream, or TypeScript
        return head[::_TS_PACKET][:2] == b"GG"
    begins = head.replace(b"\0", b"")  # of UTF-16, half of the bytes
    if suffix == ".xml":
        return b"<score-partwise" in begins or b"<score-timewise" in begins
    holds = holds_csv_songs if suffix == ".csv" else holds_json_songs
    return holds(begins.decode("utf-8", "replace"))


def _why(error: OSError) -> str:
    reasons = {
        errno.ENOENT: "a link to nothing",
        errno.ELOOP: "a link that leads back to itself",
        errno.EACCES: "no permission to read it",
        errno.ENAMETOOLONG: "its name is too long for this system",
    }
    return reasons.get(error.errno or 0, f"cannot be read ({error.strerror})")


def _readable() -> str:
    return "Segue reads " + " ".join(sorted(suffix[1:] for suffix in READABLE))
