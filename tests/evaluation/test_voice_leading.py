"""What is against the rules of four voices."""

import numpy as np
import pytest

from segue.errors import BadArgument
from segue.evaluation.generated import voice_leading_errors


def test_parallels_are_counted_where_both_voices_move() -> None:
    # Soprano and bass in octaves, alto and tenor in contrary motion.
    led = voice_leading_errors(np.array([[72, 67, 64, 48], [74, 65, 62, 50], [74, 65, 62, 50]]))
    assert led.parallels == 1
    assert led.frames == 3
    assert led.parallels_per_100 == pytest.approx(100 / 3)
    # A fifth that is held, or in which one voice moves by itself to another octave, is none.
    assert voice_leading_errors(np.array([[67, 64, 60, 48], [67, 64, 60, 48]])).parallels == 0
    assert voice_leading_errors(np.array([[72, 67, 64, 48], [72, 67, 64, 60]])).parallels == 0


def test_crossings_and_notes_out_of_range_are_counted() -> None:
    led = voice_leading_errors(np.array([[65, 67, 50, 52], [84, 70, 60, 30], [-1, 70, 60, 50]]))
    assert led.crossings == 2
    assert led.out_of_range == 2


def test_silence_is_no_voice() -> None:
    assert voice_leading_errors(np.full((4, 4), -1)).frames == 0
    with pytest.raises(BadArgument, match=r"expected \(frames, 4\)"):
        voice_leading_errors(np.zeros((3, 2), np.int64))
