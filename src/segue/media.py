"""The three media (sound, score, lyrics) and their file name suffixes."""

from pathlib import PurePath
from typing import Final

from segue.records import Medium

SUFFIXES: Final[dict[Medium, frozenset[str]]] = {
    "sound": frozenset([
        ".mp3", ".m4a", ".m4b", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wav", ".aif", ".aiff",
        ".aifc", ".wma", ".mp4", ".m4v", ".mov", ".mkv", ".mka", ".ts", ".wv", ".webm", ".avi",
    ]),
    "score": frozenset([
        ".mid", ".midi", ".rmi", ".kar", ".musicxml", ".xml", ".mxl", ".abc", ".krn",
    ]),
    "lyrics": frozenset([".txt", ".lrc", ".md", ".csv", ".json", ".jsonl"]),
}  # fmt: skip
ALL_SUFFIXES: Final = frozenset().union(*SUFFIXES.values())


def medium_of(path: PurePath) -> Medium | None:
    """Return the medium of a file by its suffix; None for unsupported files."""
    suffix = path.suffix.lower()
    return next((medium for medium, suffixes in SUFFIXES.items() if suffix in suffixes), None)
