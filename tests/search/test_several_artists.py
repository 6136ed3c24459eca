"""A track of several artists is each one's: found, grouped, measured and limited as theirs."""

from pathlib import Path

import numpy as np
import pytest

from conftest import fill_library
from segue import Filters, Library
from segue.builtin_spaces import builtin_spaces
from segue.evaluation.retrieval import evaluate_retrieval
from segue.explore.path import same_artist_matrix
from segue.records import Space, Tags
from segue.search.ranking import metadata_similarities
from segue.store import Store
from segue.store.files import Labels
from segue.text import split_genres, split_names

TAGS = [
    Tags("One", "Ann; Bob", "A", genre="Rock; Jazz"),
    Tags("Two", "Ann", "B", genre="Rock"),
    Tags("Three", "Bob", "C", genre="Jazz"),
    Tags("Four", "AC/DC", "D", genre="Metal"),
    Tags("Five", "Cid", "E", genre="Ambient"),
]


@pytest.fixture
def lib(tmp_path: Path) -> Library:
    fill_library(tmp_path, TAGS)
    store = Store(tmp_path, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.replace_trained(Space("plane", "sound", 2, "cosine", "m", 1))
        for track in store.tracks():
            angle = 0.1 * track.id
            vector = np.array([np.cos(angle), np.sin(angle)], np.float32)
            store.spaces.put("plane", track.id, vector)
    store.close()
    return Library.open(tmp_path)


def titles(lib: Library, query: int | str, filters: Filters) -> set[str]:
    return {hit.track.tags.title for hit in lib.like(query, space="plane", filters=filters)}


@pytest.mark.parametrize(
    ("filters", "result"),
    [
        (Filters(artist="bob"), {"One", "Three"}),
        (Filters(artist="ann"), {"One", "Two"}),
        (Filters(genre="jazz"), {"One", "Three"}),
        (Filters(artist="ac/dc"), {"Four"}),
        (Filters(exclude_same_artist=True), {"One", "Two", "Three", "Four"}),
    ],
)
def test_filters_find_each(lib: Library, filters: Filters, result: set[str]) -> None:
    assert titles(lib, 5, filters) == result


def test_the_same_artist_is_either(lib: Library) -> None:
    assert titles(lib, 1, Filters(exclude_same_artist=True)) == {"Four", "Five"}
    assert titles(lib, 2, Filters(exclude_same_artist=True)) == {"Three", "Four", "Five"}
    assert titles(lib, 4, Filters(max_per_artist=1)) in (
        {"Two", "Three", "Five"},
        {"One", "Five"},
    )


@pytest.mark.parametrize("query", ["ann one", "bob one", "one ann", "ann bob one", "one"])
def test_a_track_is_named_by_either(lib: Library, query: str) -> None:
    assert titles(lib, query, Filters()) == {"Two", "Three", "Four", "Five"}


def test_a_query_by_artist_means_all_of_theirs(lib: Library) -> None:
    assert titles(lib, "ann", Filters()) == {"Three", "Four", "Five"}


def test_groups_have_it_twice(lib: Library) -> None:
    hits = lib.similar_groups(5, kind="artist", space="plane", min_tracks=1)
    assert {(hit.name, hit.tracks) for hit in hits} == {("Ann", 2), ("Bob", 2), ("AC/DC", 1)}


def test_retrieval_counts_one_in_common() -> None:
    angles = np.array([0.0, 0.1, 0.2, 0.3, 1.5, 1.6], np.float32)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    several = [["a", "b"], ["a"], ["b"], ["a", "b"], None, "c"]
    result = evaluate_retrieval(vectors, several, min_tracks=2)
    assert result.queries == 4
    assert (
        result.mean_average_precision
        > evaluate_retrieval(
            vectors, ["a; b", "a", "b", "a; b", None, "c"], min_tracks=2
        ).mean_average_precision
    )
    apart = evaluate_retrieval(vectors, ["x"] * 6, groups=several, min_tracks=2)
    assert apart.per_query.precision_at_1.tolist() == [1.0] * 6


def test_tags_agree_where_one_artist_does() -> None:
    labels = [Labels(0, artist, "", "", "", None) for artist in ("Bob", "ann", "Cid", "")]
    result = metadata_similarities(TAGS[0], labels)
    assert result[:3].tolist() == pytest.approx([0.4, 0.4, 0.0])


def test_steps_tell_a_shared_artist(lib: Library) -> None:
    tracks = lib.tracks()
    assert same_artist_matrix(tracks)[:3, :3].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 1]]


def test_names_and_genres_are_divided() -> None:
    assert split_names("Ann; Bob;") == ["Ann", "Bob"]
    assert split_names("AC/DC") == ["AC/DC"]
    assert split_names("") == []
    assert split_genres("Rock; Jazz/Soul") == ["Rock", "Jazz", "Soul"]
