"""New pieces have a lead melody, dynamics between their sections, and end with a cadence."""

from dataclasses import replace

import numpy as np
import pytest

from conftest import little_score
from segue.generate.compose.humanise import shape_dynamics
from segue.generate.compose.lead import LEAD_PENALTY, add_lead, lead_instrument
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.plan import BarPlan, Section, parse_sections, plan_bars
from segue.generate.compose.planning import plan_new_bars
from segue.generate.compose.tokens import TIME_SIGNATURE_INDEX
from segue.nn.sampling import Sampling
from segue.theory.instruments import DRUMS, tessitura

FOUR_FOUR = TIME_SIGNATURE_INDEX[4, 4]


@pytest.mark.parametrize(
    ("instruments", "chordal", "lead"),
    [
        ((0, 33, DRUMS), 0, None),
        ((0, 33, 73, DRUMS), 0, 73),
        ((0, 33, 65, 73, DRUMS), 0, 73),  # the higher one
        ((0, 24, 33, DRUMS), 24, 0),
        ((40, 40, 41, 42), None, 41),  # two violins are one stream of notes
        ((32, DRUMS), None, None),
        ((), None, None),
    ],
)
def test_the_lead_of_a_band(
    instruments: tuple[int, ...], chordal: int | None, lead: int | None
) -> None:
    assert lead_instrument(instruments, chordal) == lead


def planned(instruments: tuple[int, ...], sections: str, key: int = 0) -> list[BarPlan]:
    """Plan a new piece."""
    options = CompositionOptions(
        Sampling(), instruments, key, sections=parse_sections(sections, None), seed=3
    )
    found, plans = plan_new_bars(options, sum(each.bars for each in options.sections))
    assert found.key == key
    return plans


def notes_of(plan: BarPlan, instrument: int) -> list[tuple[int, int, int]]:
    return [
        (note.onset, note.pitch, note.duration)
        for pattern in plan.patterns
        if pattern.instrument == instrument
        for note in pattern.notes
    ]


def test_sections_of_a_name_have_one_melody_in_the_range_of_the_lead() -> None:
    plans = planned((0, 33, 65), "verse 4, chorus 4, verse 4")
    low, high = tessitura(65)
    melodies = [notes_of(plan, 65) for plan in plans]
    assert sum(map(bool, melodies)) >= 9
    assert all(low <= pitch <= high for notes in melodies for _, pitch, _ in notes)
    assert all(onset + length <= 96 for notes in melodies for onset, _, length in notes)
    assert melodies[:2] == melodies[8:10]
    assert melodies[:4] != melodies[4:8]
    assert {each.penalty for each in plans[0].patterns if each.instrument == 65} == {LEAD_PENALTY}


def test_a_piano_that_plays_the_chords_has_the_melody_above_them() -> None:
    plans = planned((0, 33, DRUMS), "A 8")
    pitches = [pitch for plan in plans for _, pitch, _ in notes_of(plan, 0)]
    assert min(pitches) < 65 < max(pitches)
    assert all(len([each for each in plan.patterns if each.instrument == 0]) == 1 for plan in plans)


@pytest.mark.parametrize(("key", "chords"), [(4, ["A", "D"]), (5, ["A", "Dm"])])
def test_new_pieces_begin_on_the_tonic_and_end_with_a_cadence(key: int, chords: list[str]) -> None:
    plans = planned((0, 33), "verse 4, chorus 4", key)
    assert [plan.chords[0].name for plan in plans[-2:]] == chords
    assert plans[0].chords[0].root == 2


def test_odd_bars_and_silent_chords_have_a_lead_or_none() -> None:
    options = CompositionOptions(
        Sampling(), (0, 73), chords="C | N.C. | G", time_signature=TIME_SIGNATURE_INDEX[7, 8]
    )
    plans = plan_new_bars(options, 5)[1]
    assert len(plans) == 5
    assert add_lead([BarPlan()] * 3, 73, FOUR_FOUR, 0) == [BarPlan()] * 3


def test_a_chorus_is_louder_than_a_verse_and_an_introduction() -> None:
    score = little_score(1, 12)
    score = replace(
        score,
        parts=tuple(
            replace(part, notes=np.column_stack([part.notes[:, :3], np.full(len(part.notes), 70)]))
            for part in score.parts
        ),
    )
    sections = [Section("Intro", 4), Section("verse 1", 4), Section("Chorus", 4)]
    shaped = shape_dynamics(score, plan_bars(12, sections), 0)
    bar = score.parts[0].notes[:, 0] // (4 * score.ticks_per_quarter)
    means = [shaped.parts[0].notes[bar // 4 == each, 3].mean() for each in range(3)]
    assert means[0] + 10 < means[1]
    assert means[1] + 10 < means[2]
    onto = shaped.parts[0].notes[bar == 7, 3].mean(), shaped.parts[0].notes[bar == 4, 3].mean()
    assert onto[0] > onto[1]  # a crescendo into the chorus
    later = shape_dynamics(score, plan_bars(4, [Section("Chorus", 4)]), 8)
    assert (later.parts[0].notes[bar < 8, 3] == 70).all()
    assert shaped.parts[0].notes[:, :3].tolist() == score.parts[0].notes[:, :3].tolist()
