import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import fill_library, write_sound
from segue.errors import BadArgument
from segue.explore.outliers import (
    DuplicatePair,
    _pairs_within_components,
    better_file,
    redundant_files,
)
from segue.io.audio import read_recording
from segue.library import Library
from segue.records import Span, Tags, Track


def test_duplicates_are_found_in_other_formats(tmp_path: Path, little_music: Path) -> None:
    music = tmp_path / "music"
    shutil.copytree(little_music, music)
    source = min(music.rglob("*.ogg"))
    shutil.copyfile(source, music / "equal.ogg")
    whole = read_recording(source, 44_100, lambda s: (Span(0.0, s),)).excerpts[0]
    write_sound(music / "other.mp3", whole[44_100:])
    with Library.open(tmp_path / "library") as lib:
        lib.add([music], workers=1)
        pairs = {
            frozenset((twin.first.path.name, twin.second.path.name)): twin
            for twin in lib.atlas.duplicates()
        }
    assert set(pairs) == {
        frozenset(pair)
        for pair in (
            (source.name, "equal.ogg"), (source.name, "other.mp3"), ("equal.ogg", "other.mp3")
        )
    }  # fmt: skip
    assert pairs[frozenset((source.name, "equal.ogg"))].same_content
    trimmed = pairs[frozenset((source.name, "other.mp3"))]
    assert not trimmed.same_content
    assert abs(trimmed.lag_s) == pytest.approx(1.0, abs=0.1)
    assert trimmed.similarity > 0.65


def test_outliers_are_distant(tmp_path: Path, library: Callable[[], Library]) -> None:
    tracks = [Tags(f"{a}{i}", a, a) for a in "ab" for i in range(12)]
    fill_library(tmp_path / "library", [*tracks, Tags("odd", "odd", "odd")])
    with library() as lib:
        first, *others = lib.atlas.outliers(3)
        assert first.track.tags.title == "odd"
        assert first.factor > 2
        assert all(other.factor < 1.5 for other in others)
        with pytest.raises(BadArgument, match="at least 1"):
            lib.atlas.outliers(0)
    fill_library(tmp_path / "two", tracks[:2])
    with Library.open(tmp_path / "two") as two:
        assert two.atlas.duplicates() == []
        with pytest.raises(BadArgument, match="it takes 3"):
            two.atlas.outliers()


def test_copies_of_copies_are_compared() -> None:
    assert _pairs_within_components([(0, 1), (1, 4), (2, 3)], 6) == {(0, 1), (0, 4), (1, 4), (2, 3)}
    assert _pairs_within_components([], 3) == set()


@pytest.mark.parametrize(
    ("first", "second", "better"),
    [
        (("a.flac", 30, 200), ("b.mp3", 9, 200), "first"),
        (("a.mp3", 3, 200), ("b.mp3", 8, 200), "second"),
        (("a.mp3", 5.0, 200), ("b.mp3", 5.5, 200), ""),
        (("a.opus", 3.0, 200), ("b.mp3", 3.2, 200), "first"),
        (("a.m4a", 25, 200), ("b.m4a", 5, 200), "first"),  # the first is ALAC
        (("a.flac", 20, 200), ("b.wav", 40, 200), ""),
        (("a.flac", 20, 150), ("b.mp3", 5, 200), "second"),  # cut
    ],
)
def test_the_better_of_two_files(
    tmp_path: Path, first: tuple[str, float, float], second: tuple[str, float, float], better: str
) -> None:
    track, other = (stored(tmp_path, number, *each) for number, each in enumerate((first, second)))
    assert better_file(track, other) == better
    assert better_file(other, track) == {"first": "second", "second": "first", "": ""}[better]


def test_redundant_files_are_all_but_the_best(tmp_path: Path) -> None:
    files = (("a.mp3", 3), ("b.flac", 30), ("c.mp3", 8), ("d.mp3", 3), ("e.mp3", 3))
    a, b, c, d, e = (stored(tmp_path, i + 1, *each, 200) for i, each in enumerate(files))
    pairs = [
        DuplicatePair(*two, 1.0, 0.0, 9.0, same_content=False)
        for two in ((a, c), (b, c), (a, b), (d, e))
    ]
    assert [track.path.name for track in redundant_files(pairs)] == ["a.mp3", "c.mp3", "e.mp3"]
    assert redundant_files([]) == []


def stored(folder: Path, number: int, name: str, megabytes: float, seconds: float) -> Track:
    with (folder / name).open("wb") as file:
        file.truncate(round(1e6 * megabytes))
    facts: dict[str, float | str] = {"sample_rate_hz": 44_100.0}
    return Track(number, "sound", folder / name, Tags(name), seconds, "", facts=facts)
