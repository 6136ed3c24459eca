"""Descriptions of scores: key, chords, facts, and features that know no key."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_golden_scores import FILE

from scores import QUARTER, chord_part, part_of, piece, score_of, tune
from segue.errors import BadArgument
from segue.feature_names import SCORE_FEATURE_GROUPS, SCORE_FEATURE_NAMES
from segue.records import Score
from segue.score.features import (
    describe_score,
    score_features,
    standardise_score,
    time_signature_text,
)
from segue.score.harmony import estimate_chords, estimate_key
from segue.score.timing import bar_grid, duration_s, excerpt, ticks_to_seconds

#: Of keys with at most six sharps or five flats, by pitch class.
TONICS = {
    "major": ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"],
    "minor": ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "Bb", "B"],
}


def names_of(score: Score) -> list[str]:
    return [chord.name for chord in estimate_chords(score)]


def number(vector: np.ndarray, name: str) -> float:
    return float(vector[SCORE_FEATURE_NAMES.index(name)])


@pytest.mark.parametrize("up", range(12))
@pytest.mark.parametrize(
    ("mode", "cadence"),
    [
        ("major", ((48, 64, 67), (53, 65, 69), (55, 62, 71), (48, 64, 67))),
        ("minor", ((48, 63, 67), (53, 65, 68), (55, 62, 71), (48, 63, 67))),
    ],
)
def test_key_of_a_cadence(up: int, mode: str, cadence: tuple[tuple[int, ...], ...]) -> None:
    moved = [tuple(pitch + up for pitch in each) for each in cadence]
    key = estimate_key(score_of(chord_part(*moved)))
    assert key.name == f"{TONICS[mode][up]} {mode}"
    assert 0.5 < key.confidence <= 1


def test_no_key_without_pitches_and_little_confidence_without_a_key() -> None:
    drums = score_of(part_of((0, 1, 36), (1, 1, 38), drum=True))
    assert estimate_key(drums).confidence == pytest.approx(1 / 24)
    assert "key" not in describe_score(drums).facts
    assert estimate_key(score_of(tune(*range(60, 72)))).confidence < 0.3


@pytest.mark.parametrize(
    ("pitches", "name"),
    [
        ((48, 64, 67), "C"),
        ((50, 65, 69), "Dm"),
        ((50, 65, 69, 72), "Dm7"),
        ((43, 59, 62, 65), "G7"),
        ((48, 64, 67, 71), "Cmaj7"),
        ((45, 60, 65), "F/A"),
        ((55, 60, 62), "Gsus4"),
        ((47, 62, 65), "Bdim"),
        ((47, 62, 65, 69), "Bm7b5"),
        ((47, 62, 65, 68), "Bdim7"),
        ((48, 64, 68), "Caug"),
    ],
)
def test_chords_have_the_names_musicians_give_them(pitches: tuple[int, ...], name: str) -> None:
    assert names_of(score_of(chord_part(pitches))) == [name]


def test_chords_are_spelled_as_in_their_key() -> None:
    in_e = [
        (40, 64, 68, 71),
        (44, 63, 68, 71),
        (45, 64, 69, 73),
        (47, 63, 66, 71),
        (40, 64, 68, 71),
    ]
    assert names_of(score_of(chord_part(*in_e))) == ["E", "G#m", "A", "B", "E"]
    in_db = [tuple(pitch - 3 for pitch in each) for each in in_e]
    assert names_of(score_of(chord_part(*in_db))) == ["Db", "Fm", "Gb", "Ab", "Db"]


def test_a_chord_for_each_bar_two_where_the_halves_differ_none_where_nothing_sounds() -> None:
    score = score_of(
        part_of(
            *((0, 4, p) for p in (48, 64, 67)),
            *((4, 2, p) for p in (53, 65, 69)),
            *((6, 2, p) for p in (43, 59, 62)),
            *((12, 4, p) for p in (48, 64, 67)),
        )
    )
    chords = estimate_chords(score)
    assert [chord.name for chord in chords] == ["C", "F", "G", "N.C.", "C"]
    assert [chord.bar for chord in chords] == [0, 1, 1, 2, 3]
    assert [chord.start for chord in chords[1:]] == [chord.end for chord in chords[:-1]]
    # Halves of three beats are no beats.
    waltz = score_of(
        chord_part((48, 64, 67), (53, 65, 69), length=1.5), time_signatures=[[0, 3, 4]]
    )
    assert len(estimate_chords(waltz)) == 1


def test_facts_are_those_of_the_score() -> None:
    score = score_of(
        tune(60, 64, 67, 72, program=40),
        part_of((0, 4, 36), (0, 4, 48), program=40),
        part_of((0, 1, 35), drum=True),
        tempos=[[0, 60], [2 * QUARTER, 120]],
        time_signatures=[[0, 3, 4], [3 * QUARTER, 2, 4]],
    )
    facts = describe_score(score).facts
    assert facts["duration_s"] == pytest.approx(3.0)
    assert facts["metre"] == "3/4 and another"
    assert (facts["bars"], facts["notes"]) == (2, 7)
    assert facts["instruments"] == "violin, drums"
    assert (facts["lowest_pitch"], facts["highest_pitch"]) == ("C2", "C5")
    assert facts["polyphony"] == pytest.approx(3)
    assert facts["key"] == "C major"


def test_tempo_is_that_of_most_of_the_score() -> None:
    tempos: list[list[float]] = [[0, 60], [QUARTER, 150], [9 * QUARTER, 90]]
    facts = describe_score(score_of(part_of((0, 10, 60)), tempos=tempos)).facts
    assert facts["tempo_bpm"] == 150
    assert describe_score(score_of(part_of((0, 10, 60)))).facts["tempo_bpm"] == 120


def test_seconds_follow_the_tempos() -> None:
    score = score_of(
        part_of((0, 8, 60)), tempos=[[2 * QUARTER, 60], [4 * QUARTER, 240]]
    )  # 120 until the first
    quarters = np.array([0, 1, 2, 3, 4, 8]) * QUARTER
    np.testing.assert_allclose(ticks_to_seconds(score, quarters), [0, 0.5, 1, 2, 3, 4])
    assert duration_s(score) == pytest.approx(4)


def test_bars_begin_where_the_time_signature_changes() -> None:
    score = score_of(part_of((0, 14, 60)), time_signatures=[[0, 4, 4], [8 * QUARTER, 6, 8]])
    divided = bar_grid(score)
    assert (divided.edges / QUARTER).tolist() == [0, 4, 8, 11, 14]
    assert time_signature_text(score) == "4/4 and another"
    with pytest.raises(BadArgument, match="more than 100000 bars"):
        bar_grid(score_of(part_of((500_000, 1, 60))))


def test_an_excerpt_begins_at_its_first_bar() -> None:
    score = replace(piece(1), keys=np.array([[0, 0, 0]], np.int32))
    cut = excerpt(score, 4, 2)
    assert len(bar_grid(cut)) == 2
    assert cut.tempos.tolist() == [[0, score.tempos[0, 1]]]
    assert cut.keys.tolist() == [[0, 0, 0]]
    assert min(part.notes[0, 0] for part in cut.parts) == 0
    assert max((part.notes[:, 0] + part.notes[:, 1]).max() for part in cut.parts) <= 8 * QUARTER


def test_an_excerpt_begins_with_the_pedal_as_it_is() -> None:
    pedals = [[QUARTER, 1], [5 * QUARTER, 0], [9 * QUARTER, 1], [15 * QUARTER, 0]]
    part = replace(part_of(*((i, 1, 60) for i in range(16))), pedals=np.array(pedals, np.int32))
    cut = [excerpt(score_of(part), first, 1).parts[0].pedals.tolist() for first in range(4)]
    assert cut == [
        [[QUARTER, 1]],
        [[0, 1], [QUARTER, 0]],
        [[QUARTER, 1]],
        [[0, 1], [3 * QUARTER, 0]],
    ]


@pytest.mark.parametrize("up", [-5, 3, 6])
def test_features_do_not_depend_on_the_key(up: int) -> None:
    first, transposed = (standardise_score(score_features(piece(1, up=each))) for each in (0, up))
    np.testing.assert_allclose(first, transposed, atol=1e-4)


def test_a_piece_is_found_when_it_is_transposed_and_lacks_notes() -> None:
    def space(score: Score) -> np.ndarray:
        vector = standardise_score(score_features(score))
        return np.asarray(vector / np.linalg.norm(vector))

    rng = np.random.default_rng(0)
    lacking = []
    for seed in range(8):
        moved = piece(seed, up=int(rng.integers(-5, 7)))
        parts = [replace(p, notes=p.notes[rng.random(len(p.notes)) > 0.1]) for p in moved.parts]
        lacking.append(space(replace(moved, parts=tuple(parts))))
    similarity = np.stack([space(piece(seed)) for seed in range(8)]) @ np.stack(lacking).T
    assert (similarity.argmax(axis=1) == np.arange(8)).sum() >= 7


def test_features_have_the_meaning_of_their_names() -> None:
    vector = score_features(score_of(tune(60, 62, 64, 64, 67), time_signatures=[[0, 3, 4]]))
    assert number(vector, "Stepwise Motion") == 0.5
    assert number(vector, "Repeated Notes") == 0.25
    assert number(vector, "Melodic Interval Histogram +3") == 0.5  # the root of a quarter
    assert number(vector, "Range") == 7
    assert number(vector, "Pitch Class Variety") == 4
    assert number(vector, "Rhythmic Value Histogram quarter") == 1
    assert number(vector, "Metre 3/4") == 1
    assert number(vector, "Note Density per Quarter Note") == pytest.approx(np.log2(1.1))
    assert number(vector, "String Keyboard Prevalence") == 1
    assert number(vector, "Unpitched Percussion Prevalence") == 0
    held = score_features(score_of(chord_part((48, 64, 67))))
    assert number(held, "Major Chords Prevalence") == 1
    assert number(held, "Average Number of Independent Voices") == pytest.approx(2)


def test_names_and_groups_cover_the_vector() -> None:
    assert len(set(SCORE_FEATURE_NAMES)) == len(SCORE_FEATURE_NAMES)
    assert score_features(piece(1)).shape == (len(SCORE_FEATURE_NAMES),)
    covered = [i for at in SCORE_FEATURE_GROUPS.values() for i in range(at.start, at.stop)]
    assert covered == list(range(len(SCORE_FEATURE_NAMES)))


notes = st.tuples(
    st.integers(0, 3000), st.integers(1, 5000), st.integers(0, 127), st.integers(1, 127)
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(notes, min_size=1, max_size=30),
    st.booleans(),
    st.integers(0, 127),
    st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 16), (1, 128), (255, 2)]),
)
def test_whatever_is_written_can_be_described(
    table: list[tuple[int, int, int, int]],
    drum: bool,
    program: int,
    time_signature: tuple[int, int],
) -> None:
    part = replace(part_of(program=program, drum=drum), notes=np.array(sorted(table), np.int32))
    score = score_of(part, time_signatures=[[0, *time_signature]])
    described = describe_score(score)
    assert np.isfinite(described.vector).all()
    assert np.isfinite([x for x in described.facts.values() if isinstance(x, float)]).all()
    assert np.isfinite(standardise_score(described.vector)).all()
    chords = estimate_chords(score)
    assert chords[-1].end >= max(onset + length for onset, length, _, _ in table)


def test_nothing_is_refused() -> None:
    with pytest.raises(BadArgument, match="without"):
        describe_score(score_of())
    with pytest.raises(BadArgument, match="describe the score again"):
        standardise_score(np.zeros(7, np.float32))


def test_golden_features() -> None:
    with np.load(FILE) as golden:
        for seed, expected in zip((1, 2), golden["features"], strict=True):
            np.testing.assert_allclose(score_features(piece(seed)), expected, rtol=1e-3, atol=1e-3)
