"""Which kind of music a file holds, by its ending."""

from pathlib import Path

from segue.formats import score, sound
from segue.records import Kind


def kind_of(path: Path) -> Kind | None:
    """Tell what a file is to be read as; None for what Segue does not read."""
    suffix = path.suffix.lower()
    if suffix in score.SUFFIXES:
        return "score"
    return "sound" if suffix in sound.SUFFIXES else None
