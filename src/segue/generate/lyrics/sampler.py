"""Sampling of lyrics in the style of one artist or two.

Lines are sampled one after the other (`segue.generate.lyrics.line_search`) from an `EnsembleLM` per
artist. Two artists take turns, by line, stanza or word, or their distributions are combined into
one. Every model reads all of the text, whoever wrote it. Lines can be constrained to a metre or a
number of syllables, to a rhyme scheme, by sound, and to a maximum number of successive words that
are copied from the training set.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.errors import BadArgument, check_seed
from segue.generate.lyrics.adapter import StyleModel
from segue.generate.lyrics.form import (
    FORMS,
    LINES_PER_STANZA,
    LineForm,
    check_rhyme,
    parse_meter,
    parse_sections,
    parse_syllables,
    stanza_forms,
)
from segue.generate.lyrics.language_model import Decoder
from segue.generate.lyrics.lexicon import Lexicon, build_lexicon
from segue.generate.lyrics.line_search import (
    Combine,
    Constraint,
    FormedLine,
    FreeLine,
    LineSearch,
    Particle,
)
from segue.generate.lyrics.network import UNCONDITIONAL
from segue.generate.lyrics.theme import Theme
from segue.generate.lyrics.vocabulary import encode
from segue.io.lyrics_text import sung_lines
from segue.lyrics.phonetics import normalised_words, split_words
from segue.lyrics.pronunciation import is_unstressed, sound
from segue.lyrics.spelling import Language, detect_language
from segue.nn.sampling import MASKED, Sampling

MAX_LINES: Final = 1000
TurnBy = Literal["line", "stanza", "word"]
BlendMode = Literal["mixture", "product", "contrast"]
TURNS: Final[tuple[TurnBy, ...]] = ("line", "stanza", "word")
BLEND_MODES: Final[tuple[BlendMode, ...]] = ("mixture", "product", "contrast")
#: Scale of classifier-free guidance: at it, lines are attributed to the artist about as often as
#: the artist's own lines are (bench/generated_lyrics.py).
GUIDANCE_SCALE: Final = 0.5
#: Weight of the difference from the base model in "contrast".
CONTRAST: Final = 1.5
#: Words of the text within which a line to a tune repeats no pair of words.
_RECENT_WORDS: Final = 24
#: Candidates of a line that must keep a form or a theme; of another line there is one.
CANDIDATES: Final = 8
#: Of a line that nothing but rejected candidates were found for: attempts, and the factor of the
#: temperature after each.
_MAX_ATTEMPTS: Final = 24
_TEMPERATURE_FACTOR: Final = 1.25
#: Frequency of a word that counts as a partner of a rhyme, as in `Lexicon.counts`: it occurs some
#: 150 times in English verse, or once in the artist's songs.
_PARTNER_COUNT: Final = {"en": 50}
_OWN_PARTNER_COUNT: Final = 30
_SPARE_PARTNERS: Final = 4  # partners of a rhyme beyond those that the scheme needs
#: Syllables of a line whose number is taken from the artist's lines.
_MIN_SYLLABLES: Final = 4
_USUAL_SYLLABLES: Final = 8
_MAX_SYLLABLES: Final = 14
#: Characters of songs that the language is estimated from, and words that a lexicon needs.
_LANGUAGE_CHARACTERS: Final = 20_000
_MIN_LEXICON: Final = 200


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
        Words rhyme by sound.
    repeat_chorus : bool
        Whether every second stanza is the chorus, beginning with the second; of three stanzas, the
        first and the last.
    seed_line : str
        First line; "" for none.
    max_copy : int
        Maximum number of successive words shared with a song of the training set; 0 for no limit.
    seed : int
        Seed of the random generator.
    meter : str
        Metre of the lines, such as "iambic-4", or of several in turn, "iambic-4,iambic-3".
    syllables : str
        Syllables of the lines in turn, such as "8,6,8,6".
    form : str
        A form of `segue.generate.lyrics.form.FORMS`, such as "sonnet", or sections, such as
        "verse-chorus-verse-chorus-bridge-chorus": choruses are repeated. With it, `lines` is the
        number of lines at most.
    about : str
        Theme: words or phrases, such as "the sea, leaving home".
    forms : tuple of LineForm
        Lines of a stanza, as a tune asks for them; instead of `meter`, `syllables`, `form` and
        `rhyme`.
    locked : tuple of (int, str)
        Lines that are given: their index among the lines, and their text. `seed_line` is line 0.

    Raises
    ------
    BadArgument
    """

    lines: int = 16
    sampling: Sampling = field(default_factory=lambda: Sampling(0.7, top_p=0.95, min_p=0.05))
    rhyme: str = ""
    repeat_chorus: bool = False
    seed_line: str = ""
    max_copy: int = 8
    seed: int = 0

    meter: str = ""
    syllables: str = ""
    form: str = ""
    about: str = ""
    locked: tuple[tuple[int, str], ...] = ()
    forms: tuple[LineForm, ...] = ()

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not 1 <= self.lines <= MAX_LINES:
            raise BadArgument(f"{self.lines} lines; from 1 to {MAX_LINES}")
        check_rhyme(self.rhyme)
        if self.max_copy < 0:
            raise BadArgument(f"--max-copy {self.max_copy}: words in a row, or 0 for any number")
        if self.meter and self.syllables:
            raise BadArgument(
                "--meter and --syllables both give the syllables: ask for one of them"
            )
        if self.form in FORMS and (self.meter or self.syllables or self.rhyme):
            raise BadArgument(
                f"--form {self.form} has a metre and a rhyme scheme: leave --meter, --syllables "
                "and --rhyme out"
            )
        if self.seed_line and any(at == 0 for at, _ in self.locked):
            raise BadArgument("--seed-line and --lock 1 both give the first line: ask for one")
        if self.sections and self.repeat_chorus:
            raise BadArgument("--form names the choruses: leave --repeat-chorus out")
        total = self.total_lines  # raises what cannot be parsed
        self.line_forms  # noqa: B018
        if any(not 0 <= at < total for at, _ in self.locked):
            raise BadArgument(
                f"a locked line is not among the {total} lines of the text: lock fewer, raise "
                "--lines, or choose another form"
            )
        self._check_locked_choruses()

    def _check_locked_choruses(self) -> None:
        """Raise if a locked line would be replaced by the repetition of a chorus."""
        locked = dict(self.locked)
        if self.seed_line:
            locked[0] = self.seed_line
        first_stanza: dict[str, int] = {}
        for stanza in range(self.stanzas):
            section = self.section(stanza)
            if section not in ("chorus", "refrain"):
                continue
            first = first_stanza.setdefault(section, stanza)
            for at in range(self.lines_per_stanza):
                line = stanza * self.lines_per_stanza + at
                original = first * self.lines_per_stanza + at
                if line in locked and locked.get(original) != locked[line]:
                    raise BadArgument(
                        f"line {line + 1} repeats line {original + 1}, of the {section}: lock line "
                        f"{original + 1} instead"
                    )

    @property
    def sections(self) -> tuple[str, ...]:
        """Sections of a song structure, in order; () for none."""
        return parse_sections(self.form) if self.form and self.form not in FORMS else ()

    @property
    def line_forms(self) -> tuple[LineForm, ...]:
        """Lines of a stanza; () if their number is free."""
        if self.forms:
            return self.forms
        if self.form in FORMS:
            return stanza_forms(FORMS[self.form].rhyme, FORMS[self.form].meters)
        meters = parse_meter(self.meter) or parse_syllables(self.syllables)
        forms = stanza_forms(check_rhyme(self.rhyme), meters)
        if len(forms) == 1 and not self.rhyme:
            forms *= LINES_PER_STANZA
        if not forms and (self.repeat_chorus or self.sections):
            forms = (LineForm(),) * LINES_PER_STANZA
        return forms

    @property
    def lines_per_stanza(self) -> int:
        """Number of lines per stanza; 0 if the form does not give it."""
        return len(self.line_forms)

    @property
    def total_lines(self) -> int:
        """Number of lines: as many as the form has, if it gives that, but not more than `lines`."""
        stanzas = len(self.sections)
        if self.form in FORMS:
            stanzas = FORMS[self.form].stanzas
        return min(self.lines, stanzas * self.lines_per_stanza) if stanzas else self.lines

    @property
    def stanzas(self) -> int:
        """Number of stanzas; 0 if the form does not give it."""
        return -(-self.total_lines // self.lines_per_stanza) if self.lines_per_stanza else 0

    def section(self, stanza: int) -> str:
        """Return the name of a stanza's section, "chorus" of a chorus; "" if it has none.

        Of a song with choruses without named sections, every second stanza is the chorus; of one of
        three stanzas, the first and the last.
        """
        if self.sections:
            return self.sections[stanza % len(self.sections)]
        is_chorus = self.repeat_chorus and stanza % 2 != (self.stanzas == 3)
        return "chorus" if is_chorus else ""

    @property
    def is_formed(self) -> bool:
        """Whether lines have a metre or a rhyme."""
        return any(form.meter or form.rhyme != "-" for form in self.line_forms)


@dataclass(frozen=True, slots=True)
class ArtistStyle:
    """An artist's style in a language model.

    Attributes
    ----------
    artist : str
    model : LanguageModel or AdaptedModel
    index : int
        Style index in the model.
    guidance_scale : float
        See `segue.generate.lyrics.language_model.EnsembleLM`.
    source : str
        Description of the model's origin.
    language : str
        Language of the style; "" if the artist's songs tell it.
    """

    artist: str
    model: StyleModel
    index: int = UNCONDITIONAL
    guidance_scale: float = GUIDANCE_SCALE
    source: str = ""
    language: Language | Literal[""] = ""


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


def take_turns(log_probs: Sequence[Tensor], turns: Sequence[int]) -> Tensor:
    """Return the log-probabilities of the style whose turn it is in each text, shape (B, V)."""
    styles = torch.tensor(turns) % len(log_probs)
    return torch.stack(list(log_probs))[styles, torch.arange(len(turns))]


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
        raise BadArgument(f"--blend {weight}: the weight of the second artist, from 0 to 1")
    if mode not in BLEND_MODES:
        raise BadArgument(f"{mode!r} is no way to blend; there are {', '.join(BLEND_MODES)}")
    weights = (1 - weight, weight)

    def combine(log_probs: Sequence[Tensor], _: Sequence[int]) -> Tensor:
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


class _Sampler:
    def __init__(
        self, styles: Sequence[ArtistStyle], options: LyricsOptions, by: TurnBy, combine: Combine
    ) -> None:
        self._styles = styles
        self._options = options
        self._by = by
        self._single = len(styles) == 1 or combine is not take_turns
        self._decoders: list[Decoder] = [
            style.model.ensemble(style.index, style.guidance_scale).decoder() for style in styles
        ]
        self._generator = torch.Generator().manual_seed(options.seed)
        self._turn = 0
        self._words: list[str] = []  # of the text so far, without repetitions of the chorus
        self._written: set[tuple[str, ...]] = set()  # words of the lines so far
        n = options.max_copy + 1  # one word too long to copy
        models = dict.fromkeys(style.model for style in styles)
        self._known_ngrams = [_ngram_hashes(model, n) for model in models] if n > 1 else []
        self._locked = dict(options.locked)
        if options.seed_line:
            self._locked[0] = options.seed_line
        self._theme = Theme.of(options.about, training_texts(styles)) if options.about else None
        self._forms = options.line_forms
        self._lexicon: Lexicon | None = None
        self._masks: dict[tuple[str, ...], NDArray[np.bool_]] = {}
        if options.is_formed:
            self._lexicon, self._forms = self._prepare_form()
        self._search = LineSearch(
            combine,
            options.sampling,
            self._author,
            by == "word" and not self._single,
            self._is_rejected,
            self._theme.bonus if self._theme else lambda _: 0.0,
        )

    def sample(self) -> Iterator[LyricLine]:
        options = self._options
        choruses: dict[str, list[LyricLine]] = {}
        stanza: list[LyricLine] = []
        count = stanza_index = 0
        length = len(self._forms) or (LINES_PER_STANZA if self._by == "stanza" else 0)
        while count < options.total_lines:
            section = options.section(stanza_index)
            if section in choruses:
                line = replace(choruses[section][len(stanza)], repeated=True)
                self._read(f"{line.text}\n")
            elif count in self._locked:
                line = LyricLine(self._locked[count].strip())
                self._read(f"{line.text}\n")
                self._remember(line.text)
            else:
                line = self._sample_line(count, stanza, may_be_empty=not length and bool(stanza))
            yield line
            if line.text:
                stanza.append(line)
                count += 1
            ended = len(stanza) == length if length else not line.text
            if ended and length and count < options.total_lines:
                self._read("\n")
                yield LyricLine("")
            if ended:
                if section in ("chorus", "refrain"):
                    choruses.setdefault(section, stanza)
                stanza, stanza_index = [], stanza_index + 1
            if self._by == "line":
                self._turn += bool(line.voices)  # a given line is nobody's turn
            elif self._by == "stanza":
                self._turn += ended

    def _sample_line(
        self, index: int, stanza: Sequence[LyricLine], *, may_be_empty: bool
    ) -> LyricLine:
        constraint: Constraint = FreeLine(may_be_empty=may_be_empty)
        if self._lexicon and self._forms[len(stanza)].meter:
            endings = self._endings(index, stanza)
            meter = self._forms[len(stanza)].meter
            values = self._theme.values(self._lexicon.words) if self._theme else None
            constraint = self._formed_line(meter, endings, values)
        count = CANDIDATES if self._lexicon or self._theme else 1
        particle = self._find(constraint, count)
        by_word = self._by == "word" and not self._single
        text = particle.text.strip()
        self._turn = particle.turn
        self._read(f"{text}\n")
        self._remember(text)
        if self._theme:
            self._theme.use(text)
        return LyricLine(text, particle.voices if by_word else particle.voices[:1])

    def _formed_line(
        self, meter: str, endings: NDArray[np.bool_], values: NDArray[np.float32] | None
    ) -> FormedLine:
        """Return the constraint of a line; of a tune's, the metre yields where no words fit."""
        assert self._lexicon  # noqa: S101
        try:
            return FormedLine(self._lexicon, meter, endings, values)
        except BadArgument:
            if not self._options.forms:
                raise
        free = "x" * len(meter)
        try:
            return FormedLine(self._lexicon, free, endings, values)
        except BadArgument:
            return FormedLine(self._lexicon, free, self._ending_mask(()), values)

    def _find(self, constraint: Constraint, count: int) -> Particle:
        """Search for a line, at a higher temperature each time that all candidates are rejected."""
        sampling = self._options.sampling
        for _ in range(_MAX_ATTEMPTS):
            search = replace(self._search, sampling=sampling)
            particle = search.run(self._decoders, constraint, self._turn, count, self._generator)
            if particle:
                return particle
            temperature = max(sampling.temperature, 0.5) * _TEMPERATURE_FACTOR
            sampling = Sampling(min(temperature, 20.0))
        raise BadArgument(
            f"no line was found that copies at most {self._options.max_copy} words in a row: raise "
            "--max-copy or --temperature"
        )

    def _author(self, turn: int) -> str:
        return "A" if self._single else "ABCDEFGH"[turn % len(self._styles)]

    def _remember(self, text: str) -> None:
        words = normalised_words(text)
        self._words += words
        self._written.add(tuple(words))

    # --- form ---

    def _prepare_form(self) -> tuple[Lexicon, tuple[LineForm, ...]]:
        """Return the words for lines of a form; lines that only rhyme get a number of syllables."""
        songs = list(training_texts(self._styles))
        own = [text for style in self._styles for text in _artist_texts(style)] or songs
        language = language_of(self._styles)
        models = tuple(dict.fromkeys(style.model for style in self._styles))
        artists = () if language == "en" else tuple(style.artist for style in self._styles)
        lexicon = _lexicon(models, artists, language, sung=bool(self._options.forms))
        needed = max(min(_MIN_LEXICON, len(lexicon.words)), 1)
        written = (word for word in lexicon.words if len(encode(word)) == len(word))
        if sum(1 for _ in islice(written, needed)) < needed:
            raise BadArgument(
                "rhyme and metre need words in the Latin alphabet, and the songs have hardly any: "
                "leave --rhyme, --meter, --syllables and --form out"
            )
        if all(form.meter for form in self._forms):
            return lexicon, self._forms
        counts = self._syllables_of_a_stanza(own, language)
        return lexicon, tuple(
            replace(form, meter=form.meter or "x" * counts[at % len(counts)])
            for at, form in enumerate(self._forms)
        )

    def _syllables_of_a_stanza(self, songs: Sequence[str], language: Language) -> list[int]:
        """Return the syllables of consecutive lines of one of the songs, chosen at random.

        Bundled models of verse in general have no songs: their lines have eight syllables.
        """
        lines = [line for song in songs for line in sung_lines(song) if split_words(line)]
        if not lines:
            return [_USUAL_SYLLABLES]
        limit = max(len(lines) - len(self._forms), 0)
        start = int(torch.randint(limit + 1, (1,), generator=self._generator))
        counts = [
            sum(len(sound(word, language).stress) for word in split_words(line))
            for line in lines[start : start + len(self._forms)]
        ]
        return [max(_MIN_SYLLABLES, min(_MAX_SYLLABLES, count)) for count in counts]

    def _endings(self, index: int, stanza: Sequence[LyricLine]) -> NDArray[np.bool_]:
        """Return which words may end the next line of a stanza."""
        assert self._lexicon  # noqa: S101
        letters = [form.rhyme for form in self._forms]
        letter = letters[len(stanza)]
        if letter == "-" or letters.count(letter) == 1:
            return self._ending_mask(())
        first = index - len(stanza)
        given = [
            stanza[at].text if at < len(stanza) else self._locked.get(first + at, "")
            for at in range(len(letters))
            if letters[at] == letter and at != len(stanza)
        ]
        partners = tuple(words[-1] for text in given if (words := normalised_words(text)))
        if not partners:
            meters = [form.meter for form in self._forms if form.rhyme == letter]
            mask = self._ending_mask((), partners=letters.count(letter))
            if (fitting := mask & self._lexicon.ending_all(meters)).any():
                mask = fitting
            others = [normalised_words(line.text)[-1:] for line in stanza]
            return mask & ~self._lexicon.sharing_rhyme([word for end in others for word in end])
        mask = self._ending_mask(partners)
        if not mask.any():
            raise BadArgument(
                f"no word rhymes with {' and '.join(map(repr, partners))}: end the given line "
                "otherwise, or leave --rhyme out"
            )
        return mask

    def _ending_mask(self, rhyming: tuple[str, ...], partners: int = 0) -> NDArray[np.bool_]:
        assert self._lexicon  # noqa: S101
        key = (*rhyming, str(partners))
        if key not in self._masks:
            if rhyming:
                mask = self._lexicon.rhyming(rhyming)
            elif partners:
                count = _PARTNER_COUNT.get(self._lexicon.language, _OWN_PARTNER_COUNT)
                mask = self._lexicon.rich_rhymes(partners + _SPARE_PARTNERS, count)
                if not mask.any():
                    mask = self._lexicon.rich_rhymes(partners, _OWN_PARTNER_COUNT)
            else:
                mask = self._lexicon.endings()
            self._masks[key] = mask
        return self._masks[key]

    # --- copies ---

    def _is_rejected(self, line: str) -> bool:
        """Return whether an unfinished line, with the text before, ends in too long a copy.

        A finished line that stands in the text already is rejected, too.
        """
        new = normalised_words(line)
        if line.endswith("\n") and len(new) > 2 and tuple(new) in self._written:
            return True
        if self._options.forms and self._repeats(new):
            return True
        n = self._options.max_copy + 1
        if n == 1:
            return False
        before = self._words[-n:]
        words = [*before, *new]
        # N-grams that end before the line cannot be undone.
        first = max(n, len(before) + 1, len(words) - 2)
        if any(
            hash(tuple(words[end - n : end])) in hashes
            for end in range(first, len(words) + 1)
            for hashes in self._known_ngrams
        ):
            return True
        corpora = [style.model.corpus for style in self._styles if style.model.corpus]
        return any(
            corpus.longest_copy <= self._options.max_copy and corpus.ends_in_member(words)
            for corpus in corpora[:1]
        )

    def _repeats(self, new: Sequence[str]) -> bool:
        """Return whether a line ends in two words that the text had shortly before.

        The words that a tune allows on its strong beats are few, and tend to be repeated.
        """
        assert self._lexicon  # noqa: S101
        pair = tuple(new[-2:])
        if len(pair) < 2 or all(is_unstressed(word, self._lexicon.language) for word in pair):
            return False
        recent = [*self._words[-_RECENT_WORDS:], *new[:-1]]
        return any(pair == each for each in itertools.pairwise(recent))

    def _read(self, text: str) -> None:
        for decoder in self._decoders:
            decoder.append(torch.from_numpy(encode(text))[None])


def _artist_texts(style: ArtistStyle) -> list[str]:
    songs = style.model.training_songs
    return [song.text for song in songs if song.tags.artist == style.artist]


def language_of(styles: Sequence[ArtistStyle]) -> Language:
    """Return the language of styles: their own, or that of the artists' songs."""
    if styles[0].language:
        return styles[0].language
    own = [text for style in styles for text in _artist_texts(style)]
    return detect_language("\n".join(own or training_texts(styles))[:_LANGUAGE_CHARACTERS])


def training_texts(styles: Sequence[ArtistStyle]) -> Iterator[str]:
    """Yield the texts of the training songs of the models of some styles."""
    models = {id(style.model): style.model for style in styles}
    for model in models.values():
        for song in model.training_songs:
            yield song.text


@lru_cache(maxsize=4)
def _ngram_hashes(model: StyleModel, n: int) -> frozenset[int]:
    """Return the hashes of the word n-grams of a model's training songs."""
    return frozenset(
        hash(tuple(words[at : at + n]))
        for song in model.training_songs
        for words in [normalised_words(song.text)]
        for at in range(len(words) - n + 1)
    )


@lru_cache(maxsize=4)
def _lexicon(
    models: tuple[StyleModel, ...], artists: tuple[str, ...], language: Language, *, sung: bool
) -> Lexicon:
    """Return the words of some artists' training songs, or of all songs without artists."""
    songs = [song for model in models for song in model.training_songs]
    own = [song.text for song in songs if song.tags.artist in artists]
    return build_lexicon(own or [song.text for song in songs], language, sung=sung)


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
