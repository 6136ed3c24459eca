"""Checkpoints: tensors and JSON metadata in a safetensors file with a SHA-256 hash.

`save_model` and `load_model` are for trained models, `save_checkpoint` and `load_checkpoint` for
other states.

Names of parameters and of hyperparameters have changed since version 0.1: `RENAMED_PARAMETERS` and
`RENAMED_HYPERPARAMETERS` map the names in older files to those of today. They are applied after
the hash is verified, so that the fingerprint of a file never changes.
"""

import hashlib
import io
import json
import lzma
import re
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, Self, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from segue.errors import BadArgument, BadCheckpoint, DiskFull
from segue.files import atomic_write, remove_partials

FORMAT: Final = 1
Model = TypeVar("Model")

#: File name of the model of a learned space, in the folder of its run.
MODEL: Final = "space.safetensors"
_MAX_BYTES: Final = 4 << 30
_MAX_HEADER_BYTES: Final = 16 << 20

#: Module names of the transformer.
_TRANSFORMER: Final = {
    "looking_norm": "attn_norm",
    "looking": "qkv",
    "looked": "attn_out",
    "thinking_norm": "mlp_norm",
    "thinking": "gate_up",
    "thought": "down",
}
#: By kind of checkpoint: names of modules and tensors in older files, as regular expressions that
#: match whole components of a dotted name, and what replaces them. No new name may match an old
#: one, since the table is applied to new files, too.
RENAMED_PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "note-lstm": {"company": "cooccurrence"},
    "composer": _TRANSFORMER,
    "chorales": {
        **_TRANSFORMER,
        "sung": "pitch_embedding",
        "held": "held_embedding",
        "moved": "interval_embedding",
        "over_bass": "over_bass_embedding",
        "place": "beat_embedding",
        "beginning": "start",
        "voices": "voice_projection",
        "found": "voice_pitch_embedding",
        "found_step": "voice_interval_embedding",
        "pitch": "pitch_head",
        "step": "melodic_head",
        "interval": "harmonic_head",
        "voice_pitch": "pitch_bias",
    },
    "lyrics": {
        **_TRANSFORMER,
        "runs": "ngrams",
        "together": "ngram_projection",
        "voices": "styles",
        "usual": "output_bias",
    },
    "melody": {
        **_TRANSFORMER,
        "chord_tables": "chord_embeddings",
        "chord_style": "chord_style_embedding",
        "chords": "chord_encoder",
        "harmony": "chord_projection",
        "tables": "feature_embeddings",
        "style": "style_embedding",
        "pitch": "symbol_head",
        "step": "interval_head",
        "degree": "degree_head",
        "found": "symbol_embedding",
        "found_step": "interval_embedding",
        "found_degree": "degree_embedding",
        "length_norm": "duration_norm",
        "length_hidden": "duration_mlp",
        "length": "duration_head",
        r"taught\.runs": "training_melodies.hashes",
        "taught": "training_melodies",
    },
    "space of sound": {
        "before": "input_refinement",
        "after": "output_refinement",
        "incoming": "proj_in",
        "outgoing": "proj_out",
        "height": "band_embedding",
        "first": "conv1",
        "second": "conv2",
        "inner": "gru",
        "outer": "proj",
        "to_vector": "fc",
    },
}
#: Names of hyperparameters in older files.
RENAMED_HYPERPARAMETERS: Final[Mapping[str, str]] = {
    "averaging": "ema_decay",
    "backing_off": "backoff",
    "batch": "batch_size",
    "forgotten": "feature_dropout",
    "run_dropout": "ngram_dropout",
    "run_width": "ngram_width",
    "runs": "ngram_sizes",
    "transposed": "max_transpose",
    "voices": "num_styles",
}
#: Hyperparameters that older files lack, with the values that were fixed then; by a hyperparameter
#: of the same network.
ADDED_HYPERPARAMETERS: Final[Mapping[str, Mapping[str, int]]] = {
    "ngram_width": {"heads": 4, "context": 256},
}
#: Keys of the metadata that hold hyperparameters.
_HYPERPARAMETERS: Final = ("config", "configuration", "training")
#: What building a model of incomplete or inconsistent content raises.
_INCONSISTENT: Final = (
    ArithmeticError, AttributeError, BadArgument, EOFError, LookupError, RuntimeError, TypeError,
    ValueError, lzma.LZMAError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Content of a checkpoint.

    Attributes
    ----------
    kind : str
        Kind of model, such as "composer"; "training" for the state of a run.
    metadata : dict
        JSON values: hyperparameters, training history, constants.
    tensors : dict of str to Tensor
        State dict.
    fingerprint : str
        First 12 hexadecimal digits of the hash of the content.
    """

    kind: str
    metadata: dict[str, Any]
    tensors: dict[str, Tensor]
    fingerprint: str


def save_checkpoint(
    path: Path, kind: str, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> str:
    """Write a checkpoint atomically; an existing file is replaced only once the new is complete.

    Returns
    -------
    str
        Fingerprint of the content.

    Raises
    ------
    DiskFull
        The file could not be written; nothing was changed.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    document = json.dumps(metadata, sort_keys=True)
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
    """Read and verify a checkpoint written by `save_checkpoint`.

    Raises
    ------
    BadCheckpoint
        The file is missing, damaged, of another format version, or of another kind.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadCheckpoint(f"{path} is larger than any checkpoint of Segue's")
        data = path.read_bytes()
        header = _read_header(io.BytesIO(data))
        tensors = load(data)
    except FileNotFoundError:
        raise BadCheckpoint(f"there is no checkpoint {path}") from None
    except (OSError, SafetensorError, ValueError, struct.error, KeyError) as error:
        raise _damaged(path, error) from None
    if header.get("format") != str(FORMAT):
        raise BadCheckpoint(
            f"{path} is of format {header.get('format')!r}, this Segue reads {FORMAT}; "
            "use the Segue that wrote it, or train again"
        )
    if header.get("kind") != kind:
        raise BadCheckpoint(f"{path} holds a {header.get('kind')!r}, expected a {kind!r}")
    document = header.get("about", "")
    digest = _digest(kind, document, tensors)
    if digest != header.get("hash"):
        raise BadCheckpoint(
            f"the content of {path} does not match its hash: it was changed or damaged; "
            "delete it and train again"
        )
    metadata = _rename_hyperparameters(json.loads(document))
    return Checkpoint(kind, metadata, rename_parameters(tensors, kind), digest[:12])


def save_model(
    path: Path,
    kind: str,
    version: int,
    metadata: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype | None = None,
) -> str:
    """Write a model atomically, and return its fingerprint.

    Parameters
    ----------
    path : Path
    kind : str
    version : int
        Increased when the meaning of inputs or outputs changes.
    metadata : mapping
        JSON values.
    tensors : mapping of str to Tensor
    dtype : torch.dtype, optional
        Type of floating-point tensors in the file; by default as they are.

    Raises
    ------
    DiskFull
    """
    if dtype:
        tensors = _cast(tensors, dtype)
    return save_checkpoint(path, kind, {**metadata, "version": version}, tensors)


def load_model(
    path: Path,
    kind: str,
    version: int,
    build: Callable[[Checkpoint], Model],
    remedy: str = "train it again",
) -> Model:
    """Read a model that `save_model` wrote.

    Parameters
    ----------
    path : Path
    kind : str
    version : int
    build : callable
        Makes the model of a checkpoint whose floating-point tensors are float32. An error of
        Python's, torch's, or a `BadArgument` means that the content is inconsistent.
    remedy : str
        What to do about a file that cannot be used.

    Raises
    ------
    BadCheckpoint
        The file is missing, damaged, inconsistent, of another version, or of another kind.
    """
    checkpoint = load_checkpoint(path, kind)
    if checkpoint.metadata.get("version") != version:
        raise BadCheckpoint(
            f"{path} holds {kind!r} of version {checkpoint.metadata.get('version')}, this Segue "
            f"reads version {version}; {remedy}"
        )
    try:
        return build(replace(checkpoint, tensors=_cast(checkpoint.tensors, torch.float32)))
    except _INCONSISTENT as error:
        reason = str(error).partition("\n")[0]
        if isinstance(error, KeyError):
            reason += " is missing"
        raise BadCheckpoint(f"{path} holds no consistent {kind!r} ({reason}); {remedy}") from None


class SavedModel:
    """Base of the models that are saved as one checkpoint each.

    Attributes
    ----------
    kind, version
        Kind and version of its checkpoints; see `save_model`.
    bundled : Path
        Checkpoint of the model that comes with Segue.
    remedy : str
        What to do about a file that cannot be used.
    """

    __slots__ = ()
    kind: ClassVar[str]
    version: ClassVar[int]
    bundled: ClassVar[Path]
    remedy: ClassVar[str] = "train it again"

    @classmethod
    def pretrained(cls) -> Self:
        """Load the model that comes with Segue."""
        return cls.load(cls.bundled)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a model.

        Raises
        ------
        BadCheckpoint
            The file is missing, damaged, inconsistent, of another version, or of another kind.
        """
        return load_model(path, cls.kind, cls.version, cls._build, cls.remedy)

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        raise NotImplementedError


def read_metadata(path: Path) -> dict[str, Any]:
    """Read the metadata of a checkpoint without its tensors; the hash is not verified.

    Raises
    ------
    BadCheckpoint
        The file is missing or damaged.
    """
    try:
        with path.open("rb") as file:
            return _rename_hyperparameters(json.loads(_read_header(file)["about"]))
    except (OSError, ValueError, struct.error, KeyError) as error:
        raise _damaged(path, error) from None


def match_state_dict(tensors: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    """Rename the tensors of a training run, which may be of any kind of model.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        State dict, maybe with the names of an older version.
    names : collection of str
        Names in the state dict of the network to load it into.

    Returns
    -------
    dict of str to Tensor
        The tensors under `names`, or unchanged where no kind's table yields these.
    """
    for kind in RENAMED_PARAMETERS:
        renamed = rename_parameters(tensors, kind)
        if renamed.keys() == set(names):
            return renamed
    return dict(tensors)


def rename_parameters(tensors: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Give the tensors of a kind of checkpoint, named as in an older version, today's names."""
    renamed = dict(tensors)
    for old, new in RENAMED_PARAMETERS.get(kind, {}).items():
        pattern = re.compile(rf"(?<![^.])(?:{old})(?![^.])")
        renamed = {pattern.sub(new, name): tensor for name, tensor in renamed.items()}
    return renamed


def _rename_hyperparameters(metadata: dict[str, Any]) -> dict[str, Any]:
    """Rename the keys of the hyperparameters, of a training run's in "about", too."""
    renamed = metadata.copy()
    for key in _HYPERPARAMETERS:
        if key in metadata:
            renamed[key] = _rename_keys(metadata[key])
    if isinstance(metadata.get("about"), dict):
        renamed["about"] = _rename_hyperparameters(metadata["about"])
    return renamed


def _rename_keys(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    renamed = {RENAMED_HYPERPARAMETERS.get(key, key): _rename_keys(v) for key, v in value.items()}
    for name, added in ADDED_HYPERPARAMETERS.items():
        if name in renamed:
            renamed = {**added, **renamed}
    return renamed


def _cast(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def _damaged(path: Path, error: Exception) -> BadCheckpoint:
    return BadCheckpoint(f"{path} is damaged or no checkpoint ({error}); delete it and train again")


def _read_header(file: BinaryIO) -> dict[str, str]:
    """Return the metadata of a safetensors header: 8 bytes of its length, then JSON."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _MAX_HEADER_BYTES:
        raise ValueError("its header is too long")
    metadata: dict[str, str] = json.loads(file.read(length))["__metadata__"]
    return metadata


def _digest(kind: str, document: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(f"{kind}\n{document}\n".encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
