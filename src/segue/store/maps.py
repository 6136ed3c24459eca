"""Maps of a library that are remembered: where each track lies on a plane."""

import json
import sqlite3
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray
from segue.store.database import json_of


@dataclass(frozen=True, slots=True)
class LibraryMap:
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

    def find(self, space: int, name: str, method: str) -> LibraryMap | None:
        """Read the map of a space, given by its number and name; None where there is none."""
        row = self._db.execute(
            "SELECT * FROM maps WHERE space = ? AND method = ?", (space, method)
        ).fetchone()
        if row is None:
            return None
        points = self._db.execute(
            "SELECT track, x, y FROM map_points WHERE map = ? ORDER BY track", (row["id"],)
        ).fetchall()
        return LibraryMap(
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

    def put(self, space: int, found: LibraryMap) -> None:
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
