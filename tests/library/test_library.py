from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conftest import albums_of_three, tune, write_sound
from segue import Filters, Library, Span
from segue.audio.spectrogram import SAMPLE_RATE_HZ, spans_to_analyse
from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument, NotFound, Unreadable
from segue.io.audio import read_recording


@pytest.fixture
def lib(filled: Path) -> Library:
    """The shared library; tests with it only read."""
    return Library.open(filled)


def titles(lib: Library, *queries: str | int, **options: object) -> list[str]:
    return [hit.track.tags.title for hit in lib.like(*queries, **options)]  # type: ignore[arg-type]


def test_a_track_is_not_its_own_neighbour(lib: Library) -> None:
    hits = lib.like(1, n=10)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert 1 not in [hit.track.id for hit in hits]
    similarities = [hit.similarity for hit in hits]
    assert similarities == sorted(similarities, reverse=True)


@pytest.mark.parametrize("space", builtin_spaces("sound"))
def test_reasons_sum_to_the_similarity_and_differ_between_neighbours(
    lib: Library, space: str
) -> None:
    hits = lib.like(1, space=space)
    for hit in hits:
        assert sum(r.share for r in hit.reasons) == pytest.approx(hit.similarity, abs=1e-4)
    assert len({hit.reasons for hit in hits}) == len(hits)


def test_the_similarity_is_the_cosine_of_the_stored_vectors(lib: Library) -> None:
    ids, vectors = lib.vectors("sound")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for hit in lib.like(1):
        expected = unit[ids == 1][0] @ unit[ids == hit.track.id][0]
        assert hit.similarity == pytest.approx(expected, abs=1e-5)


def test_a_file_finds_itself(lib: Library, tmp_path: Path) -> None:
    original = lib.tracks()[0].path
    copy = tmp_path / "elsewhere.ogg"
    copy.write_bytes(original.read_bytes())
    best = lib.like(copy, n=1)[0]
    assert best.track.path == original
    assert best.similarity == pytest.approx(1.0, abs=1e-3)
    assert lib.like(original, n=1)[0].track.path != original


def test_a_passage_asks_with_less(lib: Library) -> None:
    whole = lib.like(1)
    passage = lib.like(1, at=Span(2.0, 12.0))
    assert {hit.track.id for hit in whole} == {hit.track.id for hit in passage}
    assert [hit.similarity for hit in whole] != [hit.similarity for hit in passage]


def test_a_passage_beyond_the_end(lib: Library) -> None:
    with pytest.raises(Unreadable, match="passage"):
        lib.like(1, at=Span(500.0, 510.0))


def test_words_name_a_title_or_an_artist(lib: Library) -> None:
    assert [track.tags.title for track in lib.find("randomness decides")] == ["Randomness Decides"]
    assert len(lib.find("paniq")) == 2
    assert len(lib.find("PANIQ randomness")) == 1


def test_words_that_fit_several_tracks_are_asked_back(lib: Library) -> None:
    with pytest.raises(NotFound, match=r"(?s)fits 2 tracks; give the id of one:.*ambient1"):
        lib.find("ambi")


def test_words_that_fit_nothing(lib: Library) -> None:
    with pytest.raises(NotFound, match="nothing in the library is called 'polka'"):
        lib.find("polka")


def test_minus_pushes_away(lib: Library) -> None:
    plain = {hit.track.id: hit.similarity for hit in lib.like(1)}
    away = {hit.track.id: hit.similarity for hit in lib.like(1, minus=[3])}
    assert 3 not in away
    near_3 = lib.like(3, n=1)[0].track.id
    assert away[near_3] < plain[near_3]


def test_filters(lib: Library) -> None:
    assert {h.track.tags.artist for h in lib.like(1, filters=Filters(artist="PANIQ"))} <= {"paniq"}
    assert lib.like(1, filters=Filters(year=(1990, 1999))) == []
    by_tempo = lib.like(1, filters=Filters(bpm=(60, 120)))
    assert all(60 <= round(float(hit.track.facts["tempo_bpm"])) <= 120 for hit in by_tempo)
    one_each = [h.track.tags.artist for h in lib.like(1, filters=Filters(max_per_artist=1))]
    assert len(one_each) == len(set(one_each))
    own = lib.find(1)[0].tags
    others = lib.like(1, filters=Filters(exclude_same_artist=True, exclude_same_album=True))
    assert others
    assert own.artist not in [hit.track.tags.artist for hit in others]
    assert own.album not in [hit.track.tags.album for hit in others]


def test_copies_of_one_recording_collapse(
    library: Callable[[], Library], little_music: Path, tmp_path: Path
) -> None:
    with library() as lib:
        lib.add([little_music], workers=1)
        samples = read_recording(lib.tracks()[2].path, SAMPLE_RATE_HZ, spans_to_analyse).excerpts[0]
        copy = write_sound(tmp_path / "copy.mp3", samples[SAMPLE_RATE_HZ:], SAMPLE_RATE_HZ)
        lib.add([copy], workers=1)
        plain = [hit.track.id for hit in lib.like(1)]
        every = [hit.track.id for hit in lib.like(1, duplicates=True)]
        assert len(plain) == 5
        assert len(every) == 6
        assert len({3, 7} & set(plain)) == 1
        # Asked with one copy, the other is no answer either.
        assert 7 not in [hit.track.id for hit in lib.like(3)]


def test_descriptions_rank_by_the_tags_asked_for(lib: Library) -> None:
    hits = lib.like_tags(["female vocalists", "Sad"])
    for hit in hits:
        assert sum(r.share for r in hit.reasons) == pytest.approx(hit.similarity, abs=1e-5)
        assert {r.name for r in hit.reasons} == {"female vocalists", "sad"}
    similarities = [hit.similarity for hit in hits]
    assert similarities == sorted(similarities, reverse=True)


def test_an_unknown_tag_gets_the_list_and_the_nearest(lib: Library) -> None:
    with pytest.raises(BadArgument, match=r"did you mean 'electronica'.*acoustic, alternative"):
        lib.like_tags(["elektronica"])


def test_evaluate_has_a_row_for_every_space(tmp_path: Path) -> None:
    albums_of_three(tmp_path)
    with Library.open(tmp_path) as lib:
        table = lib.evaluate("album")
        assert set(table) == set(builtin_spaces("sound"))
        # Tracks of an album lie together by construction, so each finds one of its own.
        assert all(row.precision_at_1 == 1.0 and row.queries == 9 for row in table.values())
        with pytest.raises(BadArgument, match=r"no label|no quer"):
            lib.evaluate("album", artist_filter=True)


def test_evaluate_says_what_it_cannot_do(lib: Library) -> None:
    with pytest.raises(BadArgument, match=r"3|three"):
        lib.evaluate("album")  # two tracks an album are too few to ask
    with pytest.raises(BadArgument, match="album, artist or genre"):
        lib.evaluate("mood")


def test_an_empty_library(library: Callable[[], Library]) -> None:
    with library() as lib:
        with pytest.raises(NotFound, match="empty"):
            lib.like(1)
        with pytest.raises(NotFound, match="empty"):
            lib.evaluate()
        assert lib.tracks() == []


def test_prune_takes_out_what_is_gone_but_not_half_a_library(
    library: Callable[[], Library], tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    files = [write_sound(music / f"{i}.wav", tune(i, 2.0, 8_000), 8_000) for i in range(3)]
    with library() as lib:
        lib.add([music], workers=1)
        files[0].unlink()
        assert [track.id for track in lib.prune().removed] == [1]
        files[1].unlink()
        files[2].unlink()
        with pytest.raises(BadArgument, match="2 of 2 files are gone: is a disk not connected"):
            lib.prune()
        assert len(lib.prune(really=True).removed) == 2


def test_remove_leaves_the_file(library: Callable[[], Library], tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", tune(1, 2.0, 8_000), 8_000)
    with library() as lib:
        lib.add([file], workers=1)
        lib.remove([1])
        assert lib.tracks() == []
    assert file.exists()


def test_two_libraries_agree_on_a_vector(library: Callable[[], Library], filled: Path) -> None:
    with library() as lib, Library.open(filled) as other:
        path = other.tracks()[3].path
        lib.add([path], workers=1)
        ids, vectors = other.vectors()
        assert np.allclose(lib.vectors()[1][0], vectors[ids == 4][0], atol=1e-5)
