"""Finding the files to add: folders, links, ignored files, and lyrics beside recordings.

What of a folder is left alone: litter of systems, hidden things, and what a user rules out.

Which texts in a folder are the words of which recordings or scores: by their names alone.

Finding the files to add: folders, links and what is in the way.
"""

import errno
import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final, Literal, Self

from segue.errors import BadArgument, is_transient
from segue.files import is_partial
from segue.io.lyrics import is_lyrics_csv, is_lyrics_json
from segue.media import ALL_SUFFIXES, medium_of
from segue.records import FileState, Medium

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


# --- ignoring ---

IGNORE_FILE: Final = ".segueignore"
_MOST_BYTES: Final = 1 << 20
#: What systems, network drives and programs leave beside music, in lower case.
_LITTER: Final = frozenset(
    [
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "folder.ini",
        "__macosx",
        "@eadir",
        "@tmp",
        "#recycle",
        "@recycle",
        "@recently-snapshot",
        "#snapshot",
        "$recycle.bin",
        "recycler",
        "recycled",
        "system volume information",
        "lost+found",
        "network trash folder",
        "temporary items",
        "icon\r",
    ]
)
#: Hidden: but not "...And Justice for All" and ".38 Special", which are names of music.
_HIDDEN: Final = re.compile(r"\.[^.\d\s].*", re.DOTALL)


def is_system_file(name: str) -> bool:
    """Tell whether a file or folder is hidden, or what a system leaves behind.

    Parameters
    ----------
    name : str
        Without its folder: ``._Song.mp3`` and ``.DS_Store`` of a Mac, ``Thumbs.db`` of Windows,
        ``@eaDir`` of a network drive.
    """
    return name.lower() in _LITTER or _HIDDEN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """Patterns as of ``.gitignore``, each list with the folder that it counts from.

    Attributes
    ----------
    lists : tuple of tuple of bytes and GitIgnoreSpec
        Absolute folders, the outermost first; where several speak of a file, the last one that
        does decides.
    """

    lists: "tuple[tuple[bytes, GitIgnoreSpec], ...]" = ()

    def with_file_in(self, folder: bytes) -> Self:
        """Add what the ``.segueignore`` of a folder says, where there is one.

        Raises
        ------
        OSError
            It cannot be read.
        BadArgument
            A line of it is no pattern.
        """
        path = os.path.join(folder, os.fsencode(IGNORE_FILE))
        try:
            with open(path, "rb") as file:  # Path refuses bytes
                text = file.read(_MOST_BYTES).decode("utf-8-sig", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return self
        return self.with_patterns(folder, text.splitlines(), os.fsdecode(path))

    def with_patterns(self, folder: bytes, patterns: Sequence[str], source: str) -> Self:
        """Add patterns that count from a folder; `source` says where they stand."""
        if not patterns:
            return self
        return type(self)((*self.lists, (folder, _compiled(tuple(patterns), source))))

    def ignore(self, path: bytes, *, is_folder: bool) -> bool:
        """Tell whether an absolute path is to be left alone."""
        for folder, spec in reversed(self.lists):
            relative = os.fsdecode(path[len(folder) :].lstrip(b"/")) + "/" * is_folder
            decided = spec.check_file(relative).include
            if decided is not None:
                return decided
        return False


@cache
def _compiled(patterns: tuple[str, ...], source: str) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # few have such a file

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
    """Read the ``.segueignore`` of all folders that a folder lies in."""
    above: list[bytes] = []
    while (parent := os.path.dirname(folder)) != folder:
        above.append(parent)
        folder = parent
    rules = IgnoreRules()
    for each in reversed(above):
        try:
            rules = rules.with_file_in(each)
        except OSError:
            continue  # whoever may not look into a folder above is not asked about it
    return rules


# --- beside ---

#: Endings of texts that may belong to music, the better first: with time stamps, then without.
_ENDINGS: Final = (".lrc", ".txt")
#: Of a book of tunes no text is the words of one.
_BOOKS: Final = frozenset([".abc"])
#: "Song.en.lrc", "Song.pt-BR.lrc": the language that the words are in.
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
        Music → its texts, the best first: ``Song.lrc``, ``Song.mp3.lrc``, ``Song.en.lrc``, and
        the same in ``.txt``. Neither case nor the form of accents counts. Recordings come before
        scores: a score has words only where there is no recording of its name. Several
        recordings of one name share them.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    music: list[str] = []
    for name in names:
        path = PurePath(name)
        if path.suffix.lower() in _ENDINGS:
            texts[_folded(path.stem)].append(name)
        elif medium_of(path) in {"sound", "score"} and path.suffix.lower() not in _BOOKS:
            music.append(name)
    if not texts:
        return {}
    stems = {name: _folded(PurePath(name).stem) for name in music}
    recordings = {stem for name, stem in stems.items() if medium_of(PurePath(name)) == "sound"}
    by_language: dict[str, list[str]] = defaultdict(list)
    for text, found in texts.items():
        match = _LANGUAGE.search(text)
        if match and text not in stems.values():
            by_language[text[: match.start()]] += sorted(found)
    matched: dict[str, tuple[str, ...]] = {}
    for name, stem in stems.items():
        if medium_of(PurePath(name)) == "score" and stem in recordings:
            continue
        own = [*texts.get(stem, ()), *texts.get(_folded(name), ()), *by_language.get(stem, ())]
        if own:
            matched[name] = tuple(sorted(own, key=partial(_rank, PurePath(name).stem)))
    return matched


def _rank(stem: str, text: str) -> tuple[int, bool]:
    path = PurePath(text)
    return _ENDINGS.index(path.suffix.lower()), path.stem != stem


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


# --- scan ---

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
class SidecarText:
    """A text whose name says that it holds the words of the music beside it."""

    path: bytes
    state: FileState


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to add.

    Attributes
    ----------
    path : bytes
    root : bytes
        The folder it was found from.
    state : FileState
    kind : {"sound", "score", "lyrics"}
    asked_for : bool
        It was named itself, not a folder that it lies in.
    texts : tuple of SidecarText
        Of a recording or score: what holds its words, the best first.
    music : tuple of bytes
        Of a text: the recordings or scores whose words it holds.
    """

    path: bytes
    root: bytes
    state: FileState
    kind: Medium
    asked_for: bool = False
    texts: tuple[SidecarText, ...] = ()
    music: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadablePath:
    """A place that cannot be entered or read, and why; `transient` as of a `Failure`."""

    path: bytes
    root: bytes
    reason: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is no music."""

    path: bytes


@dataclass(frozen=True, slots=True)
class ExcludedPath:
    """A file or folder that is not looked into.

    Attributes
    ----------
    path : bytes
    why : {"system", "ignored", "excluded"}
        A system left it or hides it; a ``.segueignore`` rules it out; so does this run alone.
    """

    path: bytes
    why: Literal["system", "ignored", "excluded"]


Scanned = FoundFile | UnreadablePath | OtherFile | ExcludedPath


def scan(paths: Sequence[Path], exclude: Sequence[str] = ()) -> Iterator[Scanned]:
    """Walk files and folders, following links, in order of name.

    Parameters
    ----------
    paths : sequence of Path
        Files or folders; one that was met already is not met again.
    exclude : sequence of str
        Patterns as of ``.gitignore``, from each of the folders on, of what is left alone. A file
        that is named itself is never left alone.

    Yields
    ------
    FoundFile, UnreadablePath, OtherFile or ExcludedPath
        Paths are absolute, as bytes: names need not be UTF-8.

    Raises
    ------
    BadArgument
        What is to be excluded is no pattern.
    """
    seen: set[bytes] = set()
    for path in paths:
        whole = os.fsencode(os.path.abspath(path))  # keeps links as they are
        if os.path.isdir(whole):  # Path refuses bytes
            walk = _Walk(whole, exclude).folder(whole, inherited_rules(whole), ())
        else:
            walk = _named(whole)
        for item in walk:
            if item.path not in seen:
                seen.add(item.path)
                yield item


def _named(path: bytes) -> Iterator[Scanned]:
    """Look at a file that was asked for, and for what belongs to it in its folder."""
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
        names = []  # what cannot be listed can still be read
    yield from _look(path, folder, _Matches(folder, names), asked_for=True)


class _Walk:
    """One walk through a folder and those in it."""

    def __init__(self, root: bytes, exclude: Sequence[str]) -> None:
        self._root = root
        # Shells write whole paths.
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
            yield _obstacle(folder, self._root, error)
            return
        except BadArgument as error:
            yield UnreadablePath(folder, self._root, str(error))
            return
        kept: list[tuple[bytes, bool] | UnreadablePath] = []
        names: list[bytes] = []  # also of music that this run leaves alone: it keeps its words
        for entry in listed:
            try:
                is_folder = entry.is_dir()
            except OSError as error:
                kept.append(_obstacle(entry.path, self._root, error))
                continue
            if left := self._left_alone(entry, rules, is_folder=is_folder):
                yield left
                if left.why == "excluded" and medium_of(_path(entry.name)) != "lyrics":
                    names.append(entry.name)
                continue
            kept.append((entry.path, is_folder))
            if not is_folder:
                names.append(entry.name)
        matches = _Matches(folder, names)
        for each in kept:
            if isinstance(each, UnreadablePath):
                yield each
            elif each[1]:
                yield from self.folder(each[0], rules, (*above, identity))
            else:
                yield from _look(each[0], self._root, matches, asked_for=False)

    def _left_alone(
        self, entry: os.DirEntry[bytes], rules: IgnoreRules, *, is_folder: bool
    ) -> ExcludedPath | None:
        if is_system_file(os.fsdecode(entry.name)):
            return ExcludedPath(entry.path, "system")
        if rules.ignore(entry.path, is_folder=is_folder):
            return ExcludedPath(entry.path, "ignored")
        if self._excluded.ignore(entry.path, is_folder=is_folder):
            return ExcludedPath(entry.path, "excluded")
        return None


class _Matches:
    """Which texts of a folder are the words of which music in it."""

    def __init__(self, folder: bytes, names: Sequence[bytes]) -> None:
        self._texts: dict[bytes, tuple[bytes, ...]] = {}
        self._music: dict[bytes, list[bytes]] = defaultdict(list)
        for music, texts in match_sidecars(map(os.fsdecode, names)).items():
            path = os.path.join(folder, os.fsencode(music))
            self._texts[path] = tuple(os.path.join(folder, os.fsencode(text)) for text in texts)
            for text in self._texts[path]:
                self._music[text].append(path)

    def texts(self, path: bytes) -> tuple[SidecarText, ...]:
        """List what holds the words of some music, the best first."""
        found = []
        for text in self._texts.get(path, ()):
            try:
                status = os.stat(text)
            except OSError:
                continue  # said of the text itself
            if stat.S_ISREG(status.st_mode):
                found.append(SidecarText(text, FileState(status.st_size, status.st_mtime_ns)))
        return tuple(found)

    def music(self, path: bytes) -> tuple[bytes, ...]:
        """List the music whose words a text holds."""
        return tuple(self._music.get(path, ()))


def _look(path: bytes, root: bytes, matches: _Matches, *, asked_for: bool) -> Iterator[Scanned]:
    file = _path(path)
    suffix = file.suffix.lower()
    if is_partial(file):
        yield OtherFile(path)
        return
    kind = medium_of(file)
    if kind is None:
        if suffix in UNSUPPORTED or asked_for:
            yield UnreadablePath(path, root, f"unsupported: {suffix or 'no ending'}; {_readable()}")
        else:
            yield OtherFile(path)
        return
    try:
        status = os.stat(path)
    except OSError as error:
        yield _obstacle(path, root, error)
        return
    if not stat.S_ISREG(status.st_mode):
        yield UnreadablePath(path, root, "not a regular file")
        return
    music = matches.music(path)
    if not asked_for and not music and not _may_be_music(path, suffix):
        yield OtherFile(path)
        return
    state = FileState(status.st_size, status.st_mtime_ns)
    yield FoundFile(path, root, state, kind, asked_for, matches.texts(path), music)


def _path(path: bytes) -> Path:
    return Path(os.fsdecode(path))


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
    holds = is_lyrics_csv if suffix == ".csv" else is_lyrics_json
    return holds(begins.decode("utf-8", "replace"))


def _obstacle(path: bytes, root: bytes, error: OSError) -> UnreadablePath:
    transient = is_transient(error) and not isinstance(error, FileNotFoundError)
    return UnreadablePath(path, root, _why(error), transient)


def _why(error: OSError) -> str:
    reasons = {
        errno.ENOENT: "a link to nothing",
        errno.ELOOP: "a link that leads back to itself",
        errno.EACCES: "no permission to read it",
        errno.ENAMETOOLONG: "its name is too long for this system",
    }
    return reasons.get(error.errno or 0, f"cannot be read ({error.strerror})")


def _readable() -> str:
    return "Segue reads " + " ".join(sorted(suffix[1:] for suffix in ALL_SUFFIXES))
