"""The composing transformer with its training set's fingerprint."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.compose.known_bars import BarIndex
from segue.generate.compose.tokens import VOCABULARY_SIZE
from segue.nn.checkpoint import load_checkpoint, save_checkpoint
from segue.nn.quantization import Precision, for_inference
from segue.nn.transformer import KVCache, StackConfig, Transformer, TransformerConfig

CHECKPOINT_KIND: Final = "composer"
#: Raised when the tokens of `segue.generate.compose.grammar` change.
VERSION: Final = 1
MODEL: Final = "composer.safetensors"
BUNDLED: Final = WEIGHTS / MODEL


@dataclass(frozen=True, slots=True, eq=False)
class Composer:
    """A network that composes.

    Attributes
    ----------
    network : Transformer
    known : KnownBars
        What it learned from.
    about : dict
        JSON values: how it was trained.
    fingerprint : str
        "" until it is saved.
    """

    network: Transformer
    known: BarIndex
    about: Mapping[str, Any]
    fingerprint: str = ""

    @classmethod
    def shipped(cls) -> Self:
        """Load what comes with Segue."""
        return cls.load(BUNDLED)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load what `save` wrote.

        Raises
        ------
        BadCheckpoint
            The file is not there, damaged, or its tokens are others than this Segue's.
        """
        checkpoint = load_checkpoint(path, CHECKPOINT_KIND)
        about, tensors = checkpoint.metadata, dict(checkpoint.tensors)
        if about["version"] != VERSION or about["config"]["vocabulary"] != VOCABULARY_SIZE:
            raise BadCheckpoint(
                f"{path} knows {about['config']['vocabulary']} tokens of version "
                f"{about['version']}, this Segue writes {VOCABULARY_SIZE} of version {VERSION}; "
                "train again with `segue train score --preset transformer`"
            )
        try:
            stack = StackConfig(**about["config"]["stack"])
            known = BarIndex(
                tensors.pop("known.contents").numpy().view(np.uint32),
                tensors.pop("known.steps").numpy(),
                tensors.pop("known.pieces").numpy().astype(np.int32),
                about["pieces"],
            )
            network = Transformer(TransformerConfig(VOCABULARY_SIZE, stack))
            network.load_state_dict({name: one.float() for name, one in tensors.items()})
        except (BadArgument, KeyError, RuntimeError, TypeError) as error:
            raise BadCheckpoint(f"{path} does not fit together ({error}); train anew") from None
        return cls(network.eval(), known, about["told"], checkpoint.fingerprint)

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> str:
        """Write it, as a whole or not at all; return its fingerprint.

        Parameters
        ----------
        path : Path
        dtype : torch.dtype
            Half the precision takes half the room.

        Raises
        ------
        DiskFull
        """
        tensors = {name: one.to(dtype) for name, one in self.network.state_dict().items()}
        tensors["known.contents"] = torch.from_numpy(self.known.contents.view(np.int32))
        tensors["known.steps"] = torch.from_numpy(self.known.steps)
        tensors["known.pieces"] = torch.from_numpy(self.known.pieces.astype(np.int16))
        about = {
            "config": asdict(self.network.config),
            "version": VERSION,
            "pieces": list(self.known.names),
            "told": json.loads(json.dumps(dict(self.about))),
        }
        return save_checkpoint(path, CHECKPOINT_KIND, about, tensors)


class CachedDecoder:
    """Reads tokens one after the other, and says each time how likely the next ones are.

    Parameters
    ----------
    network : Transformer
    precision : {"float32", "bfloat16", "int8"}
        The same one gives the same music from the same seed.
    """

    def __init__(self, network: Transformer, precision: Precision = "int8") -> None:
        self._network = for_inference(network, precision)
        dtype = self._network.tokens.weight.dtype
        self._cache = KVCache(network.config.stack, 1, dtype)
        self.context = network.config.stack.context

    @property
    def length(self) -> int:
        """Tokens in view."""
        return self._cache.length

    def back(self, length: int) -> None:
        """Forget all but the first so many tokens."""
        self._cache.truncate(length)

    def read(self, tokens: list[int]) -> Tensor:
        """Read tokens; return the logits of the next one, shape (VOCABULARY,), float32.

        Raises
        ------
        BadArgument
            There is no room for them in view.
        """
        with torch.inference_mode():
            found = self._network.next_logits(torch.tensor([tokens]), self._cache)
        return found[0].float()
