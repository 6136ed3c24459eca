"""A tune that words are written for: its phrases, their metre, and words under its notes."""

import pytest

from segue.errors import BadArgument
from segue.generate.lyrics.form_report import stress_clashes
from segue.generate.lyrics.sampler import LyricsOptions
from segue.generate.lyrics.tune import MAX_NOTES, read_tune
from segue.io.abc_read import read_tune as read_abc_tune
from segue.io.abc_read import split_tune_book
from segue.io.kern_read import read_kern
from segue.io.midi import read_midi, write_midi
from segue.io.musicxml_read import read_music_xml
from segue.io.musicxml_write import write_music_xml
from segue.records import Score

HYMN = "X:1\nM:4/4\nL:1/4\nK:G\nD|GABG|c B A\nD|GABc|d3\nd|edBG|c B A\nD|GFEF|G3|]\n"
JIG = "X:1\nM:6/8\nL:1/8\nK:D\ndfa afd|ege B3|dfa afd|edc d3|]\n"
SLURRED = "X:1\nM:3/4\nL:1/4\nK:C\nc (de) f|(g a) b c'|e f g|c3|]\n"


def abc(text: str) -> Score:
    return read_abc_tune(split_tune_book(text.encode())[0])


def meters(score: Score) -> list[str]:
    return [phrase.meter for phrase in read_tune(score).phrases]


def test_lines_of_abc_are_phrases_and_a_pickup_is_weak() -> None:
    assert meters(abc(HYMN)) == ["wswswsws", "wswsws", "wswswsws", "wswsws"]


def test_a_jig_is_dactylic() -> None:
    assert "".join(meters(abc(JIG))).startswith("swwsww")


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ("M:4/4\nL:1/4\nK:C\nc d e f|", "swsw"),
        ("M:4/4\nL:1/2\nK:C\nc d|e f|", "swsw"),
        ("M:3/4\nL:1/4\nK:C\nc d e|f g a|", "swwswx"),
        ("M:2/4\nL:1/8\nK:C\nc d e f|", "swsw"),
        ("M:4/4\nL:1/1\nK:C\nc|d|e|f|", "xxxx"),
    ],
)
def test_the_metre_follows_the_bar(notes: str, expected: str) -> None:
    assert "".join(meters(abc(f"X:1\n{notes}"))) == expected


def test_slurred_notes_share_a_syllable() -> None:
    tune = read_tune(abc(SLURRED))
    assert sum(len(phrase.ticks) for phrase in tune.phrases) == 12 - 2


def test_slurs_of_whole_phrases_do_not_join_syllables() -> None:
    score = abc("X:1\nM:4/4\nL:1/4\nK:C\n(c d e f|g f e d|c) (c d e|f g a b|c'2) z2|]\n")
    assert sum(len(phrase.ticks) for phrase in read_tune(score).phrases) == 17


def test_kern_has_slurs_and_phrases() -> None:
    text = "**kern\n*M3/4\n{4c\n(4d\n4e)\n=\n2f}\n{4g\n=\n4a\n4b\n4cc}\n*-\n"
    score = read_kern(text.encode())
    assert score.parts[0].slurred.tolist() == [960]
    assert score.parts[0].phrase_ends.tolist() == [2400, 4320]
    assert len(read_tune(score).phrases) >= 1


def test_words_are_written_and_read_back() -> None:
    tune = read_tune(abc(HYMN))
    verses = [
        ["The golden river runs away", "Beyond the silent hill", "And every shepherd, glad and gay",
         "Is singing, singing still"],
        ["O night!"] * 4,
    ]  # fmt: skip
    read = read_music_xml(write_music_xml(tune.with_words(verses, "en")))
    syllables = read.parts[0].syllables
    first = [each for each in syllables if each.verse == 1]
    assert [each.text for each in first[:4]] == ["1. The", "gol", "den", "riv"]
    assert [each.syllabic for each in first[:4]] == ["single", "begin", "end", "begin"]
    assert [each.tick for each in first] == [
        tick for phrase in tune.phrases for tick in phrase.ticks
    ]
    again = read_tune(read)
    assert again.phrases == tune.phrases
    assert again.words.startswith("1. The golden river runs away")


def test_melismas_have_slurs_when_written() -> None:
    tune = read_tune(abc(SLURRED))
    words = [["la " * len(phrase.ticks) for phrase in tune.phrases]]
    content = write_music_xml(tune.with_words(words, "en"))
    assert content.count(b'<slur type="start"/>') == content.count(b'<slur type="stop"/>') == 2
    assert b"<extend/>" in content
    assert read_music_xml(content).parts[0].slurred.tolist() == tune.score.parts[0].slurred.tolist()


def test_syllables_in_a_file_say_where_syllables_belong() -> None:
    tune = read_tune(abc(SLURRED))
    score = tune.with_words([["la " * len(phrase.ticks) for phrase in tune.phrases]], "en")
    assert [phrase.ticks for phrase in read_tune(score).phrases] == [
        phrase.ticks for phrase in tune.phrases
    ]


def test_midi_has_phrases_by_rests() -> None:
    score = read_midi(
        write_midi(abc("X:1\nM:4/4\nL:1/4\nK:C\ncdef|g2 z2|gfed|c2 z2|cdef|g2z2|]\n"))
    )
    assert [len(phrase.ticks) for phrase in read_tune(score).phrases] == [5, 5, 5]


@pytest.mark.parametrize(
    ("count", "expected", "rhymes"),
    [
        (1, "-", 0), (2, "AA", 1), (4, "ABAB", 2), (5, "ABABB", 2), (6, "ABABAA", 3),
        (7, "ABABAAA", 3),
    ],
)  # fmt: skip
def test_lines_rhyme_in_blocks_of_four(count: int, expected: str, rhymes: int) -> None:
    tune = read_tune(abc("X:1\nM:4/4\nL:1/4\nK:C\n" + "cdef|g2z2|\n" * count))
    forms = tune.forms()
    assert "".join(form.rhyme[0] for form in forms) == expected
    assert len({form.rhyme for form in forms} - {"-"}) == rhymes
    assert LyricsOptions(len(forms), forms=forms).line_forms == forms


def test_the_top_note_of_a_chord_is_sung() -> None:
    tune = read_tune(abc("X:1\nM:4/4\nL:1/4\nK:C\n[Cc] [Dd] [Ee] [Ff]|[Gg]4|]\n"))
    assert sum(len(phrase.ticks) for phrase in tune.phrases) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("X:1\nM:4/4\nL:1/4\nK:C\nc4|]\n", "4 to 1200"),
        ("X:1\nM:4/4\nL:1/4\nK:C\n" + "cdef|" * (MAX_NOTES // 4 + 1) + "]\n", "shorter tune"),
        ("X:1\nM:4/4\nL:1/4\n%%MIDI channel 10\nK:C\ncdef|]\n", "no melody"),
    ],
)
def test_what_is_no_tune_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message) as error:
        read_tune(abc(text))
    assert "\n" not in str(error.value)


def test_function_words_on_strong_beats_are_counted() -> None:
    assert stress_clashes("the sun upon the golden hill", "swswswsw", "en") == 2
    assert stress_clashes("the sun upon the golden hill", "wswswsws", "en") == 0
    assert stress_clashes("der Tag und die Nacht", "swsws", "de") == 2
