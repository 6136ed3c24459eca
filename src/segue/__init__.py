"""Segue learns embedding spaces of music in which distance measures similarity."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segue.errors import SegueError
    from segue.library import Library
    from segue.records import Hit, Part, Reason, Score, Space, Span, Track
    from segue.score.piano_roll import PianoRoll
    from segue.search.filters import Filters

# While `python -m segue` looks for the program, the first argument is "-m". It has put the current
# folder, an album say, before all others, so that a `typing.py` there would be run instead.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]


__version__ = "0.1.0"

_HOMES = {
    "Filters": "segue.search.filters",
    "Hit": "segue.records",
    "Library": "segue.library",
    "Part": "segue.records",
    "PianoRoll": "segue.score.piano_roll",
    "Reason": "segue.records",
    "Score": "segue.records",
    "SegueError": "segue.errors",
    "Space": "segue.records",
    "Span": "segue.records",
    "Track": "segue.records",
}

__all__ = [
    "Filters",
    "Hit",
    "Library",
    "Part",
    "PianoRoll",
    "Reason",
    "Score",
    "SegueError",
    "Space",
    "Span",
    "Track",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'segue' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
