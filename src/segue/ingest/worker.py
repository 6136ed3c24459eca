"""The program that runs in a worker process: ``python -m segue.ingest.worker TASK FD``."""

import contextlib
import importlib
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from segue.errors import SegueError
from segue.ingest.workers import MEMORY_LIMIT_BYTES, Fault


def main(task: str, descriptor: int) -> None:
    """Take jobs from the parent until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    module, _, name = task.partition(":")
    function: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
    connection: Connection[Any, Any] = Connection(descriptor)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(_answer(function, job))


def _answer(function: Callable[[Any], Any], job: Any) -> Any:
    try:
        return function(job)
    except SegueError as error:
        return Fault(str(error))
    except MemoryError:
        return Fault(f"needs more than {MEMORY_LIMIT_BYTES >> 30} GB of memory")
    except Exception as error:  # noqa: BLE001  # one odd file must not end the run; it is told
        return Fault(f"unexpected {type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
