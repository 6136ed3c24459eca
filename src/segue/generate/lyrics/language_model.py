"""The lyrics language model: network and n-gram combined.

Lyrics read in one voice: what a network expects, together with runs of the artist's letters.

What writes lyrics: a network of letters, the voices it knows, and the songs it learned from.
"""

import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.lyrics.network import (
    CONTEXT,
    UNCONDITIONAL,
    CharNetwork,
    CharNetworkConfig,
    State,
)
from segue.generate.lyrics.ngram import NgramLM
from segue.generate.lyrics.vocabulary import CHARACTERS, VOCABULARY_SIZE, Tokens, encode_song
from segue.nn.checkpoint import load_checkpoint, save_checkpoint
from segue.nn.quantization import restored, shortened
from segue.records import Lyrics, Tags

# --- reading ---

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LMState:
    """What a reader remembers: the last letters, and what the network made of all."""

    last: tuple[int, ...]
    state: State


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleLM:
    """Reads a text, and says what comes next.

    Attributes
    ----------
    network : LetterNetwork
    voice : int
        Whose songs it takes them for.
    runs : Runs, optional
        Of that artist's songs.
    share : float
        Of `runs` in what is said, from 0 to below 1.
    emphasis : float
        How often what sets the voice apart from nobody's in particular is added to what `read`
        says: 0 to foretell, more to write. Classifier-free guidance (Ho & Salimans 2021; of
        language models, Sanchez et al. 2023).
    """

    network: CharNetwork
    voice: int
    runs: NgramLM | None = None
    share: float = 0.0
    emphasis: float = 0.0

    def begin(self) -> LMState:
        """Return what is remembered before anything is read."""
        return LMState((), self.network.begin(len(self._read_as)))

    @property
    def _read_as(self) -> tuple[int, ...]:
        """Whose songs the network takes a text for, at once."""
        apart = self.emphasis and self.voice != UNCONDITIONAL
        return (self.voice, UNCONDITIONAL) if apart else (self.voice,)

    @torch.inference_mode()
    def read(self, tokens: Sequence[int], before: LMState) -> tuple[Tensor, LMState]:
        """Read tokens, at least one.

        Returns
        -------
        Tensor, shape (V,)
            Log-probabilities of what comes next.
        Remembered
            To be read on from, again and again.
        """
        voices = torch.tensor(self._read_as)
        given = torch.tensor([tokens] * len(voices))
        logits, state = self.network.read(given, voices, before.state)
        expected = logits.float().log_softmax(dim=-1)
        outlook = expected[0]
        last: tuple[int, ...] = ()
        if self.runs is not None:
            last = (*before.last, *tokens)[-self.runs.longest :]
            counted = torch.from_numpy(self.runs.outlook(last)).float().log()
            outlook = mix_log_linear(outlook, counted, self.share)
        if len(voices) > 1:
            apart = expected[0] - expected[1]
            outlook = (outlook + self.emphasis * apart).log_softmax(dim=-1)
        return outlook, LMState(last, state)

    def costs(self, tokens: Tokens) -> Real:
        """Return what each token of a song costs after the first, in nats, shape (n - 1,)."""
        outlooks = network_log_probs(self.network, tokens, self.voice)
        if self.runs is not None:
            counted = torch.from_numpy(self.runs.outlooks(tokens)).float().log()
            outlooks = mix_log_linear(outlooks, counted, self.share)
        return token_nll(outlooks, tokens)


def mix_log_linear(expected: Tensor, counted: Tensor, share: float) -> Tensor:
    """Return what a network and runs of letters say together: where one is sure, it decides.

    The weighted mean of their logarithms; with that of their probabilities every artist's songs
    cost a hundredth more (JOURNAL.md).

    Parameters
    ----------
    expected, counted : Tensor, shape (..., V)
        Log-probabilities.
    share : float
        Of what was counted.
    """
    return ((1 - share) * expected + share * counted).log_softmax(dim=-1)


def token_nll(outlooks: Tensor, tokens: Tokens) -> Real:
    """Return what the tokens of a song cost after the first, in nats, shape (n - 1,).

    Parameters
    ----------
    outlooks : Tensor, shape (n - 1, V)
        Log-probabilities.
    tokens : ndarray, shape (n,)
    """
    found: Real = -outlooks.gather(1, torch.from_numpy(tokens[1:, None]))[:, 0].double().numpy()
    return found


@torch.inference_mode()
def network_log_probs(network: CharNetwork, tokens: Tokens, voice: int) -> Tensor:
    """Return how likely a network holds each token of a song after the first, shape (n - 1, V).

    As log-probabilities. It is read from its beginning to its end; by a transformer in windows
    that overlap by half.
    """
    given, who = torch.from_numpy(tokens[None, :-1]), torch.tensor([voice])
    if network.config.core == "lstm":
        return network.read_all(given, who)[0][0].float().log_softmax(dim=-1)
    found, half = [], CONTEXT // 2
    for start in range(0, max(given.shape[1] - half, 1), half):
        window = network.read_all(given[:, start : start + CONTEXT], who)[0][0]
        found.append(window[half if start else 0 :])  # those seen with more before them stay
    return torch.cat(found).float().log_softmax(dim=-1)


# --- language ---

CHECKPOINT_KIND: Final = "lyrics"
#: Raised when a token comes to mean something else.
VERSION: Final = 1
MODEL_FILE: Final = "lyrics.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL_FILE
_SONGS: Final = "known.songs"
_MOST_BYTES: Final = 1 << 30  # of songs, unpacked


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A network that writes lyrics.

    Attributes
    ----------
    network : LetterNetwork
    voices : tuple of str
        Artists; the number of each in the network is one more than its place.
    known : tuple of Lyrics
        What it learned from.
    about : mapping
        JSON values: how it was learned, and how well.
    fingerprint : str
        "" until it is saved.
    shares : mapping
        Of an artist's runs of letters in what is foretold, from 0 to below 1; 0 for those not
        named.
    """

    network: CharNetwork
    voices: tuple[str, ...]
    known: tuple[Lyrics, ...]
    about: Mapping[str, Any]
    fingerprint: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def shipped(cls) -> Self:
        """Load what comes with Segue."""
        return cls.load(PRETRAINED)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        BadCheckpoint
            The file is not there, damaged, or its letters are others than this Segue's.
        """
        checkpoint = load_checkpoint(path, CHECKPOINT_KIND)
        about, tensors = checkpoint.about, dict(checkpoint.tensors)
        if about.get("version") != VERSION or about.get("letters") != len(CHARACTERS):
            raise BadCheckpoint(
                f"{path} is of version {about.get('version')} with {about.get('letters')} letters, "
                f"this Segue writes version {VERSION} with {len(CHARACTERS)}; train anew with "
                "`segue train lyrics`"
            )
        try:
            known = _unpacked(tensors.pop(_SONGS))
            config = about["config"]
            network = CharNetwork(CharNetworkConfig(**config | {"runs": tuple(config["runs"])}))
            network.load_state_dict(restored(tensors))
            shares = _shares(about)
        except (
            AttributeError, BadArgument, EOFError, KeyError, RuntimeError, TypeError, ValueError,
            lzma.LZMAError,
        ) as error:  # fmt: skip
            raise BadCheckpoint(f"{path} does not fit together ({error}); train anew") from None
        network.eval().requires_grad_(False)
        voices = tuple(about["voices"])
        return cls(network, voices, known, about["told"], checkpoint.fingerprint, shares)

    def save(self, path: Path, *, short: bool = False) -> str:
        """Write it, as a whole or not at all; return its fingerprint.

        Parameters
        ----------
        path : Path
        short : bool
            Keep matrices in 8 bits, each row with its scale: a quarter of the room.

        Raises
        ------
        DiskFull
        """
        tensors = dict(self.network.state_dict())
        if short:
            tensors = shortened(tensors)
        tensors[_SONGS] = _packed(self.known)
        about = {
            "config": asdict(self.network.config),
            "version": VERSION,
            "letters": len(CHARACTERS),
            "vocabulary": VOCABULARY_SIZE,
            "voices": list(self.voices),
            "shares": dict(self.shares),
            "told": json.loads(json.dumps(dict(self.about))),
        }
        return save_checkpoint(path, CHECKPOINT_KIND, about, tensors)

    def voice(self, artist: str) -> int:
        """Return the number of an artist's voice.

        Raises
        ------
        BadArgument
            It does not know that artist.
        """
        if artist not in self.voices:
            raise BadArgument(f"the model knows no {artist!r}; it knows: {', '.join(self.voices)}")
        return self.voices.index(artist) + 1

    def reader(self, voice: int, emphasis: float = 0.0) -> EnsembleLM:
        """Return what reads in a voice, and says what comes next.

        Parameters
        ----------
        voice : int
            From `voice`, or `ANYBODY`.
        emphasis : float
            See `Reader`.
        """
        artist = self.voices[voice - 1] if voice != UNCONDITIONAL else ""
        share = self.shares.get(artist, 0.0)
        own = [one.text for one in self.known if one.tags.artist == artist] if share else []
        if not own:
            return EnsembleLM(self.network, voice, emphasis=emphasis)
        runs = NgramLM([encode_song(text) for text in own])
        return EnsembleLM(self.network, voice, runs, share, emphasis)


def _shares(about: Mapping[str, Any]) -> dict[str, float]:
    """Return what `LanguageModel.shares` were; older files have none."""
    shares = {artist: float(share) for artist, share in about.get("shares", {}).items()}
    if not all(0 <= share < 1 for share in shares.values()):
        raise ValueError(f"shares of {shares}")
    return shares


def _packed(songs: tuple[Lyrics, ...]) -> Tensor:
    document = json.dumps(
        [[one.tags.title, one.tags.artist, one.text] for one in songs], ensure_ascii=False
    )
    packed = lzma.compress(document.encode("utf-8", "replace"))
    return torch.from_numpy(np.frombuffer(packed, np.uint8).copy())


def _unpacked(packed: Tensor) -> tuple[Lyrics, ...]:
    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 28)
    document = reader.decompress(packed.numpy().tobytes(), max_length=_MOST_BYTES)
    if not reader.eof:
        raise ValueError("the songs are cut off, or too many")
    return tuple(Lyrics(text, Tags(title, artist)) for title, artist, text in json.loads(document))
