"""A picture's frame: its size, its file, its words."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from segue.errors import BadArgument
from segue.formats.whole import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI: Final = 150
_ENDINGS: Final = (".png", ".svg", ".pdf")


def figure_of(width: float, height: float) -> "Figure":
    """Start a figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", target: Path) -> None:
    """Write a figure as what the file's ending says, as a whole or not at all.

    Raises
    ------
    BadArgument
        The ending is unknown, or the file cannot be written.
    """
    if target.suffix.lower() not in _ENDINGS:
        raise BadArgument(f"{target} is no picture Segue writes; name it {', '.join(_ENDINGS)}")
    as_written(figure)
    with replacing(target) as partial:
        figure.savefig(partial, dpi=DPI)


def as_written(figure: "Figure") -> None:
    """Take dollar signs in a figure's words as they are, not as formulas: Ke$ha, A$AP."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)  # noqa: S101 (findobj does not tell)
        text.set_parse_math(False)


def short(text: str, most: int) -> str:
    """Cut a text to so many letters."""
    return text if len(text) <= most else text[: most - 1] + "…"
