"""The composing transformer: checkpoint, index of its training set, cached decoding."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor

from segue.builtin_spaces import WEIGHTS
from segue.generate.compose.tokens import VOCABULARY_SIZE
from segue.generate.copying import PassageIndex
from segue.nn.checkpoint import Checkpoint, load_model, save_model
from segue.nn.quantization import Precision, for_inference
from segue.nn.transformer import KVCache, StackConfig, Transformer, TransformerConfig

CHECKPOINT_KIND: Final = "composer"
#: Version of the tokens of `segue.generate.compose.grammar`.
VERSION: Final = 1
MODEL: Final = "composer.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL


@dataclass(frozen=True, slots=True, eq=False)
class Composer:
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
        Of the checkpoint; "" until it is saved.
    """

    network: Transformer
    index: PassageIndex
    metadata: Mapping[str, Any]
    fingerprint: str = ""

    @classmethod
    def pretrained(cls) -> Self:
        """Load the pretrained model that comes with Segue."""
        return cls.load(PRETRAINED)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a checkpoint.

        Raises
        ------
        BadCheckpoint
            The file is missing, damaged, or of another version of the tokens.
        """
        remedy = "train again with `segue train score --preset transformer`"
        return load_model(path, CHECKPOINT_KIND, VERSION, cls._build, remedy)

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        metadata, tensors = checkpoint.metadata, dict(checkpoint.tensors)
        config = metadata["config"]
        if config["vocabulary"] != VOCABULARY_SIZE:
            raise ValueError(f"{config['vocabulary']} tokens, expected {VOCABULARY_SIZE}")
        index = PassageIndex(
            tensors.pop("known.contents").numpy().view(np.uint32),
            tensors.pop("known.steps").numpy(),
            tensors.pop("known.pieces").numpy().astype(np.int32),
            metadata["pieces"],
        )
        network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(**config["stack"])))
        network.load_state_dict(tensors)
        return cls(network.eval(), index, metadata["told"], checkpoint.fingerprint)

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> str:
        """Write a checkpoint atomically, and return its fingerprint.

        Parameters
        ----------
        path : Path
            Path of the output file.
        dtype : torch.dtype
            Type of the weights in the file.

        Raises
        ------
        DiskFull
        """
        tensors = dict(self.network.state_dict())
        tensors["known.contents"] = torch.from_numpy(self.index.keys.view(np.int32))
        tensors["known.steps"] = torch.from_numpy(self.index.links)
        tensors["known.pieces"] = torch.from_numpy(self.index.pieces.astype(np.int16))
        metadata = {
            "config": asdict(self.network.config),
            "pieces": list(self.index.names),
            "told": dict(self.metadata),
        }
        return save_model(path, CHECKPOINT_KIND, VERSION, metadata, tensors, dtype)


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
        dtype = self._network.tokens.weight.dtype
        self._kv_cache = KVCache(network.config.stack, 1, dtype)
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
