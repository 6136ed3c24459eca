"""What the workers do in tests: some of it goes wrong, for real."""

import ctypes
import errno
import os
import pickle
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from segue.errors import Unreadable
from segue.ingest.analysis import Identity, Job, run_job


def misbehave(job: str) -> str:
    """Crash, hang, leave or answer, as the job says."""
    _DEEDS.get(job.split(maxsplit=1)[0], lambda: None)()
    return job.upper()


def _raise(error: Exception) -> None:
    raise error


def _work() -> None:
    until = time.process_time() + 0.4
    while time.process_time() < until:
        pass


def _babble(bytes_sent: bytes) -> None:
    """Write to the parent past whoever answers, as code of a hostile file might."""
    pipe = int(sys.argv[2])
    while bytes_sent:
        bytes_sent = bytes_sent[os.write(pipe, bytes_sent) :]


_ENDLESS: Final = struct.pack("!iQ", -1, 1 << 40)  # says how long the message will be
_PICKLE: Final = pickle.dumps("x")

_DEEDS: Final[dict[str, Callable[[], object]]] = {
    "crash": lambda: ctypes.string_at(0),  # a real SIGSEGV
    "hang": lambda: threading.Event().wait(),
    "leave": lambda: os._exit(3),
    "refuse": lambda: _raise(Unreadable("not to be had")),
    "stumble": lambda: _raise(KeyError("odd")),
    "gorge": lambda: "x" * (8 << 30),
    "forbidden": lambda: _raise(PermissionError(errno.EACCES, "Permission denied")),
    "gone": lambda: Path("/nowhere").read_text(encoding="utf-8"),
    "unplugged": lambda: _raise(OSError(errno.EIO, "Input/output error")),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "spin": lambda: sum(1 for _ in iter(int, 1)),  # for ever
    "babble": lambda: _babble(struct.pack("!i", len(_PICKLE)) + _PICKLE),
    "babble-on": lambda: _babble(_ENDLESS),
    "work": _work,
    "wait": lambda: time.sleep(1.5),
}


def work_or_crash(job: Job) -> object:
    """Do the real work, but crash or hang when decoding files of these names."""
    result = run_job(job)
    if not isinstance(result, Identity):
        name = Path(os.fsdecode(job.path)).stem
        if name in ("crash", "hang"):
            misbehave(name)
    return result


def work_or_fail(job: Job) -> object:
    """Do the real work, but misbehave when decoding a file that is named so."""
    result = run_job(job)
    name = Path(os.fsdecode(job.path)).stem
    if not isinstance(result, Identity) and name in _DEEDS:
        misbehave(name)
    return result
