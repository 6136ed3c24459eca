"""Phrases of melodies: ranges, forms, cadences, and phrases that return."""

import numpy as np
import pytest
import torch

from melody_models import model
from segue.errors import BadArgument
from segue.generate.melody.candidates import generate_melodies
from segue.generate.melody.lead_sheet import LOWEST_PITCH
from segue.generate.melody.phrases import PhrasePlan, parse_range
from segue.nn.sampling import Sampling
from segue.records import IntArray
from segue.theory.chord_charts import NO_ROOT, parse_chart

CHART = parse_chart("C | Am | F G | C | C | Am | F G | C | F | C | D7 | G | C | Am | G | C")
BAR, PHRASE = 16, 64
ENDS = (64, 128, 192, 256)
MODEL = model()


def sample(
    form: str = "AABA", text: str = "", pitch_range: tuple[int, int] | None = None
) -> list[IntArray]:
    chart = parse_chart(text) if text else CHART
    generator = torch.Generator().manual_seed(2)
    return MODEL.sample(chart, "folk", 6, Sampling(), generator, form=form, pitch_range=pitch_range)


def onsets(melody: IntArray) -> list[tuple[int, int, int]]:
    """Return position, symbol and duration of each note."""
    starts = np.cumsum(melody[:, 1]) - melody[:, 1]
    return [
        (at, symbol, duration)
        for at, (symbol, duration) in zip(starts.tolist(), melody.tolist(), strict=True)
        if symbol
    ]


@pytest.mark.parametrize(
    ("text", "pitches"),
    [
        ("C4-E5", (60, 76)),
        (" c4 to e5 ", (60, 76)),
        ("G5 – Bb3", (58, 79)),
        ("F#3-f♯4", (54, 66)),
        ("Soprano", (60, 79)),
    ],
)
def test_ranges_are_parsed(text: str, pitches: tuple[int, int]) -> None:
    assert parse_range(text) == pitches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("high", "write the lowest and the highest note"),
        ("C4", "write the lowest"),
        ("C4-E5-G5", "write the lowest"),
        ("C4-E5 or so", "write the lowest"),
        ("C4-E4", "narrower than a fifth"),
        ("C1-C4", "out of reach"),
    ],
)
def test_other_ranges_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        parse_range(text)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("A-A", "a letter for each phrase"),
        ("AAA", "there are chords for 16"),
        ("ABCDEFGHIJKLMNOP", "needs chords for 32 bars"),
    ],
)
def test_forms_that_do_not_fit_are_refused(form: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        PhrasePlan(form, CHART)


def test_notes_stay_in_the_range() -> None:
    for melody in sample(pitch_range=(62, 71)):
        pitches = [symbol - 1 + LOWEST_PITCH for _, symbol, _ in onsets(melody)]
        assert 62 <= min(pitches) <= max(pitches) <= 71


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("AABA", ""),
        ("AB", "Em | Am | B7 | Em | C | D | B7 | Em"),
        ("AA", "N.C. | C | G | C"),
    ],
)
def test_phrases_end_with_a_cadence(form: str, text: str) -> None:
    chart = parse_chart(text) if text else CHART
    phrase = chart.steps // len(form)
    for melody in sample(form, text):
        assert melody[:, 1].sum() == chart.steps
        for end in range(phrase, chart.steps + 1, phrase):
            at, symbol, duration = [note for note in onsets(melody) if note[0] < end][-1]
            assert at + duration <= end
            assert duration >= 4
            assert at + duration > end - BAR // 2
            row = np.searchsorted(chart.chords[:, 0], at, side="right") - 1
            _, root, _, tones = chart.chords[row].tolist()
            pitch_class = (symbol - 1 + LOWEST_PITCH) % 12
            assert root == NO_ROOT or tones >> pitch_class & 1
            assert end < chart.steps or pitch_class == root


def test_a_phrase_returns_with_another_ending() -> None:
    endings = set()
    for melody in sample():
        notes = onsets(melody)
        phrases = [
            [(at % PHRASE, *note) for at, *note in notes if at // PHRASE == index]
            for index in range(4)
        ]
        free = PHRASE - BAR
        first, second, third, fourth = (
            [(at, symbol, min(at + duration, free)) for at, symbol, duration in phrase if at < free]
            for phrase in phrases
        )
        assert second == first
        assert [(at, until) for at, _, until in fourth] == [(at, until) for at, _, until in first]
        # The fourth phrase has another chord in its third bar alone.
        assert [note for note in fourth if note[0] < 2 * BAR] == [
            note for note in first if note[0] < 2 * BAR
        ]
        assert third != first
        assert all(at + duration <= end for at, _, duration in notes for end in [*ENDS] if at < end)
        endings.add(phrases[0][-1] == phrases[1][-1])
    assert False in endings


def test_a_root_out_of_range_leaves_a_rest() -> None:
    for melody in sample("AA", "C | G | C | F#", pitch_range=(60, 65)):
        assert melody[:, 1].sum() == 4 * BAR


def test_candidates_have_the_form() -> None:
    first = generate_melodies(MODEL, CHART, 2, form="AABA", pitch_range=(60, 76), seed=1)
    again = generate_melodies(MODEL, CHART, 2, form="AABA", pitch_range=(60, 76), seed=1)
    assert [each.melody.tolist() for each in first] == [each.melody.tolist() for each in again]
    assert first[0].melody[-1, 0] == 0 or first[0].melody[-1, 1] >= 4
