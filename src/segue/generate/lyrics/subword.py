"""Characters from a subword language model: its next-character distributions.

A causal language model of `transformers` or llama.cpp predicts subword tokens. The probability of a
character after a text is the sum over all tokens, and over the ways of dividing the end of the text
into tokens, whose bytes go on with that character (Vieira et al., "From Language Models over Tokens
to Language Models over Characters", 2024). Improbable divisions are pruned. `SubwordDecoder` has
the interface of `segue.generate.lyrics.language_model.EnsembleDecoder`, so that rhyme, metre, copy
detection and duets work with any language model, and models with different tokenizers mix.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.errors import BadArgument
from segue.generate.lyrics.vocabulary import (
    CHARACTERS,
    NEWLINE,
    SONG_BOUNDARY,
    VOCABULARY_SIZE,
    Tokens,
    decode,
)
from segue.records import DoubleArray

#: Share of a text's probability below which a division into tokens is pruned.
MIN_SHARE: Final = 0.01
_MAX_DIVISIONS: Final = 6
#: Probability that is spread evenly over all characters, so that none is impossible.
_FLOOR: Final = 1e-6
_FIRST_BYTE: Final = 1 + len(CHARACTERS)
#: UTF-8 bytes of each token of Segue's vocabulary.
_BYTES: Final = (
    b"",
    *(character.encode() for character in CHARACTERS),
    *(bytes([0x80 + at]) for at in range(VOCABULARY_SIZE - _FIRST_BYTE)),
)
#: Characters of several bytes, and the byte token that each begins with.
_WIDE: Final = np.array([at for at in range(1, _FIRST_BYTE) if len(_BYTES[at]) > 1])
_LEADS: Final = np.array([_FIRST_BYTE + _BYTES[at][0] - 0x80 for at in _WIDE.tolist()])

Ints = NDArray[np.int64]
#: Token ids from the beginning of a text.
Context = tuple[int, ...]


class TokenLM(Protocol):
    """A causal language model over subword tokens.

    Attributes
    ----------
    trie : TokenTrie
        Its tokens.
    start : tuple of int
        Tokens before every text.
    ends : tuple of int
        Tokens that end a text.
    max_tokens : int
        Length of the longest context.
    """

    @property
    def trie(self) -> "TokenTrie":
        """Tokens of the model."""

    @property
    def start(self) -> Context:
        """Tokens before every text."""

    @property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end a text."""

    @property
    def max_tokens(self) -> int:
        """Length of the longest context."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""

    def next_log_probs(self, contexts: Sequence[Context]) -> Tensor:
        """Return the log-probabilities of the next token after each context, shape (B, V)."""

    def token_nll(self, tokens: Sequence[int]) -> float:
        """Return the negative log-likelihood of tokens after the start, in nats."""


class _Node(NamedTuple):
    """The tokens whose bytes begin with a prefix: a range in the sorted order.

    `exact` are the positions of tokens that are the prefix; `starts` and `ends` the ranges of the
    tokens that go on with each character, shape (VOCABULARY_SIZE,).
    """

    first: int
    last: int
    exact: range
    starts: Ints
    ends: Ints


class TokenTrie:
    """The tokens of a subword vocabulary by their bytes, sorted, so that a prefix is a range.

    Parameters
    ----------
    tokens : sequence of bytes
        Bytes of each token; b"" for special ones, which are in no text.
    """

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self.tokens = tuple(tokens)
        order = sorted((at for at, token in enumerate(tokens) if token), key=tokens.__getitem__)
        self.order: Ints = np.array(order, np.int64)
        self._sorted = [tokens[at] for at in order]
        self._nodes: dict[bytes, _Node] = {}

    def node(self, prefix: bytes) -> _Node:
        """Return the tokens that begin with some bytes."""
        if prefix not in self._nodes:
            first, last = self._range(prefix, 0, len(self._sorted))
            end = bisect.bisect_right(self._sorted, prefix, first, last)
            ranges = [self._range(prefix + character, end, last) for character in _BYTES]
            ranges[SONG_BOUNDARY] = (0, 0)
            starts, ends = np.array(ranges, np.int64).T
            exact = range(first, end if prefix else first)
            self._nodes[prefix] = _Node(first, last, exact, starts, ends)
        return self._nodes[prefix]

    def _range(self, prefix: bytes, first: int, last: int) -> tuple[int, int]:
        start = bisect.bisect_left(self._sorted, prefix, first, last)
        stripped = prefix.rstrip(b"\xff")
        if not stripped:
            return start, last
        above = stripped[:-1] + bytes([stripped[-1] + 1])
        return start, bisect.bisect_left(self._sorted, above, start, last)


@dataclass(frozen=True, slots=True, eq=False)
class _Division:
    """One way of dividing a text into tokens, of which the last is not complete.

    Attributes
    ----------
    context : tuple of int
        Complete tokens.
    log_weight : float
        Logarithm of their probability, relative to the other divisions of the text.
    pending : bytes
        End of the text after them.
    cumulative : ndarray, shape (tokens + 1,)
        Cumulative probabilities of the next token in the trie's order.
    end : float
        Probability of the end of the text.
    """

    context: Context
    log_weight: float
    pending: bytes
    cumulative: DoubleArray
    end: float

    def mass(self, first: int, last: int) -> float:
        return math.exp(self.log_weight) * float(self.cumulative[last] - self.cumulative[first])


@dataclass(slots=True)
class _Text:
    characters: tuple[int, ...]
    divisions: list[_Division] = field(default_factory=list)


class SubwordDecoder:
    """Decodes several texts at once, character by character.

    Parameters
    ----------
    lm : TokenLM
    min_share : float
        See `MIN_SHARE`; 0 prunes nothing.

    Attributes
    ----------
    log_probs : Tensor, shape (B, VOCABULARY_SIZE)
        Log-probabilities of the next character of each text.
    """

    log_probs: Tensor

    def __init__(self, lm: TokenLM, min_share: float = MIN_SHARE) -> None:
        self._lm = lm
        self._min_share = min_share
        self._texts = [_Text(())]
        self._reencode(self._texts)
        self._update()

    def append(self, tokens: Tensor) -> None:
        """Append characters, shape (B, T), to the texts."""
        stale: list[_Text] = []
        advanced: list[_Text] = []
        for text, new in zip(self._texts, tokens.tolist(), strict=True):
            if new == [NEWLINE] and text.characters[-2:] == (NEWLINE, NEWLINE):
                continue  # a line search goes on appending to lines that are complete
            text.characters += tuple(new)
            fits = all(len(each.context) < self._lm.max_tokens for each in text.divisions)
            has_advanced = fits and len(new) == 1 and self._advance(text, new[0])
            (advanced if has_advanced else stale).append(text)
        self._reencode(stale)
        self._complete(advanced)
        self._update()

    def branch(self, count: int) -> "SubwordDecoder":
        """Return a decoder of `count` continuations of the one text that is decoded so far."""
        branch = object.__new__(SubwordDecoder)
        branch._lm, branch._min_share = self._lm, self._min_share
        branch._texts = self._texts
        branch.log_probs = self.log_probs
        branch.select(torch.zeros(count, dtype=torch.int64))
        return branch

    def select(self, rows: Tensor) -> None:
        """Replace the texts by those at some indices, in place."""
        chosen = [self._texts[row] for row in rows.tolist()]
        self._texts = [_Text(text.characters, list(text.divisions)) for text in chosen]
        self.log_probs = self.log_probs[rows]

    def _advance(self, text: _Text, character: int) -> bool:
        """Go on with a character; return whether a division of the text does."""
        trie = self._lm.trie
        kept = []
        for division in text.divisions:
            pending = division.pending + _BYTES[character]
            node = trie.node(pending)
            if node.last > node.first and division.mass(node.first, node.last) > 0:
                kept.append(replace(division, pending=pending))
        text.divisions = kept
        return bool(kept)

    def _complete(self, texts: Sequence[_Text]) -> None:
        """Add the divisions whose pending bytes are a complete token, and prune all."""
        candidates: list[tuple[_Text, Context, float]] = []
        for text in texts:
            shares: list[tuple[float, _Division | Context]] = []
            for division in text.divisions:
                node = self._lm.trie.node(division.pending)
                rest = division.mass(node.first, node.last)
                for at in node.exact:
                    share = division.mass(at, at + 1)
                    shares.append((share, (*division.context, int(self._lm.trie.order[at]))))
                    rest -= share
                shares.append((rest, division))
            total = sum(share for share, _ in shares)
            shares = [each for each in shares if each[0] > self._min_share * total]
            if self._min_share:
                shares = sorted(shares, key=lambda each: -each[0])[:_MAX_DIVISIONS]
            text.divisions = []
            for share, each in shares:
                if isinstance(each, _Division):
                    log_weight = each.log_weight - math.log(total)
                    text.divisions.append(replace(each, log_weight=log_weight))
                else:
                    candidates.append((text, each, math.log(share / total)))
        self._evaluate(candidates)

    def _evaluate(self, candidates: Sequence[tuple[_Text, Context, float]]) -> None:
        """Add divisions, given with the logarithms of their weights, to their texts."""
        contexts = list(dict.fromkeys(context for _, context, _ in candidates))
        if not contexts:
            return
        log_probs = self._lm.next_log_probs(contexts)
        probabilities = log_probs.double().softmax(dim=-1).numpy()
        ends = probabilities[:, list(self._lm.ends)].sum(axis=1)
        cumulative = np.zeros((len(contexts), len(self._lm.trie.order) + 1))
        np.cumsum(probabilities[:, self._lm.trie.order], axis=1, out=cumulative[:, 1:])
        row_of = {context: row for row, context in enumerate(contexts)}
        for text, context, log_weight in candidates:
            row = row_of[context]
            text.divisions.append(
                _Division(context, log_weight, b"", cumulative[row], float(ends[row]))
            )

    def _reencode(self, texts: Sequence[_Text]) -> None:
        """Divide texts as the tokenizer does, all but their last token being complete."""
        for text in texts:
            text.divisions = []
            try:
                written = decode(text.characters)
            except BadArgument:  # within a character
                continue
            context, pending = self._context(written)
            self._evaluate([(text, context, 0.0)])
            text.divisions = [replace(each, pending=pending) for each in text.divisions]
            self._complete([text])

    def _context(self, text: str) -> tuple[Context, bytes]:
        """Return the tokens of a text but the last, and the bytes of that one."""
        lm = self._lm
        room = lm.max_tokens // 2
        tokens = lm.encode(text)
        while len(tokens) > room and "\n" in text[:-1]:
            # Too long: only its last lines are read.
            text = text[text.index("\n", len(text) - max(len(text) * 3 // 4, 1)) + 1 :]
            tokens = lm.encode(text)
        tokens = tokens[-room:]
        if not text:
            # Tokenizers of SentencePiece begin each text with a space.
            pending = b" " if lm.trie.tokens[lm.encode("a")[0]].startswith(b" ") else b""
            return lm.start, pending
        return (*lm.start, *tokens[:-1]), lm.trie.tokens[tokens[-1]]

    def _update(self) -> None:
        rows = np.full((len(self._texts), VOCABULARY_SIZE), 1 / VOCABULARY_SIZE)
        for row, text in enumerate(self._texts):
            mass = np.zeros(VOCABULARY_SIZE)
            for division in text.divisions:
                node = self._lm.trie.node(division.pending)
                cumulative = division.cumulative
                weight = math.exp(division.log_weight)
                mass += weight * (cumulative[node.ends] - cumulative[node.starts])
                if not division.pending:
                    mass[SONG_BOUNDARY] += weight * division.end
            np.subtract.at(mass, _LEADS, mass[_WIDE])
            mass = np.maximum(mass, 0)
            if (total := mass.sum()) > 0:
                rows[row] = _FLOOR * rows[row] + (1 - _FLOOR) * mass / total
        self.log_probs = torch.from_numpy(np.log(rows)).float()


@dataclass(frozen=True, slots=True, eq=False)
class SubwordLM:
    """Predicts characters with a subword language model.

    Attributes
    ----------
    lm : TokenLM
    """

    lm: TokenLM

    def decoder(self) -> SubwordDecoder:
        """Return a decoder of one text, at its beginning."""
        return SubwordDecoder(self.lm)

    def nll(self, tokens: Tokens) -> DoubleArray:
        """Return the mean negative log-likelihood of a song's characters, for each, in nats.

        That of the tokenizer's division, an upper bound: the other divisions are left out.

        Parameters
        ----------
        tokens : ndarray, shape (n,), int64
            A song in Segue's vocabulary, from `SONG_BOUNDARY` to `SONG_BOUNDARY`.
        """
        text = decode(tokens)
        nats = self.lm.token_nll([*self.lm.encode(text), *self.lm.ends[:1]])
        return np.full(len(tokens) - 1, nats / (len(text) + 1))
