"""Checkpoints: safetensors with metadata and a hash."""

import hashlib
import io
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from segue.errors import BadCheckpoint, DiskFull
from segue.files import atomic_write, remove_partials

FORMAT: Final = 1
#: What the model of a learned space is called, in the folder of its run.
MODEL: Final = "space.safetensors"
_LARGEST_BYTES: Final = 4 << 30
_LARGEST_HEADER_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors, and what they are.

    Attributes
    ----------
    kind : str
        Which reader they are for, "sound space" or "training" say.
    about : dict
        JSON values: configuration, history, constants.
    tensors : dict of str to Tensor
    fingerprint : str
        First 12 hexadecimal digits of the hash of all of it.
    """

    kind: str
    about: dict[str, Any]
    tensors: dict[str, Tensor]
    fingerprint: str


def save_checkpoint(
    path: Path, kind: str, about: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> str:
    """Write a checkpoint; an older one of that name is there until the new one is whole.

    Returns
    -------
    str
        The fingerprint.

    Raises
    ------
    DiskFull
        Nothing was changed.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    document = json.dumps(about, sort_keys=True)
    digest = _digest(kind, document, contiguous)
    data = save(
        contiguous,
        metadata={"format": str(FORMAT), "kind": kind, "about": document, "hash": digest},
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_partials(path.parent, own=True)
        with atomic_write(path) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise DiskFull(
            f"cannot write {path}: {error.strerror}; what was saved before is still there: "
            "make room and go on with --resume"
        ) from None
    return digest[:12]


def load_checkpoint(path: Path, kind: str) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    BadCheckpoint
        The file is not there, damaged, of another version, or of another kind.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise BadCheckpoint(f"{path} is larger than any checkpoint of Segue's")
        data = path.read_bytes()
        metadata = _metadata(io.BytesIO(data))
        tensors = load(data)
    except FileNotFoundError:
        raise BadCheckpoint(f"there is no checkpoint {path}") from None
    except (OSError, SafetensorError, ValueError, struct.error, KeyError) as error:
        raise BadCheckpoint(
            f"{path} is damaged or no checkpoint ({error}); delete it and train anew"
        ) from None
    if metadata.get("format") != str(FORMAT):
        raise BadCheckpoint(
            f"{path} is of format {metadata.get('format')!r}, this Segue reads {FORMAT}; "
            "use the Segue that wrote it, or train anew"
        )
    if metadata.get("kind") != kind:
        raise BadCheckpoint(f"{path} holds a {metadata.get('kind')!r}, expected a {kind!r}")
    document = metadata.get("about", "")
    digest = _digest(kind, document, tensors)
    if digest != metadata.get("hash"):
        raise BadCheckpoint(
            f"the content of {path} does not match its hash: it was changed or damaged; "
            "delete it and train anew"
        )
    return Checkpoint(kind, json.loads(document), tensors, digest[:12])


def told_by_checkpoint(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says about itself, and none of its tensors.

    Raises
    ------
    BadCheckpoint
        The file is not there or damaged.
    """
    try:
        with path.open("rb") as file:
            found: dict[str, Any] = json.loads(_metadata(file)["about"])
    except (OSError, ValueError, struct.error, KeyError) as error:
        raise BadCheckpoint(
            f"{path} is damaged or no checkpoint ({error}); delete it and train anew"
        ) from None
    return found


def _metadata(file: BinaryIO) -> dict[str, str]:
    # The header: eight bytes of its length, then JSON.
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LARGEST_HEADER_BYTES:
        raise ValueError("its header is too long")
    header = json.loads(file.read(length))
    found: dict[str, str] = header["__metadata__"]
    return found


def _digest(kind: str, document: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(f"{kind}\n{document}\n".encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
