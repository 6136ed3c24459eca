"""Learning to write lyrics: divided by song, resumed to the bit, across alphabets."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segue.errors import BadArgument, BadCheckpoint, TrainingFailed
from segue.generate.lyrics import training as lyrics
from segue.generate.lyrics.language_model import LanguageModel, network_log_probs, token_nll
from segue.generate.lyrics.network import UNCONDITIONAL, CharNetwork, CharNetworkConfig
from segue.generate.lyrics.training import (
    LyricsTraining,
    TokenizedSong,
    WindowSampler,
    bits_per_character,
    split_by_artist,
    tokenize_song,
    train_lyrics,
    tune_ngram_weights,
)
from segue.generate.lyrics.vocabulary import SONG_BOUNDARY, decode
from segue.nn.trainer import Progress
from segue.records import Lyrics, Tags
from verses import song as verse

TINY = CharNetworkConfig(24, 1, ngram_sizes=(64, 128), ngram_width=8)
RUSSIAN = "Я помню чудное мгновенье: передо мной явилась ты, как мимолётное виденье"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = lyrics._Recipe(TINY, context=32, batch_size=8, ema_decay=0.5)
    plain = lyrics._Recipe(
        CharNetworkConfig(24, 2, ngram_sizes=()),
        context=40,
        batch_size=8,
        last_only=True,
        use_ngrams=False,
    )
    transformer = lyrics._Recipe(
        CharNetworkConfig(24, 1, "transformer", ngram_sizes=(64,)), context=32
    )
    recipes = {"default": recipe, "char-lstm": plain, "transformer": transformer}
    monkeypatch.setattr(lyrics, "RECIPES", recipes)
    monkeypatch.setattr(lyrics, "STEPS_PER_EPOCH", 10)


def songs(artist: str = "Ada Long", count: int = 8) -> list[TokenizedSong]:
    return [
        tokenize_song(Lyrics(verse(artist, seed), Tags(f"song {seed}", artist)))
        for seed in range(count)
    ]


def training(**options: object) -> LyricsTraining:
    return LyricsTraining(**{"epochs": 1, "device": "cpu"} | options)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", ["default", "char-lstm", "transformer"])
def test_ten_steps_lower_the_loss(tmp_path: Path, preset: str) -> None:
    progress: list[Progress] = []
    model, trained = train_lyrics(
        training(preset=preset), split_by_artist(songs()), tmp_path, watch=progress.append
    )
    assert trained.best.loss < progress[0].loss - 0.1
    assert model.artists == ("Ada Long",)
    assert model.metadata["bits_of_test"] > 0
    assert model.ngram_weights.keys() == (set() if preset == "char-lstm" else {"Ada Long"})
    assert LanguageModel.load(tmp_path / "lyrics.safetensors").fingerprint == model.fingerprint


def test_a_resumed_run_is_equal_to_the_bit(tmp_path: Path) -> None:
    parts = split_by_artist(songs())
    whole, _ = train_lyrics(training(epochs=2), parts, tmp_path / "whole")

    def interrupt(at: Progress) -> None:
        if (at.epoch, at.step) == (2, 3):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_lyrics(training(epochs=2), parts, tmp_path / "cut", watch=interrupt)
    resumed, _ = train_lyrics(training(epochs=2), parts, tmp_path / "cut", resume=True)
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_run_over_other_songs_is_not_resumed(tmp_path: Path) -> None:
    train_lyrics(training(), split_by_artist(songs()), tmp_path)
    with pytest.raises(BadCheckpoint):
        train_lyrics(training(epochs=2), split_by_artist(songs(count=9)), tmp_path, resume=True)


def test_fine_tuning_on_another_alphabet(tmp_path: Path) -> None:
    # What failed as published: each artist's letters made an input of another size.
    base, _ = train_lyrics(training(), split_by_artist(songs()), tmp_path / "base")
    russian = [
        tokenize_song(
            Lyrics("\n".join([RUSSIAN, RUSSIAN[::-1], RUSSIAN[seed:]] * 4), Tags("", "Пушкин"))
        )
        for seed in range(5)
    ]
    progress: list[Progress] = []
    model, trained = train_lyrics(
        training(epochs=2),
        split_by_artist(russian),
        tmp_path / "own",
        start=base,
        watch=progress.append,
    )
    assert model.artists == ("Ada Long", "Пушкин")
    assert trained.best.loss < progress[0].loss - 0.1
    assert {one.tags.artist for one in model.training_songs} == {"Ada Long", "Пушкин"}


def test_songs_are_divided_artist_by_artist() -> None:
    both = songs("Ada Long", 20) + songs("Bob Short", 10)
    parts = split_by_artist(both)
    for some, counts in ((parts.validation, (2, 1)), (parts.test, (2, 1)), (parts.train, (16, 8))):
        artists = [one.lyrics.tags.artist for one in some]
        assert (artists.count("Ada Long"), artists.count("Bob Short")) == counts
    again = split_by_artist(list(reversed(both)))
    assert {one.lyrics for one in again.test} == {one.lyrics for one in parts.test}


@pytest.mark.parametrize("text", ["", "A", "la " * 60])
def test_too_few_songs_are_reported(text: str) -> None:
    few = [
        tokenize_song(Lyrics(text, Tags(str(number), "A"))) for number in range(3 if text else 0)
    ]
    with pytest.raises(TrainingFailed, match="songs and 2000 characters are needed"):
        split_by_artist(few)


def test_one_song_of_each_artist_is_too_few_for_validation() -> None:
    alone = [tokenize_song(Lyrics("word " * 400, Tags("", name))) for name in "ABCD"]
    with pytest.raises(TrainingFailed, match="no artist has 3 songs"):
        split_by_artist(alone)


def test_windows_stay_inside_songs() -> None:
    some = songs(count=3)
    windows = WindowSampler(some, ["Ada Long"], lyrics.RECIPES["default"])
    texts = [one.lyrics.text for one in some]
    for seed in range(20):
        given, wanted, voices = windows.draw(np.random.default_rng(seed))
        for row in given.numpy():
            tokens = row[row >= 0]
            assert (tokens[1:-1] != SONG_BOUNDARY).all()
            assert any(decode(tokens) in text for text in texts)
        assert (wanted[:, 0] == -1).all()
        assert (voices == 1).all()


def test_artists_of_many_songs_do_not_drown_others() -> None:
    both = songs("Ada Long", 36) + songs("Bob Short", 4)
    windows = WindowSampler(both, ["Ada Long", "Bob Short"], lyrics.RECIPES["default"])
    drawn = torch.cat([windows.draw(np.random.default_rng(seed))[2] for seed in range(200)])
    share = float((drawn == 2).float().mean())
    lengths = [sum(len(s.tokens) for s in both if s.lyrics.tags.artist == a)
               for a in ("Ada Long", "Bob Short")]  # fmt: skip
    assert lengths[1] / sum(lengths) + 0.05 < share < 0.5


@pytest.mark.parametrize("core", ["lstm", "transformer"])
def test_bits_per_character(core: str) -> None:
    torch.manual_seed(0)
    network = CharNetwork(CharNetworkConfig(24, 1, core, ngram_sizes=(64,))).eval()  # type: ignore[arg-type]
    one = songs(count=1)[0]
    costs = token_nll(network_log_probs(network, one.tokens, UNCONDITIONAL), one.tokens)
    assert costs.shape == (len(one.tokens) - 1,)
    assert (costs > 0).all()
    model = LanguageModel(network, (), (), {})
    bits = bits_per_character(model, [one])
    assert bits == pytest.approx(costs.sum() / np.log(2) / (len(one.lyrics.text) + 1))
    assert bits_per_character(model, []) is None


def test_the_ngram_weight_is_the_best_on_the_validation_set(tmp_path: Path) -> None:
    parts = split_by_artist(songs(count=20))
    model, _ = train_lyrics(training(), parts, tmp_path)
    assert tune_ngram_weights(model, parts.validation) == model.ngram_weights
    best = model.ngram_weights["Ada Long"]
    assert best > 0  # ten steps teach less than counting does
    costs: dict[float, Any] = {
        share: bits_per_character(
            replace(model, ngram_weights={"Ada Long": share}), parts.validation
        )
        for share in (0.0, 0.3, best)
    }
    assert costs[best] == min(costs.values())
    assert costs[best] < costs[0.0]
    assert model.metadata["bits_held_out"] == pytest.approx(costs[best])


def test_artists_that_are_not_fine_tuned_keep_their_weights(tmp_path: Path) -> None:
    base, _ = train_lyrics(training(), split_by_artist(songs("Ada Long")), tmp_path / "base")
    base = replace(base, ngram_weights={"Ada Long": 0.123})
    model, _ = train_lyrics(
        training(), split_by_artist(songs("Bob Short")), tmp_path / "bob", start=base
    )
    assert model.ngram_weights["Ada Long"] == 0.123
    assert "Bob Short" in model.ngram_weights


def test_invalid_options() -> None:
    with pytest.raises(BadArgument):
        LyricsTraining(learning_rate=0)


def test_training_songs_of_the_base_are_not_in_the_validation_set() -> None:
    some = songs(count=20)
    known = [one.lyrics.text for one in some[:12]]
    parts = split_by_artist(some, known)
    assert not {one.lyrics.text for one in (*parts.validation, *parts.test)} & set(known)


def test_validation_covers_every_character_of_a_song() -> None:
    some = songs(count=3)
    batches = WindowSampler(some, [], lyrics.RECIPES["default"]).all()
    wanted = sum(int((wanted >= 0).sum()) for _, wanted, _ in batches)
    assert wanted == sum(len(one.tokens) - 1 for one in some)
