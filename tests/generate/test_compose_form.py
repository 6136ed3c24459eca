"""Compositions have the sections that are asked for, fills between them, and an ending."""

import numpy as np
import pytest
import torch

from conftest import little_score
from segue.errors import BadArgument
from segue.generate.compose.composition import Composition
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.patterns import CRASH, KICK, SNARE, crash, ending, fill, tonic_chord
from segue.generate.compose.plan import (
    BarChord,
    Section,
    parse_form,
    parse_sections,
    plan_bars,
    sample_progressions,
)
from segue.generate.compose.tokens import TIME_SIGNATURE_INDEX, VOCABULARY_SIZE, Bar, Note
from segue.generate.copying import index_bars
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.theory.instruments import DRUMS

FOUR_FOUR = TIME_SIGNATURE_INDEX[4, 4]


@pytest.fixture(scope="module")
def composer() -> Composer:
    """Make an untrained network."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, 512))).eval()
    return Composer(network, index_bars([]), {})


def cells(bar: Bar) -> set[tuple[int, int, int]]:
    return {(note.instrument, note.onset, note.pitch) for note in bar.notes}


def similarity(a: Bar, b: Bar) -> float:
    return len(cells(a) & cells(b)) / max(len(cells(a) | cells(b)), 1)


@pytest.mark.parametrize(
    ("form", "bars", "sections"),
    [
        ("AABA", None, [("A", 8), ("A", 8), ("B", 8), ("A", 8)]),
        ("ab", 8, [("A", 4), ("B", 4)]),
        ("A B", None, [("A", 8), ("B", 8)]),
    ],
)
def test_form_gives_sections_of_one_length(
    form: str, bars: int | None, sections: list[tuple[str, int]]
) -> None:
    assert list(parse_form(form, bars)) == sections


def test_sections_are_names_and_bars() -> None:
    text = "intro 4, verse 8, Pre chorus 2,verse 8"
    expected = [("intro", 4), ("verse", 8), ("Pre chorus", 2), ("verse", 8)]
    assert list(parse_sections(text, None)) == expected
    assert list(parse_sections(text, 22)) == expected
    assert list(parse_sections("Verse 1 4, verse 1 4", None)) == [("Verse 1", 4)] * 2


@pytest.mark.parametrize(
    ("form", "sections", "bars", "message"),
    [
        ("A-B", None, None, "write a letter for each section"),
        ("", None, None, "no form"),
        ("AAB", None, 16, "16 bars do not divide into the 3 sections of AAB; write --bars 15"),
        ("A" * 101, None, None, "at most 100"),
        (None, "intro 4, verse", None, "no section 'verse'"),
        (None, "intro 0", None, "no section 'intro 0'"),
        (None, "", None, "no section ''"),
        (None, "verse 4 chorus 4", None, "no section 'verse 4 chorus 4'"),
        (None, "intro 4, verse 8", 16, "the sections have 12 bars, not 16; leave --bars out"),
    ],
)
def test_sections_that_do_not_add_up_are_refused(
    form: str | None, sections: str | None, bars: int | None, message: str
) -> None:
    with pytest.raises(BadArgument, match=message):
        parse_form(form, bars) if form is not None else parse_sections(sections or "", bars)


def test_plan_of_a_form() -> None:
    sections = [Section("A", 2), Section("B", 2), Section("a", 3)]
    chord = BarChord(0, 0, 0, frozenset({0, 4, 7}))
    plans = plan_bars(7, sections, {"": [(chord,), (chord.transpose(7),)]}, ends=True)
    assert [plan.repeats for plan in plans] == [None, None, None, None, 0, 1, 0]
    assert [plan.section for plan in plans] == [0, 0, 2, 2, 4, 4, 4]
    assert [plan.fill for plan in plans] == [False, True, False, True, False, False, False]
    assert [plan.opens for plan in plans] == [False, False, True, False, True, False, False]
    assert [plan.ends for plan in plans] == [False] * 6 + [True]
    assert [plan.chords[0].root for plan in plans] == [0, 7, 0, 7, 0, 7, 0]


def test_progressions_differ_between_sections_and_are_in_the_key() -> None:
    progressions = sample_progressions(5, ["verse", "chorus"], np.random.default_rng(0))  # D minor
    assert progressions["verse"] != progressions["chorus"]
    for progression in progressions.values():
        assert len(progression) in (4, 8)
        for bar in progression:
            assert bar[0].root in {2, 4, 5, 7, 9, 10, 0}
            assert bar[0].name[0] in "ABCDEFG"


@pytest.mark.parametrize("repetition", [0.0, 1.0])
def test_sections_return_and_others_differ(composer: Composer, repetition: float) -> None:
    options = CompositionOptions(
        Sampling(), (0, 33, DRUMS), seed=1, sections=parse_form("ABA", 12), repetition=repetition
    )
    composition = Composition(composer, options)
    bars = list(composition)
    assert len(bars) == 12
    returning = [similarity(bars[index], bars[index + 8]) for index in range(2)]  # then a cadence
    other = [similarity(bars[index], bars[index + 4]) for index in range(2)]
    assert np.mean(returning) > 0.3
    assert np.mean(returning) > np.mean(other) + 0.2
    assert composition.report["form"] == [
        {"name": "A", "first": 1, "last": 4},
        {"name": "B", "first": 5, "last": 8},
        {"name": "A", "first": 9, "last": 12},
    ]


def test_new_pieces_end_with_a_held_tonic(composer: Composer) -> None:
    for key, classes in ((2, {1, 5, 8}), (9, {4, 7, 11})):
        options = CompositionOptions(
            Sampling(), (0, 33, DRUMS), key, time_signature=FOUR_FOUR, seed=1
        )
        last = list(Composition(composer, options, 5))[-1]
        pitched = [note for note in last.notes if note.instrument != DRUMS]
        assert pitched
        assert {note.pitch % 12 for note in pitched} <= classes
        assert {note.pitch % 12 for note in pitched if note.instrument == 33} <= {key // 2}
        held = [(note.onset, note.duration) == (0, 48) for note in pitched]
        assert np.mean(held) > 0.5


def test_a_last_bar_of_several_chords_moves_on_with_them(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), (0,), chords="C | Dm G", seed=1)
    last = list(Composition(composer, options, 4))[-1]
    assert {note.pitch % 12 for note in last.notes if note.onset >= 24} & {7, 11, 2}
    held = [note for note in last.notes if note.onset < 24 < note.onset + note.duration]
    assert {note.pitch % 12 for note in held} <= {2, 7, 11}  # D is in both chords


def test_sections_continue_a_score_but_fill_no_bars(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), seed=1, sections=parse_form("AB", 4))
    composition = Composition(composer, options, prompt=little_score(1, 3))
    assert len(list(composition)) == 4
    assert composition.report["form"][0] == {"name": "A", "first": 4, "last": 5}
    for given in ({"infill": (1, 2)}, {"added": 0}):
        with pytest.raises(BadArgument, match="leave --form, --sections and --style out"):
            Composition(composer, options, prompt=little_score(1, 3), **given)


def groove() -> list[Note]:
    hits = [(step, 42) for step in range(0, 48, 6)] + [(0, KICK), (24, KICK), (12, SNARE)]
    return [Note(step, DRUMS, pitch, 1, 5) for step, pitch in sorted(hits)]


@pytest.mark.parametrize("seed", range(9))
def test_fill_follows_the_groove_and_ends_at_the_barline(seed: int) -> None:
    played = fill(groove(), {KICK, SNARE, 42}, 48, np.random.default_rng(seed))
    assert played != tuple(groove())
    assert max(note.onset for note in played) >= 36
    assert all(0 <= note.onset < 48 and note.velocity < 8 for note in played)
    short = fill(groove()[:2], {KICK, SNARE, 42}, 12, np.random.default_rng(seed))
    assert all(0 <= note.onset < 12 for note in short)


def test_hand_percussion_plays_no_kit() -> None:
    congas = [Note(0, DRUMS, 63, 1, 5), Note(24, DRUMS, 64, 1, 5)]
    assert fill(congas, {63, 64}, 48, np.random.default_rng(0)) == tuple(congas)
    assert crash(congas, {63, 64}) == tuple(congas)
    assert (0, CRASH) in {(n.onset, n.pitch) for n in crash(groove(), {KICK})}


def test_ending_holds_the_chord_near_the_last_notes() -> None:
    notes = [Note(24, 0, pitch, 12, 5) for pitch in (59, 62, 67)]
    notes += [Note(24, 33, 43, 12, 5), Note(36, 73, 74, 12, 5), *groove()]
    bars = [Bar(FOUR_FOUR, 18, tuple(sorted(notes)))]
    assert tonic_chord([], mode=1).classes == {0, 3, 7}
    chord = tonic_chord([Bar(FOUR_FOUR, 18, (Note(0, 0, 63, 12, 5), Note(0, 0, 60, 12, 5)))])
    assert chord.classes == {0, 3, 7}
    played = {
        instrument: [n.pitch for n in ending(bars, chord, 48) if n.instrument == instrument]
        for instrument in (0, 33, 73, DRUMS)
    }
    assert played == {0: [60, 63, 67], 33: [36], 73: [75], DRUMS: [KICK, CRASH]}
