"""A pool of worker processes that may crash or hang.

A worker is a Python program of its own, restarted after a crash. It does not import the caller's
main module, so a script that uses Segue needs no ``if __name__ == "__main__"``. When the parent
process ends, by whatever signal, its workers end at once. Jobs are limited in CPU time and not in
wall-clock time, so that the results do not depend on the load of the machine.

Messages between the parent and its workers are JSON and raw arrays. Workers decode untrusted files,
so their results are treated as data (never unpickled): only plain values, numeric arrays, and
frozen dataclasses of Segue that the receiver has imported itself are created from them.
"""

import contextlib
import ctypes
import importlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import numpy as np

from segue.environment import safe_import_path
from segue.errors import SegueError, Unavailable, unreadable

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
#: Maximum length of a message; no result of a music file is this long.
MAX_BYTES: Final = 1 << 30
_PACKAGE: Final = "segue."  # dataclasses of other packages are refused
_NUMERIC_KINDS: Final = "biuf"  # of NumPy's data types
_LENGTH: Final = 8  # bytes of the field with the length of the JSON
_CONTAINERS: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "tuple": tuple,
    "list": list,
    "dict": dict,
}
_PR_SET_PDEATHSIG: Final = 1  # of Linux's <sys/prctl.h>


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a job gave no result.

    Attributes
    ----------
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
            sys.executable, "-P", "-c", "from segue.ingest.workers import run_worker; run_worker()",
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


# --- messages ---


class BadMessage(SegueError):
    """A message that is malformed or too long."""


def encode(value: object) -> bytes:
    """Serialise a value.

    Parameters
    ----------
    value : object
        None, a number, str, bytes, tuple, list, dict, numeric array or frozen dataclass, nested
        in any way.

    Raises
    ------
    BadMessage
        The message is too long.
    TypeError
        The value holds an object of another type.
    """
    arrays: list[memoryview] = []
    text = json.dumps(_plain(value, arrays)).encode()
    length = _LENGTH + len(text) + sum(array.nbytes for array in arrays)
    if length > MAX_BYTES:
        raise BadMessage(f"holds more than Segue takes at once ({length >> 20} MiB)")
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *arrays])


def decode(message: bytes) -> Any:
    """Deserialise a message; arrays are writable copies.

    Raises
    ------
    BadMessage
        The message is malformed, or holds an object of a type that is never sent.
    """
    try:
        start = _LENGTH + int.from_bytes(message[:_LENGTH], "little")
        return _Decoder(message, start).value(json.loads(message[_LENGTH:start]))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise BadMessage(f"a message that cannot be read ({error})") from None


def _plain(value: object, arrays: list[memoryview]) -> object:
    """Convert a value to JSON; all that JSON would not preserve becomes a list with a type tag."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        arrays.append(memoryview(value))
        return ["bytes", len(value)]
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _NUMERIC_KINDS:
            raise TypeError(f"arrays of {value.dtype} are not sent to or from workers")
        arrays.append(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        return ["array", value.dtype.str, *value.shape]
    tag, items = _tag_and_items(value)
    return [tag, *(_plain(item, arrays) for item in items)]


def _tag_and_items(value: object) -> tuple[str, Iterable[object]]:
    if isinstance(value, tuple):
        return "tuple", value
    if isinstance(value, list):
        return "list", value
    if isinstance(value, dict):
        return "dict", value.items()
    tag = f"{type(value).__module__}:{type(value).__qualname__}"
    if not is_dataclass(value) or _dataclass(tag) is not type(value):
        raise TypeError(f"{type(value)} is not sent to or from workers")
    return tag, (getattr(value, field.name) for field in fields(value))


def _dataclass(tag: str) -> Any:
    """Return a frozen dataclass of Segue that is already imported, by ``module:name``."""
    module, _, name = tag.partition(":")
    cls = getattr(sys.modules[module], name) if module.startswith(_PACKAGE) else None
    if not isinstance(cls, type) or not is_dataclass(cls):
        raise TypeError(f"{tag} is no dataclass")
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise TypeError(f"{tag} is no frozen dataclass")
    return cls


class _Decoder:
    def __init__(self, message: bytes, at: int) -> None:
        self._message = memoryview(message)
        self._at = at

    def value(self, plain: Any) -> Any:
        if not isinstance(plain, list):
            if isinstance(plain, dict):
                raise TypeError("an object without a tag")
            return plain
        tag, *rest = plain
        if tag == "bytes":
            return bytes(self._take(*rest))
        if tag == "array":
            return self._array(*rest)
        values = [self.value(item) for item in rest]
        return _CONTAINERS[tag](values) if tag in _CONTAINERS else _dataclass(tag)(*values)

    def _array(self, type_: str, *shape: int) -> np.ndarray[Any, np.dtype[Any]]:
        dtype = np.dtype(type_)
        if dtype.kind not in _NUMERIC_KINDS:
            raise TypeError(f"an array of {dtype}")
        data = self._take(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape).copy()

    def _take(self, count: int) -> memoryview:
        start, self._at = self._at, self._at + count
        if count < 0 or self._at > len(self._message):
            raise ValueError("it ends too early")
        return self._message[start : self._at]


def run_worker() -> None:
    """Run jobs from the parent until it closes the pipe or ends.

    The arguments of the program are the task, ``package.module:function``, the file descriptor of
    the pipe, and the process id of the parent.
    """
    task, descriptor, parent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
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
