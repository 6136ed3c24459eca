"""Language models of other makers that write in an artist's style.

`AdaptedModel` is what a checkpoint holds: a LoRA adapter of a causal language model, the name and
the hash of that base model, which stays where it is, and the songs of the training set. A model of
llama.cpp has no adapter: it writes after a prompt of the artist's songs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.generate.copying import NgramFilter
from segue.generate.lyrics.language_model import (
    SONGS_TENSOR,
    LanguageModel,
    compress_songs,
    decompress_songs,
)
from segue.generate.lyrics.network import UNCONDITIONAL
from segue.generate.lyrics.subword import SubwordLM, TokenLM
from segue.generate.lyrics.transformers_lm import TransformerLM, load_transformer
from segue.nn.checkpoint import Checkpoint, SavedModel, read_metadata, save_model
from segue.nn.pretrained import BaseModel, fingerprint, locate, parse_base
from segue.records import Lyrics

CHECKPOINT_KIND: Final = "lyrics adapter"
VERSION: Final = 1
#: Beginning of the names of the adapter's weights in a checkpoint.
_ADAPTER: Final = "adapter."


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedModel(SavedModel):
    """A language model of another maker, adapted to an artist's style.

    Attributes
    ----------
    base : BaseModel
    base_fingerprint : str
        See `segue.nn.pretrained.fingerprint`.
    artist : str
    training_songs : tuple of Lyrics
        Training set, kept for detecting copies.
    metadata : mapping
        JSON values: how it was trained, and validation figures.
    adapter : mapping from str to Tensor
        Weights of the LoRA adapter; empty if there is none.
    fingerprint : str
        "" until it is saved.
    """

    kind: ClassVar = CHECKPOINT_KIND
    version: ClassVar = VERSION
    remedy: ClassVar = "train it again with `segue train lyrics`"

    base: BaseModel
    base_fingerprint: str
    artist: str
    training_songs: tuple[Lyrics, ...]
    metadata: Mapping[str, Any]
    adapter: Mapping[str, Tensor] = field(default_factory=dict)
    fingerprint: str = ""

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        metadata, tensors = checkpoint.metadata, dict(checkpoint.tensors)
        songs = decompress_songs(tensors.pop(SONGS_TENSOR))
        base = parse_base(metadata["base"])
        if base is None:
            raise ValueError(f"a base model called {metadata['base']!r}")
        return cls(
            base,
            str(metadata["base_hash"]),
            str(metadata["voices"][0]),
            songs,
            metadata["told"],
            {name.removeprefix(_ADAPTER): tensor for name, tensor in tensors.items()},
            checkpoint.fingerprint,
        )

    def save(self, path: Path) -> str:
        """Write the model atomically; return its fingerprint.

        Raises
        ------
        DiskFull
        """
        tensors = {f"{_ADAPTER}{name}": tensor for name, tensor in self.adapter.items()}
        about = {
            "base": str(self.base),
            "base_hash": self.base_fingerprint,
            "voices": [self.artist],
            "told": dict(self.metadata),
        }
        tensors[SONGS_TENSOR] = compress_songs(self.training_songs)
        return save_model(path, CHECKPOINT_KIND, VERSION, about, tensors, torch.float16)

    @property
    def artists(self) -> tuple[str, ...]:
        """The one artist whose style it knows."""
        return (self.artist,)

    @property
    def corpus(self) -> NgramFilter | None:
        """None: what the base model was trained on is not known."""
        return None

    def style_index(self, artist: str) -> int:
        """Return the style index of an artist.

        Raises
        ------
        BadArgument
            The model does not know the artist.
        """
        if artist != self.artist:
            raise BadArgument(f"the model knows no {artist!r}; it knows: {self.artist}")
        return 1

    def ensemble(self, style: int, guidance_scale: float = 0.0) -> SubwordLM:
        """Return the language model, which predicts characters.

        Parameters
        ----------
        style : int
            `UNCONDITIONAL` for the base model without its adapter.
        guidance_scale : float
            Not used: it would take twice the time.

        Raises
        ------
        NotFound
            The base model is not on this computer any more.
        BadArgument
            The base model was changed, or cannot be loaded.
        """
        del guidance_scale
        return SubwordLM(self._token_lm(adapted=style != UNCONDITIONAL))

    def _token_lm(self, *, adapted: bool) -> TokenLM:
        path = locate(self.base)
        found = fingerprint(path)
        if found != self.base_fingerprint:
            raise BadArgument(
                f"the language model {self.base} is not the one that this adapter was trained "
                f"with; {self.remedy}"
            )
        if self.base.kind == "gguf":
            from segue.generate.lyrics.gguf import load_gguf

            return load_gguf(path, found, self.prompt if adapted else "")
        transformer = load_transformer(path, found)
        if adapted:
            transformer.add_adapter(self.fingerprint, self.adapter)
        return TransformerLM(transformer, self.fingerprint if adapted else "")

    @property
    def prompt(self) -> str:
        """Songs of the training set, which a model without adapter goes on from."""
        return "".join(f"{song.text}\n\n" for song in self.training_songs)


#: A model that writes lyrics.
StyleModel = LanguageModel | AdaptedModel


def load_style_model(path: Path) -> StyleModel:
    """Load a model that writes lyrics, of either kind.

    Raises
    ------
    BadCheckpoint
        The file is missing, damaged, inconsistent, of another version, or of another kind.
    """
    is_adapted = "base" in read_metadata(path)
    return AdaptedModel.load(path) if is_adapted else LanguageModel.load(path)
