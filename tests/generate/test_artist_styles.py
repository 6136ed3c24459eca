"""Whose network writes like an artist, where several could."""

import os
from collections import Counter
from pathlib import Path

import pytest

from segue.errors import NotFound
from segue.generate.lyrics.language_model import LANGUAGES_BASE, MODEL_FILE, LanguageModel
from segue.generate.lyrics.network import CharNetwork, CharNetworkConfig
from segue.generate.lyrics.training import _initial_network
from segue.library import Library
from segue.records import Lyrics, Tags
from segue.training.lyrics import base_of, find_style, resolve_artist
from segue.training.models import LYRICS, find_model

ARTISTS = ("Ada Long", "Bob Short", "Robert Burns")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library with a model of everybody, and ones that went on from it for two artists."""
    Library.open(tmp_path).close()
    network = CharNetwork(
        CharNetworkConfig(8, ngram_sizes=(8,), ngram_width=4, num_styles=len(ARTISTS))
    )
    known = tuple(Lyrics("words", Tags("", artist)) for artist in ARTISTS)
    for name, artist in (("all", ""), ("a-burns", "Robert Burns"), ("z-ada", "Ada Long")):
        model = LanguageModel(network, ARTISTS, known, {"artist": artist})
        model.save(tmp_path / "models" / name / MODEL_FILE)
    return tmp_path


@pytest.mark.parametrize(
    ("artist", "learned_from"),
    [("ada", "Ada Long"), ("Bob Short", ""), ("burns", "Robert Burns")],
)
def test_an_artists_own_model_comes_first_and_anothers_last(
    library: Path, artist: str, learned_from: str
) -> None:
    with Library.open(library) as lib:
        found = find_style(lib._store, artist)
    assert found.model.metadata["artist"] == learned_from
    assert ARTISTS[found.index - 1] == found.artist
    assert found.file.from_library


def test_anothers_model_is_not_taken_where_the_shipped_one_knows_the_voice(library: Path) -> None:
    (library / "models" / "all" / MODEL_FILE).unlink()
    with Library.open(library) as lib:
        assert len(find_style(lib._store, "Emily Dickinson").model.artists) > len(ARTISTS)
        assert find_style(lib._store, "Ada Long").model.metadata["artist"] == "Ada Long"


def test_of_models_alike_the_one_learned_last_writes(library: Path) -> None:
    with Library.open(library) as lib:
        newest = find_style(lib._store, "Ada Long").file.path
        again = newest.parents[1] / "aaa" / MODEL_FILE
        again.parent.mkdir()
        again.write_bytes(newest.read_bytes())
        os.utime(again, ns=(1, 1))
        assert find_style(lib._store, "Ada Long").file.path == newest
        os.utime(newest, ns=(0, 0))
        assert find_style(lib._store, "Ada Long").file.name == "aaa"


@pytest.mark.parametrize(
    ("name", "message"), [("Ada Lung", "Ada Long"), ("o", "which one"), ("Beethoven", "nearest")]
)
def test_names_that_are_not_clear(name: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        resolve_artist(name, Counter(ARTISTS))


@pytest.mark.parametrize(
    ("artist", "language", "index"), [("English verse", "en", 0), ("Italian verse", "it", 4)]
)
def test_verse_in_general_is_a_style(library: Path, artist: str, language: str, index: int) -> None:
    with Library.open(library) as lib:
        style = find_style(lib._store, artist)
    assert (style.language, style.index) == (language, index)
    assert not style.file.from_library


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The sea is in my heart, and it was not for you", "base-en"),
        ("Der Mond ist mit den Wolken und ich bin nicht das", "base-de"),
        ("Je suis dans les bois et qui est pour les fleurs", "base-fr"),
        ("El cielo en las manos y los ojos con mi amor", "base-es"),
        ("Il cielo di notte e che non è per gli occhi", "base-it"),
        ("Bogurodzica dziewica, Bogiem slawiena Maryja", "base"),
    ],
)
def test_the_base_is_that_of_the_language_of_the_songs(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = [Lyrics(text, Tags("", "Ada Long"))]
    monkeypatch.setattr("segue.training.lyrics.library_songs", lambda _: songs)
    with Library.open(tmp_path) as lib:
        assert base_of(lib._store, "base", "ada") == expected
        assert base_of(lib._store, "shipped", "").replace("shipped", "base") == expected
        assert base_of(lib._store, "base-fr", "ada") == "base-fr"
        assert find_model(lib._store, LYRICS, expected).path.exists()


def test_a_new_style_begins_as_verse_in_its_language() -> None:
    base = LanguageModel.load(LANGUAGES_BASE)
    network, styles = _initial_network(base.network.config, ["Ada Long"], base, 0, "fr")
    assert styles == [*base.artists, "Ada Long"]
    french = base.style_index("French verse")
    assert network.styles.weight[-1].equal(network.styles.weight[french])
