"""Labels of a map cover nothing, and take names as they are written."""

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segue.render.map_plots import MAX_LABELS, Colouring, draw_map, place_labels
from segue.render.plots import shorten

FRAME = (0.0, 0.0, 400.0, 300.0)
RADIUS = 3.0
POINTS = np.array([[0, 0], [1, 1]], np.float32)
spots = st.tuples(st.floats(0, 400), st.floats(0, 300))
sizes = st.tuples(st.floats(1, 150), st.floats(5, 20))


@given(st.lists(st.tuples(spots, sizes), min_size=1, max_size=60))
def test_labels_cover_neither_points_nor_labels(
    dots: list[tuple[tuple[float, float], tuple[float, float]]],
) -> None:
    places = np.array([place for place, _ in dots])
    extents = [size for _, size in dots]
    corners = place_labels(places, range(len(dots)), extents, RADIUS, FRAME)
    boxes = {
        row: (left, bottom, left + width, bottom + height)
        for row, (spot, (width, height)) in enumerate(zip(corners, extents, strict=True))
        if spot is not None
        for left, bottom in [spot]
    }
    for left, bottom, right, top in boxes.values():
        assert min(left, bottom) >= 0
        assert right <= 400
        assert top <= 300
    for one, other in combinations(boxes.values(), 2):
        assert not crosses(one, other)
    for row, box in boxes.items():
        for dot, (x, y) in enumerate(places.tolist()):
            if dot != row:
                assert not crosses(box, (x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS))


def crosses(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_isolated_points_have_labels_up_to_a_maximum() -> None:
    places = np.stack(np.meshgrid(np.arange(15) * 100.0, np.arange(15) * 50.0), -1).reshape(-1, 2)
    wide = [(40.0, 10.0)] * len(places)
    corners = place_labels(places, range(len(places)), wide, RADIUS, (-50, -50, 1500, 800))
    assert [spot is not None for spot in corners] == [row < MAX_LABELS for row in range(225)]


def test_dollar_signs_are_plain_text(tmp_path: Path) -> None:
    colouring = Colouring("by $_$", ("$x_$", "Ke$ha$"), np.array([0, 1]), np.empty(0, np.float32))
    labels = ["Ke$ha & A$AP_", "100 % $ _^{ $"]
    draw_map(POINTS, labels, colouring, tmp_path / "map.png", "a $^ map$", "trust $_{ $")
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.size[0] > 1000


def test_names_of_all_kinds_are_drawn(tmp_path: Path) -> None:
    names = ("_hidden", "曲\x00\ufffe")
    colouring = Colouring("artist", names, np.array([0, 1]), np.empty(0, np.float32))
    labels = ["bell \x07 and\nnewline", "夜に駆ける"]  # for which no font need be installed
    title = "音楽\x1b[2J -- \ud800"
    for suffix in ("svg", "png", "pdf"):
        draw_map(POINTS, labels, colouring, tmp_path / f"map.{suffix}", title, "by hand")
    text = (tmp_path / "map.svg").read_text()
    ET.fromstring(text)
    for name in ("_hidden (1)", "曲 (1)", "bell and newline", "夜に駆ける"):
        assert f"<!-- {name} -->" in text


def test_a_short_text_is_one_line() -> None:
    assert shorten("a\n b\t\x07c\u3000d", 20) == "a b c d"
    assert shorten("می\u200cخواهم", 20) == "می\u200cخواهم"
    assert shorten("abcdef", 4) == "abc…"
