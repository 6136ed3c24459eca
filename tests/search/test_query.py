"""What a query names: titles, artists, albums, genres, and what is called nearly so; filters."""

import numpy as np
import pytest

from conftest import fill_library
from segue import Library
from segue.cli.options import parse_tempos, parse_years
from segue.errors import BadArgument, NotFound
from segue.records import Tags
from segue.search.filters import Filters

MUSIC = [
    Tags("Morning Mood", "Edvard Grieg", "Peer Gynt", "Edvard Grieg", "Classical", 1875),
    Tags("Anitra's Dance", "Edvard Grieg", "Peer Gynt", "Edvard Grieg", "Classical", 1875),
    Tags("Nexuiz", "Black", "Nexuiz", "Black", "Metal; Ambient", 1994),
    Tags("Blackness", "Black", "Nexuiz Soundtrack", "Black", "Metal", 1999),
    Tags("Intro", "Black", "Nexuiz Soundtrack", "Black", "Metal", 2003),
    Tags("Intro", "Anna Sol", "Hits", "Anna Sol", "Pop", 2014),
    Tags("Anna Sol", "Anna Sol", "Hits", "Anna Sol", "Pop", 2014),
    Tags("Rain", "Bo", "Hits", "Bo", "Dark Ambient"),
    Tags("Shape", "Ed", "÷", "Ed", "Folk %"),
    Tags("🎄", "Ed", "÷", "Ed", "Folk"),
    Tags('🎄 100% "live"', "!!!", "+", "!!!", "Folk"),
]


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("named")
    fill_library(folder, MUSIC)
    return Library.open(folder)


@pytest.mark.parametrize(
    ("query", "tracks"),
    [
        ("morning mood", [1]),
        ("grieg morning mood", [1]),
        ("MOOD", [1]),
        ("Edvard Grieg", [1, 2]),
        ("grieg", [1, 2]),  # words of one artist, and of no other
        ("Peer Gynt", [1, 2]),
        ("edvard grieg peer gynt", [1, 2]),
        ("nexuiz", [3]),  # a title comes first
        ("album:nexuiz", [3]),
        ("nexuiz soundtrack", [4, 5]),
        ("album: soundtrack", [4, 5]),
        ("anna sol", [7]),  # a title before the artist of that name
        ("artist:anna sol", [6, 7]),
        ("black intro", [5]),
        ("classical", [1, 2]),
        ("metal", [3, 4, 5]),
        ("genre:ambient", [3]),  # the whole name before a part of one
        ("genre:dark", [8]),
        ("ambient", [3]),
        ("÷", [9, 10]),  # what is no word
        ("🎄", [10]),
        ("!!!", [11]),
        ("+", [11]),
        ("%", [11]),
        ('"', [11]),
    ],
)
def test_what_a_query_names(lib: Library, query: str, tracks: list[int]) -> None:
    assert [track.id for track in lib.find(query)] == tracks


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("intro", r"(?s)fits 2 tracks; give the id of one.*Black - Intro.*Anna Sol - Intro"),
        ("hits", r"(?s)fits 3 tracks"),  # albums of one name by two artists
        ("morning mod", r"did you mean 'Morning Mood' by Edvard Grieg \(1\)\?"),
        ("edward grig", "did you mean the artist 'Edvard Grieg'"),
        ("pear gint", "did you mean the album 'Peer Gynt'"),
        ("mood.mid", "there is no file mood.mid"),  # words of a title are no file name
        ("clasical", "did you mean the genre 'Classical'"),
        ("genre:metall", "no genre of the library is called 'metall'; did you mean .*'Metal'"),
        ("zzz", "called 'zzz'; `segue list` shows"),
        ("  ", "an empty query"),
        ("", "an empty query"),
        ("=", "nothing in the library is called '='; `segue list` shows"),
    ],
)
def test_what_names_nothing_or_too_much(lib: Library, query: str, message: str) -> None:
    with pytest.raises((NotFound, BadArgument), match=message):
        lib.find(query)


@pytest.mark.parametrize(
    ("filters", "tracks"),
    [
        (Filters(genre="metal"), {3, 4, 5}),
        (Filters(genre=("metal", "pop")), {3, 4, 5, 6, 7}),
        (Filters(genre="ambient"), {3, 8}),
        (Filters(artist=("grieg", "bo")), {1, 2, 8}),
        (Filters(album=("hits", "gynt"), genre="pop"), {6, 7}),
        (Filters(year=(1990, 1999)), {3, 4}),
        (Filters(year=((1990, 1999), (2010, np.inf))), {3, 4, 6, 7}),
        (Filters(year=((-np.inf, 1900),)), {1, 2}),
        (Filters(album="÷"), {9, 10}),
        (Filters(album=("÷", "+")), {9, 10, 11}),
        (Filters(artist="!!!"), {11}),
        (Filters(genre="%"), {9}),
        (Filters(artist="="), set()),
    ],
)
def test_filters_given_several_times_let_pass_what_one_lets(
    lib: Library, filters: Filters, tracks: set[int]
) -> None:
    ids = {hit.track.id for query in (1, 8) for hit in lib.like(query, n=20, filters=filters)}
    assert ids == tracks


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("1995", (1995, 1995)),
        ("1990-1999", (1990, 1999)),
        ("1990–1999", (1990, 1999)),
        ("90s", (1990, 1999)),
        ("1990s", (1990, 1999)),
        ("90's", (1990, 1999)),
        ("60s-80s", (1960, 1989)),
        ("00s", (2000, 2009)),
        ("20s", (2020, 2029)),
        ("30s", (1930, 1939)),
        ("1990-", (1990, np.inf)),
        ("-1999", (-np.inf, 1999)),
        ("90s-", (1990, np.inf)),
    ],
)
def test_years(text: str, years: tuple[float, float]) -> None:
    assert parse_years(text) == years


@pytest.mark.parametrize(
    ("text", "tempos"),
    [
        ("118-126", (118, 126)),
        ("120", (119.5, 120.5)),
        ("120bpm", (119.5, 120.5)),
        ("118-", (118, np.inf)),
        ("-126", (-np.inf, 126)),
        ("99.5-101", (99.5, 101)),
    ],
)
def test_tempos(text: str, tempos: tuple[float, float]) -> None:
    assert parse_tempos(text) == tempos


@pytest.mark.parametrize("text", ["", "-", "old", "95s", "199", "19999", "1990-1995-1999", "90"])
def test_what_is_no_year(text: str) -> None:
    with pytest.raises(BadArgument, match="give it as 1995, 1990-1999, 90s or 1990-"):
        parse_years(text)


@pytest.mark.parametrize("text", ["", "-", "fast", "0", "nan", "inf", "90s"])
def test_what_is_no_tempo(text: str) -> None:
    with pytest.raises(BadArgument, match="give it as 118-126, 120 or 118-"):
        parse_tempos(text)


def test_ranges_run_forward() -> None:
    for read in (parse_years, parse_tempos):
        with pytest.raises(BadArgument, match="runs backwards"):
            read("1999-1990")


def test_signs_that_are_no_words_list_what_has_them(lib: Library) -> None:
    assert [track.id for track in lib.tracks("🎄")] == [10, 11]
    assert [track.id for track in lib.tracks("%")] == [11]
    assert lib.tracks("=") == []
    assert len(lib.tracks("  ")) == len(MUSIC)


def test_octaves_go_with_a_tempo() -> None:
    with pytest.raises(BadArgument, match="name a tempo, as in --bpm 118-126"):
        Filters(bpm_octaves=True)
