"""What is random draws a new seed, says it, and comes out the same with it; with one thread."""

import re
from pathlib import Path

import pytest
import torch
from test_cli import segue

from conftest import little_score, write_score

#: What each command needs beside -o, and what it writes.
MADE = {
    "compose": (["--bars", "1", "--instruments", "piano"], "new.mid"),
    "melody": (["C | G7 | C", "-n", "1"], "new.mid"),
    "harmonise": (["{tune}", "--style", "chords"], "new.mid"),
    "write": (["--artist", "burns", "--lines", "2"], "new.txt"),
    "duet": (["burns", "dickinson", "--lines", "2"], "new.txt"),
    "sample": (["-n", "1", "--sketch"], "new"),
}


FROM_SCORES = ("compose", "harmonise", "melody", "blend")


@pytest.mark.parametrize("command", MADE)
def test_a_new_seed_is_drawn_printed_and_reproduces_the_output(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune = write_score(tmp_path / "tune.mid", little_score(1, 2))
    monkeypatch.setattr("segue.cli.app.secrets.randbelow", lambda _: 8)
    torch.set_num_threads(2)
    options, name = MADE[command]
    arguments = [option.format(tune=tune) for option in options]
    result = []
    for turn, seed in enumerate(([], ["--seed", "8"])):
        target = tmp_path / str(turn) / name
        target.parent.mkdir()
        done = segue(command, *arguments, *seed, "-o", target, library=tmp_path / "none")
        assert done.returncode == 0, done.stderr
        assert re.search(r"\bseed 8: the same again with --seed 8$", done.stdout, re.MULTILINE)
        file = target / "sample-1.mid" if command == "sample" else target
        result.append(file.read_bytes())
    assert result[0] == result[1]
    assert torch.get_num_threads() == 1


def test_the_number_of_threads_is_set(tmp_path: Path) -> None:
    result = segue(
        "sample", "-n", "1", "--sketch", "--threads", "2", "-o", tmp_path, library=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    "command",
    [
        ["compose", "{file}", "-o", "{out}.mid"],
        ["harmonise", "{file}", "-o", "{out}.mid"],
        ["melody", "{file}", "-o", "{out}.mid"],
        ["show", "{file}"],
        ["reconstruct", "{file}", "-o", "{out}.png"],
        ["blend", "{file}", "{file}", "-o", "{out}"],
        ["like", "{file}"],
        ["explain", "{file}", "{file}"],
        ["path", "{file}", "{file}"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("name", ["none.mid", "./none", "sub/none.txt", "folder"])
def test_a_missing_file_is_reported(
    command: list[str], name: str, tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    given = [part.format(file=name, out=tmp_path / "out") for part in command]
    done = segue(*given, library=filled)
    assert done.returncode in (1, 2)
    message = "is a folder" if name == "folder" else f"there is no file {Path(name)}"
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "name", "what"),
    [
        *((command, "song.txt", " is lyrics") for command in (*FROM_SCORES, "reconstruct")),
        # A recording is transcribed, if it is one.
        *((command, "song.wav", ": cannot be decoded") for command in FROM_SCORES),
    ],
)
def test_a_file_that_is_no_score_is_refused(
    command: str, name: str, what: str, tmp_path: Path, filled: Path
) -> None:
    (tmp_path / name).write_text("One line\nand another\n")
    file = [tmp_path / name] * (2 if command == "blend" else 1)
    done = segue(command, *file, "-o", tmp_path / "out.mid", library=filled)
    assert done.returncode in (1, 2)
    assert f"{tmp_path / name}{what}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_book_of_poems_in_the_library_is_no_score(tmp_path: Path) -> None:
    poems = "\n\n\n".join(f"POEM {n}\n\nThe line {n} of it\nand the next" for n in "ABCD")
    (tmp_path / "book.txt").write_text(poems)
    library = tmp_path / "library"
    assert segue("add", tmp_path / "book.txt", library=library).returncode == 0
    done = segue("compose", tmp_path / "book.txt", "-o", tmp_path / "o.mid", library=library)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is lyrics, not a score; name a score" in done.stderr


@pytest.mark.parametrize("command", ["compose", "harmonise", "show"])
def test_without_a_library_a_missing_file_is_missing(command: str, tmp_path: Path) -> None:
    out: list[str | Path] = [] if command == "show" else ["-o", tmp_path / "out.mid"]
    done = segue(command, "nowhere.mid", *out, library=tmp_path / "none")
    assert "there is no file nowhere.mid" in done.stderr
    (tmp_path / "link.mid").symlink_to(tmp_path / "gone.mid")
    done = segue(command, tmp_path / "link.mid", *out, library=tmp_path / "none")
    assert "link to nothing" in done.stderr
    done = segue(command, "no such title", *out, library=tmp_path / "none")
    assert "this library is empty" in done.stderr
