"""Listening histories: their import, and the space `listens`, by collaborative filtering.

The space is a matrix factorisation for implicit feedback by alternating least squares (Hu, Koren &
Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008), with the library
`implicit`. Rows of the matrix are users, or sessions if there are few users: the whole history of
one user only says that a track was played.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

import numpy as np
from numpy.typing import NDArray

from segue.deprecation import RenamedAttributes
from segue.errors import NotFound, Unreadable, Unstorable
from segue.io.listens import InvalidRow, Listen, SkippedRow, read_listens
from segue.media import ALL_SUFFIXES
from segue.records import Failure, FloatArray, Space
from segue.store import Store
from segue.store.user_data import ListenedItem, ListensSummary, MatchedListens

SPACE: Final = "listens"
DEFAULT_USER: Final = "me"
#: With fewer users, sessions are the rows, which say more about which tracks go together.
MIN_USERS: Final = 5
#: Shorter vectors have been regularised away, and their direction is arbitrary; set by experiment.
MIN_NORM: Final = 0.005
SESSION_GAP_S: Final = 30 * 60  # a longer silence ends a session
MAX_REPORTED_ROWS: Final = 5  # invalid rows of a file that are reported


@dataclass(frozen=True, slots=True)
class ListensConfig:
    """Hyperparameters of the factorisation.

    More confidence and less regularisation (20 and 0.05) overfit few users, so that tracks which
    they share come apart; more regularisation (5) wipes out rare tracks.

    Attributes
    ----------
    factors : int
        Dimension of the vectors; less where there are fewer rows or tracks.
    regularization : float
    alpha : float
        Factor of the confidence, times the logarithm of the number of plays.
    iterations : int
    seed : int
    """

    factors: int = 64
    regularization: float = 1.0
    alpha: float = 1.0
    iterations: int = 15
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ListensSpace(RenamedAttributes):
    """A space of tracks, computed from listens.

    Attributes
    ----------
    tracks : ndarray of int64, shape (n,)
        Ids, ascending, of the tracks that share a row with another track.
    vectors : ndarray, shape (n, factors), float32
    model : str
        Fingerprint of configuration and data.
    rows : int
        Number of rows of the matrix: users or sessions.
    by_session : bool
        Whether the rows are sessions.
    """

    _renamed: ClassVar[dict[str, str]] = {"of_sessions": "by_session"}

    tracks: NDArray[np.int64]
    vectors: FloatArray
    model: str
    rows: int
    by_session: bool


@dataclass(frozen=True, slots=True)
class NotLearnable:
    """Why the space cannot be computed."""

    reason: str


def fit_listens(
    listens: MatchedListens, config: ListensConfig | None = None
) -> ListensSpace | NotLearnable:
    """Factorise the matrix of plays by user, or session, and track.

    Parameters
    ----------
    listens : MatchedListens
        Listens in order of user and time.
    config : ListensConfig, optional

    Returns
    -------
    ListensSpace or NotLearnable
        The same listens give the same vectors on the same machine.
    """
    config = config or ListensConfig()
    users = len(np.unique(listens.users))
    has_time = listens.at_s > 0
    by_session = users == 1 or (users < MIN_USERS and bool(has_time.all()))
    if by_session:
        listens = MatchedListens(
            listens.users[has_time],
            listens.tracks[has_time],
            listens.plays[has_time],
            listens.at_s[has_time],
        )
    rows, tracks, plays = _count_plays(_sessions(listens) if by_session else listens.users, listens)
    n_rows = len(np.unique(rows))
    if n_rows < 2:
        return NotLearnable(_reason(users, len(np.unique(tracks)), by_session))
    ids, columns = np.unique(tracks, return_inverse=True)
    _, rows = np.unique(rows, return_inverse=True)
    confidence = (config.alpha * np.log1p(plays)).astype(np.float32)
    if find_spec("implicit") is None:
        return NotLearnable(
            "the Python library `implicit` is needed for it and is not installed: "
            "pip install implicit, then import again"
        )
    vectors = _factorise(rows, columns, confidence, config)
    is_valid = np.linalg.norm(vectors, axis=1) > MIN_NORM
    if is_valid.sum() < 2:
        return NotLearnable("too few plays are shared to tell what goes together; import more")
    model = _fingerprint(config, rows, columns, confidence)
    return ListensSpace(ids[is_valid], vectors[is_valid], model, n_rows, by_session)


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
    # With threads of BLAS inside its own, `implicit` is ten times slower, as it warns.
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
    """Return the index of the session of each listen."""
    starts = np.ones(len(listens.users), bool)
    starts[1:] = (np.diff(listens.users) != 0) | (np.diff(listens.at_s) > SESSION_GAP_S)
    return np.cumsum(starts)


def _count_plays(
    rows: NDArray[np.int64], listens: MatchedListens
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sum the plays by row and track; rows of a single track carry no information and go."""
    pairs, index = np.unique(np.stack([rows, listens.tracks], axis=1), axis=0, return_inverse=True)
    plays = np.bincount(index.reshape(-1), weights=listens.plays, minlength=len(pairs))
    _, row_index, n_tracks = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    is_shared = n_tracks[row_index] > 1
    return pairs[is_shared, 0], pairs[is_shared, 1], plays[is_shared].astype(np.int64)


def _reason(users: int, tracks: int, by_session: bool) -> str:
    if users == 0:
        return "no track of this library was listened to"
    if by_session and tracks == 0:
        return (
            "one user's listens say what goes together only by when they were, and there are not "
            "two tracks played within a session; import a history with times, or other users'"
        )
    row = "session" if by_session else "user"
    return f"at least two {row}s are needed who each played two tracks of this library"


def _fingerprint(config: ListensConfig, *arrays: NDArray[np.generic]) -> str:
    digest = hashlib.sha256(repr(astuple(config)).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()[:12]


@dataclass(slots=True)
class ImportedFile(RenamedAttributes):
    """What was imported from a file.

    Attributes
    ----------
    path : Path
    listens : int
        Number of rows that are listens, including those imported before.
    plays_new : int
        Number of plays that are new to the library; negative where totals were corrected.
    skipped : Counter of str
        Number of rows that are not listens, by reason.
    invalid : int
        Number of rows that cannot be read.
    first_invalid : list of InvalidRow
        The first of them.
    """

    _renamed: ClassVar[dict[str, str]] = {
        "passed_over": "skipped",
        "broken": "invalid",
        "first_broken": "first_invalid",
    }

    path: Path
    listens: int = 0
    plays_new: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    first_invalid: list[InvalidRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of importing listening histories.

    Attributes
    ----------
    files : list of ImportedFile
    failures : list of Failure
        Files from which nothing was imported.
    summary : ListensSummary
        All listens of the library.
    learned : ListensSpace or NotLearnable
        The space `listens`, or why there is none.
    """

    files: list[ImportedFile]
    failures: list[Failure]
    summary: ListensSummary
    learned: ListensSpace | NotLearnable


def import_listens(store: Store, paths: Sequence[Path], user: str | None = None) -> ImportReport:
    """Import listening histories, and compute the space `listens` from all listens.

    Parameters
    ----------
    store : Store
        Database of the library.
    paths : sequence of Path
        Files. One that cannot be read is a failure; the others are imported.
    user : str, optional
        Name of the listener; by default the name in the file, else `DEFAULT_USER`.

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
        learned = _update_space(store)
    return ImportReport(files, failures, store.listens.summary(), learned)


def _import_file(store: Store, path: Path, user: str | None) -> ImportedFile:
    report = ImportedFile(path)
    plays_before = store.listens.plays()
    import_id = store.listens.begin_import()
    folder = path.absolute().parent
    for row in read_listens(path):
        if isinstance(row, SkippedRow):
            report.skipped[row.reason] += 1
            continue
        invalid = row if isinstance(row, InvalidRow) else _put(store, import_id, row, folder, user)
        if invalid:
            report.invalid += 1
            if len(report.first_invalid) < MAX_REPORTED_ROWS:
                report.first_invalid.append(invalid)
        else:
            report.listens += 1
    report.plays_new = store.listens.plays() - plays_before
    return report


def _put(
    store: Store, import_id: int, listen: Listen, folder: Path, user: str | None
) -> InvalidRow | None:
    """Store a listen, or return why it is invalid."""
    try:
        item = _listened_item(store, listen, folder)
        listener = user or listen.user or DEFAULT_USER
        store.listens.put(import_id, listener, item, listen.plays, listen.at_s)
    except (ValueError, Unstorable, NotFound) as error:
        return InvalidRow(listen.place, str(error))
    return None


def _listened_item(store: Store, listen: Listen, folder: Path) -> ListenedItem:
    """Return what was listened to: by its name, or by a path, which stays valid when ids change.

    Raises
    ------
    ValueError, NotFound
        It is no track of the library, or no URL of a file.
    """
    if not listen.track:
        return ListenedItem(listen.artist, listen.title)
    if listen.track.isascii() and listen.track.isdigit():
        tracks = store.tracks([int(listen.track[:18])])
        if not tracks:
            raise NotFound(f"no track {listen.track[:18]} in this library")
        return ListenedItem.at(quote(os.fsencode(tracks[0].path)), tracks[0].tune)
    if listen.track.startswith("file://"):
        try:
            return ListenedItem(path=quote(unquote_to_bytes(urlsplit(listen.track).path)))
        except ValueError:
            raise ValueError(f"{listen.track[:40]!r} is no address of a file") from None
    path = folder / listen.track
    # os.path.isfile is False for a title that is too long for a file name.
    if path.suffix.lower() in ALL_SUFFIXES or os.path.isfile(path):
        return ListenedItem(path=quote(os.fsencode(os.path.abspath(path))))
    artist, dash, title = listen.track.partition(" - ")
    return ListenedItem(artist, title) if dash else ListenedItem(title=listen.track)


def _update_space(store: Store) -> ListensSpace | NotLearnable:
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
