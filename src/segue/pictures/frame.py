"""A picture's frame: its size, its file, its words."""

import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segue.errors import BadArgument
from segue.formats.whole import replacing
from segue.surroundings import import_elsewhere

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI: Final = 150
PICTURES: Final = (".png", ".svg", ".pdf")
#: For each letter the first of those that has it; the first comes with matplotlib.
_FONTS: Final = (
    "DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans JP",
    "Noto Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Hiragino Sans", "Arial Unicode MS", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic",
)  # fmt: skip
#: Categories of Unicode that are not to be drawn, and that SVG has no place for.
_NO_LETTERS: Final = frozenset(["Cc", "Cs", "Cn"])


def figure_of(width: float, height: float) -> "Figure":
    """Start a figure of so many inches."""
    import_elsewhere("matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", target: Path) -> None:
    """Write a figure as what the file's ending says, as a whole or not at all.

    Raises
    ------
    BadArgument
        The ending is unknown, or the file cannot be written.
    """
    if target.suffix.lower() not in PICTURES:
        raise BadArgument(f"{target} is no picture Segue writes; name it {', '.join(PICTURES)}")
    as_written(figure)
    with replacing(target) as partial, letters_may_lack():
        figure.savefig(partial, dpi=DPI)


def as_written(figure: "Figure") -> None:
    """Take a figure's words as they are: no formulas (Ke$ha, A$AP), and letters of all scripts."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)  # noqa: S101 (findobj does not tell)
        text.set_parse_math(False)
        text.set_fontfamily(fonts())


@cache
def fonts() -> list[str]:
    """Name the fonts to write with that are installed, the first for most letters."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [name for name in _FONTS if name in installed]


@contextmanager
def letters_may_lack() -> Iterator[None]:
    """Say nothing of letters that no installed font has: they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing|Matplotlib currently does not support")
        yield


def short(text: str, most: int) -> str:
    """Make a text one line of so many letters at most."""
    kept = (c for c in text if c.isspace() or unicodedata.category(c) not in _NO_LETTERS)
    line = " ".join("".join(kept).split())
    return line if len(line) <= most else line[: most - 1] + "…"
