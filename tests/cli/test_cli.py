import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from conftest import albums_of_three
from segue import Library
from segue.cli import main

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "reference" / "json.schema.json").read_text()
)


def segue(
    *arguments: str | Path, library: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command as a shell would, but within this process, which spares its start."""
    command = ["segue", *map(str, arguments)]
    out, err = _Terminal(), _Terminal()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr(sys, "argv", command)
        if library:
            patched.setenv("SEGUE_LIBRARY", str(library))
        try:
            main()
            code: Any = 0
        except SystemExit as stop:
            code = stop.code
    return subprocess.CompletedProcess(command, code or 0, out.text(), err.text())


class _Terminal(io.TextIOWrapper):
    """What is printed, kept, as UTF-8 like a pipe's."""

    def __init__(self) -> None:
        self._kept = io.BytesIO()
        super().__init__(self._kept, encoding="utf-8", errors="surrogateescape")

    def text(self) -> str:
        self.flush()
        return self._kept.getvalue().decode("utf-8", "surrogateescape")


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
        [
            "like",
            "1",
            "--blend",
            "sound=0.7,metadata=0.3",
            "--among-similar-artists",
            "1",
            "--min-tracks",
            "2",
        ],
        ["like", "1", "--metric", "euclidean"],
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


def test_evaluate_by_distance(tmp_path: Path) -> None:
    albums_of_three(tmp_path)
    document = answer("evaluate", "--metric", "euclidean", library=tmp_path)
    assert document["metric"] == "euclidean"


def test_artists_albums_and_genres(tmp_path: Path) -> None:
    albums_of_three(tmp_path)
    document = answer("like", "a", "--kind", "artist", library=tmp_path)
    assert document["schema"] == "segue.like-groups"
    assert {group["name"] for group in document["groups"]} == {"b", "c"}
    assert segue("like", "a", "--kind", "album", library=tmp_path).returncode == 0


def test_listens_are_imported_and_used(tmp_path: Path) -> None:
    pytest.importorskip("implicit")
    library = tmp_path / "library"
    albums_of_three(library)
    plays = tmp_path / "plays.csv"
    rows = [f"user {user},{track},{user}" for user in range(1, 7) for track in (1, 2, 4 + user % 2)]
    plays.write_text("\n".join([*rows, "me,Nobody - Nothing,3", "me,1,often"]) + "\n")
    document = answer("listens", "import", plays, library=library)
    assert document["schema"] == "segue.listens-import"
    assert document["space"] == {"tracks": 4, "rows": 6, "learned_from": "users", "reason": None}
    assert document["files"][0]["first_broken"][0]["place"] == "line 20"
    assert document["unmatched"] == [{"name": "Nobody - Nothing", "plays": 3}]
    summary = answer("listens", "show", library=library)
    assert summary["schema"] == "segue.listens"
    assert summary["matched_plays"] == 63

    report = segue("listens", "import", plays, library=library).stdout
    assert "0 new plays, 1 broken row" in report
    assert "'often' is no number of plays" in report
    assert "learned from 6 users and holds 4 tracks" in report

    blend = "sound=0.5,listens=0.5"
    hits = answer("like", "1", "--blend", blend, "--min-plays", "1", library=library)["hits"]
    assert {hit["track"]["id"] for hit in hits} == {2, 4, 5}
    table = segue("like", "1", "--blend", blend, library=library).stdout
    assert table.splitlines()[1].split() == [
        "similarity",
        "sound",
        "listens",
        "title",
        "artist",
        "album",
    ]
    lacking = segue("like", "9", "--blend", blend, library=library).stdout
    assert "listens does not know the query" in lacking


def test_a_history_that_cannot_be_read_fails(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n")
    document = answer("listens", "import", tmp_path / "x.csv", library=tmp_path / "lib", code=1)
    assert "Segue reads: CSV" in document["failures"][0]["reason"]
    assert document["space"]["reason"] == "no track of this library was listened to"


def test_export(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "vectors.npz"
    assert answer("export", "vectors", "-o", target, library=filled)["tracks"] == 6
    with np.load(target, allow_pickle=False) as arrays:
        assert arrays["vectors"].shape[0] == len(arrays["ids"]) == len(arrays["paths"]) == 6
        assert all(Path(path).exists() for path in arrays["paths"])


def test_vectors_are_exported_as_a_table(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "vectors.csv"
    done = segue("export", "vectors", "--space", "tags", "-o", target, library=filled)
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(target.read_text(encoding="utf-8").splitlines()))
    assert rows[0][:4] == ["id", "path", "1", "2"]
    with Library.open(filled) as lib:
        ids, vectors = lib.vectors("tags")
        paths = [str(track.path) for track in lib.tracks()]
    assert [int(row[0]) for row in rows[1:]] == ids.tolist()
    assert [row[1] for row in rows[1:]] == paths
    assert np.allclose([[float(x) for x in row[2:]] for row in rows[1:]], vectors, atol=1e-5)
    refused = segue("export", "vectors", "-o", tmp_path / "vectors.txt", library=filled)
    assert "name a file that ends in .npz, .csv" in refused.stderr
    assert refused.returncode == 2


@pytest.mark.parametrize("ending", ["m3u8", "m3u", "pls", "xspf", "json", "html"])
def test_every_command_writes_every_playlist_format(
    filled: Path, tmp_path: Path, ending: str
) -> None:
    for command in (
        ("like", "1"),
        ("like", "--tags", "sad"),
        ("path", "1", "6", "-n", "4"),
        ("playlist", "--like", "1", "-n", "3"),
    ):
        target = tmp_path / "new" / command[0] / f"list.{ending}"
        done = segue(*command, "-o", target, library=filled)
        assert done.returncode == 0, done.stderr
        assert target.stat().st_size > 0
        assert " tracks to " in done.stdout
    folder = tmp_path / "groups"
    done = segue("groups", "-k", "2", "-o", folder, "--format", ending, library=filled)
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob(f"*.{ending}"))) == 2


def test_results_name_the_query_and_give_reasons(filled: Path) -> None:
    out = segue("like", "1", library=filled).stdout
    with Library.open(filled) as lib:
        title = lib.find(1)[0].tags.title
    assert out.startswith(f"Like {title}")
    assert "both: " in out
    hits = answer("like", "1", library=filled)["hits"]
    for hit in hits:
        unnamed = sum(reason["share"] for reason in hit["reasons"] if reason["name"] == "other")
        assert abs(unnamed) <= abs(hit["similarity"]) / 2 + 1e-6
        assert all(reason["says"] and reason["family"] for reason in hit["reasons"])
    assert "Like paniq" in segue("like", "paniq", library=filled).stdout
    far = segue("like", "1", "6", library=filled).stdout
    assert far.startswith("Like ")


def test_a_playlist_has_relative_paths(filled: Path, tmp_path: Path) -> None:
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
        (["like", "1", "--year", "old"], 2, "'old' is not understood; give it as 1995, 1990-1999"),
        (["like", "1", "--bpm", "fast"], 2, "'fast' is not understood; give it as 118-126"),
        (["like", "1", "--year", "1999-1990"], 2, "runs backwards"),
        (["like", "1", "--at", "soon"], 2, "the passage 'soon' is not understood"),
        (["like", "1", "--space", "outer"], 1, "no space is called 'outer'; there are: features"),
        (["like", "--tags", "sadd"], 2, "did you mean 'sad'"),
        (["like", "1", "-n", "0"], 2, "Invalid value for '-n'"),
        (["like", "1", "--blend", "sound=x"], 2, "'sound=x' is not understood"),
        (["like", "1", "--blend", "sound,sound"], 2, "there twice in the blend"),
        (["like", "1", "--blend", "smell"], 1, "no space is called 'smell'"),
        (["like", "1", "--blend", "sound", "--space", "tags"], 2, "no space or metric"),
        (["like", "1", "--metric", "manhattan"], 2, "Invalid value for '--metric'"),
        (["like", "1", "--metric", "euclidean", "--minus", "2"], 2, "goes with the cosine"),
        (["like", "1", "--kind", "mood"], 2, "not one of 'artist', 'album', 'genre'"),
        (["like", "1", "--kind", "artist"], 1, "nothing here has 3 tracks"),
        (["like", "1", "--kind", "artist", "--year", "1990"], 2, "--kind goes with -n"),
        (["like", "--tags", "sad", "--blend", "sound"], 2, "--tags goes without"),
        (["like", "1", "--min-plays", "1"], 2, "nothing is known of plays"),
        (["show", "99"], 1, "nothing in the library"),
        (["add", "/not/there"], 2, "there is no file or folder /not/there"),
        (["nonsense"], 2, "No such command"),
        (["like", "1", "-o", "/dev/null/list.m3u8"], 2, "cannot be written"),
        (["like", "1", "-o", "list.doc"], 2, "is no playlist; name it .m3u8, .m3u, .pls, .xspf"),
        (["like", "1", "--kind", "artist", "--kind", "album"], 2, "one kind at a time"),
        (["like", "randomnass decides"], 1, "did you mean 'Randomness Decides' by paniq"),
        (["like", "--genre", "polka"], 1, "no genre of the library is called 'polka'"),
        (["like", "1", "--tags", "sad", "--metric", "euclidean"], 2, "--tags goes without"),
        (["evaluate"], 2, "no label has 3 tracks"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line(filled: Path, arguments: list[str], code: int, message: str) -> None:
    done = segue(*arguments, library=filled)
    assert message in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_damaged_library_is_reported(tmp_path: Path) -> None:
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


def test_map_groups_dendrogram_outliers_and_duplicates(tmp_path: Path) -> None:
    library = tmp_path / "library"
    albums_of_three(library)
    page = tmp_path / "map.html"
    document = answer("map", "-o", page, "--colour", "album", library=library)
    assert len(document["points"]) == 9
    assert str(tmp_path) not in page.read_text()
    answer("map", "-o", tmp_path / "map.svg", "--update", "--colour", "year", library=library)
    groups = answer("groups", "-k", "3", "--m3u", tmp_path / "groups", library=library)
    assert sorted(len(group["tracks"]) for group in groups["groups"]) == [3, 3, 3]
    assert len(list((tmp_path / "groups").glob("*.m3u8"))) == 3
    tree = answer("tree", "-o", tmp_path / "tree.nwk", "--level", "album", library=library)
    assert len(tree["leaves"]) == 3
    assert answer("outliers", "-n", "2", library=library)["outliers"]
    twins = answer("twins", library=library)
    assert (twins["twins"], twins["versions"], len(twins["failures"])) == ([], [], 9)
    assert answer("twins", "--no-versions", library=library)["versions"] is None


def test_paths_playlists_and_taste(tmp_path: Path) -> None:
    library = tmp_path / "library"
    albums_of_three(library)
    page = tmp_path / "journey.html"
    document = answer("path", "1", "9", "-n", "5", "-o", page, library=library)
    assert [row["track"]["id"] for row in document["tracks"]][::4] == [1, 9]
    assert str(tmp_path) not in page.read_text()
    arguments = ("playlist", "--like", "1", "-n", "4", "--seed", "7", "-o", tmp_path / "list.xspf")
    first, again = (answer(*arguments, library=library) for _ in range(2))
    assert first == again
    assert first["seed"] == 7
    assert answer("love", "1", library=library)["loved"][0]["id"] == 1
    assert answer("skip", "2", library=library)["skipped"][0]["id"] == 2
    assert [t["id"] for t in answer("taste", library=library)["loved"]] == [1]
    assert answer("forget", "1", library=library)["forgotten"][0]["id"] == 1
    tags = answer("tags", "write", "--bpm", "--dry-run", library=library, code=1)
    assert len(tags["failures"]) == 9  # these files are not there


@pytest.fixture(scope="module")
def nine_tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nine")
    albums_of_three(folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["map", "--space", "nonsense"], "there are: "),
        (["map", "--colour", "smell"], "cannot be coloured by 'smell'"),
        (["map", "--colour", "tag:ambeint"], "did you mean 'ambient'"),
        (["map", "-o", "map.doc"], "name a file that ends in .html"),
        (["map", "-o", "no such folder/map.html"], "cannot be written"),
        (["map", "-o", "m.png", "--embed-previews"], "belongs to a page"),
        (["map", "--perplexity", "50"], "must be from 1 to"),
        (["groups", "-k", "many"], "a number of groups, or auto"),
        (["tree", "-o", "tree.txt"], "name a file that ends in .html"),
        (["path", "1", "nobody at all"], "nothing in the library is called"),
        (["path", "a", "1"], "names 3 tracks"),
        (["playlist"], "say what it should be like"),
        (["playlist", "--like", "1", "-o", "list.doc"], "is no playlist"),
        (["love"], "name at least one track"),
        (["tags", "write"], "say what to write"),
        (["tags", "undo"], "not undone yet"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_say_what_to_do(
    arguments: list[str],
    message: str,
    nine_tracks: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["segue", *arguments])
    monkeypatch.setenv("SEGUE_LIBRARY", str(nine_tracks))
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in {1, 2}
    assert message in capsys.readouterr().err


# ---- as a shell runs it -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [(["spaces"], 0, ""), (["like", "nobody"], 1, "nobody"), (["like", "1", "-n", "x"], 2, "-n")],
)
def test_the_program_itself(filled: Path, arguments: list[str], code: int, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "segue", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"SEGUE_LIBRARY": str(filled)},
    )
    assert done.returncode == code
    assert message in done.stderr
    assert bool(done.stdout) == (code == 0)


def test_a_closed_pipe_is_no_error(filled: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m segue list --json | head -c 1"
    env = os.environ | {"SEGUE_LIBRARY": str(filled)}
    done = subprocess.run(command, shell=True, capture_output=True, check=False, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{", b"")
