"""Puts data into a page's template, and the page on disk."""

import json
import math
import os
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from segue.errors import BadArgument
from segue.formats.whole import write_text
from segue.records import Track

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
    page = files("segue.pages").joinpath(template).read_text(encoding="utf-8")
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
