"""Search for a line of verse: particles sampled character by character under constraints.

Each particle is a candidate of the line. At each step the tokens that would break the constraint
are masked, the next token is sampled from the rest, and the particle's weight is multiplied by the
probability that the model gave to the rest: sequential importance sampling, by which lines weigh
less the more the constraint has bent them (Lew et al., "Sequential Monte Carlo Steering of Large
Language Models", 2023). Particles of low weight are replaced by copies of others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.errors import BadArgument
from segue.generate.lyrics.language_model import Decoder
from segue.generate.lyrics.lexicon import Child, Lexicon
from segue.generate.lyrics.vocabulary import (
    CHARACTERS,
    NEWLINE,
    SONG_BOUNDARY,
    SPACE,
    VOCABULARY_SIZE,
    allowed_next,
    decode,
)
from segue.lyrics.phonetics import normalised_words
from segue.nn.sampling import MASKED, Sampling, sample

#: Characters per line; verses of the Psalms have up to 300.
MAX_LINE_LENGTH: Final = 400
#: Particles of less than this natural logarithm of the best one's weight are replaced.
_PRUNING: Final = 6.0
_INNER_MARKS: Final = ",;:!?—"
_END_MARKS: Final = ",;:.!?—"
_APOSTROPHES: Final = "'’"
_TOKEN_OF: Final = {character: token for token, character in enumerate(CHARACTERS, start=1)}
_WORD_END_TOKENS: Final = frozenset(
    token
    for token, character in enumerate(CHARACTERS, start=1)
    if not (character.isalnum() or character in "_'’")
)

#: Combines the log-probabilities of all styles, shape (B, V) each, given whose turn it is.
Combine = Callable[[Sequence[Tensor], Sequence[int]], Tensor]


class LineState(NamedTuple):
    """State of a line of given metre.

    Attributes
    ----------
    position : int
        Number of syllables of the words before.
    prefix : str
        Beginning of the current word in lower case; "" between words.
    last : str
        The last character: "" at the beginning.
    """

    position: int = 0
    prefix: str = ""
    last: str = ""


class Constraint(Protocol):
    """What a line may be."""

    def mask(self, tokens: Sequence[int], state: LineState) -> NDArray[np.bool_]:
        """Return which tokens may follow, shape (V,)."""

    def bias(self, state: LineState) -> NDArray[np.float32] | None:
        """Return what is added to the log-probabilities of a sample, shape (V,), if anything."""

    def advance(self, state: LineState, token: int) -> LineState:
        """Return the state after a token."""


class FreeLine:
    """A line of any length.

    Parameters
    ----------
    may_be_empty : bool
    """

    def __init__(self, *, may_be_empty: bool) -> None:
        self._may_be_empty = may_be_empty

    def mask(self, tokens: Sequence[int], _: LineState) -> NDArray[np.bool_]:
        """Return which tokens may follow."""
        allowed = allowed_next(tokens).copy()
        allowed[SONG_BOUNDARY] = False
        blank = all(token == SPACE for token in tokens)
        if blank and (tokens or not self._may_be_empty):
            allowed[NEWLINE] = False
        if len(tokens) >= MAX_LINE_LENGTH and allowed[NEWLINE]:
            allowed[:] = False
            allowed[NEWLINE] = True
        return allowed

    def bias(self, _: LineState) -> None:
        """Return None."""

    def advance(self, state: LineState, _: int) -> LineState:
        """Return the same state."""
        return state


class FormedLine:
    """A line of words of a lexicon that keeps a metre and ends on one of some words.

    Parameters
    ----------
    lexicon : Lexicon
    meter : str
        See `segue.generate.lyrics.form.LineForm`.
    endings : ndarray, shape (words,), bool
        Which words may end the line.
    values : ndarray, shape (words,), float32, optional
        Words to favour: what is added to the logarithm of the probability of each.

    Raises
    ------
    BadArgument
        No words of the lexicon fit.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        meter: str,
        endings: NDArray[np.bool_],
        values: NDArray[np.float32] | None = None,
    ) -> None:
        self._lexicon = lexicon
        self._endings = endings
        self._values = values
        self._biases: dict[str, NDArray[np.float32]] = {}
        self._masks: dict[LineState, NDArray[np.bool_]] = {}
        total = len(meter)
        ending = lexicon.patterns_among(endings, 0, len(lexicon.words))
        self._final = [lexicon.fitting(meter[at:], to_end=True) for at in range(total)]
        self._inner = [0] * total
        can_end = [False] * total
        for at in range(total - 1, -1, -1):
            fitting = lexicon.fitting(meter[at:], to_end=False)
            self._inner[at] = sum(
                1 << number
                for number, pattern in enumerate(lexicon.patterns)
                if fitting >> number & 1 and can_end[at + len(pattern)]
            )
            can_end[at] = bool(self._final[at] & ending or self._inner[at])
        if not can_end[0]:
            raise BadArgument("no known words make a line of this metre and rhyme; ask for another")

    def mask(self, _: Sequence[int], state: LineState) -> NDArray[np.bool_]:
        """Return which tokens may follow."""
        if state not in self._masks:
            allowed = np.zeros(VOCABULARY_SIZE, np.bool_)
            allowed[[_TOKEN_OF[character] for character in self._following(state)]] = True
            self._masks[state] = allowed
        return self._masks[state]

    def advance(self, state: LineState, token: int) -> LineState:
        """Return the state after a token."""
        character = CHARACTERS[token - 1]
        lower = "'" if character in _APOSTROPHES else character.lower()
        if lower.isalpha() or lower == "'":
            return LineState(state.position, state.prefix + lower, lower)
        if not state.prefix:
            return LineState(state.position, "", character)
        word = self._lexicon.node(state.prefix).word
        size = len(self._lexicon.patterns[self._lexicon.pattern(word).bit_length() - 1])
        return LineState(state.position + size, "", character)

    def bias(self, state: LineState) -> NDArray[np.float32] | None:
        """Return the values of the favoured words below each letter, beyond those below here.

        Over the letters of a word these add up to the value of the word.
        """
        if self._values is None:
            return None
        if state.prefix not in self._biases:
            biases = np.zeros(VOCABULARY_SIZE, np.float32)
            node = self._lexicon.node(state.prefix)
            children = [
                (child.letter, float(self._values[child.first : child.last].max()))
                for child in node.children
            ]
            own = float(self._values[node.word]) if node.word >= 0 else 0.0
            here = max([own, *(value for _, value in children)]) if state.prefix else 0.0
            biases[:] = own - here
            for letter, value in children:
                for character in {letter, letter.upper()} & _TOKEN_OF.keys():
                    biases[_TOKEN_OF[character]] = value - here
            self._biases[state.prefix] = biases
        return self._biases[state.prefix]

    def _following(self, state: LineState) -> str:
        position, prefix, last = state
        at_end = position == len(self._final)
        if prefix:
            node = self._lexicon.node(prefix)
            letters = self._letters(node.children, position, capital=prefix == "'")
            if node.word < 0:
                return letters
            pattern = self._lexicon.pattern(node.word)
            if pattern & self._inner[position]:
                letters += f" -{_INNER_MARKS}"
            if pattern & self._final[position] and self._endings[node.word]:
                letters += f"\n{_END_MARKS}"
            return letters
        if at_end:
            return "\n"
        if last in ("", " ", "-", "—"):
            letters = self._letters(self._lexicon.node("").children, position, capital=True)
            return letters if last in ("", " ") else f"{letters}{'-' if last == '-' else ''}"
        return " "

    def _letters(self, children: Sequence[Child], position: int, *, capital: bool) -> str:
        inner, final = self._inner[position], self._final[position]
        letters = ""
        for child in children:
            if child.patterns & inner or (
                child.patterns & final
                and final & self._lexicon.patterns_among(self._endings, child.first, child.last)
            ):
                letters += _APOSTROPHES if child.letter == "'" else child.letter
                if capital and child.letter.upper() in _TOKEN_OF:
                    letters += child.letter.upper()
        return letters


@dataclass(slots=True)
class Particle:
    """A candidate of a line.

    Attributes
    ----------
    tokens : list of int
    state : LineState
    turn : int
        Whose turn it is.
    voices : str
        Who wrote each word.
    log_weight : float
    done : bool
    """

    tokens: list[int]
    state: LineState
    turn: int
    voices: str = ""
    log_weight: float = 0.0
    done: bool = False

    @property
    def text(self) -> str:
        """The line so far."""
        return decode(self.tokens)


@dataclass(frozen=True, slots=True)
class LineSearch:
    """Options of the search.

    Attributes
    ----------
    combine : callable
        Combines the styles.
    sampling : Sampling
    author : callable
        Returns the letter of the author whose turn it is.
    turns_by_word : bool
    is_rejected : callable
        Returns whether the text of an unfinished line, which has just ended a word, is rejected.
    bonus : callable
        Returns what is added to the logarithm of a finished line's weight.
    """

    combine: Combine
    sampling: Sampling
    author: Callable[[int], str]
    turns_by_word: bool
    is_rejected: Callable[[str], bool]
    bonus: Callable[[str], float]

    @torch.inference_mode()
    def run(
        self,
        decoders: Sequence[Decoder],
        constraint: Constraint,
        turn: int,
        count: int,
        generator: torch.Generator,
    ) -> Particle | None:
        """Return the best of `count` particles, or None if all were rejected.

        Parameters
        ----------
        decoders : sequence of Decoder
            One for each style, of the one text before the line; they are left as they are.
        constraint : Constraint
        turn : int
            Whose turn it is.
        count : int
        generator : torch.Generator
        """
        forks = [decoder.branch(count) for decoder in decoders]
        particles = [Particle([], LineState(), turn) for _ in range(count)]
        finished: list[Particle] = []
        while True:
            tokens = self._sample(forks, constraint, particles, generator)
            for particle, token in zip(particles, tokens, strict=True):
                self._append(particle, constraint, token)
            finished += [each for each in particles if each.done and each.log_weight > MASKED]
            sources = _resample(particles, finished, generator)
            if not sources:
                break
            if sources != [*range(len(particles))]:
                particles = [
                    particles[source]
                    if source == at
                    else replace(particles[source], tokens=list(particles[source].tokens))
                    for at, source in enumerate(sources)
                ]
                for fork in forks:
                    fork.select(torch.tensor(sources))
            column = torch.tensor([[particle.tokens[-1]] for particle in particles])
            for fork in forks:
                fork.append(column)
        return max(
            finished,
            key=lambda particle: particle.log_weight + self.bonus(particle.text),
            default=None,
        )

    def _sample(
        self,
        forks: Sequence[Decoder],
        constraint: Constraint,
        particles: Sequence[Particle],
        generator: torch.Generator,
    ) -> list[int]:
        log_probs = self.combine(
            [fork.log_probs for fork in forks], [particle.turn for particle in particles]
        ).log_softmax(dim=-1)
        masks = np.stack(
            [constraint.mask(particle.tokens, particle.state) for particle in particles]
        )
        masked = log_probs.masked_fill(torch.from_numpy(~masks), MASKED)
        for particle, mass in zip(particles, masked.logsumexp(dim=-1).tolist(), strict=True):
            particle.log_weight += min(mass, 0.0)
        biases = [
            bias for particle in particles if (bias := constraint.bias(particle.state)) is not None
        ]
        if len(biases) == len(particles):
            masked = masked + torch.from_numpy(np.stack(biases))
        return sample(masked, self.sampling, generator).tolist()

    def _append(self, particle: Particle, constraint: Constraint, token: int) -> None:
        particle.tokens.append(token)
        particle.state = constraint.advance(particle.state, token)
        if token not in _WORD_END_TOKENS:
            return
        text = particle.text
        new = len(normalised_words(text)) - len(particle.voices)
        if new > 0:
            particle.voices += self.author(particle.turn) * new
            particle.turn += self.turns_by_word
            if self.is_rejected(text):
                particle.log_weight = MASKED
        particle.done = token == NEWLINE or particle.log_weight == MASKED


def _resample(
    particles: Sequence[Particle], finished: Sequence[Particle], generator: torch.Generator
) -> list[int]:
    """Return the indices of the particles to go on with: weak ones are replaced by others.

    Finished particles leave a gap, which the last particle fills; [] if all are finished or
    rejected.
    """
    best = max(particle.log_weight for particle in (*particles, *finished))
    live = [
        at
        for at, particle in enumerate(particles)
        if not particle.done and particle.log_weight > best - _PRUNING
    ]
    if not live:
        return []
    weights = np.exp([particles[at].log_weight - best for at in live])
    cdf = weights.cumsum() / weights.sum()
    sources = []
    for at, particle in enumerate(particles):
        if particle.done and particle.log_weight > MASKED:
            sources.append(-1)
        elif particle.done or particle.log_weight <= best - _PRUNING:
            drawn = float(torch.rand(1, generator=generator))
            sources.append(live[min(int(np.searchsorted(cdf, drawn)), len(live) - 1)])
        else:
            sources.append(at)
    while -1 in sources:
        last = sources.pop()
        if last >= 0:
            sources[sources.index(-1)] = last
    return sources
