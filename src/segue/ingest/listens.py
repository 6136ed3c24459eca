"""Listening histories → listens in the library, and the space that is learned from them."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from segue.errors import NotFound, Unreadable, Unstorable
from segue.formats.kinds import READABLE
from segue.formats.listens import Broken, Listen, NoListen, read_listens
from segue.records import Failure, Space
from segue.store import Store
from segue.store.listens import Heard, ListensSummary
from segue.train.listens import SPACE, Impossible, LearnedListens, learn_listens

DEFAULT_USER: Final = "me"
_SHOWN: Final = 5  # broken rows that are told of a file


@dataclass(slots=True)
class ImportedFile:
    """What was read of one file.

    Attributes
    ----------
    path : Path
    listens : int
        Rows that are listens; those that were imported before are among them.
    plays_new : int
        How many plays the library did not know of; below 0 where totals were put right.
    passed_over : dict of str to int
        Rows that are no listens, by reason.
    broken : int
        Rows that cannot be read.
    first_broken : list of Broken
    """

    path: Path
    listens: int = 0
    plays_new: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    first_broken: list[Broken] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of importing listening histories.

    Attributes
    ----------
    files : list of ImportedFile
    failures : list of Failure
        Files of which nothing was taken, and why.
    summary : ListensSummary
        What the library knows of listening now.
    learned : LearnedListens or Impossible
        The space `listens`, or why there is none.
    """

    files: list[ImportedFile]
    failures: list[Failure]
    summary: ListensSummary
    learned: LearnedListens | Impossible


def import_listens(store: Store, paths: Sequence[Path], user: str | None = None) -> ImportReport:
    """Import listening histories, and learn the space `listens` anew from all of them.

    Parameters
    ----------
    store : Store
    paths : sequence of Path
        A file of which nothing can be read is told in the report; the others are imported.
    user : str, optional
        Whose listens these are; else who the file says, else `DEFAULT_USER`.

    Returns
    -------
    ImportReport

    Raises
    ------
    LibraryBusy, DiskFull
    """
    files: list[ImportedFile] = []
    failures: list[Failure] = []
    with store.writing():
        for path in paths:
            try:
                with store.transaction():
                    files.append(_import_file(store, path, user))
            except Unreadable as error:
                failures.append(Failure(path, str(error)))
        learned = _learn(store)
    return ImportReport(files, failures, store.listens.summary(), learned)


def _import_file(store: Store, path: Path, user: str | None) -> ImportedFile:
    report = ImportedFile(path)
    before = store.listens.plays()
    number = store.listens.begin_import()
    folder = path.absolute().parent
    for row in read_listens(path):
        if isinstance(row, NoListen):
            report.passed_over[row.reason] += 1
            continue
        broken = row if isinstance(row, Broken) else _put(store, number, row, folder, user)
        if broken:
            report.broken += 1
            report.first_broken += [broken][: _SHOWN - len(report.first_broken)]
        else:
            report.listens += 1
    report.plays_new = store.listens.plays() - before
    return report


def _put(
    store: Store, number: int, listen: Listen, folder: Path, user: str | None
) -> Broken | None:
    """Store a listen; say where and why that cannot be."""
    try:
        heard = _heard(store, listen, folder)
        whose = user or listen.user or DEFAULT_USER
        store.listens.put(number, whose, heard, listen.plays, listen.at_s)
    except (ValueError, Unstorable, NotFound) as error:
        return Broken(listen.place, str(error))
    return None


def _heard(store: Store, listen: Listen, folder: Path) -> Heard:
    """Say what was heard: by its name, or as a path that stays true when ids change.

    Raises
    ------
    ValueError, NotFound
        It is no track of the library, or no address.
    """
    if not listen.track:
        return Heard(listen.artist, listen.title)
    if listen.track.isascii() and listen.track.isdigit():
        found = store.tracks([int(listen.track[:18])])
        if not found:
            raise NotFound(f"no track {listen.track[:18]} in this library")
        return Heard(path=quote(os.fsencode(found[0].path)))
    if listen.track.startswith("file://"):
        try:
            return Heard(path=quote(unquote_to_bytes(urlsplit(listen.track).path)))
        except ValueError:
            raise ValueError(f"{listen.track[:40]!r} is no address of a file") from None
    path = folder / listen.track
    if path.suffix.lower() in READABLE or os.path.isfile(
        path
    ):  # of a title it says no, however long that is
        return Heard(path=quote(os.fsencode(os.path.abspath(path))))
    artist, dash, title = listen.track.partition(" - ")
    return Heard(artist, title) if dash else Heard(title=listen.track)


def _learn(store: Store) -> LearnedListens | Impossible:
    learned = learn_listens(store.listens.matched())
    with store.transaction():
        if isinstance(learned, Impossible):
            store.spaces.remove_trained(SPACE)
            return learned
        dimension = learned.vectors.shape[1]
        store.spaces.replace_trained(Space(SPACE, "sound", dimension, "cosine", learned.model, 1))
        for track, vector in zip(learned.tracks.tolist(), learned.vectors, strict=True):
            store.spaces.put(SPACE, track, vector)
    return learned
