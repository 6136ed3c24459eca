"""The space `listens`: tracks lie together where the same people listen to them.

Collaborative filtering on implicit feedback by alternating least squares, after Hu, Koren &
Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, computed by the
library `implicit`. Rows are users; of few users, it is their sessions, for one user's whole
history says no more of a track than that it was played.
"""

import hashlib
from dataclasses import astuple, dataclass
from importlib.util import find_spec
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray
from segue.store.listens import MatchedListens

SPACE: Final = "listens"
#: Fewer users than these tell tracks apart by who played them alone; sessions say more.
FEW_USERS: Final = 5
#: Vectors shorter than this have been regularised away, and point anywhere; found by trying.
SHORTEST_VECTOR: Final = 0.005
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
class LearnedListens:
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
class Impossible:
    """Why there is nothing to learn, or no means to."""

    reason: str


def learn_listens(
    listens: MatchedListens, config: ListensConfig | None = None
) -> LearnedListens | Impossible:
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
        return Impossible(_why_not(users, len(np.unique(tracks)), of_sessions))
    ids, columns = np.unique(tracks, return_inverse=True)
    _, rows = np.unique(rows, return_inverse=True)
    confidence = (config.alpha * np.log1p(plays)).astype(np.float32)
    if find_spec("implicit") is None:
        return Impossible(
            "the Python library `implicit` is needed for it and is not installed: "
            "pip install implicit, then import again"
        )
    vectors = _factorise(rows, columns, confidence, config)
    told = np.linalg.norm(vectors, axis=1) > SHORTEST_VECTOR
    if told.sum() < 2:
        return Impossible("too few plays are shared to tell what goes together; import more")
    model = _fingerprint(config, rows, columns, confidence)
    return LearnedListens(ids[told], vectors[told], model, row_count, of_sessions)


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
