"""Draw docs/pictures/like.svg and roll.png: what two commands of the README print and make.

python docs/make_pictures.py
"""

import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console

import segue
from segue.cli import load_program, output
from segue.library import Library

PICTURES = Path(__file__).parent / "pictures"
QUERY = "Ambient 2.5"
COMPOSE = "compose --instruments piano,bass,drums --key Dm --tempo 96 --bars 16 --seed 8"

# rich's own frame, without the fonts that it would fetch from the network.
FRAME = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g></svg>
"""


def main() -> None:
    """Run the commands that the README shows, and draw what they print and make."""
    draw_like()
    load_program()([*COMPOSE.split(), "-o", str(PICTURES / "roll.png")], standalone_mode=False)


def draw_like() -> None:
    """Search the bundled collection, and draw the output of the command."""
    collection = Path(segue.__file__).parent / "collection"
    console = Console(
        record=True, width=132, highlight=False, force_terminal=True, file=io.StringIO()
    )
    remarks = io.StringIO()
    output.console = lambda: console  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        with Library.open(folder) as library:
            library.add([collection])
        console.print(f'$ segue like "{QUERY}" -n 6', style="bold")
        console.print()
        with redirect_stdout(remarks):
            load_program()(["like", QUERY, "-n", "6", "--library", folder], standalone_mode=False)
    console.print(remarks.getvalue().rstrip())
    console.save_svg(str(PICTURES / "like.svg"), title="segue", code_format=FRAME)


if __name__ == "__main__":
    main()
