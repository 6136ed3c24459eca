"""What a composition is asked to be: key, time signature, instruments, style."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segue.errors import BadArgument, check_seed
from segue.generate.compose.tokens import (
    DEFAULT_TEMPO,
    TEMPO_BINS,
    TIME_SIGNATURES,
    suggest_time_signature,
    tempo_to_bpm,
)
from segue.io.written_score import beat_of

if TYPE_CHECKING:
    from segue.nn.sampling import Sampling

_SHARPS: Final = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_STEPS: Final = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_KEY: Final = re.compile(r"([a-g])([#♯b♭]?)\s*(m|min|minor|maj|major|)")


@dataclass(frozen=True, slots=True)
class CompositionOptions:
    """What shall be written.

    Attributes
    ----------
    sampling : Sampling
    instruments : tuple of int, optional
        Programs, and `DRUMS`, each as often as it has parts; else those of the prompt, or whatever
        comes.
    key : int, optional
        From 0: C major, C minor, C♯ major … B minor; of a prompt, the key it is in.
    tempo : float, optional
        Beats a minute: quarters, in 6/8, 9/8 and 12/8 dotted quarters.
    metre : int, optional
        Its number as a token.
    max_copy : int
        Different bars of a part that may be those of one piece learned from, one after the other
        and in whatever key.
    seed : int
    """

    sampling: "Sampling"
    instruments: tuple[int, ...] | None = None
    key: int | None = None
    tempo: float | None = None
    metre: int | None = None
    max_copy: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        if self.tempo is not None:
            tempo_bin(self.tempo, 1.0 if self.metre is None else beat_length(self.metre))
        if self.max_copy < 1:
            raise BadArgument(f"{self.max_copy} bars may be copied at most; from 1 on that works")
        if self.instruments is not None and not self.instruments:
            raise BadArgument("no instrument is named; name at least one, or leave it open")


def parse_key(name: str) -> int:
    """Return a key's number, from 0: C major, C minor, C♯ major … B minor.

    Parameters
    ----------
    name : str
        "Dm", "F# minor", "Bb" …

    Raises
    ------
    BadArgument
    """
    plain = name.strip()
    found = _KEY.fullmatch(plain[:1].lower() + plain[1:])
    if not found:
        raise BadArgument(f"no key {name!r}; write it as C, Dm, F# minor, Bb major …")
    step, sharp, mode = found.groups()
    return (_STEPS[step] + _SHARPS[sharp]) % 12 * 2 + (mode in ("m", "min", "minor"))


def beat_length(metre: int) -> float:
    """Return how long a beat of a metre is by which tempos are counted, in quarters."""
    return float(beat_of(*TIME_SIGNATURES[metre]))


def tempo_bin(bpm: float, beat: float = 1.0) -> int:
    """Return the number of the tempo that is nearest to beats a minute.

    Parameters
    ----------
    bpm : float
    beat : float
        Its length in quarters.

    Raises
    ------
    BadArgument
    """
    slowest, fastest = tempo_to_bpm(0) / beat, tempo_to_bpm(TEMPO_BINS - 1) / beat
    if not slowest - 0.5 <= bpm <= fastest + 0.5:
        beats = "dotted quarters" if beat > 1 else "quarters"
        raise BadArgument(
            f"a tempo of {bpm:g}; from {slowest:.0f} to {fastest:.0f} {beats} a minute"
        )
    return round(9 * math.log2(bpm * beat / 120)) + DEFAULT_TEMPO


def parse_time_signature(name: str) -> tuple[int, int]:
    """Return beats and unit of a metre that is written as "3/4".

    Raises
    ------
    BadArgument
    """
    found = re.fullmatch(r"\s*(\d{1,3})\s*/\s*(\d{1,3})\s*", name)
    if not found:
        raise BadArgument(f"no metre {name!r}; write it as 4/4, 3/4, 6/8 …")
    beats, unit = int(found[1]), int(found[2])
    if (beats, unit) not in TIME_SIGNATURES:
        raise BadArgument(f"no metre {name!r} was learned; {suggest_time_signature(beats, unit)}")
    return beats, unit
