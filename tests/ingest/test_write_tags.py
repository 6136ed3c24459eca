from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest

from conftest import fill_described, fill_library, tune, write_sound
from segue.builtin_spaces import MUSICNN_TAGS, builtin_spaces
from segue.errors import BadArgument
from segue.ingest import tag_writing
from segue.io.tags import SEPARATOR, read_fields, write_fields
from segue.library import Library
from segue.records import Tags
from segue.store import Store

#: Little tunes of a few seconds, none of them certain: all is written that was found.
SURE: dict[str, Any] = {"min_confidence": 0.0, "all_sounds": True}


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
        planned = lib.file_tags.write(fields=["bpm", "key", "mood"], dry_run=True, **SURE)
        assert not read_fields(music / "b.flac")["key"]
        done = lib.file_tags.write(fields=["bpm", "key", "mood"], **SURE)
        assert done.changes == planned.changes
        assert done.kept == 1  # somebody said already how fast it is
        assert read_fields(music / "a.mp3")["bpm"] == "61"
        facts = {track.path.name: track.facts for track in lib.tracks()}
        for name in ("b.flac", "c.ogg"):
            assert read_fields(music / name)["bpm"] == str(round(float(facts[name]["tempo_bpm"])))
        # What it wrote itself is no news.
        report = lib.add([music], workers=1)
        assert (report.changed, report.added) == (0, 0)
        write_fields(music / "b.flac", {"mood": "furious"})
        undone = lib.file_tags.undo()
        assert not undone.failures
        assert read_fields(music / "b.flac") == {"bpm": "", "key": "", "mood": "furious"}
        assert read_fields(music / "a.mp3") == {"bpm": "61", "key": "", "mood": ""}
        with pytest.raises(BadArgument, match="not undone yet"):
            lib.file_tags.undo()
        over = lib.file_tags.write("a", fields=["bpm"], overwrite=True, **SURE)
        assert [change.before for change in over.changes] == ["61"]
        lib.file_tags.undo()
        assert read_fields(music / "a.mp3")["bpm"] == "61"


def test_a_tempo_of_0_counts_as_missing(music: Path) -> None:
    with Library.open(music / "library") as lib:
        write_fields(music / "a.mp3", {"bpm": "0"})
        lib.add([music], workers=1)
        done = lib.file_tags.write("a", fields=["bpm"], **SURE)
        assert (done.kept, [change.before for change in done.changes]) == (0, ["0"])
        lib.file_tags.undo()
        assert read_fields(music / "a.mp3")["bpm"] == "0"
        write_fields(music / "a.mp3", {"bpm": "61"})


def test_a_file_that_cannot_be_changed_costs_itself_alone(music: Path) -> None:
    with Library.open(music / "library") as lib:
        lib.add([music], workers=1)
        hidden = (music / "c.ogg").rename(music / "c.moved")
        try:
            done = lib.file_tags.write(fields=["key"], **SURE)
            assert [failure.path.name for failure in done.failures] == ["c.ogg"]
            assert {change.path.name for change in done.changes} == {"a.mp3", "b.flac"}
        finally:
            hidden.rename(music / "c.ogg")
        lib.file_tags.undo()
        with pytest.raises(BadArgument, match="--bpm, --key, --mood"):
            lib.file_tags.write(fields=[])


def test_a_file_that_changed_since_its_analysis_is_not_written(music: Path) -> None:
    with Library.open(music / "library") as lib:
        lib.add([music], workers=1)
        lib.file_tags.write("b", fields=["key"], **SURE)
        write_sound(music / "b.flac", tune(9, 8.0))  # another recording takes its place
        refused = lib.file_tags.write("b", fields=["bpm"], **SURE)
        assert "changed since it was added" in refused.failures[0].reason
        lib.file_tags.undo()
        assert lib.add([music], workers=1).changed == 1


def test_all_values_of_a_field_are_put_back(music: Path) -> None:
    song = mutagen.File(music / "b.flac")
    song["INITIALKEY"] = ["Am", "C", "8A"]
    song.save()
    with Library.open(music / "library") as lib:
        lib.add([music], workers=1)
        done = lib.file_tags.write("b", fields=["key"], overwrite=True, **SURE)
        assert [change.before.split(SEPARATOR) for change in done.changes] == [["Am", "C", "8A"]]
        assert len(mutagen.File(music / "b.flac")["INITIALKEY"]) == 1
        lib.file_tags.undo()
    assert mutagen.File(music / "b.flac")["INITIALKEY"] == ["Am", "C", "8A"]


def test_a_file_that_is_gone_bars_no_earlier_run(tmp_path: Path) -> None:
    for name in ("a.flac", "b.flac"):
        write_sound(tmp_path / name, tune(ord(name[0]), 4.0))
    with Library.open(tmp_path / "library") as lib:
        lib.add([tmp_path], workers=1)
        lib.file_tags.write(fields=["key"], **SURE)
        lib.file_tags.write("a", fields=["bpm"], **SURE)
        (tmp_path / "a.flac").unlink()
        for changes in (0, 1):
            undone = lib.file_tags.undo()
            assert len(undone.changes) == changes
            assert ["is gone" in failure.reason for failure in undone.failures] == [True]
        assert read_fields(tmp_path / "b.flac")["key"] == ""
        with pytest.raises(BadArgument, match="not undone yet"):
            lib.file_tags.undo()


def test_tags_on_a_disconnected_disk_stay_undoable(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    write_sound(disk / "a.flac", tune(1, 4.0))
    with Library.open(tmp_path / "library") as lib:
        lib.add([disk], workers=1)
        lib.file_tags.write(fields=["key"], **SURE)
        disk.rename(tmp_path / "away")
        assert "is its disk connected" in lib.file_tags.undo().failures[0].reason
        (tmp_path / "away").rename(disk)
        assert len(lib.file_tags.undo().changes) == 1
        assert read_fields(disk / "a.flac")["key"] == ""


def test_a_run_that_could_write_nothing_is_not_there_to_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise BadArgument("No space left on device")

    write_sound(tmp_path / "a.flac", tune(1, 4.0))
    with Library.open(tmp_path / "library") as lib:
        lib.add([tmp_path], workers=1)
        lib.file_tags.write(fields=["key"], **SURE)
        with monkeypatch.context() as broken:
            broken.setattr(tag_writing, "write_fields", full)
            assert [f.path.name for f in lib.file_tags.write(fields=["bpm"], **SURE).failures] == [
                "a.flac"
            ]
        assert [change.field for change in lib.file_tags.undo().changes] == ["key"]


def test_a_mood_is_written_only_where_one_stands_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tag_writing, "read_fields", lambda _: dict.fromkeys(("bpm", "key", "mood"), "")
    )

    def moods(folder: Path, party: list[float]) -> dict[str, str]:
        fill_library(folder, [Tags(str(i), "An artist", "An album") for i in range(len(party))])
        store = Store(folder, builtin_spaces("sound").values())
        strengths = np.zeros(len(MUSICNN_TAGS), np.float32)
        with store.transaction():
            for track, strength in enumerate(party, 1):
                strengths[MUSICNN_TAGS.index("party")] = strength
                store.spaces.put("tags", track, strengths)
        store.close()
        with Library.open(folder) as lib:  # its files are not there, and none is touched
            done = lib.file_tags.write(fields=["mood"], dry_run=True)
            return {change.path.stem: change.written for change in done.changes}

    assert moods(tmp_path / "three", [1.2, 1.5, 1.9]) == {"2": "party"}
    assert moods(tmp_path / "weak", [0.2, 0.5, 0.8]) == {}  # the most, and still little
    assert moods(tmp_path / "alike", [1.5, 1.5]) == {}
    assert moods(tmp_path / "one", [1.5]) == {}


def test_nothing_is_written_through_links(tmp_path: Path) -> None:
    album, mine = tmp_path / "album", tmp_path / "mine"
    for folder in (album, mine):
        folder.mkdir()
    song = write_sound(album / "song.flac", tune(1, 8.0))
    write_sound(mine / "a.flac", tune(2, 8.0))
    write_sound(mine / "b.flac", tune(3, 8.0))
    (mine / "secret").write_text("mine")
    before = {file: file.read_bytes() for file in mine.iterdir()}
    (album / "link.flac").symlink_to("../mine/a.flac")
    (album / "here.flac").symlink_to("song.flac")
    (album / "sub").symlink_to("../mine")
    (album / ".song.segue-partial.flac").symlink_to("../mine/secret")
    with Library.open(tmp_path / "library") as lib:
        lib.add([album], workers=1)
        done = lib.file_tags.write(fields=["bpm"], **SURE)
        assert {change.path for change in done.changes} == {song}
        reasons = {failure.path.name: failure.reason for failure in done.failures}
        assert "is a link to" in reasons["link.flac"]
        assert "is a link to" in reasons["here.flac"]
        assert "lies behind a link" in reasons["b.flac"]
        assert before == {file: file.read_bytes() for file in mine.iterdir()}
        assert not song.is_symlink()
        song.unlink()
        song.symlink_to("../mine/a.flac")  # since then
        assert "is a link to" in lib.file_tags.undo().failures[0].reason
    assert before == {file: file.read_bytes() for file in mine.iterdir()}


#: File: kind of sound, length, confidence of tempo and of key.
FOUND = {
    "sure": ("music", 200.0, 0.9, 0.9),
    "tempo alone": ("music", 200.0, 0.9, 0.4),
    "key alone": ("music", 200.0, 0.4, 0.9),
    "neither": ("music", 200.0, 0.4, 0.4),
    "podcast": ("speech", 200.0, 0.9, 0.9),
    "rain": ("noise", 200.0, 0.9, 0.9),
    "ring tone": ("music", 4.0, 0.9, 0.9),
}


@pytest.fixture
def uncertain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library of files that are not there; none is touched."""
    monkeypatch.setattr(
        tag_writing, "read_fields", lambda _: dict.fromkeys(("bpm", "key", "mood"), "")
    )
    monkeypatch.setattr(tag_writing, "_unchanged", lambda *_: True)
    fill_described(
        tmp_path,
        {
            title: (
                duration_s,
                {
                    "tempo_bpm": 119.6,
                    "tempo_confidence": tempo,
                    "key": "F# minor",
                    "key_confidence": key,
                    "sound_kind": kind,
                },
            )
            for title, (kind, duration_s, tempo, key) in FOUND.items()
        },
    )
    return Library.open(tmp_path)


def written(done: tag_writing.TagReport) -> set[tuple[str, str, str]]:
    return {(change.path.stem, change.field, change.written) for change in done.changes}


def test_uncertain_values_and_non_music_are_left_out_and_counted(
    uncertain: Library,
) -> None:
    with uncertain as lib:
        done = lib.file_tags.write(fields=["bpm", "key"], dry_run=True)
        assert written(done) == {
            ("sure", "bpm", "120"), ("sure", "key", "F#m"),
            ("tempo alone", "bpm", "120"), ("key alone", "key", "F#m"),
        }  # fmt: skip
        assert done.unsure == {"bpm": 2, "key": 2}
        assert done.not_music == 3


@pytest.mark.parametrize(
    ("least", "all_sounds", "changes"),
    [(0.0, False, 8), (0.4, False, 8), (0.41, False, 4), (0.95, False, 0), (0.0, True, 14)],
)
def test_the_confidence_can_be_set(
    uncertain: Library, least: float, all_sounds: bool, changes: int
) -> None:
    with uncertain as lib:
        done = lib.file_tags.write(
            fields=["bpm", "key"], min_confidence=least, all_sounds=all_sounds, dry_run=True
        )
        assert len(done.changes) == changes


@pytest.mark.parametrize(
    ("notation", "key"), [("standard", "F#m"), ("camelot", "11A"), ("openkey", "4m")]
)
def test_keys_are_written_in_the_chosen_notation(
    uncertain: Library, notation: tag_writing.KeyNotation, key: str
) -> None:
    with uncertain as lib:
        done = lib.file_tags.write("sure", fields=["key"], key_notation=notation, dry_run=True)
        assert written(done) == {("sure", "key", key)}
