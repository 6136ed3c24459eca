from pathlib import Path

import pytest

from conftest import tune, write_sound
from segue.errors import BadArgument
from segue.formats.tagging import read_fields, write_fields
from segue.library import Library


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for seed, name in enumerate(("a.mp3", "b.flac", "c.ogg")):
        write_sound(folder / name, tune(seed, 8.0))
    with Library.open(folder / "library") as lib:
        lib.add([folder], workers=1)
    return folder


def test_write_and_undo(music: Path) -> None:
    with Library.open(music / "library") as lib:
        write_fields(music / "a.mp3", {"bpm": "61"})
        lib.add([music], workers=1)
        told = lib.write_tags(fields=["bpm", "key", "mood"], dry_run=True)
        assert not read_fields(music / "b.flac")["key"]
        done = lib.write_tags(fields=["bpm", "key", "mood"])
        assert done.changes == told.changes
        assert done.kept == 1  # somebody said already how fast it is
        assert read_fields(music / "a.mp3")["bpm"] == "61"
        facts = {track.path.name: track.facts for track in lib.tracks()}
        for name in ("b.flac", "c.ogg"):
            assert read_fields(music / name)["bpm"] == str(round(float(facts[name]["tempo_bpm"])))
        # What it wrote itself is no news.
        report = lib.add([music], workers=1)
        assert (report.changed, report.added) == (0, 0)
        write_fields(music / "b.flac", {"mood": "furious"})
        undone = lib.undo_tags()
        assert not undone.failures
        assert read_fields(music / "b.flac") == {"bpm": "", "key": "", "mood": "furious"}
        assert read_fields(music / "a.mp3") == {"bpm": "61", "key": "", "mood": ""}
        with pytest.raises(BadArgument, match="not undone yet"):
            lib.undo_tags()
        over = lib.write_tags("a", fields=["bpm"], overwrite=True)
        assert [change.before for change in over.changes] == ["61"]
        lib.undo_tags()
        assert read_fields(music / "a.mp3")["bpm"] == "61"


def test_a_file_that_cannot_be_changed_costs_itself_alone(music: Path) -> None:
    with Library.open(music / "library") as lib:
        lib.add([music], workers=1)
        hidden = (music / "c.ogg").rename(music / "c.moved")
        try:
            done = lib.write_tags(fields=["key"])
            assert [failure.path.name for failure in done.failures] == ["c.ogg"]
            assert {change.path.name for change in done.changes} == {"a.mp3", "b.flac"}
        finally:
            hidden.rename(music / "c.ogg")
        lib.undo_tags()
        with pytest.raises(BadArgument, match="--bpm, --key, --mood"):
            lib.write_tags(fields=[])


def test_a_file_that_changed_is_not_taken_for_the_one_that_was_heard(music: Path) -> None:
    with Library.open(music / "library") as lib:
        lib.add([music], workers=1)
        lib.write_tags("b", fields=["key"])
        write_sound(music / "b.flac", tune(9, 8.0))  # another recording takes its place
        refused = lib.write_tags("b", fields=["bpm"])
        assert "changed since it was added" in refused.failures[0].reason
        lib.undo_tags()
        assert lib.add([music], workers=1).changed == 1
