"""What is copied is found as a search word by word would find it."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import BadArgument
from segue.generate.copying import KnownSong, SongIndex

texts = st.text("ab \nAé夜", max_size=30)


def known(songs: Sequence[str]) -> SongIndex:
    return SongIndex(
        [KnownSong("A", str(at), text, tuple(text.split())) for at, text in enumerate(songs)]
    )


def naive(mine: Sequence[str], songs: Sequence[Sequence[str]]) -> tuple[int, int, int]:
    for length in range(len(mine), 0, -1):
        for start in range(len(mine) - length + 1):
            for at, song in enumerate(songs):
                if stands_in(mine[start : start + length], song):
                    return length, start, at
    return 0, 0, -1


def stands_in(run: Sequence[str], song: Sequence[str]) -> bool:
    return any(song[at : at + len(run)] == run for at in range(len(song) - len(run) + 1))


def folded(text: str) -> list[str]:
    return [word.casefold() for word in text.split()]


@given(texts, st.lists(texts, max_size=4), st.integers(1, 4))
@settings(max_examples=300)
def test_copies_are_those_of_a_naive_search(text: str, songs: list[str], n: int) -> None:
    of, words = known(songs), folded(text)
    letters = of.longest_shared_characters(text)
    found = of.longest_shared_words(text.split())
    share = of.novel_ngrams(text.split(), n)
    song_words = [folded(song) for song in songs]
    assert (letters.length, letters.start, letters.piece) == naive(text, songs)
    assert (found.length, found.start, found.piece) == naive(words, song_words)
    assert found.end - found.start + 1 == found.length
    runs = [words[at : at + n] for at in range(len(words) - n + 1)]
    new = [not any(stands_in(run, song) for song in song_words) for run in runs]
    assert share == (pytest.approx(sum(new) / len(new)) if new else None)


def test_a_copy_is_told_by_its_words_and_by_whom() -> None:
    of = known(["The rose is red , the violet blue", "The rose is white\nand falls in May", ""])
    copied = of.longest_shared_words(["O", "see", ":", "THE", "ROSE", "IS", "white", "and", "gone"])
    assert (copied.length, copied.start, copied.end, copied.piece) == (5, 3, 7, 1)
    copied = of.longest_shared_characters("A rose is white\nand fell")
    assert (copied.length, copied.start, copied.piece) == (len(" rose is white\nand f"), 1, 1)
    assert of.longest_shared_characters("THE").length == 1


def test_a_run_does_not_go_from_one_song_into_the_next() -> None:
    of = known(["one two", "three four"])
    assert of.longest_shared_words(["one", "two", "three", "four"]).length == 2
    assert of.longest_shared_characters("two\x00three").length == 5
    assert of.novel_ngrams(["one", "two", "three", "four"], 3) == 1


def test_known_words() -> None:
    of = known(["Straße and sea"])
    assert of.known_words(["STRASSE", "sky"]) == 0.5
    assert of.known_words([]) is None


def test_nothing_is_copied_of_nobody() -> None:
    of = known([])
    assert of.longest_shared_words(["love"]).piece == -1
    assert of.longest_shared_characters("love").length == 0
    assert of.novel_ngrams(["love"], 1) == 1


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(BadArgument, match="expected 1 or more"):
        known(["a"]).novel_ngrams(["a"], 0)
