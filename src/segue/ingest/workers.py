"""A pool of worker processes that may crash or hang.

A worker is a Python program of its own, restarted after a crash. It does not import the caller's
main module, so a script that uses Segue needs no ``if __name__ == "__main__"``. When the parent
process ends, by whatever signal, its workers end at once. Jobs are limited in CPU time and not in
wall-clock time, so that the results do not depend on the load of the machine.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from segue.environment import safe_import_path
from segue.ingest.messages import MAX_BYTES, BadMessage, decode, encode

Job = TypeVar("Job")
Result = TypeVar("Result")

QUEUE_DEPTH: Final = 2  # jobs sent to a worker in advance, so that it never waits for the parent
MEMORY_LIMIT_BYTES: Final = 4 << 30  # address space of a worker
STARTUP_S: Final = 30.0  # additional time for the first job of a worker
#: Wall-clock limit of a job as a multiple of its CPU limit: the machine may be busy, and the disk
#: on a network.
WALL_CLOCK_FACTOR: Final = 10.0
#: Signals that end a worker from outside: not the fault of the file that it was reading.
_EXTERNAL_SIGNALS: Final = frozenset(
    (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGBUS)
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a job gave no result.

    Attributes
    ----------
    reason : str
    transient : bool
        The cause is a temporary state of the machine (time, memory, permissions): the same job may
        succeed later.
    """

    reason: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class QueuedJob(Generic[Job]):
    """A job and its limit of CPU time in seconds."""

    job: Job
    limit_s: float


@dataclass(slots=True)
class _Worker(Generic[Job]):
    process: subprocess.Popen[bytes]
    connection: Connection
    jobs: deque[QueuedJob[Job]] = field(default_factory=deque)
    deadline: float = 0.0
    started: bool = False  # it has returned a result


class Workers(Generic[Job, Result]):
    """A pool of worker processes.

    Parameters
    ----------
    task : str
        ``package.module:function``, called in the workers with each job.
    count : int
        Number of processes, at least 1; they start when there is work.

    Notes
    -----
    Use `run` for a list of jobs, and an instance with `submit` and `results` where results lead to
    further jobs.
    """

    @classmethod
    def run(
        cls,
        task: str,
        jobs: Iterable[Job],
        limit_s: float,
        count: int,
        watch: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[Job, Result | Fault]]:
        """Yield jobs with their results as they come, and stop the workers at the end.

        Parameters
        ----------
        task, count
            See `Workers`.
        jobs : iterable
        limit_s : float
            CPU time of a job in seconds.
        watch : callable, optional
            Called with the number of jobs done and in all, after each result was handled.
        """
        with cls(task, count) as pool:
            total = 0
            for job in jobs:
                pool.submit(job, limit_s)
                total += 1
            for done, item in enumerate(pool.results(), start=1):
                yield item
                if watch:
                    watch(done, total)

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
        """Queue a job; `first` puts it at the front of the queue."""
        queue = self._queue.appendleft if first else self._queue.append
        queue(QueuedJob(job, limit_s))

    def results(self) -> Iterator[tuple[Job, Result | Fault]]:
        """Yield jobs with their results as they come; more may be submitted meanwhile."""
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
                    # The result may have arrived while the caller handled another one.
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

    def _send(self, worker: _Worker[Job], queued: QueuedJob[Job]) -> None:
        if not worker.jobs:
            starting_s = 0.0 if worker.started else STARTUP_S
            worker.deadline = time.monotonic() + queued.limit_s * WALL_CLOCK_FACTOR + starting_s
        worker.jobs.append(queued)
        # That a worker died is noticed in `_receive`, which requeues its jobs.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.connection.send_bytes(encode((queued.job, queued.limit_s)))

    def _receive(self, worker: _Worker[Job]) -> Iterator[tuple[Job, Result | Fault]]:
        try:
            result: Result | Fault = decode(worker.connection.recv_bytes(MAX_BYTES))
        except (EOFError, ConnectionResetError):
            yield self._lose(worker, _exit_fault(worker))
            return
        except (OSError, BadMessage):  # OSError: longer than MAX_BYTES
            yield self._lose(worker, Fault("its decoder gave an answer that cannot be read"))
            return
        worker.started = True
        done = worker.jobs.popleft()
        if worker.jobs:
            worker.deadline = time.monotonic() + worker.jobs[0].limit_s * WALL_CLOCK_FACTOR
        yield done.job, result

    def _lose(self, worker: _Worker[Job], fault: Fault) -> tuple[Job, Fault]:
        """End a worker: its current job is lost, the others go back into the queue."""
        _end(worker)
        self._workers.remove(worker)
        culprit = worker.jobs.popleft()
        self._queue.extendleft(reversed(worker.jobs))
        return culprit.job, fault


def _start(task: str) -> _Worker[Job]:
    parent_end, worker_end = Pipe()
    # One thread a worker: the pool as a whole fills the cores.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        # -P keeps the current folder, which may be an album, out of the module search path.
        [
            sys.executable, "-P", "-m", "segue.ingest.worker",
            task, str(worker_end.fileno()), str(os.getpid()),
        ],
        pass_fds=[worker_end.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | threads | {"PYTHONPATH": os.pathsep.join(safe_import_path())},
    )  # fmt: skip
    worker_end.close()
    return _Worker(process, parent_end)


def _end(worker: _Worker[Job]) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.wait()


def _exit_fault(worker: _Worker[Job]) -> Fault:
    """Return why a worker ended without a result."""
    code = worker.process.wait()
    limit_s = worker.jobs[0].limit_s
    if code == -signal.SIGXCPU:
        return Fault(f"took more than {limit_s:.0f} s of processor time", transient=True)
    if -code in _EXTERNAL_SIGNALS:
        name = signal.Signals(-code).name
        return Fault(f"its worker was ended ({name}), as when memory runs out", transient=True)
    if code >= 0 and not worker.started:
        return Fault(f"its worker could not start (exit code {code})", transient=True)
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Fault(f"its decoder crashed ({name})")
