"""Playlists hold one version of a piece, in whatever key, unless others are wanted."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from conftest import fill_library
from segue.audio.spectrogram import ByteArray
from segue.explore.playlist import FLOWS, Flow, PlaylistOptions
from segue.explore.version_identification import version_map
from segue.ingest.analysis import CHROMA_SEQUENCE
from segue.ingest.cache import open_cache
from segue.library import Library
from segue.records import Tags, Track
from segue.score.fingerprint import N_HASHES
from segue.store import Store


def melody(seed: int) -> ByteArray:
    """Make a chroma sequence: a random walk, each step a second long."""
    rng = np.random.default_rng(seed)
    pitches = np.repeat(np.cumsum(rng.integers(-4, 5, 60)) % 12, 5)
    chroma = np.zeros((len(pitches), 12), np.uint8)
    chroma[np.arange(len(pitches)), pitches] = 255
    return chroma


@pytest.fixture
def lib(tmp_path: Path) -> Library:
    """Six tracks: the third is the first three semitones higher, the fifth the fourth."""
    fill_library(tmp_path, [Tags(f"t{i}", f"by {i}", "album") for i in range(6)])
    lib = Library.open(tmp_path)
    cache = open_cache(tmp_path, CHROMA_SEQUENCE)
    sequences = [melody(0), melody(1), np.roll(melody(0), 3, 1), melody(3), melody(3), melody(5)]
    for track, chroma in zip(lib.tracks(), sequences, strict=True):
        cache.write(track.content_hash, chroma)
    return lib


@pytest.mark.parametrize("flow", FLOWS)
def test_playlists_have_one_version_of_a_piece(lib: Library, flow: Flow) -> None:
    listed = {
        item.track.id for item in lib.journeys.playlist(1, options=PlaylistOptions(flow=flow))
    }
    assert {1, 2, 6} <= listed
    assert 3 not in listed  # what was asked with stays, its version goes
    assert len({4, 5} & listed) == 1
    playlist = lib.journeys.playlist(1, 2, options=PlaylistOptions(flow=flow))
    assert 3 not in {item.track.id for item in playlist}
    every = lib.journeys.playlist(1, options=PlaylistOptions(flow=flow, versions=True))
    assert {item.track.id for item in every} == {1, 2, 3, 4, 5, 6}


def test_missing_files_are_no_versions(tmp_path: Path) -> None:
    fill_library(tmp_path, [Tags(f"t{i}", "by one", "album") for i in range(4)])
    with Library.open(tmp_path) as lib:
        listed = lib.journeys.playlist(1, options=PlaylistOptions(per_artist=9))
        assert len(listed) == 4


def test_versions_of_scores() -> None:
    rng = np.random.default_rng(0)
    one, strange = rng.integers(0, 1 << 32, (2, N_HASHES), np.uint32)
    half = np.where(np.arange(N_HASHES) < N_HASHES // 2, one, strange + 1)
    prints = {1: one, 2: strange, 3: half.astype(np.uint32)}
    scores = [Track(i, "score", Path(f"{i}.mid"), Tags(), 60.0, str(i)) for i in prints]
    store = cast("Store", SimpleNamespace(fingerprints=lambda _: prints))
    assert version_map(store, scores[:2], np.zeros((2, 3), np.float32)) == {}
    assert version_map(store, scores, np.zeros((3, 3), np.float32)) == {1: {3}, 3: {1}}
