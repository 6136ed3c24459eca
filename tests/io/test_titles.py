"""One recording has many titles; another recording has its own."""

from pathlib import Path

import pytest

from segue.io.tags import tags_from_name
from segue.records import Tags
from segue.text import artist_keys, file_title, title_key


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Don't Go - Remastered 2011", "Don’t Go"),
        ("Don't Go - 2011 Remaster", "Dont Go"),
        ("Don't Go (2011 Remastered Version)", "Don't Go"),
        ("Don't Go - 2009 Digital Remaster", "Don't Go"),
        ("Don't Go [Remastered]", "Don't Go"),
        ("Night Train", "Night Train (feat. Eve)"),
        ("Night Train feat. Eve", "Night Train (with Eve)"),
        ("Night Train - feat. Eve", "Night Train [ft. Eve]"),
        ("T.N.T.", "TNT"),
        ("Song - Mono Version", "Song (Album Version)"),
        ("Song - Single Version", "Song"),
        ('Song - From "A Film"', "Song (From A Film, Original Motion Picture Soundtrack)"),
        ("Song - Original Mix", "SONG"),
        ("Song (Explicit)", "Song - Bonus Track"),
        ("Café", "Cafe"),
    ],
)
def test_titles_of_one_recording(first: str, second: str) -> None:
    assert title_key(first) == title_key(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Live Wire - Live at Home", "Live Wire"),
        ("Song - Live", "Song"),
        ("Song (Live 1999)", "Song"),
        ("Song - Acoustic", "Song"),
        ("Song (DJ's Remix)", "Song"),
        ("Song - Radio Edit", "Song"),
        ("Song (Part 2)", "Song"),
        ("Song - Instrumental", "Song"),
        ("Song - Demo", "Song"),
        ("Dance with Me", "Dance"),
        ("One - Two", "One"),
        ("Remastered", "Explicit"),
        ("(Remastered)", "(Explicit)"),
        ("???", "!!!"),
        ("1999", "1998"),
    ],
)
def test_titles_of_other_recordings(first: str, second: str) -> None:
    assert title_key(first) != title_key(second)


def test_names_of_artists() -> None:
    assert artist_keys("Cid & Dee feat. Eve") == {"ciddeefeateve", "ciddee", "cid", "dee", "eve"}
    assert artist_keys("Ann; Bob") == {"annbob", "ann", "bob"}
    assert artist_keys("AC/DC") == {"acdc"}
    assert artist_keys("") == frozenset()


@pytest.mark.parametrize(
    ("text", "title", "year"),
    [
        ("Song (320 kbps)", "Song", None),
        ("Song [320kbps]", "Song", None),
        ("Song (MP3 320)", "Song", None),
        ("Song (official video)", "Song", None),
        ("Song (Official Music Video) [HD]", "Song", None),
        ("Song (Official Lyric Video)", "Song", None),
        ("Song (lyrics)", "Song", None),
        ("Song (audio)", "Song", None),
        ("Song (HQ)", "Song", None),
        ("Song [2008]", "Song", 2008),
        ("Song (1979) (320 kbps)", "Song", 1979),
        ("[2008] Song", "Song", 2008),
        ("Song [dQw4w9WgXcQ]", "Song", None),
        ("Song (Clip officiel)", "Song", None),
        ("Song (Live)", "Song (Live)", None),
        ("Song (Acoustic)", "Song (Acoustic)", None),
        ("Song [Underground]", "Song [Underground]", None),
        ("Song (Video Killed)", "Song (Video Killed)", None),
        ("Song (3000)", "Song (3000)", None),
        ("1999", "1999", None),
        ("[2008]", "[2008]", None),
        ("(Official Video)", "(Official Video)", None),
    ],
)
def test_what_a_name_says_of_its_file(text: str, title: str, year: int | None) -> None:
    parsed = file_title(text)
    assert (parsed.title, parsed.year) == (title, year)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("Tangram Games – Bundesliga", Tags("Bundesliga", "Tangram Games")),
        ("Tangram Games — Bundesliga", Tags("Bundesliga", "Tangram Games")),
        ("Tangram Games - Bundesliga (320 kbps)", Tags("Bundesliga", "Tangram Games")),
        ("Ann – Song (official video) [2008]", Tags("Song", "Ann", year=2008)),
        ("03 - Ann – Song", Tags("Song", "Ann", track_number=3)),
        ("Ann - 03 - Song", Tags("Song", "Ann", track_number=3)),
        ("Ann_-_Song_Two", Tags("Song Two", "Ann")),
        ("Jean-Luc - Song", Tags("Song", "Jean-Luc")),
        ("Well-known", Tags("Well-known")),
        ("1950–1960", Tags("1950–1960")),
        ("1999", Tags("1999")),
        ("_ghost", Tags("ghost")),
    ],
)
def test_names_of_files(name: str, right: Tags) -> None:
    assert tags_from_name(Path(f"{name}.mp3")) == right
