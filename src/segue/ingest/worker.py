"""The program of a worker process."""

import contextlib
import ctypes
import importlib
import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

from segue.errors import SegueError, Unavailable, unreadable
from segue.ingest.messages import MAX_BYTES, decode, encode
from segue.ingest.workers import MEMORY_LIMIT_BYTES, Fault

_PR_SET_PDEATHSIG: Final = 1  # of Linux's <sys/prctl.h>


def main(task: str, descriptor: int, parent: int) -> None:
    """Take jobs from the parent until it closes the pipe, or is gone."""
    _leave_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    _limit(resource.RLIMIT_AS, MEMORY_LIMIT_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    module, _, name = task.partition(":")
    function: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
    connection: Connection = Connection(descriptor)
    while True:
        try:
            job, limit_s = decode(connection.recv_bytes(MAX_BYTES))
        except EOFError:
            return
        _limit_processor_time(limit_s)
        connection.send_bytes(_answer(function, job))


def _leave_with(parent: int) -> None:
    """Have the system end this process when the parent goes, also within a job."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it went before that
        sys.exit(0)


def _limit_processor_time(more_s: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + more_s))


def _limit(what: int, most: int) -> None:
    """Set a limit, or leave it where the system has a lower one."""
    _, hard = resource.getrlimit(what)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))


def _answer(function: Callable[[Any], Any], job: Any) -> bytes:
    try:
        return encode(function(job))
    except Exception as error:  # noqa: BLE001  # whatever a library makes of a broken file
        return encode(_fault(error))


def _fault(error: Exception) -> Fault:
    if isinstance(error, SegueError):
        return Fault(str(error), transient=isinstance(error, Unavailable))
    if isinstance(error, MemoryError):
        return Fault(f"needs more than {MEMORY_LIMIT_BYTES >> 30} GB of memory", transient=True)
    if isinstance(error, OSError):
        found = unreadable(error)
        return Fault(str(found), transient=isinstance(found, Unavailable))
    return Fault(f"damaged, or unlike any that Segue can read ({_named(error)})")


def _named(error: Exception) -> str:
    """Name what a library met, in one line: for who looks into it."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
