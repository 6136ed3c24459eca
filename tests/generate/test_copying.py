"""The longest passage shared with a corpus, against an exhaustive search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.generate.copying import (
    NGRAM_NOTES,
    NoteTracker,
    PassageIndex,
    SharedPassage,
    longest_shared_notes,
    melody_ngrams,
)

Notes = NDArray[np.int64]

pieces = st.lists(st.tuples(st.integers(40, 90), st.integers(1, 8)), min_size=1, max_size=40).map(
    lambda rows: np.array([(pitch, 8 * i + step) for i, (pitch, step) in enumerate(rows)])
)


def index_of(corpus: list[Notes]) -> PassageIndex:
    return PassageIndex.from_sequences(
        [melody_ngrams(piece) for piece in corpus], [""] * len(corpus)
    )


def exhaustive(query: Notes, corpus: list[Notes]) -> int:
    """Return the length of the longest shared passage, by trying all pairs of beginnings."""
    best = 0
    for piece in corpus:
        for i in range(len(query)):
            for j in range(len(piece)):
                count = 0
                while i + count < len(query) and j + count < len(piece):
                    if not np.array_equal(query[i + count] - query[i], piece[j + count] - piece[j]):
                        break
                    count += 1
                best = max(best, count)
    return best if best > NGRAM_NOTES else 0


def random_notes(rng: np.random.Generator, count: int) -> Notes:
    return np.column_stack(
        [rng.integers(40, 90, count), np.cumsum(rng.choice([0, 3, 6, 12], count))]
    )


def check_passage(shared: SharedPassage, query: Notes, corpus: list[Notes]) -> None:
    passage, piece = query[shared.start : shared.end + 1], corpus[shared.piece]
    assert len(passage) == shared.length
    assert exhaustive(passage, [piece]) == shared.length


@settings(deadline=None)
@given(st.lists(pieces, min_size=1, max_size=4), pieces, st.integers(0, 30), st.integers(-20, 20))
def test_a_borrowed_passage_is_found(
    corpus: list[Notes], own: Notes, start: int, semitones: int
) -> None:
    query = np.concatenate([own, corpus[0][start:] + np.array([semitones, 400])])
    shared = longest_shared_notes(index_of(corpus), query)
    assert shared.length == exhaustive(query, corpus)
    if shared.length:
        check_passage(shared, query, corpus)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_it_is_what_an_exhaustive_search_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    query, *corpus = (
        np.column_stack([rng.integers(60, 62, n), np.cumsum(rng.integers(1, 3, n))])
        for n in rng.integers(0, 30, 4).tolist()
    )
    shared = longest_shared_notes(index_of(corpus), query)
    assert shared.length == exhaustive(query, corpus)
    if shared.length:
        check_passage(shared, query, corpus)


def test_a_planted_passage_is_found_in_another_key() -> None:
    rng = np.random.default_rng(0)
    corpus = [random_notes(rng, 300) for _ in range(5)]
    query = random_notes(rng, 200)
    passage = corpus[3][100:137].copy()
    passage[:, 0] += 5
    passage[:, 1] += query[60, 1] - passage[0, 1]
    query[60:97] = passage
    query[97:, 1] += 1000
    query[:60, 1] -= 1000
    assert longest_shared_notes(index_of(corpus), query) == SharedPassage(37, 60, 96, 3)


def test_rhythm_counts() -> None:
    slow = np.column_stack([range(60, 72), range(0, 144, 12)])
    fast = np.column_stack([range(62, 74), range(0, 72, 6)])
    assert longest_shared_notes(index_of([slow]), fast).length == 0


def test_passages_end_with_their_piece() -> None:
    scale = np.column_stack([range(60, 80), range(20)])
    assert longest_shared_notes(index_of([scale[:8], scale[8:]]), scale).length == 12


@given(st.lists(pieces, min_size=1, max_size=4), st.integers(0, 80), st.data())
def test_without_the_notes_that_copy_no_passage_is_too_long(
    corpus: list[Notes], max_steps: int, data: st.DataObject
) -> None:
    index = index_of(corpus)
    tracker, written = NoteTracker(index), []
    at = 0
    for piece in data.draw(st.lists(st.integers(0, len(corpus) - 1), min_size=1, max_size=3)):
        borrowed = corpus[piece] + np.array([piece, at])
        for pitch, onset in borrowed.tolist():
            if not tracker.would_copy([pitch], onset, max_steps)[0]:
                tracker.append(pitch, onset)
                written.append((pitch, onset))
        at = written[-1][1]
    notes = np.array(written)
    shared = longest_shared_notes(index, notes)
    if shared.length:
        assert notes[shared.end, 1] - notes[shared.start, 1] <= max_steps
    if (
        len(corpus) == 1
        and len(corpus[0]) > NGRAM_NOTES
        and max_steps > corpus[0][-1, 1] - corpus[0][0, 1]
    ):
        assert shared.length >= len(corpus[0])  # nothing was masked without need


def test_only_notes_that_copy_are_reported() -> None:
    tune = np.array([(60 + step % 7, 4 * step) for step in range(12)])
    tracker = NoteTracker(index_of([tune]))
    for pitch, onset in tune[:8].tolist():
        tracker.append(pitch + 3, onset)
    pitches = range(60, 72)
    copied = tracker.would_copy(pitches, 32, 16)
    assert [pitch for pitch, each in zip(pitches, copied, strict=True) if each] == [64]
    assert not tracker.would_copy(pitches, 32, 32).any()
    assert not tracker.would_copy(pitches, 33, 16).any()


def test_short_and_empty_pieces_share_nothing() -> None:
    notes = np.array([[60, 0], [62, 2], [64, 4]])
    assert len(melody_ngrams(notes)) == 0
    index = index_of([notes])
    assert longest_shared_notes(index, notes) == SharedPassage()


def test_notes_of_another_shape_are_refused() -> None:
    with pytest.raises(BadArgument, match=r"shape \(n, 2\)"):
        melody_ngrams(np.zeros((3, 3), np.int64))
