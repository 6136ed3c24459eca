"""`segue compose` as its user meets it, with the network that comes along."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cli import answer, segue

from conftest import little_score, write_score
from segue.generate.compose.tokens import Bar
from segue.io.midi import read_midi
from segue.io.scores import read_scores
from segue.records import Score


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_score(tmp_path_factory.mktemp("prompt") / "tune.mid", little_score(1, 6))


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nowhere")


def test_a_score_is_continued_and_reported(prompt: Path, nowhere: Path, tmp_path: Path) -> None:
    target, report = tmp_path / "more.mid", tmp_path / "report.json"
    document = answer(
        *("compose", prompt, "--bars", "2", "--seed", "0", "-o", target, "--png"),
        *("--report", report),
        library=nowhere,
    )
    (one,) = document["compositions"]
    assert [Path(file).name for file in one["files"]] == ["more.mid", "more.png"]
    before, after = (read_midi(file.read_bytes()) for file in (prompt, target))
    assert after.parts[0].notes[: len(before.parts[0].notes)].tolist() == (
        before.parts[0].notes.tolist()
    )
    assert (tmp_path / "more.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads(report.read_text())
    assert written == one
    assert written["to_reproduce"]["seed"] == 0
    assert written["longest_passage_shared"]["bars"] <= 4


def test_from_nothing_the_same_seed_gives_the_same_music(nowhere: Path, tmp_path: Path) -> None:
    arguments = ("--bars", "2", "--instruments", "piano,bass", "--key", "Dm", "--tempo", "96")
    files = [tmp_path / name for name in ("one.musicxml", "two.musicxml")]
    for file in files:
        done = segue(
            "compose", *arguments, "--metre", "3/4", "--seed", "5", "-o", file, library=nowhere
        )
        assert done.returncode == 0, done.stderr
    (one,), (two,) = (read_scores(file) for file in files)
    assert isinstance(one, Score)
    assert isinstance(two, Score)
    assert [part.notes.tolist() for part in one.parts] == [p.notes.tolist() for p in two.parts]
    assert one.time_signatures[0].tolist() == [0, 3, 4]
    assert {part.program for part in one.parts} <= {0, 33}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--bars", "0"], 2, "from 1 to 10,000"),
        (["--bars", "10001"], 2, "from 1 to 10,000"),
        (["--temperature", "-1"], 2, "a temperature of"),
        (["--top-p", "0"], 2, "top-p"),
        (["--key", "H"], 2, "no key"),
        (["--time-signature", "4/3"], 2, "is not supported"),
        (["--tempo", "9999"], 2, "a tempo of"),
        (["--instruments", "pianoo"], 2, "did you mean"),
        (["--chords", "Dm7 | Hm"], 2, "'Hm' is no chord; did you mean"),
        (["--sections", "intro 4, verse"], 2, "no section 'verse'"),
        (["--sections", "intro 4, verse 8", "--bars", "16"], 2, "the sections have 12 bars"),
        (["--form", "AAB", "--bars", "16"], 2, "do not divide"),
        (["--form", "AAB", "--sections", "intro 4"], 2, "give one of them"),
        (["--style", "bosa"], 2, "did you mean bossa"),
        (["--style", "rock", "--time-signature", "3/4"], 2, "those in 3/4 are waltz"),
        (["--melody", "{prompt}", "--bars", "4"], 2, "leave out --bars"),
        (["--melody", "{prompt}.txt"], 1, "there is no file"),
        (["--motif", "{prompt}", "--bars", "2"], 2, "leaves no room for a motif"),
        (["--infill", "2-3"], 2, "need a score"),
        (["--add", "bass"], 2, "need a score"),
        (["--max-copy", "0"], 2, "bars copied"),
        (["--model", "none"], 1, "train score --preset transformer"),
        (["{prompt}", "--infill", "five"], 2, "as 5-8"),
        (["{prompt}", "--infill", "5-9"], 2, "the score has 6"),
        (["{prompt}", "--infill", ""], 2, "as 5-8"),
        (["{prompt}", "--infill", "2", "--bars", "4"], 2, "leave --bars out"),
        (["{prompt}", "--add", "violin"], 2, "plays already"),
        (["{broken}"], 1, "broken.mid"),
        (["{empty}"], 1, "empty.mid"),
    ],
)
def test_invalid_arguments_are_refused(
    prompt: Path, nowhere: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (prompt.parent / "broken.mid").write_bytes(b"MThd and then nothing")
    (prompt.parent / "empty.mid").write_bytes(b"")
    files = {name: str(prompt.parent / f"{name}.mid") for name in ("broken", "empty")}
    given = [one.format(prompt=prompt, **files) for one in arguments]
    done = segue("compose", *given, "-o", tmp_path / "new.mid", library=nowhere)
    assert message in done.stderr
    assert done.returncode == code, done.stderr
    assert not list(tmp_path.iterdir())


def test_midi_is_humanised_and_notation_is_not(nowhere: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("played.mid", "written.musicxml")]
    arguments = ("compose", "--bars", "1", "--instruments", "piano,drums", "--seed", "1")
    document = answer(
        *(*arguments, "--humanise", "1", "--swing", "0.6", "-o", files[0], "-o", files[1]),
        library=nowhere,
    )
    (one,) = document["compositions"]
    assert one["to_reproduce"]["humanise"] == 1
    assert one["to_reproduce"]["swing"] == 0.6
    played = read_midi(files[0].read_bytes())
    (written,) = read_scores(files[1])
    assert isinstance(written, Score)
    unit, played_unit = written.ticks_per_quarter, played.ticks_per_quarter
    assert all((part.notes[:, 0] * 12 % unit == 0).all() for part in written.parts)
    assert any((part.notes[:, 0] * 12 % played_unit != 0).any() for part in played.parts)
    for wrong in (("--swing", "0.8"), ("--humanise", "2")):
        done = segue(*arguments, *wrong, "-o", files[0], library=nowhere)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


def test_takes_are_compared_and_one_is_gone_on_with(nowhere: Path, tmp_path: Path) -> None:
    arguments = ("compose", "--bars", "1", "--instruments", "piano", "--key", "Dm", "--seed", "2")
    document = answer(*arguments, "--takes", "2", "-o", tmp_path / "a.mid", library=nowhere)
    assert sorted(document["takes"]["ranking"]) == [1, 2]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a-1.mid", "a-2.mid", "a.html", "a.takes.json"}
    document = answer(
        *("compose", tmp_path / "a.mid", "--keep", "2", "--bars", "1", "--seed", "3"),
        library=nowhere,
    )
    assert [Path(file).name for file in document["compositions"][0]["files"]] == ["a-2-more.mid"]
    take, longer = (
        read_midi((tmp_path / name).read_bytes()) for name in ("a-2.mid", "a-2-more.mid")
    )
    notes = take.parts[0].notes
    assert longer.parts[0].notes[: len(notes)].tolist() == notes.tolist()
    assert longer.keys[-1, 1:].tolist() == take.keys[-1, 1:].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name one, as -o new.mid"),
        (["{folder}/a.takes.json", "-o", "b.mid"], "choose one of them, as --keep 2"),
        (["{folder}/b.mid", "--keep", "1"], "there is no file"),
        (["--takes", "2", "-n", "2", "-o", "{folder}/b.mid"], "give one of them"),
    ],
)
def test_takes_are_not_guessed(
    nowhere: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = segue("compose", *(each.format(folder=tmp_path) for each in arguments), library=nowhere)
    assert message in done.stderr
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


def test_after_an_interruption_the_finished_takes_are_there(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segue.generate.compose.composition import Composition

    generate, pieces = Composition.__iter__, []

    def interrupted(piece: Composition) -> Iterator[Bar]:
        pieces.append(piece)
        yield from generate(piece)
        if len(pieces) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Composition, "__iter__", interrupted)
    arguments = ("--bars", "1", "--instruments", "piano", "--seed", "2", "--takes", "3")
    document = answer("compose", *arguments, "-o", tmp_path / "a.mid", library=nowhere, code=130)
    assert document["takes"]["ranking"] == [1]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a-1.mid", "a.html", "a.takes.json"}
