"""Sampling of lyrics in the style of one artist or two.

Whose voice lyrics are written with, one or two, and in what form.

Writes lyrics letter by letter: with one voice, with two in turn, or with two as one.

Every voice reads all that is written, whoever wrote it. What is written can be held to a rhyme
scheme and kept from copying more than so many words in a row from what was learned.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import torch
from torch import Tensor

from segue.errors import BadArgument, check_seed
from segue.generate.lyrics.language_model import LanguageModel, LMState
from segue.generate.lyrics.network import UNCONDITIONAL
from segue.generate.lyrics.vocabulary import (
    CHARACTERS,
    NEWLINE,
    SONG_BOUNDARY,
    SPACE,
    VOCABULARY_SIZE,
    allowed_next,
    decode,
    encode,
)
from segue.lyrics.phonetics import rhyme_sound, words_of
from segue.nn.sampling import NEVER, Sampling, choose

# --- voices ---

MAX_LINES: Final = 1000
#: Lines of a stanza where the form asks for stanzas and no rhyme scheme says how long they are.
LINES_PER_STANZA: Final = 4
_SCHEME: Final = re.compile(r"[A-Za-z-]{1,32}")
TurnBy = Literal["line", "stanza", "word"]
BlendMode = Literal["mixture", "product", "contrast"]
TURNS: Final[tuple[TurnBy, ...]] = ("line", "stanza", "word")
BLEND_MODES: Final[tuple[BlendMode, ...]] = ("mixture", "product", "contrast")
#: With so much, lines are taken for the artist's about as often as the artist's own are; without,
#: for eight of ten of them (bench/verse_writing.py).
GUIDANCE_SCALE: Final = 0.5
#: How much the difference from the base counts in "contrast".
CONTRAST: Final = 1.5


@dataclass(frozen=True, slots=True)
class LyricsOptions:
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
        if not 1 <= self.lines <= MAX_LINES:
            raise BadArgument(f"{self.lines} lines; from 1 to {MAX_LINES}")
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
        return len(self.rhyme) or (LINES_PER_STANZA if self.repeat_chorus else 0)


@dataclass(frozen=True, slots=True)
class ArtistStyle:
    """Whom to write like.

    Attributes
    ----------
    artist : str
    model : LanguageModel
    number : int
        Of the voice in its network.
    emphasis : float
        Of what sets it apart, see `segue.generate.lyrics.language_model.Reader`.
    source : str
        Whose model it is, in words.
    """

    artist: str
    model: LanguageModel
    number: int = UNCONDITIONAL
    emphasis: float = GUIDANCE_SCALE
    source: str = ""


@dataclass(frozen=True, slots=True)
class LyricLine:
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
Combine = Callable[[Sequence[Tensor], int], Tensor]


def take_turns(outlooks: Sequence[Tensor], turn: int) -> Tensor:
    """Take the voice whose turn it is."""
    return outlooks[turn % len(outlooks)]


def blend_styles(share: float, how: BlendMode = "mixture") -> Combine:
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
    if how not in BLEND_MODES:
        raise BadArgument(f"{how!r} is no way to blend; there are {', '.join(BLEND_MODES)}")
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


# --- verses ---

#: Letters of a line at most: verses of the Psalms have up to 300.
MAX_LINE_LENGTH: Final = 400
#: Lines that are tried until one rhymes; then the last word of one is replaced.
MAX_RHYME_ATTEMPTS: Final = 10
_RHYMES_WEIGHED: Final = 48
#: How much hotter it is drawn each time that a word would go on with a copy.
_HOTTER: Final = 1.25
#: Letters that do not end a word.
_IN_WORD: Final = re.compile(r"[\w'’]")


def sample_lyrics(
    voices: Sequence[ArtistStyle],
    wishes: LyricsOptions,
    *,
    by: TurnBy = "line",
    blending: Combine = take_turns,
) -> Iterator[LyricLine]:
    """Write lyrics, line by line.

    Parameters
    ----------
    voices : sequence of Voice
        One; or several that take turns, or that are blended into one.
    wishes : VerseWishes
    by : {"line", "stanza", "word"}
        When it is the next voice's turn.
    blending : callable
        `in_turn`, or what `blended` returns.

    Yields
    ------
    Line
        Also the line that was given, first of all.

    Raises
    ------
    BadArgument
    """
    if by not in TURNS:
        raise BadArgument(f"turns by {by!r}; there are: by {', by '.join(TURNS)}")
    return _Writer(voices, wishes, by, blending).write()


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the text: what all voices remember there, and how likely they hold each letter."""

    states: tuple[LMState, ...]
    outlooks: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class _Rhyme:
    """The sounds that a line may end in, and the words that others of its rhyme end with."""

    sounds: Collection[str]
    used: frozenset[str] = frozenset()

    def holds(self, text: str) -> bool:
        words = _words(text)
        return bool(words) and rhyme_sound(words[-1]) in self.sounds and words[-1] not in self.used


class _Writer:
    def __init__(
        self, voices: Sequence[ArtistStyle], wishes: LyricsOptions, by: TurnBy, blending: Combine
    ) -> None:
        self._voices = voices
        self._readers = [voice.model.reader(voice.number, voice.emphasis) for voice in voices]
        self._wishes = wishes
        self._by = by
        self._blending = blending
        self._alone = len(voices) == 1 or blending is not take_turns
        self._generator = torch.Generator().manual_seed(wishes.seed)
        self._place = self._begun()
        self._turn = 0
        self._words: list[str] = []  # of all that is written, as far as they tell copies
        self._copies = self._known_runs()
        self._ends = self._last_words() if wishes.rhyme else {}

    def write(self) -> Iterator[LyricLine]:
        chorus: list[LyricLine] = []
        stanza: list[LyricLine] = []
        sung = number = 0
        form = self._wishes.stanza or (LINES_PER_STANZA if self._by == "stanza" else 0)
        chorus_first = self._wishes.chorus_first
        while sung < self._wishes.lines:
            of_chorus = number % 2 != chorus_first
            repeats = self._wishes.repeat_chorus and of_chorus and bool(chorus)
            if repeats:
                line = LyricLine(
                    chorus[len(stanza)].text, chorus[len(stanza)].voices, repeated=True
                )
                self._read(f"{line.text}\n")
            elif not sung and self._wishes.seed_line:
                line = LyricLine(self._wishes.seed_line.strip())
                self._read(f"{line.text}\n")
                self._words += _words(line.text)
            else:
                line = self._line(stanza, may_be_empty=not form and bool(stanza))
            yield line
            if line.text:
                stanza.append(line)
                sung += 1
            ended = len(stanza) == form if form else not line.text
            if ended and form and sung < self._wishes.lines:
                self._read("\n")
                yield LyricLine("")
            if ended:
                if of_chorus and not chorus:
                    chorus = stanza
                stanza, number = [], number + 1
            if self._by == "line":
                self._turn += bool(line.voices)  # a line that was given was nobody's turn
            elif self._by == "stanza":
                self._turn += ended

    # ---- a line ----------------------------------------------------------------------------

    def _line(self, stanza: Sequence[LyricLine], *, may_be_empty: bool) -> LyricLine:
        wanted = self._rhymes_with(stanza)
        before, words, turn = self._place, list(self._words), self._turn
        lines = []
        for _ in range(MAX_RHYME_ATTEMPTS if wanted else 1):
            self._place, self._words, self._turn = before, list(words), turn
            line = self._draw(may_be_empty=may_be_empty)
            if wanted is None or wanted.holds(line.text):
                return line
            lines.append(line)
        assert wanted is not None  # noqa: S101  # else the first line was right
        line = self._made_to_rhyme(lines, wanted, before)
        self._place, self._words, self._turn = before, [*words, *_words(line.text)], turn
        if self._by == "word":
            self._turn += len(line.voices)
        self._read(f"{line.text}\n")
        return line

    def _draw(self, *, may_be_empty: bool) -> LyricLine:
        """Write a line as it comes, but without going on with a copy for too long."""
        tokens: list[int] = []
        voices: list[str] = []
        #: Of each word so far: the place before it, and how much was written then.
        starts: list[tuple[_Place, int, int]] = [(self._place, 0, self._turn)]
        heat, tries = 1.0, 0
        while True:
            token = self._letter(tokens, may_be_empty=may_be_empty, heat=heat)
            self._place = self._after([token])
            tokens.append(token)
            if _goes_on(token):
                continue
            text = decode(tokens)
            if self._copied(text):
                # Back to before the word, or before more of them where that does not help.
                tries += 1
                heat *= _HOTTER
                starts = starts[: max(len(starts) - tries // 8, 1)]
                self._place, length, self._turn = starts[-1]
                tokens = tokens[:length]
                voices = voices[: len(_words(decode(tokens)))]
                continue
            heat, tries = 1.0, 0
            count = len(_words(text))
            if count > len(voices):
                voices += [self._speaker()] * (count - len(voices))
                self._turn += self._by == "word" and not self._alone
            if token == NEWLINE:
                break
            starts.append((self._place, len(tokens), self._turn))
        text = text.strip()
        self._words += _words(text)
        told = "".join(voices) if self._by == "word" and not self._alone else "".join(voices[:1])
        return LyricLine(text, told)

    def _letter(self, tokens: Sequence[int], *, may_be_empty: bool, heat: float) -> int:
        may = allowed_next(tokens).copy()
        may[SONG_BOUNDARY] = False
        blank = all(token == SPACE for token in tokens)
        if blank and (tokens or not may_be_empty):
            may[NEWLINE] = False
        if len(tokens) >= MAX_LINE_LENGTH and may[NEWLINE]:
            may[:] = False
            may[NEWLINE] = True
        outlook = self._blending(self._place.outlooks, self._turn)
        logits = outlook.masked_fill(~torch.from_numpy(may), NEVER)
        sampling = self._wishes.sampling
        if heat > 1:
            sampling = Sampling(min(max(sampling.temperature, 0.5) * heat, 20.0))
        return int(choose(logits, sampling, self._generator))

    def _speaker(self) -> str:
        return "A" if self._alone else "ABCDEFGH"[self._turn % len(self._voices)]

    # ---- rhyme -----------------------------------------------------------------------------

    def _rhymes_with(self, stanza: Sequence[LyricLine]) -> "_Rhyme | None":
        scheme = self._wishes.rhyme.upper()
        letter = scheme[len(stanza)] if scheme else "-"
        if letter == "-":
            return None
        same = [
            words[-1]
            for line, other in zip(stanza, scheme, strict=False)
            if other == letter and (words := _words(line.text))
        ]
        if same:
            return _Rhyme((rhyme_sound(same[0]),), frozenset(same))
        # The first line of a rhyme ends on a sound that enough words have.
        count = scheme.count(letter)
        if count == 1:
            return None
        return _Rhyme([sound for sound, words in self._ends.items() if len(words) >= count])

    def _made_to_rhyme(
        self, lines: Sequence[LyricLine], wanted: "_Rhyme", before: _Place
    ) -> LyricLine:
        """Give a line another last word, the one that is likeliest there."""
        words = [
            word for sound in wanted.sounds for word in self._ends.get(sound, ())
            if wanted.holds(word)
        ]  # fmt: skip
        long = [line for line in lines if len(words_of(line.text)) > 1] or list(lines)
        if not words:
            return long[0]
        found: list[tuple[float, LyricLine]] = []
        for line in long[:3]:
            last = words_of(line.text)[-1]
            stem = line.text[: line.text.rfind(last)] if last in line.text else f"{line.text} "
            place = self._after(encode(stem).tolist(), before)
            for word in words[:_RHYMES_WEIGHED]:
                written = f"{stem}{word}"
                if not self._copied(f"{written}\n"):
                    found.append((self._cost(place, f"{word}\n"), LyricLine(written, line.voices)))
        return min(found, key=lambda one: one[0])[1] if found else long[0]

    def _cost(self, place: _Place, text: str) -> float:
        """Return what a text costs, in nats, a letter on average."""
        total, tokens = 0.0, encode(text).tolist()
        for token in tokens:
            outlook = self._blending(place.outlooks, self._turn).log_softmax(dim=-1)
            total -= float(outlook[token])
            if total > 30:  # nobody would
                break
            place = self._after([token], place)
        return total / len(tokens)

    def _last_words(self) -> dict[str, list[str]]:
        """Return the words that lines end with in what was learned, by their sound.

        What comes often comes first. Of spellings that differ in case alone there is one.
        """
        counts: dict[str, Counter[str]] = {}
        for song in _songs(self._voices):
            for line in song.split("\n"):
                words = words_of(line)
                if words and len(words[-1]) > 1:
                    of_sound = counts.setdefault(rhyme_sound(words[-1].lower()), Counter())
                    of_sound[words[-1]] += 1
        often = sorted(counts.items(), key=lambda one: -one[1].total())
        return {sound: _one_spelling(words) for sound, words in often}

    # ---- copies ----------------------------------------------------------------------------

    def _known_runs(self) -> set[int]:
        """Return the hashes of runs of words, one longer than may be copied."""
        length = self._wishes.max_copy + 1
        if length == 1:
            return set()
        known: set[int] = set()
        for song in _songs(self._voices):
            words = _words(song)
            known.update(
                hash(tuple(words[at : at + length])) for at in range(len(words) - length + 1)
            )
        return known

    def _copied(self, text: str) -> bool:
        """Tell whether what is written and a line so far end in a copy that is too long."""
        length = self._wishes.max_copy + 1
        if length == 1:
            return False
        before = self._words[-length:]
        words = [*before, *_words(text)]
        # Of what was given, nothing can be taken back.
        first = max(length, len(before) + 1, len(words) - 2)
        return any(
            hash(tuple(words[at - length : at])) in self._copies
            for at in range(first, len(words) + 1)
        )

    # ---- reading ---------------------------------------------------------------------------

    def _begun(self) -> _Place:
        states = tuple(reader.begin() for reader in self._readers)
        nothing = torch.zeros(VOCABULARY_SIZE)
        return self._after([SONG_BOUNDARY], _Place(states, (nothing,) * len(states)))

    def _read(self, text: str) -> None:
        self._place = self._after(encode(text).tolist())

    def _after(self, tokens: Sequence[int], place: _Place | None = None) -> _Place:
        place = place or self._place
        if not tokens:
            return place
        states, outlooks = [], []
        for reader, state in zip(self._readers, place.states, strict=True):
            outlook, after = reader.read(tokens, state)
            states.append(after)
            outlooks.append(outlook)
        return _Place(tuple(states), tuple(outlooks))


def _goes_on(token: int) -> bool:
    """Tell whether a word may go on after a token; bytes of other letters are in words."""
    return token not in _ENDING


_ENDING: Final = frozenset(
    number for number, letter in enumerate(CHARACTERS, start=1) if not _IN_WORD.match(letter)
)


def _one_spelling(words: Counter[str]) -> list[str]:
    found: dict[str, str] = {}
    for word, _ in words.most_common():
        found.setdefault(word.lower(), word)
    return list(found.values())


def _words(text: str) -> list[str]:
    return [word.lower().strip("'") for word in words_of(text)]


def _songs(voices: Sequence[ArtistStyle]) -> Iterator[str]:
    models = {id(voice.model): voice.model for voice in voices}
    for model in models.values():
        for song in model.known:
            yield song.text
