"""Comparison of files on disk with the library: new, changed, missing, removed, ignored.

`survey` decides, without reading any file, what `segue.ingest.add` has to do, and records in the
library what vanished or came back. `prune` removes the tracks whose files are gone.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from segue.errors import BadArgument
from segue.io.lyrics_text import PLAIN_TEXT, TextOptions
from segue.io.scan import ExcludedPath, FoundFile, OtherFile, Scanned, UnreadablePath, scan
from segue.records import NO_TAGS, Failure, FileState, Pruned, Tags
from segue.store import Store
from segue.store.files import KnownFile


@dataclass(slots=True)
class AddReport:
    """Number of files by what one run did with them, and the failures."""

    added: int = 0
    changed: int = 0
    copied: int = 0
    moved: int = 0
    unchanged: int = 0
    missing: int = 0
    passed_over: int = 0
    failed_before: int = 0
    ignored: int = 0  # files and folders that match an ignore pattern
    taken_out: int = 0  # tracks removed because their files are ignored now
    removed: int = 0  # files left out because the user removed them before
    words: int = 0  # recordings and scores with lyrics from a sidecar text
    versions: int = 0  # songs left out: live versions and remixes
    duplicates: int = 0  # songs left out: their lyrics are in the library already
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run: number of files done and in all, and the last file."""

    done: int
    total: int
    path: Path


Watcher = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class AddOptions:
    """Options of adding files.

    Attributes
    ----------
    form : TextOptions
        Options of reading lyrics.
    given : Tags
        Artist and album for files without these tags.
    exclude : tuple of str
        Patterns of files and folders to leave out, in the syntax of ``.gitignore``.
    include_removed : bool
        Add files again that were removed from the library.
    retry : bool
        Try unchanged files again that could not be read before.
    """

    form: TextOptions = PLAIN_TEXT
    given: Tags = NO_TAGS
    exclude: tuple[str, ...] = ()
    include_removed: bool = False
    retry: bool = False


DEFAULT_OPTIONS: Final = AddOptions()


#: A file to read, and its record in the library.
PendingFile = tuple[FoundFile, KnownFile | None]
#: State of files whose status cannot be read, and of files that are not stored completely.
UNKNOWN_STATE: Final = FileState(0, 0)


@dataclass(slots=True)
class Survey:
    """The files on disk, and what is to be done with them.

    Attributes
    ----------
    known : dict of bytes to KnownFile
        Files of the library by absolute path.
    removed : dict of bytes to set of int
        Tunes of files that the user removed from the library, and that are not added again.
    pending : list of PendingFile
        Files to read.
    music : list of FoundFile
        Existing recordings and scores, whether pending or not.
    texts : list of PendingFile
        Sidecar texts with the lyrics of other files.
    unreadable : list of UnreadablePath
        Files and folders that cannot be read, and were not reported before.
    returning : set of bytes
        Files that the user removed before, and now adds again.
    vanished : set of bytes
        Files of the library that are gone since the last run, and not found elsewhere yet.
    """

    known: dict[bytes, KnownFile]
    removed: dict[bytes, set[int]]
    pending: list[PendingFile] = field(default_factory=list)
    music: list[FoundFile] = field(default_factory=list)
    texts: list[PendingFile] = field(default_factory=list)
    unreadable: list[UnreadablePath] = field(default_factory=list)
    returning: set[bytes] = field(default_factory=set)
    vanished: set[bytes] = field(default_factory=set)
    report: AddReport = field(default_factory=AddReport)


def survey(store: Store, paths: Sequence[Path], options: AddOptions) -> Survey:
    """Compare files and folders with the library, and record what is missing or came back."""
    surveyor = _Surveyor(store, options)
    items = surveyor.scan(paths)
    files = {item.path: item for item in items if isinstance(item, FoundFile)}
    for item in items:
        if isinstance(item, FoundFile):
            surveyor.add_file(item, files)
        else:
            surveyor.add_other(item)
    surveyor.record({os.fsencode(os.path.abspath(path)) for path in paths})
    return surveyor.result


class _Surveyor:
    def __init__(self, store: Store, options: AddOptions) -> None:
        self.result = Survey(store.known_files(), store.removed.tunes())
        self._store = store
        self._options = options
        self._missing = store.missing_tracks()
        self._seen: set[bytes] = set()
        self._roots: set[bytes] = set()
        self._found_again: list[int] = []  # missing tracks whose files exist again
        self._faulty_sheets: set[bytes] = set()  # folders of cue sheets that cannot be read
        self._blocked: set[bytes] = set()  # tracks below these paths stay unchanged
        self._system: set[bytes] = set()
        self._ignored: set[bytes] = set()

    def scan(self, paths: Sequence[Path]) -> list[Scanned]:
        """Scan paths, and the music of sidecar texts that are named themselves."""
        items = list(scan(paths, self._options.exclude))
        self._faulty_sheets = {
            os.path.dirname(item.path)
            for item in items
            if isinstance(item, UnreadablePath) and item.path.lower().endswith(b".cue")
        }
        seen = {item.path for item in items}
        owners = [
            Path(os.fsdecode(path))
            for item in items
            if isinstance(item, FoundFile) and item.asked_for
            for path in item.music
            if path not in seen and self._has_tracks(path)
        ]
        return items + list(scan(owners))

    def add_file(self, file: FoundFile, files: Mapping[bytes, FoundFile]) -> None:
        result, report = self.result, self.result.report
        self._seen.add(file.path)
        self._roots.add(file.root)
        known = result.known.get(file.path)
        if self._is_removed(file):
            report.removed += 1
        elif self._is_sidecar(file, files):
            result.texts.append((file, known))
            report.failed_before += self._failed_before(file)
        else:
            if file.kind != "lyrics":
                result.music.append(file)
            given = self._options.given
            has_given_tags = known is not None and known.tracks and (given.artist or given.album)
            if self._waits_for_sheet(file, known):
                report.unchanged += 1
            elif (
                needs_reading(file, known, self._options)
                or has_given_tags
                or file.path in result.returning
            ):
                result.pending.append((file, known))
            elif known is None or not known.tracks:
                report.failed_before += 1
            else:
                report.unchanged += 1
                self._found_again += self._missing.intersection(known.tracks)

    def add_other(self, item: UnreadablePath | OtherFile | ExcludedPath) -> None:
        result, report = self.result, self.result.report
        if isinstance(item, ExcludedPath):
            report.ignored += item.why != "system"
            by_reason = {
                "system": self._system,
                "ignored": self._ignored,
                "excluded": self._blocked,
            }
            by_reason[item.why].add(item.path)
            return
        self._seen.add(item.path)
        if isinstance(item, OtherFile):
            report.passed_over += 1
            return
        self._roots.add(item.root)
        self._blocked.add(item.path)
        known = result.known.get(item.path)
        if known is not None and not known.needs_reading(UNKNOWN_STATE, retry=self._options.retry):
            report.failed_before += 1
        else:
            result.unreadable.append(item)

    def record(self, folders: Collection[bytes]) -> None:
        """Record in the library which files below the scanned folders are gone or came back."""
        result, report = self.result, self.result.report
        gone = dict(self._gone(folders))
        ignored = {path for path in gone if _is_below_any(path, self._ignored)}
        ignored_tracks = [track for path in ignored for track in gone[path].tracks]
        vanished = {path: file.tracks for path, file in gone.items() if path not in ignored}
        report.taken_out = len(ignored_tracks)
        result.vanished = {
            path
            for path, tracks in vanished.items()
            if tracks and not self._missing.issuperset(tracks)
        }
        report.missing = len(result.vanished)
        media = {file.kind for file, _ in result.pending} | {file.kind for file in result.music}
        with self._store.transaction():
            self._store.spaces.register(media)
            for root in self._roots:
                self._store.files.add_root(root)
            vanished_tracks = [track for tracks in vanished.values() for track in tracks]
            self._store.set_missing(vanished_tracks, missing=True)
            self._store.set_missing(self._found_again, missing=False)
            self._store.remove_tracks(ignored_tracks)
            self._store.removed.forget(result.returning)
            self._store.files.remove_failures(
                path for path, file in gone.items() if not file.tracks
            )

    def _gone(self, folders: Collection[bytes]) -> Iterator[tuple[bytes, KnownFile]]:
        for path, file in self.result.known.items():
            if path in self._seen or not _is_below_any(path, folders):
                continue
            if _is_below_any(path, self._blocked):
                continue
            if file.tracks and _is_below_any(path, self._system):
                continue  # added by a version of Segue that did not skip hidden folders
            yield path, file

    def _is_removed(self, file: FoundFile) -> bool:
        """Return whether the user removed a file; note those that are added again."""
        result = self.result
        if file.path not in result.removed:
            return False
        if file.asked_for or self._options.include_removed:
            result.returning.add(file.path)
            del result.removed[file.path]
            return False
        return not self._has_tracks(file.path)  # else only some of its tunes were removed

    def _is_sidecar(self, text: FoundFile, files: Mapping[bytes, FoundFile]) -> bool:
        """Return whether a text has the lyrics of music that is in the library or pending."""
        for path in text.music:
            if self._has_tracks(path):
                return True
            if path in self.result.removed:
                if not text.asked_for:
                    return True
            elif path in files and not self._failed_before(files[path]):
                return True
        return False

    def _waits_for_sheet(self, file: FoundFile, known: KnownFile | None) -> bool:
        """Return whether a recording keeps its tracks until its cue sheet can be read again."""
        is_divided = file.kind == "sound" and known is not None and len(known.tracks) > 1
        return is_divided and not file.sheet and os.path.dirname(file.path) in self._faulty_sheets

    def _failed_before(self, file: FoundFile) -> bool:
        """Return whether a file could not be read before, and is not tried again."""
        known = self.result.known.get(file.path)
        if known is None or known.tracks:
            return False
        return not known.needs_reading(file.state, retry=self._options.retry)

    def _has_tracks(self, path: bytes) -> bool:
        return path in self.result.known and bool(self.result.known[path].tracks)


def needs_reading(file: FoundFile, known: KnownFile | None, options: AddOptions) -> bool:
    """Return whether a file is new, or has to be read again."""
    return known is None or known.needs_reading(file.state, retry=options.retry)


def _is_below_any(path: bytes, folders: Collection[bytes]) -> bool:
    """Return whether a path is one of some folders, or lies below one."""
    while path not in folders:
        parent = os.path.dirname(path)
        if parent == path:
            return False
        path = parent
    return True


def prune(store: Store, *, really: bool) -> Pruned:
    """Remove the tracks whose files are gone.

    Raises
    ------
    BadArgument
        More than half of the files are gone, as when a disk is not connected, and not `really`.
    """
    tracks = store.tracks()
    gone = [track for track in tracks if not os.path.lexists(track.path)]
    if 2 * len(gone) > len(tracks) and not really:
        raise BadArgument(
            f"{len(gone)} of {len(tracks)} files are gone: is a disk not connected? "
            "Connect it, or use --force to remove them all"
        )
    with store.writing(), store.transaction():
        store.remove_tracks(track.id for track in gone)
        kept = [track.id for track in tracks if track.missing and track not in gone]
        store.set_missing(kept, missing=False)
    return Pruned(gone, len(tracks) - len(gone))
