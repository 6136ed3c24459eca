"""Search by melody: the tune is found in any key, at any tempo, with the errors of people."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.search.melody import SHORTLIST_LINES, MelodyIndex, match_melody, melody_table


def tune(seed: int, notes: int = 60) -> NDArray[np.float64]:
    """Make a tune of steps and leaps: onsets in seconds and pitches, none twice in a row."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([-7, -4, -3, -2, -1, 1, 2, 3, 4, 5], notes)
    lengths = rng.choice([0.25, 0.25, 0.5, 0.75], notes)
    pitch = 60 + np.cumsum(steps) - 12 * (np.cumsum(steps) // 24)
    kept = np.append(True, np.diff(pitch) != 0)
    return np.asarray(np.column_stack([np.cumsum(lengths), pitch])[kept], np.float64)


def index_of(count: int) -> MelodyIndex:
    return MelodyIndex.build(
        (seed, melody_table([(tune(seed)[:, 0], tune(seed)[:, 1])])) for seed in range(count)
    )


INDEX = index_of(40)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 39), st.integers(0, 30), st.floats(-14, 14), st.floats(0.6, 1.6), st.booleans()
)
def test_key_tempo_and_place_do_not_matter(
    seed: int, first: int, semitones: float, tempo: float, rhythm: bool
) -> None:
    notes = tune(seed)[first : first + 15]
    query = np.column_stack([notes[:, 0] / tempo, notes[:, 1] + semitones])
    found = match_melody(INDEX, query, rhythm=rhythm)
    assert found.tracks[0] == seed
    assert found.cost[0] == pytest.approx(0, abs=0.06)  # of another tempo than the line's
    assert found.start_s[0] == pytest.approx(notes[0, 0])
    assert found.end_s[0] == pytest.approx(notes[-1, 0])


@pytest.mark.parametrize("change", ["wrong", "missing", "added", "octave", "drift", "rubato"])
def test_errors_of_a_singer_do_little_harm(change: str) -> None:
    for seed in range(0, 40, 5):
        query = tune(seed)[10:30]
        if change == "wrong":
            query[[4, 11], 1] += 1.5
        elif change == "missing":
            query = np.delete(query, [5, 12], axis=0)
        elif change == "added":
            extra = np.column_stack([query[[5, 12], 0] + 0.1, query[[5, 12], 1] + 1])
            query = np.insert(query, [6, 13], extra, axis=0)
        elif change == "octave":
            query[8:, 1] += 12
        elif change == "drift":
            query[:, 1] += np.linspace(0, 2, 20)
        else:
            query[:, 0] = query[:, 0] ** 1.15
        found = match_melody(INDEX, query)
        assert found.tracks[0] == seed
        assert found.cost[0] < 0.6 * found.cost[1]


def test_no_alignment_passes_from_one_line_to_the_next() -> None:
    notes = tune(1, 24)
    onset_s, pitch = notes.T
    half = len(notes) // 2
    whole = melody_table([(onset_s, pitch)])
    parted = melody_table([(onset_s[:half], pitch[:half]), (onset_s[half:], pitch[half:])])
    found = match_melody(MelodyIndex.build([(3, parted), (5, whole)]), notes)
    assert found.tracks.tolist() == [5, 3]  # each once
    assert found.cost[0] == pytest.approx(0, abs=1e-4)
    assert found.cost[1] > 0.3


def test_rhythm_tells_tunes_of_one_contour_apart() -> None:
    pitch = np.array([60, 62, 64, 65, 67, 65, 64, 62])
    even, dotted = np.arange(8) * 0.5, np.cumsum([0, 0.75, 0.25, 0.75, 0.25, 0.75, 0.25, 0.75])
    index = MelodyIndex.build([
        (1, melody_table([(even, pitch)])), (2, melody_table([(dotted, pitch)]))
    ])  # fmt: skip
    assert match_melody(index, np.column_stack([dotted * 1.2, pitch])).tracks[0] == 2
    assert match_melody(index, np.column_stack([even * 1.2, pitch])).tracks[0] == 1
    costs = match_melody(index, np.column_stack([even, pitch]), rhythm=False).cost
    assert costs == pytest.approx(np.zeros(2), abs=1e-4)


def test_a_shortlist_keeps_what_is_found() -> None:
    index = index_of(2 * SHORTLIST_LINES + 60)
    for seed in (0, 77, len(index.tracks) - 1):
        query = tune(seed)[5:35]
        query[7, 1] += 2
        assert match_melody(index, query).tracks[0] == seed


def test_repeated_notes_and_short_lines_are_left_out() -> None:
    table = melody_table([
        (np.arange(4.0), np.array([60, 60, 62, 60])), (np.arange(3.0), np.array([55, 55, 55]))
    ])  # fmt: skip
    assert table.tolist() == [[0, 60, 0], [2, 62, 0], [3, 60, 0]]
    assert melody_table([]).shape == (0, 3)


def test_an_index_is_restored_from_its_arrays() -> None:
    restored = MelodyIndex.from_arrays(INDEX.arrays())
    assert match_melody(restored, tune(3)[:12]).tracks[0] == 3
    some = INDEX.only(np.array([2, 9, 30]))
    assert some.tracks.tolist() == [2, 9, 30]
    assert match_melody(some, tune(9)[20:40]).tracks[0] == 9
    assert not len(MelodyIndex.build([]).tracks)
