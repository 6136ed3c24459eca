"""Scanning of folders for files to add: ignore rules, sidecar texts, links.

System files, hidden files and files that match a ``.segueignore`` are skipped. Texts of the same
name as a recording or score are matched with it: they are its sidecar texts with lyrics. Cue sheets
are matched with the recordings that they divide into tracks.
"""

import contextlib
import errno
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final, Literal, Self

from segue.errors import BadArgument, Unreadable, is_transient
from segue.files import is_partial
from segue.io.cue_sheets import SUFFIX as CUE_SUFFIX
from segue.io.cue_sheets import CueSheet, match_cue_sheets, read_cue_sheet
from segue.io.lyrics import is_lyrics_csv, is_lyrics_json
from segue.media import ALL_SUFFIXES, medium_of
from segue.records import FileState, Medium
from segue.text import fold_name

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


IGNORE_FILE: Final = ".segueignore"
_MAX_IGNORE_BYTES: Final = 1 << 20
#: Files and folders of operating systems and network drives, in lower case.
_SYSTEM_FILES: Final = frozenset([
    "thumbs.db", "ehthumbs.db", "desktop.ini", "folder.ini", "__macosx", "@eadir", "@tmp",
    "#recycle", "@recycle", "@recently-snapshot", "#snapshot", "$recycle.bin", "recycler",
    "recycled", "system volume information", "lost+found", "network trash folder",
    "temporary items", "icon\r",
])  # fmt: skip
#: Hidden files, but not names of music such as "...And Justice for All" and ".38 Special".
_HIDDEN: Final = re.compile(r"\.[^.\d\s].*", re.DOTALL)


def is_system_file(name: str) -> bool:
    """Return whether a file or folder is hidden or belongs to an operating system.

    Parameters
    ----------
    name : str
        Name without folder, such as ``._Song.mp3``, ``.DS_Store``, ``Thumbs.db`` or ``@eaDir``.
    """
    return name.lower() in _SYSTEM_FILES or _HIDDEN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """Ignore patterns in the syntax of ``.gitignore``.

    Attributes
    ----------
    lists : tuple of tuple of bytes and GitIgnoreSpec
        Absolute folders with the patterns relative to them, outermost first. The last list with a
        matching pattern decides.
    """

    lists: "tuple[tuple[bytes, GitIgnoreSpec], ...]" = ()

    def with_file_in(self, folder: bytes) -> Self:
        """Return rules with the ``.segueignore`` of a folder added, if there is one.

        Raises
        ------
        OSError
            The file cannot be read.
        BadArgument
            A line of the file is no valid pattern.
        """
        path = os.path.join(folder, os.fsencode(IGNORE_FILE))
        try:
            with open(path, "rb") as file:  # Path refuses bytes
                text = file.read(_MAX_IGNORE_BYTES).decode("utf-8-sig", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return self
        return self.with_patterns(folder, text.splitlines(), os.fsdecode(path))

    def with_patterns(self, folder: bytes, patterns: Sequence[str], source: str) -> Self:
        """Return rules with patterns relative to a folder added; `source` names their origin."""
        if not patterns:
            return self
        return type(self)((*self.lists, (folder, _compiled(tuple(patterns), source))))

    def ignore(self, path: bytes, *, is_folder: bool) -> bool:
        """Return whether an absolute path is ignored."""
        for folder, spec in reversed(self.lists):
            relative = os.fsdecode(path[len(folder) :].lstrip(b"/")) + "/" * is_folder
            ignored = spec.check_file(relative).include
            if ignored is not None:
                return ignored
        return False


@cache
def _compiled(patterns: tuple[str, ...], source: str) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # rarely needed

    for number, pattern in enumerate(patterns, start=1):
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError:
            raise BadArgument(
                f"{source}, pattern {number}: {pattern!r} is not a pattern as of .gitignore; "
                "write *.wav, Podcasts/ or !keep.mp3"
            ) from None
    return GitIgnoreSpec.from_lines(patterns)


def inherited_rules(folder: bytes) -> IgnoreRules:
    """Read the ``.segueignore`` of all parents of a folder."""
    parents: list[bytes] = []
    while (parent := os.path.dirname(folder)) != folder:
        parents.append(parent)
        folder = parent
    rules = IgnoreRules()
    for parent in reversed(parents):
        try:
            rules = rules.with_file_in(parent)
        except OSError:
            continue  # a parent without read permission
    return rules


# --- sidecar texts ---

#: Suffixes of sidecar texts in order of preference: with timestamps, then without.
_SIDECAR_SUFFIXES: Final = (".lrc", ".txt")
#: Formats of several tunes, which have no sidecar texts.
_TUNE_BOOKS: Final = frozenset([".abc"])
#: Language suffix of "Song.en.lrc" and "Song.pt-BR.lrc".
_LANGUAGE: Final = re.compile(r"\.[a-z]{2,3}(-[a-z0-9]{2,8})?$")


def match_sidecars(names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Match texts with the music of the same name in one folder.

    Parameters
    ----------
    names : iterable of str
        All files of the folder.

    Returns
    -------
    mapping of str to tuple of str
        Texts of each recording or score, in order of preference: ``Song.lrc``, ``Song.mp3.lrc``,
        ``Song.en.lrc``, and the same with ``.txt``. Case and Unicode normalisation are ignored. A
        score gets texts only if there is no recording of its name; several recordings of one name
        share them.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    music: list[str] = []
    for name in names:
        path = PurePath(name)
        if path.suffix.lower() in _SIDECAR_SUFFIXES:
            texts[fold_name(path.stem)].append(name)
        elif medium_of(path) in {"sound", "score"} and path.suffix.lower() not in _TUNE_BOOKS:
            music.append(name)
    if not texts:
        return {}
    stems = {name: fold_name(PurePath(name).stem) for name in music}
    recordings = {stem for name, stem in stems.items() if medium_of(PurePath(name)) == "sound"}
    by_language: dict[str, list[str]] = defaultdict(list)
    for stem, files in texts.items():
        match = _LANGUAGE.search(stem)
        if match and stem not in stems.values():
            by_language[stem[: match.start()]] += sorted(files)
    matched: dict[str, tuple[str, ...]] = {}
    for name, stem in stems.items():
        if medium_of(PurePath(name)) == "score" and stem in recordings:
            continue
        files = [*texts.get(stem, ()), *texts.get(fold_name(name), ()), *by_language.get(stem, ())]
        if files:
            matched[name] = tuple(sorted(files, key=partial(_rank, PurePath(name).stem)))
    return matched


def _rank(stem: str, text: str) -> tuple[int, bool]:
    path = PurePath(text)
    return _SIDECAR_SUFFIXES.index(path.suffix.lower()), path.stem != stem


# --- scan ---

#: Music formats that Segue cannot read: reported as failures, unlike other files.
UNSUPPORTED: Final = frozenset([
    ".mod", ".xm", ".it", ".s3m", ".mtm", ".stm", ".med", ".669", ".umx", ".sid", ".nsf", ".spc",
    ".vgm", ".ape", ".mpc", ".tta", ".dsf", ".dff", ".ra", ".rm", ".amr", ".caf", ".shn", ".au",
    ".snd", ".voc", ".spx", ".mpg", ".mpeg", ".vob", ".3gp", ".dts", ".ac3",
])  # fmt: skip
_SNIFFED_BYTES: Final = 65_536
_TS_PACKET: Final = 188  # bytes; each begins with "G"
#: Texts that are not lyrics: skipped unless named explicitly.
_NO_LYRICS: Final = re.compile(
    r"(read.?me|licen[cs]e|copying|copyright|notice|change.?log|changes|history|news|authors|"
    r"credits|contributors|contributing|attributions?|acknowledge?ments|install|todo|notes|info|"
    r"about|index|contents|track.?list(ing)?|playlist|requirements|robots|cmakelists|journal|"
    r"architecture)([ ._-].*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SidecarText:
    """A text with the lyrics of the music of the same name beside it."""

    path: bytes
    state: FileState


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to add.

    Attributes
    ----------
    path : bytes
    root : bytes
        The folder that was scanned.
    state : FileState
        Of a recording with a cue sheet, that of both, so that a change of either is noticed.
    kind : {"sound", "score", "lyrics"}
    asked_for : bool
        The file itself was named, not a folder that contains it.
    texts : tuple of SidecarText
        Sidecar texts of a recording or score, in order of preference.
    music : tuple of bytes
        Recordings or scores of which a text is a sidecar.
    sheet : bytes
        Path of the cue sheet that divides a recording into tracks; empty if there is none.
    """

    path: bytes
    root: bytes
    state: FileState
    kind: Medium
    asked_for: bool = False
    texts: tuple[SidecarText, ...] = ()
    music: tuple[bytes, ...] = ()
    sheet: bytes = b""


@dataclass(frozen=True, slots=True)
class UnreadablePath:
    """A file or folder that cannot be read, and why; `transient` as in `Failure`."""

    path: bytes
    root: bytes
    reason: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is not music."""

    path: bytes


@dataclass(frozen=True, slots=True)
class ExcludedPath:
    """A file or folder that is skipped.

    Attributes
    ----------
    path : bytes
    why : {"system", "ignored", "excluded"}
        A system or hidden file; ignored by a ``.segueignore``; or excluded in this run.
    """

    path: bytes
    why: Literal["system", "ignored", "excluded"]


Scanned = FoundFile | UnreadablePath | OtherFile | ExcludedPath


def scan(paths: Sequence[Path], exclude: Sequence[str] = ()) -> Iterator[Scanned]:
    """Walk files and folders in order of name, following links.

    Parameters
    ----------
    paths : sequence of Path
        Files or folders; each file is yielded once.
    exclude : sequence of str
        Patterns in the syntax of ``.gitignore``, relative to each folder, of files and folders to
        skip. A file that is named itself is never skipped.

    Yields
    ------
    FoundFile, UnreadablePath, OtherFile or ExcludedPath
        With absolute paths in bytes, since names need not be UTF-8.

    Raises
    ------
    BadArgument
        `exclude` holds an invalid pattern.
    """
    seen: set[bytes] = set()
    for path in paths:
        absolute = os.fsencode(os.path.abspath(path))  # without resolving links
        if os.path.isdir(absolute):  # Path does not take bytes
            walk = _Walk(absolute, exclude).folder(absolute, inherited_rules(absolute), ())
        else:
            walk = _scan_file(absolute)
        for item in walk:
            if item.path not in seen:
                seen.add(item.path)
                yield item


def _scan_file(path: bytes) -> Iterator[Scanned]:
    """Scan a file that was named, with its sidecar texts or music."""
    folder = os.path.dirname(path)
    try:
        rules = inherited_rules(path)
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if entry.path == path
                or not (
                    is_system_file(os.fsdecode(entry.name))
                    or rules.ignore(entry.path, is_folder=False)
                )
            ]
    except (OSError, BadArgument):
        names = []  # the folder cannot be listed, but the file may be readable
    sidecars = _Sidecars(folder, names)
    if _path(path).suffix.lower() == CUE_SUFFIX:
        yield from _recordings_of_sheet(path, folder, sidecars)
    else:
        for sheet, reason in sidecars.faults.items():
            yield UnreadablePath(sheet, folder, reason)
        yield from _classify(path, folder, sidecars, asked_for=True)


def _recordings_of_sheet(path: bytes, folder: bytes, sidecars: "_Sidecars") -> Iterator[Scanned]:
    """Scan the recordings that a cue sheet, which was named, divides into tracks."""
    recordings = sidecars.divided_by(path)
    if not recordings:
        reason = sidecars.faults.get(
            path, "no recording that this cue sheet divides into tracks lies beside it"
        )
        yield UnreadablePath(path, folder, reason)
    for recording in recordings:
        yield from _classify(recording, folder, sidecars, asked_for=True)


class _Walk:
    """A recursive walk through a folder."""

    def __init__(self, root: bytes, exclude: Sequence[str]) -> None:
        self._root = root
        # Shells complete absolute paths.
        relative = [pattern.removeprefix(os.fsdecode(root)) for pattern in exclude]
        self._excluded = IgnoreRules().with_patterns(root, relative, "--exclude")

    def folder(
        self, folder: bytes, rules: IgnoreRules, above: tuple[tuple[int, int], ...]
    ) -> Iterator[Scanned]:
        try:
            status = os.stat(folder)
            identity = (status.st_dev, status.st_ino)
            if identity in above:
                reason = "a link that leads back to a folder it lies in"
                yield UnreadablePath(folder, self._root, reason)
                return
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
            rules = rules.with_file_in(folder)
        except OSError as error:
            yield _unreadable_path(folder, self._root, error)
            return
        except BadArgument as error:
            yield UnreadablePath(folder, self._root, str(error))
            return
        kept: list[tuple[bytes, bool] | UnreadablePath] = []  # path and whether it is a folder
        names: list[bytes] = []  # including excluded music, whose sidecars stay sidecars
        for entry in listed:
            try:
                is_folder = entry.is_dir()
            except OSError as error:
                kept.append(_unreadable_path(entry.path, self._root, error))
                continue
            if excluded := self._exclusion(entry, rules, is_folder=is_folder):
                yield excluded
                if excluded.why == "excluded" and medium_of(_path(entry.name)) != "lyrics":
                    names.append(entry.name)
                continue
            kept.append((entry.path, is_folder))
            if not is_folder:
                names.append(entry.name)
        sidecars = _Sidecars(folder, names)
        for item in kept:
            if isinstance(item, UnreadablePath):
                yield item
            elif item[1]:
                yield from self.folder(item[0], rules, (*above, identity))
            else:
                yield from _classify(item[0], self._root, sidecars, asked_for=False)

    def _exclusion(
        self, entry: os.DirEntry[bytes], rules: IgnoreRules, *, is_folder: bool
    ) -> ExcludedPath | None:
        if is_system_file(os.fsdecode(entry.name)):
            return ExcludedPath(entry.path, "system")
        if rules.ignore(entry.path, is_folder=is_folder):
            return ExcludedPath(entry.path, "ignored")
        if self._excluded.ignore(entry.path, is_folder=is_folder):
            return ExcludedPath(entry.path, "excluded")
        return None


class _Sidecars:
    """The sidecar texts and cue sheets of a folder.

    Attributes
    ----------
    faults : dict of bytes to str
        Cue sheets that cannot be read, and the reasons.
    """

    def __init__(self, folder: bytes, names: Sequence[bytes]) -> None:
        self._texts: dict[bytes, tuple[bytes, ...]] = {}
        self._music: dict[bytes, list[bytes]] = defaultdict(list)
        for music, texts in match_sidecars(map(os.fsdecode, names)).items():
            path = os.path.join(folder, os.fsencode(music))
            self._texts[path] = tuple(os.path.join(folder, os.fsencode(text)) for text in texts)
            for text in self._texts[path]:
                self._music[text].append(path)
        self.faults: dict[bytes, str] = {}
        self._sheets = self._match_sheets(folder, names)

    def texts(self, path: bytes) -> tuple[SidecarText, ...]:
        """List the sidecar texts of music, in order of preference."""
        sidecars = []
        for text in self._texts.get(path, ()):
            try:
                status = os.stat(text)
            except OSError:
                continue  # reported for the text itself
            if stat.S_ISREG(status.st_mode):
                sidecars.append(SidecarText(text, FileState(status.st_size, status.st_mtime_ns)))
        return tuple(sidecars)

    def _match_sheets(self, folder: bytes, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """Read the cue sheets of the folder; return that of each recording they divide."""
        sheets: dict[str, CueSheet] = {}
        for name in names:
            if not name.lower().endswith(CUE_SUFFIX.encode()):
                continue
            path = os.path.join(folder, name)
            try:
                if os.path.isfile(path):
                    sheets[os.fsdecode(name)] = read_cue_sheet(_path(path))
            except Unreadable as error:
                self.faults[path] = str(error)
        if not sheets:
            return {}
        recordings = [
            name for name in map(os.fsdecode, names) if medium_of(PurePath(name)) == "sound"
        ]
        return {
            os.path.join(folder, os.fsencode(recording)): os.path.join(folder, os.fsencode(sheet))
            for recording, sheet in match_cue_sheets(sheets, recordings).items()
        }

    def sheet(self, path: bytes) -> bytes:
        """Return the cue sheet of a recording; empty if there is none."""
        return self._sheets.get(path, b"")

    def divided_by(self, sheet: bytes) -> list[bytes]:
        """List the recordings that a cue sheet divides into tracks."""
        return [recording for recording, of_it in self._sheets.items() if of_it == sheet]

    def music(self, path: bytes) -> tuple[bytes, ...]:
        """List the music of which a text is a sidecar."""
        return tuple(self._music.get(path, ()))


def _classify(
    path: bytes, root: bytes, sidecars: _Sidecars, *, asked_for: bool
) -> Iterator[Scanned]:
    file = _path(path)
    suffix = file.suffix.lower()
    if is_partial(file):
        yield OtherFile(path)
        return
    kind = medium_of(file)
    if kind is None:
        if suffix == CUE_SUFFIX:
            if path in sidecars.faults:
                yield UnreadablePath(path, root, sidecars.faults[path])
        elif suffix in UNSUPPORTED or asked_for:
            yield UnreadablePath(
                path, root, f"unsupported: {suffix or 'no ending'}; {_supported()}"
            )
        else:
            yield OtherFile(path)
        return
    try:
        status = os.stat(path)
    except OSError as error:
        yield _unreadable_path(path, root, error)
        return
    if not stat.S_ISREG(status.st_mode):
        yield UnreadablePath(path, root, "not a regular file")
        return
    music = sidecars.music(path)
    if not asked_for and not music and not _may_be_music(path, suffix):
        yield OtherFile(path)
        return
    state = FileState(status.st_size, status.st_mtime_ns)
    sheet = sidecars.sheet(path)
    with contextlib.suppress(OSError):  # a sheet that is gone meanwhile is missed by the worker too
        beside = os.stat(sheet)
        state = FileState(state.size + beside.st_size, _joint_time(status, beside))
    yield FoundFile(path, root, state, kind, asked_for, sidecars.texts(path), music, sheet)


def _joint_time(first: os.stat_result, second: os.stat_result) -> int:
    """Return the later second of two modification times, with nanoseconds that depend on both."""
    times = first.st_mtime_ns, second.st_mtime_ns
    return max(times) // 10**9 * 10**9 + sum(times) % 10**9


def _path(path: bytes) -> Path:
    return Path(os.fsdecode(path))


def _may_be_music(path: bytes, suffix: str) -> bool:
    """Return whether a file with an ambiguous suffix may be music, by its name and beginning."""
    name = os.fsdecode(os.path.basename(path))
    if suffix in {".txt", ".md"}:
        return _NO_LYRICS.fullmatch(name.removesuffix(Path(name).suffix)) is None
    if suffix not in {".xml", ".csv", ".json", ".jsonl", ".ts"}:
        return True
    try:
        with open(path, "rb") as file:  # Path refuses bytes
            head = file.read(_SNIFFED_BYTES)
    except OSError:
        return True  # the error is reported when the file is read
    if suffix == ".ts":  # MPEG transport stream, or TypeScript
        return head[::_TS_PACKET][:2] == b"GG"
    text = head.replace(b"\0", b"")  # half of the bytes in UTF-16
    if suffix == ".xml":
        return b"<score-partwise" in text or b"<score-timewise" in text
    is_lyrics = is_lyrics_csv if suffix == ".csv" else is_lyrics_json
    return is_lyrics(text.decode("utf-8", "replace"))


def _unreadable_path(path: bytes, root: bytes, error: OSError) -> UnreadablePath:
    transient = is_transient(error) and not isinstance(error, FileNotFoundError)
    return UnreadablePath(path, root, _reason(error), transient)


def _reason(error: OSError) -> str:
    reasons = {
        errno.ENOENT: "a link to nothing",
        errno.ELOOP: "a link that leads back to itself",
        errno.EACCES: "no permission to read it",
        errno.ENAMETOOLONG: "its name is too long for this system",
    }
    return reasons.get(error.errno or 0, f"cannot be read ({error.strerror})")


def _supported() -> str:
    return "Segue reads " + " ".join(sorted(suffix[1:] for suffix in ALL_SUFFIXES))
