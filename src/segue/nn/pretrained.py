"""Pretrained models of the `transformers` format and of llama.cpp: located and checked.

A model is named "hf:NAME" (of the Hugging Face Hub), "gguf:PATH" (a file of llama.cpp), or by the
path of a folder of the `transformers` format. Weights are read from safetensors alone, since
pickled ones can execute code; code that comes with a model is never executed. Only `download`
connects to the network.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from segue.errors import BadArgument, NotFound

INSTALL: Final = "pip install 'segue[llm]'"
#: Files of a model that are downloaded.
_PATTERNS: Final = ("*.safetensors", "*.json", "*.model", "*.txt")
_PICKLED: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_CONFIG: Final = "config.json"
_MAX_CONFIG_BYTES: Final = 1 << 20
#: Of each file of weights, bytes at so many places are hashed.
_HASHED_PLACES: Final = 16
_HASHED_BYTES: Final = 1 << 16
#: Memory for activations and gradients, as a share of that for the weights.
_OVERHEAD: Final = 0.25
_FLOAT32_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A language model of another maker.

    Attributes
    ----------
    kind : {"hf", "path", "gguf"}
    name : str
        Name on the Hub, or absolute path.
    """

    kind: Literal["hf", "path", "gguf"]
    name: str

    def __str__(self) -> str:
        return self.name if self.kind == "path" else f"{self.kind}:{self.name}"


def parse_base(text: str) -> BaseModel | None:
    """Read the name of a model of another maker; None if it is the name of one of Segue's.

    Raises
    ------
    BadArgument
        No name follows "hf:" or "gguf:".
    """
    kind, colon, name = text.partition(":")
    if colon and kind == "hf":
        if not name or name.startswith("/") or name.count("/") > 1:
            raise BadArgument(
                f"--from {text}: the name of a model of the Hugging Face Hub, as hf:OWNER/NAME"
            )
        return BaseModel("hf", name)
    if colon and kind == "gguf":
        if not name:
            raise BadArgument("--from gguf: takes the path of a file, as gguf:models/NAME.gguf")
        return BaseModel("gguf", os.path.abspath(os.path.expanduser(name)))
    if os.sep in text or text in (".", "..") or text.startswith("~"):
        return BaseModel("path", os.path.abspath(os.path.expanduser(text)))
    return None


def require_packages(*names: str) -> None:
    """Check that packages of the extra "llm" are installed.

    Raises
    ------
    BadArgument
    """
    for name in names:
        if find_spec(name) is None:
            raise BadArgument(
                f"language models of other makers need the package {name}, which is not "
                f"installed: {INSTALL}"
            )


def download(base: BaseModel) -> None:
    """Download a model of the Hugging Face Hub, if it is not in its cache.

    Raises
    ------
    NotFound
        There is no such model, or it needs an account.
    BadArgument
        The Hub cannot be reached, or the disk is full.
    """
    require_packages("transformers")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
    )

    try:
        snapshot_download(base.name, allow_patterns=list(_PATTERNS))
    except GatedRepoError:
        raise NotFound(
            f"{base} asks for consent on its page and for an account: after that, log in with "
            "`hf auth login`, or download it yourself and give its folder to --from"
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise NotFound(
            f"the Hugging Face Hub has no public model {base.name!r}; names are as "
            "HuggingFaceTB/SmolLM2-135M"
        ) from None
    except Exception as error:  # noqa: BLE001  # of the HTTP client, the Hub, or the disk
        reason = first_line(error.__cause__ or error)
        raise BadArgument(
            f"{base} cannot be downloaded ({reason}): check the network, or give the path of a "
            "folder that has the model to --from"
        ) from None


def locate(base: BaseModel) -> Path:
    """Return the folder or file of a model on this computer.

    Raises
    ------
    NotFound
        It is not here.
    """
    if base.kind == "hf":
        require_packages("transformers")
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(
                snapshot_download(base.name, allow_patterns=list(_PATTERNS), local_files_only=True)
            )
        except (LocalEntryNotFoundError, OSError):
            raise NotFound(
                f"the language model {base} is not on this computer; `segue train lyrics --from "
                f"{base}` downloads it"
            ) from None
    path = Path(base.name)
    if not path.exists():
        raise NotFound(f"there is no language model {path}: check the path, or put it back there")
    if path.is_dir() == (base.kind == "gguf"):
        expected = "a file of llama.cpp" if base.kind == "gguf" else "a folder"
        raise BadArgument(f"{path} is not {expected}; give --from a model of that kind")
    return path


def check_folder(folder: Path, *, tokenizer: bool = True) -> None:
    """Check that a folder has all files of a model of the `transformers` format.

    Parameters
    ----------
    folder : Path
    tokenizer : bool
        Whether the model reads text.

    Raises
    ------
    BadArgument
        A file is missing or not safe.
    """
    config = read_config(folder)
    weights = _weight_files(folder)
    if not weights:
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLED)
        if pickled:
            raise BadArgument(
                f"{folder} has its weights in {pickled[0]}, a pickle, which can execute code; "
                "give a model with .safetensors files"
            )
        raise BadArgument(f"{folder} has no weights; expected model.safetensors in it")
    missing = [path.name for path in weights if not path.exists()]
    if missing:
        raise BadArgument(
            f"{folder} lacks {missing[0]}, which its index names; download the model again"
        )
    tokenizers = ("tokenizer.json", "tokenizer.model", "vocab.json")
    if tokenizer and not any((folder / name).exists() for name in tokenizers):
        raise BadArgument(f"{folder} has no tokenizer.json; give a folder with the tokenizer too")
    if config.get("auto_map"):
        raise BadArgument(
            f"{folder} needs code of its own, which Segue does not execute; give a model of an "
            "architecture that transformers has"
        )


def check_causal(folder: Path) -> None:
    """Check that a folder has a causal language model.

    Raises
    ------
    BadArgument
        It is of another kind.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = read_config(folder)
    named = config.get("architectures")
    architectures = [str(each) for each in named] if isinstance(named, list) else []
    causal: set[str] = set()
    for names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        causal.update([names] if isinstance(names, str) else names)
    if config.get("is_encoder_decoder") or not causal & {*architectures}:
        found = ", ".join(architectures) or str(config.get("model_type", "an unknown model"))
        raise BadArgument(
            f"{folder} is {found}, not a causal language model, which writes from left to right; "
            "give one such as GPT-2, Llama or SmolLM"
        )


def fingerprint(path: Path) -> str:
    """Return a hash of a model: of its configuration, tokenizer, and parts of its weights."""
    files = [path]
    if path.is_dir():
        names = (_CONFIG, "tokenizer.json", "tokenizer.model")
        files = [path / name for name in names if (path / name).exists()]
        files += _weight_files(path)
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as opened:
            for place in range(_HASHED_PLACES):
                opened.seek(size * place // _HASHED_PLACES)
                digest.update(opened.read(_HASHED_BYTES))
    return digest.hexdigest()[:16]


def available_memory() -> int | None:
    """Return the bytes of memory that are free; None if the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def choose_dtype(folder: Path, memory: int | None) -> str:
    """Return the type of the weights that fits into memory, "float32" or "bfloat16".

    Parameters
    ----------
    folder : Path
    memory : int, optional
        Free bytes; None if unknown.

    Raises
    ------
    BadArgument
        Neither fits.
    """
    parameters = sum(_parameters(path) for path in _weight_files(folder))
    needed = round(parameters * _FLOAT32_BYTES * (1 + _OVERHEAD))
    if memory is None or needed <= memory:
        return "float32"
    if needed // 2 <= memory:
        return "bfloat16"
    raise BadArgument(
        f"the language model in {folder} has {parameters / 1e9:.1f} billion weights and needs "
        f"{needed / 2e9:.1f} GB of memory, of which {memory / 1e9:.1f} GB are free; choose a "
        "smaller model, or a gguf file of it in 4 bits"
    )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers and peft from printing, and from connecting to the network."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import constants
    from transformers.utils import logging

    before, verbosity = constants.HF_HUB_OFFLINE, logging.get_verbosity()
    constants.HF_HUB_OFFLINE = True
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        constants.HF_HUB_OFFLINE = before
        logging.set_verbosity(verbosity)


def read_config(folder: Path, name: str = _CONFIG) -> dict[str, Any]:
    """Read a JSON file of a model.

    Raises
    ------
    BadArgument
        It is missing, or has no object.
    """
    path = folder / name
    try:
        config = json.loads(path.read_bytes()[:_MAX_CONFIG_BYTES])
    except FileNotFoundError:
        raise BadArgument(
            f"{folder} has no {name}; give the folder of a language model of the transformers "
            "format"
        ) from None
    except (OSError, ValueError) as error:
        raise BadArgument(f"{path} cannot be read ({first_line(error)})") from None
    if not isinstance(config, dict):
        raise BadArgument(f"{path} is not the configuration of a model")
    return config


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            names = {str(name) for name in json.loads(index.read_bytes())["weight_map"].values()}
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise BadArgument(f"{index} cannot be read ({first_line(error)})") from None
        return [folder / Path(name).name for name in sorted(names)]
    path = folder / "model.safetensors"
    return [path] if path.exists() else []


def _parameters(path: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as tensors:
            total = 0
            for name in tensors.keys():  # noqa: SIM118
                size = 1
                for length in tensors.get_slice(name).get_shape():
                    size *= int(length)
                total += size
            return total
    except (OSError, SafetensorError) as error:
        raise BadArgument(
            f"{path} is damaged ({first_line(error)}); download the model again"
        ) from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
