"""What a network of words learned, on embeddings made by hand."""

from pathlib import Path

import numpy as np
import pytest

from explain_models import DURATIONS, made_model
from segue.errors import BadArgument, NotFound
from segue.generate.notes.probing import (
    evaluate_claims,
    explain_token,
    pitch_class_map,
    similarity_matrix,
)
from segue.render.pages import write_token_similarity_page
from segue.render.plots import draw_token_similarity
from segue.theory.keys import PITCH_CLASSES

MODEL = made_model()


def test_a_note_is_nearest_to_its_octaves_and_fifths() -> None:
    (explanation,) = explain_token(MODEL, "A2", 3)
    assert (explanation.stream, explanation.notes, explanation.name) == ("notes", ("A",), "")
    assert {near.word for near in explanation.neighbours} & {"A3", "A4", "A5"}
    assert explanation.neighbours[0].cosine > 0.5
    assert explanation.count == MODEL.vocabularies["notes"].counts[explanation.rank]
    assert 0.1 < explanation.by_chance < 0.14


def test_a_chord_is_told_by_notes_name_and_shared_keys() -> None:
    (explanation,) = explain_token(MODEL, "9.4.0", 84)
    assert explanation.word == "9.0.4"
    assert explanation.notes == ("A", "C", "E")
    assert explanation.name == "Am"
    near = {each.word: each for each in explanation.neighbours}
    assert near["0.4.7"].name == "C"
    assert near["0.4.7"].shared_keys == (
        "C major", "A minor", "G major", "E minor", "F major", "D minor",
    )  # fmt: skip
    assert near["3.7.10"].shared_keys == ()
    assert len(explanation.neighbours) == 83  # all but itself, and never `unkw`


def test_a_length_may_be_a_chord_too() -> None:
    explanation = explain_token(made_model(), "0.5")
    assert [each.stream for each in explanation] == ["durations"]
    assert explanation[0].word == "0.5"
    assert explanation[0].name == ""
    assert [each.word for each in explain_token(MODEL, "1/2")] == ["0.5"]
    assert explanation[0].neighbours[0].word == "2/3"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("A7", "does not know 'A7'"),
        ("H2", "is no note"),
        ("unkw", "count as 'unkw'"),
        ("", "is no"),
    ],
)
def test_words_that_are_not_known_are_told(word: str, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        explain_token(MODEL, word)


def test_the_table_is_of_the_most_frequent() -> None:
    table = similarity_matrix(MODEL, "notes", 60)
    assert table.words[0] == "C2"
    assert table.names[48] == "C (C E G)"
    assert np.allclose(np.diag(table.cosines), 1, atol=1e-5)
    assert sorted(table.order.tolist()) == list(range(60))
    lengths = similarity_matrix(MODEL, "durations", 60)
    assert [lengths.words[at] for at in lengths.order] == DURATIONS
    with pytest.raises(BadArgument, match="from 2 to"):
        similarity_matrix(MODEL, "notes", 1)


def test_the_plane_shows_the_circle() -> None:
    plane = pitch_class_map(MODEL)
    assert plane.share > 0.8
    angle = np.unwrap(np.arctan2(*plane.points[[7 * step % 12 for step in range(12)]].T))
    assert abs(abs(angle[-1] - angle[0]) - 11 * np.pi / 6) < 0.2


def test_theory_is_held_against_what_was_learned() -> None:
    report = evaluate_claims(MODEL)
    claims = {claim.name: claim for claim in report.claims}
    for name in ("circle of fifths", "octave equivalence", "duration ladder"):
        network, cooccurrence = claims[name].network, claims[name].cooccurrence
        assert network is not None
        assert cooccurrence is not None
        assert network.rho > 0.4
        assert network.p < 0.005
        assert cooccurrence.p > 0.01
        assert "beyond chance, where counts" in claims[name].sentence
    assert claims["circle of fifths"].network.pairs == 66  # type: ignore[union-attr]
    assert claims["relative minor"].network.pairs == 144  # type: ignore[union-attr]
    assert evaluate_claims(MODEL) == report


def test_what_knows_nothing_is_told_so() -> None:
    report = evaluate_claims(made_model(blank=True))
    assert all(claim.sentence.startswith("Not shown") for claim in report.claims)
    notes, durations = report.nearness
    assert notes.nearest == pytest.approx(notes.by_chance, abs=0.02)
    assert durations.published_by_chance == pytest.approx(0.12, abs=0.005)


def test_too_little_is_told() -> None:
    for claim in evaluate_claims(made_model(count=10)).claims:
        assert claim.network is None
        assert claim.sentence.startswith("Too few")


@pytest.mark.parametrize("with_plane", [True, False])
def test_the_table_is_drawn_and_written(tmp_path: Path, with_plane: bool) -> None:
    table, plane = similarity_matrix(MODEL), pitch_class_map(MODEL).points if with_plane else None
    draw_token_similarity(
        table.cosines, table.names, plane, PITCH_CLASSES, tmp_path / "a.png", "a", "b"
    )
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    write_token_similarity_page(
        table.cosines, table.names, table.counts, table.order, plane, PITCH_CLASSES,
        tmp_path / "a.html", "a </script>", "b",
    )  # fmt: skip
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "a \\u003c/script>" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_picture_has_room_for_so_many(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="room for 120"):
        draw_token_similarity(
            np.eye(121, dtype=np.float32), ["x"] * 121, None, (), tmp_path / "a.png", "", ""
        )
