import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import Unreadable
from segue.io import listens as exports
from segue.io import listens as rows
from segue.io.listens import InvalidRow, Listen, Row, SkippedRow, read_listens

AT_S = 1_580_560_440  # 2020-02-01 12:34:00 UTC

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1).filter(
    lambda name: '"' not in name
)


def read(path: Path, content: str | bytes) -> list[Row]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_listens(path))


def read_anywhere(content: bytes) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return read(Path(folder) / "listens", content)


def listenbrainz(path: Path, months: dict[str, Sequence[Any]], user: object = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if user is not None:
            archive.writestr("user.json", json.dumps({"user_id": 1, "username": user}))
        for name, lines in months.items():
            text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
            archive.writestr(f"listens/{name}.jsonl", text + "\n")
        archive.writestr("feedback.jsonl", "{}\n")
    return path


def brainz(artist: str, title: str, at: object = AT_S) -> dict[str, Any]:
    names = {"artist_name": artist, "track_name": title, "release_name": "An Album"}
    return {"listened_at": at, "track_metadata": {**names, "mbid_mapping": None}}


# ---- CSV ---------------------------------------------------------------------------------------


def test_segue_s_own_columns(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "plays.csv",
        "anna,12,3\nbert,music/a song.mp3,1,2020-02-01T12:34:00Z\nanna,Björk - Jóga,2,\n",
    )
    assert rows == [
        Listen(track="12", user="anna", plays=3, place="line 1"),
        Listen(track="music/a song.mp3", user="bert", at_s=AT_S, place="line 2"),
        Listen(track="Björk - Jóga", user="anna", plays=2, place="line 3"),
    ]


def test_a_header_a_byte_order_mark_and_semicolons(tmp_path: Path) -> None:
    rows = read(tmp_path / "plays.csv", b"\xef\xbb\xbfuser;track;plays\r\nanna;12;3\r\n\r\n")
    assert rows == [Listen(track="12", user="anna", plays=3, place="line 2")]


def test_windows_1252(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "scrobbles.csv", "Björk,Homogenic,Jóga,01 Feb 2020 12:34\n".encode("cp1252")
    )
    assert rows == [Listen("Björk", "Jóga", at_s=AT_S)]


def test_last_fm_with_a_header(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "scrobbles.csv",
        "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
        f'"{AT_S}","01 Feb 2020, 12:34","AC/DC","","Back in Black","","Hells ""Bells""",""\n',
    )
    assert rows == [Listen("AC/DC", 'Hells "Bells"', at_s=AT_S)]


def test_last_fm_without_a_header_and_an_artist_in_brackets(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "scrobbles.csv",
        '[unknown],,Untitled,"01 Feb 2020, 12:34"\nPrince,1999,1999,01 Feb 2020 12:34\nX,Y,Z,\n',
    )
    assert rows == [
        Listen("[unknown]", "Untitled", at_s=AT_S),
        Listen("Prince", "1999", at_s=AT_S),
        Listen("X", "Z"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("anna,12,often", "'often' is no number of plays"),
        ("anna,12,0", "'0' is no number of plays"),
        ("anna,12,-1", "no number of plays"),
        ("anna,12,99999999999999999999", "no number of plays"),
        ("anna,12,1,soon", "'soon' is no time"),
        ("anna,12,1,-5", "is no time"),
        ("anna,,1", "no track"),
        (",12,1", "no user"),
        ("anna,12", "2 columns"),
        ('anna,"12,1', "quotation marks"),
        ("anna,12,1," + "9" * 40, "no time"),
    ],
)
def test_an_invalid_row_does_not_affect_others(tmp_path: Path, row: str, reason: str) -> None:
    rows = read(tmp_path / "plays.csv", f"anna,1,1\nanna,2,2\n{row}\nanna,3,3\n")
    broken = rows[2]
    assert isinstance(broken, InvalidRow)
    assert broken.place == "line 3"
    assert reason in broken.reason
    assert [row.track for row in rows if isinstance(row, Listen)] == ["1", "2", "3"]


def test_a_line_without_an_end_is_one_invalid_row(tmp_path: Path) -> None:
    rows = read(tmp_path / "plays.csv", "anna,1,1\nanna," + "x" * 3_000_000 + "\nanna,3,3\n")
    assert [type(row) for row in rows] == [Listen, InvalidRow, Listen]


def test_names_are_fit_for_a_terminal(tmp_path: Path) -> None:
    rows = read(tmp_path / "scrobbles.csv", f"A\x1b[31mB,C,{'x' * 900},\n")
    assert rows == [Listen("A [31mB", "x" * 500)]


@settings(max_examples=30)
@given(st.lists(st.tuples(NAMES, NAMES, st.integers(0, 2**32)), min_size=1, max_size=8))
def test_last_fm_comes_back_as_written(listens: list[tuple[str, str, int]]) -> None:
    text = "uts,artist,track\n" + "".join(f'{at},"{a}","{t}"\n' for a, t, at in listens)
    rows = read_anywhere(text.encode())
    assert rows == [Listen(a[:500], t[:500], at_s=at) for a, t, at in listens]


# ---- ListenBrainz ------------------------------------------------------------------------------


def test_listenbrainz_in_order_of_months(tmp_path: Path) -> None:
    path = listenbrainz(
        tmp_path / "export.zip",
        {
            "2020/10": [brainz("C", "third", AT_S + 2)],
            "2020/2": [brainz("A", "first"), brainz("B", "second", float(AT_S + 1))],
        },
        user="rob",
    )
    assert list(read_listens(path)) == [
        Listen("A", "first", user="rob", at_s=AT_S),
        Listen("B", "second", user="rob", at_s=AT_S + 1),
        Listen("C", "third", user="rob", at_s=AT_S + 2),
    ]


def test_listenbrainz_with_broken_lines(tmp_path: Path) -> None:
    path = listenbrainz(
        tmp_path / "export.zip",
        {
            "2020/2": [
                "{cut short",
                [],
                {"listened_at": AT_S},
                {"listened_at": AT_S, "track_metadata": {"artist_name": 5, "track_name": "x"}},
                {"listened_at": "soon", "track_metadata": {"artist_name": "A", "track_name": "x"}},
                "[" * 100_000,
                brainz("A", ""),
                brainz("A", "well", None),
            ]
        },
        user={"not": "a name"},
    )
    rows = list(read_listens(path))
    assert [row.place for row in rows if isinstance(row, InvalidRow)] == [
        f"listens/2020/2.jsonl line {n}" for n in range(1, 8)
    ]
    assert rows[7:] == [Listen("A", "well")]


def test_a_month_that_is_damaged_leaves_the_others(tmp_path: Path) -> None:
    path = listenbrainz(
        tmp_path / "export.zip",
        {"2020/2": [brainz("A", str(n)) for n in range(2000)], "2020/3": [brainz("B", "last")]},
    )
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)
    rows = list(read_listens(path))
    assert any(isinstance(row, InvalidRow) and "damaged" in row.reason for row in rows)
    assert rows[-1] == Listen("B", "last", at_s=AT_S)


@pytest.mark.parametrize("content", [b"\0" * 4_000_000, b"\n".join([b"{}" * 20] * 100_000)])
def test_an_archive_made_to_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(exports, "MAX_UNPACKED_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("listens/2020/1.jsonl", content)
    with pytest.raises(Unreadable, match="unpacks to more than 1 MiB"):
        list(read_listens(tmp_path / "bomb.zip"))


def test_an_archive_of_empty_lines_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_LINES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("listens/2020/1.jsonl", b"\n" * 1001)
    with pytest.raises(Unreadable, match="unpacks to more than 1,000 lines"):
        list(read_listens(tmp_path / "bomb.zip"))


@pytest.mark.parametrize("content", [b"\n" * 999, b"user,song,1\n" * 999])
def test_a_table_may_be_as_long_as_a_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(rows, "MAX_LINES", 1000)
    path = tmp_path / "long.csv"
    path.write_bytes(b"user,track,plays\n" + content)
    assert all(isinstance(row, Listen) for row in read_listens(path))
    path.write_bytes(b"user,track,plays\n" + content + b"\n")
    with pytest.raises(Unreadable, match="holds more than 1,000 lines"):
        list(read_listens(path))


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")  # would wait for who writes to it
    for path in (tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(Unreadable, match="no regular file"):
            list(read_listens(path))


@pytest.mark.parametrize("change", ["names", "header", "cut", "bits"])
def test_a_damaged_archive_costs_itself_alone(tmp_path: Path, change: str) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("listens/2020/1.jsonl", b'{"track_metadata": {}}\n' * 50)
    content = path.read_bytes()
    flags = content.rindex(b"PK\1\2") + 8
    for seed in range(40):
        rng = np.random.default_rng(seed)
        changed = bytearray(content)
        if change == "names":  # marked as UTF-8, and none
            changed[flags + 1] |= 0x08
            changed[content.rindex(b"listens") + seed % 7] = 0xFF
        elif change == "cut":
            changed = changed[: 20 + seed]
        else:
            start = flags - 8 if change == "header" else 0
            for at in rng.integers(start, len(content), 3):
                changed[at] = rng.integers(256)
        path.write_bytes(changed)
        with suppress(Unreadable):
            list(read_listens(path))


# ---- Spotify -----------------------------------------------------------------------------------


def spotify(artist: str | None, title: str | None, ms: object = 200_000) -> dict[str, Any]:
    return {
        "ts": "2020-02-01T12:34:00Z",
        "ms_played": ms,
        "master_metadata_track_name": title,
        "master_metadata_album_artist_name": artist,
    }


def test_spotify(tmp_path: Path) -> None:
    entries = [
        spotify("A", "x"),
        spotify(None, None),
        spotify("A", "y", 29_999),
        spotify("B", "z", "?"),
        7,
    ]
    rows = read(tmp_path / "Streaming_History_Audio_2020.json", json.dumps(entries, indent=1))
    assert rows[0] == Listen("A", "x", at_s=AT_S)
    assert [type(row) for row in rows[1:]] == [SkippedRow, SkippedRow, InvalidRow, InvalidRow]
    assert [row.place for row in rows if isinstance(row, InvalidRow)] == ["entry 4", "entry 5"]


def test_spotify_s_short_form(tmp_path: Path) -> None:
    entry = {"endTime": "2020-02-01 12:34", "artistName": "A", "trackName": "x", "msPlayed": 31000}
    assert read(tmp_path / "h.json", json.dumps([entry])) == [Listen("A", "x", at_s=AT_S)]


def test_spotify_that_was_cut_off_keeps_what_came_before(tmp_path: Path) -> None:
    text = json.dumps([spotify("A", str(n)) for n in range(500)])
    rows = read(tmp_path / "h.json", text[: len(text) // 2])
    assert isinstance(rows[-1], InvalidRow)
    assert len(rows) > 200
    assert all(isinstance(row, Listen) for row in rows[:-1])


@settings(max_examples=30)
@given(st.lists(st.tuples(NAMES, NAMES), max_size=30))
def test_spotify_comes_back_as_written(names: list[tuple[str, str]]) -> None:
    entries = [spotify(artist, title) for artist, title in names]
    rows = read_anywhere(json.dumps(entries, ensure_ascii=len(names) % 2 == 0).encode())
    assert rows == [Listen(artist[:500], title[:500], at_s=AT_S) for artist, title in names]


# ---- what is none of them ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n \n", b"ID3\x03\x00\x00", b"%PDF-1.4", b'{"a": 1}', b'[{"a": 1}]',
        b"PK\x03\x04 cut short", b"one,two\nthree,four\n", b"title\nsong\n", b"\xff\xfeu\0s\0",
    ],
)  # fmt: skip
def test_another_form_is_refused_with_what_can_be_read(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"Segue reads: CSV|damaged zip"):
        read(tmp_path / "file", content)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        list(read_listens(tmp_path / "not.there"))


@settings(max_examples=40)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_content_makes_it_stumble(content: bytes) -> None:
    for start in (b"", b"[{", b"a,b,1\n", b"artist,track\n", b"PK\x05\x06"):
        try:
            rows = read_anywhere(start + content)
        except Unreadable:
            continue
        assert all(isinstance(row, Listen | InvalidRow | SkippedRow) for row in rows)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "cp932", "cp1252"])
def test_a_table_of_an_older_encoding(tmp_path: Path, encoding: str) -> None:
    titles = {"cp932": ["世界に一つだけの花"], "cp1252": ["Für Élise", "Où es-tu"]}
    names = titles.get(encoding, ["Группа крови", "Подмосковные вечера"])
    table = "user,track,plays\n" + "".join(f"me,Ann - {name},3\n" for name in names)
    rows = read(tmp_path / "listens.csv", table.encode(encoding))
    assert [row.track for row in rows if isinstance(row, Listen)] == [f"Ann - {n}" for n in names]


# ---- What services hand out, packed or not -------------------------------------------------------

SPOTIFY = [
    {
        "ts": "2020-01-01T10:00:00Z",
        "ms_played": 200000,
        "master_metadata_track_name": "Blue Door",
        "master_metadata_album_artist_name": "Ann",
    }
]
SHORT = [
    {"endTime": "2020-01-01 10:00", "artistName": "Bob", "trackName": "Rio", "msPlayed": 99999}
]
BRAINZ = {"listened_at": 1, "track_metadata": {"artist_name": "Cid", "track_name": "Night"}}
HANDED_OUT = {
    "Spotify Extended Streaming History/Streaming_History_Audio_2019-2020_1.json": SPOTIFY,
    "Spotify Account Data/StreamingHistory_music_0.json": SHORT,
    "Any Name/endsong_0.JSON": SPOTIFY,
    "Any Name/Userdata.json": {"username": "me", "trackName": "no list"},
    "Any Name/Playlist1.json": {"playlists": [{"items": [{"track": {"trackName": "Not played"}}]}]},
    "Any Name/Inferences.json": [{"inferences": ["x"]}],
    "Any Name/ReadMeFirst.pdf": "%PDF",
}


def packed(path: Path, files: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return path


def unpacked(path: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("put", [packed, unpacked])
def test_what_spotify_hands_out(
    tmp_path: Path, put: Callable[[Path, dict[str, Any]], Path]
) -> None:
    rows = list(read_listens(put(tmp_path / "my_spotify_data", HANDED_OUT)))
    played = sorted((row.artist, row.title) for row in rows if isinstance(row, Listen))
    assert played == [("Ann", "Blue Door"), ("Ann", "Blue Door"), ("Bob", "Rio")]
    assert len(rows) == 3


@pytest.mark.parametrize("put", [packed, unpacked])
@pytest.mark.parametrize("name", ["listens/2020/1.jsonl", "1.jsonl", "deep/er/January.jsonl"])
def test_months_of_listenbrainz_under_any_name(
    tmp_path: Path, put: Callable[[Path, dict[str, Any]], Path], name: str
) -> None:
    files = {name: json.dumps(BRAINZ) + "\n" + json.dumps(BRAINZ), "user.json": {"username": "rob"}}
    rows = list(read_listens(put(tmp_path / "export", files)))
    assert [(row.artist, row.user) for row in rows if isinstance(row, Listen)] == [
        ("Cid", "rob")
    ] * 2


def test_a_month_of_listenbrainz_alone(tmp_path: Path) -> None:
    path = tmp_path / "1.jsonl"
    path.write_text(json.dumps(BRAINZ) + "\n{broken\n" + json.dumps(BRAINZ) + "\n")
    rows = list(read_listens(path))
    assert [type(row) for row in rows] == [Listen, InvalidRow, Listen]


@pytest.mark.parametrize("put", [packed, unpacked])
def test_no_history_among_the_files(
    tmp_path: Path, put: Callable[[Path, dict[str, Any]], Path]
) -> None:
    files = {name: content for name, content in HANDED_OUT.items() if name.startswith("Any")}
    files.pop("Any Name/endsong_0.JSON")
    path = put(tmp_path / "data", files)
    with pytest.raises(Unreadable, match="holds no listening history"):
        list(read_listens(path))


def test_a_history_made_to_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_UNPACKED_BYTES", 1 << 20)
    path = packed(
        tmp_path / "bomb.zip", {"a.json": json.dumps(SPOTIFY)[:-1] + "," + " " * (2 << 20)}
    )
    with pytest.raises(Unreadable, match="unpacks to more than 1 MiB"):
        list(read_listens(path))
