"""The page of a map: what it holds, and what it does in a real browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import fill_library
from segue.library import Library
from segue.records import Tags

ALBUMS = [Tags(f"{album}{i}", f"by {album}", album) for album in "abcdef" for i in range(5)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def page(tmp_path: Path, library: Callable[[], Library]) -> Path:
    fill_library(tmp_path / "library", ALBUMS)
    lib = library()
    lib.atlas.draw(lib.atlas.map(), tmp_path / "map.html", "album")
    return tmp_path / "map.html"


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8")
    result = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert result is not None
    data: dict[str, Any] = json.loads(result[1])
    return data


def test_each_track_has_its_id_and_its_nearest_neighbours(page: Path) -> None:
    data = data_of(page)
    assert data["ids"] == list(range(1, 31))
    near = np.array(data["near"]).reshape(30, data["nearest"])
    assert near.shape == (30, 10)
    for row, others in enumerate(near.tolist()):
        rows = [other for other in others if other >= 0]
        assert row not in rows
        assert len(set(rows)) == len(rows)


def test_one_file_of_a_recording_is_on_the_map(
    tmp_path: Path, library: Callable[[], Library]
) -> None:
    twice = [*ALBUMS, Tags("a0 again", "by a", "a")]
    fill_library(tmp_path / "library", twice)
    lib = library()
    lib._store._db.execute("UPDATE tracks SET content_hash = 'same' WHERE id IN (1, 31)")
    vector = lib._store.spaces.vector("sound", 1)
    with lib._store.transaction():
        lib._store.spaces.put("sound", 31, vector)
    lib.atlas.draw(lib.atlas.map(), tmp_path / "map.html", "album")
    data = data_of(tmp_path / "map.html")
    assert data["ids"] == list(range(1, 31))
    assert np.array(data["near"]).max() < 30


def in_browser(page: Path, script: str) -> Any:
    """Run a script at the end of a page; return what it gives to `done`."""
    text = page.read_text(encoding="utf-8")
    done = "const done = value => { document.title = JSON.stringify(value); };"
    script = f"requestAnimationFrame(() => setTimeout(() => {{ {done} {script} }}, 50));"
    page.write_text(text.replace("legend();\nlistKeys", script + "\nlegend();\nlistKeys"))
    assert CHROMIUM is not None
    output = subprocess.run(
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu",
            "--virtual-time-budget=2000", f"--user-data-dir={page.parent / 'profile'}",
            "--dump-dom", page.as_uri(),
        ],
        check=True, capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", output.stdout)
    assert title is not None
    return json.loads(title[1].replace("&amp;", "&").replace("&quot;", '"'))


@pytest.mark.slow  # a browser takes seconds to start
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_search_lists_its_results_and_the_keyboard_reaches_them(page: Path) -> None:
    result = in_browser(
        page,
        """
        const key = (on, key) =>
          on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        const names = box => [...box.querySelectorAll(".name")].map(name => name.textContent);
        $("search").focus(); $("search").value = "by c"; search();
        const lines = names($("results"));
        key($("search"), "ArrowDown");
        const first = document.activeElement.dataset.track;
        key(document.activeElement, "ArrowDown");
        const second = document.activeElement.dataset.track;
        document.activeElement.click();
        const near = names($("chosen"));
        key(document.body, "Escape");
        const cleared = [chosen, $("results").children.length];
        plane.focus(); key(plane, "ArrowRight");
        const start = chosen; key(plane, "ArrowLeft");
        const before = chosen, scale = view.scale; key(plane, "+");
        done({ lines, first, second, near, cleared, start, before, zoomed: view.scale > scale,
               marks: marks.map(mark => mark.name), title: $("title").textContent });
        """,
    )
    assert result["lines"][:5] == [f"c{i} – by c" for i in range(5)]
    assert (result["first"], result["second"]) == ("10", "11")
    assert len(result["near"]) == 10
    assert all(" – by " in line for line in result["near"])
    assert result["cleared"] == [-1, 0]
    assert result["start"] >= 0
    assert result["before"] >= 0
    assert result["zoomed"]
    assert sorted(result["marks"]) == list("abcdef")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_dots_are_as_wide_as_they_are_high(page: Path) -> None:
    result = in_browser(
        page,
        """
        hidden.clear(); matches = null; view.scale = 1; const sizes = [];
        for (const radius of [1.5, 3, 4.4, 6, 7.7]) {
          rows = makeRows(radius); words32.fill(empty);
          dot(40, 40, bright[0]);
          const inked = (x, y) => words32[y * width + x] !== empty;
          const across = [], down = [];
          for (let k = 0; k < 80; k++) {
            if (inked(k, 40)) across.push(words32[40 * width + k]);
            if (inked(40, k)) down.push(words32[k * width + 40]);
          }
          sizes.push([radius, across, down]);
        }
        done(sizes);
        """,
    )
    for radius, across, down in result:
        assert across == down == across[::-1]
        assert abs(len(across) - 2 * radius) <= 2
