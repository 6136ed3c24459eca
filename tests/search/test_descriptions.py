"""Asking by description: alone, with tracks, and for little of something."""

from pathlib import Path

import numpy as np
import pytest

from conftest import fill_library
from segue import Library
from segue.builtin_spaces import MUSICNN_TAGS, builtin_spaces
from segue.errors import BadArgument
from segue.records import FloatArray, Tags
from segue.search.descriptions import parse_tags, tag_column
from segue.store import Store

#: Much, in standard deviations, of which tags each track has.
MUSIC: list[dict[str, float]] = [
    {"metal": 4, "heavy metal": 3, "party": 2},
    {"metal": 4, "heavy metal": 3, "party": -2},
    {"sad": 3, "acoustic": 2},
    {"sad": 2, "happy": 3},
    {"chill": 3},
    {"chillout": 3},
]


def place(tags: dict[str, float]) -> FloatArray:
    vector = np.full(len(MUSICNN_TAGS), 0.1, np.float32)
    for tag, strength in tags.items():
        vector[MUSICNN_TAGS.index(tag)] = strength
    return vector


@pytest.fixture
def lib(tmp_path: Path) -> Library:
    fill_library(tmp_path, [Tags(f"t{i}", f"by {i}", "a") for i in range(len(MUSIC))])
    store = Store(tmp_path, builtin_spaces("sound").values())
    with store.transaction():
        for number, tags in enumerate(MUSIC, start=1):
            store.spaces.put("tags", number, place(tags))
    store.close()
    return Library.open(tmp_path)


@pytest.mark.parametrize(
    ("tags", "first"),
    [
        (["metal"], {1, 2}),
        (["metal", "-party"], {2}),
        (["metal", "not party"], {2}),
        (["metal", " PARTY "], {1}),
        (["sad", "-happy"], {3}),
        (["chillout"], {5, 6}),  # people do not tell them apart
        (["chilled"], {5, 6}),
    ],
)
def test_descriptions(lib: Library, tags: list[str], first: set[int]) -> None:
    hits = lib.like_tags(tags)
    assert {hit.track.id for hit in hits[: len(first)]} == first
    assert all(-1 <= hit.similarity <= 1 for hit in hits)
    for hit in hits:
        assert sum(r.share for r in hit.reasons) == pytest.approx(hit.similarity, abs=1e-5)


def test_a_tag_alone_is_as_like_as_its_direction(lib: Library) -> None:
    best = lib.like_tags(["chill"])[0]
    vector = place(MUSIC[best.track.id - 1])
    both = vector[MUSICNN_TAGS.index("chill")] + vector[MUSICNN_TAGS.index("chillout")]
    assert best.similarity == pytest.approx(both / 2**0.5 / np.linalg.norm(vector), abs=1e-5)


def test_tracks_and_tags_together(lib: Library) -> None:
    plain = {hit.track.id: hit.similarity for hit in lib.like(1)}
    tagged = {hit.track.id: hit.similarity for hit in lib.like_tags(["sad"])}
    hits = lib.like(1, tags=["sad"])
    for hit in hits:
        mean = (plain[hit.track.id] + tagged[hit.track.id]) / 2
        assert hit.similarity == pytest.approx(mean, abs=1e-5)
        assert sum(r.share for r in hit.reasons) == pytest.approx(hit.similarity, abs=1e-5)
        assert hit.track.id != 1
    with pytest.raises(BadArgument, match="with the cosine"):
        lib.like(1, tags=["sad"], metric="euclidean")


def test_mistakes(lib: Library) -> None:
    for tags, message in (
        ([], "no tag given"),
        (["sadd"], "did you mean 'sad'"),
        (["-sadd"], "the tag '-sadd' is unknown; did you mean 'sad'"),
        (["sad", "-sad"], "cancel each other out"),
    ):
        with pytest.raises(BadArgument, match=message):
            lib.like_tags(tags)


def test_every_word_means_tags() -> None:
    for words in ("female vocals", "r&b", "hip hop", "calm", "techno", "1980s", "no vocals"):
        (query,) = parse_tags([words])
        assert query.sign == 1
        assert query.columns
    assert tag_column("chillout") == MUSICNN_TAGS.index("chillout")  # a map is coloured by one
