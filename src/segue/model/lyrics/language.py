"""What writes lyrics: a network of letters, the voices it knows, and the songs it learned from."""

import json
import lzma
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor

from segue.errors import BadArgument, BadCheckpoint
from segue.model.checkpoint import load_checkpoint, save_checkpoint
from segue.model.lyrics.letters import ANYBODY, LetterConfig, LetterNetwork
from segue.model.lyrics.reading import Reader
from segue.model.lyrics.runs import Runs
from segue.model.short_weights import restored, shortened
from segue.records import Lyrics, Tags
from segue.represent.lyrics.letters import LETTERS, VOCABULARY, encode_song

KIND: Final = "lyrics"
#: Raised when a token comes to mean something else.
VERSION: Final = 1
MODEL: Final = "lyrics.safetensors"
SHIPPED: Final = Path(__file__).parents[2] / "weights" / MODEL
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

    network: LetterNetwork
    voices: tuple[str, ...]
    known: tuple[Lyrics, ...]
    about: Mapping[str, Any]
    fingerprint: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def shipped(cls) -> Self:
        """Load what comes with Segue."""
        return cls.load(SHIPPED)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        BadCheckpoint
            The file is not there, damaged, or its letters are others than this Segue's.
        """
        checkpoint = load_checkpoint(path, KIND)
        about, tensors = checkpoint.about, dict(checkpoint.tensors)
        if about.get("version") != VERSION or about.get("letters") != len(LETTERS):
            raise BadCheckpoint(
                f"{path} is of version {about.get('version')} with {about.get('letters')} letters, "
                f"this Segue writes version {VERSION} with {len(LETTERS)}; train anew with "
                "`segue train lyrics`"
            )
        try:
            known = _unpacked(tensors.pop(_SONGS))
            config = about["config"]
            network = LetterNetwork(LetterConfig(**config | {"runs": tuple(config["runs"])}))
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
            "letters": len(LETTERS),
            "vocabulary": VOCABULARY,
            "voices": list(self.voices),
            "shares": dict(self.shares),
            "told": json.loads(json.dumps(dict(self.about))),
        }
        return save_checkpoint(path, KIND, about, tensors)

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

    def reader(self, voice: int, emphasis: float = 0.0) -> Reader:
        """Return what reads in a voice, and says what comes next.

        Parameters
        ----------
        voice : int
            From `voice`, or `ANYBODY`.
        emphasis : float
            See `Reader`.
        """
        artist = self.voices[voice - 1] if voice != ANYBODY else ""
        share = self.shares.get(artist, 0.0)
        own = [one.text for one in self.known if one.tags.artist == artist] if share else []
        if not own:
            return Reader(self.network, voice, emphasis=emphasis)
        runs = Runs([encode_song(text) for text in own])
        return Reader(self.network, voice, runs, share, emphasis)


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
