"""HTML pages that work offline: track lists, maps, dendrograms, token similarities, takes.

Each is one file with data and program inside. Apart from paths relative to the page, it contains
nothing of the machine that wrote it.
"""

import base64
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from segue.environment import import_in_package_folder
from segue.errors import BadArgument
from segue.files import write_text
from segue.records import FloatArray, Part, Score, Track
from segue.render import PAGE_SUFFIXES
from segue.render.map_plots import COLOUR_MAP, GREY, Colouring, name_colour
from segue.render.piano_roll_plots import DRUM_COLOUR, part_colours, part_name
from segue.score.harmony import NO_CHORD, estimate_chords, written_chords
from segue.score.timing import bar_grid, excerpt, ticks_to_seconds
from segue.theory.instruments import DRUM_NAMES

#: Colours of `OTHER` names and unknown numbers, and of tracks without a name.
_PAGE_GREY: Final = "#9a9a9a"
_NO_NAME_GREY: Final = "#6a6a6a"
#: Number of colours of a scale of numbers.
_SHADES: Final = 64
#: Largest coordinate on the page of a map.
_MAX_COORDINATE: Final = 65535
#: Bars of a take shown before and after those generated, and maximum number of all.
CONTEXT_BARS: Final = 4
MAX_BARS: Final = 128
_RATE_HZ: Final = 48_000
_BIT_RATE: Final = 64_000


def write_page(template: str, data: dict[str, Any], target: Path) -> None:
    """Write a page atomically.

    Parameters
    ----------
    template : str
        Name of a file in the folder ``templates``.
    data : dict
        Data that the page's program reads by ``JSON.parse``; text in it is never markup.
    target : Path
        Path of the page, .html.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    if target.suffix.lower() not in PAGE_SUFFIXES:
        raise BadArgument(f"{target} is no page; name it something.html")
    text = json.dumps(without_nan(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A script element ends at the first "</", even inside a string.
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028")
    write_text(page_source(template).replace("/*DATA*/", text), target)


def page_source(template: str) -> str:
    """Return a page without data: the frame of all pages, with the parts of a template."""
    folder = files("segue.render").joinpath("templates")
    frame, page = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", template)
    )
    style, _, rest = page.removeprefix("<style>\n").partition("</style>\n")
    body, _, script = rest.removesuffix("</script>\n").rpartition("<script>\n")
    return (
        frame.replace("/*STYLE*/", style).replace("<!--BODY-->", body).replace("/*SCRIPT*/", script)
    )


def without_nan(value: Any) -> Any:
    """Replace numbers that are not finite, which JSON does not have, with None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value


def link(track: Track, target: Path) -> str:
    """Return the URL of a track's file relative to a page; "" if the file is missing.

    A part of a file is a media fragment (W3C Media Fragments URI 1.0, section 4.2.1).
    """
    if track.missing:
        return ""
    relative = os.path.relpath(track.path, target.absolute().parent)
    part = track.passage
    fragment = f"#t={part.start_s:.2f},{part.end_s:.2f}" if part else ""
    return quote(os.fsencode(relative)) + fragment


def write_playlist_page(
    tracks: Sequence[Track], notes: Sequence[str], target: Path, title: str, caption: str
) -> None:
    """Write a page that plays tracks one after another.

    Parameters
    ----------
    notes : sequence of str
        Text beside each track.
    target : Path
        Path of the page, .html.
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
    write_page("playlist.html", data, target)


def write_map_page(
    tracks: Sequence[Track],
    points: FloatArray,
    neighbours: NDArray[np.int32],
    similarities: FloatArray,
    tags: Sequence[Sequence[str]],
    colouring: Colouring,
    target: Path,
    title: str,
    caption: str,
    previews: Mapping[int, bytes] | None = None,
) -> None:
    """Write the page of a map.

    Parameters
    ----------
    tracks : sequence of Track, length n
        Tracks of the map.
    points : ndarray, shape (n, 2)
        Positions.
    neighbours : ndarray, shape (n, k), int32
        Rows of the nearest neighbours in the space; -1 if there are no more.
    similarities : ndarray, shape (n, k), float32
        Cosine similarities to them.
    tags : sequence of sequence of str, length n
        Description of each track.
    target : Path
        Path of the page, .html.
    previews : mapping of int to bytes, optional
        Excerpts of tracks as Ogg Opus, by row, that are embedded in the page.
    """
    low = points.min(axis=0)
    extent = float(np.ptp(points, axis=0).max()) or 1.0
    grid = np.round((points - low) / extent * _MAX_COORDINATE).astype(int)
    words = {tag: index for index, tag in enumerate(dict.fromkeys(chain.from_iterable(tags)))}
    data = {
        "title": title,
        "caption": caption,
        "x": grid[:, 0].tolist(),
        "y": (grid[:, 1].max(initial=0) - grid[:, 1]).tolist(),
        **_track_columns(tracks, target),
        "tags": [[words[tag] for tag in row] for row in tags],
        "words": list(words),
        "near": neighbours.ravel().tolist(),
        "likeness": np.round(similarities.ravel() * 100).astype(int).tolist(),
        "nearest": int(neighbours.shape[1]),
        "colourTitle": colouring.title,
        **_colours(colouring),
        "previews": {
            str(row): base64.b64encode(sound).decode("ascii")
            for row, sound in (previews or {}).items()
        },
    }
    write_page("map.html", data, target)


def _track_columns(tracks: Sequence[Track], target: Path) -> dict[str, list[Any]]:
    """Return what the page of a map tells of tracks; each name and folder is stored once."""
    artists, artist_index = _factorise(track.tags.artist for track in tracks)
    albums, album_index = _factorise(track.tags.album for track in tracks)
    links = [link(track, target).rpartition("/") for track in tracks]
    folders, folder_index = _factorise(folder + slash for folder, slash, _ in links)
    return {
        "ids": [track.id for track in tracks],
        "seconds": [round(track.duration_s) for track in tracks],
        "titles": [track.tags.title for track in tracks],
        "artist": artist_index,
        "album": album_index,
        "artists": artists,
        "albums": albums,
        "folder": folder_index,
        "folders": folders,
        "file": [name for _, _, name in links],
    }


def _factorise(values: Iterable[str]) -> tuple[list[str], list[int]]:
    """Return the distinct values, and the index of each value among them."""
    index: dict[str, int] = {}
    indices = [index.setdefault(value, len(index)) for value in values]
    return list(index), indices


def _colours(colouring: Colouring) -> dict[str, Any]:
    """Return a palette, the index of each track's colour in it, and what the legend shows.

    Numbers in the lowest and the highest hundredth share the outermost colours.
    """
    values = colouring.values
    if not colouring.names and len(values):
        known = np.isfinite(values)
        palette = [*_shades(), _PAGE_GREY]
        if not known.any():
            colour, ends = np.full(len(values), _SHADES), ("", "")
        else:
            low, high = (float(value) for value in np.percentile(values[known], [1, 99]))
            scaled = np.clip((values - low) / ((high - low) or 1.0), 0, 1) * (_SHADES - 1)
            colour = np.where(known, np.nan_to_num(scaled), _SHADES).astype(np.int64)
            ends = f"{low:.4g}", f"{high:.4g}"
        legend: list[str] = []
    else:
        legend, ends = list(colouring.names), ("", "")
        palette = [
            name_colour(legend, index).replace(GREY, _PAGE_GREY) for index in range(len(legend))
        ]
        colour = np.where(colouring.name_index < 0, len(legend), colouring.name_index)
        if (colouring.name_index < 0).any():
            legend.append("none")
            palette.append(_NO_NAME_GREY)
    return {
        "palette": palette,
        "colour": colour.tolist(),
        "legend": legend,
        "low": ends[0],
        "high": ends[1],
    }


def _shades() -> list[str]:
    """Return the colours of a scale of numbers as ``#rrggbb``."""
    import_in_package_folder("matplotlib")
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[COLOUR_MAP](shade / (_SHADES - 1))) for shade in range(_SHADES)]


def write_dendrogram_page(
    lines: NDArray[np.float64],
    labels: Sequence[str],
    tracks: Sequence[Track | None],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Write the page of a dendrogram.

    Parameters
    ----------
    lines : ndarray, shape (merges, 4, 2)
        Height and row of the four corners of each merge's bracket.
    tracks : sequence of Track or None
        Tracks of the leaves; None for artists and albums.
    target : Path
        Path of the page, .html.
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
    }
    write_page("dendrogram.html", data, target)


def write_token_similarity_page(
    cosines: FloatArray,
    labels: Sequence[str],
    counts: Sequence[int],
    order: NDArray[np.int64],
    points: NDArray[np.float64] | None,
    names: Sequence[str],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Write a page of a similarity matrix of tokens, and of a projection of the pitch classes.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Cosine similarities.
    labels : sequence of str
        Labels of the tokens, the most frequent first.
    counts : sequence of int
        Frequencies of the tokens.
    order : ndarray, shape (n,), int64
        Tokens in order of pitch or duration.
    points : ndarray, shape (12, 2), or None
        Positions of the pitch classes from C; NaN for those without an embedding.
    names : sequence of str
        Names of the pitch classes.
    target : Path
        Path of the page, .html.
    """
    data = {
        "title": title,
        "caption": caption,
        "labels": list(labels),
        "counts": list(counts),
        "order": order.tolist(),
        "cosines": np.round(cosines.astype(np.float64), 3).tolist(),
        "plane": [] if points is None else np.round(points, 4).tolist(),
        "names": list(names),
    }
    write_page("tokens.html", data, target)


@dataclass(frozen=True, slots=True, eq=False)
class TakeView:
    """What the page shows of a take.

    Attributes
    ----------
    name : str
        Heading, such as "Take 2".
    note : str
        Text beside the heading.
    lines : sequence of str
        Texts below the piano roll.
    files : sequence of str
        Paths of its files relative to the page.
    score : Score
        The whole piece as it is to be played.
    first, last : int
        Range of indices of the generated bars, without `last`.
    """

    name: str
    note: str
    lines: Sequence[str]
    files: Sequence[str]
    score: Score
    first: int
    last: int


def write_takes_page(takes: Sequence[TakeView], target: Path, title: str, caption: str) -> None:
    """Write a page that plays takes and shows their piano rolls, the first one on top.

    The page holds the generated bars with `CONTEXT_BARS` around them, at most `MAX_BARS` of each
    take, as Ogg Opus.

    Parameters
    ----------
    takes : sequence of TakeView
        Takes in the order of the page.
    target : Path
        Path of the page, .html.
    title, caption : str
        Texts above the takes.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    parts = {_part_key(part, take.score): part for take in takes for part in take.score.parts}
    names = list(parts)
    shown = [_show(take, names) for take in takes]
    pitches = [note[3] for take in shown for note in take["notes"] if not note[5]]
    drums = sorted({note[3] for take in shown for note in take["notes"] if note[5]})
    data = {
        "title": title,
        "caption": caption,
        "parts": names,
        "colours": [
            "" if colour == DRUM_COLOUR else colour for colour in part_colours([*parts.values()])
        ],
        "low": min(pitches, default=60) - 1,
        "high": max(pitches, default=72) + 1,
        "drums": drums,
        "drumNames": [DRUM_NAMES.get(pitch, f"drum {pitch}") for pitch in drums],
        "takes": shown,
    }
    write_page("takes.html", data, target)


def _part_key(part: Part, score: Score) -> str:
    return part_name(part, score.title)


def _show(take: TakeView, names: Sequence[str]) -> dict[str, Any]:
    """Return a take as the page's program reads it; times are in seconds."""
    start = max(take.first - CONTEXT_BARS, 0)
    last_onset = np.array([part.notes[-1, 0] for part in take.score.parts]).max()
    n_bars = max(int(bar_grid(take.score).index_of(last_onset)) + 1, take.last)
    end = min(take.last + CONTEXT_BARS, start + MAX_BARS, n_bars)
    score = excerpt(take.score, start, end - start)
    edges = bar_grid(score).edges[: end - start + 1]
    notes = []
    for part in score.parts:
        index = names.index(_part_key(part, score))
        onset, duration, pitch, velocity = part.notes.T
        begin_s = ticks_to_seconds(score, onset)
        end_s = ticks_to_seconds(score, onset + duration)
        rows = zip(begin_s.tolist(), end_s.tolist(), pitch.tolist(), velocity.tolist(), strict=True)
        notes += [
            [index, round(a, 3), round(b - a, 3), key, loudness, int(part.is_drum)]
            for a, b, key, loudness in rows
        ]
    sound = base64.b64encode(_render(score)).decode("ascii") if score.parts else ""
    return {
        "name": take.name,
        "note": take.note,
        "lines": list(take.lines),
        "files": list(take.files),
        "notes": notes,
        "bars": np.round(ticks_to_seconds(score, edges), 3).tolist(),
        "number": start + 1,
        "first": take.first - start,
        "last": min(take.last, end) - start,
        "chords": _chords(score) if score.parts else [],
        "sound": sound,
    }


def _render(score: Score) -> bytes:
    from segue.io.opus import encode_opus
    from segue.score.synthesis import synthesise

    return encode_opus(synthesise(score, _RATE_HZ), _RATE_HZ, _BIT_RATE)


def _chords(score: Score) -> list[list[float | str]]:
    """Return onset and symbol of each chord that differs from the one before."""
    chords = written_chords(score) or estimate_chords(score)
    changes = [
        chord
        for before, chord in zip([None, *chords[:-1]], chords, strict=True)
        if (before is None or before.name != chord.name) and chord.name != NO_CHORD
    ]
    onsets = ticks_to_seconds(score, np.array([chord.start for chord in changes], np.int64))
    return [
        [round(onset, 3), chord.name] for onset, chord in zip(onsets.tolist(), changes, strict=True)
    ]
