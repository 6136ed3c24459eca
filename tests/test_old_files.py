"""Models, interrupted runs and a library that version 0.1 wrote: they load, and answer alike."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

import old_files
from segue.errors import BadCheckpoint
from segue.generate.harmony.chord_network import load_chord_network

OLD = Path(__file__).parent / "data" / "version_0_1"
ANSWERS = dict(np.load(OLD / "answers.npz"))
#: The tables of the hidden Markov model that the chord network replaced; no user has made any.
RETIRED = "models/chords/chords"
NAMES = sorted({name.rpartition("/")[0] for name in ANSWERS} - {RETIRED})


def unpacked(what: str, folder: Path) -> Path:
    with tarfile.open(OLD / f"{what}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("models", tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("runs", tmp_path_factory.mktemp("runs"))


def check(answers: old_files.Answers, name: str, tolerance: float) -> None:
    expected = {
        figure: value
        for whole, value in ANSWERS.items()
        for owner, _, figure in [whole.rpartition("/")]
        if owner == name
    }
    assert answers.keys() == expected.keys()
    for figure, value in expected.items():
        found = answers[figure]
        assert found.shape == value.shape, figure
        if np.issubdtype(value.dtype, np.floating):
            np.testing.assert_allclose(
                found,
                value,
                rtol=tolerance,
                atol=tolerance * np.abs(value).max(initial=0),
                err_msg=figure,
            )
        else:
            assert np.array_equal(found, value), figure


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("models/")])
def test_an_old_model_answers_as_it_did(name: str, models: Path) -> None:
    _, kind, file = name.split("/")
    # Transformers of lyrics are evaluated in bfloat16.
    tolerance = 1e-3 if name == "models/lyrics/transformer" else 1e-4
    check(old_files.MODELS[kind](models / kind / f"{file}.safetensors"), name, tolerance)


@pytest.mark.parametrize("kind", old_files.RUNS)
def test_an_old_run_goes_on_to_the_same_end(
    kind: str, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_files.small(monkeypatch)
    check(old_files.resumed(kind, runs / kind), f"runs/{kind}", 1e-3)


def test_an_old_library_answers_as_it_did(tmp_path: Path) -> None:
    check(old_files.library(unpacked("library", tmp_path)), "library", 1e-4)


def test_there_is_an_old_file_of_every_kind(models: Path) -> None:
    files = {f"models/{path.relative_to(models).with_suffix('')}" for path in models.rglob("*.*")}
    assert files - {RETIRED} == {name for name in NAMES if name.startswith("models/")}
    assert {name.split("/")[1] for name in files - {RETIRED}} == set(old_files.MODELS)


def test_old_chord_tables_are_refused_in_one_line(models: Path) -> None:
    path = models / "chords" / "chords.safetensors"
    with pytest.raises(BadCheckpoint, match="holds a 'chord paths', expected a 'chord network'"):
        load_chord_network(path)
