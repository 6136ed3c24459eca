"""`segue list`: which tracks, in which order, with what of them."""

from pathlib import Path

import pytest
from test_cli import answer, segue

from conftest import fill_library
from segue.records import Tags


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tracks."""
    folder = tmp_path_factory.mktemp("library")
    fill_library(
        folder,
        [
            Tags("Beta", "Österreich", "One", genre="Ambient; Dub", year=1995),
            Tags("alpha", "Anna", "One", genre="Metal", year=2003),
            Tags("Gamma", "Bert", "", genre="ambient"),
            Tags("Delta", "Anna", "Two", year=1991),
        ],
    )
    return folder


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ([], [1, 2, 3, 4]),
        (["anna"], [2, 4]),
        (["one", "osterreich"], [1]),
        (["nobody"], []),
        (["--artist", "anna", "--artist", "bert"], [2, 3, 4]),
        (["--genre", "ambient"], [1, 3]),
        (["--genre", "ambient", "--year", "90s"], [1]),
        (["--year", "1990-", "anna"], [2, 4]),
        (["--kind", "score"], []),
        (["--bpm", "100-140"], []),
        (["--sort", "title"], [2, 1, 4, 3]),
        (["--sort", "-title"], [3, 4, 1, 2]),
        (["--sort", "artist"], [2, 4, 3, 1]),
        (["--sort", "year"], [4, 1, 2, 3]),
        (["--sort", "-year"], [2, 1, 4, 3]),  # what says nothing is last either way
        (["--sort", "album"], [1, 2, 4, 3]),
        (["--sort", "bpm"], [1, 2, 3, 4]),
    ],
)
def test_filters_and_sort_order(library: Path, arguments: list[str], ids: list[int]) -> None:
    tracks = answer("list", *arguments, library=library)["tracks"]
    assert [track["id"] for track in tracks] == ids


def test_columns(library: Path) -> None:
    output = segue("list", "--columns", "year, title,kind,bpm", "alpha", library=library).stdout
    assert output.startswith("1 track")
    assert output.split()[2:] == ["year", "title", "kind", "bpm", "2003", "alpha", "sound"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--columns", "title,colour"], "no column 'colour'; there are id, kind"),
        (["--sort", "-mood"], "no column 'mood'"),
        (["--kind", "songs"], "not one of 'sound', 'score', 'lyrics'"),
        (["--year", "soon"], "'soon' is not understood"),
    ],
)
def test_invalid_arguments_are_refused(library: Path, arguments: list[str], message: str) -> None:
    done = segue("list", *arguments, library=library)
    assert (done.returncode, message in done.stderr) == (2, True)
