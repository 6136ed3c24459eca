"""The cache of images: derived, bounded, never in the way."""

from pathlib import Path

import numpy as np
import pytest

from segue.errors import BadArgument, DiskFull
from segue.ingest.cache import Cache

IMAGE = np.arange(48, dtype=np.uint8).reshape(1, 6, 8)


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert "ab12" not in cache
    assert cache.read("ab12") is None
    assert cache.write("ab12", IMAGE)
    assert "ab12" in Cache(tmp_path)
    array = Cache(tmp_path).read("ab12")
    assert array is not None
    np.testing.assert_array_equal(array, IMAGE)


def test_no_more_is_kept_than_the_bound(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=100)
    assert cache.write("aa", IMAGE)
    assert cache.write("bb", IMAGE)
    assert not cache.write("cc", IMAGE)
    assert "cc" not in cache
    assert not Cache(tmp_path, limit_bytes=100 + IMAGE.nbytes).write("cc", np.tile(IMAGE, 9))


def test_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write("ab12", IMAGE)
    (file,) = tmp_path.glob("*/*.npy")
    file.write_bytes(file.read_bytes()[:20])
    assert cache.read("ab12") is None
    assert "ab12" not in cache


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    (tmp_path / "ab").write_text("in the way")
    with pytest.raises(DiskFull, match="cannot keep spectrograms"):
        Cache(tmp_path).write("ab12", IMAGE)


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    with pytest.raises(BadArgument):
        Cache(tmp_path / "cache").write("../../x", IMAGE)
