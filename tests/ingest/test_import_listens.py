import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from conftest import fill_library
from segue import Library
from segue.errors import NotFound
from segue.records import Tags

pytest.importorskip("implicit")

TRACKS = [Tags(f"Song {n}", "AB"[n % 2], f"Album {n % 2}") for n in range(8)]


@pytest.fixture
def lib(tmp_path: Path) -> Library:
    fill_library(tmp_path / "library", TRACKS)
    return Library.open(tmp_path / "library")


def csv(folder: Path, *rows: str) -> Path:
    path = folder / "plays.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def two_tastes() -> list[str]:
    """Even users play the tracks 1, 3, 5, 7, the others 2, 4, 6, 8."""
    return [
        f"user {user},{track},{user + track}"
        for user in range(8)
        for track in range(1 + user % 2, 9, 2)
        if track != user
    ]


def test_ids_paths_and_names_become_listens(lib: Library, tmp_path: Path) -> None:
    report = lib.import_listens(
        [
            csv(
                tmp_path,
                "me,1,5",
                "me,A - Song 0,2",
                "me,/music/A/Album 0/Song 0.ogg,1",
                "me,file:///music/A/Album%200/Song%202.ogg,1",
                "me,Song 4,1",
                "me,99,1",
                "me,B - Unknown,7",
            )
        ]
    )
    file = report.files[0]
    assert (file.listens, file.plays_new, file.invalid) == (6, 17, 1)
    assert [(f.place, f.reason) for f in file.first_invalid] == [
        ("line 6", "no track 99 in this library")
    ]
    assert report.summary.matched_plays == 10
    assert report.summary.unmatched[0].name == "B - Unknown"


def test_the_same_file_counts_once(lib: Library, tmp_path: Path) -> None:
    file = csv(tmp_path, *two_tastes(), "me,1,1,2020-02-01T12:34:00Z")
    first, again = (lib.import_listens([file]) for _ in range(2))
    assert again.files[0].plays_new == 0
    assert again.summary == first.summary
    ids, vectors = lib.vectors("listens")
    lib.import_listens([file])
    assert np.array_equal(lib.vectors("listens")[1], vectors)
    assert ids.tolist() == list(range(1, 9))


def test_a_track_that_is_added_later_is_matched(lib: Library, tmp_path: Path) -> None:
    file = csv(tmp_path, "me,C - New,3", "me,1,1")
    assert lib.import_listens([file]).summary.matched_plays == 1
    lib.close()
    fill_library(tmp_path / "library", [Tags("New", "C", "Newest")])
    with Library.open(tmp_path / "library") as later:
        assert later.listens().matched_plays == 4


def test_the_space_of_listens_is_trained_and_searched(lib: Library, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no space is called 'listens'"):
        lib.like(1, space="listens")
    lib.import_listens([csv(tmp_path, *two_tastes())])
    hits = lib.like(1, space="listens")
    assert [hit.track.tags.artist for hit in hits[:3]] == ["A", "A", "A"]
    assert {hit.reasons[0].name for hit in hits} == {"listeners"}
    assert {info.space.name for info in lib.spaces() if info.trained} == {"listens"}


def test_a_space_that_cannot_be_trained_any_more_is_removed(lib: Library, tmp_path: Path) -> None:
    lib.import_listens([csv(tmp_path, *two_tastes())])
    lib.remove([1, 2, 3, 4, 5, 6, 7])
    report = lib.import_listens([csv(tmp_path, "me,8,1")])
    assert "at least two users" in str(report.learned)
    assert "listens" not in {info.space.name for info in lib.spaces()}


def test_whose_listens_they_are(lib: Library, tmp_path: Path) -> None:
    export = tmp_path / "export.zip"
    names = {"artist_name": "A", "track_name": "Song 0", "mbid_mapping": None}
    with zipfile.ZipFile(export, "w") as archive:
        archive.writestr("user.json", '{"user_id": 1, "username": "rob"}')
        line = json.dumps({"listened_at": 1_580_560_440, "track_metadata": names})
        archive.writestr("listens/2020/2.jsonl", line)
    last_fm = tmp_path / "scrobbles.csv"
    last_fm.write_text('A,Album 0,Song 0,"01 Feb 2020, 12:34"\n')
    assert lib.import_listens([export, last_fm]).summary.users == 2  # rob, and me
    report = lib.import_listens([last_fm], user="rob")
    assert report.files[0].plays_new == 0  # the same second of the same user


def test_a_file_of_no_known_form_does_not_stop_the_others(lib: Library, tmp_path: Path) -> None:
    (tmp_path / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    report = lib.import_listens(
        [tmp_path / "cover.jpg", tmp_path / "gone", csv(tmp_path, "me,1,1")]
    )
    assert [failure.path.name for failure in report.failures] == ["cover.jpg", "gone"]
    assert "Segue reads: CSV" in report.failures[0].reason
    assert report.summary.plays == 1


def test_a_file_that_fails_is_imported_not_at_all(
    lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segue.io import listens

    monkeypatch.setattr(listens, "MAX_UNPACKED_BYTES", 100_000)
    names = {"artist_name": "A", "track_name": "Song 0"}
    line = json.dumps({"listened_at": 1_580_560_440, "track_metadata": names})
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("listens/2020/2.jsonl", "\n".join([line] * 10_000))
    report = lib.import_listens([tmp_path / "bomb.zip"])
    assert "unpacks to more" in report.failures[0].reason
    assert report.summary.plays == 0


def test_the_first_invalid_rows_are_reported(lib: Library, tmp_path: Path) -> None:
    file = csv(tmp_path, "me,1,1", *["me,1,x"] * 20)
    report = lib.import_listens([file]).files[0]
    assert report.invalid == 20
    assert [fault.place for fault in report.first_invalid] == [f"line {n}" for n in range(2, 7)]


def test_no_row_ends_an_import(lib: Library, tmp_path: Path) -> None:
    """Whatever stands in it: it is a listen, or a broken row, and the others are read."""
    long = "Sonata " * 60
    rows = [
        "me,1,5",
        f"me,{long},2",  # longer than names of files may be
        "me,file://[::1/x,1",
        "me,file:///" + "%41" * 200 + ",1",
        "me,a\0b,1",
        "me,../" * 3 + "x.mp3,1",
        "me," + "9" * 400 + ",1",
        "me,1," + "9" * 400,
        "me,1," + "0" * 11 + "1" + "9" * 30,
        "me,2,1",
    ]
    file = lib.import_listens([csv(tmp_path, *rows)]).files[0]
    assert file.listens + file.invalid == len(rows)
    reasons = {row.place: row.reason for row in file.first_invalid}
    assert "no address of a file" in reasons["line 3"]
    assert file.listens >= 4


def test_half_characters_do_not_end_an_import(lib: Library, tmp_path: Path) -> None:
    path = tmp_path / "spotify.json"
    played = {"master_metadata_album_artist_name": "A", "ms_played": 60_000}
    played["ts"] = "2020-01-01T00:00:00Z"
    names = ("Song 1", "half \ud83d", "Song 3")
    entries = [played | {"master_metadata_track_name": name} for name in names]
    path.write_text(json.dumps(entries))
    assert lib.import_listens([path]).files[0].listens == 3
