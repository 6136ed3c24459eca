"""Piano rolls show what is written, and can be written again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segue.errors import BadArgument
from segue.io.midi import read_midi, write_midi
from segue.records import Part, Score
from segue.score.piano_roll import INSTRUMENTS, PianoRoll


def score_of(
    *notes: tuple[int, int, int],
    program: int = 0,
    drum: bool = False,
    time_signatures: list[list[int]] | None = None,
) -> Score:
    """Write notes of onset, duration and pitch, with 24 ticks to the quarter."""
    table = np.array([[*note, 90] for note in notes], np.int32)
    rows = np.array(time_signatures or [], np.int32).reshape(-1, 3)
    nothing = np.empty((0, 3), np.int32)
    return Score("", 24, (Part("", program, drum, table),), np.empty((0, 2)), rows, nothing)


def cells_of(score: Score) -> list[list[int]]:
    """List bar, step, pitch and instrument of what sounds."""
    cells = np.argwhere(PianoRoll.from_score(score).cells)
    shown: list[list[int]] = np.add(cells, [0, 0, 24, 0]).tolist()
    return shown


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(bool, (2, 48, 84, 5), elements=st.booleans(), fill=st.just(False)),
    st.floats(30, 240),
)
def test_a_roll_written_as_a_score_gives_the_same_roll(cells: np.ndarray, bpm: float) -> None:
    cells[-1, -1, 0, 0] = True  # so that the last bar is not empty
    score = PianoRoll(cells, bpm).to_score("A title")
    assert {part.name for part in score.parts} <= set(INSTRUMENTS)
    again = PianoRoll.from_score(read_midi(write_midi(score)))
    assert np.array_equal(again.cells, cells)
    assert again.tempo_bpm == pytest.approx(bpm, rel=1e-4)


def test_notes_sound_from_the_step_they_begin_at() -> None:
    assert cells_of(score_of((0, 6, 60))) == [[0, step, 60, 1] for step in range(3)]
    # A little late or early makes no difference; a short note has its step.
    assert cells_of(score_of((97, 1, 60))) == [[1, 0, 60, 1]]
    assert cells_of(score_of((95, 2, 60), (0, 1, 40))) == [[0, 0, 40, 1], [1, 0, 60, 1]]
    # Through a bar line.
    assert [cell[:2] for cell in cells_of(score_of((94, 4, 60)))] == [[0, 47], [1, 0]]


@pytest.mark.parametrize(
    ("program", "instrument"), [(0, 1), (19, 1), (25, 2), (33, 3), (40, 4), (73, 4), (127, 4)]
)
def test_programs_belong_to_families(program: int, instrument: int) -> None:
    assert cells_of(score_of((0, 2, 60), program=program)) == [[0, 0, 60, instrument]]


def test_pitches_beyond_the_grid() -> None:
    assert [cell[2] for cell in cells_of(score_of((0, 2, 12), (0, 2, 127)))] == [24, 103]
    assert cells_of(score_of((0, 2, 12), (0, 2, 36), drum=True)) == [[0, 0, 36, 0]]


def test_bars_in_other_time_signatures_are_counted_and_left_out() -> None:
    time_signatures = [[0, 4, 4], [96, 3, 4], [96 + 2 * 72, 4, 4]]
    score = score_of((0, 2, 60), (100, 2, 62), (240, 2, 64), time_signatures=time_signatures)
    roll = PianoRoll.from_score(score)
    assert (len(roll.cells), roll.skipped_bars) == (2, 2)
    assert cells_of(score) == [[0, 0, 60, 1], [1, 0, 64, 1]]
    # What sounds on into a bar that is left out ends before it.
    held = score_of((48, 96, 60), (240, 2, 64), time_signatures=time_signatures)
    assert [cell[:2] for cell in cells_of(held)] == [[0, s] for s in range(24, 48)] + [[1, 0]]
    none = PianoRoll.from_score(score_of((0, 2, 60), time_signatures=[[0, 3, 4]]))
    assert (len(none.cells), none.skipped_bars) == (0, 1)


def test_what_is_no_roll_is_refused() -> None:
    with pytest.raises(BadArgument, match="expected cells of shape"):
        PianoRoll(np.zeros((4, 48, 84, 4), np.bool_))
    with pytest.raises(BadArgument, match="more than 4096 bars"):
        PianoRoll.from_score(score_of((96 * 5000, 2, 60)))
