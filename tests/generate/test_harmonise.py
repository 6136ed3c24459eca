"""Harmony for melodies, with what comes along."""

import numpy as np
import pytest

from scores import part_of, score_of, tune
from segue.errors import BadArgument
from segue.generate.harmony.harmonise import harmonise_chorale, harmonise_chords
from segue.generate.harmony.particle_filter import ParticleFilterOptions

SCALE = score_of(tune(60, 62, 64, 65, 67, 65, 64, 62, 60, 59, 60, 60), time_signatures=[[0, 3, 4]])


def test_voices_begin_and_end_on_the_tonic_and_the_likeliest_comes_first() -> None:
    found = harmonise_chorale(SCALE, 2, options=ParticleFilterOptions(particles=4), seed=1)
    assert found[0].nll <= found[1].nll
    assert found[0].voice_leading.parallels == 0
    for one in found:
        _, alto, tenor, bass = one.score.parts
        for part in (alto, tenor):
            assert {int(part.notes[at, 2]) % 12 for at in (0, -1)} <= {0, 4, 7}
        assert bass.notes[-1, 2] % 12 == 0
        assert all(
            int((each.notes[:, 0] + each.notes[:, 1]).max()) == 12 * 24 for each in one.score.parts
        )


def test_one_note_can_be_harmonised() -> None:
    note = score_of(part_of((0, 4, 67)))
    assert (
        len(harmonise_chorale(note, options=ParticleFilterOptions(particles=2))[0].score.parts) == 4
    )
    assert [chord.bar for chord in harmonise_chords(note)[0].chords] == [0]


def test_an_upbeat_gets_no_chord() -> None:
    melody = part_of((3, 1, 67), *((4.0 + at, 1.0, 72 - at % 3) for at in range(12)))
    first, second = harmonise_chords(score_of(melody))[0].chords[:2]
    assert (first.name, first.bar) == ("N.C.", 0)
    assert second.bar == 1
    assert harmonise_chords(score_of(melody))[0].score.parts[1].notes[0, 0] == 4 * 24


def test_a_tune_of_two_bars_that_begins_with_a_rest_has_chords_throughout() -> None:
    melody = part_of((2, 1, 64), (3, 1, 67), (4, 4, 72))
    assert all(chord.root >= 0 for chord in harmonise_chords(score_of(melody))[0].chords)


def test_sampled_chords_depend_on_the_seed_and_are_distinct() -> None:
    one, again, other = (harmonise_chords(SCALE, 5, seed=seed) for seed in (1, 1, 2))
    names = [[chord.name for chord in each.chords] for each in one]
    assert len({tuple(each) for each in names}) == 5
    assert names == [[chord.name for chord in each.chords] for each in again]
    assert names[1:] != [[chord.name for chord in each.chords] for each in other][1:]
    assert [each.log_likelihood for each in one] == sorted(
        (each.log_likelihood for each in one), reverse=True
    )


@pytest.mark.slow
def test_ten_thousand_bars_get_chords() -> None:
    notes = np.array([[96 * bar, 96, 60 + bar % 5, 90] for bar in range(10_000)])
    melody = part_of((0, 1, 60))
    long = score_of(type(melody)("", 0, False, notes.astype(np.int32)))
    assert len(harmonise_chords(long)[0].chords) >= 10_000


def test_invalid_arguments_are_refused() -> None:
    for wrong in ({"n": 0}, {"n": 101}, {"seed": -1}, {"part": "none"}, {"temperature": -0.1}):
        with pytest.raises(BadArgument):
            harmonise_chords(SCALE, **wrong)
