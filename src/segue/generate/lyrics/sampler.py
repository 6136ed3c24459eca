"""Sampling of lyrics in the style of one artist or two.

Characters are sampled from an `EnsembleLM` per artist. Two artists take turns, by line, stanza or
word, or their distributions are combined into one. Every model reads all of the text, whoever wrote
it. The text can be constrained to a rhyme scheme, and to a maximum number of successive words that
are copied from the training set: where a word would exceed it, sampling backtracks to before that
word and continues at a higher temperature.
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
from segue.lyrics.phonetics import rhyme_key, split_words
from segue.nn.sampling import MASKED, Sampling, sample

MAX_LINES: Final = 1000
#: Lines per stanza if the form has stanzas and no rhyme scheme gives their length.
LINES_PER_STANZA: Final = 4
_RHYME_SCHEME: Final = re.compile(r"[A-Za-z-]{1,32}")
TurnBy = Literal["line", "stanza", "word"]
BlendMode = Literal["mixture", "product", "contrast"]
TURNS: Final[tuple[TurnBy, ...]] = ("line", "stanza", "word")
BLEND_MODES: Final[tuple[BlendMode, ...]] = ("mixture", "product", "contrast")
#: At this scale lines are attributed to the artist about as often as the artist's own lines are;
#: without guidance, eight tenths as often (bench/generated_lyrics.py).
GUIDANCE_SCALE: Final = 0.5
#: Weight of the difference from the base model in "contrast".
CONTRAST: Final = 1.5
#: Characters per line; verses of the Psalms have up to 300.
MAX_LINE_LENGTH: Final = 400
#: Lines sampled until one rhymes; after that the last word of one is replaced.
MAX_RHYME_ATTEMPTS: Final = 10
_MAX_RHYME_WORDS: Final = 48  # candidates for a replaced last word
#: Factor of the temperature after each attempt that would continue a copy.
_TEMPERATURE_FACTOR: Final = 1.25
_WORD_CHARACTER: Final = re.compile(r"[\w'’]")
_WORD_END_TOKENS: Final = frozenset(
    token
    for token, character in enumerate(CHARACTERS, start=1)
    if not _WORD_CHARACTER.match(character)
)


@dataclass(frozen=True, slots=True)
class LyricsOptions:
    """Form and sampling of generated lyrics.

    Attributes
    ----------
    lines : int
        Number of lines; empty lines between stanzas do not count.
    sampling : Sampling
        Temperature and truncation.
    rhyme : str
        Rhyme scheme of a stanza, such as "ABAB"; "-" is a line without rhyme. "" for no scheme.
    repeat_chorus : bool
        Whether every second stanza is the chorus, beginning with the second; of three stanzas, the
        first and the last.
    seed_line : str
        First line; "" for none.
    max_copy : int
        Maximum number of successive words shared with a song of the training set; 0 for no limit.
    seed : int
        Seed of the random generator.

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
        if self.rhyme and not _RHYME_SCHEME.fullmatch(self.rhyme):
            raise BadArgument(
                f"{self.rhyme!r} is no rhyme scheme: write a letter for each line of a stanza, the "
                "same one for lines that rhyme, as ABAB, AABB, ABBA or A-A-"
            )
        if self.max_copy < 0:
            raise BadArgument(f"--max-copy {self.max_copy}: words in a row, or 0 for any number")

    @property
    def lines_per_stanza(self) -> int:
        """Number of lines per stanza; 0 if the form does not give it."""
        return len(self.rhyme) or (LINES_PER_STANZA if self.repeat_chorus else 0)

    @property
    def stanzas(self) -> int:
        """Number of stanzas; 0 if the form does not give it."""
        return -(-self.lines // self.lines_per_stanza) if self.lines_per_stanza else 0

    @property
    def chorus_first(self) -> bool:
        """Whether the song begins with the chorus, as one of three stanzas does."""
        return self.stanzas == 3


@dataclass(frozen=True, slots=True)
class ArtistStyle:
    """An artist's style in a language model.

    Attributes
    ----------
    artist : str
    model : LanguageModel
    index : int
        Style index in the model.
    guidance_scale : float
        See `segue.generate.lyrics.language_model.EnsembleLM`.
    source : str
        Description of the model's origin.
    """

    artist: str
    model: LanguageModel
    index: int = UNCONDITIONAL
    guidance_scale: float = GUIDANCE_SCALE
    source: str = ""


@dataclass(frozen=True, slots=True)
class LyricLine:
    """A generated line.

    Attributes
    ----------
    text : str
        "" between stanzas.
    voices : str
        Who wrote it, "A" or "B"; one letter per word if the artists take turns by word; "" for the
        seed line and empty lines.
    repeated : bool
        Whether it belongs to a repetition of the chorus.
    """

    text: str
    voices: str = ""
    repeated: bool = False


#: Combines the log-probabilities of all styles, given whose turn it is.
Combine = Callable[[Sequence[Tensor], int], Tensor]


def take_turns(log_probs: Sequence[Tensor], turn: int) -> Tensor:
    """Return the log-probabilities of the style whose turn it is."""
    return log_probs[turn % len(log_probs)]


def blend_styles(weight: float, mode: BlendMode = "mixture") -> Combine:
    """Return a function that combines two styles into one.

    Parameters
    ----------
    weight : float
        Weight of the second style, from 0 to 1.
    mode : {"mixture", "product", "contrast"}
        "mixture": linear interpolation of the probabilities, so that each character is typical of
        one style or the other. "product": log-linear interpolation, so that both must agree.
        "contrast": log-linear interpolation of the differences between both and a third, the base
        model, weighted one and a half times (after Liu et al., "DExperts", ACL 2021).

    Raises
    ------
    BadArgument
    """
    if not 0 <= weight <= 1:
        raise BadArgument(f"--blend {weight}: the share of the second voice, from 0 to 1")
    if mode not in BLEND_MODES:
        raise BadArgument(f"{mode!r} is no way to blend; there are {', '.join(BLEND_MODES)}")
    weights = (1 - weight, weight)

    def combine(log_probs: Sequence[Tensor], _: int) -> Tensor:
        first, second = log_probs[:2]
        if mode == "product":
            return weights[0] * first + weights[1] * second
        if mode == "contrast":
            base = log_probs[2]
            difference = weights[0] * (first - base) + weights[1] * (second - base)
            return base + CONTRAST * difference
        weighted = [
            each + (math.log(share) if share else MASKED)
            for each, share in zip((first, second), weights, strict=True)
        ]
        return torch.logsumexp(torch.stack(weighted), dim=0)

    return combine


def sample_lyrics(
    styles: Sequence[ArtistStyle],
    options: LyricsOptions,
    *,
    by: TurnBy = "line",
    combine: Combine = take_turns,
) -> Iterator[LyricLine]:
    """Generate lyrics, line by line.

    Parameters
    ----------
    styles : sequence of ArtistStyle
        One; or several that take turns or are combined.
    options : LyricsOptions
    by : {"line", "stanza", "word"}
        Unit of a turn.
    combine : callable
        `take_turns`, or what `blend_styles` returns.

    Yields
    ------
    LyricLine
        The seed line, too, if there is one.

    Raises
    ------
    BadArgument
    """
    if by not in TURNS:
        raise BadArgument(f"turns by {by!r}; there are: by {', by '.join(TURNS)}")
    return _Sampler(styles, options, by, combine).sample()


@dataclass(frozen=True, slots=True)
class _Position:
    """A position in the text: the state of each model, and its next-character distribution."""

    states: tuple[LMState, ...]
    log_probs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class _RhymeConstraint:
    """Rhyme sounds that a line may end in, and words that other lines of the rhyme end in."""

    sounds: Collection[str]
    used: frozenset[str] = frozenset()

    def accepts(self, text: str) -> bool:
        words = _normalized_words(text)
        return bool(words) and rhyme_key(words[-1]) in self.sounds and words[-1] not in self.used


class _Sampler:
    def __init__(
        self, styles: Sequence[ArtistStyle], options: LyricsOptions, by: TurnBy, combine: Combine
    ) -> None:
        self._styles = styles
        self._models = [style.model.ensemble(style.index, style.guidance_scale) for style in styles]
        self._options = options
        self._by = by
        self._combine = combine
        self._single = len(styles) == 1 or combine is not take_turns
        self._generator = torch.Generator().manual_seed(options.seed)
        self._position = self._initial_position()
        self._turn = 0
        self._words: list[str] = []  # of the text so far, without repetitions of the chorus
        self._known_ngrams = self._ngram_hashes()
        self._rhyme_words = self._line_endings() if options.rhyme else {}

    def sample(self) -> Iterator[LyricLine]:
        chorus: list[LyricLine] = []
        stanza: list[LyricLine] = []
        count = stanza_index = 0
        length = self._options.lines_per_stanza or (LINES_PER_STANZA if self._by == "stanza" else 0)
        while count < self._options.lines:
            is_chorus = stanza_index % 2 != self._options.chorus_first
            if self._options.repeat_chorus and is_chorus and chorus:
                line = LyricLine(
                    chorus[len(stanza)].text, chorus[len(stanza)].voices, repeated=True
                )
                self._read(f"{line.text}\n")
            elif not count and self._options.seed_line:
                line = LyricLine(self._options.seed_line.strip())
                self._read(f"{line.text}\n")
                self._words += _normalized_words(line.text)
            else:
                line = self._sample_line(stanza, may_be_empty=not length and bool(stanza))
            yield line
            if line.text:
                stanza.append(line)
                count += 1
            ended = len(stanza) == length if length else not line.text
            if ended and length and count < self._options.lines:
                self._read("\n")
                yield LyricLine("")
            if ended:
                if is_chorus and not chorus:
                    chorus = stanza
                stanza, stanza_index = [], stanza_index + 1
            if self._by == "line":
                self._turn += bool(line.voices)  # the seed line is nobody's turn
            elif self._by == "stanza":
                self._turn += ended

    def _sample_line(self, stanza: Sequence[LyricLine], *, may_be_empty: bool) -> LyricLine:
        """Sample a line that rhymes as the scheme demands."""
        rhyme = self._rhyme_constraint(stanza)
        position, words, turn = self._position, list(self._words), self._turn
        attempts = []
        for _ in range(MAX_RHYME_ATTEMPTS if rhyme else 1):
            self._position, self._words, self._turn = position, list(words), turn
            line = self._sample_free_line(may_be_empty=may_be_empty)
            if rhyme is None or rhyme.accepts(line.text):
                return line
            attempts.append(line)
        assert rhyme is not None  # noqa: S101  # else the first line was accepted
        line = self._replace_last_word(attempts, rhyme, position)
        self._position, self._turn = position, turn
        self._words = [*words, *_normalized_words(line.text)]
        if self._by == "word":
            self._turn += len(line.voices)
        self._read(f"{line.text}\n")
        return line

    def _sample_free_line(self, *, may_be_empty: bool) -> LyricLine:
        """Sample a line without regard to rhyme; backtrack where it would copy too much."""
        tokens: list[int] = []
        voices: list[str] = []
        #: At the beginning of each word: position, number of tokens, and turn.
        starts: list[tuple[_Position, int, int]] = [(self._position, 0, self._turn)]
        factor, failures = 1.0, 0
        while True:
            token = self._sample_token(tokens, may_be_empty=may_be_empty, factor=factor)
            self._position = self._advance([token])
            tokens.append(token)
            if token not in _WORD_END_TOKENS:
                continue
            text = decode(tokens)
            if self._is_copy(text):
                # Back to before this word, or before earlier ones where that does not help.
                failures += 1
                factor *= _TEMPERATURE_FACTOR
                starts = starts[: max(len(starts) - failures // 8, 1)]
                self._position, length, self._turn = starts[-1]
                tokens = tokens[:length]
                voices = voices[: len(_normalized_words(decode(tokens)))]
                continue
            factor, failures = 1.0, 0
            new = len(_normalized_words(text)) - len(voices)
            if new > 0:
                voices += [self._author()] * new
                self._turn += self._by == "word" and not self._single
            if token == NEWLINE:
                break
            starts.append((self._position, len(tokens), self._turn))
        text = text.strip()
        self._words += _normalized_words(text)
        by_word = self._by == "word" and not self._single
        return LyricLine(text, "".join(voices if by_word else voices[:1]))

    def _sample_token(self, tokens: Sequence[int], *, may_be_empty: bool, factor: float) -> int:
        allowed = allowed_next(tokens).copy()
        allowed[SONG_BOUNDARY] = False
        blank = all(token == SPACE for token in tokens)
        if blank and (tokens or not may_be_empty):
            allowed[NEWLINE] = False
        if len(tokens) >= MAX_LINE_LENGTH and allowed[NEWLINE]:
            allowed[:] = False
            allowed[NEWLINE] = True
        log_probs = self._combine(self._position.log_probs, self._turn)
        logits = log_probs.masked_fill(~torch.from_numpy(allowed), MASKED)
        sampling = self._options.sampling
        if factor > 1:
            sampling = Sampling(min(max(sampling.temperature, 0.5) * factor, 20.0))
        return int(sample(logits, sampling, self._generator))

    def _author(self) -> str:
        return "A" if self._single else "ABCDEFGH"[self._turn % len(self._styles)]

    def _rhyme_constraint(self, stanza: Sequence[LyricLine]) -> _RhymeConstraint | None:
        scheme = self._options.rhyme.upper()
        letter = scheme[len(stanza)] if scheme else "-"
        if letter == "-":
            return None
        used = [
            words[-1]
            for line, other in zip(stanza, scheme, strict=False)
            if other == letter and (words := _normalized_words(line.text))
        ]
        if used:
            return _RhymeConstraint((rhyme_key(used[0]),), frozenset(used))
        count = scheme.count(letter)
        if count == 1:
            return None
        # The first line of a rhyme must end on a sound for which there are enough words.
        return _RhymeConstraint(
            [sound for sound, words in self._rhyme_words.items() if len(words) >= count]
        )

    def _replace_last_word(
        self, attempts: Sequence[LyricLine], rhyme: _RhymeConstraint, position: _Position
    ) -> LyricLine:
        """Replace the last word of an attempt by the likeliest one that rhymes."""
        words = [
            word for sound in rhyme.sounds for word in self._rhyme_words.get(sound, ())
            if rhyme.accepts(word)
        ]  # fmt: skip
        lines = [line for line in attempts if len(split_words(line.text)) > 1] or list(attempts)
        if not words:
            return lines[0]
        candidates: list[tuple[float, LyricLine]] = []
        for line in lines[:3]:
            last = split_words(line.text)[-1]
            stem = line.text[: line.text.rfind(last)] if last in line.text else f"{line.text} "
            after_stem = self._advance(encode(stem).tolist(), position)
            for word in words[:_MAX_RHYME_WORDS]:
                text = f"{stem}{word}"
                if not self._is_copy(f"{text}\n"):
                    nll = self._mean_nll(after_stem, f"{word}\n")
                    candidates.append((nll, LyricLine(text, line.voices)))
        return min(candidates, key=lambda pair: pair[0])[1] if candidates else lines[0]

    def _mean_nll(self, position: _Position, text: str) -> float:
        """Return the negative log-likelihood of a text per character, in nats."""
        total, tokens = 0.0, encode(text).tolist()
        for token in tokens:
            log_probs = self._combine(position.log_probs, self._turn).log_softmax(dim=-1)
            total -= float(log_probs[token])
            if total > 30:  # hopeless
                break
            position = self._advance([token], position)
        return total / len(tokens)

    def _line_endings(self) -> dict[str, list[str]]:
        """Return the last words of lines of the training set by rhyme sound, most frequent first.

        Of spellings that differ only in case, the most frequent one is kept.
        """
        counts: dict[str, Counter[str]] = {}
        for song in _training_texts(self._styles):
            for line in song.split("\n"):
                words = split_words(line)
                if words and len(words[-1]) > 1:
                    of_sound = counts.setdefault(rhyme_key(words[-1].lower()), Counter())
                    of_sound[words[-1]] += 1
        by_frequency = sorted(counts.items(), key=lambda item: -item[1].total())
        return {sound: _unique_spellings(words) for sound, words in by_frequency}

    def _ngram_hashes(self) -> set[int]:
        """Return the hashes of the word n-grams that are one word too long to copy."""
        n = self._options.max_copy + 1
        if n == 1:
            return set()
        hashes: set[int] = set()
        for song in _training_texts(self._styles):
            words = _normalized_words(song)
            hashes.update(hash(tuple(words[at : at + n])) for at in range(len(words) - n + 1))
        return hashes

    def _is_copy(self, line: str) -> bool:
        """Return whether the text, with an unfinished line, ends in too long a copy."""
        n = self._options.max_copy + 1
        if n == 1:
            return False
        before = self._words[-n:]
        words = [*before, *_normalized_words(line)]
        # N-grams that end before the line cannot be undone.
        first = max(n, len(before) + 1, len(words) - 2)
        return any(
            hash(tuple(words[end - n : end])) in self._known_ngrams
            for end in range(first, len(words) + 1)
        )

    def _initial_position(self) -> _Position:
        states = tuple(model.initial_state() for model in self._models)
        nothing = torch.zeros(VOCABULARY_SIZE)
        return self._advance([SONG_BOUNDARY], _Position(states, (nothing,) * len(states)))

    def _read(self, text: str) -> None:
        self._position = self._advance(encode(text).tolist())

    def _advance(self, tokens: Sequence[int], position: _Position | None = None) -> _Position:
        position = position or self._position
        if not tokens:
            return position
        states, log_probs = [], []
        for model, state in zip(self._models, position.states, strict=True):
            each, next_state = model.step(tokens, state)
            states.append(next_state)
            log_probs.append(each)
        return _Position(tuple(states), tuple(log_probs))


def _unique_spellings(words: Counter[str]) -> list[str]:
    spellings: dict[str, str] = {}
    for word, _ in words.most_common():
        spellings.setdefault(word.lower(), word)
    return list(spellings.values())


def _normalized_words(text: str) -> list[str]:
    return [word.lower().strip("'") for word in split_words(text)]


def _training_texts(styles: Sequence[ArtistStyle]) -> Iterator[str]:
    models = {id(style.model): style.model for style in styles}
    for model in models.values():
        for song in model.training_songs:
            yield song.text


def check_seed_line(line: str | None) -> str:
    """Return a validated seed line; "" for None.

    Raises
    ------
    BadArgument
        It has no words, or is more than one line.
    """
    if line is None:
        return ""
    stripped = line.strip()
    if not any(map(str.isalpha, stripped)) or "\n" in stripped:
        raise BadArgument(
            f"--seed-line {line!r}: one line with words to begin with; leave the option out to "
            "begin with nothing"
        )
    return stripped
