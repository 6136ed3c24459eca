"""Listening histories: import, and the space computed from them by collaborative filtering.

The space `listens` is of matrix factorisation for implicit feedback by alternating least squares
(Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008), with
the library `implicit`. Rows of the matrix are users, or sessions if there are few users: the whole
history of one user only says that a track was played.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

import numpy as np
from numpy.typing import NDArray

from segue.errors import NotFound, Unreadable, Unstorable
from segue.io.listens import InvalidRow, Listen, SkippedRow, read_listens
from segue.media import ALL_SUFFIXES
from segue.records import Failure, FloatArray, Space
from segue.store import Store
from segue.store.listens import ListenedItem, ListensSummary, MatchedListens

SPACE: Final = "listens"
#: Fewer users than these tell tracks apart by who played them alone; sessions say more.
FEW_USERS: Final = 5
#: Vectors shorter than this have been regularised away, and point anywhere; found by trying.
MIN_NORM: Final = 0.005
SESSION_GAP_S: Final = 30 * 60  # a longer silence ends a session


@dataclass(frozen=True, slots=True)
class ListensConfig:
    """How the space is computed.

    More confidence and less regularisation (20 and 0.05) describe few users so exactly that
    tracks which they share come apart; more regularisation (5) wipes out rare tracks.

    Attributes
    ----------
    factors : int
        Numbers per track; fewer where there are fewer rows or tracks.
    regularization : float
    alpha : float
        Confidence that a play adds, times the logarithm of the plays.
    iterations : int
    seed : int
    """

    factors: int = 64
    regularization: float = 1.0
    alpha: float = 1.0
    iterations: int = 15
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ListensSpace:
    """The space as computed.

    Attributes
    ----------
    tracks : ndarray of int64, shape (n,)
        Ids, rising: those that a row has together with another track.
    vectors : ndarray, shape (n, factors), float32
    model : str
        Fingerprint of configuration and data.
    rows : int
        How many users or sessions it was learned from.
    of_sessions : bool
    """

    tracks: NDArray[np.int64]
    vectors: FloatArray
    model: str
    rows: int
    of_sessions: bool


@dataclass(frozen=True, slots=True)
class NotLearnable:
    """Why there is nothing to learn, or no means to."""

    reason: str


def fit_listens(
    listens: MatchedListens, config: ListensConfig | None = None
) -> ListensSpace | NotLearnable:
    """Learn vectors of tracks from who, or which session, played them.

    Parameters
    ----------
    listens : MatchedListens
    config : ListensConfig, optional

    Returns
    -------
    LearnedListens or Impossible
        The same listens give the same vectors on the same machine.
    """
    config = config or ListensConfig()
    users = len(np.unique(listens.users))
    timed = listens.at_s > 0
    of_sessions = users == 1 or (users < FEW_USERS and bool(timed.all()))
    if of_sessions:
        listens = _only(listens, timed)
    rows = _sessions(listens) if of_sessions else listens.users
    rows, tracks, plays = _counted(rows, listens)
    row_count = len(np.unique(rows))
    if row_count < 2:
        return NotLearnable(_why_not(users, len(np.unique(tracks)), of_sessions))
    ids, columns = np.unique(tracks, return_inverse=True)
    _, rows = np.unique(rows, return_inverse=True)
    confidence = (config.alpha * np.log1p(plays)).astype(np.float32)
    if find_spec("implicit") is None:
        return NotLearnable(
            "the Python library `implicit` is needed for it and is not installed: "
            "pip install implicit, then import again"
        )
    vectors = _factorise(rows, columns, confidence, config)
    told = np.linalg.norm(vectors, axis=1) > MIN_NORM
    if told.sum() < 2:
        return NotLearnable("too few plays are shared to tell what goes together; import more")
    model = _fingerprint(config, rows, columns, confidence)
    return ListensSpace(ids[told], vectors[told], model, row_count, of_sessions)


def _factorise(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    confidence: FloatArray,
    config: ListensConfig,
) -> FloatArray:
    from implicit.cpu.als import AlternatingLeastSquares  # the extra `listens`
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    matrix = csr_matrix((confidence, (rows, columns)), shape=shape)
    # Threads of BLAS within its own make it ten times slower, as it warns where they are on.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=min(config.factors, *shape),
            regularization=config.regularization,
            iterations=config.iterations,
            num_threads=1,
            random_state=config.seed,
        )
        model.fit(matrix, show_progress=False)
    return np.ascontiguousarray(model.item_factors, dtype=np.float32)


def _sessions(listens: MatchedListens) -> NDArray[np.int64]:
    """Give each listen its session's number; they are in order of user and time."""
    starts = np.ones(len(listens.users), bool)
    starts[1:] = (np.diff(listens.users) != 0) | (np.diff(listens.at_s) > SESSION_GAP_S)
    return np.cumsum(starts)


def _counted(
    rows: NDArray[np.int64], listens: MatchedListens
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sum the plays of each row and track; rows of one track say nothing and go."""
    pairs, place = np.unique(np.stack([rows, listens.tracks], axis=1), axis=0, return_inverse=True)
    plays = np.bincount(place.reshape(-1), weights=listens.plays, minlength=len(pairs))
    _, row_of, size = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    kept = size[row_of] > 1
    return pairs[kept, 0], pairs[kept, 1], plays[kept].astype(np.int64)


def _only(listens: MatchedListens, kept: NDArray[np.bool_]) -> MatchedListens:
    return MatchedListens(
        listens.users[kept], listens.tracks[kept], listens.plays[kept], listens.at_s[kept]
    )


def _why_not(users: int, tracks: int, of_sessions: bool) -> str:
    if users == 0:
        return "no track of this library was listened to"
    if of_sessions and tracks == 0:
        return (
            "one user's listens say what goes together only by when they were, and there are not "
            "two tracks played within a session; import a history with times, or other users'"
        )
    who = "session" if of_sessions else "user"
    return f"at least two {who}s are needed who each played two tracks of this library"


def _fingerprint(config: ListensConfig, *arrays: NDArray[np.generic]) -> str:
    digest = hashlib.sha256(repr(astuple(config)).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()[:12]


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
    first_broken: list[InvalidRow] = field(default_factory=list)


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
    learned: ListensSpace | NotLearnable


def import_listens(store: Store, paths: Sequence[Path], user: str | None = None) -> ImportReport:
    """Import listening histories, and learn the space `listens` anew from all of them.

    Parameters
    ----------
    store : Store
        Database of the library.
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
        if isinstance(row, SkippedRow):
            report.passed_over[row.reason] += 1
            continue
        broken = row if isinstance(row, InvalidRow) else _put(store, number, row, folder, user)
        if broken:
            report.broken += 1
            report.first_broken += [broken][: _SHOWN - len(report.first_broken)]
        else:
            report.listens += 1
    report.plays_new = store.listens.plays() - before
    return report


def _put(
    store: Store, number: int, listen: Listen, folder: Path, user: str | None
) -> InvalidRow | None:
    """Store a listen; say where and why that cannot be."""
    try:
        heard = _heard(store, listen, folder)
        whose = user or listen.user or DEFAULT_USER
        store.listens.put(number, whose, heard, listen.plays, listen.at_s)
    except (ValueError, Unstorable, NotFound) as error:
        return InvalidRow(listen.place, str(error))
    return None


def _heard(store: Store, listen: Listen, folder: Path) -> ListenedItem:
    """Say what was heard: by its name, or as a path that stays true when ids change.

    Raises
    ------
    ValueError, NotFound
        It is no track of the library, or no address.
    """
    if not listen.track:
        return ListenedItem(listen.artist, listen.title)
    if listen.track.isascii() and listen.track.isdigit():
        found = store.tracks([int(listen.track[:18])])
        if not found:
            raise NotFound(f"no track {listen.track[:18]} in this library")
        return ListenedItem(path=quote(os.fsencode(found[0].path)))
    if listen.track.startswith("file://"):
        try:
            return ListenedItem(path=quote(unquote_to_bytes(urlsplit(listen.track).path)))
        except ValueError:
            raise ValueError(f"{listen.track[:40]!r} is no address of a file") from None
    path = folder / listen.track
    if path.suffix.lower() in ALL_SUFFIXES or os.path.isfile(
        path
    ):  # of a title it says no, however long that is
        return ListenedItem(path=quote(os.fsencode(os.path.abspath(path))))
    artist, dash, title = listen.track.partition(" - ")
    return ListenedItem(artist, title) if dash else ListenedItem(title=listen.track)


def _learn(store: Store) -> ListensSpace | NotLearnable:
    learned = fit_listens(store.listens.matched())
    with store.transaction():
        if isinstance(learned, NotLearnable):
            store.spaces.remove_trained(SPACE)
            return learned
        dimension = learned.vectors.shape[1]
        store.spaces.replace_trained(Space(SPACE, "sound", dimension, "cosine", learned.model, 1))
        for track, vector in zip(learned.tracks.tolist(), learned.vectors, strict=True):
            store.spaces.put(SPACE, track, vector)
    return learned
