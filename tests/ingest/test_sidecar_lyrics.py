"""A text beside music of the same name is its words, whatever happens to either of them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutagen
import pytest
from mutagen.id3 import ID3, TIT2, TPE1, USLT

from conftest import little_score, tune, write_score, write_sound
from segue.ingest import add as add_module
from segue.ingest.survey import AddReport
from segue.library import Library
from segue.store import Store

Opener = Callable[[], Library]

SYNCED = "[ti:Chaos God]\n[00:01.00]Out of the dark a god came down\n[00:05.00]And all was still\n"
PLAIN = "A mutilated mime is silent\nNobody hears him shout"


def add(opener: Opener, *paths: Path, **options: Any) -> AddReport:
    with opener() as lib:
        return lib.add(paths, workers=1, **options)


def tracks(opener: Opener) -> dict[str, tuple[int, str]]:
    """Return the id and the first line of the words of each track that is there, by its file."""
    with opener() as lib:
        return {
            track.path.name: (track.id, lib.lyrics.text(track.id).partition("\n")[0])
            for track in lib.tracks()
            if not track.missing
        }


def song(
    path: Path,
    seed: int = 0,
    title: str = "",
    artist: str = "",
    words: str = "",
    seconds: float = 2.0,
) -> Path:
    """Write a recording with these tags and embedded words."""
    write_sound(path, tune(seed, seconds, 16_000), 16_000)
    tags: Any = ID3()
    frames: list[tuple[Any, str]] = [(TIT2, title), (TPE1, artist)]
    for frame, text in frames:
        if text:
            tags.add(frame(encoding=3, text=[text]))
    if words:
        uslt: Any = USLT
        tags.add(uslt(encoding=3, lang="eng", text=words))
    tags.save(path)
    return path


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on, nothing may be decoded."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    return lambda: monkeypatch.setattr(add_module, "Decode", refuse)


def test_lyrics_follow_their_sidecar_text(
    library: Opener, tmp_path: Path, no_decoding: Callable[[], None]
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    recording = song(music / "Chaos God.mp3", words="Embedded are these words\nas they were")
    assert (add(library, music).added, tracks(library)["Chaos God.mp3"]) == (
        1,
        (1, "Embedded are these words"),
    )
    no_decoding()
    text = music / "Chaos God.LRC"
    text.write_text(SYNCED)  # later than the recording
    report = add(library, music)
    assert (report.added, report.unchanged, report.words) == (0, 1, 1)
    assert tracks(library) == {"Chaos God.mp3": (1, "Out of the dark a god came down")}
    with library() as lib:
        assert lib.lyrics.find("out off the dark a god")[0].track.path == recording
        assert lib.vectors("style")[0].tolist() == [1]
        assert lib._store.lyrics.source(1) == "Chaos God.LRC"
    report = add(library, music)  # all is known
    assert (report.unchanged, report.words) == (1, 0)
    text.write_text("[00:01.00]Other words than before\n")
    assert add(library, text).words == 1  # the text alone is asked for
    assert tracks(library) == {"Chaos God.mp3": (1, "Other words than before")}
    (music / "chaos god.txt").write_text(PLAIN)  # what has time stamps comes first
    add(library, music)
    assert tracks(library) == {"Chaos God.mp3": (1, "Other words than before")}
    text.unlink()
    add(library, music)
    assert tracks(library) == {"Chaos God.mp3": (1, "A mutilated mime is silent")}
    (music / "chaos god.txt").write_bytes(bytes(500))  # damaged: said once, and left
    report = add(library, music)
    assert [failure.path.name for failure in report.failures] == ["chaos god.txt"]
    assert tracks(library) == {"Chaos God.mp3": (1, "Embedded are these words")}
    report = add(library, music)
    assert (report.failures, report.failed_before) == ([], 1)
    (music / "chaos god.txt").unlink()
    add(library, music)
    assert tracks(library) == {"Chaos God.mp3": (1, "Embedded are these words")}
    with library() as lib:
        assert lib.failures() == []


def test_music_moves_goes_and_comes_back(library: Opener, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    song(music / "One.mp3")
    (music / "One.txt").write_text(PLAIN)
    (music / "One.en.lrc").write_text("[00:01.00]In another language")
    assert add(library, music).added == 1
    moved = music.rename(tmp_path / "moved")
    report = add(library, moved)
    assert (report.moved, report.words) == (1, 0)
    with library() as lib:
        assert lib.lyrics.text(1) == "In another language"  # time stamps again
    (moved / "One.en.lrc").unlink()
    (moved / "One.mp3").rename(tmp_path / "away.mp3")
    assert (add(library, moved).missing, tracks(library)) == (1, {"One.txt": (2, PLAIN[:26])})
    with library() as lib:
        assert [hit.track.id for hit in lib.lyrics.find("nobody hears him shout")] == [2]
        lib.taste.love(2)
    (tmp_path / "away.mp3").rename(moved / "One.mp3")
    add(library, moved)
    assert tracks(library) == {"One.mp3": (1, PLAIN[:26])}
    with library() as lib:
        assert [track.id for track in lib.taste.loved] == [1]  # what was loved is loved
    (moved / "One.mp3").write_bytes(b"no music")  # it stays as it was, and keeps its words
    add(library, moved)
    assert tracks(library) == {"One.mp3": (1, PLAIN[:26])}


def test_a_library_of_an_older_version_is_updated(library: Opener, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for number in range(2):
        song(music / f"{number}.mp3", number, f"Song {number}", "Muldjord")
        words = (SYNCED, PLAIN)[number]
        (music / f"{number}.lrc").write_text(f"[ar:Muldjord]\n[00:01.00]{words}\n")
    moved = music.rename(tmp_path / "kept")
    music.mkdir()
    for text in moved.glob("*.lrc"):  # added when there was no recording, so on their own
        shutil.copy2(text, music)
    assert add(library, music).added == 2
    for recording in moved.glob("*.mp3"):
        shutil.copy2(recording, music)
    report = add(library, music)
    assert (report.added, report.words, report.missing) == (2, 2, 0)
    with library() as lib:
        assert [track.kind for track in lib.tracks()] == ["sound", "sound"]
        assert lib.lyrics.text("song 1") == PLAIN


def test_a_recording_that_cannot_be_read_leaves_its_text(library: Opener, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "One.mp3").write_bytes(b"no music at all")
    (tmp_path / "m" / "One.txt").write_text(PLAIN)
    report = add(library, tmp_path / "m")
    assert (report.added, len(report.failures)) == (1, 1)
    assert list(tracks(library)) == ["One.txt"]
    report = add(library, tmp_path / "m")
    assert (report.unchanged, report.failed_before) == (1, 1)
    song(tmp_path / "m" / "One.mp3")
    add(library, tmp_path / "m")
    assert list(tracks(library)) == ["One.mp3"]


def test_scores_and_copies(library: Opener, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    write_score(music / "Air.mid", little_score(1))
    (music / "Air.txt").write_text(PLAIN)
    song(music / "Both.mp3", 1)
    shutil.copy(music / "Both.mp3", music / "again.mp3")
    (music / "Both.flac").write_bytes(write_sound(tmp_path / "x.flac", tune(2, 2.0)).read_bytes())
    write_score(music / "Both.mid", little_score(2))
    (music / "Both.lrc").write_text(SYNCED)
    (music / "Changes.txt").write_text("Ch-ch-changes")  # of a name that readmes have
    song(music / "Changes.mp3", 3)
    (music / "Other.txt").write_text("This text is of no recording here")
    assert add(library, music).added == 6
    words_by_name = {name: words for name, (_, words) in tracks(library).items()}
    god = "Out of the dark a god came down"
    assert words_by_name == {
        "Air.mid": PLAIN[:26],
        "Both.mp3": god,
        "Both.flac": god,
        "Both.mid": "",
        "Changes.mp3": "Ch-ch-changes",
        "Other.txt": "This text is of no recording here",
        "again.mp3": "",
    }


def test_names_mean_recordings(library: Opener, tmp_path: Path) -> None:
    music = tmp_path / "music"
    (music / "words" / "Muldjord").mkdir(parents=True)
    for number in range(3):
        song(music / f"{number}.mp3", number, f"Song {number}", "Muldjord", seconds=12.0)
        (music / "words" / "Muldjord" / f"Song {number}.txt").write_text(f"Words of {number}\nla")
    add(library, music)
    with library() as lib:
        for asked in ("muldjord", "song 1"):
            assert {track.kind for track in lib.find(asked)} == {"sound"}
        assert len(lib.like("song 1", n=2)) == 2
        assert lib.like("muldjord", n=1) == []  # all of it was asked with
        lib.taste.love("muldjord")
        assert {track.kind for track in lib.taste.loved} == {"sound"}
        assert {track.kind for track in lib.find(4)} | {lib.kind(4)} == {lib.tracks()[3].kind}
        assert os.path.commonpath([t.path for t in lib.find("muldjord")]) == str(music)


def test_more_than_one_tune_has_no_text(library: Opener, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "Reels.abc").write_text("X:1\nT:A\nK:C\nCDEF|GABc|\n\nX:2\nT:B\nK:C\ncBAG|\n")
    (tmp_path / "m" / "Reels.txt").write_text(PLAIN)
    add(library, tmp_path / "m")
    with library() as lib:
        assert [track.kind for track in lib.tracks()].count("lyrics") == 1


def test_changed_files_are_read_again_after_an_interruption(
    library: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").mkdir()
    song(tmp_path / "m" / "One.mp3")
    (tmp_path / "m" / "One.lrc").write_text(SYNCED)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(add_module, "outdated_lyrics", interrupted)
        with pytest.raises(KeyboardInterrupt):
            add(library, tmp_path / "m")
    assert tracks(library) == {"One.mp3": (1, "")}
    assert add(library, tmp_path / "m").words == 1
    store = Store(tmp_path / "library", ())
    assert store.lyrics.count() == 1
    store.close()
    assert mutagen.File(tmp_path / "m" / "One.mp3") is not None


def test_a_sidecar_text_completes_the_tags_of_its_recording(
    library: Opener, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    lrc = "[ti:Chaos God]\n[ar:Muldjord]\n[al:Mimes]\n[00:01.00]Out of the dark\n"
    song(music / "02 untagged.mp3", 1)
    song(music / "tagged.mp3", 2, "Own Title", "Own Artist")
    for name in ("02 untagged.lrc", "tagged.lrc"):
        (music / name).write_text(lrc)

    def known() -> list[tuple[str, str, str]]:
        with library() as lib:
            return [(t.tags.title, t.tags.artist, t.tags.album) for t in lib.tracks()]

    add(library, music)
    expected = [("Chaos God", "Muldjord", "Mimes"), ("Own Title", "Own Artist", "Mimes")]
    assert known() == expected
    os.utime(music / "02 untagged.mp3")  # read again, not decoded
    add(library, music)
    assert known() == expected
    with library() as lib:
        assert lib.find("muldjord")[0].path.name == "02 untagged.mp3"
    (music / "02 untagged.lrc").unlink()
    add(library, music, artist="Given")
    assert known()[0] == ("untagged", "Given", "")
