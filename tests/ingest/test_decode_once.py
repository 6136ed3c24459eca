"""Files that are added are decoded once, whatever spaces the library was trained on."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import tune, write_sound
from scores import piece
from segue import Library
from segue.audio.autoencoders import AutoencoderConfig
from segue.audio.contrastive import ContrastiveConfig
from segue.audio.learned_space import LearnedConfig, LearnedSound, build
from segue.builtin_spaces import ROLL_VAE_WEIGHTS
from segue.io.midi import write_midi
from segue.nn.checkpoint import MODEL
from segue.records import FloatArray, Space
from segue.score.vae.model import RollModel
from segue.store import Store
from segue.training.models import model_folder

#: Imported by every Python that starts; writes down the functions that open each file.
SITECUSTOMIZE = """
import sys

def note(event, args):
    if event != "open" or not isinstance(args[0], str | bytes) or "/new/" not in str(args[0]):
        return
    frame, functions = sys._getframe(1), set()
    while frame:
        functions.add(frame.f_code.co_name)
        frame = frame.f_back
    decoded = functions & {"open_recording", "read_scores"}
    if decoded:
        with open("LOG", "a") as log:
            print(args[0], *decoded, file=log)

sys.addaudithook(note)
"""

CONV = AutoencoderConfig("conv", bands=512, frames=32)
#: Untrained networks, and their dimensions, by the name of their space.
NETWORKS = {
    "mel": (LearnedConfig(ContrastiveConfig(), "mel128"), 128),
    "mel-again": (LearnedConfig(ContrastiveConfig(), "mel128", tiles=2), 128),
    "composite": (LearnedConfig(ContrastiveConfig(channels=3), "mel128+mfcc+chroma"), 128),
    "stereo": (LearnedConfig(CONV, "mel512", stereo=True, tiles=1), 1024),
    "activations": (LearnedConfig(ContrastiveConfig(source="musicnn"), "musicnn"), 256),
}
SPACES = [*NETWORKS, "rolls", "sound", "score-features"]


def add_music(folder: Path, seeds: range, times: int = 1) -> None:
    for seed in seeds:
        folder.mkdir(parents=True, exist_ok=True)
        write_sound(
            folder / f"tune {seed}.mp3", np.tile(tune(seed, 11.0), times), channels=1 + seed % 2
        )
        (folder / f"score {seed}.mid").write_bytes(write_midi(piece(seed)))


def add_spaces(store: Store) -> None:
    with store.transaction():
        for name, (config, dimension) in NETWORKS.items():
            torch.manual_seed(0)
            mean, scale = np.zeros(dimension, np.float32), np.ones(dimension, np.float32)
            sound = LearnedSound(config, build(config), mean, scale, {})
            sound.save(model_folder(store, name) / MODEL)
            store.spaces.replace_trained(sound.space(name))
        path = model_folder(store, "rolls") / MODEL
        path.parent.mkdir()
        shutil.copy(ROLL_VAE_WEIGHTS, path)
        rolls = RollModel.load(path)
        store.spaces.replace_trained(
            Space("rolls", "score", rolls.dimension, "cosine", rolls.fingerprint, 1)
        )


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a library of two tracks that has many trained spaces, and new music."""
    folder = tmp_path_factory.mktemp("music")
    add_music(folder / "old", range(1))
    with Library.open(folder / "library") as library:
        library.add([folder / "old"], workers=1)
        add_spaces(library._store)
    add_music(folder / "new", range(10, 12))
    add_music(folder / "new" / "long", range(12, 13), times=10)
    return folder


def vectors(library: Library) -> dict[str, FloatArray]:
    stored = library._store.spaces
    return {name: stored.vectors(name)[1] for name in SPACES}


def test_a_new_file_is_decoded_once(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "opened"
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE.replace("LOG", str(log)))
    monkeypatch.syspath_prepend(str(tmp_path))
    shutil.copytree(music / "library", tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        assert library.add([music / "new"], workers=2).added == 6
        assert {len(of_space) for of_space in vectors(library).values()} == {4}
    decoded = Counter(log.read_text().splitlines())
    assert set(decoded.values()) == {1}
    assert len(decoded) == 6


def test_vectors_do_not_depend_on_when_a_file_is_decoded(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(music / "library", tmp_path / "once")
    shutil.copytree(music / "library", tmp_path / "twice")
    with Library.open(tmp_path / "once") as library:
        library.add([music / "new"], workers=1)
        expected = vectors(library)
    monkeypatch.setattr("segue.library.representations", lambda _store: ())
    with Library.open(tmp_path / "twice") as library:
        library.add([music / "new"], workers=1)
        for name, of_space in vectors(library).items():
            np.testing.assert_array_equal(of_space, expected[name])
