"""Names of commands and options: groups, second names, and those of version 0.1."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer.main
from test_cli import answer, segue

from conftest import albums_of_three, little_score, write_score
from segue.cli import load_program
from segue.cli.app import OLD_OPTIONS

PROGRAM = typer.main.get_command(load_program())
#: Commands as version 0.1 called them, then as they are called now, with arguments of both.
COMMANDS: list[tuple[str, str, list[str]]] = [
    ("twins", "duplicates", ["--no-versions"]),
    ("tree", "dendrogram", ["-o", "{folder}/tree.html"]),
    ("blend", "interpolate", ["{score}", "{score}", "--steps", "2", "-o", "{folder}"]),
    ("find", "lyrics find", ["the line of a song"]),
    ("write", "lyrics write", ["--artist", "burns", "--lines", "1", "--seed", "0"]),
    ("duet", "lyrics duet", ["burns", "whitman", "--lines", "2", "--seed", "0"]),
    ("like", "similar", ["1"]),
]
#: Options as version 0.1 called them, then as they are called now.
OPTIONS: list[tuple[str, list[str], list[str]]] = [
    ("prune", ["--really"], ["--force"]),
    ("like 1", ["--m3u", "{folder}/list.m3u8"], ["-o", "{folder}/list.m3u8"]),
    ("path 1 9", ["--m3u={folder}/list.m3u8"], ["--output={folder}/list.m3u8"]),
    ("playlist --like 1 --seed 1", ["--m3u", "{folder}/list.m3u"], ["-o", "{folder}/list.m3u"]),
    ("groups -k 2", ["--m3u", "{folder}/groups"], ["-o", "{folder}/groups"]),
    ("duplicates --no-versions", ["--m3u", "{folder}/l.m3u"], ["-o", "{folder}/l.m3u"]),
    (
        "compose --bars 1 --seed 0 -o {folder}/new.mid",
        ["--metre", "3/4", "--wav", "--png"],
        ["--time-signature", "3/4", "-o", "{folder}/new.wav", "-o", "{folder}/new.png"],
    ),
    (
        "melody C|F --seed 0 -n 2 -o {folder}/new.mid",
        ["--metre", "3/4", "--wav", "--png"],
        ["--time-signature", "3/4", "-o", "{folder}/new.wav", "-o", "{folder}/new.png"],
    ),
    (
        "harmonise {score} --seed 0 -n 2 -o {folder}/new.mid",
        ["--wav", "--png"],
        ["-o", "{folder}/new.wav", "-o", "{folder}/new.png"],
    ),
]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of nine tracks, and of a song."""
    albums_of_three(tmp_path / "library")
    song = tmp_path / "song.txt"
    song.write_text("the line of a song\nand another one\n")
    assert segue("add", song, library=tmp_path / "library").returncode == 0
    return tmp_path / "library"


def results(arguments: Sequence[str], library: Path, folder: Path) -> tuple[Any, dict[str, bytes]]:
    """Run a command in an empty folder, and return what it prints and the files it writes."""
    score = folder.parent / "tune.mid"
    write_score(score, little_score(1, 2))
    folder.mkdir()
    given = [part.format(folder=folder, score=score) for part in arguments]
    document = answer(*given, library=library)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    shutil.rmtree(folder)
    return document, files


@pytest.mark.parametrize(("old", "new", "arguments"), COMMANDS, ids=lambda value: str(value)[:14])
def test_every_command_has_its_old_name(
    old: str, new: str, arguments: list[str], library: Path, tmp_path: Path
) -> None:
    before = results([old, *arguments], library, tmp_path / "out")
    assert results([*new.split(), *arguments], library, tmp_path / "out") == before


@pytest.mark.parametrize(("command", "old", "new"), OPTIONS, ids=lambda value: str(value)[:14])
def test_every_option_has_its_old_name(
    command: str, old: list[str], new: list[str], library: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(library, tmp_path / "copy")
    before = results([*command.split(), *old], library, tmp_path / "out")
    assert results([*command.split(), *new], copy, tmp_path / "out") == before


@pytest.mark.parametrize("medium", ["sound", "score", "lyrics"])
@pytest.mark.parametrize("name", ["--anew", "--restart"])
def test_a_training_restarts_by_both_names(
    medium: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Any] = []
    monkeypatch.setattr("segue.cli.train._train", lambda *given, **_: runs.append(given[2]))
    segue("add", write_score(tmp_path / "tune.mid", little_score(1)), library=tmp_path / "library")
    assert segue("train", medium, name, library=tmp_path / "library").returncode == 0
    assert runs[0].restart


def commands(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in getattr(group, "commands", {}).items():
        yield (*above, name), command
        yield from commands(command, (*above, name))


def test_help_lists_new_names_alone_in_six_groups() -> None:
    text = segue("--help").stdout
    positions = [
        text.index(f"\n{panel}:\n")
        for panel in ("Library", "Search", "Explore", "Create", "Learn", "Share")
    ]
    assert positions == sorted(positions)
    assert "\nCommands:" not in text
    listed = {line.split()[0] for line in text.splitlines() if line.startswith("  ")}
    hidden = {name[0] for name, command in commands(PROGRAM) if command.hidden}
    # `find` came back as a command of its own, for lines, meanings and melodies.
    assert hidden == {old for old, new, _ in COMMANDS if new != "similar" and old != "find"}
    assert not listed & hidden
    for name, command in commands(PROGRAM):
        if not command.hidden and not getattr(command, "commands", None):
            words = segue(*name, "-h").stdout.split()
            assert not {*OLD_OPTIONS, "--wav", "--png"} & {word.rstrip(",") for word in words}


def test_every_help_text_is_a_sentence_with_a_subject() -> None:
    for name, command in commands(PROGRAM):
        for parameter in command.params:
            text = getattr(parameter, "help", "") or ""
            if not getattr(parameter, "hidden", False):
                assert text[:1].isupper(), (name, parameter.name)
                assert text.endswith((".", "…")), (name, parameter.name, text)
                first = text.split()[0]
                assert first not in {"Of", "How", "Only", "Else", "Also", "Which", "With"}, text


def test_an_option_of_several_commands_has_one_wording() -> None:
    wordings: dict[str, set[str]] = {}
    for _, command in commands(PROGRAM):
        for option in command.params:
            wordings.setdefault(option.opts[0], set()).add(getattr(option, "help", "") or "")
    for name in (
        "--json", "--metric", "--top-p", "--top-k", "--min-p", "--threads", "--title", "--report",
        "--absolute", "--no-taste", "--all", "--genre", "--year", "--bpm-octaves", "--tempo",
        "--time-signature", "--max-per-artist", "--device", "--epochs", "--resume", "--restart",
        "--rhyme", "--lines", "--seed-line",
    ):  # fmt: skip
        assert len(wordings[name]) == 1, wordings[name]


@pytest.mark.parametrize("before", [["--library", "{0}"], ["--library={0}"]])
def test_the_library_may_stand_before_the_command(before: list[str], library: Path) -> None:
    given = [part.format(library) for part in before]
    assert "10 tracks" in segue(*given, "list").stdout
    nowhere = library.parent / "nowhere"
    assert "10 tracks" in segue("--library", nowhere, "list", "--library", library).stdout
    assert segue("--library", nowhere, "list").returncode == 1
    assert "trained on this library" in segue(*given, "models").stdout
    assert segue("models", "--library", library, "remove", "none").stderr.count("'none'")


def test_h_is_help() -> None:
    for command in ([], ["like"], ["lyrics"], ["lyrics", "find"]):
        assert segue(*command, "-h").stdout == segue(*command, "--help").stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("segue du", {"duplicates"}),
        ("segue lyrics ", {"find", "write", "duet"}),
        ("segue like 1 --metric ", {"cosine", "euclidean"}),
        ("segue lyrics duet a b --how ", {"mixture", "product", "contrast"}),
        ("segue prune --", {"--force", "--library", "--json", "--help"}),
    ],
)
def test_a_shell_completes(
    words: str, completed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "segue"],
        env=os.environ
        | {
            "_SEGUE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert {*script.stdout.split()} == completed
    # The tests may run where no shell is found.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert segue("--show-completion", "bash").returncode == 0


def test_no_hidden_name_is_suggested() -> None:
    assert "--library" in segue("list", "--librari").stderr
    assert "--really" not in segue("prune", "--realy").stderr
    assert "possible" not in segue("compose", "--wavv").stderr.lower()
