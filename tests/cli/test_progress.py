"""Progress where no bar can be drawn: a line every so often."""

import io
import time
from pathlib import Path

import pytest
from test_cli import segue

from conftest import little_score, write_score
from segue.cli import output
from segue.cli.output import ProgressLines


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "FIRST_LINE_AFTER_S", 0.002)
    monkeypatch.setattr(output, "LONGEST_WAIT_S", 0.002)


def test_lines_say_what_is_done_and_how_long_it_takes() -> None:
    lines = ProgressLines("reading", io.StringIO())
    assert lines.line() == "reading, 0:00 so far"
    lines.show("bars", 3, 12)
    lines._step_began -= 30
    lines._began -= 75
    assert lines.line() == "bars 3 of 12, 1:15 so far, about 1:30 to go"
    lines.show("bars", 12, 12)
    assert lines.line() == "bars 12 of 12, 1:15 so far"
    assert ProgressLines("", io.StringIO()).line() == ""


@pytest.mark.usefixtures("often")
def test_lines_come_also_while_a_step_takes_long_and_end_with_the_work() -> None:
    stream = io.StringIO()
    with ProgressLines("reading", stream).printed():
        time.sleep(0.1)
    count = len(stream.getvalue().splitlines())
    assert count > 3
    time.sleep(0.02)
    assert len(stream.getvalue().splitlines()) == count


@pytest.mark.usefixtures("often")
def test_nobody_reads_any_more() -> None:
    stream = io.StringIO()
    stream.close()
    with ProgressLines("reading", stream).printed():
        time.sleep(0.02)


def test_quick_commands_print_no_progress(tmp_path: Path) -> None:
    write_score(tmp_path / "one.mid", little_score(1, 2))
    done = segue("add", tmp_path / "one.mid", "--workers", "1", library=tmp_path / "library")
    if not done.stderr:
        return
    assert done.stderr.startswith("looking")  # on a busy machine it took longer than it says


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "{tune}", "--workers", "1"], "looking"),
        (["compose", "--bars", "1", "-o", "{tmp}/a.mid"], "preparing"),
        (["melody", "C | F", "-n", "1", "-o", "{tmp}/a.mid"], "writing"),
        (["write", "--artist", "burns", "--lines", "1"], "comparing with the training set"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_long_commands_print_progress(tmp_path: Path, arguments: list[str], message: str) -> None:
    tune = write_score(tmp_path / "tune.mid", little_score(1, 2))
    given = [part.format(tmp=tmp_path, tune=tune) for part in arguments]
    done = segue(*given, library=tmp_path / "library")
    assert done.returncode == 0, done.stderr
    assert message in done.stderr
    assert "so far" in done.stderr
    assert message not in done.stdout
