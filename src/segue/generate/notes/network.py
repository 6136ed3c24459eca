"""The notes-and-durations LSTM: network, checkpoint, perplexity of tokens.

Two language models that share nothing, one of notes and chords, one of durations (see
`segue.generate.notes.tokens`), each an embedding of width 512 and an LSTM, as published. Embeddings
are initialised within ±0.05, as in Keras, so that training soon outweighs the initial noise.

Shape legend: B pieces, T tokens, V vocabulary size, H hidden size.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.generate.notes.tokens import UNKNOWN, Vocabulary
from segue.nn.checkpoint import Checkpoint, SavedModel, save_model
from segue.records import FloatArray

CHECKPOINT_KIND: Final = "note-lstm"
#: Version of the tokens of `segue.generate.notes.tokens`.
VERSION: Final = 1
MODEL: Final = "note-lstm.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL
#: Padding after the end of a piece.
IGNORED: Final = -100
STREAMS: Final = ("notes", "durations")
_INIT_RANGE: Final = 0.05
_MAX_SIZE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class NoteLSTMConfig:
    """Hyperparameters of the networks.

    Attributes
    ----------
    notes, durations : int
        Vocabulary sizes, with `UNKNOWN`.
    embedding : int
        Width of the embeddings, as published.
    hidden : int
        Hidden size of the LSTMs, which was not published.
    """

    notes: int
    durations: int
    embedding: int = 512
    hidden: int = 256

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        for name, value in asdict(self).items():
            if not isinstance(value, int) or not 1 <= value <= _MAX_SIZE:
                raise BadArgument(f"{name} {value!r}: a size from 1 to {_MAX_SIZE}")


class TokenLSTM(nn.Module):
    """A language model of one stream: predicts the next token."""

    def __init__(self, vocabulary: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        nn.init.uniform_(self.embedding.weight, -_INIT_RANGE, _INIT_RANGE)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return the logits of the token after each position, shape (B, T, V)."""
        hidden_BTH, _ = self.lstm(self.embedding(tokens_BT.clamp(min=0)))
        logits: Tensor = self.head(hidden_BTH)
        return logits


@dataclass(frozen=True, slots=True)
class NoteLosses:
    """Mean cross-entropy of a token of each stream, in nats."""

    notes: Tensor
    durations: Tensor


class NoteLSTM(nn.Module):
    """The language models of both streams."""

    def __init__(self, config: NoteLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.notes = TokenLSTM(config.notes, config.embedding, config.hidden)
        self.durations = TokenLSTM(config.durations, config.embedding, config.hidden)

    def loss(self, notes_BT: Tensor, durations_BT: Tensor) -> NoteLosses:
        """Return the cross-entropies of all tokens but the first.

        Parameters
        ----------
        notes_BT, durations_BT : Tensor, int64
            Token ids; `IGNORED` after the end.
        """
        losses = []
        for network, tokens_BT in ((self.notes, notes_BT), (self.durations, durations_BT)):
            logits = network(tokens_BT[:, :-1]).float()
            targets = tokens_BT[:, 1:].flatten()
            losses.append(F.cross_entropy(logits.flatten(0, 1), targets, ignore_index=IGNORED))
        return NoteLosses(*losses)


class NoteModel(SavedModel):
    """The networks with their vocabularies and a co-occurrence baseline.

    Parameters
    ----------
    network : NoteLSTM
        Both language models.
    vocabularies : mapping of str to Vocabulary
        Vocabularies of "notes" and "durations".
    cooccurrence : mapping of str to ndarray, shape (V, n), float32
        Vectors of the tokens from their co-occurrences, see `tokens.cooccurrence_vectors`.
    metadata : mapping
        JSON values: how it was trained, and validation figures.
    """

    kind: ClassVar = CHECKPOINT_KIND
    version: ClassVar = VERSION
    bundled: ClassVar = PRETRAINED

    def __init__(
        self,
        network: NoteLSTM,
        vocabularies: Mapping[str, Vocabulary],
        cooccurrence: Mapping[str, FloatArray],
        metadata: Mapping[str, Any],
    ) -> None:
        self.network = network.eval()
        self.vocabularies = dict(vocabularies)
        self.cooccurrence = dict(cooccurrence)
        self.metadata = dict(metadata)
        self.fingerprint = ""

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        metadata, tensors = checkpoint.metadata, dict(checkpoint.tensors)
        config = NoteLSTMConfig(**metadata["config"])
        vocabularies, cooccurrence = {}, {}
        for name in STREAMS:
            words = metadata["words"][name]
            vocabulary = Vocabulary(tuple(words["tokens"]), tuple(words["counts"]))
            vectors = tensors.pop(f"cooccurrence.{name}").numpy()
            if vocabulary.tokens[:1] != (UNKNOWN,):
                raise ValueError(f"the first of the {name} is not {UNKNOWN}")
            size = getattr(config, name)
            if (len(vocabulary), len(vocabulary.counts), len(vectors)) != (size, size, size):
                raise ValueError(f"{len(vocabulary)} {name}, but its network has {size}")
            vocabularies[name], cooccurrence[name] = vocabulary, vectors
        network = NoteLSTM(config)
        network.load_state_dict(tensors)
        model = cls(network, vocabularies, cooccurrence, metadata["told"])
        model.fingerprint = checkpoint.fingerprint
        return model

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write a checkpoint atomically.

        Parameters
        ----------
        path : Path
            Path of the output file.
        dtype : torch.dtype
            Type of the tensors in the file.

        Raises
        ------
        DiskFull
        """
        words = {
            name: {"tokens": list(vocabulary.tokens), "counts": list(vocabulary.counts)}
            for name, vocabulary in self.vocabularies.items()
        }
        metadata = {
            "config": asdict(self.network.config),
            "words": words,
            "told": self.metadata,
        }
        tensors = dict(self.network.state_dict())
        for name, vectors in self.cooccurrence.items():
            tensors[f"cooccurrence.{name}"] = torch.from_numpy(vectors)
        self.fingerprint = save_model(path, CHECKPOINT_KIND, VERSION, metadata, tensors, dtype)

    def embedding(self, stream: str) -> FloatArray:
        """Return the embeddings of "notes" or "durations", shape (V, 512), float32."""
        table: nn.Embedding = getattr(self.network, stream).embedding
        return np.asarray(table.weight.detach().float().numpy(), np.float32)

    def nll(self, stream: str, tokens: list[str]) -> FloatArray:
        """Return the negative log-likelihood of each token but the first.

        Parameters
        ----------
        stream : str
            "notes" or "durations".
        tokens : list of str
            At least two; tokens out of the vocabulary count as `UNKNOWN`.

        Returns
        -------
        ndarray, shape (n - 1,), float32
            Nats.
        """
        if len(tokens) < 2:
            raise BadArgument(f"{len(tokens)} tokens; at least 2 are needed to predict one")
        ids = torch.from_numpy(self.vocabularies[stream].ids(tokens))
        with torch.no_grad():
            logits = getattr(self.network, stream)(ids[None, :-1])[0]
            nll = F.cross_entropy(logits, ids[1:], reduction="none")
        return np.asarray(nll.numpy(), np.float32)
