"""Several artists and genres, tags of every kind, and tags in older encodings."""

import contextlib
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
from mutagen import apev2 as untyped_ape
from mutagen import id3 as untyped
from mutagen.mp4 import MP4FreeForm

from conftest import tune, write_sound
from segue.errors import BadArgument
from segue.io.tags import read_fields, read_tags

apev2: Any = untyped_ape  # mutagen has no types
id3: Any = untyped
BOTH = {"artist": ["Ann", "Bob"], "genre": ["Rock", "Jazz"]}
NAMES: dict[str, dict[str, str]] = {
    ".flac": {"artist": "ARTIST", "genre": "GENRE"},
    ".opus": {"artist": "artist", "genre": "genre"},
    ".m4a": {"artist": "©ART", "genre": "©gen"},
    ".wma": {"artist": "Author", "genre": "WM/Genre"},
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    for ending in (".mp3", *NAMES):
        write_sound(folder / f"a{ending}", tune(1, 1.2))
    return folder


def copied(sounds: Path, tmp_path: Path, ending: str) -> Path:
    path = tmp_path / f"a{ending}"
    path.write_bytes((sounds / f"a{ending}").read_bytes())
    return path


def with_id3(sounds: Path, tmp_path: Path, *frames: Any, version: int = 4) -> Path:
    path = copied(sounds, tmp_path, ".mp3")
    tags: Any = id3.ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path, v2_version=version, v23_sep=None if version == 4 else "/")
    return path


@pytest.mark.parametrize("ending", NAMES)
def test_several_values_are_kept(sounds: Path, tmp_path: Path, ending: str) -> None:
    path = copied(sounds, tmp_path, ending)
    file: Any = mutagen.File(path)
    for field, values in BOTH.items():
        file[NAMES[ending][field]] = values
    file.save()
    tags = read_tags(path)
    assert (tags.artist, tags.genre) == ("Ann; Bob", "Rock; Jazz")


@pytest.mark.parametrize("version", [3, 4])
def test_several_values_of_id3(sounds: Path, tmp_path: Path, version: int) -> None:
    frames = (id3.TPE1(3, BOTH["artist"]), id3.TCON(3, BOTH["genre"]))
    tags = read_tags(with_id3(sounds, tmp_path, *frames, version=version))
    assert tags.artist == "Ann; Bob"
    assert tags.genre.replace("/", "; ") == "Rock; Jazz"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Ann; Bob", "Ann; Bob"),
        ("Ann;Bob", "Ann; Bob"),
        ("Ann / Bob", "Ann; Bob"),
        ("Iron & Wine/Calexico", "Iron & Wine; Calexico"),
        ("AC/DC", "AC/DC"),
        ("M/A/R/R/S", "M/A/R/R/S"),
        ("GZA/Genius", "GZA/Genius"),
        ("Love/Hate", "Love/Hate"),
        ("Axwell /\\ Ingrosso", "Axwell /\\ Ingrosso"),
        ("Earth, Wind & Fire", "Earth, Wind & Fire"),
        ("Ann feat. Bob", "Ann feat. Bob"),
        ("AC/DC; Bob", "AC/DC; Bob"),
    ],
)
def test_one_value_that_holds_several(
    sounds: Path, tmp_path: Path, written: str, read: str
) -> None:
    assert read_tags(with_id3(sounds, tmp_path, id3.TPE1(1, [written]), version=3)).artist == read


@pytest.mark.parametrize("name", ["Ann/Bob", "AC/DC"])
def test_a_slash_divides_nothing_but_in_id3v2_3(sounds: Path, tmp_path: Path, name: str) -> None:
    assert read_tags(with_id3(sounds, tmp_path, id3.TPE1(3, [name]))).artist == name
    path = copied(sounds, tmp_path, ".flac")
    file: Any = mutagen.File(path)
    file["artist"] = name
    file.save()
    assert read_tags(path).artist == name


def test_what_lists_the_artists_comes_before_what_tells_them(sounds: Path, tmp_path: Path) -> None:
    frames = (id3.TPE1(3, ["Ann feat. Bob"]), id3.TXXX(3, desc="ARTISTS", text=["Ann", "Bob"]))
    assert read_tags(with_id3(sounds, tmp_path, *frames)).artist == "Ann; Bob"
    flac, mp4 = copied(sounds, tmp_path, ".flac"), copied(sounds, tmp_path, ".m4a")
    file: Any = mutagen.File(flac)
    file.update({"artist": "Ann feat. Bob", "artists": ["Ann", "Bob"]})
    file.save()
    assert read_tags(flac).artist == "Ann; Bob"
    free: Any = MP4FreeForm
    file = mutagen.File(mp4)
    file["©ART"] = ["Ann feat. Bob"]
    file["----:com.apple.iTunes:ARTISTS"] = [free(b"Ann"), free(b"Bob")]
    file.save()
    assert read_tags(mp4).artist == "Ann; Bob"


def test_numbers_of_genres_are_names(sounds: Path, tmp_path: Path) -> None:
    path = with_id3(sounds, tmp_path, id3.TCON(0, ["(17)", "8"]))
    assert read_tags(path).genre == "Rock; Jazz"


def test_ape_tags_of_an_mp3_that_has_no_others(sounds: Path, tmp_path: Path) -> None:
    path = copied(sounds, tmp_path, ".mp3")
    mutagen_file: Any = mutagen.File(path)
    mutagen_file.delete()
    tags: Any = apev2.APEv2()
    tags["Title"], tags["Artist"], tags["Year"] = "Катюша", ["Ann", "Bob"], "1999"
    tags.save(path)
    read = read_tags(path)
    assert (read.title, read.artist, read.year) == ("Катюша", "Ann; Bob", 1999)


@pytest.mark.parametrize(
    ("encoding", "title", "artist"),
    [
        ("cp1251", "Катюша", "Любэ"),
        ("koi8-r", "Группа крови", "Кино"),
        ("cp1250", "Dziwny jest ten świat", "Czesław Niemen"),
        ("cp932", "さくら", "宇多田ヒカル"),
        ("gb18030", "青花瓷", "周杰伦"),
        ("cp949", "나비", "아이유"),
        ("cp1252", "Für Élise", "Beyoncé"),
        ("cp1252", "Où es-tu", "Zaïde"),
        ("cp1252", "Så lenge", "Röyksopp"),
    ],
)
def test_latin_1_that_is_none(
    sounds: Path, tmp_path: Path, encoding: str, title: str, artist: str
) -> None:
    frames = [
        frame(0, [text.encode(encoding).decode("latin-1")])
        for frame, text in ((id3.TIT2, title), (id3.TPE1, artist))
    ]
    tags = read_tags(with_id3(sounds, tmp_path, *frames, version=3))
    assert (tags.title, tags.artist) == (title, artist)


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252"])
def test_vorbis_comments_that_are_no_utf_8(sounds: Path, tmp_path: Path, encoding: str) -> None:
    title = {"cp1251": "Подмосковные", "cp1252": "Coração nãoão"}[encoding]
    path = copied(sounds, tmp_path, ".flac")
    file: Any = mutagen.File(path)
    file["title"] = "#" * len(title)
    file.save()
    path.write_bytes(path.read_bytes().replace(b"#" * len(title), title.encode(encoding)))
    assert read_tags(path).title == title


@pytest.mark.parametrize("encoding", [1, 3])
def test_what_is_declared_as_unicode_is_left_as_it_is(
    sounds: Path, tmp_path: Path, encoding: int
) -> None:
    path = with_id3(sounds, tmp_path, id3.TIT2(encoding, ["Êàòþøà"]))
    assert read_tags(path).title == "Êàòþøà"


@pytest.mark.parametrize("ending", [".ogg", ".opus", ".flac", ".mp3", ".m4a", ".wma", ".wav"])
def test_no_broken_tag_raises_what_mutagen_does(tmp_path: Path, ending: str) -> None:
    content = write_sound(tmp_path / f"whole{ending}", tune(1, 1.0)).read_bytes()
    path = tmp_path / f"broken{ending}"
    for seed in range(25):
        rng = np.random.default_rng(seed)
        changed = bytearray(content)
        for at in rng.integers(0, min(len(content), 600), 4):
            changed[at] = rng.integers(256)
        path.write_bytes(changed[: len(changed) if seed % 3 else 200 + seed])
        assert read_tags(path).title
        with contextlib.suppress(BadArgument):
            read_fields(path)
