import json
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET

import pytest

from segue.errors import BadArgument
from segue.io.playlists import write_playlist
from segue.records import Tags, Track

NAMES = [b"plain.mp3", "für élise & <co>.ogg".encode(), b"latin \xe9.flac"]

ALBUM = "a\u00a0b\u3000c\u200cd\u200de\U0001f600"  # blanks and joiners of other scripts


def tracks(folder: Path) -> list[Track]:
    return [
        Track(i, "sound", Path(os.fsdecode(bytes(folder) + b"/music/" + name)),
              Tags(f"Title <{i}>\x01", "Ärtist\nsecond line", ALBUM), 61.4, "")
        for i, name in enumerate(NAMES)
    ]  # fmt: skip


@pytest.mark.parametrize("absolute", [False, True])
def test_every_format_leads_to_the_files(tmp_path: Path, absolute: bool) -> None:
    expected = [(bytes(tmp_path) + b"/music/" if absolute else b"music/") + name for name in NAMES]
    for ending in ("m3u8", "xspf", "json"):
        write_playlist(tmp_path / f"list.{ending}", tracks(tmp_path), absolute=absolute)
    lines = (tmp_path / "list.m3u8").read_bytes().split(b"\n")
    assert lines[0] == b"#EXTM3U"
    assert lines[1].decode() == "#EXTINF:61,Ärtist second line - Title <0>\x01"
    assert lines[2::2][:3] == expected
    write_playlist(tmp_path / "list.pls", tracks(tmp_path), absolute=absolute)
    pls = (tmp_path / "list.pls").read_bytes().splitlines()
    assert pls[:2] == [b"[playlist]", b"File1=" + expected[0]]
    assert [line.partition(b"=")[2] for line in pls if line.startswith(b"File")] == expected
    assert pls[2].decode() == "Title1=Ärtist second line - Title <0>\x01"
    assert pls[3] == b"Length1=61"
    assert pls[-2:] == [b"NumberOfEntries=3", b"Version=2"]
    space = {"x": "http://xspf.org/ns/0/"}
    xml = ET.parse(tmp_path / "list.xspf").getroot()
    places = [node.text or "" for node in xml.findall(".//x:location", space)]
    assert [unquote_to_bytes(p.removeprefix("file://")) for p in places] == expected
    assert xml.findall(".//x:title", space)[0].text == "Title <0>\ufffd"
    assert xml.findall(".//x:album", space)[0].text == ALBUM
    assert xml.findall(".//x:duration", space)[0].text == "61400"
    listed = json.loads((tmp_path / "list.json").read_text())["playlist"]["track"]
    assert [t["location"][0] for t in listed] == places
    if not absolute:
        for ending in ("m3u8", "xspf", "json"):
            assert bytes(tmp_path) not in (tmp_path / f"list.{ending}").read_bytes()


@pytest.mark.parametrize("name", [b"two\nlines.mp3", b"two\rlines.mp3", b"\nfirst \xe9.mp3"])
@pytest.mark.parametrize("ending", ["m3u8", "m3u", "pls"])
def test_a_name_of_two_lines_is_one_line(tmp_path: Path, name: bytes, ending: str) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/" + name))
    track = Track(1, "sound", path, Tags("Title"), 60.0, "")
    write_playlist(tmp_path / f"list.{ending}", [track])
    written = (tmp_path / f"list.{ending}").read_bytes()
    lines = written.splitlines()
    assert len(lines) == (6 if ending == "pls" else 3)
    place = lines[1].removeprefix(b"File1=") if ending == "pls" else lines[2]
    assert place.startswith(b"file:///")
    assert unquote_to_bytes(place.removeprefix(b"file://")) == os.fsencode(path)


def test_what_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"name it \.m3u8"):
        write_playlist(tmp_path / "list.txt", [])
    with pytest.raises(BadArgument, match="cannot write"):
        write_playlist(tmp_path / "none" / "list.xspf", [])
    folder = tmp_path / "folder.m3u8"
    folder.mkdir()
    with pytest.raises(BadArgument, match="Is a directory"):
        write_playlist(folder, [])


@pytest.mark.parametrize("name", ["#1 hit.mp3", " a.mp3", "\u3000b.mp3", "c.mp3"])
def test_no_name_is_taken_for_a_comment_or_cut(tmp_path: Path, name: str) -> None:
    write_playlist(tmp_path / "list.m3u8", [track_at(tmp_path / name)])
    line = (tmp_path / "list.m3u8").read_text().splitlines()[2]
    assert line[0] not in "# \u3000"
    assert Path(os.path.normpath(tmp_path / line)) == tmp_path / name


@pytest.mark.parametrize("music", ["real/music", "lists", "elsewhere", "link/music"])
def test_a_list_in_a_folder_behind_a_link_leads_to_the_files(tmp_path: Path, music: str) -> None:
    (tmp_path / "real" / "lists").mkdir(parents=True)
    (tmp_path / "lists").symlink_to(tmp_path / "real" / "lists")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    song = tmp_path / music / "song.mp3"
    song.parent.mkdir(exist_ok=True)
    song.touch()
    for folder in ("lists", "link/lists"):
        target = tmp_path / folder / "list.m3u8"
        write_playlist(target, [track_at(song)])
        line = target.read_text().splitlines()[2]
        assert not line.startswith("/")
        assert (target.parent / line).samefile(song)


def test_paths_within_a_folder_behind_a_link_hold_when_it_is_moved(tmp_path: Path) -> None:
    (tmp_path / "real" / "lists").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "song.mp3").touch()
    write_playlist(
        tmp_path / "link" / "lists" / "a.m3u8", [track_at(tmp_path / "link" / "song.mp3")]
    )
    assert (tmp_path / "real/lists/a.m3u8").read_text().splitlines()[2] == "../song.mp3"


def track_at(path: Path) -> Track:
    return Track(1, "sound", path, Tags("A title", "An artist", "An album"), 61.4, "")
