"""Embedding spaces: vectors, memory-mapped matrices of unit vectors, and saved projections."""

import json
import re
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound, WrongSpace
from segue.files import atomic_write, remove_partials
from segue.records import FloatArray, Medium, Space, SpaceInfo
from segue.store.database import Table, json_of, vector_of
from segue.store.files import space_of

#: Exceptions of loading a derived file that is missing or damaged, and is then rebuilt. A damaged
#: header may ask for any amount of memory.
LOAD_ERRORS: Final = (
    OSError, ValueError, TypeError, AttributeError, EOFError, KeyError, NotImplementedError,
    RuntimeError, MemoryError, BadZipFile, zlib.error,
)  # fmt: skip
_BLOCK_ROWS: Final = 16_384  # normalised at once, to limit the memory
#: The fact that was added last: recordings without it were analysed by an older version.
NEWEST_FACT: Final = "sound_kind"
#: Beginning of the names of files that are derived from texts; no space is called so.
_TEXTS: Final = "texts"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,63}")
#: The state of a space is a random number, redrawn with each change of its vectors: derived files
#: name it, and a counter would repeat in a restored backup or a copied library.
_NEW_STATE: Final = "abs(random() % 1000000000000000)"
_CHANGED: Final = f"changes = {_NEW_STATE}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """The unit vectors of a space, for searching.

    Attributes
    ----------
    space : Space
    ids : ndarray, shape (n,), int64
        Track ids in ascending order.
    unit : ndarray, shape (n, dimension), float32
        Vectors normalised to length 1; memory-mapped.
    """

    space: Space
    ids: NDArray[np.int64]
    unit: FloatArray


def load_matrix(
    folder: Path,
    space: Space,
    state: str,
    read: Callable[[], tuple[NDArray[np.int64], FloatArray]],
) -> Matrix:
    """Load the matrix of a space, or build it if there is none for its current state.

    Parameters
    ----------
    folder : Path
        Folder of derived files.
    space : Space
    state : str
        State of the space, which changes with every write; part of the file names.
    read : callable
        Reads ids (n,) and vectors (n, dimension) from the database.
    """
    ids_file = folder / f"{space.name}-{state}.ids.npy"
    unit_file = folder / f"{space.name}-{state}.unit.npy"
    saved = _load(ids_file, unit_file, space)
    if saved is not None:
        return saved
    ids, vectors = read()
    _normalise(vectors)
    matrix = Matrix(space, ids, vectors)
    try:
        _save(matrix, ids_file, unit_file)
    except OSError:
        return matrix  # saving is optional
    return _load(ids_file, unit_file, space) or matrix


def _load(ids_file: Path, unit_file: Path, space: Space) -> Matrix | None:
    """Load a saved matrix; None if it is missing or damaged."""
    try:
        with ids_file.open("rb") as file:
            ids = np.load(file, allow_pickle=False)
            checksums = np.load(file, allow_pickle=False)
        unit = np.load(unit_file, mmap_mode="r", allow_pickle=False)
    except LOAD_ERRORS:
        return None
    if unit.shape != (len(ids), space.dimension) or unit.dtype != np.float32:
        return None
    return Matrix(space, ids, unit) if np.array_equal(checksums, _checksums(ids, unit)) else None


def _checksums(*arrays: NDArray[np.generic]) -> NDArray[np.uint32]:
    """Return CRC-32 checksums, which are faster than one search."""
    return np.array([crc32(np.ascontiguousarray(array).data) for array in arrays], np.uint32)


def _normalise(vectors: FloatArray) -> None:
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        length = np.linalg.norm(block, axis=1, keepdims=True)
        block /= np.maximum(length, np.finfo(np.float32).tiny)


def load_derived(folder: Path, space: str, state: str, what: str) -> dict[str, Any] | None:
    """Load arrays derived from a state of a space; None if there are none."""
    try:
        with (folder / f"{space}-{state}.{what}.npz").open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            return {name: arrays[name] for name in arrays.files}
    except LOAD_ERRORS:
        return None


def save_derived(
    folder: Path, space: str, state: str, what: str, arrays: Mapping[str, NDArray[np.generic]]
) -> None:
    """Save arrays derived from a state of a space, if there is room."""
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        target = folder / f"{space}-{state}.{what}.npz"
        with atomic_write(target) as partial, partial.open("wb") as out:
            np.savez(out, allow_pickle=False, **arrays)


def _save(matrix: Matrix, ids_file: Path, unit_file: Path) -> None:
    """Save a matrix, and remove the files derived from older states of the space."""
    folder = ids_file.parent
    folder.mkdir(exist_ok=True)
    remove_partials(folder, own=True)
    of_space = re.compile(re.escape(matrix.space.name) + r"-\d+-\d+\..*")
    current = (ids_file.name, unit_file.name)
    outdated = [
        file
        for file in folder.iterdir()
        if of_space.fullmatch(file.name) and file.name not in current
    ]
    with atomic_write(unit_file) as partial, partial.open("wb") as out:
        np.save(out, matrix.unit, allow_pickle=False)
    with atomic_write(ids_file) as partial, partial.open("wb") as out:
        np.save(out, matrix.ids, allow_pickle=False)
        np.save(out, _checksums(matrix.ids, matrix.unit), allow_pickle=False)
    for file in outdated:
        file.unlink(missing_ok=True)


class Spaces:
    """The spaces of a library, with one vector per track.

    Parameters
    ----------
    database : sqlite3.Connection
    derived : Path
        Folder of derived files, which may be deleted at any time.
    builtin : iterable of Space
        The built-in spaces of this version of Segue.
    """

    def __init__(
        self, database: sqlite3.Connection, derived: Path, builtin: Iterable[Space]
    ) -> None:
        self._db = database
        self._derived = derived
        self._builtin = {space.name: space for space in builtin}

    def register(self, media: Collection[Medium]) -> None:
        """Record the built-in spaces of these media. Inside a transaction."""
        for space in self._builtin.values():
            if space.kind not in media:
                continue
            self._db.execute(
                "INSERT OR IGNORE INTO spaces"
                " (name, kind, dimension, metric, model, version, changes)"
                f" VALUES (?, ?, ?, ?, ?, ?, {_NEW_STATE})",
                (space.name, space.kind, space.dimension, space.metric, space.model, space.version),
            )

    def known(self) -> list[SpaceInfo]:
        """List the recorded spaces."""
        rows = self._db.execute(
            "SELECT spaces.*, (SELECT count(*) FROM vectors"
            " WHERE space = spaces.id AND length(data) > 0) AS n FROM spaces ORDER BY id"
        )
        return [
            SpaceInfo(
                space,
                int(row["n"]),
                outdated=not row["trained"] and self._builtin.get(space.name) != space,
                trained=bool(row["trained"]),
            )
            for row in rows
            for space in [space_of(row)]
        ]

    def check_trained_name(self, name: str) -> None:
        """Check the name of a trained space.

        Raises
        ------
        BadArgument
            It is the name of a built-in space, or invalid.
        """
        if name in self._builtin:
            raise BadArgument(f"{name!r} is one of Segue's own spaces; choose another name")
        if not _NAME.fullmatch(name):
            raise BadArgument(f"{name!r} cannot name a space; use letters, digits, '-' and '_'")

    def replace_trained(self, space: Space) -> None:
        """Record a trained space, in place of any of its name. Inside a transaction.

        Unlike in built-in spaces, tracks may lack a vector in it.

        Raises
        ------
        BadArgument
            The name is that of a built-in space, or invalid.
        """
        self.check_trained_name(space.name)
        self._db.execute("DELETE FROM spaces WHERE name = ?", (space.name,))
        # SQLite reuses the id of a deleted row, but the state differs.
        self._db.execute(
            "INSERT INTO spaces (name, kind, dimension, metric, model, version, trained, changes)"
            f" VALUES (?, ?, ?, ?, ?, ?, 1, {_NEW_STATE})",
            (space.name, space.kind, space.dimension, space.metric, space.model, space.version),
        )

    def remove_trained(self, name: str) -> None:
        """Remove a trained space with its vectors. Inside a transaction."""
        self._db.execute("DELETE FROM spaces WHERE name = ? AND trained", (name,))

    def drop_trained(self, track: int) -> None:
        """Drop the vectors of a changed file in trained spaces, except those of listens."""
        changed = "space IN (SELECT id FROM spaces WHERE trained AND name <> 'listens')"
        self.mark_changed(track)
        self._db.execute(f"DELETE FROM vectors WHERE track = ? AND {changed}", (track,))

    def keep_only(self, track: int, names: Collection[str]) -> None:
        """Drop the vectors of a changed file in all other built-in spaces."""
        gone = [self._current[name] for name in self._current if name not in names]
        self._db.execute(
            f"UPDATE spaces SET {_CHANGED} WHERE id IN"
            " (SELECT space FROM vectors WHERE track = ?"
            " AND space IN (SELECT value FROM json_each(?)))",
            (track, json.dumps(gone)),
        )
        self._db.execute(
            "DELETE FROM vectors WHERE track = ? AND space IN (SELECT value FROM json_each(?))",
            (track, json.dumps(gone)),
        )

    def put_lyrics(self, track: int, vectors: Mapping[str, FloatArray]) -> None:
        """Store the lyrics vectors of a track, or none. Inside a transaction."""
        others = [name for name, space in self._builtin.items() if space.kind != "lyrics"]
        self.keep_only(track, [*others, *vectors])
        for name, vector in vectors.items():
            self.put(name, track, vector)

    def tracks_without(self, name: str) -> list[int]:
        """List the tracks without a vector in a space, in order."""
        _, space_id, _ = self._find(name)
        rows = self._db.execute(
            "SELECT id FROM tracks WHERE id NOT IN (SELECT track FROM vectors WHERE space = ?)"
            " ORDER BY id",
            (space_id,),
        )
        return [row[0] for row in rows]

    def drop_outdated(self) -> None:
        """Drop spaces of older versions, once all their tracks have a vector in the current one."""
        for info in self.known():
            space = info.space
            if not info.outdated or space.name not in self._current:
                continue
            behind = self._db.execute(
                "SELECT EXISTS (SELECT track FROM vectors WHERE space = ?"
                " EXCEPT SELECT track FROM vectors WHERE space = ?)",
                (self._space_id(space), self._current[space.name]),
            ).fetchone()[0]
            if not behind:
                self._db.execute("DELETE FROM spaces WHERE id = ?", (self._space_id(space),))

    def matrix(self, name: str) -> Matrix:
        """Load the matrix of a space for searching, or rebuild it.

        Raises
        ------
        NotFound
            No space has that name.
        WrongSpace
            The vectors were computed by another version of the model.
        """
        space, space_id, changes = self._find(name)
        return load_matrix(
            self._derived,
            space,
            f"{space_id}-{changes}",
            lambda: self._raw_vectors(space_id, space.dimension),
        )

    def derived(
        self, name: str, what: str, *, lasting: bool = False
    ) -> dict[str, NDArray[Any]] | None:
        """Load arrays derived from the current state of a space; None if there are none.

        `lasting` ones may be of any state, also of another library: whoever reads them checks that.
        """
        return load_derived(self._derived, name, self._state(name, lasting=lasting), what)

    def save_derived(
        self, name: str, what: str, arrays: Mapping[str, NDArray[Any]], *, lasting: bool = False
    ) -> None:
        """Save arrays derived from the current state of a space; see `derived`."""
        save_derived(self._derived, name, self._state(name, lasting=lasting), what, arrays)

    def of_texts(self, what: str) -> dict[str, NDArray[Any]] | None:
        """Load arrays derived from texts that they name, whatever the state of the library."""
        return load_derived(self._derived, _TEXTS, _TEXTS, what)

    def save_of_texts(self, what: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Save arrays derived from texts that they name."""
        save_derived(self._derived, _TEXTS, _TEXTS, what, arrays)

    def _state(self, name: str, *, lasting: bool) -> str:
        _, space_id, changes = self._find(name)
        return "any" if lasting else f"{space_id}-{changes}"

    def identity(self, name: str) -> tuple[int, int]:
        """Return the id of a space and its state, which differs after each change."""
        _, space_id, changes = self._find(name)
        return space_id, changes

    def vectors(self, name: str) -> tuple[NDArray[np.int64], FloatArray]:
        """Read track ids, shape (n,), and vectors, shape (n, dimension), of a space."""
        space, space_id, _ = self._find(name)
        return self._raw_vectors(space_id, space.dimension)

    def vector(self, name: str, track: int) -> FloatArray:
        """Read the vector of a track, shape (dimension,).

        Raises
        ------
        WrongSpace
            The track has no vector in the space.
        """
        vector = self.find_vector(name, track)
        if vector is None:
            trained = any(info.trained for info in self.known() if info.space.name == name)
            raise WrongSpace(
                f"track {track} has no vector in the space {name!r}"
                + (
                    ", which was trained without it; use another track, or another space"
                    if trained
                    else " yet; run `segue add` on its folder again"
                )
            )
        return vector

    def find_vector(self, name: str, track: int) -> FloatArray | None:
        """Read the vector of a track, shape (dimension,); None if it has none."""
        space, space_id, _ = self._find(name)
        row = self._db.execute(
            "SELECT data FROM vectors WHERE space = ? AND track = ?", (space_id, track)
        ).fetchone()
        if row is None or not row["data"]:
            return None
        return vector_of(row["data"], space.dimension, track)

    def put(self, name: str, track: int, vector: FloatArray) -> None:
        """Store the vector of a track; shape (0,) for none. Inside a transaction."""
        space = self._writable(name)
        self._db.execute(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
            (space, track, vector.astype("<f4").tobytes()),
        )
        self._db.execute(f"UPDATE spaces SET {_CHANGED} WHERE id = ?", (space,))

    def mark_changed(self, track: int) -> None:
        """Change the state of all spaces in which a track has a vector."""
        self._db.execute(
            f"UPDATE spaces SET {_CHANGED} WHERE id IN (SELECT space FROM vectors WHERE track = ?)",
            (track,),
        )

    def complete_tracks(self, among: Sequence[int] | None = None) -> set[int]:
        """Return the tracks that were embedded in all built-in spaces of their medium."""
        current = self._current
        only = "" if among is None else " AND track IN (SELECT value FROM json_each(:among))"
        complete: set[int] = set()
        for medium in {space.kind for space in self._builtin.values()}:
            names = [space.name for space in self._builtin.values() if space.kind == medium]
            if not all(name in current for name in names):
                continue
            rows = self._db.execute(
                "SELECT track FROM vectors WHERE space IN (SELECT value FROM json_each(:spaces))"
                " AND track IN (SELECT id FROM tracks WHERE kind = :medium)"
                f"{only} GROUP BY track HAVING count(*) = :count",
                {
                    "spaces": json.dumps([current[name] for name in names]),
                    "among": json.dumps(among),
                    "count": len(names),
                    "medium": medium,
                },
            )
            complete.update(row[0] for row in rows)
        return complete - self._lacking_lyrics_vectors(complete) - self._lacking_facts()

    def _lacking_facts(self) -> set[int]:
        """Return the recordings that lack facts, since an older version analysed them."""
        rows = self._db.execute(
            "SELECT id FROM tracks WHERE kind = 'sound' AND facts <> '{}'"
            " AND json_extract(facts, ?) IS NULL",
            (f"$.{NEWEST_FACT}",),
        )
        return {row[0] for row in rows}

    def _lacking_lyrics_vectors(self, among: Collection[int]) -> set[int]:
        """Return the tracks with lyrics that are not embedded in all built-in spaces of lyrics."""
        current = self._current
        lacking: set[int] = set()
        for space in self._builtin.values():
            if space.kind == "lyrics":
                rows = self._db.execute(
                    "SELECT track FROM lyrics WHERE track NOT IN"
                    " (SELECT track FROM vectors WHERE space = ?)",
                    (current.get(space.name, 0),),
                )
                lacking.update(row[0] for row in rows if row[0] in among)
        return lacking

    @property
    def _current(self) -> Mapping[str, int]:
        return {
            space.name: int(row["id"])
            for row in self._db.execute("SELECT * FROM spaces")
            for space in [space_of(row)]
            if self._builtin.get(space.name) == space
        }

    def _writable(self, name: str) -> int:
        if name in self._builtin:
            return self._current[name]
        return self._find(name)[1]

    def _space_id(self, space: Space) -> int:
        row = self._db.execute(
            "SELECT id FROM spaces WHERE name = ? AND model = ? AND version = ?",
            (space.name, space.model, space.version),
        ).fetchone()
        return int(row[0])

    def _find(self, name: str) -> tuple[Space, int, int]:
        rows = self._db.execute("SELECT * FROM spaces WHERE name = ?", (name,)).fetchall()
        builtin = self._builtin.get(name)
        for row in rows:
            if row["trained"] or space_of(row) == builtin:
                return space_of(row), int(row["id"]), int(row["changes"])
        if rows and builtin:
            old = space_of(rows[-1])
            raise WrongSpace(
                f"this library's space {name!r} was computed by model {old.model} version "
                f"{old.version}, this Segue has model {builtin.model} version {builtin.version}; "
                "run `segue add` on your folders again to bring it up to date"
            )
        if builtin:
            raise NotFound("this library is empty; fill it with `segue add FOLDER`")
        trained = [row["name"] for row in self._db.execute("SELECT * FROM spaces WHERE trained")]
        names = ", ".join(sorted([*self._builtin, *trained]))
        raise NotFound(f"no space is called {name!r}; there are: {names}")

    def _raw_vectors(self, space_id: int, dimension: int) -> tuple[NDArray[np.int64], FloatArray]:
        self._db.execute("BEGIN")
        try:
            n = self._db.execute(
                "SELECT count(*) FROM vectors WHERE space = ? AND length(data) > 0", (space_id,)
            ).fetchone()[0]
            ids = np.empty(n, np.int64)
            vectors = np.empty((n, dimension), np.float32)
            rows = self._db.execute(
                "SELECT track, data FROM vectors WHERE space = ? AND length(data) > 0"
                " ORDER BY track",
                (space_id,),
            )
            for i, (track, data) in enumerate(rows):
                ids[i] = track
                vectors[i] = vector_of(data, dimension, track)
        finally:
            self._db.execute("COMMIT")
        return ids, vectors


@dataclass(frozen=True, slots=True)
class StoredMap:
    """A two-dimensional projection of the tracks of a library.

    Attributes
    ----------
    space : str
    method : str
        "nerv", "tsne", "umap" or "pca".
    parameters : dict
        Parameters of the method.
    changes : int
        State of the space when it was computed.
    trustworthiness, continuity : float or None
        Quality of the projection for ten neighbours, 0 to 1; None for too few tracks.
    ids : ndarray, shape (n,), int64
        Track ids in ascending order.
    points : ndarray, shape (n, 2), float32
    placed : int
        Number of tracks that the last call added to an existing map.
    remembered : bool
        The map is stored in the library.
    """

    space: str
    method: str
    parameters: dict[str, float | int | str]
    changes: int
    trustworthiness: float | None
    continuity: float | None
    ids: NDArray[np.int64]
    points: FloatArray
    placed: int = 0
    remembered: bool = True


class Maps(Table):
    """The stored maps of a library, one per space and method."""

    def find(self, space: int, name: str, method: str) -> StoredMap | None:
        """Read the map of a space, given by its id and name; None if there is none."""
        row = self._db.execute(
            "SELECT * FROM maps WHERE space = ? AND method = ?", (space, method)
        ).fetchone()
        if row is None:
            return None
        points = self._db.execute(
            "SELECT track, x, y FROM map_points WHERE map = ? ORDER BY track", (row["id"],)
        ).fetchall()
        return StoredMap(
            name,
            method,
            json_of(row["parameters"], f"the map of the space {name}"),
            row["changes"],
            row["trustworthiness"],
            row["continuity"],
            np.array([point[0] for point in points], np.int64),
            np.array([tuple(point)[1:] for point in points], np.float32).reshape(-1, 2),
        )

    def methods(self, space: int) -> list[str]:
        """List the methods of the stored maps of a space, the newest last."""
        rows = self._db.execute("SELECT method FROM maps WHERE space = ? ORDER BY id", (space,))
        return [row[0] for row in rows]

    def put(self, space: int, stored: StoredMap) -> None:
        """Store a map, in place of any of the same space and method. Inside a transaction."""
        self._db.execute("DELETE FROM maps WHERE space = ? AND method = ?", (space, stored.method))
        cursor = self._db.execute(
            "INSERT INTO maps (space, method, parameters, changes, trustworthiness, continuity)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                space,
                stored.method,
                json.dumps(stored.parameters),
                stored.changes,
                stored.trustworthiness,
                stored.continuity,
            ),
        )
        self._db.executemany(
            "INSERT INTO map_points VALUES (?, ?, ?, ?)",
            (
                (cursor.lastrowid, track, x, y)
                for track, (x, y) in zip(stored.ids.tolist(), stored.points.tolist(), strict=True)
            ),
        )
