"""HTML pages that work offline: track lists, maps, dendrograms, token similarities.

Each is one file with data and program inside. It contains nothing of the machine that made it but
paths of files relative to the page.
"""

import base64
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from segue.environment import import_in_package_folder
from segue.errors import BadArgument
from segue.files import write_text
from segue.records import FloatArray, Track

_PLACE: Final = "/*DATA*/"
_ENDINGS: Final = (".html", ".htm")


def write_page(template: str, data: dict[str, Any], target: Path) -> None:
    """Write a page, as a whole or not at all.

    Parameters
    ----------
    template : str
        A file beside this one.
    data : dict
        What its program finds under ``JSON.parse``; text is data there, never markup.
    target : Path
        Ends in .html.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    if target.suffix.lower() not in _ENDINGS:
        raise BadArgument(f"{target} is no page; name it something.html")
    page = files("segue.render").joinpath("templates", template).read_text(encoding="utf-8")
    text = json.dumps(_plain(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A script element ends at the first "</", whatever stands around it.
    page = page.replace(_PLACE, text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))
    write_text(page, target)


def link(track: Track, target: Path) -> str:
    """Return the address of a track's file from the folder of a page; "" where it is gone."""
    if track.missing:
        return ""
    relative = os.path.relpath(track.path, target.absolute().parent)
    return quote(os.fsencode(relative))


def _plain(value: Any) -> Any:
    """Replace what JSON has no word for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def write_playlist_page(
    tracks: Sequence[Track], notes: Sequence[str], target: Path, title: str, caption: str
) -> None:
    """Write a page that plays tracks one after the other.

    Parameters
    ----------
    tracks : sequence of Track
    notes : sequence of str
        What is told beside each.
    target : Path
        Ends in .html.
    title, caption : str
    """
    data = {
        "title": title,
        "caption": caption,
        "tracks": [
            {
                "title": track.tags.title,
                "artist": track.tags.artist,
                "album": track.tags.album,
                "seconds": round(track.duration_s),
                "note": note,
                "link": link(track, target),
            }
            for track, note in zip(tracks, notes, strict=True)
        ],
    }
    write_page("list.html", data, target)


_GRID: Final = 65535
_SHADES: Final = 64


@dataclass(frozen=True, slots=True)
class MapPage:
    """What a map's page shows.

    Attributes
    ----------
    tracks : sequence of Track, length n
    points : ndarray, shape (n, 2)
    near : ndarray, shape (n, k), int32
        The nearest tracks of each, in the space, as rows; -1 where there are no more.
    likeness : ndarray, shape (n, k), float32
        Their cosines.
    tags : sequence of sequences of str, length n
        How each track is described.
    colour_title : str
    palette : sequence of str
        Colours as ``#rrggbb``.
    colour : ndarray, shape (n,), int64
        Which colour each track has.
    legend : sequence of str
        A name for each colour; empty where colours stand for numbers from `low` to `high`.
    low, high : str
    title, caption : str
    """

    tracks: Sequence[Track]
    points: FloatArray
    neighbours: NDArray[np.int32]
    similarities: FloatArray
    tags: Sequence[Sequence[str]]
    colour_title: str
    palette: Sequence[str]
    colour: NDArray[np.int64]
    legend: Sequence[str]
    low: str
    high: str
    title: str
    caption: str


def write_map_page(
    page: MapPage, target: Path, previews: Mapping[int, bytes] | None = None
) -> None:
    """Write the page of a map.

    Parameters
    ----------
    page : Shown
    target : Path
        Ends in .html.
    previews : mapping of int to bytes, optional
        Ogg Opus of tracks, by row, to be put into the page.
    """
    low = page.points.min(axis=0)
    reach = float(np.ptp(page.points, axis=0).max()) or 1.0
    grid = np.round((page.points - low) / reach * _GRID).astype(int)
    artists, albums, folders, words = (_Numbered() for _ in range(4))
    links = [link(track, target).rpartition("/") for track in page.tracks]
    data = {
        "title": page.title,
        "caption": page.caption,
        "x": grid[:, 0].tolist(),
        "y": (grid[:, 1].max(initial=0) - grid[:, 1]).tolist(),
        "ids": [track.id for track in page.tracks],
        "seconds": [round(track.duration_s) for track in page.tracks],
        "titles": [track.tags.title for track in page.tracks],
        "artist": [artists.of(track.tags.artist) for track in page.tracks],
        "album": [albums.of(track.tags.album) for track in page.tracks],
        "artists": artists.names,
        "albums": albums.names,
        "tags": [[words.of(tag) for tag in some] for some in page.tags],
        "words": words.names,
        "folder": [folders.of(folder + slash) for folder, slash, _ in links],
        "folders": folders.names,
        "file": [name for _, _, name in links],
        "near": page.neighbours.ravel().tolist(),
        "likeness": np.round(page.similarities.ravel() * 100).astype(int).tolist(),
        "nearest": int(page.neighbours.shape[1]),
        "colourTitle": page.colour_title,
        "palette": list(page.palette),
        "colour": page.colour.tolist(),
        "legend": list(page.legend),
        "low": page.low,
        "high": page.high,
        "previews": {
            str(row): base64.b64encode(sound).decode("ascii")
            for row, sound in (previews or {}).items()
        },
    }
    write_page("map.html", data, target)


class _Numbered:
    """Names, each once, with a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    @property
    def names(self) -> list[str]:
        return list(self._numbers)


def colour_values(values: FloatArray) -> tuple[list[str], NDArray[np.int64], str, str]:
    """Turn numbers into colours: a palette, which of it each has, the lowest and highest.

    What is unknown is grey. The highest and lowest hundredth share the outermost colours.
    """
    import_in_package_folder("matplotlib")
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    known = values[np.isfinite(values)]
    palette = [to_hex(colormaps["viridis"](i / (_SHADES - 1))) for i in range(_SHADES)]
    if not len(known):
        return [*palette, "#9a9a9a"], np.full(len(values), _SHADES), "", ""
    low, high = (float(v) for v in np.percentile(known, [1, 99]))
    scaled = np.clip((values - low) / ((high - low) or 1.0), 0, 1) * (_SHADES - 1)
    of = np.where(np.isfinite(values), np.nan_to_num(scaled), _SHADES).astype(np.int64)
    return [*palette, "#9a9a9a"], of, f"{low:.4g}", f"{high:.4g}"


def write_dendrogram_page(
    lines: NDArray[np.float64],
    labels: Sequence[str],
    tracks: Sequence[Track | None],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Write the page of a tree.

    Parameters
    ----------
    lines : ndarray, shape (joins, 4, 2)
        Height and row of the four corners of each join's bracket.
    labels : sequence of str
        Of the leaves, from the top.
    tracks : sequence of Track or None
        Of the leaves, where these are tracks.
    target : Path
        Ends in .html.
    title, caption : str
    """
    top = float(lines[:, :, 0].max()) or 1.0
    scaled = lines.copy()
    scaled[:, :, 0] = np.round(scaled[:, :, 0] / top, 4)
    data = {
        "title": title,
        "caption": caption,
        "lines": np.round(scaled, 4).reshape(len(lines), -1).tolist(),
        "labels": list(labels),
        "links": [link(track, target) if track else "" for track in tracks],
        "top": round(top, 4),
    }
    write_page("tree.html", data, target)


def write_token_similarity_page(
    cosines: FloatArray,
    labels: Sequence[str],
    counts: Sequence[int],
    order: NDArray[np.int64],
    plane: NDArray[np.float64] | None,
    names: Sequence[str],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Write the similarity matrix, and the pitch classes on a plane, as a page.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
    labels : sequence of str
        One for each row, the most frequent first.
    counts : sequence of int
        How often each was met.
    order : ndarray, shape (n,), int64
        Their places when they are ordered by pitch or by length.
    plane : ndarray, shape (12, 2), or None
        Of the pitch classes from C; NaN where one has no place.
    names : sequence of str
        Of the pitch classes.
    target : Path
        Ends in .html.
    title, caption : str
        The caption is the plane's.
    """
    data = {
        "title": title,
        "caption": caption,
        "labels": list(labels),
        "counts": list(counts),
        "order": order.tolist(),
        "cosines": np.round(cosines.astype(np.float64), 3).tolist(),
        "plane": [] if plane is None else np.round(plane, 4).tolist(),
        "names": list(names),
    }
    write_page("words.html", data, target)
