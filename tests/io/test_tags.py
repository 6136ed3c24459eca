import os
from pathlib import Path

import mutagen
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import FORMATS, tune, write_sound
from segue.io.tags import read_tags
from segue.records import Tags
from segue.text import clean, normalise

TAGGED = {"title": "Für Elise", "artist": "Beethoven", "album": "Piano", "date": "1810-04-27"}


@pytest.mark.parametrize("ending", [e for e in FORMATS if e not in (".aiff", ".ogg")])
def test_reads_the_tags_of_every_format(tmp_path: Path, ending: str) -> None:
    path = write_sound(tmp_path / f"x{ending}", tune(1, 1.5), tags=TAGGED | {"genre": "Classical"})
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.album) == ("Für Elise", "Beethoven", "Piano")
    assert (tags.genre, tags.year) == ("Classical", 1810)


def test_reads_vorbis_comments(collection: Path) -> None:
    tags = read_tags(collection / "zaz-data" / "mus1.ogg")
    assert (tags.title, tags.artist) == ("Randomness Decides", "paniq")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Old PC/Sounds/03 - Song_name.wav", Tags("Song name", track_number=3)),
        ("Downloads/Someone - Song.wav", Tags("Song", "Someone")),
        ("song.wav", Tags("song")),
        ("Downloads/1999.wav", Tags("1999")),
    ],
)
def test_names_of_files_stand_in_for_tags_and_folders_do_not(
    tmp_path: Path, name: str, expected: Tags
) -> None:
    path = tmp_path / "music" / name
    path.parent.mkdir(parents=True)
    write_sound(path, tune(1, 1.5))
    assert read_tags(path) == expected
    given = read_tags(path, Tags(artist="Given", album="By hand"))
    assert (given.title, given.artist, given.album) == (expected.title, "Given", "By hand")


def test_what_is_given_never_stands_before_a_tag(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "x.flac", tune(1, 1.5), tags=TAGGED)
    tags = read_tags(path, Tags(artist="Given", album="By hand"))
    assert (tags.artist, tags.album) == ("Beethoven", "Piano")


def test_latin_1_where_utf_8_should_be(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "x.flac", tune(1, 1.5), tags={"title": "Bj##rk", "artist": "A"})
    path.write_bytes(path.read_bytes().replace(b"Bj##rk", b"Bj\xf6\xf6rk"))
    assert read_tags(path).title == "Bjöörk"


def test_latin_1_in_riff_info(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "x.wav", tune(1, 1.5), tags={"title": "Bj##rk"})
    path.write_bytes(path.read_bytes().replace(b"Bj##rk", b"Bj\xf6\xf6rk"))
    assert read_tags(path).title == "Bjöörk"


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "x.flac", tune(1, 1.5))
    file = mutagen.File(path)
    file["title"] = "red\x1b[31m"
    file.save()
    assert "\x1b" not in read_tags(path).title


def test_a_broken_tag_leaves_the_name(tmp_path: Path) -> None:
    path = tmp_path / "07 Song.mp3"
    path.write_bytes(b"ID3\x03\x00\x00\x7f\x7f\x7f\x7f" + b"\xff" * 100)
    assert read_tags(path).title == "Song"


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    write_sound(tmp_path / "x.wav", tune(1, 1.5)).rename(path)
    assert read_tags(path).title.startswith("caf")


@example("𝑨")
@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_normalise_folds_case_accents_and_punctuation() -> None:
    assert normalise("  Für  ÉLISE (live)!") == "fur elise live"


def test_joiners_are_letters_and_control_characters_are_not() -> None:
    assert clean("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645") == (
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )
    assert clean("a\x1b[31mb\nc\xa0d") == "a [31mb c d"
