"""The program that a worker process of `segue.ingest.workers` runs."""

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
from segue.ingest.workers import MAX_BYTES, MEMORY_LIMIT_BYTES, Fault, decode, encode

_PR_SET_PDEATHSIG: Final = 1  # of Linux's <sys/prctl.h>


def main(task: str, descriptor: int, parent: int) -> None:
    """Run jobs from the parent until it closes the pipe or ends.

    Parameters
    ----------
    task : str
        ``package.module:function``.
    descriptor : int
        File descriptor of the pipe.
    parent : int
        Process id.
    """
    _end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
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
        _limit_cpu_time(limit_s)
        connection.send_bytes(_answer(function, job))


def _end_with(parent: int) -> None:
    """Have the system kill this process when the parent ends, even during a job."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it ended before that
        sys.exit(0)


def _limit_cpu_time(more_s: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + more_s))


def _limit(kind: int, value: int) -> None:
    """Set a soft resource limit, at most the hard one."""
    _, hard = resource.getrlimit(kind)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (value if hard < 0 else min(value, hard), hard))


def _answer(function: Callable[[Any], Any], job: Any) -> bytes:
    try:
        return encode(function(job))
    except Exception as error:  # noqa: BLE001  # libraries raise anything at broken files
        return encode(_fault(error))


def _fault(error: Exception) -> Fault:
    if isinstance(error, SegueError):
        return Fault(str(error), transient=isinstance(error, Unavailable))
    if isinstance(error, MemoryError):
        return Fault(f"needs more than {MEMORY_LIMIT_BYTES >> 30} GB of memory", transient=True)
    if isinstance(error, OSError):
        reason = unreadable(error)
        return Fault(str(reason), transient=isinstance(reason, Unavailable))
    return Fault(f"damaged, or unlike any that Segue can read ({_summary(error)})")


def _summary(error: Exception) -> str:
    """Return the type and message of an exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
