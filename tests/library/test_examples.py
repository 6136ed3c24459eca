"""Every public method has an example in its docstring, and the examples run."""

import doctest
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from conftest import little_score, tune, write_score, write_sound
from segue.library import Library

PUBLIC = (
    ("segue.library", "Library"),
    ("segue.library.exploring", "Atlas"),
    ("segue.library.exploring", "Journeys"),
    ("segue.library.scores", "Scores"),
    ("segue.library.lyrics", "Songbook"),
    ("segue.library.learning", "Learning"),
    ("segue.search.taste", "Taste"),
    ("segue.ingest.tag_writing", "FileTags"),
)
#: Methods that end the life of what the other examples need.
LAST = ("forget", "remove", "prune", "close")
#: Titles by artist; the examples name some of them, and ids up to 17.
TITLES = {
    "Erik Satie": ("Für Elise", "Gymnopédie No. 1", "Gnossienne No. 3", "Je te veux"),
    "Claude Debussy": ("Clair de lune", "Arabesque", "Rêverie", "Voiles"),
    "Maurice Ravel": ("Jeux d'eau", "Bolero", "Sonatine", "Miroirs"),
    "Motörhead": ("Ace of Spades", "Overkill", "Bomber", "Iron Fist"),
    "dora": ("Nexuiz One", "Nexuiz Two"),
}


def methods() -> Iterator[tuple[str, str, str]]:
    """Yield class, name and docstring of every public method."""
    for module, name in PUBLIC:
        for method, value in vars(getattr(import_module(module), name)).items():
            function = getattr(value, "__func__", value)
            if inspect.isfunction(function) and not method.startswith("_"):
                yield name, method, inspect.getdoc(function) or ""


def test_every_public_method_has_an_example() -> None:
    assert not [f"{name}.{method}" for name, method, text in methods() if ">>>" not in text]


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings and lyrics in ~/Music, and the files of the current folder that examples name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "Music"
    folder.mkdir()
    number = 0
    for artist, titles in TITLES.items():
        for title in titles:
            tags = {"title": title, "artist": artist, "album": "nexuiz", "genre": artist[:4]}
            number += 1
            write_sound(folder / f"{number:02}.flac", tune(number, 12), tags=tags)
    sonnet = folder / "William Shakespeare" / "Sonnet 18.txt"
    sonnet.parent.mkdir()
    sonnet.write_text("Shall I compare thee to a summer's day?\nThou art more lovely\n")
    write_sound(tmp_path / "song.mp3", tune(1, 12))
    write_score(tmp_path / "sonata.mid", little_score(1))
    write_score(tmp_path / "rag.mid", little_score(2))
    (tmp_path / "lastfm.csv").write_text(
        "artist,title,time\n" + "Erik Satie,Für Elise,2024-01-01T10:00:00Z\n" * 2
    )
    return folder


@pytest.mark.slow  # trains, and analyses twenty recordings
def test_the_examples_run(music: Path) -> None:
    found = sorted(methods(), key=lambda item: LAST.index(item[1]) if item[1] in LAST else -1)
    failed = []
    with Library.open("~/my-library") as lib:
        lib.add([music])
        names: dict[str, object] = {"lib": lib, "Library": Library}
        for name, method, text in found:
            examples = doctest.DocTestParser().get_examples(text)
            source = "".join(example.source for example in examples)
            try:
                exec(source.replace("minutes=20", "epochs=1"), names)
            except Exception as error:  # noqa: BLE001  # every failure is listed
                failed.append(f"{name}.{method}: {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)
