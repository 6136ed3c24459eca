"""Weights on disk: they come back as they were, or it is said why not."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from segue.errors import BadCheckpoint, DiskFull
from segue.nn.checkpoint import load_checkpoint, save_checkpoint

TENSORS = {
    "weights": torch.arange(12.0).reshape(3, 4),
    "steps": torch.tensor(7),
    "short": torch.ones(3, dtype=torch.bfloat16),
}


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), st.floats(allow_nan=False) | st.text(max_size=8)),
    st.lists(st.floats(width=32, allow_nan=False), max_size=6),
)
def test_what_was_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, about: dict[str, object], numbers: list[float]
) -> None:
    path = tmp_path_factory.mktemp("one") / "a.safetensors"
    fingerprint = save_checkpoint(path, "test", about, TENSORS | {"n": torch.tensor(numbers)})
    found = load_checkpoint(path, "test")
    assert found.metadata == about
    assert found.fingerprint == fingerprint
    assert found.tensors["n"].tolist() == torch.tensor(numbers).tolist()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    first = save_checkpoint(tmp_path / "a", "test", {}, TENSORS)
    assert save_checkpoint(tmp_path / "b", "test", {}, TENSORS) == first
    assert save_checkpoint(tmp_path / "b", "test", {"a": 1}, TENSORS) != first


def test_another_kind_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", "apples", {}, TENSORS)
    with pytest.raises(BadCheckpoint, match="holds a 'apples', expected a 'pears'"):
        load_checkpoint(tmp_path / "a", "pears")


def test_another_version_is_refused(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a", {"format": "99", "kind": "test", "about": "{}"})
    with pytest.raises(BadCheckpoint, match="of format '99', this Segue reads 1"):
        load_checkpoint(tmp_path / "a", "test")


@pytest.mark.parametrize("length", [0, 5, 60, -1])
def test_a_truncated_file_is_told(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a"
    save_checkpoint(path, "test", {}, TENSORS)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BadCheckpoint, match="damaged or no checkpoint"):
        load_checkpoint(path, "test")


def test_a_changed_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save_checkpoint(path, "test", {}, TENSORS)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadCheckpoint, match="does not match its hash"):
        load_checkpoint(path, "test")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskFull, match="cannot write"):
        save_checkpoint(tmp_path / "file" / "a", "test", {}, TENSORS)
