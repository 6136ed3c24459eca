"""`segue play` and `--play`: what the player gets, and what is said where nothing can be played."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import av
import pytest

from segue.library import Library


@pytest.fixture
def player(tmp_path: Path) -> Path:
    """A player that only keeps the playlist it was given."""
    program = tmp_path / "player"
    program.write_text(
        f'#!/bin/sh\ncp "$1" {tmp_path}/played.m3u8\necho "$@" > {tmp_path}/arguments\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def segue(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "segue", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_plays_what_is_named_and_what_is_alike(filled: Path, player: Path, tmp_path: Path) -> None:
    with Library.open(filled) as library:
        first, second = library.find(1)[0], library.find(2)[0]
        alike = [hit.track.path for hit in library.like(1, n=3)]
    done = segue("play", 1, 2, "--player", player, "--library", filled)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "played.m3u8").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        str(first.path),
        str(second.path),
    ]
    done = segue("like", 1, "-n", 3, "--play", "--library", filled, SEGUE_PLAYER=str(player))
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "played.m3u8").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == list(map(str, alike))


def test_nothing_to_play_with_or_to_play(filled: Path) -> None:
    done = segue("play", 1, "--player", "no-such-player", "--library", filled)
    assert done.returncode == 1
    assert "no program 'no-such-player'" in done.stderr
    done = segue("play", 1, "--player", "false", "--library", filled)
    assert done.returncode == 1
    assert "choose another --player" in done.stderr
    done = segue("play", "--library", filled)
    assert done.returncode == 2


def test_of_a_divided_file_only_the_track_is_played(
    little_music: Path, player: Path, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    mix = music / "mix.ogg"
    mix.write_bytes(next(little_music.rglob("*.ogg")).read_bytes())  # 30 s
    sheet = 'FILE "mix.ogg" WAVE\n'
    for number, start in ((1, "00:00:00"), (2, "00:20:00")):
        sheet += f'  TRACK {number:02} AUDIO\n    TITLE "Part {number}"\n    INDEX 01 {start}\n'
    mix.with_suffix(".cue").write_text(sheet)
    folder = tmp_path / "library"
    with Library.open(folder) as library:
        library.add([music], workers=1)
        (part,) = library.find("Part 2")
    done = segue("play", part.id, "--player", player, "--library", folder)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "played.m3u8").read_text().splitlines()
    (file,) = [line for line in lines if not line.startswith("#")]
    with av.open(file) as recording:
        frames = [frame.samples / frame.sample_rate for frame in recording.decode(audio=0)]
    assert sum(frames) == pytest.approx(10, abs=0.2)
