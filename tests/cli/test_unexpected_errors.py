"""Whatever goes wrong is said in one line, with an exit code, and as JSON to programs."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from test_cli import SCHEMA, segue

from conftest import albums_of_three, fill_library
from segue import cli
from segue.ingest.workers import Workers
from segue.records import Tags


def shell(command: str, library: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of a shell in which `segue` is this one."""
    alias = f'segue() {{ "{sys.executable}" -P -m segue "$@"; }}\n'
    return subprocess.run(
        ["bash", "-c", alias + command],
        env=os.environ | {"SEGUE_LIBRARY": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )


def in_one_line(done: "subprocess.CompletedProcess[str]", says: str = "") -> None:
    assert done.returncode not in (0, -11)
    assert done.stderr.startswith("segue: "), done.stderr
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def as_json(command: str, library: Path, error: str = "") -> None:
    done = segue(*command.split(), "--json", library=library)
    assert done.returncode == 1
    document: Any = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["schema"] == "segue.error"
    assert not error or document["error"] == error


@pytest.fixture
def library(tmp_path: Path) -> Path:
    albums_of_three(tmp_path / "library")
    return tmp_path / "library"


# ---- output --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["list > /dev/full", "list --json > /dev/full"])
def test_an_output_that_cannot_be_written_is_reported(library: Path, command: str) -> None:
    in_one_line(shell(f"segue {command}", library), "cannot write the output: No space left")


def test_an_output_that_nobody_reads_is_no_error(library: Path) -> None:
    done = shell("segue list >&-; echo $?; segue list 2>&- | head -0", library)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_program_that_the_system_ends_says_so(tmp_path: Path, little_music: Path) -> None:
    program = [sys.executable, "-P", "-m", "segue", "add", str(little_music), "--workers", "1"]
    process = subprocess.Popen(
        program, env=os.environ | {"SEGUE_LIBRARY": str(tmp_path / "library")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "library" / "writing.lock").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    # On a busy machine, progress was printed before.
    assert err.endswith("\nstopped; what was finished is stored, run the same again to go on\n")


def test_only_work_that_goes_on_is_said_to_be_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["segue", "--library", "x", "train", "sound"])
    cli._report_stopped()
    assert "run the same again with --resume to go on" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["segue", "transcribe", "song.mp3"])
    cli._report_stopped()
    assert capsys.readouterr().err == "\nstopped\n"


@pytest.mark.parametrize(
    ("error", "name", "says"),
    [
        (MemoryError(), "OutOfMemory", "not enough memory"),
        (RuntimeError("[..] DefaultCPUAllocator: can't allocate memory: you tried"),
         "OutOfMemory", "not enough memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"),
         "OutOfMemory", "not enough memory"),
        (OSError(5, "Input/output error", "/music/a.ogg"), "SystemError", "/music/a.ogg: Input"),
        (EOFError("No data left in file"), "Unreadable", "a file ended before it was read"),
        (KeyError("odd"), "Unforeseen", "not foreseen (KeyError: 'odd')"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_unforeseen_errors_are_one_line(
    library: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, name: str, says: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("segue.library.Library.tracks", fail)
    in_one_line(segue("list", library=library), says)
    as_json("list", library, name)


# ---- libraries -----------------------------------------------------------------------------------


def damage(library: Path, statement: str) -> None:
    with sqlite3.connect(library / "segue.db") as database:
        database.executescript(statement)


@pytest.mark.parametrize(
    ("statement", "command", "says"),
    [
        ("UPDATE tracks SET facts = '{' WHERE id = 2", "list", "what is known of track 2"),
        ("UPDATE vectors SET data = x'0102' WHERE track = 2", "like 1", "the vector of track 2"),
        ("UPDATE vectors SET data = x'0102' WHERE track = 2", "like 2", "the vector of track 2"),
        ("UPDATE vectors SET data = 'odd' WHERE track = 2", "like 1", "the vector of track 2"),
        ("UPDATE tracks SET fingerprint = x'01' WHERE id = 2", "twins", "fingerprint of track 2"),
        ("DROP TABLE vectors", "like 1", "no such table: vectors"),
        ("DROP TABLE lyrics", "find words", "no such table: lyrics"),
        (
            "DROP INDEX tracks_by_names; ALTER TABLE tracks DROP COLUMN genre",
            "list",
            "no such column",
        ),
        ("UPDATE tracks SET title = CAST(x'ff' AS TEXT) WHERE id = 2", "list", "UTF-8"),
    ],
)
def test_damage_in_the_middle_of_a_library_is_reported(
    library: Path, statement: str, command: str, says: str
) -> None:
    damage(library, statement)
    in_one_line(segue(*command.split(), library=library), says)
    as_json(command, library, "LibraryDamaged")


@pytest.mark.parametrize("seed", range(12))
def test_pages_of_noise_are_reported_or_read(tmp_path: Path, seed: int) -> None:
    library = tmp_path / "library"
    fill_library(library, [Tags(f"t{i}", f"a{i % 7}", "", "") for i in range(60)])
    content = bytearray((library / "segue.db").read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(4096, len(content), 6 * (1 + seed % 4)):
        content[at] = rng.integers(256)
    page = 4096 * int(rng.integers(1, len(content) // 4096))
    if seed % 2:
        content[page : page + 4096] = rng.bytes(4096)
    (library / "segue.db").write_bytes(content)
    for command in ("list", "like 1", "spaces", "outliers"):
        done = segue(*command.split(), library=library)
        if done.returncode:
            in_one_line(done)
            assert "not foreseen" not in done.stderr


@pytest.mark.parametrize("sign", ["segue-schema-3.backup.db", "derived", "writing.lock"])
def test_an_emptied_library_is_no_new_one(library: Path, sign: str) -> None:
    for other in ("writing.lock", "derived"):
        (library / other).unlink(missing_ok=True)
    (library / sign).touch()
    (library / "segue.db").write_bytes(b"")
    for command in (["list"], ["add", str(library.parent)]):
        in_one_line(segue(*command, library=library), f"beside it lie {sign}: it was emptied")
    assert not (library / "segue.db").stat().st_size
    (library / "segue.db").unlink()
    assert segue("add", library.parent, library=library).returncode == 0


def test_a_library_that_is_only_begun_leaves_nothing_to_clean_up(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    segue("add", tmp_path / "music", library=tmp_path / "library")
    assert not list((tmp_path / "library").glob("*backup*"))
    assert segue("add", tmp_path / "none", library=tmp_path / "other").returncode == 2
    assert segue("listens", "import", tmp_path / "no", library=tmp_path / "other").returncode == 2
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("lock", ["folder", "link", "forbidden"])
def test_a_library_that_cannot_be_written_to_can_be_asked(
    library: Path, lock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = library / "writing.lock"
    file.unlink(missing_ok=True)
    if lock == "folder":
        file.mkdir()
    elif lock == "link":
        file.symlink_to(library / "elsewhere")
    else:  # root, as whom tests may run, is refused nothing

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", str(file))

        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert segue("list", library=library).returncode == 0
    assert segue("like", "1", library=library).returncode == 0
    says = "no permission to write" if lock == "forbidden" else "cannot be locked"
    for command in ("love 1", "add .", "remove 1"):
        in_one_line(segue(*command.split(), library=library), says)
    as_json("love 1", library, "LibraryReadOnly" if lock == "forbidden" else "LibraryDamaged")
    assert not (library / "elsewhere").exists()


def test_a_library_in_a_folder_that_only_can_be_read_is_asked(library: Path) -> None:
    powerless: list[str] = []
    if os.geteuid() == 0:  # root may write everywhere, unless that is taken away
        if not shutil.which("setpriv"):
            pytest.skip("root, and no setpriv to be less than that")
        powerless = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        for path in (library, *library.rglob("*")):
            os.chown(path, 65534, -1)
    folders = [library, *(path for path in library.rglob("*") if path.is_dir())]
    for path in (*folders, library / "segue.db"):
        path.chmod(0o555)
    try:
        for command, code in (("list", 0), ("like 1", 0), ("love 1", 1)):
            done = subprocess.run(
                [*powerless, sys.executable, "-P", "-m", "segue", *command.split()],
                env={**os.environ, "SEGUE_LIBRARY": str(library)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == code, done.stderr
            assert ("no permission to write" in done.stderr) == bool(code)
    finally:
        for path in folders:
            path.chmod(0o755)


def test_a_library_that_vanishes_is_no_success(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(pool: Any) -> Any:
        shutil.rmtree(library)
        return pool

    monkeypatch.setattr(Workers, "__enter__", vanish)
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "Ann - Song.txt").write_text("over the hill\nthe river runs\n" * 9)
    in_one_line(segue("add", tmp_path / "music", library=library), "was removed or replaced")
