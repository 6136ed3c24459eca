"""Melodies written for chords: ranked, played, and the same for the same seed."""

from dataclasses import replace

import numpy as np
import pytest

from melody_models import model, sheet
from scores import chord_part, piece, score_of, tune
from segue.errors import BadArgument
from segue.generate.melody.candidates import (
    chart_chords,
    chords_by_bar,
    generate_melodies,
    melody_notes,
    melody_score,
)
from segue.generate.melody.lead_sheet import LOWEST_PITCH, extract_lead_sheets, melody_part
from segue.generate.melody.training import count_chord_tones, melody_statistics
from segue.io.midi import read_midi, write_midi
from segue.nn.sampling import Sampling
from segue.theory.chord_charts import parse_chart

CHART = parse_chart("Dm7 G7 | Cmaj7 | % | N.C. | F/A G | C")
MODEL = model()


def test_candidates_are_ranked_and_differ() -> None:
    written = generate_melodies(MODEL, CHART, 4, seed=3)
    assert [one.rank for one in written] == [1, 2, 3, 4]
    assert [one.deviation for one in written] == sorted(one.deviation for one in written)
    assert len({one.melody.tobytes() for one in written}) == 4
    for one in written:
        assert one.log_likelihood < 0
        assert one.statistics == pytest.approx(melody_statistics(CHART, one.melody), nan_ok=True)
        assert one.shared_bars <= 4


def test_the_same_seed_gives_the_same_file() -> None:
    files = [
        [
            write_midi(one.score)
            for one in generate_melodies(MODEL, CHART, 2, style="pop", seed=seed)
        ]
        for seed in (1, 1, 2)
    ]
    assert files[0] == files[1] != files[2]


def test_without_chance_there_is_but_one() -> None:
    written = [
        generate_melodies(MODEL, CHART, 3, sampling=Sampling(temperature=0), seed=seed)
        for seed in (1, 2)
    ]
    assert [len(each) for each in written] == [1, 1]
    np.testing.assert_array_equal(written[0][0].melody, written[1][0].melody)


def test_a_strict_limit_to_copying_is_kept() -> None:
    written = generate_melodies(MODEL, CHART, 4, seed=5, max_copy_bars=0)
    assert [one.shared_bars for one in written] == [0, 0, 0, 0]


def test_a_score_has_melody_chords_and_bass_with_accents() -> None:
    melody = np.array([[13, 8], [15, 8], [13, 4], [0, 12], [15, 32], [20, 32]], np.int64)
    score = melody_score(CHART, melody, "pop", 90.0, "a title")
    assert [part.name for part in score.parts] == ["Melody", "Chords", "Bass"]
    lead = score.parts[0].notes
    assert lead.tolist()[:3] == [[0, 960, 60, 104], [960, 960, 62, 94], [1920, 480, 60, 104]]
    again = read_midi(write_midi(score))
    assert again.title == "a title"
    np.testing.assert_array_equal(again.parts[0].notes, lead)
    np.testing.assert_array_equal(lead, melody_notes(CHART, melody))


def test_chords_are_named_bar_by_bar() -> None:
    assert chords_by_bar(CHART)[:4] == [["Dm7", "G7"], ["Cmaj7"], ["Cmaj7"], ["N.C."]]
    assert [(each.bar, each.name) for each in chart_chords(CHART)][2:4] == [
        (1, "Cmaj7"),
        (3, "N.C."),
    ]


def test_notes_on_strong_beats_are_held_against_the_chord() -> None:
    chart = parse_chart("C | G")
    symbols = [
        60 - LOWEST_PITCH + 1,
        65 - LOWEST_PITCH + 1,
        67 - LOWEST_PITCH + 1,
        61 - LOWEST_PITCH + 1,
    ]
    melody = np.array([(symbol, 8) for symbol in symbols], np.int64)
    assert count_chord_tones(chart, melody) == (4, 2)
    assert melody_statistics(chart, melody)["chord_tones_on_strong_beats"] == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "from 1 to 64"),
        ({"tempo_bpm": 1e9}, "tempo"),
        ({"style": "jazz"}, "no style 'jazz'"),
        ({"seed": -1}, "seed"),
        ({"max_copy_bars": -1}, "-1 bars may be copied"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        generate_melodies(MODEL, CHART, **options)  # type: ignore[arg-type]


def test_lead_sheets_are_taken_out_of_scores() -> None:
    (found,) = extract_lead_sheets(piece(1), "a piece", "own")
    assert found.chart.bars == 12
    assert found.melody[:, 1].sum() == found.chart.steps
    assert found.chart.names[-1] == "C"


def test_lead_sheets_have_the_chord_symbols_of_the_score() -> None:
    score = piece(1)
    bar = 4 * score.ticks_per_quarter
    symbols = ((0, "N.C."), (bar, "Em7"), (3 * bar, "not a chord"), (5 * bar + bar // 2, "A7"))
    (found,) = extract_lead_sheets(replace(score, chords=symbols), "a piece", "own")
    assert found.chart.names == ("N.C.", "Em7", "A7")
    assert found.chart.chords[:, 0].tolist() == [0, 16, 88]


def test_the_melody_is_the_part_called_so_else_the_highest_single_line() -> None:
    low, high = tune(*range(50, 64)), tune(*range(70, 84))
    chords = chord_part(*[(90, 94, 97)] * 14, length=1.0)
    assert melody_part(score_of(chords, low, high)) is high
    assert melody_part(score_of(chords)) is chords
    assert extract_lead_sheets(score_of(tune(60, 62)), "short", "own") == ()


def test_a_sheet_of_tests_lies_on_its_chords() -> None:
    one = sheet(0)
    assert melody_statistics(one.chart, one.melody)["chord_tones_on_strong_beats"] == 1.0
