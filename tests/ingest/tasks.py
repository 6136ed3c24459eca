"""What the workers do in tests: some of it goes wrong, for real."""

import ctypes
import os
import threading
from pathlib import Path

from segue.errors import Unreadable
from segue.ingest.analyse import Identity, Job, work


def misbehave(job: str) -> str:
    """Crash, hang, leave or answer, as the job says."""
    if job == "crash":
        ctypes.string_at(0)  # a real SIGSEGV
    if job == "hang":
        threading.Event().wait()
    if job == "leave":
        os._exit(3)
    if job == "refuse":
        raise Unreadable("not to be had")
    if job == "stumble":
        raise KeyError("odd")
    if job == "gorge":
        return "x" * (8 << 30)
    return job.upper()


def work_or_crash(job: Job) -> object:
    """Do the real work, but crash or hang when decoding files of these names."""
    result = work(job)
    if not isinstance(result, Identity):
        name = Path(os.fsdecode(job.path)).stem
        if name in ("crash", "hang"):
            misbehave(name)
    return result
