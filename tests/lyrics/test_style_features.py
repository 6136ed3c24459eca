from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.builtin_spaces import MAX_Z_SCORE, feature_z_scores
from segue.errors import BadArgument
from segue.feature_names import STYLE_FEATURE_GROUPS, STYLE_FEATURE_NAMES
from segue.io.lyrics_text import normalise_layout
from segue.lyrics.features import (
    describe_text,
    rhyme_scheme,
    standardise_style,
    style_features,
)
from segue.lyrics.matching import (
    SAME_TEXT_THRESHOLD,
    LineIndex,
    text_minhash,
    text_minhash_similarity,
)
from segue.lyrics.phonetics import count_syllables, rhyme_key, split_words
from verses import song

GOLDEN = Path(__file__).parent / "golden" / "style.npz"
SONNET = (
    "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n"
    "Rough winds do shake the darling buds of May,\nAnd summer's lease hath all too short a date:"
)


def value(text: str, name: str) -> float:
    return float(style_features(text)[STYLE_FEATURE_NAMES.index(name)])


def test_the_representation_has_not_moved() -> None:
    golden = np.load(GOLDEN)
    songs = [song("Ada Long", 1), song("Bob Short", 1) + "\n夜の歌\nNoch 'n Lied, dîner à l’été…"]
    for text, features, prints in zip(songs, golden["features"], golden["prints"], strict=True):
        np.testing.assert_allclose(style_features(text), features, atol=1e-3)
        np.testing.assert_array_equal(text_minhash(text), prints)


def test_names_are_unique_and_grouped() -> None:
    assert len(set(STYLE_FEATURE_NAMES)) == len(STYLE_FEATURE_NAMES)
    assert list(STYLE_FEATURE_GROUPS.values())[-1].stop == len(STYLE_FEATURE_NAMES)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("'Tis the rose, isn't it?", ["'Tis", "the", "rose", "isn't", "it"]),
        ("L’été — 12 o'clock", ["L'été", "o'clock"]),
        ("夜の歌", ["夜", "の", "歌"]),
        ("שָׁלוֹם לך", ["שָׁלוֹם", "לך"]),
        ("...!", []),
    ],
)
def test_words_of_a_line(line: str, words: list[str]) -> None:
    assert split_words(line) == words


@pytest.mark.parametrize(
    ("word", "count"),
    [("day", 1), ("gladly", 2), ("temperate", 3), ("shake", 1), ("little", 2), ("loved", 1),
     ("wanted", 2), ("Röslein", 2), ("夜", 1), ("слово", 2), ("hmm", 1)],
)  # fmt: skip
def test_syllables_are_counted_by_spelling(word: str, count: int) -> None:
    assert count_syllables(word) == count


@pytest.mark.parametrize(
    ("a", "b"),
    [("night", "bite"), ("day", "May"), ("rain", "lane"), ("dream", "theme"), ("love", "dove"),
     ("weigh", "day"), ("Herzen", "Schmerzen"), ("amour", "toujour"), ("fleet", "heat")],
)  # fmt: skip
def test_what_rhymes(a: str, b: str) -> None:
    assert (rhyme_key(a) == rhyme_key(b)) is ((a, b) != ("weigh", "day"))


@pytest.mark.parametrize(("a", "b"), [("night", "bit"), ("rose", "rise"), ("day", "sea")])
def test_what_does_not(a: str, b: str) -> None:
    assert rhyme_key(a) != rhyme_key(b)


def test_a_scheme_is_named() -> None:
    last = [split_words(line)[-1] for line in SONNET.split("\n")]
    assert rhyme_scheme(last) == "ABAB"
    assert rhyme_scheme(["one", "two", "three"]) == "---"


def test_what_verse_has_is_measured() -> None:
    assert value(SONNET, "Lines of 10 Syllables") > 0.8
    assert value(SONNET, "Rhyme over 2 Lines") > 0.6
    assert value(SONNET, "Rhyme over 1 Lines") == 0
    assert value("oh\n\n" + SONNET + "\n\n" + SONNET, "Repeated Stanzas") > 0.5
    assert value(SONNET, "Repeated Lines") == 0
    assert value(SONNET.upper(), "Words in Capitals") > value(SONNET, "Words in Capitals")


def test_headers_of_sections_are_no_words() -> None:
    with_header = "[Chorus]\n" + SONNET
    np.testing.assert_array_equal(style_features(with_header), style_features(SONNET))


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_any_text_with_words_has_a_place(text: str) -> None:
    layout = normalise_layout(text)
    try:
        vector = style_features(layout)
    except BadArgument:
        assert not any(split_words(line) for line in layout.split("\n") if not line.startswith("["))
        return
    assert np.isfinite(vector).all()
    assert np.isfinite(standardise_style(vector)).all()
    assert text_minhash(layout).shape == (128,)
    assert float(describe_text(layout).facts["lines"]) >= 1


def test_z_scores_are_limited() -> None:
    a = standardise_style(style_features(song("Ada Long", 1)))
    assert np.abs(feature_z_scores("lyrics", a)).max() <= MAX_Z_SCORE + 1e-3
    with pytest.raises(BadArgument, match="describe the text again"):
        standardise_style(a[:-1])


def test_one_voice_is_nearer_to_itself() -> None:
    def unit(artist: str, seed: int) -> np.ndarray:
        vector = standardise_style(style_features(song(artist, seed)))
        return np.asarray(vector / np.linalg.norm(vector))

    ada, again, bob = unit("Ada Long", 1), unit("Ada Long", 2), unit("Bob Short", 1)
    assert ada @ again > ada @ bob + 0.3


def test_near_identical_texts_are_one() -> None:
    text = song("Ada Long", 1, stanzas=8)
    typed = text.replace("sorrow", "sorow").replace(",", "").upper() + "\noh yeah"
    assert text_minhash_similarity(text_minhash(text), text_minhash(typed)) >= SAME_TEXT_THRESHOLD
    # One refrain of two songs does not make them one.
    other = SONNET + "\n\n" + text.split("\n\n")[0]
    assert text_minhash_similarity(text_minhash(text), text_minhash(other)) < SAME_TEXT_THRESHOLD
    with pytest.raises(BadArgument, match="128 numbers"):
        text_minhash_similarity(text_minhash(text), np.zeros(3, np.uint32))


def test_an_index_comes_back_as_it_was() -> None:
    texts = [(7, SONNET), (9, song("Bob Short", 3)), (12, "静かな夜\n\nмоя песня")]
    index = LineIndex.build(texts)
    again = LineIndex.from_arrays(index.arrays())
    for asked in ("shal i compair the", "静かな", "rough wind"):
        near = index.similarities(index.query(asked))
        np.testing.assert_array_equal(near, again.similarities(again.query(asked)))
        best = int(near.argmax())
        line = dict(texts)[int(index.texts[best])].split("\n")[int(index.numbers[best])]
        assert line.startswith({"s": "Shall I", "静": "静か", "r": "Rough"}[asked[0]])
        assert 0 < near[best] <= 1
        assert index.query(asked).similarity(line) == pytest.approx(float(near[best]), abs=1e-5)


def test_an_index_in_parts_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [(seed, song("Ada Long", seed)) for seed in range(6)]
    whole = LineIndex.build(texts)
    monkeypatch.setattr("segue.lyrics.matching._SEGMENT_CHARACTERS", 300)
    parts = LineIndex.build(texts)
    assert len(parts.segments) > 2
    asked = "the silver rain has wispered"
    np.testing.assert_allclose(
        whole.similarities(whole.query(asked)), parts.similarities(parts.query(asked)), atol=1e-6
    )
