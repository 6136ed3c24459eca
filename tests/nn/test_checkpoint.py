"""Weights on disk: they come back as they were, or it is said why not."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from segue.errors import BadCheckpoint, DiskFull
from segue.nn.checkpoint import (
    RENAMED_HYPERPARAMETERS,
    RENAMED_PARAMETERS,
    Checkpoint,
    load_checkpoint,
    load_model,
    match_state_dict,
    save_checkpoint,
    save_model,
)

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
def test_a_checkpoint_is_saved_and_loaded(
    tmp_path_factory: pytest.TempPathFactory, about: dict[str, object], numbers: list[float]
) -> None:
    path = tmp_path_factory.mktemp("one") / "a.safetensors"
    fingerprint = save_checkpoint(path, "test", about, TENSORS | {"n": torch.tensor(numbers)})
    loaded = load_checkpoint(path, "test")
    assert loaded.metadata == about
    assert loaded.fingerprint == fingerprint
    assert loaded.tensors["n"].tolist() == torch.tensor(numbers).tolist()
    assert all(torch.equal(loaded.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    first = save_checkpoint(tmp_path / "a", "test", {}, TENSORS)
    assert save_checkpoint(tmp_path / "b", "test", {}, TENSORS) == first
    assert save_checkpoint(tmp_path / "b", "test", {"a": 1}, TENSORS) != first


def test_another_kind_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", "apples", {}, TENSORS)
    with pytest.raises(BadCheckpoint, match="holds a 'apples', expected a 'pears'"):
        load_checkpoint(tmp_path / "a", "pears")


def test_a_model_is_built_of_its_version_and_content(tmp_path: Path) -> None:
    path, weights = tmp_path / "a", {"w": torch.ones(2), "n": torch.arange(2)}
    fingerprint = save_model(path, "test", 3, {"size": 2}, weights, torch.float16)
    assert load_checkpoint(path, "test").tensors["w"].dtype == torch.float16

    def build(checkpoint: Checkpoint) -> tuple[int, torch.dtype, torch.dtype, str]:
        size, tensors = checkpoint.metadata["size"], checkpoint.tensors
        return size, tensors["w"].dtype, tensors["n"].dtype, checkpoint.fingerprint

    assert load_model(path, "test", 3, build) == (2, torch.float32, torch.int64, fingerprint)
    with pytest.raises(BadCheckpoint, match="of version 3, this Segue reads version 4; mend it"):
        load_model(path, "test", 4, build, "mend it")
    with pytest.raises(BadCheckpoint, match="'depth' is missing"):
        load_model(path, "test", 3, lambda checkpoint: checkpoint.metadata["depth"])


def test_another_version_is_refused(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a", {"format": "99", "kind": "test", "about": "{}"})
    with pytest.raises(BadCheckpoint, match="of format '99', this Segue reads 1"):
        load_checkpoint(tmp_path / "a", "test")


@pytest.mark.parametrize("length", [0, 5, 60, -1])
def test_a_truncated_file_is_reported(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a"
    save_checkpoint(path, "test", {}, TENSORS)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BadCheckpoint, match="damaged or no checkpoint"):
        load_checkpoint(path, "test")


def test_a_changed_file_is_reported(tmp_path: Path) -> None:
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


def test_older_names_are_replaced_after_the_hash_is_verified(tmp_path: Path) -> None:
    metadata = {"config": {"runs": [8], "stack": {"width": 4}}, "voices": ["Ada Long"]}
    tensors = {"voices.weight": TENSORS["weights"], "core.layers.0.looked.weight": TENSORS["short"]}
    fingerprint = save_checkpoint(tmp_path / "a", "lyrics", metadata, tensors)
    checkpoint = load_checkpoint(tmp_path / "a", "lyrics")
    assert checkpoint.fingerprint == fingerprint
    assert checkpoint.tensors.keys() == {"styles.weight", "core.layers.0.attn_out.weight"}
    assert checkpoint.metadata["config"] == {"ngram_sizes": [8], "stack": {"width": 4}}
    assert checkpoint.metadata["voices"] == ["Ada Long"]


def test_names_of_today_stay(tmp_path: Path) -> None:
    for kind, table in RENAMED_PARAMETERS.items():
        tensors = {f"{name}.weight": torch.zeros(2) for name in table.values()}
        save_checkpoint(tmp_path / "a", kind, {}, tensors)
        assert load_checkpoint(tmp_path / "a", kind).tensors.keys() == tensors.keys()
    assert not RENAMED_HYPERPARAMETERS.keys() & set(RENAMED_HYPERPARAMETERS.values())


def test_a_run_is_of_the_kind_whose_names_fit() -> None:
    old = {"mean.module.voices.weight": TENSORS["weights"]}
    for new in ("styles", "voice_projection"):
        names = {f"mean.module.{new}.weight"}
        assert match_state_dict(old, names).keys() == names
    assert match_state_dict(old, {"other"}) == old
