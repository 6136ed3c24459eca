"""The page of a list of tracks, that plays it."""

from collections.abc import Sequence
from pathlib import Path

from segue.pages.frame import link, write_page
from segue.records import Track


def write_list(
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
