"""How files are added, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from segue.formats.lyrics.text import PLAIN, TextForm
from segue.formats.tags import NOTHING
from segue.records import Failure, Tags


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
