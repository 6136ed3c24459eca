import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import little_score, tune, write_score, write_sound
from segue.errors import BadArgument, NothingToMeasure, Unreadable
from segue.ingest.survey import AddReport
from segue.library import Library
from segue.records import Part

Opener = Callable[[], Library]

TUNES = {
    "The Reel": "|:GABc dedB|dedB dedB|c2ec B2dB|A2F2 GFEF:|",
    "The Jig": "|:GFG BAB|dge d2B|AGA BGE|AGF G3:|",
    "The Air": "|:A3 B c2 d2|e4 d2 c2|B3 A G2 E2|A8:|",
}
TIME_SIGNATURES = {"The Reel": "4/4", "The Jig": "6/8", "The Air": "4/4"}


def book(path: Path, titles: list[str]) -> Path:
    """Write an ABC file of tunes."""
    path.write_text(
        "\n\n".join(
            f"X:{number}\nT:{title}\nC:Trad.\nM:{TIME_SIGNATURES[title]}\nL:1/8\nK:G\n{TUNES[title]}"
            for number, title in enumerate(titles, start=1)
        )
        + "\n"
    )
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Four pieces, the last in 3/4, where no piano roll is."""
    folder = tmp_path / "scores"
    folder.mkdir()
    for seed in range(3):
        write_score(folder / f"{seed}.mid", little_score(seed))
    write_score(folder / "waltz.mid", little_score(9, beats=3))
    return folder


def add(opener: Opener, *paths: Path) -> AddReport:
    with opener() as library:
        return library.add(paths, workers=1)


def titles(opener: Opener) -> list[str]:
    with opener() as library:
        return [track.tags.title for track in library.tracks()]


def test_scores_are_added_and_left_alone(library: Opener, scores: Path) -> None:
    assert add(library, scores).added == 4
    report = add(library, scores)
    assert (report.added, report.unchanged) == (0, 4)
    assert titles(library) == ["Piece 0", "Piece 1", "Piece 2", "Piece 9"]
    with library() as lib:
        assert lib.kinds() == {"score": 4}
        assert {track.facts["metre"] for track in lib.tracks()} == {"4/4", "3/4"}


def test_a_query_without_4_4_uses_the_other_space(library: Opener, scores: Path) -> None:
    add(library, scores)
    with library() as lib:
        assert lib.default_space("Piece 0") == "roll-vae"
        assert {hit.track.tags.title for hit in lib.like("Piece 0")} == {"Piece 1", "Piece 2"}
        assert lib.default_space("Piece 9") == "score-features"
        assert len(lib.like("Piece 9")) == 3
        ids, _ = lib.vectors("roll-vae")
        assert len(ids) == 3


def test_a_score_transposed_is_the_nearest(library: Opener, scores: Path, tmp_path: Path) -> None:
    write_score(scores / "higher.mid", little_score(1, transposed=3))
    add(library, scores)
    query = write_score(tmp_path / "asked.mid", little_score(1, transposed=-2))
    with library() as lib:
        for space in (None, "score-features"):
            hits = lib.like(query, space=space, duplicates=True)
            assert {hit.track.path.name for hit in hits[:2]} == {"1.mid", "higher.mid"}
            assert all(
                abs(sum(reason.share for reason in hit.reasons) - hit.similarity) < 1e-4
                for hit in hits
            )
        assert len([h for h in lib.like(query, n=5) if h.track.path.name in
                    ("1.mid", "higher.mid")]) == 1  # fmt: skip  # one of two copies


def test_each_tune_of_a_book_is_a_track(library: Opener, tmp_path: Path) -> None:
    written = book(tmp_path / "book.abc", list(TUNES))
    assert add(library, written).added == 1
    with library() as lib:
        tracks = lib.tracks()
        assert [track.tags.title for track in tracks] == list(TUNES)
        assert [track.tune for track in tracks] == [1, 2, 3]
        assert {track.tags.album for track in tracks} == {"book"}
        assert lib.scores.read(2).time_signatures.tolist() == [[0, 6, 8]]
        with pytest.raises(BadArgument, match="3 scores"):
            lib.scores.read(written)
    assert add(library, written).unchanged == 1


def test_a_changed_book_holds_what_it_holds_now(library: Opener, tmp_path: Path) -> None:
    written = book(tmp_path / "book.abc", list(TUNES))
    add(library, written)
    book(written, ["The Air", "The Reel"])
    os.utime(written, (1, 1))
    assert add(library, written).changed == 1
    assert titles(library) == ["The Air", "The Reel"]


def test_a_book_moved_and_copied(library: Opener, tmp_path: Path) -> None:
    first = tmp_path / "music"
    first.mkdir()
    book(first / "book.abc", list(TUNES))
    add(library, first)
    (first / "book.abc").rename(first / "tunes.abc")
    assert add(library, first).moved == 1
    shutil.copy(first / "tunes.abc", first / "again.abc")
    assert add(library, first).copied == 1
    with library() as lib:
        assert len(lib.tracks()) == 6
        assert {(track.path.name, track.tune) for track in lib.tracks()} == {
            (name, number) for name in ("tunes.abc", "again.abc") for number in (1, 2, 3)
        }
        pairs = lib.atlas.same_tunes()
        assert sum(pair.same_content for pair in pairs) == 3


def test_one_broken_tune_does_not_affect_the_others(library: Opener, tmp_path: Path) -> None:
    written = book(tmp_path / "book.abc", list(TUNES))
    written.write_text(written.read_text() + "\n\nX:4\nT:Broken\nK:\n")
    report = add(library, written)
    assert report.added == 1
    assert "tune 4" in report.failures[0].reason
    assert "other 3 were added" in report.failures[0].reason
    assert titles(library) == list(TUNES)
    assert add(library, written).unchanged == 1
    with library() as lib:
        assert len(lib.failures()) == 1


def test_bad_scores_are_reported(library: Opener, scores: Path) -> None:
    (scores / "noise.mid").write_bytes(np.random.default_rng(0).bytes(2000))
    (scores / "short.mid").write_bytes((scores / "0.mid").read_bytes()[:60])
    (scores / "settings.xml").write_text("<plist><dict/></plist>")
    report = add(library, scores)
    assert report.added == 4
    assert {failure.path.name for failure in report.failures} == {"noise.mid", "short.mid"}
    assert report.passed_over == 1


def test_recordings_and_scores_in_one_library(library: Opener, scores: Path) -> None:
    write_sound(scores / "a.wav", tune(0, 10.5, 16_000), 16_000)
    write_sound(scores / "b.wav", tune(1, 10.5, 16_000), 16_000)
    assert add(library, scores).added == 6
    with library() as lib:
        assert lib.kinds() == {"score": 4, "sound": 2}
        assert {hit.track.kind for hit in lib.like("Piece 0")} == {"score"}
        assert {hit.track.kind for hit in lib.like(scores / "a.wav")} == {"sound"}
        with pytest.raises(BadArgument, match="different spaces"):
            lib.like("Piece 0", scores / "a.wav")
        assert lib.scores.read(scores / "a.wav").parts  # transcribed
        with pytest.raises(NothingToMeasure):
            lib.evaluate("album")  # a folder is no album
        lib.add([scores], workers=1, album="Pieces")
        table = lib.evaluate("album")
        assert set(table) == {"score-features", "roll-vae"}  # two recordings make no album


@pytest.mark.parametrize(("waltzes", "space"), [(1, "roll-vae"), (4, "score-features")])
def test_a_space_that_has_few_of_the_scores_is_not_the_default(
    library: Opener, scores: Path, waltzes: int, space: str
) -> None:
    for seed in range(20, 19 + waltzes):
        write_score(scores / f"{seed}.mid", little_score(seed, beats=3))
    add(library, scores)
    with library() as lib:
        assert lib.default_space("Piece 0") == space
        n_hits = len(lib.like("Piece 0", n=20))
        assert n_hits == (2 if space == "roll-vae" else 2 + waltzes)


def test_a_file_that_is_no_score_is_no_query(library: Opener, scores: Path, tmp_path: Path) -> None:
    add(library, scores)
    broken = tmp_path / "broken.mid"
    broken.write_bytes(b"MThd nothing")
    with library() as lib, pytest.raises(Unreadable, match=r"broken\.mid"):
        lib.like(broken)


def test_hours_of_music_and_a_crowd_of_notes_are_added(library: Opener, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    crowd = np.stack(
        [np.sort(rng.integers(0, 1900, 100_000)), np.ones(100_000), rng.integers(0, 128, 100_000),
         np.full(100_000, 90)], axis=1,
    )  # fmt: skip
    hours = np.stack(
        [480 * np.arange(28_800), np.full(28_800, 480), 60 + np.arange(28_800) % 12,
         np.full(28_800, 90)], axis=1,
    )  # fmt: skip
    for name, notes in (("crowd", crowd), ("hours", hours)):
        part = Part("", 0, False, notes.astype(np.int32))
        write_score(tmp_path / f"{name}.mid", replace(little_score(0), parts=(part,)))
    assert add(library, tmp_path).added == 2
    with library() as lib:
        assert [track.facts["bars"] for track in lib.tracks()] == [1, 7200]
        assert lib.default_space(2) == "score-features"  # too long for a roll
