"""Encoders in the format of transformers as spaces, with tiny models made on the spot."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conftest import tune, write_sound
from encoder_models import make_clap, make_wav2vec
from segue.errors import BadArgument, NotFound, SegueError
from segue.library import Library
from segue.nn.pretrained import quiet_transformers
from segue.training import hub


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    with quiet_transformers():
        make_clap(folder / "clap")
        make_wav2vec(folder / "wav2vec")
    return folder


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    (folder / "music").mkdir()
    for seed in range(3):
        write_sound(folder / "music" / f"{seed}.wav", tune(seed, 12.0, 16_000), 16_000)
    with Library.open(folder / "library") as lib:
        lib.add([folder / "music"], workers=1)
    return folder


@pytest.fixture
def library(filled_once: Path, tmp_path: Path) -> Iterator[Library]:
    shutil.copytree(filled_once, tmp_path / "copy")
    with Library.open(tmp_path / "copy" / "library") as lib:
        yield lib


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a folder was named, and the network is used")

    monkeypatch.setattr("socket.socket.connect", refuse)


def test_clap_finds_recordings_by_text_and_by_sound(library: Library, models: Path) -> None:
    added = library.learning.add_space("clap", str(models / "clap"), workers=1)
    assert (added.tracks, added.embeds_text, added.space.dimension) == (3, True, 8)
    ids, vectors = library.vectors("clap")
    text = hub.embed_text(library._store, "clap", "calm piano, oboe in the rain")
    hits = library.like("calm piano, oboe in the rain", space="clap")
    cosines = dict(zip(ids.tolist(), (vectors @ text).tolist(), strict=True))
    assert [hit.track.id for hit in hits] == sorted(cosines, key=lambda track: -cosines[track])
    assert hits[0].similarity == pytest.approx(max(cosines.values()), abs=1e-5)
    assert library.read_queries("oboe", space="clap").text == "oboe"
    assert library.read_queries(1, space="clap").names == (1,)
    assert [hit.track.id for hit in library.like(1, space="clap")].count(1) == 0
    with pytest.raises(BadArgument, match="without a track"):
        library.like(1, "text:oboe", space="clap")


def test_an_audio_encoder_is_a_space_of_sound(library: Library, models: Path) -> None:
    added = library.learning.add_space("speech", str(models / "wav2vec"), workers=1)
    assert (added.tracks, added.embeds_text, added.space.dimension) == (3, False, 12)
    file = library.tracks()[0].path
    (hit, *_) = library.like(file, space="speech", n=1)
    assert hit.track.id != 1
    with pytest.raises(SegueError):
        library.like("an unknown sound", space="speech")


def test_it_is_resumed_kept_current_and_removed(library: Library, models: Path) -> None:
    stopped = 0

    def stop(*_: int) -> None:
        nonlocal stopped
        stopped += 1
        if stopped == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.learning.add_space("clap", str(models / "clap"), workers=1, watch=stop)
    assert 0 < len(library.vectors("clap")[0]) < 3
    assert library.learning.add_space("clap", str(models / "clap"), workers=1).tracks == 3
    music = library.tracks()[0].path.parent
    write_sound(music.parent / "new.wav", tune(9, 12.0, 16_000), 16_000)
    assert library.add([music.parent / "new.wav"], workers=1).failures == []
    assert len(library.vectors("clap")[0]) == 4
    assert library.learning.update_spaces(workers=1) == []
    assert library.learning.remove("clap").kind == "space of sound"
    assert "clap" not in {info.space.name for info in library.spaces()}


def test_a_changed_or_lost_model_is_said(library: Library, models: Path, tmp_path: Path) -> None:
    model = shutil.copytree(models / "wav2vec", tmp_path / "model")
    library.learning.add_space("mine", str(model), workers=1)
    new = write_sound(tmp_path / "new.wav", tune(9, 12.0, 16_000), 16_000)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"hidden_dropout": 0.0}))
    with pytest.raises(SegueError, match="has changed since"):
        library.like(new, space="mine")
    shutil.rmtree(model)
    (failure,) = library.add([new], workers=1).failures
    assert "cannot be read" in failure.reason
    assert library.like(1, space="mine")  # what is in the space is still searched


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nothing", "there is no"),
        ("empty", "no config.json"),
        ("pickle", "a pickle, which can execute code"),
        ("half", "cannot be loaded|is damaged"),
        ("code", "needs code of its own"),
        ("text model", "without a feature extractor"),
        ("no extractor", "without a feature extractor"),
        ("lacking", "lacks the weights"),
    ],
)
def test_a_wrong_model_is_refused_in_one_line(
    change: str, message: str, library: Library, models: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(models / "wav2vec", tmp_path / "model")
    weights = model / "model.safetensors"
    config = json.loads((model / "config.json").read_text())
    if change == "nothing":
        shutil.rmtree(model)
    elif change == "empty":
        shutil.rmtree(model)
        model.mkdir()
    elif change == "pickle":
        weights.rename(model / "pytorch_model.bin")
    elif change == "half":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif change == "code":
        config["auto_map"] = {"AutoModel": "modeling.MyModel"}
    elif change == "text model":
        config |= {"model_type": "bert", "architectures": ["BertModel"]}
        (model / "preprocessor_config.json").unlink()
    elif change == "no extractor":
        (model / "preprocessor_config.json").unlink()
    else:
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        kept = {name: value for name, value in tensors.items() if "layers.1" not in name}
        save_file(kept, weights, metadata={"format": "pt"})
    if model.exists() and change != "empty":
        (model / "config.json").write_text(json.dumps(config))
    with pytest.raises((BadArgument, NotFound), match=message) as caught:
        library.learning.add_space("mine", str(model), workers=1)
    assert "\n" not in str(caught.value)
    assert "mine" not in {info.space.name for info in library.spaces()}


def test_a_name_that_is_taken_is_refused(library: Library, models: Path) -> None:
    with pytest.raises(BadArgument, match="choose another name"):
        library.learning.add_space("sound", str(models / "wav2vec"))


def test_windows_cover_short_and_long_excerpts(models: Path) -> None:
    from segue.audio.hub_encoder import HubEncoder

    encoder = HubEncoder(models / "wav2vec")
    rng = np.random.default_rng(0)
    for seconds in (0.02, 0.5, 3.0, 25.0):
        sound = rng.normal(0, 0.1, round(16_000 * seconds)).astype(np.float32)
        assert encoder.embed([sound]).shape == (12,)
    halves = [rng.normal(0, 0.1, 160_000).astype(np.float32) for _ in range(2)]
    apart = np.mean([encoder.embed([half]) for half in halves], axis=0)
    assert encoder.embed([np.concatenate(halves)]) == pytest.approx(apart, abs=1e-4)
