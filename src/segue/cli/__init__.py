"""The command line: `main` runs a command and turns errors into messages and exit codes."""

import contextlib
import os
import signal
import sys
import traceback
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Final

from segue.environment import drop_current_folder
from segue.errors import BadArgument, SegueError

if TYPE_CHECKING:
    import typer

#: Environment variable that has the traceback of an unforeseen error printed.
TRACEBACK: Final = "SEGUE_TRACEBACK"
#: Messages of libraries that run out of memory.
_NO_MEMORY: Final = (
    "allocate memory", "not enough memory", "failed to map segment", "std::bad_alloc",
    "start new thread",
)  # fmt: skip

_OUTPUT_FAILED: Final = "OutputFailed"
#: Commands whose work goes on where it stopped.
_RESUMED: Final = frozenset({"add", "listens", "tags", "train"})
#: Modules of the commands, in the order in which help lists them.
_MODULES: Final = (
    "add", "split", "show", "taste", "like", "find", "playlist", "play", "explore", "models",
    "explain", "compose", "melody", "lyrics", "train", "sample", "share", "serve",
)  # fmt: skip


class Terminated(BaseException):
    """The system asks the program to end, as when a machine shuts down."""


def main() -> None:
    """Run the program and exit.

    The exit code is 0 for success, 1 for a failure, 2 for wrong usage, 130 after Ctrl-C, and 143
    if the system ended the program.
    """
    # Threads that wait for work sleep; otherwise they spin, and on a busy machine every small
    # product takes many times as long. OpenMP reads this when NumPy or torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    drop_current_folder()
    _open_closed_streams()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        code = _run()
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(code)


def load_program() -> "typer.Typer":
    """Return the program with all commands, in the order in which `segue --help` lists them."""
    for name in _MODULES:
        import_module(f"segue.cli.{name}")
    from segue.cli.app import app

    return app


def _run() -> int:
    program = load_program()
    from segue.cli.app import Interrupted

    try:
        try:
            program(prog_name="segue")
        finally:
            sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else bool(stop.code)
    except (Interrupted, KeyboardInterrupt, Terminated) as stop:
        _report_stopped()
        return 143 if isinstance(stop, Terminated) else 130
    except Exception as error:  # noqa: BLE001  # the last place where it can be reported in plain words
        return _report_error(error)
    return 0


def _report_error(error: Exception) -> int:
    """Report an error, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        _leave_stdout()  # its reader left, as `head` does
        return 0
    if isinstance(error, SegueError):
        _report(type(error).__name__, str(error))
        return 2 if isinstance(error, BadArgument) else 1
    _report(*_unforeseen_error(error))
    return 1


def _unforeseen_error(error: Exception) -> tuple[str, str]:
    """Return name and message of an error that no part of Segue handles."""
    if os.environ.get(TRACEBACK):
        with contextlib.suppress(OSError):
            traceback.print_exception(error)
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(message in text for message in _NO_MEMORY):
        return "OutOfMemory", "not enough memory; close other programs, and run the same again"
    if isinstance(error, OSError) and error.filename is None:
        _leave_stdout()
        return _OUTPUT_FAILED, f"cannot write the output: {error.strerror or error}"
    if isinstance(error, OSError):
        return "SystemError", f"{os.fsdecode(error.filename)}: {error.strerror or error}"
    return (
        "Unforeseen",
        f"an error that was not foreseen ({type(error).__name__}: {text[:300]}); nothing that was "
        f"stored is lost. Please report it, with what {TRACEBACK}=1 shows",
    )


def _report(name: str, message: str) -> None:
    with contextlib.suppress(OSError):  # there is nowhere left to report it
        if "--json" in sys.argv and name != _OUTPUT_FAILED:
            from segue.cli.output import print_json

            print_json("error", {"error": name, "message": message})
            sys.stdout.flush()
        else:
            from segue.cli.output import sanitize

            text = "\n".join(sanitize(line) for line in message.splitlines())
            sys.stderr.write(f"segue: {text}\n")


def _report_stopped() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--library"]:
        arguments = arguments[2:]
    again = "with --resume " if "train" in arguments[:1] else ""
    resumes = _RESUMED.intersection(arguments[:1])
    how = f"; what was finished is stored, run the same again {again}to go on" if resumes else ""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"\nstopped{how}\n")


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated


def _open_closed_streams() -> None:
    """Open closed standard streams as null devices, so that no file takes their number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _leave_stdout() -> None:
    """Discard what could not be written, so that Python does not try again as it exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
