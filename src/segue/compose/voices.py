"""Whose voice lyrics are written with, one or two, and in what form."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import torch
from torch import Tensor

from segue.errors import BadArgument, check_seed
from segue.model.lyrics.language import LanguageModel
from segue.model.lyrics.letters import ANYBODY
from segue.model.sampling import NEVER, Sampling

MOST_LINES: Final = 1000
#: Lines of a stanza where the form asks for stanzas and no rhyme scheme says how long they are.
STANZA: Final = 4
_SCHEME: Final = re.compile(r"[A-Za-z-]{1,32}")
By = Literal["line", "stanza", "word"]
How = Literal["mixture", "product", "contrast"]
BYS: Final[tuple[By, ...]] = ("line", "stanza", "word")
HOWS: Final[tuple[How, ...]] = ("mixture", "product", "contrast")
#: With so much, lines are taken for the artist's about as often as the artist's own are; without,
#: for eight of ten of them (bench/verse_writing.py).
EMPHASIS: Final = 0.5
#: How much the difference from the base counts in "contrast".
CONTRAST: Final = 1.5


@dataclass(frozen=True, slots=True)
class VerseWishes:
    """What shall be written.

    Attributes
    ----------
    lines : int
        That are sung; empty ones between stanzas do not count.
    sampling : Sampling
    rhyme : str
        As ABAB: lines of one letter rhyme, one scheme a stanza; "-" rhymes with none. "" for
        whatever comes.
    repeat_chorus : bool
        Every second stanza is the same one, from the second on, of three the first and the last.
    seed_line : str
        The first line; "" for none.
    max_copy : int
        Words in a row that may be those of a song learned from; 0 for as many as come.
    seed : int

    Raises
    ------
    BadArgument
    """

    lines: int = 16
    sampling: Sampling = field(default_factory=lambda: Sampling(0.7, top_p=0.95))
    rhyme: str = ""
    repeat_chorus: bool = False
    seed_line: str = ""
    max_copy: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not 1 <= self.lines <= MOST_LINES:
            raise BadArgument(f"{self.lines} lines; from 1 to {MOST_LINES}")
        if self.rhyme and not _SCHEME.fullmatch(self.rhyme):
            raise BadArgument(
                f"{self.rhyme!r} is no rhyme scheme: write a letter for each line of a stanza, the "
                "same one for lines that rhyme, as ABAB, AABB, ABBA or A-A-"
            )
        if self.max_copy < 0:
            raise BadArgument(f"--max-copy {self.max_copy}: words in a row, or 0 for any number")

    @property
    def stanzas(self) -> int:
        """How many stanzas the lines make, where the form is given, else 0."""
        return -(-self.lines // self.stanza) if self.stanza else 0

    @property
    def chorus_first(self) -> bool:
        """Whether the chorus opens the song: of three stanzas it is the first and the last."""
        return self.stanzas == 3

    @property
    def stanza(self) -> int:
        """Lines of a stanza where the form is given, else 0: stanzas come as they come."""
        return len(self.rhyme) or (STANZA if self.repeat_chorus else 0)


@dataclass(frozen=True, slots=True)
class Voice:
    """Whom to write like.

    Attributes
    ----------
    artist : str
    model : LanguageModel
    number : int
        Of the voice in its network.
    emphasis : float
        Of what sets it apart, see `segue.model.lyrics.reading.Reader`.
    source : str
        Whose model it is, in words.
    """

    artist: str
    model: LanguageModel
    number: int = ANYBODY
    emphasis: float = EMPHASIS
    source: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was written.

    Attributes
    ----------
    text : str
        "" between stanzas.
    voices : str
        Who wrote it, a letter: "A", "B"; for each word one where voices take turns by word; ""
        for what was given or is empty.
    repeated : bool
        A line of the chorus that was there before.
    """

    text: str
    voices: str = ""
    repeated: bool = False


#: From the log-probabilities of each voice and whose turn it is to those that are drawn from.
Blending = Callable[[Sequence[Tensor], int], Tensor]


def in_turn(outlooks: Sequence[Tensor], turn: int) -> Tensor:
    """Take the voice whose turn it is."""
    return outlooks[turn % len(outlooks)]


def blended(share: float, how: How = "mixture") -> Blending:
    """Make one voice of two.

    Parameters
    ----------
    share : float
        Of the second voice, from 0 to 1.
    how : {"mixture", "product", "contrast"}
        "mixture": the mean of their probabilities, so that each letter is one's or the other's.
        "product": the mean of their logarithms, so that both must agree. "contrast": what sets
        them apart from a third, the base, on top of it, one and a half times (after Liu et al.,
        "DExperts", ACL 2021).

    Raises
    ------
    BadArgument
    """
    if not 0 <= share <= 1:
        raise BadArgument(f"--blend {share}: the share of the second voice, from 0 to 1")
    if how not in HOWS:
        raise BadArgument(f"{how!r} is no way to blend; there are {', '.join(HOWS)}")
    weights = (1 - share, share)

    def blend(outlooks: Sequence[Tensor], _: int) -> Tensor:
        first, second = outlooks[:2]
        if how == "product":
            return weights[0] * first + weights[1] * second
        if how == "contrast":
            base = outlooks[2]
            apart = weights[0] * (first - base) + weights[1] * (second - base)
            return base + CONTRAST * apart
        logs = [
            outlook + (math.log(weight) if weight else NEVER)
            for outlook, weight in zip((first, second), weights, strict=True)
        ]
        return torch.logsumexp(torch.stack(logs), dim=0)

    return blend
