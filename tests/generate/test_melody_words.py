"""Melodies for given words: scansion, rhythm, chords and pitches."""

import numpy as np
import pytest

from melody_models import model
from segue.errors import BadArgument
from segue.generate.melody.words import (
    SUNG_RANGE,
    melodies_for_words,
    scan,
    set_words,
    word_rhythm,
)
from segue.io.musicxml_read import read_music_xml
from segue.io.musicxml_write import write_music_xml
from segue.lyrics.spelling import Language
from segue.theory.chord_charts import steps_per_bar

GRACE = (
    "Amazing grace, how sweet the sound,\nThat saved a wretch like me!\n"
    "I once was lost, but now am found,\nWas blind, but now I see."
)
LINDEN = (
    "Am Brunnen vor dem Tore,\nDa steht ein Lindenbaum;\nIch träumt in seinem Schatten\n"
    "So manchen süßen Traum."
)
STOCKINGS = (
    "The stockings were hung by the chimney with care,\n"
    "In hopes that a shepherd would quickly be there;"
)
TEXTS: list[tuple[str, Language]] = [(GRACE, "en"), (LINDEN, "de"), (STOCKINGS, "en")]
MODEL = model()


@pytest.mark.parametrize(
    ("line", "language", "weak", "strong"),
    [
        ("Amazing grace, how sweet the sound", "en", 1, [1, 3, 5, 7]),
        ("Tiger, tiger, burning bright", "en", 1, [0, 2, 4, 6]),
        ("Ich träumt in seinem Schatten", "de", 1, [1, 3, 5]),
        ("The stockings were hung by the chimney with care", "en", 2, [1, 4, 7, 10]),
    ],
)
def test_lines_are_scanned(line: str, language: Language, weak: int, strong: list[int]) -> None:
    assert scan(line, language, weak)[0] == strong


def test_anapaests_are_in_six_eight() -> None:
    assert word_rhythm(GRACE.split("\n"), "en").time_signature == (4, 4)
    assert word_rhythm(STOCKINGS.split("\n"), "en").time_signature == (6, 8)


@pytest.mark.parametrize("beats", [(4, 4), (3, 4), (2, 4), (6, 8), (12, 8)])
@pytest.mark.parametrize(("text", "language"), TEXTS)
def test_syllables_have_notes_in_order(
    text: str, language: Language, beats: tuple[int, int]
) -> None:
    lines = text.split("\n")
    rhythm = word_rhythm(lines, language, beats)
    bar = steps_per_bar(beats)
    ends = [first + duration for first, duration, _ in rhythm.notes]
    onsets = [first for first, _, _ in rhythm.notes]
    assert all(end <= onset for end, onset in zip(ends, onsets[1:], strict=False))
    assert ends[-1] <= rhythm.bars * bar
    strong = [scan(line, language, 1 if text != STOCKINGS else 2)[0] for line in lines]
    for number, places in enumerate(strong):
        own = [first for first, _, line in rhythm.notes if line == number]
        assert own[places[0]] == rhythm.starts[number] * bar  # the first stress on a first beat


@pytest.mark.parametrize(("text", "language"), TEXTS)
def test_melodies_have_a_note_for_each_syllable(text: str, language: Language) -> None:
    setting = set_words(text, language, key="G")
    written = melodies_for_words(MODEL, setting, 2, seed=1)
    assert len(written) == 2
    for one in written:
        part = one.score.parts[0]
        assert [each.tick for each in part.syllables] == part.notes[:, 0].tolist()
        assert SUNG_RANGE[0] <= part.notes[:, 2].min()
        assert part.notes[:, 2].max() <= SUNG_RANGE[1]
        assert part.notes[-1, 2] % 12 == 7  # the tonic
        read = read_music_xml(write_music_xml(one.score))
        assert [each.text for each in read.parts[0].syllables] == [
            each.text for each in part.syllables
        ]


def test_the_same_seed_gives_the_same_melody() -> None:
    files = [
        write_music_xml(melodies_for_words(MODEL, set_words(GRACE, "en"), 1, seed=seed)[0].score)
        for seed in (1, 1, 2)
    ]
    assert files[0] == files[1] != files[2]


def test_a_line_of_the_same_letter_returns() -> None:
    setting = set_words(GRACE, "en")
    assert setting.form == "ABAC"
    notes = melodies_for_words(MODEL, setting, 1)[0].score.parts[0].notes
    assert notes[1:5, 2].tolist() == notes[15:19, 2].tolist()


def test_given_chords_are_repeated_and_end_with_the_last() -> None:
    setting = set_words(GRACE, "en", chords="C | F G | C")
    assert setting.chart.bars == setting.rhythm.bars
    assert setting.chart.names[-1] == "C"
    assert setting.chart.names[:5] == ("C", "C", "F", "G", "C")
    np.testing.assert_array_equal(np.diff(setting.chart.chords[:, 0]) > 0, True)


def test_simple_chords_are_symbols_of_the_key() -> None:
    for key, expected in {"Eb": {"Eb", "Ab", "Bb"}, "C# minor": {"C#m", "F#m", "G#"}}.items():
        setting = set_words(GRACE, "en", key=key)
        assert expected <= {*setting.chart.names}
        score = melodies_for_words(MODEL, setting, 1)[0].score
        assert {name for _, name in score.chords} == {*setting.chart.names}


def test_stanzas_of_one_shape_are_verses() -> None:
    setting = set_words(f"{LINDEN}\n\n{LINDEN}", "de")
    assert len(setting.verses) == 2
    score = melodies_for_words(MODEL, setting, 1)[0].score
    assert {each.verse for each in score.parts[0].syllables} == {1, 2}
    assert score.parts[0].syllables[0].text == "1. Am"
    assert len(set_words(f"{LINDEN}\n\n{GRACE}", "de").verses) == 1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("…\n12", {}, "no words"),
        ("la " * 30, {}, "divide it"),
        ("\n".join(f"A line of words {'x' * (at % 3)}" for at in range(65)), {}, "64 at most"),
        (GRACE, {"time_signature": (5, 4)}, "equal length"),
        (GRACE, {"form": "A-B"}, "not a form"),
        (GRACE, {"form": "ABCDE"}, "not a form"),
        (GRACE, {"chords": "H9x"}, "H9x"),
    ],
)
def test_what_cannot_be_sung_is_refused_in_one_line(
    text: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(BadArgument, match=message):
        set_words(text, "en", **options)  # type: ignore[arg-type]
