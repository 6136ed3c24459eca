"""Draws what a network learns composing from: pieces gone on with, filled in, and added to.

A window of a piece is written in one of three ways (see `segue.represent.score.tokens`): bar after
bar; with some bars taken out and told last, after those that stand behind and before them (Bavarian
et al., "Efficient Training of Language Models to Fill in the Middle", 2022); or each bar with one
part told last. Key and instruments are told before, but not always, so that neither must be known.
All pieces are moved to C: what is learned of one key is known of all.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from segue.errors import BadArgument
from segue.records import Score
from segue.represent.score.grid import bars_on_grid
from segue.represent.score.harmony import find_key
from segue.represent.score.tokens import adding, bar_tokens, bar_with_part, filling, header
from segue.represent.score.vocabulary import END, FILLED, OPENING, Bar, home
from segue.train.loop import Batch
from segue.train.writing import NOTHING

#: Shares of windows.
FILLING: Final = 0.25
ADDING: Final = 0.25
KEY_UNSAID: Final = 0.25
INSTRUMENTS_UNSAID: Final = 0.1
FROM_THE_OPENING: Final = 0.15
#: Of what is in view: so much stands behind bars to be filled in at most, and as much before.
BESIDE: Final = 0.35


@dataclass(frozen=True, slots=True)
class Composition:
    """A piece to learn from.

    Attributes
    ----------
    name : str
    bars : tuple of Bar
    key : int
        From 0: C major, C minor, C♯ major … B minor.
    group : str
        The same for versions of one piece.
    """

    name: str
    bars: tuple[Bar, ...]
    key: int
    group: str = ""


def composition(name: str, score: Score, group: str = "") -> Composition:
    """Make a piece to learn from.

    Raises
    ------
    BadArgument
        As of `segue.represent.score.grid.bars_on_grid`.
    """
    return Composition(name, tuple(bars_on_grid(score)), key_number(score), group)


def key_number(score: Score) -> int:
    """Return the key of a score, from 0: C major, C minor, C♯ major … B minor."""
    key = find_key(score)
    return 2 * key.tonic + (key.mode == "minor")


class Excerpts:
    """Draws windows of pieces.

    Parameters
    ----------
    pieces : sequence of Composition
    context : int
        Tokens of a window at most.
    batch : int
    """

    def __init__(self, pieces: Sequence[Composition], context: int, batch: int) -> None:
        if not pieces:
            raise BadArgument("no piece to draw from")
        self._pieces = pieces
        self._context, self._batch = context, batch
        # By the roots of their lengths: long pieces are no better than many short ones.
        notes = np.array([sum(len(bar.notes) for bar in piece.bars) for piece in pieces])
        self._weights = np.sqrt(notes) / np.sqrt(notes).sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of windows."""
        chosen = rng.choice(len(self._pieces), self._batch, p=self._weights).tolist()
        return _batch([self._window(self._pieces[number], rng) for number in chosen])

    def fixed(self, batches: int, seed: int) -> list[Batch]:
        """Draw batches that are always the same."""
        return [self.draw(np.random.default_rng([seed, number])) for number in range(batches)]

    def _window(self, piece: Composition, rng: np.random.Generator) -> list[int]:
        way = rng.random()
        start = 0 if rng.random() < FROM_THE_OPENING else int(rng.integers(len(piece.bars)))
        if way < FILLING:
            tokens = self._filled(piece, start, rng)
        elif way < FILLING + ADDING:
            tokens = self._added(piece, start, rng)
        else:
            tokens = self._gone_on(piece, start, rng)
        return tokens[: self._context]

    def _gone_on(self, piece: Composition, start: int, rng: np.random.Generator) -> list[int]:
        bars = self._bars(piece, start)
        tokens = _said(bars, piece.key, rng)
        tokens += [OPENING] if not start else []
        for bar in bars:
            tokens += bar_tokens(bar)
        if start + len(bars) == len(piece.bars):
            tokens.append(END)
        return tokens

    def _filled(self, piece: Composition, start: int, rng: np.random.Generator) -> list[int]:
        bars = self._bars(piece, start)
        written = [bar_tokens(bar) for bar in bars]
        beside = int(BESIDE * self._context)
        before = int(rng.integers(0, _fitting(written, beside) + 1))
        count = int(rng.integers(1, FILLED + 1)) if rng.random() < 0.5 else int(rng.integers(1, 5))
        count = min(count, len(bars) - before)
        if count < 1:
            return self._gone_on(piece, start, rng)
        after = _fitting(written[before + count :], beside)
        tokens = _said(bars[: before + count + after], piece.key, rng)
        tokens += filling(count, bars[before + count : before + count + after])
        tokens += [OPENING] if not start else []
        for bar in written[: before + count]:
            tokens += bar
        return [*tokens, END]

    def _added(self, piece: Composition, start: int, rng: np.random.Generator) -> list[int]:
        bars = self._bars(piece, start)
        playing = sorted(frozenset[int]().union(*(bar.instruments for bar in bars)))
        if len(playing) < 2:
            return self._gone_on(piece, start, rng)
        added = int(rng.choice(playing))
        others = [bar.only(bar.instruments - {added}) for bar in bars]
        tokens = _said(others, piece.key, rng) + adding(added)
        tokens += [OPENING] if not start else []
        for bar in bars:
            tokens += bar_with_part(bar, added)
        return [*tokens, END] if start + len(bars) == len(piece.bars) else tokens

    def _bars(self, piece: Composition, start: int) -> list[Bar]:
        """Return bars that fill a window, in C."""
        length, last = 0, start
        while last < len(piece.bars) and length < self._context:
            length += len(bar_tokens(piece.bars[last]))
            last += 1
        return [bar.moved(home(piece.key)) for bar in piece.bars[start:last]]


def _said(bars: Sequence[Bar], key: int, rng: np.random.Generator) -> list[int]:
    playing = frozenset[int]().union(*(bar.instruments for bar in bars))
    return header(
        () if rng.random() < INSTRUMENTS_UNSAID else playing,
        None if rng.random() < KEY_UNSAID else key % 2,
    )


def _fitting(written: Sequence[Sequence[int]], room: int) -> int:
    """Return how many bars find room."""
    ends = np.cumsum([len(bar) for bar in written])
    return int(np.searchsorted(ends, room, side="right"))


def _batch(windows: Sequence[list[int]]) -> Batch:
    given = np.full((len(windows), max(map(len, windows))), NOTHING, np.int64)
    for row, window in zip(given, windows, strict=True):
        row[: len(window)] = window
    tokens = torch.from_numpy(given)
    return tokens, tokens


def fingerprint(pieces: Sequence[Composition]) -> str:
    """Return what tells these pieces from others."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(repr((piece.name, piece.key, piece.bars)).encode())
    return digest.hexdigest()[:16]
