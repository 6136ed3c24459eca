"""Tags are written, and the sound stays as it is."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import FORMATS, tune, write_sound
from segue.errors import BadArgument
from segue.formats.tagging import read_fields, short_key, write_fields
from segue.formats.tags import read_tags

WRITTEN = {"bpm": "97", "key": "F#m", "mood": "mellow"}


def decoded(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])


@pytest.mark.parametrize("ending", FORMATS)
def test_fields_are_written_and_taken_out_again(tmp_path: Path, ending: str) -> None:
    path = write_sound(tmp_path / f"song{ending}", tune(1, 3.0), tags={"title": "A title"})
    sound, title = decoded(path), read_tags(path, tmp_path).title
    assert read_fields(path) == {"bpm": "", "key": "", "mood": ""}
    write_fields(path, WRITTEN)
    assert read_fields(path) == WRITTEN
    assert (decoded(path) == sound).all()
    assert read_tags(path, tmp_path).title == title
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


def test_what_has_no_tags_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "song.mp3"
    text.write_text("no music at all")
    with pytest.raises(BadArgument, match=r"song\.mp3"):
        write_fields(text, WRITTEN)
    assert text.read_text() == "no music at all"
    with pytest.raises(BadArgument, match="cannot be read"):
        read_fields(tmp_path / "none.mp3")


def test_keys_as_tags_have_them() -> None:
    assert [short_key(k) for k in ("A minor", "C major", "Eb minor", "")] == ["Am", "C", "Ebm", ""]
