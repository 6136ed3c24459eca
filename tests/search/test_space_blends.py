from pathlib import Path

import numpy as np
import pytest

from conftest import fill_library, tune, write_sound
from segue import Filters, Library
from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument, NotFound, WrongSpace
from segue.records import Space, Tags
from segue.store import Store

# Tracks 1…9: artists a, b, c; track 10 says nothing of itself.
TRACKS = [
    *(
        Tags(f"{a}{i}", a, a, genre="pop" if i else "", year=1990 + i)
        for a in "abc"
        for i in range(3)
    ),
    Tags("nameless"),
]
WITH_LISTENS = [1, 2, 4, 7]


@pytest.fixture
def lib(tmp_path: Path) -> Library:
    fill_library(tmp_path, TRACKS)
    rng = np.random.default_rng(1)
    store = Store(tmp_path, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.replace_trained(Space("listens", "sound", 4, "cosine", "m", 1))
        for track in WITH_LISTENS:
            store.spaces.put("listens", track, rng.standard_normal(4).astype(np.float32))
    store.close()
    return Library.open(tmp_path)


def cosines(lib: Library, space: str, track: int) -> dict[int, float]:
    ids, vectors = lib.vectors(space)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(ids.tolist(), (unit @ unit[ids == track][0]).tolist(), strict=True))


def test_the_similarity_is_the_weighted_mean_of_what_is_known(lib: Library) -> None:
    hits = lib.like(1, n=20, blend={"sound": 3, "listens": 1}, duplicates=True)
    sound, listens = cosines(lib, "sound", 1), cosines(lib, "listens", 1)
    assert {hit.track.id for hit in hits} == set(range(2, 11))
    for hit in hits:
        track = hit.track.id
        expected = (
            (3 * sound[track] + listens[track]) / 4 if track in WITH_LISTENS else sound[track]
        )
        assert hit.similarity == pytest.approx(expected, abs=1e-5)
        assert sum(r.share for r in hit.reasons) == pytest.approx(hit.similarity, abs=1e-5)
        assert ("listens" in {r.name for r in hit.reasons}) == (track in WITH_LISTENS)
    similarities = [hit.similarity for hit in hits]
    assert similarities == sorted(similarities, reverse=True)


def test_weights_count_by_their_ratio(lib: Library) -> None:
    small = lib.like(1, blend={"sound": 0.3, "features": 0.1})
    large = lib.like(1, blend={"sound": 6, "features": 2})
    assert [hit.track.id for hit in small] == [hit.track.id for hit in large]
    assert small[0].similarity == pytest.approx(large[0].similarity)


def test_a_blend_of_one_space_is_that_space(lib: Library) -> None:
    for space in ("sound", "listens"):
        in_space = {hit.track.id: hit.similarity for hit in lib.like(1, space=space)}
        assert in_space == pytest.approx(
            {hit.track.id: hit.similarity for hit in lib.like(1, blend={space: 0.2})}, abs=1e-6
        )


def test_a_query_that_a_part_does_not_know(lib: Library) -> None:
    plain = lib.like(3)
    blended = lib.like(3, blend={"sound": 0.5, "listens": 0.5})
    assert [hit.track.id for hit in blended] == [hit.track.id for hit in plain]
    assert blended[0].similarity == pytest.approx(plain[0].similarity, abs=1e-6)
    assert {r.name for hit in blended for r in hit.reasons} == {"sound"}
    with pytest.raises(NotFound, match=r"none of the blend's parts \(listens\)"):
        lib.like(3, blend={"listens": 1})
    with pytest.raises(WrongSpace, match="not all queries have an embedding"):
        lib.like(3, space="listens")


def test_metadata_alone(lib: Library) -> None:
    hits = lib.like(2, blend={"metadata": 1}, n=20, duplicates=True)
    assert hits[0].track.tags.title == "a2"
    assert hits[0].similarity == pytest.approx(0.4 + 0.3 + 0.2 + 0.1 * 19 / 20)
    assert 10 not in {hit.track.id for hit in hits}  # nothing to compare it by
    away = lib.like(2, minus=[4], blend={"metadata": 1}, n=20, duplicates=True)
    assert {hit.track.tags.artist for hit in away if hit.similarity < -0.3} == {"b"}


def test_a_file_is_known_by_its_sound_and_its_tags(lib: Library, tmp_path: Path) -> None:
    file = write_sound(tmp_path / "x.mp3", tune(1, 3.0), tags={"artist": "B", "album": "b"})
    blend = {"sound": 0.1, "metadata": 0.8, "listens": 0.1}
    hits = lib.like(file, blend=blend, n=3, duplicates=True)
    assert {hit.track.tags.artist for hit in hits} == {"b"}
    assert {r.name for r in hits[0].reasons} == {"sound", "metadata"}


def test_several_queries_and_filters(lib: Library) -> None:
    blend = {"sound": 0.6, "metadata": 0.4}
    hits = lib.like(1, 3, blend=blend, filters=Filters(exclude_same_artist=True))
    assert {hit.track.tags.artist for hit in hits} == {"b", "c", ""}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blend": {"sound": 0.0}}, "weights of a blend are above 0"),
        ({"blend": {"sound": float("nan")}}, "weights of a blend are above 0"),
        ({"blend": {}}, "weights of a blend are above 0"),
        ({"blend": {"sound": 1}, "space": "features"}, "no space or metric"),
        ({"blend": {"sound": 1}, "metric": "euclidean"}, "no space or metric"),
        ({"space": "metadata"}, "--blend metadata=1"),
        ({"metric": "manhattan"}, "choose cosine or euclidean"),
    ],
)
def test_what_is_no_blend(lib: Library, options: dict[str, object], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        lib.like(1, **options)  # type: ignore[arg-type]


def test_an_unknown_part(lib: Library) -> None:
    with pytest.raises(NotFound, match="no space is called 'smell'"):
        lib.like(1, blend={"sound": 1, "smell": 1})


@pytest.mark.parametrize("space", [*builtin_spaces("sound"), "listens"])
def test_the_euclidean_metric(lib: Library, space: str) -> None:
    ids, vectors = lib.vectors(space)
    hits = lib.like(1, n=20, space=space, metric="euclidean", duplicates=True)
    assert len(hits) == len(ids) - 1
    for hit in hits:
        distance = np.linalg.norm(vectors[ids == hit.track.id][0] - vectors[ids == 1][0])
        assert hit.similarity == pytest.approx(-distance, rel=1e-4)
        assert sum(r.share for r in hit.reasons) == pytest.approx(hit.similarity, rel=1e-3)
    similarities = [hit.similarity for hit in hits]
    assert similarities == sorted(similarities, reverse=True)
    with pytest.raises(BadArgument, match="--minus goes with the cosine"):
        lib.like(1, minus=[2], space=space, metric="euclidean")


def test_two_of_one_place_have_nothing_that_keeps_them_apart(lib: Library) -> None:
    first = lib.vectors("listens")[1][0]
    with lib._store.transaction():
        lib._store.spaces.put("listens", 2, first)
    best = lib.like(1, space="listens", metric="euclidean", duplicates=True)[0]
    assert (best.track.id, best.similarity, best.reasons) == (2, 0, ())


def test_evaluate_leaves_out_a_space_that_holds_no_label(lib: Library) -> None:
    assert set(lib.evaluate("artist")) == set(builtin_spaces("sound"))
    euclidean = lib.evaluate("artist", metric="euclidean")
    assert all(row.precision_at_1 == 1 for row in euclidean.values())


def test_plays_filter(lib: Library, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="segue listens import"):
        lib.like(1, filters=Filters(min_plays=1))
    (tmp_path / "plays.csv").write_text("me,2,5\nyou,2,1\nme,3,2\n")
    lib.import_listens([tmp_path / "plays.csv"])

    def found(**limits: int) -> set[int]:
        return {hit.track.id for hit in lib.like(1, n=20, filters=Filters(**limits))}  # type: ignore[arg-type]

    assert found(min_plays=1) == {2, 3}
    assert found(min_plays=6) == {2}
    assert found(max_plays=2) == set(range(3, 11))
    assert found(min_plays=1, max_plays=5) == {3}
    assert found(min_plays=7) == set()
