"""Write docs/reference/cli.md from what the program prints.

python docs/make_reference.py
"""

from pathlib import Path

import typer.main
from typer.testing import CliRunner

from segue.cli import load_program

TARGET = Path(__file__).parent / "reference" / "cli.md"


def reference() -> str:
    """Return the help of every command as Markdown."""
    program = load_program()
    parts = ["# The command line\n\nMade from the program by `make docs`.\n"]
    for words in [[], *_commands(typer.main.get_command(program), [])]:
        result = CliRunner().invoke(
            load_program(),
            [*words, "--help"],
            prog_name="segue",
            env={"COLUMNS": "90", "TERM": "dumb"},
        )
        title = " ".join(["segue", *words])
        text = "\n".join(line.rstrip() for line in result.output.splitlines())
        parts.append(f"## {title}\n\n```\n{text.strip()}\n```\n")
    return "\n".join(parts)


def _commands(group: object, above: list[str]) -> list[list[str]]:
    """Return the commands of a group and of the groups in it, without hidden ones."""
    commands = []
    for name, command in sorted(getattr(group, "commands", {}).items()):
        if not command.hidden:
            commands += [[*above, name], *_commands(command, [*above, name])]
    return commands


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(reference(), encoding="utf-8")
