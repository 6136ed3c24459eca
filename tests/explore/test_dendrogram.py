import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import fill_library
from segue.errors import BadArgument, NotFound
from segue.explore.clusters import Dendrogram, save_dendrogram, to_newick
from segue.library import Library
from segue.records import Tags
from segue.render.map_plots import dendrogram_lines

TRACKS = [Tags(f"{a}'s ({i})", f"by {a}", a) for a in "abc" for i in range(4)]


@pytest.fixture
def lib(tmp_path: Path, library: Callable[[], Library]) -> Library:
    fill_library(tmp_path / "library", TRACKS)
    return library()


def leaves_of(text: str) -> list[str]:
    return [label.replace("''", "'") for label in re.findall(r"'((?:[^']|'')*)'", text)]


def depths(text: str) -> list[float]:
    """Sum the branch lengths from the root to each leaf of a Newick tree."""
    stack: list[list[float]] = []
    current: list[float] = []
    group: list[int] = []
    for match in re.finditer(r"('(?:[^']|'')*')|(\()|(\))|:([\d.e+-]+)", text):
        leaf, opened, closed, length = match.groups()
        if leaf:
            current.append(0.0)
            group = [len(current) - 1]
        elif opened:
            stack.append(current)
            current = []
        elif closed:
            outer = stack.pop()
            group = list(range(len(outer), len(outer) + len(current)))
            current = outer + current
        elif length:
            for i in group:
                current[i] += float(length)
    return current


def test_albums_are_merged_first(lib: Library) -> None:
    tree = lib.atlas.dendrogram()
    albums = [track.tags.album for track in lib.tracks()]
    first = tree.merges[:9]
    members: dict[int, set[str]] = {i: {album} for i, album in enumerate(albums)}
    for number, (left, right) in enumerate(first.tolist()):
        members[12 + number] = members[left] | members[right]
        assert len(members[12 + number]) == 1
    assert (np.diff(tree.heights) >= -1e-9).all()
    assert sorted(tree.order.tolist()) == list(range(12))


def test_newick_trees_are_ultrametric(lib: Library) -> None:
    tree = lib.atlas.dendrogram()
    text = to_newick(tree)
    assert text.endswith(";\n")
    assert text.count("(") - sum(label.count("(") for label in tree.labels) == 11
    assert sorted(leaves_of(text)) == sorted(tree.labels)
    assert np.allclose(depths(text), tree.heights[-1], atol=1e-4)


def test_levels(lib: Library) -> None:
    assert sorted(lib.atlas.dendrogram(level="album").labels) == ["a (4)", "b (4)", "c (4)"]
    assert len(lib.atlas.dendrogram(level="artist").labels) == 3
    with pytest.raises(NotFound, match="fewer with --min-tracks"):
        lib.atlas.dendrogram(level="album", min_tracks=5)
    with pytest.raises(BadArgument, match="choose track"):
        lib.atlas.dendrogram(level="year")  # type: ignore[arg-type]


def test_a_dendrogram_takes_two_tracks(tmp_path: Path) -> None:
    fill_library(tmp_path / "one", TRACKS[:1])
    with Library.open(tmp_path / "one") as one, pytest.raises(BadArgument, match="two leaves"):
        one.atlas.dendrogram()
    fill_library(tmp_path / "two", TRACKS[:2])
    with Library.open(tmp_path / "two") as two:
        assert to_newick(two.atlas.dendrogram()).count(",") == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10**6))
def test_branches_never_cross(n: int, seed: int) -> None:
    from segue.explore.clusters import average_linkage

    unit = np.random.default_rng(seed).standard_normal((n, 3))
    labels = tuple(map(str, range(n)))
    tree = average_linkage("track", "s", labels, (None,) * n, unit)
    lines = dendrogram_lines(tree.merges, tree.heights, tree.order)
    rows = np.append(np.argsort(tree.order), lines[:, 1:3, 1].mean(axis=1))
    assert np.array_equal(lines[:, [0, 3], 1], rows[tree.merges])
    below = {i: [rows[i]] for i in range(n)}
    for number, (left, right) in enumerate(tree.merges.tolist()):
        merged = sorted(below[left] + below[right])
        assert np.allclose(np.diff(merged), 1)  # each branch is one stretch of leaves
        below[n + number] = merged


def big_tree(n: int) -> Dendrogram:
    from segue.explore.clusters import average_linkage

    unit = np.random.default_rng(0).standard_normal((n, 4))
    return average_linkage("track", "s", tuple(f"leaf {i}" for i in range(n)), (None,) * n, unit)


def test_figures_and_pages_of_dendrograms(tmp_path: Path, lib: Library) -> None:
    for name in ("tree.png", "tree.svg", "tree.html", "tree.nwk"):
        save_dendrogram(lib.atlas.dendrogram(), tmp_path / name)
        assert (tmp_path / name).stat().st_size > 100
    page = (tmp_path / "tree.html").read_text()
    assert "a's (0)" in page
    assert str(tmp_path) not in page
    with pytest.raises(BadArgument, match="write a page"):
        save_dendrogram(big_tree(5001), tmp_path / "big.png")
    with pytest.raises(BadArgument, match="name it"):
        save_dendrogram(lib.atlas.dendrogram(), tmp_path / "tree.doc")
    with pytest.raises(BadArgument, match="cannot write"):
        save_dendrogram(lib.atlas.dendrogram(), tmp_path / "none" / "tree.html")


@pytest.mark.slow
def test_a_dendrogram_of_two_thousand_leaves(tmp_path: Path) -> None:
    save_dendrogram(big_tree(2000), tmp_path / "big.png")
    save_dendrogram(big_tree(2000), tmp_path / "big.html")
    assert (tmp_path / "big.png").stat().st_size > 100_000
