"""Lyrics written: in the form that is asked for, with one voice or two, without long copies."""

from dataclasses import replace

import pytest
import torch

from segue.errors import BadArgument
from segue.generate.lyrics.language_model import LanguageModel
from segue.generate.lyrics.network import CharDecoder, CharNetwork, CharNetworkConfig
from segue.generate.lyrics.report import GeneratedLyrics, index_songs
from segue.generate.lyrics.sampler import (
    ArtistStyle,
    LyricLine,
    LyricsOptions,
    blend_styles,
    check_seed_line,
    sample_lyrics,
    take_turns,
)
from segue.generate.lyrics.training import tokenize_song
from segue.generate.lyrics.vocabulary import SONG_BOUNDARY, VOCABULARY_SIZE, encode
from segue.lyrics.phonetics import split_words
from segue.lyrics.pronunciation import sound
from segue.nn.sampling import Sampling
from segue.records import Lyrics, Tags
from verses import song as verse

ARTISTS = ("Ada Long", "Bob Short")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    """A small network that knows a few songs nearly by heart, so that it would copy them."""
    torch.manual_seed(0)
    known = [
        Lyrics(verse(artist, seed), Tags(f"song {seed}", artist))
        for artist in ARTISTS
        for seed in range(3)
    ]
    config = CharNetworkConfig(
        64,
        ngram_sizes=(512, 2048, 4096),
        ngram_width=16,
        num_styles=2,
        dropout=0.0,
        ngram_dropout=0.0,
    )
    network = CharNetwork(config)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    songs = [torch.from_numpy(tokenize_song(one).tokens) for one in known]
    tokens = torch.nn.utils.rnn.pad_sequence(songs, batch_first=True, padding_value=-1)
    voices = torch.tensor([1, 1, 1, 2, 2, 2])
    for _ in range(60):
        optimiser.zero_grad()
        network.loss(tokens, tokens, voices).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return LanguageModel(network.eval(), ARTISTS, tuple(known), {"artist": ""})


def voices(model: LanguageModel, count: int = 1) -> list[ArtistStyle]:
    return [ArtistStyle(artist, model, model.style_index(artist)) for artist in ARTISTS[:count]]


def sung(lines: list[LyricLine]) -> list[LyricLine]:
    return [line for line in lines if line.text]


def test_as_many_lines_as_asked_for(model: LanguageModel) -> None:
    options = LyricsOptions(9)
    lines = list(sample_lyrics(voices(model), options))
    assert len(sung(lines)) == 9
    assert list(sample_lyrics(voices(model), options)) == lines
    assert list(sample_lyrics(voices(model), replace(options, seed=1))) != lines


def test_lines_rhyme_as_asked_for() -> None:
    shipped = LanguageModel.pretrained()
    burns = ArtistStyle("Robert Burns", shipped, shipped.style_index("Robert Burns"), 0.0)
    lines = list(sample_lyrics([burns], LyricsOptions(5, Sampling(0.7), rhyme="ABBA")))
    assert [bool(line.text) for line in lines] == [True] * 4 + [False, True]
    ends = [split_words(line.text)[-1].lower() for line in sung(lines)]
    pairs = [(0, 3), (1, 2)]
    assert all(sound(ends[a]).rhymes_with(sound(ends[b])) for a, b in pairs)


def test_the_chorus_comes_again(model: LanguageModel) -> None:
    lines = sung(list(sample_lyrics(voices(model), LyricsOptions(16, repeat_chorus=True))))
    assert [line.text for line in lines[4:8]] == [line.text for line in lines[12:]]
    assert [line.repeated for line in lines] == [False] * 12 + [True] * 4


@pytest.mark.parametrize(
    ("lines", "rhyme", "chorus"),
    [(12, "A-A-", [0, 2]), (9, "", [0, 2]), (16, "", [1, 3]), (8, "", [])],
)
def test_a_chorus_comes_twice_where_there_are_three_stanzas(
    model: LanguageModel, lines: int, rhyme: str, chorus: list[int]
) -> None:
    options = LyricsOptions(lines, rhyme=rhyme, repeat_chorus=True)
    stanzas: list[list[LyricLine]] = [[]]
    for line in sample_lyrics(voices(model), options):
        if line.text:
            stanzas[-1].append(line)
        else:
            stanzas.append([])
    repeated = [number for number, some in enumerate(stanzas) if all(one.repeated for one in some)]
    assert repeated == chorus[1:]
    if chorus:
        first, again = (stanzas[number] for number in chorus)
        assert [one.text for one in again] == [one.text for one in first[: len(again)]]


@pytest.mark.parametrize("most", [2, 4, 8])
def test_not_more_words_in_a_row_than_allowed_are_copied(model: LanguageModel, most: int) -> None:
    known = index_songs(model.training_songs)
    copied = []
    for limit in (0, most):
        options = LyricsOptions(12, Sampling(0.3), max_copy=limit)
        lines = list(sample_lyrics(voices(model), options))
        words = [word for line in lines for word in split_words(line.text)]
        copied.append(known.longest_shared_words(words).length)
    assert copied[0] > most >= copied[1]


def test_the_given_line_comes_first(model: LanguageModel) -> None:
    options = LyricsOptions(4, seed_line="  The river of my sorrow ")
    lines = sung(list(sample_lyrics(voices(model), options)))
    assert lines[0] == LyricLine("The river of my sorrow")
    assert lines[1].voices == "A"
    other = sung(list(sample_lyrics(voices(model), replace(options, seed_line="Hey! You"))))
    assert other[1:] != lines[1:]


def test_a_given_line_may_be_a_copy(model: LanguageModel) -> None:
    given = " ".join(verse("Ada Long", 0).split("\n")[:2])
    lines = list(sample_lyrics(voices(model), LyricsOptions(3, seed_line=given, max_copy=3)))
    assert len(sung(lines)) == 3


def test_voices_take_turns_by_line(model: LanguageModel) -> None:
    lines = sung(list(sample_lyrics(voices(model, 2), LyricsOptions(6))))
    assert [line.voices for line in lines] == ["A", "B"] * 3


def test_voices_take_turns_by_stanza(model: LanguageModel) -> None:
    lines = sung(list(sample_lyrics(voices(model, 2), LyricsOptions(12), by="stanza")))
    assert [line.voices for line in lines] == ["A"] * 4 + ["B"] * 4 + ["A"] * 4


def test_voices_take_turns_by_word(model: LanguageModel) -> None:
    lines = sung(list(sample_lyrics(voices(model, 2), LyricsOptions(6, max_copy=0), by="word")))
    for line in lines:
        assert len(line.voices) == len(split_words(line.text))
    turns = "".join(line.voices for line in lines)
    assert turns == ("AB" * len(turns))[: len(turns)]


def likely(model: LanguageModel, voice: int) -> torch.Tensor:
    text = torch.from_numpy(encode("The "))
    tokens = torch.cat([torch.tensor([SONG_BOUNDARY]), text])[None]
    return CharDecoder(model.network, torch.tensor([voice])).append(tokens)[0].log_softmax(-1)


@pytest.mark.parametrize("how", ["mixture", "product"])
def test_a_blend_is_one_voice_at_its_ends(model: LanguageModel, how: str) -> None:
    both = likely(model, 1), likely(model, 2)
    for share, one in zip((0.0, 1.0), both, strict=True):
        found = blend_styles(share, how)(both, [0]).softmax(-1)  # type: ignore[arg-type]
        assert torch.allclose(found, one.exp(), atol=1e-5)


def test_a_mixture_is_between_both(model: LanguageModel) -> None:
    both = likely(model, 1), likely(model, 2)
    found = blend_styles(0.25)(both, [0]).exp()
    assert torch.allclose(found, 0.75 * both[0].exp() + 0.25 * both[1].exp(), atol=1e-5)
    assert float(found.sum()) == pytest.approx(1, abs=1e-4)


def test_contrast_is_more_like_a_voice_than_the_voice(model: LanguageModel) -> None:
    base, both = likely(model, 0), (likely(model, 1), likely(model, 2))
    found = blend_styles(0.0, "contrast")((*both, base), [0]).log_softmax(-1)
    apart = (both[0] - base).exp().argmax()
    assert float(found[apart] - base[apart]) > float(both[0][apart] - base[apart])
    assert found.shape == (VOCABULARY_SIZE,)


def test_turns_take_the_voice_whose_turn_it_is() -> None:
    first, second = torch.zeros(2, 4), torch.ones(2, 4)
    assert take_turns((first, second), [3, 2]).tolist() == [[1] * 4, [0] * 4]


def test_a_report_says_what_was_made(model: LanguageModel) -> None:
    made = GeneratedLyrics(
        voices(model, 2), LyricsOptions(6, seed_line="Hey! You can't stop!", seed=5)
    )
    lines = list(made)
    assert made.lines == lines
    assert made.text.split("\n")[0] == "Hey! You can't stop!"
    assert {line[:3] for line in made.text_with_authors.split("\n")[1:] if line} == {"A  ", "B  "}
    report = made.report
    assert report["seed"] == 5
    assert report["artists"] == list(ARTISTS)
    assert len(report["figures"]["lines"]) == 5  # the given line is nobody's
    assert set(report["figures"]["taken"]) == set(ARTISTS)
    assert report["figures"]["copied_words"]["length"] <= 8


def test_a_report_of_one_voice_of_two_says_how_much_of_each(model: LanguageModel) -> None:
    made = GeneratedLyrics(voices(model, 2), LyricsOptions(6), blend=0.5)
    assert all(line.voices in {"A", ""} for line in made)
    figures = made.report["figures"]
    assert set(figures["taken"]) == set(figures["own"]) == set(ARTISTS)
    assert sum(figures["taken"].values()) <= 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lines": 0}, "from 1 to 1000"),
        ({"lines": 1001}, "from 1 to 1000"),
        ({"rhyme": "A1"}, "ABAB"),
        ({"max_copy": -1}, "max-copy"),
        ({"seed": -1}, "seed"),
    ],
)
def test_invalid_options_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        LyricsOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["", "  ", "?!", "two\nlines"])
def test_lines_to_begin_with_that_are_none(line: str) -> None:
    with pytest.raises(BadArgument, match="seed-line"):
        check_seed_line(line)


def test_ways_that_there_are_not(model: LanguageModel) -> None:
    with pytest.raises(BadArgument, match="from 0 to 1"):
        blend_styles(1.5)
    with pytest.raises(BadArgument, match="mixture"):
        blend_styles(0.5, "soup")  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match="word"):
        next(sample_lyrics(voices(model), LyricsOptions(1), by="bar"))  # type: ignore[arg-type]
