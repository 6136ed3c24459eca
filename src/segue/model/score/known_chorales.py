"""What the voices of the chorales learned from sing, as hashes: to find what is copied."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from segue.errors import BadCheckpoint
from segue.measure.hashed_copying import Hashes, hashed_runs, longest_hashed_passage
from segue.model.checkpoint import load_checkpoint, save_checkpoint

KIND: Final = "known chorales"
SHIPPED: Final = Path(__file__).parents[2] / "weights" / "chorale-runs.safetensors"
#: The voices that are written below a melody.
VOICES: Final = ("Alto", "Tenor", "Bass")


@dataclass(frozen=True, slots=True)
class VoicePassage:
    """The longest passage that a voice shares, in whatever key, with that voice of a chorale.

    Attributes
    ----------
    notes : int
        0 where there is none of six notes or more.
    sixteenths : int
        From its first onset to its last.
    voice, chorale : str
        "" for none.
    """

    notes: int
    sixteenths: int = 0
    voice: str = ""
    chorale: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class KnownChorales:
    """The chorales that were learned from.

    Attributes
    ----------
    names : tuple of str
    runs, starts : tuple of ndarray
        Of each of `VOICES`: hashes, and where each chorale begins in them; see
        `segue.measure.hashed_copying`.
    """

    names: tuple[str, ...]
    runs: tuple[Hashes, ...]
    starts: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, names: Sequence[str], chorales: Sequence[NDArray[np.integer]]) -> "KnownChorales":
        """Hold chorales, each of shape (frames, 4): MIDI pitches, below 0 for silence."""
        runs, starts = [], []
        for voice in range(1, 1 + len(VOICES)):
            some = [hashed_runs(voice_notes(one[:, voice])) for one in chorales]
            runs.append(np.concatenate(some))
            starts.append(np.cumsum([0, *map(len, some)])[:-1].astype(np.int64))
        return cls(tuple(names), tuple(runs), tuple(starts))

    def longest(self, pitches: NDArray[np.integer]) -> VoicePassage:
        """Find the longest passage that one of the lower voices shares.

        Parameters
        ----------
        pitches : ndarray of int, shape (frames, 4)
            Sixteenths of soprano, alto, tenor and bass; below 0 for silence.
        """
        best = VoicePassage(0)
        for voice, name in enumerate(VOICES):
            notes = voice_notes(pitches[:, voice + 1])
            found = longest_hashed_passage(notes, self.runs[voice], self.starts[voice])
            if found.notes > best.notes:
                last = found.start + found.notes - 1
                apart = int(notes[last, 1] - notes[found.start, 1])
                best = VoicePassage(found.notes, apart, name, self.names[found.piece])
        return best

    def save(self, path: Path = SHIPPED) -> str:
        """Write them, and return the file's fingerprint."""
        tensors = {}
        for name, runs, starts in zip(VOICES, self.runs, self.starts, strict=True):
            tensors[f"{name}.runs"] = torch.from_numpy(runs.view(np.int16))
            tensors[f"{name}.starts"] = torch.from_numpy(starts.astype(np.int32))
        return save_checkpoint(path, KIND, {"names": list(self.names)}, tensors)

    @classmethod
    def load(cls, path: Path = SHIPPED) -> "KnownChorales":
        """Read those that the shipped network learned from.

        Raises
        ------
        BadCheckpoint
            The file is not there, or damaged.
        """
        checkpoint = load_checkpoint(path, KIND)
        about: Any = checkpoint.about
        try:
            return cls(
                tuple(about["names"]),
                tuple(checkpoint.tensors[f"{v}.runs"].numpy().view(np.uint16) for v in VOICES),
                tuple(checkpoint.tensors[f"{v}.starts"].numpy().astype(np.int64) for v in VOICES),
            )
        except (KeyError, TypeError) as error:
            raise BadCheckpoint(f"{path} holds no chorales ({error})") from None


def voice_notes(pitches: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return pitch and first frame of each note of a voice; one that goes on is one note."""
    begins = np.flatnonzero(np.diff(pitches, prepend=-2) != 0)
    begins = begins[pitches[begins] >= 0]
    return np.column_stack([pitches[begins], begins]).astype(np.int64)
