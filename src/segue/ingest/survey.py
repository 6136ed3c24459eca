"""Which files are new, changed, gone, removed or ignored; options and report of adding.

How files are added, and what came of it.

What is there: which files are new, changed, gone, taken out, or the words of others.

Tracks whose files are gone.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from segue.errors import BadArgument
from segue.io.lyrics_text import PLAIN, TextForm
from segue.io.scan import Found, LeftAlone, Obstacle, PassedOver, Scanned, scan
from segue.io.tags import NOTHING
from segue.records import Failure, FileState, Pruned, Tags
from segue.store import Store
from segue.store.files import KnownFile

# --- report ---


@dataclass(slots=True)
class AddReport:
    """What one run did, as counts of files, and what failed."""

    added: int = 0
    changed: int = 0
    copied: int = 0
    moved: int = 0
    unchanged: int = 0
    missing: int = 0
    passed_over: int = 0
    failed_before: int = 0
    ignored: int = 0  # files and folders that a pattern rules out
    taken_out: int = 0  # tracks whose files are ignored now
    removed: int = 0  # files that the user took out before
    words: int = 0  # recordings and scores whose words were read from a text beside them
    versions: int = 0  # songs left out: live, or a remix
    duplicates: int = 0  # songs left out: words that are there already
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come."""

    done: int
    total: int
    path: Path


Watcher = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How files are added.

    Attributes
    ----------
    form : TextForm
        What is kept of the words that are read.
    given : Tags
        Artist and album of files that name none.
    exclude : tuple of str
        Patterns as of ``.gitignore`` of what is left alone.
    include_removed : bool
        What was taken out of the library comes back.
    retry : bool
        Also files are read that could not be read and have not changed since.
    """

    form: TextForm = PLAIN
    given: Tags = NOTHING
    exclude: tuple[str, ...] = ()
    include_removed: bool = False
    retry: bool = False


DEFAULT: Final = Options()


# --- survey ---

#: A file to read, and what the library knows of it.
Todo = tuple[Found, KnownFile | None]
UNSEEN: Final = FileState(0, 0)  # of what cannot even be looked at


@dataclass(slots=True)
class Surveyed:
    """What is there, and what is to be done about it.

    Attributes
    ----------
    known : dict of bytes to KnownFile
        What the library knows, by absolute path.
    removed : dict of bytes to set of int
        Tunes of files that the user took out, and that stay out.
    todo : list of Todo
        Files to read.
    music : list of Found
        Recordings and scores that are there, whether to be read or not.
    texts : list of Todo
        What holds the words of such.
    obstacles : list of Obstacle
        Places that cannot be looked into, not told before.
    returning : set of bytes
        Files that the user took out, and now asks for again.
    report : AddReport
    """

    known: dict[bytes, KnownFile]
    removed: dict[bytes, set[int]]
    todo: list[Todo] = field(default_factory=list)
    music: list[Found] = field(default_factory=list)
    texts: list[Todo] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    returning: set[bytes] = field(default_factory=set)
    report: AddReport = field(default_factory=AddReport)


def survey(store: Store, paths: Sequence[Path], options: Options) -> Surveyed:
    """Look at files and folders, and note in the library what is gone, came back or stays out.

    Parameters
    ----------
    store : Store
    paths : sequence of Path
    options : Options
    """
    looking = _Looking(store, options)
    items = looking.scan(paths)
    here = {item.path: item for item in items if isinstance(item, Found)}
    for item in items:
        if isinstance(item, Found):
            looking.at_file(item, here)
        else:
            looking.at_other(item)
    looking.record({os.fsencode(os.path.abspath(path)) for path in paths})
    return looking.there


class _Looking:
    def __init__(self, store: Store, options: Options) -> None:
        self.there = Surveyed(store.known_files(), store.removed.tunes())
        self._store = store
        self._options = options
        self._missing = store.missing_tracks()
        self._met: set[bytes] = set()
        self._roots: set[bytes] = set()
        self._back: list[int] = []
        self._blocked: set[bytes] = set()  # what lies below stays as it is
        self._litter: set[bytes] = set()
        self._ignored: set[bytes] = set()

    def scan(self, paths: Sequence[Path]) -> list[Scanned]:
        """Find what is there; with a text that was asked for, the music it is the words of."""
        items = list(scan(paths, self._options.exclude))
        met = {item.path for item in items}
        owners = [
            Path(os.fsdecode(path))
            for item in items
            if isinstance(item, Found) and item.asked_for
            for path in item.music
            if path not in met and self._has_tracks(path)
        ]
        return items + list(scan(owners))

    def at_file(self, found: Found, here: Mapping[bytes, Found]) -> None:
        there, report = self.there, self.there.report
        self._met.add(found.path)
        self._roots.add(found.root)
        before = there.known.get(found.path)
        if self._is_out(found):
            report.removed += 1
        elif self._belongs(found, here):
            there.texts.append((found, before))
            report.failed_before += self._failed_before(found)
        else:
            if found.kind != "lyrics":
                there.music.append(found)
            given = self._options.given
            given_now = before is not None and before.tracks and (given.artist or given.album)
            if (
                is_to_read(found, before, self._options)
                or given_now
                or found.path in there.returning
            ):
                there.todo.append((found, before))
            elif before is None or not before.tracks:
                report.failed_before += 1
            else:
                report.unchanged += 1
                self._back += self._missing.intersection(before.tracks)

    def at_other(self, item: Obstacle | PassedOver | LeftAlone) -> None:
        there, report = self.there, self.there.report
        if isinstance(item, LeftAlone):
            report.ignored += item.why != "litter"
            aside = {"litter": self._litter, "ignored": self._ignored, "excluded": self._blocked}
            aside[item.why].add(item.path)
            return
        self._met.add(item.path)
        if isinstance(item, PassedOver):
            report.passed_over += 1
            return
        self._roots.add(item.root)
        self._blocked.add(item.path)
        before = there.known.get(item.path)
        if before is not None and not before.is_to_read(UNSEEN, retry=self._options.retry):
            report.failed_before += 1
        else:
            there.obstacles.append(item)

    def record(self, whole: Collection[bytes]) -> None:
        """Note what is gone below the folders that were looked through, and all else."""
        there, report = self.there, self.there.report
        gone = dict(self._gone(whole))
        ignored = {path for path in gone if _below(path, self._ignored)}
        taken_out = [track for path in ignored for track in gone[path].tracks]
        vanished = {path: file.tracks for path, file in gone.items() if path not in ignored}
        report.taken_out = len(taken_out)
        report.missing = sum(
            not self._missing.issuperset(tracks) for tracks in vanished.values() if tracks
        )
        kinds = {found.kind for found, _ in there.todo} | {found.kind for found in there.music}
        with self._store.transaction():
            self._store.spaces.register(kinds)
            for root in self._roots:
                self._store.files.add_root(root)
            all_vanished = [track for tracks in vanished.values() for track in tracks]
            self._store.set_missing(all_vanished, missing=True)
            self._store.set_missing(self._back, missing=False)
            self._store.remove_tracks(taken_out)
            self._store.removed.forget(there.returning)
            self._store.files.remove_failures(
                path for path, file in gone.items() if not file.tracks
            )

    def _gone(self, whole: Collection[bytes]) -> Iterator[tuple[bytes, KnownFile]]:
        for path, file in self.there.known.items():
            if path in self._met or not _below(path, whole) or _below(path, self._blocked):
                continue
            if file.tracks and _below(path, self._litter):
                continue  # added when Segue did not leave hidden folders alone
            yield path, file

    def _is_out(self, found: Found) -> bool:
        """Tell whether the user took a file out; note where one is to come back."""
        there = self.there
        if found.path not in there.removed:
            return False
        if found.asked_for or self._options.include_removed:
            there.returning.add(found.path)
            del there.removed[found.path]
            return False
        return not self._has_tracks(found.path)  # else only some of its tunes

    def _belongs(self, text: Found, here: Mapping[bytes, Found]) -> bool:
        """Tell whether a text is the words of music that is in the library or about to be."""
        for path in text.music:
            if self._has_tracks(path):
                return True
            if path in self.there.removed:
                if not text.asked_for:
                    return True
            elif path in here and not self._failed_before(here[path]):
                return True
        return False

    def _failed_before(self, found: Found) -> bool:
        """Tell whether a file could not be read, and is not read again now."""
        before = self.there.known.get(found.path)
        if before is None or before.tracks:
            return False
        return not before.is_to_read(found.state, retry=self._options.retry)

    def _has_tracks(self, path: bytes) -> bool:
        return path in self.there.known and bool(self.there.known[path].tracks)


def is_to_read(found: Found, before: KnownFile | None, options: Options) -> bool:
    """Tell whether a file is new, or is to be read again."""
    return before is None or before.is_to_read(found.state, retry=options.retry)


def _below(path: bytes, folders: Collection[bytes]) -> bool:
    """Tell whether a path is one of some folders, or lies in one."""
    while path not in folders:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


# --- prune ---


def prune(store: Store, *, really: bool) -> Pruned:
    """Take out the tracks whose files are gone.

    Raises
    ------
    BadArgument
        More than half is gone at once, as when a disk is not connected, and not `really`.
    """
    tracks = store.tracks()
    gone = [track for track in tracks if not os.path.lexists(track.path)]
    if 2 * len(gone) > len(tracks) and not really:
        raise BadArgument(
            f"{len(gone)} of {len(tracks)} files are gone: is a disk not connected? "
            "Connect it, or add --force to take them all out"
        )
    with store.writing(), store.transaction():
        store.remove_tracks(track.id for track in gone)
        kept = [track.id for track in tracks if track.missing and track not in gone]
        store.set_missing(kept, missing=False)
    return Pruned(gone, len(tracks) - len(gone))
