"""Options of a composition: key, time signature, tempo, instruments, sampling."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segue.errors import BadArgument, check_seed
from segue.generate.compose.plan import Section
from segue.generate.compose.tokens import (
    DEFAULT_TEMPO,
    TEMPO_BINS,
    TIME_SIGNATURES,
    suggest_time_signature,
    tempo_to_bpm,
)
from segue.io.unfolding import beat_duration
from segue.theory.keys import pitch_class

if TYPE_CHECKING:
    from segue.nn.sampling import Sampling

MAX_REPETITION: Final = 4.0
_KEY: Final = re.compile(r"([a-g])([#♯b♭]?)\s*(m|min|minor|maj|major|)")


@dataclass(frozen=True, slots=True)
class CompositionOptions:
    """What to compose.

    Attributes
    ----------
    sampling : Sampling
        Temperature and filters.
    instruments : tuple of int, optional
        Programs and `DRUMS`, each as often as it has parts; by default those of the prompt, or
        those that the model samples.
    key : int, optional
        Index of the key, from 0: C major, C minor, C♯ major … B minor; by default that of the
        prompt.
    tempo : float, optional
        Beats a minute: quarters, or dotted quarters in 6/8, 9/8 and 12/8.
    time_signature : int, optional
        Index in `tokens.TIME_SIGNATURES`.
    chords : str, optional
        Chord progression such as "Dm7 G7 | Cmaj7", which is repeated as often as it fits; see
        `segue.theory.chord_charts`.
    style : str, optional
        Name of a style of accompaniment, see `segue.generate.compose.styles`.
    sections : tuple of Section
        Sections of the new bars; those of a name are the same, with small variations.
    max_copy : int
        Longest passage, in distinct bars of a part, that may coincide with a training piece in
        any key.
    repetition : float
        How much bars follow earlier bars of the piece; 0 for the network alone. See
        `segue.generate.compose.repetition`.
    seed : int
        Random seed.
    """

    sampling: "Sampling"
    instruments: tuple[int, ...] | None = None
    key: int | None = None
    tempo: float | None = None
    time_signature: int | None = None
    chords: str | None = None
    style: str | None = None
    sections: tuple[Section, ...] = ()
    max_copy: int = 4
    repetition: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Validate the options.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        if self.tempo is not None:
            signature = self.time_signature
            tempo_bin(self.tempo, 1.0 if signature is None else beat_length(signature))
        if self.max_copy < 1:
            raise BadArgument(f"at most {self.max_copy} bars copied; it is at least 1")
        if not 0 <= self.repetition <= MAX_REPETITION:
            raise BadArgument(
                f"a repetition of {self.repetition}; it is from 0 (none) to {MAX_REPETITION:g}"
            )
        if self.instruments is not None and not self.instruments:
            raise BadArgument("no instrument is named; name at least one, or leave it open")


def parse_key(name: str) -> int:
    """Return the index of a key such as "Dm", "F# minor" or "Bb".

    Raises
    ------
    BadArgument
        It is no key.
    """
    plain = name.strip()
    match = _KEY.fullmatch(plain[:1].lower() + plain[1:])
    if not match:
        raise BadArgument(f"no key {name!r}; write it as C, Dm, F# minor, Bb major …")
    letter, alteration, mode = match.groups()
    tonic = pitch_class(letter.upper() + alteration)
    return tonic * 2 + (mode in ("m", "min", "minor"))


def beat_length(time_signature: int) -> float:
    """Return the length of a beat in quarters, by the index of the time signature."""
    return float(beat_duration(*TIME_SIGNATURES[time_signature]))


def tempo_bin(bpm: float, beat: float = 1.0) -> int:
    """Return the tempo bin nearest to a tempo.

    Parameters
    ----------
    bpm : float
        Beats a minute.
    beat : float
        Length of a beat in quarters.

    Raises
    ------
    BadArgument
        The tempo is out of range.
    """
    slowest, fastest = tempo_to_bpm(0) / beat, tempo_to_bpm(TEMPO_BINS - 1) / beat
    if not slowest - 0.5 <= bpm <= fastest + 0.5:
        beats = "dotted quarters" if beat > 1 else "quarters"
        raise BadArgument(
            f"a tempo of {bpm:g}; from {slowest:.0f} to {fastest:.0f} {beats} a minute"
        )
    return round(9 * math.log2(bpm * beat / 120)) + DEFAULT_TEMPO


def parse_time_signature(name: str) -> tuple[int, int]:
    """Return numerator and denominator of a supported time signature such as "3/4".

    Raises
    ------
    BadArgument
        It is no time signature, or not supported.
    """
    match = re.fullmatch(r"\s*(\d{1,3})\s*/\s*(\d{1,3})\s*", name)
    if not match:
        raise BadArgument(f"no time signature {name!r}; write it as 4/4, 3/4, 6/8 …")
    beats, unit = int(match[1]), int(match[2])
    if (beats, unit) not in TIME_SIGNATURES:
        raise BadArgument(
            f"the time signature {name!r} is not supported; {suggest_time_signature(beats, unit)}"
        )
    return beats, unit
