"""The command line's frame: the program, and the options that commands share."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segue.cli.output import say, shown
from segue.errors import BadArgument, NotFound

if TYPE_CHECKING:
    from segue.ingest.report import Watcher
    from segue.library import Library

app = typer.Typer(
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
NoTaste = Annotated[
    bool, typer.Option("--no-taste", help="Mind neither what is loved nor what is skipped.")
]
AllSounds = Annotated[
    bool, typer.Option("--all", help="Also what is no music: speech, noise, what is under 10 s.")
]
BpmOption = Annotated[str | None, typer.Option(help="Only at these tempos: 118-126.")]
BpmOctaves = Annotated[
    bool, typer.Option("--bpm-octaves", help="With --bpm: also twice and half as fast.")
]
Queries = Annotated[
    list[str] | None,
    typer.Argument(help="Track ids, files, or words of a title or artist; several blend."),
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


def check_there(paths: Sequence[Path]) -> None:
    """Refuse what is not there, before a library is made for it."""
    for path in paths:
        if not os.path.lexists(path.expanduser()):
            raise BadArgument(f"there is no file or folder {shown(path)}")


def check_target(target: Path, endings: Sequence[str]) -> None:
    """Refuse a file that could not be written, before anything is computed for it."""
    if target.suffix.lower() not in endings:
        raise BadArgument(f"{shown(target)}: name a file that ends in {', '.join(endings)}")
    folder = target.parent
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadArgument(
            f"{shown(target)} cannot be written; is {shown(folder)} a folder of yours?"
        )


@contextmanager
def live_line(begins: str) -> "Iterator[Callable[[str, int, int], None]]":
    """Show one line on the standard error while it is a terminal: what, how many of how many.

    It begins with a word, or with "" where there may be nothing to tell.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(begins, total=None, visible=bool(begins))
        yield lambda what, done, total: bar.update(
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
