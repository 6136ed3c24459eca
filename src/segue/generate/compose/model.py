"""The composing transformer: checkpoint, index of its training set, cached decoding."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from torch import Tensor

from segue.builtin_spaces import WEIGHTS
from segue.generate.compose.tokens import VOCABULARY_SIZE
from segue.generate.copying import PassageIndex
from segue.nn.checkpoint import Checkpoint, SavedModel, save_model
from segue.nn.quantization import (
    Precision,
    float_state_dict,
    for_inference,
    load_transformer,
    quantize_weights,
)
from segue.nn.transformer import KVCache, StackConfig, Transformer, TransformerConfig

CHECKPOINT_KIND: Final = "composer"
#: Version of the tokens of `segue.generate.compose.grammar`.
VERSION: Final = 1
MODEL: Final = "composer.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL
_INDEX: Final = "known.bars"


@dataclass(frozen=True, slots=True, eq=False)
class Composer(SavedModel):
    """A transformer that composes, with an index of its training set.

    Attributes
    ----------
    network : Transformer
        The language model.
    index : PassageIndex
        Bars of the training set, for copy detection.
    metadata : mapping
        JSON values: how it was trained.
    fingerprint : str
        Hash of the checkpoint; "" until it is saved.
    """

    kind: ClassVar = CHECKPOINT_KIND
    version: ClassVar = VERSION
    bundled: ClassVar = PRETRAINED
    remedy: ClassVar = "train again with `segue train score --preset transformer`"

    network: Transformer
    index: PassageIndex
    metadata: Mapping[str, Any]
    fingerprint: str = ""

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        metadata, tensors = checkpoint.metadata, dict(checkpoint.tensors)
        config = metadata["config"]
        if config["vocabulary"] != VOCABULARY_SIZE:
            raise ValueError(f"{config['vocabulary']} tokens, expected {VOCABULARY_SIZE}")
        index = _take_index(tensors, metadata["pieces"])
        stack = StackConfig(**config["stack"])
        network = load_transformer(TransformerConfig(VOCABULARY_SIZE, stack), tensors)
        return cls(network, index, metadata["told"], checkpoint.fingerprint)

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> str:
        """Write a checkpoint atomically, and return its fingerprint.

        Parameters
        ----------
        path : Path
            Path of the output file.
        dtype : torch.dtype
            Type of the weights in the file; int8 with a scale for each row.

        Raises
        ------
        DiskFull
        """
        tensors = float_state_dict(self.network)
        if dtype == torch.int8:
            tensors, dtype = quantize_weights(tensors), torch.float16
        tensors[_INDEX] = torch.frombuffer(bytearray(self.index.compress()), dtype=torch.uint8)
        metadata = {
            "config": asdict(self.network.config),
            "pieces": list(self.index.names),
            "told": dict(self.metadata),
        }
        return save_model(path, CHECKPOINT_KIND, VERSION, metadata, tensors, dtype)


def _take_index(tensors: dict[str, Tensor], names: Sequence[str]) -> PassageIndex:
    """Take the index out of the tensors of a checkpoint."""
    if _INDEX in tensors:
        return PassageIndex.decompress(tensors.pop(_INDEX).numpy().tobytes(), names)
    return PassageIndex(  # as in files of version 0.1
        tensors.pop("known.contents").numpy().view(np.uint32),
        tensors.pop("known.steps").numpy(),
        tensors.pop("known.pieces").numpy().astype(np.int32),
        names,
    )


class CachedDecoder:
    """Decodes one sequence token by token, with a KV cache.

    Parameters
    ----------
    network : Transformer
        The language model.
    precision : {"float32", "bfloat16", "int8"}
        Samples are reproducible at the same precision.
    """

    def __init__(self, network: Transformer, precision: Precision = "int8") -> None:
        self._network = for_inference(network, precision)
        self._kv_cache = KVCache(network.config.stack, 1)
        self.context = network.config.stack.context

    @property
    def length(self) -> int:
        """Number of tokens in the context."""
        return self._kv_cache.length

    def truncate(self, length: int) -> None:
        """Drop all but the first `length` tokens."""
        self._kv_cache.truncate(length)

    def append(self, tokens: list[int]) -> Tensor:
        """Append tokens, and return the logits of the next, shape (VOCABULARY_SIZE,), float32.

        Raises
        ------
        BadArgument
            The tokens exceed the context.
        """
        with torch.inference_mode():
            logits = self._network.next_logits(torch.tensor([tokens]), self._kv_cache)
        return logits[0].float()
