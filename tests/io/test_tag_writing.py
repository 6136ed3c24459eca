"""Tags are written, and the sound stays as it is."""

import os
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest
from mutagen import id3 as untyped
from mutagen.flac import FLAC
from numpy.typing import NDArray

from conftest import FORMATS, tune, write_sound
from segue.errors import BadArgument
from segue.io.tags import SEPARATOR, read_fields, read_tags, short_key, write_fields

id3: Any = untyped  # mutagen has no types
WRITTEN = {"bpm": "97", "key": "F#m", "mood": "mellow"}


def decoded(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])


@pytest.mark.parametrize("ending", FORMATS)
def test_fields_are_written_and_removed_again(tmp_path: Path, ending: str) -> None:
    path = write_sound(tmp_path / f"song{ending}", tune(1, 3.0), tags={"title": "A title"})
    sound, title = decoded(path), read_tags(path).title
    assert read_fields(path) == {"bpm": "", "key": "", "mood": ""}
    write_fields(path, WRITTEN)
    assert read_fields(path) == WRITTEN
    assert (decoded(path) == sound).all()
    assert read_tags(path).title == title
    write_fields(path, {"bpm": "", "mood": "sad"})
    assert read_fields(path) == {"bpm": "", "key": "F#m", "mood": "sad"}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_link_stays_a_link_and_rights_stay(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "song.flac", tune(1, 2.0))
    path.chmod(0o640)
    (tmp_path / "link.flac").symlink_to(path)
    write_fields(tmp_path / "link.flac", WRITTEN)
    assert (tmp_path / "link.flac").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_fields(path) == WRITTEN


def frames(path: Path) -> tuple[int, list[str]]:
    tags = id3.ID3(path, translate=False, load_v1=False)
    return tags.version[1], sorted(map(repr, tags.values()))


@pytest.mark.parametrize("version", [3, 4])
def test_other_id3_frames_and_their_version_stay(tmp_path: Path, version: int) -> None:
    path = write_sound(tmp_path / "song.mp3", tune(1, 2.0))
    tags = id3.ID3()
    frames_by_name = {"TSIZ": "9", "TRDA": "May", "TYER": "1999", "TDAT": "0203", "TIME": "1200"}
    frames_by_name |= {"TORY": "1980", "TPE1": "AC/DC", "TCON": "(17)Rock"}
    for name, text in frames_by_name.items():
        tags.add(getattr(id3, name)(encoding=0, text=[text]))
    tags.add(id3.IPLS(encoding=1, people=[["producer", "Ann"]]))
    tags.add(id3.TPE2(encoding=1, text=["Ann", "Bob"]))
    tags.save(path, v2_version=version, v23_sep=None, v1=2)
    path.write_bytes(path.read_bytes()[:-40] + b"a comment of ID3v1".ljust(39, b"\0") + b"\x11")
    before, end = frames(path), path.read_bytes()[-128:]
    assert before[0] == version
    write_fields(path, WRITTEN)
    assert read_fields(path) == WRITTEN
    write_fields(path, dict.fromkeys(WRITTEN, ""))
    assert frames(path) == before
    assert path.read_bytes()[-128:] == end


def test_id3_of_the_first_versions(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "song.mp3", tune(1, 2.0)).read_bytes()
    sound = sound[sound.index(b"\xff\xfb") :]  # without what FFmpeg says of itself
    frame = b"TYE" + (5).to_bytes(3) + b"\x001999"
    old = tmp_path / "old.mp3"
    old.write_bytes(b"ID3\x02\x00\x00" + len(frame).to_bytes(4) + frame + sound)
    oldest = tmp_path / "oldest.mp3"
    oldest.write_bytes(sound + b"TAG" + b"A title".ljust(90, b"\0") + b"1999".ljust(35, b"\0"))
    for path in (old, oldest):
        write_fields(path, WRITTEN)
        assert read_fields(path) == WRITTEN
        assert read_tags(path).year == 1999
    assert frames(old)[0] == 3
    assert read_tags(oldest).title == "A title"


@pytest.mark.parametrize(
    ("ending", "name", "values"),
    [
        (".flac", "MOOD", ["happy", "sad", "dreamy"]),
        (".ogg", "MOOD", ["happy", "sad"]),
        (".m4a", "----:com.apple.iTunes:MOOD", [b"happy", b"sad"]),
        (".wma", "WM/Mood", ["happy", "sad"]),
        (".mp3", "TMOO", id3.TMOO(encoding=3, text=["happy", "sad"])),
    ],
)
def test_several_values_are_put_back(tmp_path: Path, ending: str, name: str, values: Any) -> None:
    path = write_sound(tmp_path / f"song{ending}", tune(1, 2.0))
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    file.tags[name] = values
    file.save()
    whole = [str(value) for value in file.tags[name]]
    before = read_fields(path)
    assert before["mood"].split(SEPARATOR)[:2] == ["happy", "sad"]
    write_fields(path, {"mood": "mellow"})
    assert read_fields(path)["mood"] == "mellow"
    write_fields(path, before)
    assert [str(value) for value in mutagen.File(path).tags[name]] == whole


def test_a_read_only_file_is_written_and_stays_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sound(tmp_path / "song.flac", tune(1, 2.0))
    path.chmod(0o444)
    really = FLAC.save

    def save(file: Any, *args: Any, **more: Any) -> None:  # root, as whom tests may run, may all
        if not os.stat(file.filename).st_mode & 0o200:
            raise mutagen.MutagenError("Permission denied")
        really(file, *args, **more)

    monkeypatch.setattr(FLAC, "save", save)
    write_fields(path, WRITTEN)
    assert read_fields(path) == WRITTEN
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **_more: Any) -> None:
        raise mutagen.MutagenError("No space left on device")

    path = write_sound(tmp_path / "song.flac", tune(1, 2.0))
    before = path.read_bytes()
    monkeypatch.setattr(FLAC, "save", full)
    with pytest.raises(BadArgument, match=r"song\.flac: No space left"):
        write_fields(path, WRITTEN)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_other_hard_links_keep_what_the_file_was(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "song.flac", tune(1, 2.0))
    other = tmp_path / "other.flac"
    other.hardlink_to(path)
    before = other.read_bytes()
    write_fields(path, WRITTEN)
    assert read_fields(path) == WRITTEN
    assert other.read_bytes() == before


def test_what_has_no_tags_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "song.mp3"
    text.write_text("no music at all")
    with pytest.raises(BadArgument, match=r"song\.mp3"):
        write_fields(text, WRITTEN)
    assert text.read_text() == "no music at all"
    with pytest.raises(BadArgument, match="cannot be read"):
        read_fields(tmp_path / "none.mp3")


def test_a_format_without_tags_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, ".aac", ("adts", "aac", 128_000))
    bare = write_sound(tmp_path / "song.aac", tune(1, 2.0))
    with pytest.raises(BadArgument, match="of a kind whose tags"):
        write_fields(bare, WRITTEN)


def test_keys_as_tags_have_them() -> None:
    assert [short_key(k) for k in ("A minor", "C major", "Eb minor", "")] == ["Am", "C", "Ebm", ""]
