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
        ("stumble", "unexpected KeyError: 'odd'"),
        ("gorge", "needs more than 4 GB of memory"),
    ],
)
def test_a_fault_costs_the_one_job_it_was_on(bad: str, reason: str) -> None:
    jobs = ["a", "b", bad, "c", "d", "e"]
    found = answers(jobs, count=1)
    assert found.pop(bad) == Fault(reason)
    assert found == {job: job.upper() for job in jobs if job != bad}


def test_a_job_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "STARTING_S", 30.0)
    found = answers(["a", "hang", "b"], count=1, limit_s=4.0)
    assert found == {"a": "A", "b": "B", "hang": Fault("took longer than 4 s")}


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
