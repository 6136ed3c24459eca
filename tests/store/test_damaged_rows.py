import sqlite3
from pathlib import Path

import numpy as np
import pytest

from segue.errors import LibraryDamaged, Unstorable
from segue.records import Analysis, FileState, Space, Tags
from segue.store import DATABASE, Store

SPACE = Space("sound", "sound", 3, "cosine", "m", 1)


def analysis(
    vector: tuple[float, ...] = (1, 0, 0), facts: dict[str, float | str] | None = None
) -> Analysis:
    prints = np.zeros(1, np.uint32)
    return Analysis({"sound": np.array(vector, np.float32)}, facts or {}, prints, 30.0)


def filled(folder: Path) -> None:
    store = Store(folder, [SPACE])
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(b"/music")
        facts: dict[str, float | str] = {"tempo_bpm": 120.0, "key": "C", "bars": 4}
        store.add_track(b"/music/a.mp3", FileState(1, 1), "0f", Tags("t"), analysis(facts=facts))
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "facts = '{'",
        "facts = '[1]'",
        "facts = 'null'",
        """facts = '{"tempo_bpm": [1, {}]}'""",
        """facts = '{"tempo_bpm": null}'""",
        "facts = replace(hex(zeroblob(50000)), '00', '[')",
        "facts = x'ff00'",
        "kind = 'odd'",
        "kind = x'ff'",
        "year = 'abc'",
        "track_number = 'one'",
        "duration_s = 'x'",
        "title = x'ff00'",
        "artist = x''",
        "path = x'ff00'",
        "missing = 'x'",
        "tune = 1.5",
    ],
)
def test_a_damaged_row_is_named(damage: str, tmp_path: Path) -> None:
    filled(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute(f"UPDATE tracks SET {damage}")
    database.close()
    store = Store(tmp_path, [SPACE])
    with pytest.raises(LibraryDamaged, match="track 1 is not as it was stored"):
        store.tracks()
    store.close()


@pytest.mark.parametrize(
    "change", ["year = NULL", "year = 1999", "title = '♪'", """facts = '{"a": 1, "b": "c"}'"""]
)
def test_a_row_that_may_be_so_is_read(change: str, tmp_path: Path) -> None:
    filled(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute(f"UPDATE tracks SET {change}")
    database.close()
    store = Store(tmp_path, [SPACE])
    assert len(store.tracks()) == 1
    store.close()


@pytest.mark.parametrize(
    "bad",
    [
        analysis((1, float("nan"), 0)),
        analysis((float("inf"), 0, 0)),
        analysis(facts={"tempo_bpm": float("nan")}),
        analysis(facts={"tempo_bpm": -float("inf")}),
    ],
)
def test_what_is_not_finite_is_not_stored(bad: Analysis, tmp_path: Path) -> None:
    """One such vector, or number in JSON, would be met by every question."""
    filled(tmp_path)
    store = Store(tmp_path, [SPACE])
    with store.transaction(), pytest.raises(Unstorable, match="not finite"):
        store.add_track(b"/music/b.mp3", FileState(1, 1), "1f", Tags("u"), bad)
    assert len(store.tracks()) == 1
    store.close()


def test_a_link_to_nothing_is_no_new_library(tmp_path: Path) -> None:
    """The disk that it leads to is not there, say."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / DATABASE).symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(LibraryDamaged, match=r"is a link to nothing, .*elsewhere\.db"):
        Store(tmp_path / "library", [SPACE])
    assert not (tmp_path / "elsewhere.db").exists()
