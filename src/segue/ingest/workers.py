"""Worker processes that may crash or hang.

A worker is a Python program of its own, started anew after a fault. Nothing of the caller's
program is run in it, so a script that uses Segue needs no ``if __name__ == "__main__"``. When
the parent goes, by whatever signal, the workers leave, whatever they are at. A job may take so
much processor time, so that what is read does not depend on what else the machine does.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from segue.environment import safe_import_path
from segue.ingest.messages import MAX_BYTES, BadMessage, decode, encode

Job = TypeVar("Job")
Result = TypeVar("Result")

QUEUE_DEPTH: Final = 2  # jobs a worker holds, so that it never waits for the parent
MEMORY_LIMIT_BYTES: Final = 4 << 30  # of address space, a worker
STARTUP_S: Final = 30.0  # allowed on top of a job's time to a worker that is just starting
#: So much longer than its processor time may a job last by the clock: machines may be busy, and
#: disks far away.
WALL_CLOCK_FACTOR: Final = 10.0
#: What ends a worker from outside, and says nothing of the file it was on.
_FROM_OUTSIDE: Final = frozenset(
    (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGBUS)
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A job that gave no result, and why.

    `transient` faults are of the machine and the moment: time, memory, permission. The same job
    may do well another time.
    """

    reason: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class QueuedJob(Generic[Job]):
    """A job and the seconds of processor time it may take."""

    job: Job
    limit_s: float


@dataclass(slots=True)
class _Worker(Generic[Job]):
    process: subprocess.Popen[bytes]
    connection: Connection
    jobs: deque[QueuedJob[Job]] = field(default_factory=deque)
    deadline: float = 0.0
    started: bool = False  # has given a result


class Workers(Generic[Job, Result]):
    """A pool of worker processes.

    Parameters
    ----------
    task : str
        ``package.module:function``, called in the workers with each job.
    count : int
        Number of processes, at least 1; they start when there is work.
    """

    def __init__(self, task: str, count: int) -> None:
        self._task = task
        self._count = count
        self._queue: deque[QueuedJob[Job]] = deque()
        self._workers: list[_Worker[Job]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            _end(worker)
        self._workers.clear()

    def submit(self, job: Job, limit_s: float, *, first: bool = False) -> None:
        """Queue a job; `first` puts it before those that wait."""
        submitted = QueuedJob(job, limit_s)
        if first:
            self._queue.appendleft(submitted)
        else:
            self._queue.append(submitted)

    def results(self) -> Iterator[tuple[Job, Result | Fault]]:
        """Yield results as they come, until no job is left. More may be submitted meanwhile."""
        while True:
            self._feed()
            busy = [worker for worker in self._workers if worker.jobs]
            if not busy:
                return
            remaining = min(worker.deadline for worker in busy) - time.monotonic()
            ready = wait([worker.connection for worker in busy], max(remaining, 0.0))
            for worker in busy:
                if worker.connection in ready:
                    yield from self._receive(worker)
                elif time.monotonic() > worker.deadline:
                    # The result may have come while the caller was busy with another.
                    if worker.connection.poll():
                        yield from self._receive(worker)
                    else:
                        waited_s = worker.jobs[0].limit_s * WALL_CLOCK_FACTOR
                        reason = f"gave no answer for {waited_s:.0f} s"
                        yield self._lose(worker, Fault(reason, transient=True))

    def _feed(self) -> None:
        while len(self._workers) < min(self._count, len(self._queue)):
            self._workers.append(_start(self._task))
        for depth in range(QUEUE_DEPTH):
            for worker in self._workers:
                if self._queue and len(worker.jobs) <= depth:
                    self._send(worker, self._queue.popleft())

    def _send(self, worker: _Worker[Job], submitted: QueuedJob[Job]) -> None:
        if not worker.jobs:
            starting_s = 0.0 if worker.started else STARTUP_S
            worker.deadline = time.monotonic() + submitted.limit_s * WALL_CLOCK_FACTOR + starting_s
        worker.jobs.append(submitted)
        # A worker that just died is noticed, and its jobs given to another, when it is read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.connection.send_bytes(encode((submitted.job, submitted.limit_s)))

    def _receive(self, worker: _Worker[Job]) -> Iterator[tuple[Job, Result | Fault]]:
        try:
            result: Result | Fault = decode(worker.connection.recv_bytes(MAX_BYTES))
        except (EOFError, ConnectionResetError):
            yield self._lose(worker, _why_gone(worker))
            return
        except (OSError, BadMessage):  # the former where it is longer than that
            yield self._lose(worker, Fault("its decoder gave an answer that cannot be read"))
            return
        worker.started = True
        done = worker.jobs.popleft()
        if worker.jobs:
            worker.deadline = time.monotonic() + worker.jobs[0].limit_s * WALL_CLOCK_FACTOR
        yield done.job, result

    def _lose(self, worker: _Worker[Job], fault: Fault) -> tuple[Job, Fault]:
        """Replace a worker; only the job it was on is lost, the next ones go back."""
        _end(worker)
        self._workers.remove(worker)
        culprit = worker.jobs.popleft()
        self._queue.extendleft(reversed(worker.jobs))
        return culprit.job, fault


def _start(task: str) -> _Worker[Job]:
    ours, theirs = Pipe()
    # One thread each: the pool as a whole fills the cores.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        # -P: else Python would look for modules in the current folder, an album say, first.
        [
            sys.executable, "-P", "-m", "segue.ingest.worker",
            task, str(theirs.fileno()), str(os.getpid()),
        ],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | threads | {"PYTHONPATH": os.pathsep.join(safe_import_path())},
    )  # fmt: skip
    theirs.close()
    return _Worker(process, ours)


def _end(worker: _Worker[Job]) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.wait()


def _why_gone(worker: _Worker[Job]) -> Fault:
    """Say why a worker left without an answer."""
    code = worker.process.wait()
    limit_s = worker.jobs[0].limit_s
    if code == -signal.SIGXCPU:
        return Fault(f"took more than {limit_s:.0f} s of processor time", transient=True)
    if -code in _FROM_OUTSIDE:
        name = signal.Signals(-code).name
        return Fault(f"its worker was ended ({name}), as when memory runs out", transient=True)
    if code >= 0 and not worker.started:
        return Fault(f"its worker could not start (exit code {code})", transient=True)
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Fault(f"its decoder crashed ({name})")
