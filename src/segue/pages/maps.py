"""The page of a map: to move about in, to search, to listen to."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.pages.frame import link, write_page
from segue.records import FloatArray, Track
from segue.surroundings import import_elsewhere

_GRID: Final = 65535
_SHADES: Final = 64


@dataclass(frozen=True, slots=True)
class Shown:
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
    near: NDArray[np.int32]
    likeness: FloatArray
    tags: Sequence[Sequence[str]]
    colour_title: str
    palette: Sequence[str]
    colour: NDArray[np.int64]
    legend: Sequence[str]
    low: str
    high: str
    title: str
    caption: str


def write_map(shown: Shown, target: Path, previews: Mapping[int, bytes] | None = None) -> None:
    """Write the page of a map.

    Parameters
    ----------
    shown : Shown
    target : Path
        Ends in .html.
    previews : mapping of int to bytes, optional
        Ogg Opus of tracks, by row, to be put into the page.
    """
    low = shown.points.min(axis=0)
    reach = float(np.ptp(shown.points, axis=0).max()) or 1.0
    grid = np.round((shown.points - low) / reach * _GRID).astype(int)
    artists, albums, folders, words = (_Numbered() for _ in range(4))
    links = [link(track, target).rpartition("/") for track in shown.tracks]
    data = {
        "title": shown.title,
        "caption": shown.caption,
        "x": grid[:, 0].tolist(),
        "y": (grid[:, 1].max(initial=0) - grid[:, 1]).tolist(),
        "ids": [track.id for track in shown.tracks],
        "seconds": [round(track.duration_s) for track in shown.tracks],
        "titles": [track.tags.title for track in shown.tracks],
        "artist": [artists.of(track.tags.artist) for track in shown.tracks],
        "album": [albums.of(track.tags.album) for track in shown.tracks],
        "artists": artists.names,
        "albums": albums.names,
        "tags": [[words.of(tag) for tag in some] for some in shown.tags],
        "words": words.names,
        "folder": [folders.of(folder + slash) for folder, slash, _ in links],
        "folders": folders.names,
        "file": [name for _, _, name in links],
        "near": shown.near.ravel().tolist(),
        "likeness": np.round(shown.likeness.ravel() * 100).astype(int).tolist(),
        "nearest": int(shown.near.shape[1]),
        "colourTitle": shown.colour_title,
        "palette": list(shown.palette),
        "colour": shown.colour.tolist(),
        "legend": list(shown.legend),
        "low": shown.low,
        "high": shown.high,
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


def shades(values: FloatArray) -> tuple[list[str], NDArray[np.int64], str, str]:
    """Turn numbers into colours: a palette, which of it each has, the lowest and highest.

    What is unknown is grey. The highest and lowest hundredth share the outermost colours.
    """
    import_elsewhere("matplotlib")
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
