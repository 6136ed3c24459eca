"""Piano rolls are drawn of whatever can be written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from scores import part_of, piece, score_of, tune
from segue.errors import BadArgument
from segue.records import Score
from segue.render.piano_roll_plots import draw_piano_roll, draw_piano_rolls
from segue.score.piano_roll import PianoRoll


def texts_of(target: Path) -> str:
    return target.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def words_stay_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SVG files hold their words, so that they can be read here."""
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")


def test_a_figure_has_title_chords_and_parts(tmp_path: Path) -> None:
    score = replace(piece(1), title="A $title$ with <signs>", composer="Somebody")
    draw_piano_roll(score, tmp_path / "roll.svg")
    texts = texts_of(tmp_path / "roll.svg")
    for word in (
        "A $title$ with",
        "Somebody",
        "C major",
        "4/4",
        "flute",
        "drums",
        "closed hat",
        "C4",
    ):
        assert word in texts
    assert "of 12 bars" not in texts


def test_the_picture_has_the_colours_of_the_parts(tmp_path: Path) -> None:
    draw_piano_roll(piece(1), tmp_path / "roll.png")
    picture = imread(tmp_path / "roll.png")[:, :, :3]
    assert picture.shape[1] == 1950
    for colour in ((0, 0x72, 0xB2), (0xD5, 0x5E, 0)):
        near = np.abs(picture - np.array(colour) / 255).max(axis=2) < 0.25
        assert near.mean() > 0.001


def test_a_long_score_is_shown_from_its_start(tmp_path: Path) -> None:
    draw_piano_roll(score_of(tune(*[60, 64, 67, 72] * 100)), tmp_path / "roll.svg")
    assert "the first 64 of 100 bars" in texts_of(tmp_path / "roll.svg")


def test_a_row_without_a_chord_symbol_is_drawn(tmp_path: Path) -> None:
    score = replace(score_of(tune(*[60, 64, 67, 72] * 30)), chords=((0, "Cmaj9"),))
    draw_piano_roll(score, tmp_path / "roll.svg")
    assert texts_of(tmp_path / "roll.svg").count("Cmaj9") == 1


@pytest.mark.parametrize(
    "score",
    [
        score_of(part_of((0, 1, 36), (1, 1, 38), drum=True)),
        score_of(tune(60)),
        score_of(tune(0, 127), time_signatures=[[0, 7, 8]]),
        score_of(part_of((300, 4, 60)), time_signatures=[[0, 1, 16]]),
        score_of(*[tune(60 + i, program=i) for i in range(30)]),
    ],
    ids=["drums alone", "one note", "all keys", "short bars, late", "many parts"],
)
def test_unusual_scores_are_drawn(score: Score, tmp_path: Path) -> None:
    draw_piano_roll(score, tmp_path / "roll.png")
    draw_piano_rolls([("one", score)], tmp_path / "rolls.png")
    assert imread(tmp_path / "roll.png").std() > 0


def test_piano_rolls_are_drawn_side_by_side(tmp_path: Path) -> None:
    rolls = [(f"sample {seed}", PianoRoll.from_score(piece(seed))) for seed in range(3)]
    silence = PianoRoll(np.zeros((4, 48, 84, 5), np.bool_))
    draw_piano_rolls([*rolls, ("nothing", silence), ("a score", piece(9))], tmp_path / "rolls.svg")
    texts = texts_of(tmp_path / "rolls.svg")
    for word in ("sample 0", "sample 2", "silence", "a score", "guitar", "bass", "strings"):
        assert word in texts


def test_empty_scores_and_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="without"):
        draw_piano_roll(score_of(), tmp_path / "roll.png")
    with pytest.raises(BadArgument, match="no picture"):
        draw_piano_roll(piece(1), tmp_path / "roll.txt")
    with pytest.raises(BadArgument, match="0 pieces"):
        draw_piano_rolls([], tmp_path / "rolls.png")
