"""Imports run downward only; what is slow to import is not imported by the way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import segue

PACKAGE = Path(segue.__file__).parent

#: The packages from the bottom up; those of one line may not import each other.
FLOW = [
    ("errors", "environment", "deprecation"),
    ("records",),
    ("text", "files", "feature_names"),
    ("theory", "media"),
    ("io", "evaluation"),
    ("nn", "builtin_spaces"),
    ("audio", "score", "lyrics"),
    ("generate",),
    ("store",),
    ("search",),
    ("ingest",),
    ("render",),
    ("training",),
    ("explore",),
    ("library",),
    ("web",),
    ("cli",),
    ("__main__",),
]
LEVEL = {room: level for level, rooms in enumerate(FLOW) for room in rooms}


def imported_rooms(file: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("segue"):
            parts = node.module.split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {name.name for name in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {
                name.name.split(".")[1] for name in node.names if name.name.startswith("segue.")
            }
    return rooms - {"__version__", "files"}


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_imports_run_downward(file: Path) -> None:
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return  # names the public names' homes, and imports them only when asked
    for other in imported_rooms(file) - {room}:
        assert LEVEL[other] < LEVEL[room], f"{room} imports {other}"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_segue_is_light() -> None:
    assert not loaded_by("import segue") & {"torch", "librosa", "numpy", "av", "scipy"}


def test_help_is_light() -> None:
    code = "from segue.cli import load_program; load_program()"
    assert not loaded_by(code) & {"torch", "librosa", "numpy", "av", "scipy", "rich"}


def test_searching_needs_no_torch(filled: Path) -> None:
    code = f"from segue import Library; Library.open({str(filled)!r}).like(1)"
    assert not loaded_by(code) & {"torch", "librosa", "numba", "sklearn", "scipy", "av"}


def test_workers_need_no_torch() -> None:
    assert not loaded_by("import segue.ingest.analysis") & {"torch", "librosa", "numba", "sklearn"}


def test_training_on_scores_and_texts_needs_no_audio_decoder(tmp_path: Path) -> None:
    (tmp_path / "tune.abc").write_text("X:1\nT:Tune\nL:1/4\nK:C\nCDEF|GABc|\n")
    (tmp_path / "song.txt").write_text("The sea is wide\nAnd I must ride\n")
    code = f"""
import os
import segue.training.run
from segue.ingest.analysis import Decode, Identify, ReadScore, run_job
for name, medium in (("tune.abc", "score"), ("song.txt", "lyrics")):
    path = os.path.join({str(tmp_path)!r}, name).encode()
    run_job(Identify(path, os.path.dirname(path), medium))
    run_job(Decode(path, medium))
run_job(ReadScore(os.path.join({str(tmp_path)!r}, "tune.abc").encode()))
"""
    assert "av" not in loaded_by(code)


def test_neither_the_package_nor_recipes_import_benchmarks() -> None:
    root = PACKAGE.parents[1]
    imported = {
        (file.relative_to(root).parts[0], node.module)
        for folder in ("src", "recipes")
        for file in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not [pair for pair in imported if pair[1].split(".")[0] == "bench"]
    assert not [
        pair for pair in imported if pair[0] == "src" and pair[1].split(".")[0] == "recipes"
    ]


def test_reading_scores_and_texts_needs_no_decoder() -> None:
    modules = ("io.scores", "io.lyrics", "io.score_lyrics", "score.piano_roll")
    assert "av" not in loaded_by("; ".join(f"import segue.{module}" for module in modules))
