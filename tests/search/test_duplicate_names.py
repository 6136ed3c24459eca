"""A recording in several files is one where it is asked for by name."""

from collections.abc import Iterator

import numpy as np
import pytest

from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument, NotFound
from segue.library import Library
from segue.records import Analysis, FileState, Tags
from segue.search.query import find_track
from segue.store import Store

#: File, title, artist, which recording it is of.
FILES = (
    ("a.mp3", "Breaking the Chains", "Wesnoth", 0),
    ("a.flac", "Breaking the Chains", "Wesnoth", 0),
    ("b.mp3", "Battle", "Wesnoth", 1),
    ("b live.mp3", "Battle", "Wesnoth", 2),
    ("c.mp3", "Storm of Kings", "Ann", 3),
    ("c copy.ogg", "Storm of Kings", "Bob", 3),
)


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("copies")
    rng = np.random.default_rng(0)
    prints = rng.integers(0, 2**32, (4, 600), np.uint32)
    store = Store(folder, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(b"/music")
        for name, title, artist, recording in FILES:
            vectors = {
                space.name: rng.standard_normal(space.dimension).astype(np.float32)
                for space in builtin_spaces("sound").values()
            }
            analysis = Analysis(vectors, {}, prints[recording], 30.0)
            path = f"/music/{name}".encode()
            tags = Tags(title=title, artist=artist)
            store.add_track(path, FileState(1, 1), path.hex(), tags, analysis)
    store.close()
    with Library.open(folder) as opened:
        yield opened


@pytest.mark.parametrize(
    ("query", "track"), [("breaking the chains", 1), ("chains", 1), ("storm of kings", 5)]
)
def test_copies_count_as_one(lib: Library, query: str, track: int) -> None:
    assert find_track(lib._store, query).id == track
    assert lib.like(query)
    assert len(lib.journeys.path(query, 3, 2).tracks) == 2


def test_other_recordings_do_not(lib: Library) -> None:
    with pytest.raises(BadArgument, match=r"(?s)names 2 tracks.*\(b.mp3\).*\(b live.mp3\)"):
        find_track(lib._store, "battle")
    with pytest.raises(NotFound, match="fits 4 tracks"):
        lib.like("s")


def test_what_is_named_twice_is_asked_with_once(lib: Library) -> None:
    once, twice = lib.like(1, 3), lib.like(1, 3, "breaking the chains", 3, 1)
    assert [hit.track.id for hit in once] != []
    assert lib.like(1, 1)[0].similarity == pytest.approx(lib.like(1)[0].similarity)
    assert {hit.track.id for hit in twice} <= {hit.track.id for hit in once}
