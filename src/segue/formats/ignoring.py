"""What of a folder is left alone: litter of systems, hidden things, and what a user rules out."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Self

from segue.errors import BadArgument

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

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


def is_litter(name: str) -> bool:
    """Tell whether a file or folder is hidden, or what a system leaves behind.

    Parameters
    ----------
    name : str
        Without its folder: ``._Song.mp3`` and ``.DS_Store`` of a Mac, ``Thumbs.db`` of Windows,
        ``@eaDir`` of a network drive.
    """
    return name.lower() in _LITTER or _HIDDEN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Rules:
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


def rules_above(folder: bytes) -> Rules:
    """Read the ``.segueignore`` of all folders that a folder lies in."""
    above: list[bytes] = []
    while (parent := os.path.dirname(folder)) != folder:
        above.append(parent)
        folder = parent
    rules = Rules()
    for each in reversed(above):
        try:
            rules = rules.with_file_in(each)
        except OSError:
            continue  # whoever may not look into a folder above is not asked about it
    return rules
