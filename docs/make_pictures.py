"""Draw docs/pictures/like.svg: what the program answers about the bundled collection.

python docs/make_pictures.py
"""

import tempfile
from pathlib import Path

from rich.console import Console

import segue
from segue.cli import output
from segue.library import Library

TARGET = Path(__file__).parent / "pictures" / "like.svg"
QUERY = "Ambient 2.5"

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
    """Ask the program, and draw its answer."""
    collection = Path(segue.__file__).parent / "collection"
    console = Console(record=True, width=132, highlight=False, force_terminal=True)
    output.console = lambda: console  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder, Library.open(folder) as library:
        library.add([collection])
        console.print(f'$ segue like "{QUERY}" -n 6', style="bold")
        console.print()
        output.print_hits(f"like {QUERY}", library.like(QUERY, n=6))
    TARGET.parent.mkdir(exist_ok=True)
    console.save_svg(str(TARGET), title="segue", code_format=FRAME)


if __name__ == "__main__":
    main()
