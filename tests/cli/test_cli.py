import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from conftest import albums_of_three

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "reference" / "json.schema.json").read_text()
)


def segue(
    *arguments: str | Path, library: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "segue", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | ({"SEGUE_LIBRARY": str(library)} if library else {}),
    )


def answer(*arguments: str | Path, library: Path, code: int = 0) -> Any:
    """Run a command with --json, and hold what it prints to the schema."""
    done = segue(*arguments, "--json", library=library)
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return document


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["show", "1"],
        ["like", "1"],
        ["like", "paniq", "--minus", "1", "-n", "2", "--space", "features"],
        ["like", "--tags", "ambient, electronic"],
        ["failures"],
        ["spaces"],
    ],
    ids=" ".join,
)
def test_json_keeps_to_its_schema(filled: Path, arguments: list[str]) -> None:
    document = answer(*arguments, library=filled)
    assert document["schema"] == f"segue.{arguments[0]}"


def test_show_has_every_classic_feature(filled: Path) -> None:
    features = answer("show", "1", library=filled)["tracks"][0]["features"]
    for name in (
        "sample_rate_hz", "channels", "samples", "duration_s", "tempo_bpm",
        "beat_interval_mean_s", "beat_interval_std_s", "rolloff_hz", "zero_crossing_rate_mean",
        "zero_crossing_rate_range", "tonic", "key", "tonic_distance_z",
    ):  # fmt: skip
        assert name in features


def test_add_list_remove_prune(collection: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    shutil.copy(collection / "zaz-data" / "mus1.ogg", music / "one.ogg")
    (music / "bad.mp3").write_bytes(b"")
    library = tmp_path / "library"
    added = answer("add", music, library=library, code=1)
    assert added["added"] == 1
    assert added["failures"][0]["reason"] == "empty file"
    assert answer("add", music, library=library)["failed_before"] == 1
    assert answer("failures", library=library)["failures"][0]["path"].endswith("bad.mp3")
    (music / "one.ogg").unlink()
    assert answer("prune", library=library, code=2)["error"] == "BadArgument"
    assert len(answer("prune", "--really", library=library)["removed"]) == 1


def test_evaluate(tmp_path: Path) -> None:
    albums_of_three(tmp_path)
    document = answer("evaluate", "--by", "album", library=tmp_path)
    assert {row["space"] for row in document["spaces"]} == {"sound", "musicnn", "features", "tags"}
    assert segue("evaluate", library=tmp_path).returncode == 0


def test_export(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "vectors.npz"
    assert answer("export", "vectors", "-o", target, library=filled)["tracks"] == 6
    with np.load(target, allow_pickle=False) as arrays:
        assert arrays["vectors"].shape[0] == len(arrays["ids"]) == len(arrays["paths"]) == 6
        assert all(Path(path).exists() for path in arrays["paths"])


def test_a_playlist_plays_from_where_it_lies(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "list.m3u8"
    segue("like", "1", "-n", "3", "--m3u", target, library=filled)
    lines = target.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    files = [line for line in lines if not line.startswith("#")]
    assert len(files) == 3
    assert all((tmp_path / file).exists() for file in files)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["like", "polka"], 1, "nothing in the library is called 'polka'"),
        (["like"], 2, "say what it should be like"),
        (["like", "1", "--year", "old"], 2, "'old' is no range"),
        (["like", "1", "--year", "1999-1990"], 2, "runs backwards"),
        (["like", "1", "--at", "soon"], 2, "no passage"),
        (["like", "1", "--space", "outer"], 1, "no space is called 'outer'; there are: features"),
        (["like", "--tags", "sadd"], 2, "did you mean 'sad'"),
        (["like", "1", "-n", "0"], 2, "Invalid value for '-n'"),
        (["show", "99"], 1, "nothing in the library"),
        (["add", "/not/there"], 2, "there is no file or folder /not/there"),
        (["nonsense"], 2, "No such command"),
        (["like", "1", "--m3u", "/not/there/list.m3u8"], 2, "cannot write the playlist"),
        (["evaluate"], 2, "no label has 3 tracks"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_answered_in_one_line(
    filled: Path, arguments: list[str], code: int, message: str
) -> None:
    done = segue(*arguments, library=filled)
    assert message in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_damaged_library_is_told(tmp_path: Path) -> None:
    (tmp_path / "segue.db").write_bytes(b"not a database " * 100)
    done = segue("list", library=tmp_path)
    assert done.returncode == 1
    assert "cannot be read as a library" in done.stderr


def test_names_of_any_bytes_are_shown(collection: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    name = os.fsencode(music) + b"/caf\xe9.ogg"
    shutil.copy(os.fsencode(collection / "zaz-data" / "mus1.ogg"), name)
    library = tmp_path / "library"
    assert segue("add", music, library=library).returncode == 0
    track = answer("list", library=library)["tracks"][0]
    assert track["path"].endswith("caf\ufffd.ogg")
    assert track["uri"].endswith("/caf%E9.ogg")
    assert segue("show", "1", library=library).returncode == 0
    assert segue("list", library=library).returncode == 0


def test_the_version() -> None:
    from segue import __version__

    assert segue("--version").stdout == f"segue {__version__}\n"
