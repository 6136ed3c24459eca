"""Playlists on disk."""

import os
from collections.abc import Sequence
from pathlib import Path

from segue.records import Track


def write_m3u8(target: Path, tracks: Sequence[Track], *, absolute: bool = False) -> None:
    """Write an extended M3U playlist in UTF-8.

    Parameters
    ----------
    target : Path
        Replaced as a whole: after an interruption the old or the new list is there.
    tracks : sequence of Track
    absolute : bool
        Whole paths, instead of paths from the playlist's folder.

    Notes
    -----
    A file name that is not UTF-8 is written with the bytes it has, since only these open it.
    """
    lines = [b"#EXTM3U"]
    folder = target.absolute().parent
    for track in tracks:
        name = " - ".join(part for part in (track.tags.artist, track.tags.title) if part)
        lines.append(f"#EXTINF:{round(track.duration_s)},{name}".encode())
        path = track.path if absolute else os.path.relpath(track.path, folder)
        lines.append(os.fsencode(path))
    partial = target.with_name(f".{target.name}.partial")
    partial.write_bytes(b"\n".join(lines) + b"\n")
    partial.replace(target)
