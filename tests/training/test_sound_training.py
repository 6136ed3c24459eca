"""Spaces trained on a library, as users train them: small networks on sounds."""

import shutil
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import segue.audio.training
from conftest import tune, write_sound
from segue import Library, Span
from segue.audio.training import (
    AUTOENCODER_TRAINING,
    MAX_VALIDATION_SHARE,
    Example,
    SoundTraining,
    evenly_spaced_tiles,
)
from segue.cli import load_program
from segue.errors import BadArgument, BadCheckpoint, NotFound, TrainingFailed
from segue.nn.checkpoint import MODEL
from segue.nn.split import train_validation_split
from segue.nn.trainer import STATE
from segue.training.run import LOSS_CURVE


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six tunes of eleven seconds in three albums, and a library of them."""
    folder = tmp_path_factory.mktemp("tunes")
    for number in range(6):
        album = folder / "music" / f"album {number % 3}"
        album.mkdir(parents=True, exist_ok=True)
        samples, tags = tune(number, 11.0), {"album": album.name}
        write_sound(album / f"tune {number}.flac", samples, channels=1 + number % 2, tags=tags)
    with Library.open(folder / "library") as library:
        library.add([folder / "music"], workers=1)
    return folder


@pytest.fixture
def library(tunes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """A copy of the library, in which training takes a few small steps."""
    monkeypatch.setattr(segue.audio.training, "MIN_STEPS_PER_EPOCH", 2)
    monkeypatch.setattr(segue.audio.training, "INITIALISATION_TILES", 8)
    small_batches = {preset: (4, config) for preset, (_, config) in AUTOENCODER_TRAINING.items()}
    monkeypatch.setattr(segue.audio.training, "AUTOENCODER_TRAINING", small_batches)
    shutil.copytree(tunes / "library", tmp_path / "library")
    with Library.open(tmp_path / "library") as opened:
        yield opened


def one_epoch(preset: str, **options: object) -> SoundTraining:
    return SoundTraining(preset=preset, epochs=1, device="cpu", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("training", "dimension"),
    [
        (one_epoch("default"), 256),
        pytest.param(one_epoch("dual-axis"), 256, marks=pytest.mark.slow),
        pytest.param(
            one_epoch("dual-axis", channels="mel+mfcc+chroma"), 256, marks=pytest.mark.slow
        ),
        pytest.param(one_epoch("plain-2d", stereo=True), 512, marks=pytest.mark.slow),
        (one_epoch("conv", step="bar"), 512),
        pytest.param(one_epoch("contrastive"), 128, marks=pytest.mark.slow),
        (one_epoch("contrastive", start="musicnn", labels="album"), 256),
    ],
    ids=["default", "dual-axis", "composite", "stereo", "recurrent", "contrastive", "musicnn"],
)
def test_a_learned_space_can_be_queried(
    library: Library, tmp_path: Path, training: SoundTraining, dimension: int
) -> None:
    learned = library.learning.train("mine", training, workers=1)
    assert learned.tracks == 6
    assert learned.failures == ()
    assert (learned.folder / LOSS_CURVE).stat().st_size > 5000
    ids, vectors = library.vectors("mine")
    assert vectors.shape == (6, dimension)
    assert np.isfinite(vectors).all()
    hits = library.like(1, space="mine")
    assert len(hits) == 5
    for hit in hits:
        assert sum(reason.share for reason in hit.reasons) == pytest.approx(
            hit.similarity, abs=1e-4
        )
    (info,) = [info for info in library.spaces() if info.trained]
    assert (info.space.name, info.tracks, info.outdated) == ("mine", 6, False)
    assert ids.tolist() == [1, 2, 3, 4, 5, 6]
    # A file that is not in the library, and a passage, are asked with by the same network.
    copy = tmp_path / "copy.wav"
    copy.write_bytes(library.tracks()[0].path.read_bytes())
    (nearest,) = library.like(copy, space="mine", n=1, duplicates=True)
    assert nearest.track.id == 1
    # A file's tempo is not looked for, so that a recurrent network takes other steps.
    assert nearest.similarity > (0.5 if training.step else 0.999)
    passage = library.like(1, space="mine", at=Span(1.0, 6.0))
    assert len(passage) == 5
    assert passage[0].similarity != hits[0].similarity


def test_the_same_seed_gives_the_same_space(library: Library) -> None:
    library.learning.train("a", one_epoch("default", seed=3), workers=1)
    library.learning.train("b", one_epoch("default", seed=3), workers=1)
    np.testing.assert_array_equal(library.vectors("a")[1], library.vectors("b")[1])


def test_later_and_changed_tracks_are_embedded(library: Library, tmp_path: Path) -> None:
    library.learning.train("mine", one_epoch("dual-axis"), workers=1)
    new = write_sound(tmp_path / "new.wav", tune(9, 11.0))
    library.add([new], workers=1)
    ids, vectors = library.vectors("mine")
    assert ids.tolist() == [1, 2, 3, 4, 5, 6, 7]
    new.unlink()
    write_sound(new, tune(10, 9.0))
    library.add([new], workers=1)
    updated = library.vectors("mine")[1]
    np.testing.assert_array_equal(updated[:6], vectors[:6])
    assert not np.allclose(updated[6], vectors[6])


def test_a_reconstruction_has_an_image_and_audio(library: Library, tmp_path: Path) -> None:
    library.learning.train("mine", one_epoch("default"), workers=1)
    reconstruction = library.learning.reconstruct(1, "mine")
    assert reconstruction.image.shape == reconstruction.reconstruction.shape == (128, 128)
    assert reconstruction.code.shape == (256, 1)
    assert np.mean((reconstruction.image - reconstruction.reconstruction) ** 2) < np.var(
        reconstruction.image
    )
    target = tmp_path / "library"
    for name in ("a.png", "a.wav"):
        done = CliRunner().invoke(
            load_program(),
            ["reconstruct", "1", "--space=mine", f"-o{tmp_path / name}", f"--library={target}"],
        )
        assert done.exit_code == 0, done.output
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with wave.open(str(tmp_path / "a.wav")) as heard:
        assert heard.getnframes() / heard.getframerate() == pytest.approx(7.5, abs=0.2)


def test_filters_have_the_tracks_of_highest_activation(library: Library, tmp_path: Path) -> None:
    library.learning.train("mine", one_epoch("dual-axis"), workers=1)
    filters = library.learning.filters("mine", tracks=2)
    layers = [filter_.layer.partition(",")[0] for filter_ in filters]
    assert layers == ["along time"] * 32 + ["along frequency"] * 32
    assert all(len(filter_.tracks) == 2 for filter_ in filters)
    done = CliRunner().invoke(
        load_program(),
        ["filters", "--space=mine", f"-o{tmp_path}/f.png", f"--library={tmp_path}/library"],
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "f.png").stat().st_size > 10_000


@pytest.mark.slow
def test_an_emptied_cache_is_recomputed(library: Library) -> None:
    library.learning.train("mine", one_epoch("dual-axis"), workers=1)
    before = library.vectors("mine")[1]
    shutil.rmtree(library.folder / "cache")
    library.learning.train("mine", one_epoch("dual-axis"), workers=1)
    np.testing.assert_array_equal(before, library.vectors("mine")[1])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_tracks_are_told_and_nothing_is_lost(library: Library, count: int) -> None:
    library.remove([track.id for track in library.tracks()[count:]])
    with pytest.raises(TrainingFailed, match=f"there are {count} tracks .* at least 3"):
        library.learning.train("mine", one_epoch("dual-axis"), workers=1)
    assert len(library.tracks()) == count
    assert not any(info.trained for info in library.spaces())


@pytest.mark.slow
def test_five_tracks_are_enough(library: Library) -> None:
    library.remove([6])
    assert library.learning.train("mine", one_epoch("dual-axis"), workers=1).tracks == 5


def test_tracks_shorter_than_a_tile_are_repeated(library: Library, tmp_path: Path) -> None:
    short = write_sound(tmp_path / "short.wav", tune(11, 3.0))
    library.add([short], workers=1)
    assert library.learning.train("mine", one_epoch("dual-axis"), workers=1).tracks == 7
    assert np.isfinite(library.vectors("mine")[1]).all()


def test_a_vanished_file_is_told_and_the_others_are_learned(
    library: Library, tmp_path: Path
) -> None:
    gone = write_sound(tmp_path / "gone.wav", tune(12, 9.0))
    library.add([gone], workers=1)
    gone.unlink()
    learned = library.learning.train("mine", one_epoch("dual-axis"), workers=1)
    assert [failure.path for failure in learned.failures] == [gone]
    assert learned.tracks == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sound", "one of Segue's own spaces"),
        ("../mine", "cannot name a space"),
        ("listens", "a part of blends already"),
        ("metadata", "a part of blends already"),
    ],
)
def test_taken_names_are_rejected(library: Library, name: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        library.learning.train(name, one_epoch("dual-axis"), workers=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "dual-axis", "step": "bar"}, "belongs to the preset conv"),
        ({"preset": "conv", "step": "verse"}, "give bar, beat, or a number"),
        ({"preset": "conv", "step": "0"}, "give bar, beat, or a number"),
        ({"preset": "conv", "channels": "mel+mfcc+chroma"}, "images of 128 bands"),
        ({"preset": "default", "labels": "album"}, "belongs to the preset contrastive"),
        ({"preset": "default", "start": "musicnn"}, "belongs to the preset contrastive"),
        ({"preset": "contrastive", "stereo": True}, "belongs to the autoencoders"),
        ({"preset": "default", "learning_rate": 0.0}, "it is above 0"),
    ],
)
def test_inconsistent_options_are_rejected(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        SoundTraining(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["toaster", "cuda:9"])
def test_a_device_that_is_not_there_is_reported(library: Library, device: str) -> None:
    with pytest.raises(BadArgument, match=f"no device '{device}' here; there are: auto, cpu"):
        library.learning.train("mine", SoundTraining(preset="dual-axis", device=device), workers=1)


def test_several_processes_are_refused(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadArgument, match="one process on one device"):
        library.learning.train("mine", one_epoch("dual-axis"), workers=1)


def test_damaged_files_are_told_and_the_space_still_answers(
    library: Library, tmp_path: Path
) -> None:
    folder = library.learning.train("mine", one_epoch("dual-axis"), workers=1).folder
    (folder / MODEL).write_bytes((folder / MODEL).read_bytes()[:-8])
    with pytest.raises(BadCheckpoint, match="damaged"):
        library.learning.reconstruct(1, "mine")
    assert len(library.like(1, space="mine")) == 5
    # Adding music goes on, and says which space it could not fill.
    report = library.add([write_sound(tmp_path / "new.wav", tune(9, 11.0))], workers=1)
    assert report.added == 1
    assert [failure.path for failure in report.failures] == [folder / MODEL]
    (folder / STATE).write_bytes(b"")
    with pytest.raises(BadCheckpoint, match="damaged"):
        library.learning.train("mine", one_epoch("dual-axis"), workers=1, resume=True)


def test_an_interrupted_run_is_not_thrown_away_by_mistake(library: Library) -> None:
    def interrupt(_progress: object) -> None:
        raise KeyboardInterrupt

    training = one_epoch("default")
    with pytest.raises(KeyboardInterrupt):
        library.learning.train("mine", training, workers=1, watch_training=interrupt)
    folder = library.folder / "models" / "mine"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STATE).touch()
    with pytest.raises(BadArgument, match="go on with --resume, or start over with --restart"):
        library.learning.train("mine", training, workers=1)
    assert library.learning.train("mine", training, workers=1, restart=True).tracks == 6
    assert (
        library.learning.train("mine", training, workers=1).tracks == 6
    )  # the finished one is replaced


def test_nothing_to_resume_is_reported(library: Library) -> None:
    with pytest.raises(BadCheckpoint, match="there is no checkpoint"):
        library.learning.train("mine", one_epoch("dual-axis"), workers=1, resume=True)


def test_a_space_that_was_not_learned_is_reported(library: Library) -> None:
    with pytest.raises(NotFound, match="no space 'mine' was trained"):
        library.learning.reconstruct(1, "mine")


def split(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    return train_validation_split(examples, "tracks", max_share=MAX_VALIDATION_SHARE)


def test_the_split_is_by_album_and_always_the_same() -> None:
    examples = [Example(f"{n:02}", album=f"album {n // 4}") for n in range(40)]
    train, validation = split(examples)
    assert len(train) + len(validation) == 40
    assert len(validation) == 4
    assert not {example.album for example in train} & {example.album for example in validation}
    assert split(examples[::-1])[1] == validation


def test_no_album_takes_most_of_the_library_from_training() -> None:
    large_album = [Example(f"{n:02}", album="one") for n in range(30)]
    small_albums = [Example(f"x{n}", album=f"small {n}") for n in range(5)]
    train, validation = split([*large_album, *small_albums])
    assert "one" not in {example.album for example in validation}
    assert (len(train), len(validation)) == (31, 4)
    train, validation = split(large_album)  # a single album is divided by track
    assert (len(train), len(validation)) == (27, 3)


def test_even_tiles_cover_an_image() -> None:
    image = np.arange(40, dtype=np.uint8).reshape(1, 1, 40)
    assert evenly_spaced_tiles(image, 10, 32)[:, 0, 0, 0].tolist() == [0, 10, 20, 30]
    assert evenly_spaced_tiles(image, 10, 2)[:, 0, 0, 0].tolist() == [0, 30]
    assert evenly_spaced_tiles(image, 64, 2)[0, 0, 0].tolist() == [*range(40), *range(24)]
