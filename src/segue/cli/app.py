"""The program: its command groups, its main options, and what all commands share."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import typer
import typer.core

from segue.cli.output import display_path, say
from segue.errors import NotFound, Unreadable

if TYPE_CHECKING:
    from segue.ingest.survey import Watcher
    from segue.library import Library

Panel = Literal["Library", "Search", "Explore", "Create", "Learn", "Share"]
_PANELS: Final[tuple[Panel, ...]] = ("Library", "Search", "Explore", "Create", "Learn", "Share")
#: Options of version 0.1 that still work, though no help lists them, and what they are called now.
OLD_OPTIONS: Final = {
    "--anew": "--restart",
    "--m3u": "--output",
    "--metre": "--time-signature",
    "--really": "--force",
}
_Function = TypeVar("_Function", bound=Callable[..., None])


class Interrupted(BaseException):
    """The user pressed Ctrl-C."""


class _Command(typer.core.TyperCommand):
    """A command that also takes its options under their old names."""

    def make_parser(self, ctx: Any) -> Any:
        parser = super().make_parser(ctx)
        hidden = {name for option in self.params if _is_hidden(option) for name in option.opts}
        listed = frozenset(parser._long_opt) - hidden  # noqa: SLF001  # no other way to hide names
        options = _Options(parser._long_opt, listed)  # noqa: SLF001
        options.update(
            {
                old: options[name]
                for old, name in OLD_OPTIONS.items()
                if name in options and old not in options
            }
        )
        parser._long_opt = options  # noqa: SLF001
        return parser


def _is_hidden(option: Any) -> bool:
    return bool(getattr(option, "hidden", False))


class _Options(dict[str, Any]):
    """Options by name; iteration, from which suggestions are made, yields only listed names."""

    def __init__(self, options: dict[str, Any], listed: frozenset[str]) -> None:
        super().__init__(options)
        self._listed = listed

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._listed))


class _Program(typer.core.TyperGroup):
    """All commands, listed by panel.

    Ctrl-C and the end of a file are raised on, where Typer would print a message of its own.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = {name: self.commands[name] for name in self.list_commands(ctx)}
        visible = {name: command for name, command in commands.items() if not command.hidden}
        width = max(map(len, visible))
        for panel in _PANELS:
            rows = [
                (name.ljust(width), command.get_short_help_str(formatter.width - width - 6))
                for name, command in visible.items()
                if getattr(command, "rich_help_panel", None) == panel
            ]
            with formatter.section(panel):
                formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except EOFError as error:
            raise Unreadable(f"a file ended before it was read ({error})") from None


app = typer.Typer(
    cls=_Program,
    help="Search, explore and create music in a library of recordings, scores and lyrics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(
    panel: Panel, name: str = "", *, old: str = "", also: str = ""
) -> Callable[[_Function], _Function]:
    """Add a function to the program as a command.

    Parameters
    ----------
    panel : str
        Heading under which `segue --help` lists it.
    name : str
        Name of the command; by default the function's.
    old : str
        Name in version 0.1, which still works, though no help lists it.
    also : str
        Second name, listed beside the first one.
    """

    def add(function: _Function) -> _Function:
        title = name or function.__name__
        app.command(title, cls=_Command, rich_help_panel=panel)(function)
        if also:
            text = (function.__doc__ or "").replace(f"segue {title}", f"segue {also}")
            app.command(also, cls=_Command, rich_help_panel=panel, help=text)(function)
        if old:
            app.command(old, cls=_Command, hidden=True)(function)
        return function

    return add


def subcommand(
    group: typer.Typer, name: str = "", *, old: str = ""
) -> Callable[[_Function], _Function]:
    """Add a function to a group of commands; `old` is its name in version 0.1, without a group."""

    def add(function: _Function) -> _Function:
        group.command(name or function.__name__, cls=_Command)(function)
        if old:
            app.command(old, cls=_Command, hidden=True)(function)
        return function

    return add


def command_group(panel: Panel, name: str, text: str, **settings: Any) -> typer.Typer:
    """Add a group of commands to the program, and return it."""
    group = typer.Typer(help=text, **settings)
    app.add_typer(group, name=name, rich_help_panel=panel)
    return group


def _print_version(requested: bool) -> None:
    if requested:
        from segue import __version__

        say(f"segue {__version__}")
        raise typer.Exit


@app.callback()
def _segue(
    library: Annotated[  # commands read it from their context
        Path | None, typer.Option("--library", help="Folder of the library, for any command.")
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass


@contextmanager
def open_library(
    library: Path | None, *, create: bool = False, required: bool = True
) -> "Iterator[Library]":
    """Open the library that the command names, and close it.

    Parameters
    ----------
    library : Path or None
        Folder of the library; None for the default one.
    create : bool
        Whether to create it where there is none.
    required : bool
        Whether it has to exist. Else an empty one, which leaves no trace, takes its place.

    Raises
    ------
    NotFound
        There is no library in that folder.
    """
    from tempfile import TemporaryDirectory

    from segue.library import Library  # help needs neither numpy nor a library
    from segue.store import DATABASE, default_folder

    folder = library.expanduser() if library else default_folder()
    with ExitStack() as stack:
        if not create and not (folder / DATABASE).exists():
            if required:
                raise NotFound(
                    f"there is no library in {display_path(folder)}; make one with "
                    "`segue add FOLDER`, or name yours with --library"
                )
            folder = Path(stack.enter_context(TemporaryDirectory()))
        yield stack.enter_context(Library.open(folder))


def seed_or_new(seed: int | None) -> int:
    """Return the seed that was given, or draw a new one of at most six digits."""
    return secrets.randbelow(10**6) if seed is None else seed


def use_threads(count: int) -> None:
    """Set the number of threads; call it before torch is imported.

    Several threads wait for one another by spinning: beside other programs, lyrics then cost twice
    the processor time (bench/tables/generation_threads.md), and music was seen to cost far more.
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
def progress(text: str, *, bar: bool = True) -> "Iterator[Callable[[str, int, int], None]]":
    """Show the current step and its progress on the standard error.

    Parameters
    ----------
    text : str
        Text at the beginning, or "" where there may be nothing to show.
    bar : bool
        Whether to draw a bar where the standard error is a terminal. Where it is none, a line is
        printed every so often.

    Yields
    ------
    callable
        Shows a text, the number of items that are done, and the number of all.
    """
    if not sys.stderr.isatty():
        from segue.cli.output import ProgressLines

        with ProgressLines(text, sys.stderr).printed() as lines:
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
    ) as display:
        task = display.add_task(text, total=None, visible=bool(text))
        yield lambda text, done, total: display.update(
            task, description=text, completed=done, total=total, visible=True
        )


@contextmanager
def file_progress() -> "Iterator[Watcher]":
    """Show which file is read."""
    with progress("looking") as show:
        yield lambda p: show(display_path(Path(p.path.name))[:40], p.done, p.total)


@contextmanager
def count_progress(text: str) -> "Iterator[Callable[[int, int], None]]":
    """Show how many of how many items are done."""
    with progress("") as show:
        yield lambda done, total: show(text, done, total)
