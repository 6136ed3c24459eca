"""The notes-and-durations LSTM.

As published: words of notes and chords (see `segue.generate.notes.tokens`) through an embedding
of 512 and an LSTM, and the same by itself for durations. The embeddings start within ±0.05, as
Keras makes them, so that what is learned is soon larger than what they began with.

Shape legend: B pieces, T words, V words known, H numbers of the LSTM's state.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.notes.tokens import UNKNOWN, Vocabulary
from segue.nn.checkpoint import load_checkpoint, save_checkpoint
from segue.records import FloatArray

CHECKPOINT_KIND: Final = "note-lstm"
#: Raised when the words of `segue.generate.notes.tokens` change.
VERSION: Final = 1
MODEL: Final = "note-lstm.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL
#: What is no word: past the end of a piece.
IGNORED: Final = -100
STREAMS: Final = ("notes", "durations")
_INITIAL: Final = 0.05
_LARGEST: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class NoteLSTMConfig:
    """Sizes of the networks.

    Attributes
    ----------
    notes, durations : int
        Words known, `UNKNOWN` included.
    embedding : int
        As published.
    hidden : int
        Of the LSTMs; not told by the publication.
    """

    notes: int
    durations: int
    embedding: int = 512
    hidden: int = 256

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be.

        Raises
        ------
        BadArgument
        """
        for name, value in asdict(self).items():
            if not isinstance(value, int) or not 1 <= value <= _LARGEST:
                raise BadArgument(f"{name} {value!r}: a size from 1 to {_LARGEST}")


class TokenLSTM(nn.Module):
    """Guesses the next word of one sequence."""

    def __init__(self, words: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embedding)
        nn.init.uniform_(self.embedding.weight, -_INITIAL, _INITIAL)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, words)

    def forward(self, words_BT: Tensor) -> Tensor:
        """Return the logits of the word after each, shape (B, T, V)."""
        state_BTH, _ = self.lstm(self.embedding(words_BT.clamp(min=0)))
        logits: Tensor = self.head(state_BTH)
        return logits


@dataclass(frozen=True, slots=True)
class NoteLosses:
    """Mean cross-entropy of a word, in nats."""

    notes: Tensor
    durations: Tensor


class NoteLSTM(nn.Module):
    """Both networks; they share nothing."""

    def __init__(self, config: NoteLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.notes = TokenLSTM(config.notes, config.embedding, config.hidden)
        self.durations = TokenLSTM(config.durations, config.embedding, config.hidden)

    def loss(self, notes_BT: Tensor, durations_BT: Tensor) -> NoteLosses:
        """Return what guessing each word but the first from those before it costs.

        Parameters
        ----------
        notes_BT, durations_BT : Tensor, int64
            Words by number; `NO_WORD` past the end.
        """
        losses = []
        for network, words_BT in ((self.notes, notes_BT), (self.durations, durations_BT)):
            logits = network(words_BT[:, :-1]).float()
            losses.append(
                F.cross_entropy(
                    logits.flatten(0, 1), words_BT[:, 1:].flatten(), ignore_index=IGNORED
                )
            )
        return NoteLosses(*losses)


class NoteModel:
    """The networks with the words that they know.

    Parameters
    ----------
    network : NoteLSTM
    vocabularies : mapping of str to Vocabulary
        Of "notes" and "durations", as met in the music learned from.
    company : mapping of str to ndarray, shape (words, n), float32
        Vectors of the words from which stand beside which in the same music, see
        `segue.generate.notes.tokens`.
    about : mapping
        JSON values: how it was learned, and how well.
    """

    def __init__(
        self,
        network: NoteLSTM,
        vocabularies: Mapping[str, Vocabulary],
        company: Mapping[str, FloatArray],
        about: Mapping[str, Any],
    ) -> None:
        self.network = network.eval()
        self.vocabularies = dict(vocabularies)
        self.company = dict(company)
        self.about = dict(about)
        self.fingerprint = ""

    @classmethod
    def shipped(cls) -> Self:
        """Load the model that comes with Segue."""
        return cls.load(PRETRAINED)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a model.

        Raises
        ------
        BadCheckpoint
            The file is not there, damaged, or of another version.
        """
        checkpoint = load_checkpoint(path, CHECKPOINT_KIND)
        tensors = {name: tensor.float() for name, tensor in checkpoint.tensors.items()}
        try:
            config = _config(checkpoint.metadata, path)
            words = checkpoint.metadata["words"]
            vocabularies = {
                name: Vocabulary(tuple(words[name]["tokens"]), tuple(words[name]["counts"]))
                for name in STREAMS
            }
            company = {name: tensors.pop(f"company.{name}").numpy() for name in STREAMS}
            network = NoteLSTM(config)
            network.load_state_dict(tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            raise BadCheckpoint(f"{path} holds no whole note-lstm ({error}); train anew") from None
        for name in STREAMS:
            known, size = vocabularies[name], getattr(config, name)
            if not len(known) == len(known.counts) == len(company[name]) == size:
                raise BadCheckpoint(
                    f"{path} names {len(known)} {name}, but its network knows {size}; train anew"
                )
        found = cls(network, vocabularies, company, checkpoint.metadata["told"])
        found.fingerprint = checkpoint.fingerprint
        return found

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write it, as a whole or not at all.

        Parameters
        ----------
        path : Path
        dtype : torch.dtype
            Half the precision takes half the room.

        Raises
        ------
        DiskFull
        """
        words = {
            name: {"tokens": list(known.tokens), "counts": list(known.counts)}
            for name, known in self.vocabularies.items()
        }
        about = {
            "config": asdict(self.network.config),
            "version": VERSION,
            "words": words,
            "told": json.loads(json.dumps(self.about)),
        }
        tensors = dict(self.network.state_dict())
        tensors |= {f"company.{name}": torch.from_numpy(v) for name, v in self.company.items()}
        smaller = {name: tensor.to(dtype) for name, tensor in tensors.items()}
        self.fingerprint = save_checkpoint(path, CHECKPOINT_KIND, about, smaller)

    def embedding(self, stream: str) -> FloatArray:
        """Return the embedding of "notes" or "durations", shape (words, 512), float32."""
        table: nn.Embedding = getattr(self.network, stream).embedding
        return np.asarray(table.weight.detach().float().numpy(), np.float32)

    def surprise(self, stream: str, words: list[str]) -> FloatArray:
        """Return what each word but the first costs, given those before it.

        Parameters
        ----------
        stream : str
            "notes" or "durations".
        words : list of str
            At least two; those that are not known count as `UNKNOWN`.

        Returns
        -------
        ndarray, shape (n - 1,), float32
            Nats.
        """
        if len(words) < 2:
            raise BadArgument(f"{len(words)} words; at least 2 are needed to guess one")
        ids = torch.from_numpy(self.vocabularies[stream].ids(words))
        with torch.no_grad():
            logits = getattr(self.network, stream)(ids[None, :-1])[0]
            costs = F.cross_entropy(logits, ids[1:], reduction="none")
        return np.asarray(costs.numpy(), np.float32)


def _config(about: Mapping[str, Any], path: Path) -> NoteLSTMConfig:
    if about["version"] != VERSION:
        raise BadCheckpoint(
            f"{path} was learned from words of version {about['version']}, this Segue makes "
            f"version {VERSION}; train anew"
        )
    try:
        config = NoteLSTMConfig(**about["config"])
    except BadArgument as error:
        raise BadCheckpoint(f"{path} is of no size that can be ({error}); train anew") from None
    for name in STREAMS:
        if about["words"][name]["tokens"][:1] != [UNKNOWN]:
            raise BadCheckpoint(f"the first of the {name} in {path} is not {UNKNOWN}; train anew")
    return config
