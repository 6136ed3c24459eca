"""The program, the options that commands share, and values of options.

What is written after options: passages of a recording, weights of a blend.

The command line's frame: the program, and the options that commands share.
"""

import math
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
import typer.core

from segue.cli.output import say, shown
from segue.errors import BadArgument, NotFound, Unreadable
from segue.files import resolve_link

if TYPE_CHECKING:
    from segue.ingest.survey import Watcher
    from segue.library import Library
    from segue.records import Span


# --- values ---

_DASHES: Final = re.compile("[‐‑‒–—−]|\\.\\.")
_YEAR: Final = re.compile(r"(?P<year>\d{4}|\d{2})(?P<decade>'?s)?")
#: "20s" are the 2020s, "30s" the 1930s.
_LAST_SHORT_DECADE: Final = 20


def parse_blend(text: str) -> dict[str, float]:
    """Read ``sound=0.6,metadata=0.4``; a name alone has the weight 1."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = (piece.strip() for piece in part.partition("="))
        try:
            value = float(weight) if equals else 1.0
        except ValueError:
            value = 0.0
        if not name or name in weights or not 0 < value < float("inf"):
            raise BadArgument(
                f"{part.strip()!r} is not understood, or there twice in the blend; "
                "give spaces with weights above 0, as sound=0.6,metadata=0.4"
            )
        weights[name] = value
    return weights


def parse_years(text: str) -> tuple[float, float]:
    """Read ``1995``, ``1990-1999``, ``90s``, ``1990s``, ``1990-`` or ``-1999``."""
    return _parse_range(
        text,
        _year,
        f"the year {text!r} is not understood; give it as 1995, 1990-1999, 90s or 1990-",
    )


def parse_tempos(text: str) -> tuple[float, float]:
    """Read ``118-126``, ``120`` (which is 119.5 to 120.5), ``118-`` or ``-126``; beats a minute."""
    return _parse_range(
        text, _tempo, f"the tempo {text!r} is not understood; give it as 118-126, 120 or 118-"
    )


def _parse_range(
    text: str, read: "Callable[[str, bool], tuple[float, float]]", wrong: str
) -> tuple[float, float]:
    """Read one value, or two with a dash between them of which one may be left away."""
    low, dash, high = (part.strip() for part in _DASHES.sub("-", text).partition("-"))
    if not low and not high:
        raise BadArgument(wrong)
    try:
        first = read(low, bool(dash))[0] if low else -math.inf
        last = read(high, bool(dash))[1] if high else math.inf if dash else read(low, False)[1]
    except ValueError:
        raise BadArgument(wrong) from None
    if first > last:
        raise BadArgument(f"{text!r} runs backwards; the lower number comes first")
    return first, last


def _year(text: str, _ranged: bool) -> tuple[float, float]:
    found = _YEAR.fullmatch(text.casefold())
    if not found:
        raise ValueError(text)
    year, decade = int(found["year"]), bool(found["decade"])
    if len(found["year"]) == 2:
        if not decade or year % 10:
            raise ValueError(text)
        year += 2000 if year <= _LAST_SHORT_DECADE else 1900
    return (year, year + 9) if decade else (year, year)


def _tempo(text: str, ranged: bool) -> tuple[float, float]:
    tempo = float(text.casefold().removesuffix("bpm"))
    if not 0 < tempo < math.inf:
        raise ValueError(text)
    # Tempos are measured, so that none is a whole number.
    return (tempo, tempo) if ranged else (tempo - 0.5, tempo + 0.5)


def parse_passage(text: str) -> "Span":
    """Read ``1:20-1:35`` or ``80-95``."""
    from segue.records import Span

    start, dash, end = text.partition("-")
    try:
        span = Span(_seconds(start), _seconds(end))
    except ValueError:
        raise BadArgument(f"the passage {text!r} is not understood; give it as 1:20-1:35") from None
    if not dash or span.length_s < 1:
        raise BadArgument(f"the passage {text!r} is shorter than a second; give it as 1:20-1:35")
    return span


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total


# --- app ---


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C."""


class _Commands(typer.core.TyperGroup):
    """All commands. Some errors go through, that typer would answer in a word of its own."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except EOFError as error:
            raise Unreadable(f"a file ended before it was read ({error})") from None


app = typer.Typer(
    cls=_Commands,
    help="Finds in a library of music what sounds like what, and says why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        help="Folder of the library; else $SEGUE_LIBRARY, else a folder among your data.",
    ),
]
Metric = Literal["cosine", "euclidean"]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
MetricOption = Annotated[
    Metric, typer.Option(help="How vectors are compared: by angle, or by Euclidean distance.")
]
SpaceOption = Annotated[
    str | None,
    typer.Option(
        help="Which space; see `segue spaces`. Else the usual one: sound of recordings, "
        "roll-vae or score-features of scores, style of lyrics."
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything random.")]
NewSeed = Annotated[
    int | None,
    typer.Option(
        min=0, max=2**32 - 1, help="Of everything random; else a new one is drawn, and printed."
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1, max=1024, help="Of the processor; of these small networks one is the fastest."
    ),
]
NoTaste = Annotated[
    bool,
    typer.Option("--no-taste", help="As if nothing were loved or skipped: take no notice of it."),
]
AllSounds = Annotated[
    bool, typer.Option("--all", help="Also what is no music: speech, noise, what is under 10 s.")
]
BpmOctaves = Annotated[
    bool, typer.Option("--bpm-octaves", help="With --bpm: also twice and half as fast.")
]
Queries = Annotated[
    list[str] | None,
    typer.Argument(
        help="Track ids, files, or words of a title, artist, album or genre; several blend, or "
        "take turns where they lie far apart."
    ),
]
ArtistFilter = Annotated[
    list[str] | None,
    typer.Option("--artist", help="Only where the artist has these words; of several, one."),
]
AlbumFilter = Annotated[
    list[str] | None,
    typer.Option("--album", help="Only where the album has these words; of several, one."),
]
GenreFilter = Annotated[
    list[str] | None,
    typer.Option("--genre", help="Only where the genre has these words; of several, one."),
]
YearFilter = Annotated[
    list[str] | None,
    typer.Option("--year", help="Only from these years: 1995, 1990-1999, 90s, 1990-, -1999."),
]
TempoFilter = Annotated[
    list[str] | None, typer.Option("--bpm", help="Only at these tempos: 118-126, 120, 118-.")
]
Absolute = Annotated[
    bool,
    typer.Option("--absolute", help="Whole paths in the playlist, instead of relative ones."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        "--m3u",
        help="Write the list: .m3u8, .m3u, .pls, .xspf, .json, or a page .html that plays it.",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from segue import __version__

        say(f"segue {__version__}")
        raise typer.Exit


@app.callback()
def _segue(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


@contextmanager
def open_library(
    library: Path | None, *, begins: bool = False, needed: bool = True
) -> "Iterator[Library]":
    """Open the library that the command names, and close it.

    Parameters
    ----------
    library : Path or None
    begins : bool
        The command fills it, so that it is made where there is none.
    needed : bool
        Else an empty one, that leaves no trace, does as well.

    Raises
    ------
    NotFound
        There is none, as after a slip of the pen.
    """
    from tempfile import TemporaryDirectory

    from segue.library import Library  # help needs neither numpy nor a library
    from segue.store import DATABASE, default_folder

    folder = library.expanduser() if library else default_folder()
    with ExitStack() as stack:
        if not begins and not (folder / DATABASE).exists():
            if needed:
                raise NotFound(
                    f"there is no library in {shown(folder)}; make one with `segue add FOLDER`, "
                    "or name yours with --library"
                )
            folder = Path(stack.enter_context(TemporaryDirectory()))
        yield stack.enter_context(Library.open(folder))


def check_exists(paths: Sequence[Path]) -> None:
    """Refuse what is not there, before a library is made for it."""
    for path in paths:
        if not os.path.lexists(path.expanduser()):
            raise BadArgument(f"there is no file or folder {shown(path)}")


def check_target(target: Path, endings: Sequence[str]) -> None:
    """Refuse a file that could not be written, before anything is computed for it."""
    if target.suffix.lower() not in endings:
        raise BadArgument(f"{shown(target)}: name a file that ends in {', '.join(endings)}")
    folder = target.parent
    resolve_link(target)
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadArgument(
            f"{shown(target)} cannot be written; is {shown(folder)} a folder of yours?"
        )


def drawn(seed: int | None) -> int:
    """Return the seed that was given, or draw a new one of few digits."""
    return secrets.randbelow(10**6) if seed is None else seed


def use_threads(count: int) -> None:
    """Compute with so many threads from now on; call it before torch is imported.

    Several threads wait for one another by spinning: beside other programs, lyrics then cost twice
    the processor time (bench/tables/writing_threads.md), and music was seen to cost far more.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    os.environ.update(dict.fromkeys(names, str(count)))  # of libraries that are loaded later
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(count)
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(count)


@contextmanager
def live_line(begins: str, *, bar: bool = True) -> "Iterator[Callable[[str, int, int], None]]":
    """Show on the standard error what is being done, how much of how much: a bar, or lines.

    Parameters
    ----------
    begins : str
        A word that it begins with, or "" where there may be nothing to tell.
    bar : bool
        Draw a bar where the standard error is a terminal; else nothing there. Where it is none,
        a line is printed every so often.
    """
    if not sys.stderr.isatty():
        from segue.cli.output import Lines

        with Lines(begins, sys.stderr).printed() as lines:
            yield lines.show
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not bar,
    ) as shown_bar:
        task = shown_bar.add_task(begins, total=None, visible=bool(begins))
        yield lambda what, done, total: shown_bar.update(
            task, description=what, completed=done, total=total, visible=True
        )


@contextmanager
def progress() -> "Iterator[Watcher]":
    """Show which file is looked at."""
    with live_line("looking") as show:
        yield lambda p: show(shown(Path(p.path.name))[:40], p.done, p.total)


@contextmanager
def counting(what: str) -> "Iterator[Callable[[int, int], None]]":
    """Show how many of how many are done."""
    with live_line("") as show:
        yield lambda done, total: show(what, done, total)
