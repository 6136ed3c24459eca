"""Runs of letters are counted as the formula says, and mixed with what a network expects."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import BadArgument
from segue.generate.lyrics.language_model import (
    EnsembleLM,
    LanguageModel,
    NgramLM,
    network_log_probs,
)
from segue.generate.lyrics.network import UNCONDITIONAL, CharNetwork, CharNetworkConfig
from segue.generate.lyrics.vocabulary import SONG_BOUNDARY, VOCABULARY_SIZE, encode, encode_song
from segue.records import Lyrics, Tags
from verses import song

TEXTS = [song("Ada Long", seed) for seed in range(12)]
SONGS = [encode_song(text) for text in TEXTS]
#: Of the tokens, for what is asked run by run.
LETTERS = sorted(set().union(*TEXTS, "q"))


@pytest.mark.parametrize("longest", [1, 2, 5, 6])
def test_chances_sum_to_one(longest: int) -> None:
    runs = NgramLM(SONGS, longest)
    for before in ("", "t", "the rive", "Ωq", "the silver rain", TEXTS[0]):
        chances = runs.next_probabilities(encode(before).tolist())
        assert chances.shape == (VOCABULARY_SIZE,)
        assert chances.sum() == pytest.approx(1, abs=1e-12)
        assert chances.min() > 0


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.text("abc \n", max_size=30), min_size=1, max_size=12), st.text("abd", max_size=6)
)
def test_nothing_is_impossible(texts: list[str], before: str) -> None:
    runs = NgramLM([encode_song(text) for text in texts * 3])
    chances = runs.next_probabilities([SONG_BOUNDARY, *encode(before).tolist()])
    assert chances.min() > 0
    assert chances.sum() == pytest.approx(1, abs=1e-9)


def test_only_the_last_letters_count() -> None:
    runs = NgramLM(SONGS, 3)
    tokens = encode_song(TEXTS[0])
    places = [runs.next_probabilities(tokens[:at].tolist()) for at in range(1, len(tokens))]
    np.testing.assert_array_equal(runs.probabilities(tokens), places)


def costs(runs: NgramLM, text: str) -> np.ndarray:
    tokens = encode_song(text)
    return -np.log(runs.probabilities(tokens)[np.arange(len(tokens) - 1), tokens[1:]])


def slow_chance(texts: list[str], before: str, letter: str) -> float:
    """Return what the formula says, run by run, for runs of at most three; "$" is the end."""
    whole = ["^^" + text + "$" for text in texts]
    raw = [
        Counter(t[at - n + 1 : at + 1] for t in whole for at in range(2, len(t)))
        for n in range(1, 4)
    ]
    likely = 1 / VOCABULARY_SIZE
    for n in range(1, 4):
        counts = {
            run: raw[n - 1][run]
            if n == 3 or (n > 1 and run[0] == "^")
            else sum(longer[1:] == run for longer in raw[n])
            for run in raw[n - 1]
        }
        of = Counter(counts.values())
        if all(of[k] for k in (1, 2, 3, 4)):
            y = of[1] / (of[1] + 2 * of[2])
            off = [0.0] + [k - (k + 1) * y * of[k + 1] / of[k] for k in (1, 2, 3)]
            off = [min(max(each, 0.0), float(k)) for k, each in enumerate(off)]
        else:
            off = [0, 0.5, 1, 1.5]
        context = ("^^" + before)[-(n - 1) :] if n > 1 else ""
        after = {run: count for run, count in counts.items() if run[:-1] == context}
        if after:
            total = sum(after.values())
            left = sum(off[min(count, 3)] for count in after.values()) / total
            count = after.get(context + letter, 0)
            likely = (count - off[min(count, 3)]) / total + left * likely
    return likely


def test_runs_are_their_formula() -> None:
    texts = [text[:150] for text in TEXTS[:3]]
    runs = NgramLM([encode_song(text) for text in texts], 3)
    codes = [*(int(encode(letter)[0]) for letter in LETTERS), SONG_BOUNDARY]
    for before in ("", "t", "th", "my", "qq", texts[1]):
        expected = [slow_chance(texts, before, letter) for letter in [*LETTERS, "$"]]
        outlook = runs.next_probabilities([SONG_BOUNDARY, *encode(before).tolist()])
        np.testing.assert_allclose(outlook[codes], expected, rtol=1e-9)


def test_what_is_known_costs_less() -> None:
    runs = NgramLM(SONGS)
    found = [
        costs(runs, text).mean() for text in (TEXTS[0], song("Ada Long", 50), song("Bob Short", 50))
    ]
    assert found == sorted(found)


def test_runs_too_long_to_number_are_refused() -> None:
    with pytest.raises(BadArgument, match="more than 2"):
        NgramLM(SONGS, 14)


# ---- mixed with a network -----------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    torch.manual_seed(0)
    network = CharNetwork(
        CharNetworkConfig(16, ngram_sizes=(64, 64), ngram_width=8, num_styles=2)
    ).eval()
    known = tuple(Lyrics(text, Tags("", "Ada Long")) for text in TEXTS)
    shares = {"Ada Long": 0.4, "Bob Short": 0.4}
    return LanguageModel(network, ("Ada Long", "Bob Short"), known, {}, ngram_weights=shares)


def test_network_and_runs_are_weighed_by_their_logarithms(model: LanguageModel) -> None:
    tokens = encode_song(song("Ada Long", 50))
    expected = (
        network_log_probs(model.network, tokens, model.style_index("Ada Long")).double().numpy()
    )
    both = 0.6 * expected + 0.4 * np.log(NgramLM(SONGS).probabilities(tokens))
    both -= np.logaddexp.reduce(both, axis=1, keepdims=True)
    wanted = -both[np.arange(len(both)), tokens[1:]]
    found = model.ensemble(model.style_index("Ada Long")).nll(tokens)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_decoding_step_by_step_costs_what_a_full_pass_does(model: LanguageModel) -> None:
    lm = model.ensemble(model.style_index("Ada Long"))
    tokens = encode_song(song("Ada Long", 50)[:80])
    decoder, nll = lm.decoder(), []
    for token in tokens[1:].tolist():
        assert float(decoder.log_probs[0].exp().sum()) == pytest.approx(1, abs=1e-4)
        nll.append(-float(decoder.log_probs[0, token]))
        decoder.append(torch.tensor([[token]]))
    np.testing.assert_allclose(nll, lm.nll(tokens), rtol=1e-3, atol=1e-4)
    at_once = lm.decoder()
    at_once.append(torch.from_numpy(tokens[None, 1:-1]))
    assert -float(at_once.log_probs[0, tokens[-1]]) == pytest.approx(nll[-1], rel=1e-3)


def test_who_has_no_songs_or_no_share_is_read_by_the_network_alone(model: LanguageModel) -> None:
    without = replace(model, ngram_weights={})
    for reader in (
        model.ensemble(model.style_index("Bob Short")),
        model.ensemble(UNCONDITIONAL),
        without.ensemble(model.style_index("Ada Long")),
    ):
        assert reader.ngram is None


def test_what_sets_a_voice_apart_is_emphasised(model: LanguageModel) -> None:
    number = model.style_index("Bob Short")  # without songs of his own: the network alone
    torch.nn.init.normal_(model.network.styles.weight)
    tokens = torch.from_numpy(encode("the river"))[None]

    def next_log_probs(lm: EnsembleLM) -> torch.Tensor:
        decoder = lm.decoder()
        decoder.append(tokens)
        return decoder.log_probs[0]

    plain, nobody, emphasised = map(
        next_log_probs,
        (
            model.ensemble(number),
            model.ensemble(UNCONDITIONAL),
            model.ensemble(number, guidance_scale=0.5),
        ),
    )
    expected = (plain + 0.5 * (plain - nobody)).log_softmax(dim=-1)
    assert torch.allclose(emphasised, expected, atol=1e-4)
    assert not torch.allclose(emphasised, plain, atol=1e-2)
    nobodys = model.ensemble(UNCONDITIONAL, guidance_scale=0.5)
    assert torch.equal(next_log_probs(nobodys), nobody)
    decoder = model.ensemble(number, guidance_scale=0.5).decoder()
    for token in tokens[0].tolist():
        decoder.append(torch.tensor([[token]]))
    assert torch.allclose(decoder.log_probs[0], emphasised, atol=1e-4)
