import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import fill_library, write_sound
from segue.atlas.odd import _within_circles
from segue.errors import BadArgument
from segue.formats.sound import read_sound
from segue.library import Library
from segue.records import Span, Tags


def test_twins_are_found_in_other_formats(tmp_path: Path, little_music: Path) -> None:
    music = tmp_path / "music"
    shutil.copytree(little_music, music)
    source = min(music.rglob("*.ogg"))
    shutil.copyfile(source, music / "equal.ogg")
    whole = read_sound(source, 44_100, lambda s: (Span(0.0, s),)).excerpts[0]
    write_sound(music / "other.mp3", whole[44_100:])
    with Library.open(tmp_path / "library") as lib:
        lib.add([music], workers=1)
        found = {
            frozenset((twin.first.path.name, twin.second.path.name)): twin
            for twin in lib.atlas.twins()
        }
    assert set(found) == {
        frozenset(pair)
        for pair in (
            (source.name, "equal.ogg"), (source.name, "other.mp3"), ("equal.ogg", "other.mp3")
        )
    }  # fmt: skip
    assert found[frozenset((source.name, "equal.ogg"))].same_content
    trimmed = found[frozenset((source.name, "other.mp3"))]
    assert not trimmed.same_content
    assert abs(trimmed.lag_s) == pytest.approx(1.0, abs=0.1)
    assert trimmed.likeness > 0.65


def test_outliers_lie_apart(tmp_path: Path, library: Callable[[], Library]) -> None:
    tracks = [Tags(f"{a}{i}", a, a) for a in "ab" for i in range(12)]
    fill_library(tmp_path / "library", [*tracks, Tags("odd", "odd", "odd")])
    with library() as lib:
        first, *others = lib.atlas.outliers(3)
        assert first.track.tags.title == "odd"
        assert first.apart > 2
        assert all(other.apart < 1.5 for other in others)
        with pytest.raises(BadArgument, match="at least 1"):
            lib.atlas.outliers(0)
    fill_library(tmp_path / "two", tracks[:2])
    with Library.open(tmp_path / "two") as two:
        assert two.atlas.twins() == []
        with pytest.raises(BadArgument, match="it takes 3"):
            two.atlas.outliers()


def test_copies_of_copies_are_compared_too() -> None:
    assert _within_circles([(0, 1), (1, 4), (2, 3)], 6) == {(0, 1), (0, 4), (1, 4), (2, 3)}
    assert _within_circles([], 3) == set()
