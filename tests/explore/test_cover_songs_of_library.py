from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from conftest import tune, write_sound
from segue.library import Library


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some tunes; the first also three semitones higher, and as a copy."""
    folder = tmp_path_factory.mktemp("music")
    tunes = [tune(seed, 25.0, 22_050) for seed in range(8)]
    for number, sound in enumerate(tunes):
        write_sound(folder / f"tune {number}.flac", sound, 22_050)
    higher = librosa.effects.pitch_shift(tunes[0], sr=22_050, n_steps=3)
    write_sound(folder / "higher.flac", higher.astype(np.float32), 22_050)
    write_sound(folder / "copy.ogg", tunes[0], 22_050)
    with Library.open(folder / "library") as lib:
        lib.add([folder], workers=1)
    return folder


def test_versions_are_found_with_their_evidence(music: Path) -> None:
    with Library.open(music / "library") as lib:
        same = lib.atlas.duplicates()
        assert [{twin.first.path.name, twin.second.path.name} for twin in same] == [
            {"tune 0.flac", "copy.ogg"}
        ]
        progress: list[tuple[int, int]] = []
        report = lib.atlas.versions(same, compared=lambda done, of: progress.append((done, of)))
        names = [{pair.first.path.name, pair.second.path.name} for pair in report.pairs]
        assert {"tune 0.flac", "higher.flac"} in names
        assert {"copy.ogg", "higher.flac"} in names
        assert len(names) == 2  # the copy is no version of the tune
        for pair in report.pairs:
            upwards = 3 if pair.second.path.name == "higher.flac" else -3
            assert pair.alignment.semitones == upwards
            assert pair.alignment.similarity > 0.6
        assert progress


def test_chroma_sequences_are_cached(music: Path) -> None:
    with Library.open(music / "library") as lib:
        first = lib.atlas.versions()
        read: list[int] = []
        hidden = (music / "tune 3.flac").rename(music / "tune 3.gone")
        again = lib.atlas.versions(read=lambda *at: read.append(at[0]))
        hidden.rename(music / "tune 3.flac")
        assert not read
        assert again == first
        assert not again.failures


def test_an_unreadable_file_does_not_affect_others(tmp_path: Path) -> None:
    for seed in range(3):
        write_sound(tmp_path / f"{seed}.flac", tune(seed, 8.0, 22_050), 22_050)
    with Library.open(tmp_path / "library") as lib:
        lib.add([tmp_path], workers=1)
        (tmp_path / "1.flac").unlink()
        report = lib.atlas.versions()
        assert [failure.path.name for failure in report.failures] == ["1.flac"]
        assert report.pairs == ()


def test_few_tracks_have_no_versions(tmp_path: Path) -> None:
    with Library.open(tmp_path / "library") as lib:
        assert lib.atlas.versions().pairs == ()
        soundfile.write(tmp_path / "one.flac", tune(0, 3.0, 22_050), 22_050)
        lib.add([tmp_path], workers=1)
        assert lib.atlas.versions().pairs == ()
