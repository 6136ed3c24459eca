"""Lines of sung words end at punctuation, rests and held notes, and not at capitals."""

import pytest

from segue.io.score_lyrics import SungWord, split_lines


def sung(text: str) -> list[SungWord]:
    """Make words of equal lengths; "_" after one holds it, "|" is a rest of a quarter after it."""
    words: list[SungWord] = []
    for token in text.split():
        if token == "_":
            words[-1].length = 3.0
        elif token == "|":
            words[-1].rest = 1.0
        else:
            words.append(SungWord(token, 1.0))
    return words


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # German: every noun has a capital, and no line ends before one.
        (
            "Es bellen die Hunde, | es rasseln die Ketten; | es schlafen die Menschen in ihren "
            "Betten, | träumen sich manches, was sie nicht haben,",
            [
                "Es bellen die Hunde,",
                "es rasseln die Ketten;",
                "es schlafen die Menschen in ihren Betten,",
                "träumen sich manches, was sie nicht haben,",
            ],
        ),
        # No punctuation: the rests and held notes of the music.
        (
            "the minstrel boy to the war is gone _ in the ranks of death you'll find him _ |",
            ["the minstrel boy to the war is gone", "in the ranks of death you'll find him"],
        ),
        # Capitals of lines of verse agree with the rests, and so mark the line without one.
        (
            "I sing the Maid of Lodi | Who sweetly sung to me | Whose brows were never cloudy | "
            "Nor ever bent with glee",
            [
                "I sing the Maid of Lodi",
                "Who sweetly sung to me",
                "Whose brows were never cloudy",
                "Nor ever bent with glee",
            ],
        ),
        ("Ach, wie gut", ["Ach, wie gut"]),
        ("Kyrie eleison", ["Kyrie eleison"]),
    ],
)
def test_lines_end_where_the_music_and_the_punctuation_say(text: str, lines: list[str]) -> None:
    assert split_lines(sung(text)).split("\n") == lines


def test_lines_that_the_score_writes_are_kept() -> None:
    words = sung("one, two three. four")
    words[1].ends = "\n"
    assert split_lines(words) == "one, two\nthree. four "


def test_many_words_are_divided_fast() -> None:
    words = sung("so viele Worte, die wir singen | und immer weiter _ " * 2000)
    assert split_lines(words).count("\n") > 1000
