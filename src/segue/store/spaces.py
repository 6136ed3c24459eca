"""Spaces with their vectors, and saved maps.

The spaces of a library and their vectors.

Maps of a library that are remembered: where each track lies on a plane.
"""

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound, WrongSpace
from segue.records import FloatArray, Medium, Space, SpaceInfo
from segue.store.database import json_of, vector_of
from segue.store.files import space_of
from segue.store.matrix import Matrix, keep_derived, load_derived, load_matrix

# --- spaces ---

#: A fact of recordings that none had in an older library.
NEWEST_FACT: Final = "sound_kind"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,63}")
#: A space's state is drawn anew with each change of its vectors, so that what was derived in one
#: state is never taken for another's: not by a restored backup, nor by a copy that went on alone.
_NEW_STATE: Final = "abs(random() % 1000000000000000)"
_CHANGED: Final = f"changes = {_NEW_STATE}"


class Spaces:
    """Vectors, one row per track and space, each space with all that identifies it.

    Parameters
    ----------
    database : sqlite3.Connection
    derived : Path
        Folder of what may be deleted at any time.
    wanted : iterable of Space
        The spaces that this Segue computes.
    """

    def __init__(
        self, database: sqlite3.Connection, derived: Path, wanted: Iterable[Space]
    ) -> None:
        self._db = database
        self._derived = derived
        self._wanted = {space.name: space for space in wanted}

    def register(self, kinds: Collection[Medium]) -> None:
        """Record the spaces that this Segue computes of these kinds. Inside a transaction."""
        for space in self._wanted.values():
            if space.kind not in kinds:
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
                outdated=not row["trained"] and self._wanted.get(space.name) != space,
                trained=bool(row["trained"]),
            )
            for row in rows
            for space in [space_of(row)]
        ]

    def check_trained_name(self, name: str) -> None:
        """Refuse what cannot name a space learned from this library.

        Raises
        ------
        BadArgument
            It is one of Segue's own spaces, or no name.
        """
        if name in self._wanted:
            raise BadArgument(f"{name!r} is one of Segue's own spaces; choose another name")
        if not _NAME.fullmatch(name):
            raise BadArgument(f"{name!r} cannot name a space; use letters, digits, '-' and '_'")

    def replace_trained(self, space: Space) -> None:
        """Record a space learned from this library, in place of any of its name.

        Inside a transaction. Unlike the spaces that every Segue computes, tracks may lack a
        vector in it.

        Raises
        ------
        BadArgument
            The name is one of Segue's own spaces, or no name.
        """
        self.check_trained_name(space.name)
        self._db.execute("DELETE FROM spaces WHERE name = ?", (space.name,))
        # SQLite gives the number of a removed row again; its state is another.
        self._db.execute(
            "INSERT INTO spaces (name, kind, dimension, metric, model, version, trained, changes)"
            f" VALUES (?, ?, ?, ?, ?, ?, 1, {_NEW_STATE})",
            (space.name, space.kind, space.dimension, space.metric, space.model, space.version),
        )

    def remove_trained(self, name: str) -> None:
        """Take out a space learned from this library, with its vectors. Inside a transaction."""
        self._db.execute("DELETE FROM spaces WHERE name = ? AND trained", (name,))

    def forget_learned(self, track: int) -> None:
        """Drop a changed file's vectors in learned spaces; listens are of the name, and stay."""
        changed = "space IN (SELECT id FROM spaces WHERE trained AND name <> 'listens')"
        self.count_changes(track)
        self._db.execute(f"DELETE FROM vectors WHERE track = ? AND {changed}", (track,))

    def keep_only(self, track: int, names: Collection[str]) -> None:
        """Drop a changed file's vectors in Segue's own spaces where it has no place any more."""
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

    def put_words(self, track: int, vectors: Mapping[str, FloatArray]) -> None:
        """Store where a track's words lie, nowhere if it has none. Inside a transaction."""
        others = [name for name, space in self._wanted.items() if space.kind != "lyrics"]
        self.keep_only(track, [*others, *vectors])
        for name, vector in vectors.items():
            self.put(name, track, vector)

    def tracks_without(self, name: str) -> list[int]:
        """List the tracks that have no vector in a space, in order."""
        _, space_id, _ = self._find(name)
        rows = self._db.execute(
            "SELECT id FROM tracks WHERE id NOT IN (SELECT track FROM vectors WHERE space = ?)"
            " ORDER BY id",
            (space_id,),
        )
        return [row[0] for row in rows]

    def drop_outdated(self) -> None:
        """Drop spaces that an older Segue computed, once no track lacks the current one."""
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
        """Load a space for searching, from its derived file or by making that anew.

        Raises
        ------
        NotFound
            No space has that name.
        WrongSpace
            The vectors are there, but another model computed them.
        """
        space, space_id, changes = self._find(name)
        return load_matrix(
            self._derived,
            space,
            f"{space_id}-{changes}",
            lambda: self._raw_vectors(space_id, space.dimension),
        )

    def derived(self, name: str, what: str) -> dict[str, NDArray[Any]] | None:
        """Load arrays computed from a space as it is now; None where there are none."""
        _, space_id, changes = self._find(name)
        return load_derived(self._derived, name, f"{space_id}-{changes}", what)

    def keep_derived(self, name: str, what: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays computed from a space as it is now."""
        _, space_id, changes = self._find(name)
        keep_derived(self._derived, name, f"{space_id}-{changes}", what, arrays)

    def identity(self, name: str) -> tuple[int, int]:
        """Return the number of a space's row, and of its state: another after each change."""
        _, space_id, changes = self._find(name)
        return space_id, changes

    def vectors(self, name: str) -> tuple[NDArray[np.int64], FloatArray]:
        """Read a space's vectors as stored: ids (n,) and array (n, dimension)."""
        space, space_id, _ = self._find(name)
        return self._raw_vectors(space_id, space.dimension)

    def vector(self, name: str, track: int) -> FloatArray:
        """Read one track's vector, shape (dimension,).

        Raises
        ------
        WrongSpace
            The track has none there.
        """
        found = self.find_vector(name, track)
        if found is None:
            trained = any(info.trained for info in self.known() if info.space.name == name)
            raise WrongSpace(
                f"track {track} has no vector in the space {name!r}"
                + (
                    ", which was learned without it; ask with another track, or in another space"
                    if trained
                    else " yet; run `segue add` on its folder again"
                )
            )
        return found

    def find_vector(self, name: str, track: int) -> FloatArray | None:
        """Read one track's vector, shape (dimension,), where it has one."""
        space, space_id, _ = self._find(name)
        row = self._db.execute(
            "SELECT data FROM vectors WHERE space = ? AND track = ?", (space_id, track)
        ).fetchone()
        if row is None or not row["data"]:
            return None
        return vector_of(row["data"], space.dimension, track)

    def put(self, name: str, track: int, vector: FloatArray) -> None:
        """Store a track's vector, of shape (0,) where it has none. Inside a transaction."""
        space = self._writable(name)
        self._db.execute(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
            (space, track, vector.astype("<f4").tobytes()),
        )
        self._db.execute(f"UPDATE spaces SET {_CHANGED} WHERE id = ?", (space,))

    def count_changes(self, track: int) -> None:
        """Note that a track's vectors come or go, so that derived files are made anew."""
        self._db.execute(
            f"UPDATE spaces SET {_CHANGED} WHERE id IN (SELECT space FROM vectors WHERE track = ?)",
            (track,),
        )

    def complete_tracks(self, among: Sequence[int] | None = None) -> set[int]:
        """List the tracks that were placed in every current space of their kind."""
        current = self._current
        only = "" if among is None else " AND track IN (SELECT value FROM json_each(:among))"
        found: set[int] = set()
        for kind in {space.kind for space in self._wanted.values()}:
            names = [space.name for space in self._wanted.values() if space.kind == kind]
            if not all(name in current for name in names):
                continue
            rows = self._db.execute(
                "SELECT track FROM vectors WHERE space IN (SELECT value FROM json_each(:spaces))"
                " AND track IN (SELECT id FROM tracks WHERE kind = :kind)"
                f"{only} GROUP BY track HAVING count(*) = :wanted",
                {
                    "spaces": json.dumps([current[name] for name in names]),
                    "among": json.dumps(among),
                    "wanted": len(names),
                    "kind": kind,
                },
            )
            found.update(row[0] for row in rows)
        return found - self._without_words(found) - self._described_before()

    def _described_before(self) -> set[int]:
        """List the recordings that an older Segue described, with fewer facts than this one."""
        rows = self._db.execute(
            "SELECT id FROM tracks WHERE kind = 'sound' AND facts <> '{}'"
            " AND json_extract(facts, ?) IS NULL",
            (f"$.{NEWEST_FACT}",),
        )
        return {row[0] for row in rows}

    def _without_words(self, among: Collection[int]) -> set[int]:
        """List those that have words, and no place yet where all words have one."""
        current = self._current
        found: set[int] = set()
        for space in self._wanted.values():
            if space.kind == "lyrics":
                rows = self._db.execute(
                    "SELECT track FROM lyrics WHERE track NOT IN"
                    " (SELECT track FROM vectors WHERE space = ?)",
                    (current.get(space.name, 0),),
                )
                found.update(row[0] for row in rows if row[0] in among)
        return found

    @property
    def _current(self) -> Mapping[str, int]:
        return {
            space.name: int(row["id"])
            for row in self._db.execute("SELECT * FROM spaces")
            for space in [space_of(row)]
            if self._wanted.get(space.name) == space
        }

    def _writable(self, name: str) -> int:
        if name in self._wanted:
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
        wanted = self._wanted.get(name)
        for row in rows:
            if row["trained"] or space_of(row) == wanted:
                return space_of(row), int(row["id"]), int(row["changes"])
        if rows and wanted:
            old = space_of(rows[-1])
            raise WrongSpace(
                f"this library's space {name!r} was computed by model {old.model} version "
                f"{old.version}, this Segue has model {wanted.model} version {wanted.version}; "
                "run `segue add` on your folders again to bring it up to date"
            )
        if wanted:
            raise NotFound("this library is empty; fill it with `segue add FOLDER`")
        trained = [row["name"] for row in self._db.execute("SELECT * FROM spaces WHERE trained")]
        names = ", ".join(sorted([*self._wanted, *trained]))
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


# --- maps ---


@dataclass(frozen=True, slots=True)
class StoredMap:
    """Where the tracks of a library lie on a plane.

    Attributes
    ----------
    space : str
    method : str
        "nerv", "tsne", "umap" or "pca".
    parameters : dict
        What it was made with.
    changes : int
        The state of the space when it was made.
    trustworthiness, continuity : float or None
        0 to 1, at ten neighbours; None where there are too few tracks to tell.
    ids : ndarray, shape (n,), int64
        Track ids, rising.
    points : ndarray, shape (n, 2), float32
    placed : int
        How many tracks were put on a map that was there, by the call that gave this.
    remembered : bool
        It is in the library.
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


class Maps:
    """The remembered maps, one per space and method.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def find(self, space: int, name: str, method: str) -> StoredMap | None:
        """Read the map of a space, given by its number and name; None where there is none."""
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
        """List the methods by which a space has a map, the latest made last."""
        rows = self._db.execute("SELECT method FROM maps WHERE space = ? ORDER BY id", (space,))
        return [row[0] for row in rows]

    def put(self, space: int, found: StoredMap) -> None:
        """Remember a map, in place of any of the same space and method. In a transaction."""
        self._db.execute("DELETE FROM maps WHERE space = ? AND method = ?", (space, found.method))
        cursor = self._db.execute(
            "INSERT INTO maps (space, method, parameters, changes, trustworthiness, continuity)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                space,
                found.method,
                json.dumps(found.parameters),
                found.changes,
                found.trustworthiness,
                found.continuity,
            ),
        )
        self._db.executemany(
            "INSERT INTO map_points VALUES (?, ?, ?, ?)",
            (
                (cursor.lastrowid, track, x, y)
                for track, (x, y) in zip(found.ids.tolist(), found.points.tolist(), strict=True)
            ),
        )
