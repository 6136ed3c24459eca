"""The longest shared passage, found by hashes, is the one that is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.errors import BadArgument
from segue.generate.copying import (
    NGRAM_NOTES,
    CopyTracker,
    NgramIndex,
    longest_hashed_passage,
    longest_shared_passage,
    ngram_hashes,
)

pieces = st.lists(st.tuples(st.integers(40, 90), st.integers(1, 8)), min_size=1, max_size=40).map(
    lambda rows: np.array([(pitch, 8 * i + step) for i, (pitch, step) in enumerate(rows)])
)


@given(st.lists(pieces, min_size=1, max_size=4), pieces, st.integers(0, 30), st.integers(-20, 20))
def test_it_finds_what_an_exact_search_finds(
    corpus: list["np.ndarray[tuple[int, int], np.dtype[np.int64]]"],
    own: "np.ndarray[tuple[int, int], np.dtype[np.int64]]",
    start: int,
    by: int,
) -> None:
    borrowed = corpus[0][start:] + np.array([by, 400])
    query = np.concatenate([own, borrowed])
    hashes = [ngram_hashes(piece) for piece in corpus]
    starts = np.cumsum([0, *(len(each) for each in hashes)])[:-1]
    found = longest_hashed_passage(query, np.concatenate(hashes), starts)
    exact = longest_shared_passage(query, corpus)
    assert found.notes == (exact.notes if exact.notes > NGRAM_NOTES else 0)
    if found.notes:
        there = corpus[found.piece][found.piece_start :][: found.notes]
        here = query[found.start :][: found.notes]
        np.testing.assert_array_equal(np.diff(here, axis=0), np.diff(there, axis=0))


@given(st.lists(pieces, min_size=1, max_size=4), st.integers(0, 80), st.data())
def test_without_the_notes_that_copy_no_passage_is_too_long(
    corpus: list["np.ndarray[tuple[int, int], np.dtype[np.int64]]"], most: int, data: st.DataObject
) -> None:
    hashes = [ngram_hashes(piece) for piece in corpus]
    starts = np.cumsum([0, *(len(each) for each in hashes)])[:-1]
    runs = np.concatenate(hashes)
    trail, written = CopyTracker(NgramIndex(runs, starts)), []
    at = 0
    for number in data.draw(st.lists(st.integers(0, len(corpus) - 1), min_size=1, max_size=3)):
        borrowed = corpus[number] + np.array([number, at])
        for pitch, onset in borrowed.tolist():
            if not trail.copies([pitch], onset, most)[0]:
                trail.hear(pitch, onset)
                written.append((pitch, onset))
        at = written[-1][1]
    notes = np.array(written)
    found = longest_hashed_passage(notes, runs, starts)
    if found.notes:
        passage = notes[found.start :][: found.notes]
        assert passage[-1, 1] - passage[0, 1] <= most
    if (
        len(corpus) == 1
        and len(corpus[0]) > NGRAM_NOTES
        and most > corpus[0][-1, 1] - corpus[0][0, 1]
    ):
        assert found.notes >= len(corpus[0])  # nothing was held off that need not be


def test_a_note_that_copies_is_told_from_those_that_do_not() -> None:
    tune = np.array([(60 + step % 7, 4 * step) for step in range(12)])
    trail = CopyTracker(NgramIndex(ngram_hashes(tune), [0]))
    for pitch, onset in tune[:8].tolist():
        trail.hear(pitch + 3, onset)
    pitches = range(60, 72)
    copied = trail.copies(pitches, 32, 16)
    assert [pitch for pitch, each in zip(pitches, copied, strict=True) if each] == [64]
    assert not trail.copies(pitches, 32, 32).any()
    assert not trail.copies(pitches, 33, 16).any()


def test_short_and_empty_pieces_share_nothing() -> None:
    notes = np.array([[60, 0], [62, 2], [64, 4]])
    assert len(ngram_hashes(notes)) == 0
    assert longest_hashed_passage(notes, np.zeros(0, np.uint16), [0]).notes == 0


def test_what_is_no_row_of_notes_is_refused() -> None:
    with pytest.raises(BadArgument, match=r"shape \(n, 2\)"):
        ngram_hashes(np.zeros((3, 3), np.int64))
