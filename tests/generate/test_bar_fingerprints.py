"""Passages that were copied are found, in whatever key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.generate.compose.tokens import Bar, Note
from segue.generate.copying import (
    BarTracker,
    PassageIndex,
    PassageTracker,
    SharedPassage,
    fingerprint_parts,
    index_bars,
    longest_shared_bars,
)
from segue.theory.instruments import DRUMS


def melody(rng: np.random.Generator, bars: int, instrument: int = 0) -> list[Bar]:
    """Write bars of six notes each."""
    return [
        Bar(
            0,
            0,
            tuple(
                Note(6 * place, instrument, int(pitch), 6, 5)
                for place, pitch in enumerate(rng.integers(50, 70, 6))
            ),
        )
        for _ in range(bars)
    ]


def known(**pieces: list[Bar]) -> PassageIndex:
    return index_bars([(name, fingerprint_parts(bars).values()) for name, bars in pieces.items()])


def search(index: PassageIndex, bars: list[Bar]) -> SharedPassage:
    return longest_shared_bars(index, fingerprint_parts(bars))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(-12, 12))
def test_a_passage_is_found_in_another_key(seed: int, length: int, semitones: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = melody(rng, 12), melody(rng, 9)
    copied = [bar.transpose(semitones) for bar in one[3 : 3 + length]]
    query = [*melody(rng, 2, 40), *(to(bar, 40) for bar in copied), *melody(rng, 2, 40)]
    found = search(known(other=other, one=one), query)
    assert (found.length, found.piece, found.part) == (length, 1, 40)
    assert found.start == 2
    assert found.end == 1 + length


def to(bar: Bar, instrument: int) -> Bar:
    return bar._replace(notes=tuple(note._replace(instrument=instrument) for note in bar.notes))


def test_a_passage_whose_bars_move_apart_is_no_copy() -> None:
    one = melody(np.random.default_rng(0), 6)
    moved = [bar.transpose(place % 3) for place, bar in enumerate(one)]
    found = search(known(one=one), moved)
    assert found.length == 1


def test_what_is_everywhere_is_no_passage() -> None:
    beats = tuple(Note(12 * n, 0, 60, 12, 5) for n in range(4))
    kick = tuple(Note(12 * n, DRUMS, 36, 1, 5) for n in range(4))
    same = [Bar(0, 0, (*beats, *kick))] * 8
    assert search(known(same=same), same).length == 0


def test_a_bar_said_again_and_again_counts_once() -> None:
    one = melody(np.random.default_rng(0), 1) * 8
    assert search(known(one=one), one).length == 1


def test_a_passage_does_not_go_from_one_part_into_the_next() -> None:
    rng = np.random.default_rng(0)
    one, other = melody(rng, 3), melody(rng, 3)
    found = search(known(one=one, other=other), [*one, *other])
    assert found.length == 3


def test_a_trail_ends_where_nothing_is_played() -> None:
    one = melody(np.random.default_rng(0), 4)
    trail = BarTracker(PassageTracker(known(one=one)))
    prints = fingerprint_parts([*one[:2], Bar(0, 0, ()), *one[2:]])[0]
    lengths = []
    for bar in prints:
        trail = trail.append(bar)
        lengths.append(trail.copied)
    assert lengths == [1, 2, 0, 1, 2]


def test_known_bars_are_joined() -> None:
    rng = np.random.default_rng(0)
    one, other = melody(rng, 5), melody(rng, 5)
    both = known(one=one).concatenate(known(other=other))
    assert search(both, other).piece == 1
    assert search(both, one).piece == 0


def test_pieces_of_one_name_are_both_known() -> None:
    rng = np.random.default_rng(0)
    one, other = melody(rng, 5), melody(rng, 5)
    both = index_bars([("Waltz", fingerprint_parts(bars).values()) for bars in (one, other)])
    assert search(both, one).length == search(both, other).length == 5


@pytest.mark.parametrize("bars", [0, 3])
def test_nothing_known_nothing_found(bars: int) -> None:
    query = melody(np.random.default_rng(0), bars)
    assert search(index_bars([]), query).length == 0
