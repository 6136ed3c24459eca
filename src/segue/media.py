"""The three media: sound, score and lyrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from segue.records import Medium


@dataclass(frozen=True, slots=True)
class MediumInfo:
    """What is known of a medium.

    Attributes
    ----------
    noun, plural, part : str
        A track of the medium, several, and one of several in a file, in messages.
    suffixes : frozenset of str
        Suffixes of file names, in lower case.
    default_spaces : tuple of str
        The preferred embedding space first; the last one holds every track.
    duplicate_space : str
        Space in which duplicates are near each other; it holds every track.
    feature_space : str
        Space of the named features.
    slowest_bytes_per_s : float
        Minimum speed at which files are read and analysed.
    """

    noun: str
    plural: str
    part: str
    suffixes: frozenset[str]
    default_spaces: tuple[str, ...]
    duplicate_space: str
    feature_space: str
    slowest_bytes_per_s: float


_SLOWEST_DISK: Final = 5e6
_SLOWEST_TEXT: Final = 1e4  # texts are analysed whole; the machine may be busy

MEDIA: Final[Mapping[Medium, MediumInfo]] = MappingProxyType({
    "sound": MediumInfo(
        "recording", "recordings", "track",
        frozenset([
            ".mp3", ".m4a", ".m4b", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wav", ".aif",
            ".aiff", ".aifc", ".wma", ".mp4", ".m4v", ".mov", ".mkv", ".mka", ".ts", ".wv",
            ".webm", ".avi",
        ]),
        ("sound",), "sound", "features", _SLOWEST_DISK,
    ),
    "score": MediumInfo(
        "score", "scores", "tune",
        frozenset([".mid", ".midi", ".rmi", ".kar", ".musicxml", ".xml", ".mxl", ".abc", ".krn"]),
        ("roll-vae", "score-features"), "score-features", "score-features", _SLOWEST_DISK,
    ),
    "lyrics": MediumInfo(
        "text", "lyrics", "song",
        frozenset([".txt", ".lrc", ".md", ".csv", ".json", ".jsonl"]),
        ("style",), "style", "style", _SLOWEST_TEXT,
    ),
})  # fmt: skip
ALL_SUFFIXES: Final = frozenset().union(*(info.suffixes for info in MEDIA.values()))


def medium_of(path: PurePath) -> Medium | None:
    """Return the medium of a file by its suffix; None for unsupported files."""
    suffix = path.suffix.lower()
    return next((medium for medium, info in MEDIA.items() if suffix in info.suffixes), None)
