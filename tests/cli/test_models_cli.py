"""Models that a user learns: named apart from those that come with Segue, listed, taken out."""

from pathlib import Path

import numpy as np
import pytest
from test_cli import answer, segue

from conftest import little_score, write_score
from explain_models import made_model
from segue.cli import train
from segue.generate.notes.network import MODEL as NOTES
from segue.library import Library
from segue.records import Space
from segue.training.models import BUNDLED_NAMES, check_run
from verses import song


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of a score, and of a model of notes."""
    folder = tmp_path_factory.mktemp("models")
    write_score(folder / "1.mid", little_score(1))
    library = folder / "library"
    assert segue("add", folder, "--workers", "1", library=library).returncode == 0
    file = library / "models" / "my-notes" / NOTES
    file.parent.mkdir(parents=True)
    made_model().save(file)
    return library


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["score", "--preset", "note-lstm"], "my-notes"),
        (["score", "--preset", "transformer"], "my-composer"),
        (["score", "--preset", "melody"], "my-melodies"),
        (["score"], "learned-rolls"),
        (["sound"], "learned"),
        *(
            (["sound", "--preset", preset], preset)
            for preset in ("conv", "plain-2d", "dual-axis", "contrastive")
        ),
        (["lyrics"], "my-lyrics"),
    ],
)
def test_trained_models_have_names_of_their_own(
    library: Path, arguments: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = []
    monkeypatch.setattr(train, "_train", lambda name, *_, **__: named.append(name))
    assert segue("train", *arguments, library=library).returncode == 0
    assert named == [name]
    with Library.open(library) as lib:
        check_run(lib._store, name, resume=False, restart=False, file=NOTES)


def _own(library: Path) -> dict[str, dict[str, object]]:
    listed = answer("models", library=library)["models"]
    return {model["name"]: model for model in listed if model["own"]}


def test_a_user_trained_model_does_not_replace_the_shipped_one(library: Path) -> None:
    shipped = answer("explain", "0.5", library=library.parent / "none")
    assert answer("explain", "0.5", library=library) == shipped
    assert (
        "answered by the model that comes with Segue"
        in segue("explain", "0.5", library=library).stdout
    )
    done = segue("explain", "0.5", "--model", "my-notes", library=library)
    assert "answered by the model 'my-notes', trained on this library" in done.stdout
    own = _own(library)["my-notes"]
    assert own["kind"] == "notes"
    assert own["used_by"] == "segue explain --model my-notes"
    assert own["note"] == ""


def test_an_older_librarys_model_of_a_shipped_name_is_used_until_removed(
    library: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    with Library.open(older):
        pass
    own = older / "models" / "note-lstm" / NOTES
    own.parent.mkdir(parents=True)
    own.write_bytes((library / "models" / "my-notes" / NOTES).read_bytes())
    shipped = answer("explain", "0.5", library=tmp_path / "none")["explained"]
    assert answer("explain", "0.5", library=older)["explained"] != shipped
    done = segue("explain", "0.5", library=older)
    assert "answered by the model 'note-lstm', trained on this library" in done.stdout
    assert answer("explain", "0.5", "--model", "shipped", library=older)["explained"] == shipped
    assert "--model shipped" in str(_own(older)["note-lstm"]["note"])
    answer("models", "remove", "note-lstm", library=older)
    assert answer("explain", "0.5", library=older)["explained"] == shipped
    assert not own.parent.exists()


@pytest.mark.parametrize("name", [*BUNDLED_NAMES, "roll-vae", "sound", "listens"])
@pytest.mark.parametrize(
    "training",
    [
        ["score", "--preset", "note-lstm", "--space"],
        ["score", "--preset", "transformer", "--space"],
        ["score", "--preset", "melody", "--space"],
        ["score", "--space"],
        ["lyrics", "--name"],
    ],
    ids=" ".join,
)
def test_names_of_shipped_models_are_refused(library: Path, training: list[str], name: str) -> None:
    done = segue("train", *training, name, library=library)
    assert done.returncode == 2, done.stdout
    assert "another name" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_names_taken_by_another_kind_are_refused(library: Path) -> None:
    done = segue("train", "score", "--preset", "melody", "--space", "my-notes", library=library)
    assert done.returncode == 2
    assert "taken by a model of another kind (note-lstm)" in done.stderr


def test_leftovers_are_listed_and_removed(tmp_path: Path) -> None:
    older = tmp_path / "library"
    with Library.open(older):
        pass
    for name, file in (("empty", None), ("broken", NOTES), ("apart", "space.safetensors")):
        (older / "models" / name).mkdir(parents=True)
        if file:
            (older / "models" / name / file).write_bytes(b"none")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep.txt").write_text("kept")
    (older / "models" / "link").symlink_to(outside)
    own = _own(older)
    assert set(own) == {"empty", "broken", "apart", "link"}
    assert all("segue models remove" in str(model["note"]) for model in own.values())
    assert "damaged" in str(own["broken"]["note"])
    for name in own:
        assert segue("models", "remove", name, library=older).returncode == 0
    assert _own(older) == {}
    assert (outside / "keep.txt").exists()


@pytest.mark.parametrize("name", ["note-lstm", "shipped", "sound", "none", "..", "../.."])
def test_only_trained_models_are_removed(library: Path, name: str) -> None:
    done = segue("models", "remove", name, library=library)
    assert done.returncode == 1
    assert "my-notes" in done.stderr
    assert (library / "segue.db").exists()


def test_a_trained_space_is_removed_with_its_vectors(library: Path) -> None:
    with Library.open(library) as lib, lib._store.transaction():
        lib._store.spaces.replace_trained(Space("mine", "score", 2, "cosine", "0", 1))
        lib._store.spaces.put("mine", 1, np.ones(2, np.float32))
    assert _own(library)["mine"]["kind"] == "space of score"
    assert "model is gone" in str(_own(library)["mine"]["note"])
    assert segue("models", "remove", "mine", library=library).returncode == 0
    assert "mine" not in {s["name"] for s in answer("spaces", library=library)["spaces"]}
    assert segue("like", "1", library=library).returncode == 0


def test_artists_whose_names_differ_in_punctuation_have_models_apart(tmp_path: Path) -> None:
    artists = ("AC/DC", "AC DC", "Beyoncé", "Beyonce", "Robert Burns")
    for artist in artists:
        folder = tmp_path / artist.replace("/", "_")
        folder.mkdir()
        for number in range(4):
            (folder / f"{number}.csv").write_text(
                f'artist,title,lyrics\n"{artist}",S{number},"{song("Ada Long", number)} {artist}"\n'
            )
    library = tmp_path / "library"
    added = segue("add", *tmp_path.iterdir(), "--workers", "1", library=library)
    assert added.returncode == 0, added.stderr
    with Library.open(library) as lib:
        names = [lib.lyrics.model_name(artist) for artist in artists]
        assert len({*names}) == len(artists)
        assert lib.lyrics.model_name("Robert Burns") == "lyrics-robert-burns"
        assert lib.lyrics.model_name("") == "my-lyrics"
