import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from mutagen.flac import FLAC

from conftest import tune, write_sound
from segue.ingest.analysis import embed_file
from segue.ingest.survey import AddReport
from segue.io.playlists import write_playlist
from segue.library import Library
from segue.records import Tags, Track
from segue.render.pages import link
from segue.store.user_data import ListenedItem

Opener = Callable[[], Library]
RATE_HZ = 16_000
SHEET = """PERFORMER "Ann"
TITLE "Evening"
FILE "mix.wav" WAVE
  TRACK 01 AUDIO
    TITLE "One"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Two"
    PERFORMER "Bob"
    INDEX 01 00:04:00
  TRACK 03 AUDIO
    TITLE "Three"
    INDEX 01 00:09:00
"""


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A mix of three pieces with its cue sheet."""
    folder = tmp_path / "music"
    folder.mkdir()
    pieces = [tune(i, seconds, RATE_HZ) for i, seconds in enumerate((4.0, 5.0, 3.0))]
    write_sound(folder / "mix.wav", np.concatenate(pieces), RATE_HZ)
    (folder / "mix.cue").write_text(SHEET)
    return folder


def add(opener: Opener, *paths: Path) -> AddReport:
    with opener() as library:
        return library.add(paths, workers=1)


def tracks(opener: Opener) -> list[Track]:
    with opener() as library:
        return library.tracks()


def titles(opener: Opener) -> list[str]:
    return [track.tags.title for track in tracks(opener)]


def test_tracks_of_a_sheet_through_its_changes(library: Opener, music: Path) -> None:
    report = add(library, music)
    assert (report.added, report.failures) == (1, [])
    found = tracks(library)
    assert [(t.tune, t.tags.title, t.tags.artist, t.tags.album) for t in found] == [
        (1, "One", "Ann", "Evening"), (2, "Two", "Bob", "Evening"), (3, "Three", "Ann", "Evening"),
    ]  # fmt: skip
    with library() as lib:
        listens = lib._store.listens
        with lib._store.transaction():
            second = ListenedItem.at(quote(os.fsencode(music / "mix.wav")), 2)
            listens.put(listens.begin_import(), "me", second, 1, 5)
        assert listens.plays_by_track() == {found[1].id: 1}
        times = {row["mtime_ns"] // 10**9 for row in lib._store.recordings()}
    assert times == {int((music / "mix.cue").stat().st_mtime)}
    spans = [(t.passage.start_s, t.passage.end_s) for t in found if t.passage]
    assert spans == [(0, 4), (4, 9), (9, 12)]
    alone = write_sound(music / "two.wav", tune(1, 5.0, RATE_HZ), RATE_HZ)
    assert_embedded_as_alone(library, alone)
    alone.unlink()

    (music / "mix.cue").write_text(SHEET.replace("Two", "Second").replace("00:09:00", "20:00:00"))
    (failure,) = add(library, music).failures
    assert "track 3: the passage begins at 1200 s, but the recording ends at 12 s" in failure.reason
    now = tracks(library)
    assert [(t.id, t.tags.title) for t in now] == [(found[0].id, "One"), (found[1].id, "Second")]

    (music / "mix.cue").write_text(SHEET.replace("00:04:00", "00:04:99"))
    (failure,) = add(library, music).failures
    assert (failure.path.name, "line 10" in failure.reason) == ("mix.cue", True)
    assert tracks(library) == now  # until it can be read again

    (music / "mix.cue").unlink()
    add(library, music)
    assert [(t.tune, t.tags.title, t.passage) for t in tracks(library)] == [(0, "mix", None)]

    (music / "mix.cue").write_text(SHEET)
    add(library, music / "mix.cue")  # the sheet itself is named
    ids = [t.id for t in tracks(library)]
    assert titles(library) == ["One", "Two", "Three"]
    music.rename(music.parent / "elsewhere")
    assert add(library, music.parent / "elsewhere").moved == 1
    assert [t.id for t in tracks(library)] == ids


def assert_embedded_as_alone(library: Opener, alone: Path) -> None:
    """Check that the second track has the vector of a file that holds nothing else."""
    expected = embed_file(alone, None)["sound"]
    with library() as opened:
        _, vectors = opened.vectors("sound")
    assert vectors[1] == pytest.approx(expected, abs=0.01)


def test_a_damaged_sheet_fails_alone(library: Opener, music: Path) -> None:
    (music / "mix.cue").write_text(SHEET.partition("  TRACK 02")[0])  # one track divides nothing
    (music / "other.cue").write_text("FILE other.wav WAVE\nTRACK 01 AUDIO\n")
    (failure,) = add(library, music).failures
    assert failure.path.name == "other.cue"
    assert titles(library) == ["mix"]
    assert add(library, music).failures == []  # said once


def test_a_sheet_in_the_tags_of_a_flac_file(library: Opener, tmp_path: Path) -> None:
    for name, sheet in (("good", SHEET.partition("  TRACK 03")[0]), ("bad", "TRACK 1 AUDIO")):
        pieces = [tune(i, 4.0, RATE_HZ) for i in range(2)]
        file = write_sound(tmp_path / f"{name}.flac", np.concatenate(pieces), RATE_HZ)
        flac = FLAC(file)
        flac["title"], flac["cuesheet"] = name, sheet
        flac.save()
    (failure,) = add(library, tmp_path).failures
    assert failure.reason == (
        "cue sheet: track 1 has no INDEX 01; the recording was added as one track"
    )
    assert titles(library) == ["bad", "One", "Two"]


def test_playlists_say_where_a_track_begins(tmp_path: Path) -> None:
    second = Track(
        2, "sound", tmp_path / "mix.wav", Tags("Two"), 5.0, "", False, {"start_s": 4.0}, 2
    )
    for suffix in ("m3u8", "xspf", "json"):
        write_playlist(tmp_path / f"list.{suffix}", [second])
    lines = (tmp_path / "list.m3u8").read_text().splitlines()
    assert lines[2:] == ["#EXTVLCOPT:start-time=4.000", "#EXTVLCOPT:stop-time=9.000", "mix.wav"]
    xspf = (tmp_path / "list.xspf").read_text()
    assert "<vlc:option>start-time=4.000</vlc:option>" in xspf
    (item,) = json.loads((tmp_path / "list.json").read_text())["playlist"]["track"]
    assert item["extension"] == {"urn:segue:part": [{"start_s": 4.0, "end_s": 9.0}]}
    assert link(second, tmp_path / "page.html") == "mix.wav#t=4.00,9.00"
