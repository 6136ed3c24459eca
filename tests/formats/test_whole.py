"""A file is replaced as a whole or not at all."""

from pathlib import Path

import pytest

from segue.errors import BadArgument
from segue.formats.whole import is_partial, partial_of, replacing


def test_a_link_stays_a_link_to_what_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "list.m3u8"
    file.write_text("old")
    link = tmp_path / "list.m3u8"
    link.symlink_to("there/list.m3u8")
    with replacing(link) as partial:
        assert partial.parent == file.parent
        partial.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "list.m3u8"
    file.write_text("old")
    with pytest.raises(BadArgument, match="No such file"), replacing(file) as partial:
        partial.write_text(str((tmp_path / "none").stat()))
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("name", ["song.flac", "曲" * 84 + ".ogg"])
def test_partial_files_have_names_that_disks_take_and_are_known_by(
    tmp_path: Path, name: str
) -> None:
    partial = partial_of(tmp_path / name)
    partial.touch()
    assert partial.suffix == Path(name).suffix
    assert is_partial(partial)
    assert not is_partial(tmp_path / name)
