"""No command runs what lies in the current folder, an album that came from anywhere say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_cli import segue

from conftest import little_score, tune, write_score, write_sound
from segue.environment import PACKAGE_FOLDER, safe_import_path
from segue.ingest import workers

start = workers._start

_OTHERS = (
    "av", "filelock", "lightning_fabric", "matplotlib", "music21", "mutagen", "numpy",
    "platformdirs", "rich", "scipy", "sitecustomize", "sklearn", "soxr", "symusic", "torch",
    "usercustomize",
)  # fmt: skip


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of music in which every module that can be imported is planted, to be stood in."""
    folder = tmp_path / "album"
    folder.mkdir()
    harm = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__ + ' ')\n"
    for name in {*sys.stdlib_module_names, *_OTHERS} - {"__future__"}:
        (folder / f"{name}.py").write_text(harm)
    for name in ("segue", "segue/ingest"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(harm)
    (folder / "matplotlibrc").write_text("text.usetex: true\n")
    (folder / ".numba_config.yaml").write_text("cache_dir: .\n")
    write_sound(folder / "sound.wav", tune(1, 12.0, 22_050), 22_050)
    write_score(folder / "score.mid", little_score(1))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        "add .",
        "like sound.wav",
        "harmonise score.mid -o out.mid",
        "map --method pca -o map.html --embed-previews",
        "map --method pca -o map.png",
        "train sound --epochs 1",
    ],
)
def test_no_command_runs_what_lies_in_the_current_folder(
    album: Path, filled: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_training(*_: object, **__: object) -> None:  # after the workers have read the files
        raise KeyboardInterrupt

    started: list[str] = []

    def noted(task: str) -> Any:
        started.append(task)
        return start(task)

    monkeypatch.setattr(workers, "_start", noted)
    monkeypatch.setattr("segue.audio.training.fit", no_training)
    library = shutil.copytree(filled, tmp_path / "library")
    segue(*command.split(), library=library)
    assert started or "map.png" in command
    assert not (album.parent / "ran").exists()


def test_whatever_else_starts_a_program_is_known() -> None:
    """The pool of workers; transcoding, with `-P` as well; and the user's own media player."""
    starts = ("import subprocess", "import multiprocessing", "os.system", "os.exec", "os.spawn")
    package = Path(PACKAGE_FOLDER)
    modules = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if any(start in file.read_text() for start in starts)
    }
    assert modules == {"ingest/workers.py", "web/transcode.py", "cli/play.py"}


@pytest.mark.parametrize(
    ("python_path", "program"),
    [
        (None, ["-m", "segue"]),
        (":/nowhere", ["-m", "segue"]),
        (None, ["-c", "from segue.cli import main; main()"]),
        ("../album:/nowhere", ["-c", "from segue.cli import main; main()"]),
    ],
)
def test_whatever_the_environment_says(
    album: Path, tmp_path: Path, python_path: str | None, program: list[str]
) -> None:
    """What Segue imports itself cannot all be held; its workers, and numpy, can."""
    for file in album.rglob("*.py"):
        if file.name not in ("numpy.py", "av.py", "platformdirs.py", "mutagen.py", "torch.py"):
            file.unlink()
    (album / "segue" / "ingest").rmdir()
    (album / "segue").rmdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if python_path is not None:
        environment["PYTHONPATH"] = python_path
    done = subprocess.run(
        [sys.executable, *program, "add", "score.mid", "--library", str(tmp_path / "library")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


def test_the_path_of_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    folder = str(tmp_path)
    own = os.path.dirname(PACKAGE_FOLDER)
    site = os.path.join(sys.prefix, "lib", "python3", "site-packages")
    monkeypatch.setattr(sys, "path", ["", ".", "lib", folder, f"{folder}/lib", "/a:b", site])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert safe_import_path() == [f"{folder}/lib", site, own]
    monkeypatch.setenv("PYTHONPATH", "lib")
    assert safe_import_path() == [site, own]
    monkeypatch.setenv("PYTHONPATH", f"{folder}:")
    assert safe_import_path() == [folder, f"{folder}/lib", site, own]  # it was named by hand
