"""The command line."""

import contextlib
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Final

from segue.environment import drop_current_folder
from segue.errors import BadArgument, SegueError

#: Set, it has the place shown where an error that Segue does not foresee was met.
TRACEBACK: Final = "SEGUE_TRACEBACK"
#: How the libraries below say that there is no memory left.
_NO_MEMORY: Final = (
    "allocate memory", "not enough memory", "failed to map segment", "std::bad_alloc",
    "start new thread",
)  # fmt: skip

_OUTPUT_FAILED: Final = "OutputFailed"


class Terminated(BaseException):
    """The system asks the program to end, as where a machine is shut down."""


def main() -> None:
    """Run the program and exit.

    With 0 where all is well, 1 where something failed, 2 after wrong usage, 130 after Ctrl-C, 143
    where the system ended it.
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


def _run() -> int:
    from segue.cli.app import Interrupted
    from segue.cli.commands import app

    try:
        try:
            app(prog_name="segue")
        finally:
            sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else bool(stop.code)
    except (Interrupted, KeyboardInterrupt, Terminated) as stop:
        _say_stopped()
        return 143 if isinstance(stop, Terminated) else 130
    except Exception as error:  # noqa: BLE001  # the last place where it can be said in plain words
        return _failed(error)
    return 0


def _failed(error: Exception) -> int:
    """Say what went wrong, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        _leave_stdout()  # its reader left, as `head` does
        return 0
    if isinstance(error, SegueError):
        _report(type(error).__name__, str(error))
        return 2 if isinstance(error, BadArgument) else 1
    _report(*_unforeseen(error))
    return 1


def _unforeseen(error: Exception) -> tuple[str, str]:
    """Name an error that no part of Segue turned into plain words, and say what to do."""
    if os.environ.get(TRACEBACK):
        with contextlib.suppress(OSError):
            traceback.print_exception(error)
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(said in text for said in _NO_MEMORY):
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
    with contextlib.suppress(OSError):  # there is nowhere left to say it
        if "--json" in sys.argv and name != _OUTPUT_FAILED:
            from segue.cli.output import print_json

            print_json("error", {"error": name, "message": message})
            sys.stdout.flush()
        else:
            from segue.cli.output import safe

            text = "\n".join(safe(line) for line in message.splitlines())
            sys.stderr.write(f"segue: {text}\n")


def _say_stopped() -> None:
    again = "with --resume " if "train" in sys.argv[1:2] else ""
    with contextlib.suppress(OSError):
        sys.stderr.write(
            f"\nstopped; what was finished is stored, run the same again {again}to go on\n"
        )


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated


def _open_closed_streams() -> None:
    """Lead to nowhere what was closed, so that no file of the library takes its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _leave_stdout() -> None:
    """Let what could not be written go to nowhere, so that Python does not try again as it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
