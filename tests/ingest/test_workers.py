import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segue.ingest import workers as workers_module
from segue.ingest.workers import Fault, Workers

TASK = "tasks:misbehave"


@pytest.fixture(autouse=True)
def _tasks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def answers(jobs: list[str], count: int = 2, limit_s: float = 60.0) -> dict[str, str | Fault]:
    with Workers[str, str](TASK, count) as workers:
        for job in jobs:
            workers.submit(job, limit_s)
        return dict(workers.results())


def test_all_jobs_are_answered() -> None:
    jobs = [f"job {i}" for i in range(20)]
    assert answers(jobs) == {job: job.upper() for job in jobs}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("crash", "its decoder crashed (SIGSEGV)"),
        ("leave", "its decoder crashed (exit code 3)"),
        ("refuse", "not to be had"),
        ("stumble", "damaged, or unlike any that Segue can read (KeyError: 'odd')"),
    ],
)
def test_a_fault_costs_the_one_job_it_was_on(bad: str, reason: str) -> None:
    jobs = ["a", "b", bad, "c", "d", "e"]
    results = answers(jobs, count=1)
    assert results.pop(bad) == Fault(reason)
    assert results == {job: job.upper() for job in jobs if job != bad}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("gorge", "needs more than 4 GB of memory"),
        ("forbidden", "no permission to read it"),
        ("gone", "the file is gone"),
        ("unplugged", "cannot be opened (Input/output error)"),
        ("killed", "its worker was ended (SIGKILL), as when memory runs out"),
    ],
)
def test_transient_faults_are_distinguished_from_faults_of_the_job(bad: str, reason: str) -> None:
    assert answers(["a", bad, "b"], count=1) == {
        "a": "A", "b": "B", bad: Fault(reason, transient=True)
    }  # fmt: skip


def test_processor_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each job by itself, of whatever code; a job that waits takes none."""
    monkeypatch.setattr(workers_module, "WALL_CLOCK_FACTOR", 1000.0)
    jobs = ["work", "wait", "work more", "spin", "a"]
    results = answers(jobs, count=1, limit_s=1.0)
    reason = "took more than 1 s of processor time"
    assert results.pop("spin") == Fault(reason, transient=True)
    assert results == {job: job.upper() for job in jobs if job != "spin"}


def test_a_job_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "WALL_CLOCK_FACTOR", 2.0)
    results = answers(["a", "hang", "b"], count=1, limit_s=2.0)
    assert results == {
        "a": "A", "b": "B", "hang": Fault("gave no answer for 4 s", transient=True)
    }  # fmt: skip


def test_a_worker_that_cannot_start_is_no_fault_of_the_job() -> None:
    with Workers[str, str]("nowhere:nothing", 1) as workers:
        workers.submit("a", 60)
        reason = "its worker could not start (exit code 1)"
        assert list(workers.results()) == [("a", Fault(reason, transient=True))]


PARENT = """
import sys
from segue.ingest.workers import Workers
with Workers(sys.argv[1], 1) as pool:
    pool.submit(sys.argv[2], 60)
    pool._feed()
    print(pool._workers[0].process.pid, flush=True)
    list(pool.results())
"""


@pytest.mark.parametrize("job", ["spin", "hang"])
def test_a_worker_leaves_when_its_parent_is_killed(job: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, TASK, job],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 30
    while is_running(worker):
        assert time.monotonic() < until
        time.sleep(0.02)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # of what nobody waited for yet


def test_jobs_may_lead_to_jobs() -> None:
    seen = []
    with Workers[str, str](TASK, 1) as workers:
        workers.submit("a", 60)
        workers.submit("z", 60)
        for job, _ in workers.results():
            seen.append(job)
            if job == "a":
                workers.submit("b", 60, first=True)
    assert sorted(seen) == ["a", "b", "z"]


def test_the_workers_leave_when_the_pool_closes() -> None:
    with Workers[str, str](TASK, 2) as workers:
        workers.submit("a", 60)
        list(workers.results())
        processes = [worker.process for worker in workers._workers]
    assert processes
    assert all(process.poll() is not None for process in processes)
