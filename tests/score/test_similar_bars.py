import numpy as np
import pytest

from scores import chord_part, part_of, piece, score_of, tune
from segue.score.fingerprint import BarPair, similar_bars


def test_bars_are_found_in_another_key() -> None:
    first, second = piece(1), piece(1, up=3)
    pairs = similar_bars(first, second, 4)
    assert [pair.overlap for pair in pairs] == [1.0] * 4
    assert {pair.semitones for pair in pairs} == {3}
    assert all(pair.first == pair.second for pair in pairs)


def test_no_bar_is_in_two_pairs_and_the_best_come_first() -> None:
    pairs = similar_bars(piece(1), piece(2), 6)
    assert len(pairs) == 6
    overlaps = [pair.overlap for pair in pairs]
    assert overlaps == sorted(overlaps, reverse=True)
    assert all(0 < overlap <= 1 for overlap in overlaps)
    assert len({pair.first for pair in pairs}) == len({pair.second for pair in pairs}) == 6


def test_overlap_is_what_sounds_in_both_of_what_sounds_in_either() -> None:
    first = score_of(tune(60, 62, 64, 65), time_signatures=[[0, 4, 4]])
    second = score_of(tune(60, 62, 64, 67), time_signatures=[[0, 4, 4]])
    assert similar_bars(first, second) == (BarPair(0, 0, pytest.approx(3 / 5), 0),)  # type: ignore[arg-type]


def test_bars_of_other_time_signatures_and_bars_of_few_notes() -> None:
    waltz = score_of(tune(*[60, 64, 67] * 4), time_signatures=[[0, 3, 4]])
    assert similar_bars(waltz, waltz)[0].overlap == 1
    held = score_of(part_of((0, 16, 60)))
    assert similar_bars(held, waltz) == ()
    drums = score_of(part_of((0, 1, 36), drum=True), chord_part((60, 64, 67)))
    assert len(similar_bars(drums, waltz)) == 1


def test_notes_that_were_never_ended_do_no_harm() -> None:
    long = score_of(part_of((0, 100_000, 30)), tune(*range(60, 76)))
    pairs = similar_bars(long, long)
    assert np.isclose(pairs[0].overlap, 1)
