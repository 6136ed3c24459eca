import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutagen
import pytest
from mutagen.id3 import ID3, USLT

from conftest import tune, write_sound
from segue.errors import BadArgument, NotFound
from segue.ingest.embedding import embed_lyrics
from segue.ingest.survey import AddReport, Progress
from segue.library import Library
from segue.records import FloatArray
from verses import song

Opener = Callable[[], Library]


@pytest.fixture
def lyrics(tmp_path: Path) -> Path:
    """Two artists with a folder of four songs each."""
    folder = tmp_path / "lyrics"
    for artist in ("Ada Long", "Bob Short"):
        (folder / artist).mkdir(parents=True)
        for seed in range(4):
            (folder / artist / f"{seed} Song {seed}.txt").write_text(song(artist, seed))
    return folder


def add(opener: Opener, *paths: Path) -> AddReport:
    with opener() as library:
        return library.add(paths, workers=1)


def test_a_folder_per_artist(library: Opener, lyrics: Path) -> None:
    (lyrics / "README.md").write_text("About these texts")
    (lyrics / "prices.csv").write_text("thing,price\nbread,2\n")
    report = add(library, lyrics)
    assert (report.added, report.passed_over) == (8, 2)
    assert add(library, lyrics).unchanged == 8
    with library() as lib:
        assert lib.kinds() == {"lyrics": 8}
        assert lib.default_space() == "style"
        hits = lib.like(1, n=3)
        assert {hit.track.tags.artist for hit in hits} == {"Ada Long"}
        assert sum(r.share for r in hits[0].reasons) == pytest.approx(hits[0].similarity, abs=1e-4)
        assert lib.evaluate("artist")["style"].precision_at_1 == 1
        assert lib.find(1)[0].tags.title == "Song 0"
        assert lib.lyrics.text(1) == song("Ada Long", 0)
        groups = lib.similar_groups("Ada Long", kind="artist", min_tracks=2)
        assert [group.name for group in groups] == ["Bob Short"]


def test_a_file_outside_the_library_as_query(library: Opener, lyrics: Path, tmp_path: Path) -> None:
    add(library, lyrics)
    query = tmp_path / "asked.txt"
    query.write_text(song("Bob Short", 9))
    with library() as lib:
        assert {hit.track.tags.artist for hit in lib.like(query, n=4)} == {"Bob Short"}
        query.write_text("# One\nla la\n# Two\nla\n")
        query.rename(tmp_path / "asked.md")
        with pytest.raises(BadArgument, match="2 songs"):
            lib.like(tmp_path / "asked.md")


def test_a_table_is_a_track_for_each_song(library: Opener, tmp_path: Path) -> None:
    rows = [
        {"artist": artist, "title": f"Song {seed}", "lyrics": song(artist, seed)}
        for artist in ("Ada Long", "Bob Short")
        for seed in range(3)
    ]
    rows += [
        {"artist": "Ada Long", "title": "Song 0 (Live)", "lyrics": song("Ada Long", 20)},
        {"artist": "Ada Long", "title": "Song 1 - X Remix", "lyrics": song("Ada Long", 21)},
        {"artist": "ADA LONG", "title": "Same", "lyrics": song("Ada Long", 2).upper() + "\nyeah"},
        {"artist": "Another", "title": "A cover", "lyrics": song("Ada Long", 2)},
        {"artist": "Ada Long", "title": "Instrumental", "lyrics": "[Instrumental]"},
    ]
    table = tmp_path / "songs.json"
    table.write_text(json.dumps(rows))
    report = add(library, table)
    assert (report.added, report.versions, report.duplicates) == (1, 2, 1)
    assert "song 11: no words in it" in report.failures[0].reason
    assert "the other 7 were added" in report.failures[0].reason
    with library() as lib:
        assert [track.tune for track in lib.tracks()] == [1, 2, 3, 4, 5, 6, 10]
        assert lib.tracks()[0].tags.album == "songs"
    assert add(library, table).unchanged == 1
    table.write_text(json.dumps(rows[:2]))
    assert add(library, table).changed == 1
    with library() as lib:
        assert len(lib.tracks()) == 2


def test_known_lyrics_are_left_out(library: Opener, lyrics: Path) -> None:
    add(library, lyrics)
    shutil.copy(lyrics / "Ada Long" / "0 Song 0.txt", lyrics / "Ada Long" / "again.txt")
    (lyrics / "Ada Long" / "typed.txt").write_text(song("Ada Long", 1).lower() + "\noh")
    (lyrics / "Bob Short" / "cover.txt").write_text(song("Ada Long", 1))
    report = add(library, lyrics)
    assert (report.added, report.copied, report.duplicates) == (0, 1, 2)
    with library() as lib:
        assert len(lib.tracks()) == 9
    # A song that changes a little is not left out for being like what it was.
    changed = lyrics / "Ada Long" / "0 Song 0.txt"
    changed.write_text(song("Ada Long", 0) + "\nOne line more")
    assert add(library, lyrics).changed == 1
    with library() as lib:
        assert lib.lyrics.text(1).endswith("One line more")


def test_cleaning_of_a_text(library: Opener, tmp_path: Path) -> None:
    file = tmp_path / "song.txt"
    file.write_text("[Chorus]\nOne Line\n")
    with library() as lib:
        lib.add([file], workers=1, keep_sections=True, fold_case=True)
        assert lib.lyrics.text(1) == "[Chorus]\none line"


def test_bad_texts_are_reported(library: Opener, lyrics: Path) -> None:
    (lyrics / "empty.txt").write_text("")
    (lyrics / "binary.txt").write_bytes(bytes(500))
    (lyrics / "broken.csv").write_text('artist,title,text\nA,B,"la')
    with (lyrics / "huge.txt").open("wb") as file:
        file.truncate(100 << 20)
    report = add(library, lyrics)
    assert report.added == 9  # the quotation that never ends is read to the end of the file
    reasons = {failure.path.name: failure.reason for failure in report.failures}
    assert reasons["empty.txt"] == "an empty file"
    assert "binary" in reasons["binary.txt"]
    assert "100 MB, expected at most 4 MB" in reasons["huge.txt"]


def test_a_line_half_remembered(library: Opener, lyrics: Path) -> None:
    (lyrics / "Ada Long" / "sonnet.txt").write_text(
        "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate\n"
    )
    (lyrics / "Bob Short" / "夜.txt").write_text("静かな夜に星が光る\nЯ помню чудное мгновенье")
    add(library, lyrics)
    with library() as lib:
        for asked in ("shal i compair the too a sumers day", "compare summer day", "SUMMER'S DAY"):
            best = lib.lyrics.find(asked)[0]
            assert (best.track.tags.title, best.rank) == ("sonnet", 1)
            assert best.line == "Shall I compare thee to a summer's day?"
        over_two = lib.lyrics.find("to a summers day thou art more luvly")[0]
        assert over_two.line.count(" / ") == 1
        assert lib.lyrics.find("静かな夜")[0].line == "静かな夜に星が光る"
        assert lib.lyrics.find("помню чюдное")[0].line == "Я помню чудное мгновенье"
        assert lib.lyrics.find("Shall I compare thee to a summer's day?")[0].similarity == 1
        assert lib.lyrics.find("xyzzy qwrt") == []
        with pytest.raises(BadArgument, match="no letters"):
            lib.lyrics.find(" ?! ")
        lib.remove(["sonnet"])
        assert all(hit.track.tags.title != "sonnet" for hit in lib.lyrics.find("summer's day"))


def test_a_library_without_lyrics_is_reported(library: Opener) -> None:
    with library() as lib, pytest.raises(NotFound, match="knows no lyrics"):
        lib.lyrics.find("anything")


@pytest.mark.parametrize("ending", [".mp3", ".m4a", ".flac", ".ogg"])
def test_lyrics_in_tags_belong_to_the_recording(library: Opener, lyrics: Path, ending: str) -> None:
    recording = write_sound(lyrics / f"a{ending}", tune(0, 3.0, 16_000), 16_000)
    words = song("Ada Long", 7) + "\nNobody else hath such a line"
    if ending == ".mp3":
        tags: Any = ID3()
        frame: Any = USLT
        tags.add(frame(encoding=3, lang="eng", text="[Chorus]\n" + words))
        tags.save(recording)
    else:
        file = mutagen.File(recording)
        if file.tags is None:
            file.add_tags()
        file.tags["\xa9lyr" if ending == ".m4a" else "LYRICS"] = [words]
        file.save()
    add(library, lyrics)
    with library() as lib:
        (track,) = (track for track in lib.tracks() if track.kind == "sound")
        assert lib.lyrics.text(track.id) == words
        assert lib.lyrics.find("noboddy els has such line")[0].track.id == track.id
        near = lib.like(track.id, space="style", n=3)
        assert {hit.track.tags.artist for hit in near} == {"Ada Long"}
        blended = lib.like(track.id, blend={"sound": 0.5, "style": 0.5}, n=4)
        assert {hit.track.kind for hit in blended} == {"lyrics"}
        assert lib.default_space(track.id) == "sound"
    assert add(library, lyrics).unchanged == 9
    mutagen.File(recording).delete()
    assert add(library, lyrics).changed == 1
    with library() as lib:
        assert lib.lyrics.text(track.id) == ""
        assert track.id not in lib.vectors("style")[0]


def test_a_book_of_songs_that_is_interrupted_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = [song("Ada Long", i) for i in range(10)]

    def book(count: int) -> Path:
        rows = [f'Ann,Song {i},"{text}"' for i, text in enumerate(songs[:count])]
        path = tmp_path / "songs.csv"
        path.write_text("artist,title,text\n" + "\n".join(rows) + "\n")
        return path

    def stop(progress: Progress) -> None:
        counts.append(progress.done)
        if progress.done == 5:
            raise KeyboardInterrupt

    def embed(text: str, features: FloatArray) -> dict[str, FloatArray]:
        embedded.append(text)
        return embed_lyrics(text, features)

    counts: list[int] = []
    embedded: list[str] = []
    monkeypatch.setattr("segue.ingest.embedding.embed_lyrics", embed)
    with Library.open(tmp_path / "library") as lib, pytest.raises(KeyboardInterrupt):
        lib.add([book(9)], workers=1, watch=stop)
    assert counts == [1, 2, 3, 4, 5]
    for count, more in ((9, 9), (9, 9), (10, 10), (3, 10)):
        with Library.open(tmp_path / "library") as lib:
            report = lib.add([book(count)], workers=1)
            assert report.failures == []
            assert [track.tags.title for track in lib.tracks()] == [
                f"Song {i}" for i in range(count)
            ]
        assert len(embedded) == more  # none twice
    with Library.open(tmp_path / "library") as lib:
        assert lib.add([tmp_path], workers=1).unchanged == 1
