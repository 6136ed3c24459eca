"""Progressions: bars, repeats, degrees, and where a mistake is."""

from dataclasses import replace

import numpy as np
import pytest

from segue.errors import BadArgument
from segue.generate.melody.lead_sheet import chart_from_symbols, estimate_chart
from segue.records import Part, Score
from segue.theory.chord_charts import MAX_BARS, NO_ROOT, Chart, parse_chart, parse_roman_numerals
from segue.theory.keys import parse_key


def placed(chart: Chart) -> list[tuple[int, str]]:
    return list(zip(chart.chords[:, 0].tolist(), chart.names, strict=True))


def test_a_bar_is_divided_among_its_chords() -> None:
    chart = parse_chart("Dm7 G7 | Cmaj7 | C . . G | F C G")
    assert chart.bars == 4
    assert placed(chart) == [
        (0, "Dm7"), (8, "G7"), (16, "Cmaj7"), (32, "C"), (44, "G"), (48, "F"), (56, "C"), (60, "G"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("time_signature", "second"), [((4, 4), 8), ((3, 4), 8), ((6, 8), 6), ((2, 2), 8), ((2, 4), 4)]
)
def test_two_chords_share_a_bar_on_its_beats(time_signature: tuple[int, int], second: int) -> None:
    assert placed(parse_chart("C G |", time_signature)) == [(0, "C"), (second, "G")]


def test_without_bar_lines_each_chord_is_a_bar() -> None:
    assert placed(parse_chart("C G\nAm F")) == [(0, "C"), (16, "G"), (32, "Am"), (48, "F")]


def test_bars_and_passages_are_repeated() -> None:
    assert placed(parse_chart("C G | % | N.C.")) == [
        (0, "C"), (8, "G"), (16, "C"), (24, "G"), (32, "N.C."),
    ]  # fmt: skip
    chart = parse_chart("| F |: C | G :|x3 Am |]")
    assert chart.bars == 8
    assert chart.names == ("F", "C", "G", "C", "G", "C", "G", "Am")


def test_no_chord_has_no_root() -> None:
    assert parse_chart("N.C. | C").chords.tolist() == [
        [0, NO_ROOT, NO_ROOT, 0],
        [16, 0, 0, 0b10010001],
    ]


def test_a_mistake_is_pointed_at_and_the_nearest_chord_named() -> None:
    with pytest.raises(BadArgument) as raised:
        parse_chart("Dm7 G7 | Cmaj8 | F")
    assert str(raised.value).splitlines() == [
        "'Cmaj8' is no chord; did you mean Cmaj7?",
        "  Dm7 G7 | Cmaj8 | F",
        "           ^^^^^",
    ]


def test_a_mistake_far_into_a_long_text_is_pointed_at() -> None:
    with pytest.raises(BadArgument) as raised:
        parse_chart("Dm7 G7 | Cmaj7 | F |" * 30 + " Hm7 |" + "C | " * 30)
    _, shown, caret = str(raised.value).splitlines()
    assert len(shown) < 130
    assert shown[caret.index("^") : caret.rindex("^") + 1] == "Hm7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no chord in the progression"),
        ("  | |", "no chord in the progression"),
        ("% | C", "no bar before"),
        ("C D E F G A B C D E F G A B C D E |", "room for 16 chords"),
        ("|: C :|x99 " * 20, f"from 1 to {MAX_BARS}"),
    ],
)
def test_what_cannot_be_played_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        parse_chart(text)


@pytest.mark.parametrize("time_signature", [(0, 4), (9, 4), (4, 3), (40, 16)])
def test_impossible_time_signatures_are_refused(time_signature: tuple[int, int]) -> None:
    with pytest.raises(BadArgument, match="metre"):
        parse_chart("C", time_signature)


@pytest.mark.parametrize(
    ("text", "key", "symbols"),
    [
        ("ii7 V7 Imaj7", "C", "Dm7 G7 Cmaj7"),
        ("I vi IV V", "Eb", "Eb Cm Ab Bb"),
        ("i bVII VI V7", "Am", "Am G F E7"),
        ("i VII bVI vii°7", "A minor", "Am G F G#dim7"),
        ("V7/V V7 I", "D", "E7 A7 D"),
        ("iiø7 V7 i6", "Cm", "Dm7b5 G7 Cm6"),
        ("#ivø7 IV^7 bII7", "F", "Bm7b5 Bbmaj7 Gb7"),
        ("V7b9/ii Vb9 N.C.", "Bb", "G7b9 F(b9) N.C."),
    ],
)
def test_degrees_are_chords_of_their_key(text: str, key: str, symbols: str) -> None:
    by_degrees, by_symbols = parse_roman_numerals(text, key), parse_chart(symbols)
    np.testing.assert_array_equal(by_degrees.chords, by_symbols.chords)
    assert by_degrees.names == by_symbols.names


def test_what_is_no_degree_or_no_key_is_refused() -> None:
    with pytest.raises(BadArgument, match=r"'X' is no chord; did you mean a degree"):
        parse_roman_numerals("ii | X", "C")
    with pytest.raises(BadArgument, match="no key"):
        parse_roman_numerals("ii", "Q")


def test_keys_are_read() -> None:
    keys = {"C": (0, False), "F#": (6, False), "Am": (9, True), "Bb minor": (10, True)}
    assert {key: parse_key(key) for key in keys} == keys


def test_the_chords_of_a_score_are_found() -> None:
    chords = [(60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67)]
    notes = [(bar * 1920, 1920, pitch, 80) for bar, chord in enumerate(chords) for pitch in chord]
    part = Part("", 0, False, np.array(notes, np.int32))
    score = Score("", 480, (part,), np.empty((0, 2)), np.empty((0, 3), np.int32),
                  np.empty((0, 3), np.int32))  # fmt: skip
    assert placed(estimate_chart(score)) == [(0, "C"), (16, "F"), (32, "G"), (48, "C")]


def test_the_chords_above_a_score_are_taken_from_the_first_full_bar_on() -> None:
    notes = np.array([(at * 480, 480, 60, 80) for at in range(3, 17)], np.int32)
    above = ((1920, "Am"), (3120, "Fine"), (3360, "D7/F#"), (5760, "G"), (6720, "Bad"))
    score = Score("", 480, (Part("", 0, False, notes),), np.empty((0, 2)),
                  np.empty((0, 3), np.int32), np.empty((0, 3), np.int32), chords=above)  # fmt: skip
    chart, unknown = chart_from_symbols(score)
    assert chart
    assert chart.bars == 4
    assert placed(chart) == [(0, "Am"), (12, "D7/F#"), (32, "G")]
    assert unknown == ("Fine", "Bad")


def test_a_chord_holds_over_bars_of_another_time_signature() -> None:
    notes = np.array([(at * 480, 480, 60, 80) for at in range(10)], np.int32)
    time_signatures = np.array([(0, 4, 4), (1920, 2, 4), (2880, 4, 4)], np.int32)
    above = ((960, "C"), (2160, "F"))
    score = Score("", 480, (Part("", 0, False, notes),), np.empty((0, 2)), time_signatures,
                  np.empty((0, 3), np.int32), chords=above)  # fmt: skip
    chart, _ = chart_from_symbols(score)
    assert chart
    assert placed(chart) == [(0, "N.C."), (8, "C"), (16, "F")]
    assert chart_from_symbols(replace(score, chords=()))[0] is None
