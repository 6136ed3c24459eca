import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from segue.cli import load_program

DOCS = Path(__file__).parent.parent / "docs"


def test_the_reference_is_what_the_program_prints() -> None:
    # In a process of its own: commands are listed in the order in which they were imported.
    process = subprocess.run(
        [sys.executable, "-c", "import make_reference as m; print(m.reference(), end='')"],
        cwd=DOCS, capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    written = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    assert written == process.stdout, "run `make docs`"


def test_the_benchmarks_are_the_tables() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import make_benchmarks as m; print(m.benchmarks(), end='')"],
        cwd=DOCS, capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    written = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert written == done.stdout, "run `make docs`"


def test_the_architecture_lists_every_module() -> None:
    text = (DOCS.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed, package = set(), ""
    for line in text.partition("## How the data flows")[0].splitlines():
        if heading := re.match(r"\*\*`([\w./]+)`\*\*", line):
            package = heading[1]
            listed |= {package} if package.endswith(".py") else set()
        elif row := re.match(r"\| `([\w/]+\.py)` \|", line):
            listed.add(package + row[1])
    source = DOCS.parent / "src" / "segue"
    modules = {file.relative_to(source).as_posix() for file in source.rglob("*.py")}
    assert listed == {name for name in modules if not re.search(r"__(init|main)__\.py$", name)}


def test_every_command_shows_an_example() -> None:
    text = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[2:]:
        title = section.partition("\n")[0]
        if "COMMAND [ARGS]" not in section:
            assert f"Example: {title} " in section or f"Example: {title}\n" in section, title


def test_every_recording_of_the_collection_is_attributed(collection: Path) -> None:
    text = (collection / "ATTRIBUTION.md").read_text(encoding="utf-8")
    files = sorted(file.relative_to(collection).as_posix() for file in collection.rglob("*.ogg"))
    lines = [line for line in text.splitlines() if ".ogg |" in line]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == files
    assert all(cell.strip() for line in lines for cell in line.strip("|").split("|"))


PAGES = [
    DOCS.parent / "README.md",
    *sorted(DOCS.glob("[!bg]*.md")),
    *sorted(DOCS.glob("how-to/*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_the_pages_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ").replace("\\|", "|")
    for line in re.findall(r"^segue .+|(?<=`)segue [^`]+", text, re.MULTILINE):
        words = shlex.split(line, comments=True)[1:]
        command: Any = typer.main.get_command(load_program())
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands or not re.match("[a-z]", words[0]), line
            command = command.commands.get(words.pop(0), command)
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        given = {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)}
        assert given <= options, line
