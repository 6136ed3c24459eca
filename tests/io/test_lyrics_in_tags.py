"""Of several texts in a recording's tags, what is sung is read."""

from pathlib import Path
from typing import Any

import mutagen
import pytest
from mutagen import id3 as untyped

from conftest import tune, write_sound
from segue.io.lyrics import lyrics_in_recording
from segue.io.tags import is_placeholder

id3: Any = untyped  # mutagen has no types
GERMAN = "Freude, schöner Götterfunken"
ENGLISH = "Joy, thou shining spark of God,\ndaughter of Elysium,\nfire-inspired we tread"
RUSSIAN = "Расцветали яблони и груши"


def uslt(lang: str, desc: str, text: str, encoding: int = 3) -> Any:
    return id3.USLT(encoding=encoding, lang=lang, desc=desc, text=text)


def sylt(*pieces: str) -> Any:
    timed = [(piece, 500 * number) for number, piece in enumerate(pieces)]
    return id3.SYLT(encoding=3, lang="deu", format=2, type=1, desc="", text=timed)


def txxx(desc: str, text: str) -> Any:
    return id3.TXXX(encoding=3, desc=desc, text=[text])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sound(tmp_path_factory.mktemp("sound") / "a.mp3", tune(1, 1.2))


@pytest.mark.parametrize(
    ("frames", "right"),
    [
        ([uslt("deu", "", GERMAN), uslt("eng", "translation", ENGLISH)], GERMAN),
        ([uslt("eng", "", GERMAN), uslt("eng", "English Translation", ENGLISH)], GERMAN),
        ([uslt("deu", "Übersetzung", GERMAN * 9), uslt("eng", "", ENGLISH)], ENGLISH),
        ([uslt("eng", "", ENGLISH), uslt("deu", "", GERMAN)], GERMAN),
        ([uslt("eng", "", ENGLISH), uslt("deu", "original", GERMAN)], GERMAN),
        ([uslt("eng", "", ENGLISH), uslt("deu", "", GERMAN), id3.TLAN(3, ["eng"])], ENGLISH),
        ([uslt("eng", "", RUSSIAN), uslt("rus", "", ENGLISH), id3.TIT2(3, ["Катюша"])], RUSSIAN),
        ([uslt("jpn", "romaji", "sakura " * 9), uslt("jpn", "", "さくら さくら")], "さくら さくら"),
        ([uslt("eng", "translation", ENGLISH)], ENGLISH),
        ([uslt("deu", "", GERMAN), uslt("eng", "", ENGLISH), id3.TIT2(3, ["Joy"])], GERMAN),
        ([uslt("deu", "", GERMAN), uslt("eng", "", ENGLISH), id3.TIT2(3, ["Elysium"])], ENGLISH),
        ([uslt("eng", "", ENGLISH), uslt("fra", "", GERMAN), id3.TIT2(3, ["Freude"])], GERMAN),
        ([uslt("xxx", "eng", ENGLISH), uslt("xxx", "deu", GERMAN)], GERMAN),
        ([uslt("deu", "", " "), txxx("LYRICS", GERMAN)], GERMAN),
        ([txxx("UNSYNCEDLYRICS", GERMAN), txxx("comment", ENGLISH)], GERMAN),
        ([txxx("LYRICS_TRANSLATION", ENGLISH), txxx("lyrics", GERMAN)], GERMAN),
        ([sylt("Freude,", "schöner", "Götterfunken")], GERMAN),
        ([sylt("Freu", "de, ", "schö", "ner ", "Göt", "ter", "fun", "ken")], GERMAN),
        ([sylt("Joy, thou shining", "spark of God")], "Joy, thou shining\nspark of God"),
        ([sylt("Joy, thou", " shining", "\nspark", " of God")], "Joy, thou shining\nspark of God"),
        ([uslt("deu", "", GERMAN), sylt("Joy, thou shining", "spark of God")], GERMAN),
        ([uslt("deu", "", "[00:01.00]Freude,\r\n[00:02.00]schöner")], "Freude,\nschöner"),
        ([uslt("rus", "", RUSSIAN.encode("cp1251").decode("latin-1"), 0)], RUSSIAN),
        ([uslt("eng", "", RUSSIAN.encode("cp1251").decode("latin-1"), 0)], RUSSIAN),
        ([uslt("eng", "", GERMAN, 0)], GERMAN),
        ([id3.TIT2(3, ["Lyrics"])], ""),
    ],
)
def test_what_is_sung(sound: Path, tmp_path: Path, frames: list[Any], right: str) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(sound.read_bytes())
    tags = id3.ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path)
    assert lyrics_in_recording(path) == right


@pytest.mark.parametrize(
    ("fields", "right"),
    [
        ({"lyrics": GERMAN}, GERMAN),
        ({"UNSYNCEDLYRICS": GERMAN}, GERMAN),
        ({"unsynced lyrics": GERMAN}, GERMAN),
        ({"lyrics-eng": ENGLISH, "lyrics": GERMAN}, GERMAN),
        ({"lyrics-eng": ENGLISH, "lyrics-deu": GERMAN}, GERMAN),
        ({"lyrics:translation": ENGLISH, "lyrics": GERMAN}, GERMAN),
        ({"lyricist": "Friedrich Schiller"}, ""),
    ],
)
def test_vorbis_comments(tmp_path: Path, fields: dict[str, str], right: str) -> None:
    path = write_sound(tmp_path / "a.flac", tune(1, 1.2))
    file: Any = mutagen.File(path)
    file.update(fields)
    file.save()
    assert lyrics_in_recording(path) == right


@pytest.mark.parametrize(
    ("field", "value", "unknown"),
    [
        ("bpm", "0", True),
        ("bpm", "000", True),
        ("bpm", "0.0", True),
        ("bpm", "0\x000", True),
        ("bpm", "100", False),
        ("bpm", "0\x00120", False),
        ("key", "0", False),
        ("mood", "0", False),
    ],
)
def test_a_tempo_of_nothing_is_unknown(field: str, value: str, unknown: bool) -> None:
    assert is_placeholder(field, value) == unknown
