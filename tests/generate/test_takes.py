"""The file of takes: what it keeps, what is refused, and which file is meant."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import little_score
from segue.errors import BadArgument
from segue.generate.compose.takes import Take, TakeSet, find_takes, takes_path


def make_takes(*probabilities: float | None) -> TakeSet:
    takes = [
        Take(little_score(seed, 4), 4, (f"more-{seed}.mid",), {"probability_real": probability})
        for seed, probability in enumerate(probabilities)
    ]
    return TakeSet(2, 5, takes)


def test_a_file_of_takes_is_read_as_it_was_written(tmp_path: Path) -> None:
    takes = make_takes(0.25, None)
    takes.save(tmp_path / "more.takes.json")
    read = TakeSet.load(tmp_path / "more.takes.json")
    assert (read.first, read.key, len(read.takes)) == (2, 5, 2)
    for before, after in zip(takes.takes, read.takes, strict=True):
        assert (before.last, before.files, before.report) == (after.last, after.files, after.report)
        for part, again in zip(before.score.parts, after.score.parts, strict=True):
            assert (part.name, part.program) == (again.name, again.program)
            assert part.notes.tolist() == again.notes.tolist()


def test_takes_keep_their_chord_symbols(tmp_path: Path) -> None:
    score = replace(little_score(1, 4), chords=((0, "Dm7"), (48, "N.C.")))
    path = tmp_path / "more.takes.json"
    TakeSet(2, 5, [Take(score, 4, (), {})]).save(path)
    assert TakeSet.load(path)[1].score.chords == score.chords
    fields = json.loads(path.read_text())
    del fields["takes"][0]["chords"]  # of an earlier version
    path.write_text(json.dumps(fields))
    assert TakeSet.load(path)[1].score.chords == ()
    for wrong in ([[0, "H7"]], [[-1, "C"]], [["C"]], [[0, 3]], 7):
        fields["takes"][0]["chords"] = wrong
        path.write_text(json.dumps(fields))
        with pytest.raises(BadArgument, match="is damaged, or no file of takes"):
            TakeSet.load(path)


def test_the_take_that_looks_most_real_is_first() -> None:
    assert make_takes(0.2, 0.7, 0.4).ranking() == [2, 3, 1]
    assert make_takes(None, None).ranking() == [1, 2]


def test_takes_are_numbered_from_one() -> None:
    for number in (0, 3, -1):
        with pytest.raises(BadArgument, match="there are takes 1 to 2"):
            make_takes(None, None)[number]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "something else"},
        {"version": 2},
        {"takes": []},
        {"takes": 3},
        {"first": 9},
        {"first": float("inf")},
        {"key": 24},
        {"takes": [{"midi": "?", "last": 4, "files": [], "report": {}}]},
        {"takes": [{"midi": "TVRoZA==", "last": 4, "files": [], "report": {}}]},
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "more.takes.json"
    make_takes(None).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadArgument, match="is damaged, or no file of takes"):
        TakeSet.load(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_no_content_is_a_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "more.takes.json"
    path.write_bytes(content)
    with pytest.raises(BadArgument, match="is damaged, or no file of takes"):
        TakeSet.load(path)


def test_takes_are_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="there are no takes in this folder"):
        find_takes(None, tmp_path)
    first, second = (takes_path(tmp_path / name) for name in ("one.mid", "two.musicxml"))
    assert (first.name, second.name) == ("one.takes.json", "two.takes.json")
    first.touch()
    assert find_takes(None, tmp_path) == first
    second.touch()
    with pytest.raises(BadArgument, match=r"\(one.takes.json, two.takes.json\); name one"):
        find_takes(None, tmp_path)
    assert find_takes(str(tmp_path / "two.mid"), tmp_path) == second
    assert find_takes(str(first), tmp_path) == first
    with pytest.raises(BadArgument, match="there is no file"):
        find_takes(str(tmp_path / "three.mid"), tmp_path)
