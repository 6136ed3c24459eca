"""Summaries of generated lyrics."""

from typing import Any

from segue.generate.lyrics.summary import report_lines
from segue.generate.lyrics.theme import unknown_words


def report_of(*texts: str, **more: Any) -> dict[str, Any]:
    lines = [{"text": text, "voices": "A", "repeated": False} for text in texts]
    return {"lines": lines, "blend": None, **more}


def test_lines_syllables_and_rhymes_are_counted() -> None:
    lines = report_lines(report_of("the cat sat", "upon a hat", "", "we all fell down"))
    assert lines == ["3 lines in 2 stanzas, 3 to 4 syllables each; 2 of them rhyme"]


def test_a_word_does_not_rhyme_with_itself() -> None:
    lines = report_lines(report_of("another step", "one more step"))
    assert "0 of them rhyme" in lines[0]


def test_a_missing_chorus_is_reported() -> None:
    assert "--lines 12 say" in report_lines(report_of("la la"), chorus_lacking=12)[1]
    again = report_of("la la", "", "la la")
    again["lines"][2]["repeated"] = True
    assert "the chorus comes back" in report_lines(again)[1]


def test_unknown_words_of_a_theme_are_reported() -> None:
    unknown = unknown_words("the sea, zeppelins", ["By the sea"])
    assert unknown == ["zeppelins"]
    assert "zeppelins" in report_lines(report_of("la la"), unknown_theme=unknown)[1]
    assert unknown_words("the sea", ["By the sea"]) == []


def test_the_longest_copy_is_attributed() -> None:
    figures = {
        "copied_words": {
            "length": 4,
            "text": "my love is like",
            "artist": "Burns",
            "title": "Rose",
        },
        "real_words": 0.98,
        "lines": [{"voice": "Burns"}] * 4,
        "taken": {"Burns": 0.75},
    }
    lines = report_lines(report_of("my love is like a stone", figures=figures))
    assert lines[1] == 'longest copy: 4 words in a row, "my love is like" (Burns, Rose)'
    assert lines[2] == "2% of the words do not occur in the training set"
    assert lines[3] == "3 of 4 lines read as Burns's by their style"
    figures["copied_words"] = {"length": 0, "text": "", "artist": "", "title": ""}
    assert report_lines(report_of("a", figures=figures))[1] == "no sequence of words is copied"
