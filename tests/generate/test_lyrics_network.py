"""Networks of letters: read letter by letter as at once, saved and loaded."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from segue.errors import BadArgument, BadCheckpoint
from segue.generate.lyrics.language_model import LanguageModel
from segue.generate.lyrics.network import CharDecoder, CharNetwork, CharNetworkConfig
from segue.generate.lyrics.vocabulary import VOCABULARY_SIZE
from segue.records import Lyrics, Tags

RECURRENT = CharNetworkConfig(32, 2, ngram_sizes=(64, 128), ngram_width=8, num_styles=2)
CONFIGS = [
    RECURRENT,
    replace(RECURRENT, core="transformer"),
    CharNetworkConfig(32, 1, ngram_sizes=(), dropout=0.0),
]
SONGS = (Lyrics("Ein Lied\nvon Ærø 春", Tags("Ä", "Jón")), Lyrics("another", Tags("b", "C")))


def network(config: CharNetworkConfig) -> CharNetwork:
    torch.manual_seed(0)
    found = CharNetwork(config)
    for parameter in found.parameters():  # so that everything matters
        torch.nn.init.normal_(parameter, std=0.3)
    return found.eval()


def model(config: CharNetworkConfig = RECURRENT) -> LanguageModel:
    return LanguageModel(
        network(config), ("Jón", "C"), SONGS, {"artist": ""}, ngram_weights={"Jón": 0.3}
    )


@pytest.mark.parametrize("config", CONFIGS, ids=["recurrent", "transformer", "plain"])
def test_incremental_decoding_matches_a_full_pass(config: CharNetworkConfig) -> None:
    net = network(config)
    tokens = torch.randint(0, VOCABULARY_SIZE, (3, 20))
    styles = torch.tensor([0, 1, 0]) * (config.num_styles > 0)
    with torch.inference_mode():
        at_once = net(tokens, styles)
        decoder = CharDecoder(net, styles)
        for at in range(20):
            logits = decoder.append(tokens[:, at : at + 1])
            assert torch.allclose(logits, at_once[:, at], atol=1e-4)
        decoder = CharDecoder(net, styles)
        first = decoder.append(tokens[:, :11])
        last = decoder.append(tokens[:, 11:])
        assert torch.allclose(first, at_once[:, 10], atol=1e-4)
        assert torch.allclose(last, at_once[:, -1], atol=1e-4)


@pytest.mark.parametrize("config", CONFIGS[:2], ids=["recurrent", "transformer"])
def test_branches_go_on_by_themselves(config: CharNetworkConfig) -> None:
    net = network(config)
    texts = torch.randint(0, VOCABULARY_SIZE, (2, 8))
    decoder = CharDecoder(net, torch.tensor([0, 0]))
    decoder.append(texts)
    branch = decoder.branch(3)
    next_tokens = torch.tensor([[5], [9], [6], [9], [5], [9]])  # of the texts in turn
    logits = branch.append(next_tokens)
    expected = net(torch.cat([texts.repeat(3, 1), next_tokens], dim=1), torch.zeros(6).long())
    assert torch.allclose(logits, expected[:, -1], atol=1e-4)
    branch.select(torch.tensor([4, 5, 2, 3]))
    again = branch.append(torch.tensor([[3], [3], [4], [4]]))
    chosen = torch.cat([texts.repeat(2, 1), next_tokens[[4, 5, 2, 3]]], dim=1)
    longer = torch.cat([chosen, torch.tensor([[3], [3], [4], [4]])], dim=1)
    assert torch.allclose(again, net(longer, torch.zeros(4).long())[:, -1], atol=1e-4)
    unchanged = decoder.append(next_tokens[:2])
    assert torch.allclose(unchanged, logits[:2], atol=1e-4)


def test_a_branch_goes_on_beyond_the_context() -> None:
    net = network(CONFIGS[1])
    decoder = CharDecoder(net, torch.tensor([0]))
    decoder.append(torch.randint(0, 50, (1, net.config.context - 1)))
    branch = decoder.branch(2)  # hardly a line fits in
    for at in range(net.config.context + 9):
        logits = branch.append(torch.tensor([[at % 50], [at % 50]]))
    assert bool(logits.isfinite().all())
    assert torch.allclose(logits[0], logits[1], atol=1e-4)


def test_a_transformer_goes_on_beyond_its_context() -> None:
    net = network(CONFIGS[1])
    decoder = CharDecoder(net, torch.tensor([0]))
    for at in range(net.config.context + 9):
        logits = decoder.append(torch.tensor([[at % 50]]))
    assert bool(logits.isfinite().all())


def test_the_style_matters() -> None:
    net = network(RECURRENT)
    tokens = torch.tensor([[3, 4, 5]])
    one, other = (net(tokens, torch.tensor([voice])) for voice in (1, 2))
    assert not torch.allclose(one, other, atol=1e-3)


def test_long_ngrams_back_off_in_training_only() -> None:
    config = replace(RECURRENT, dropout=0.0, ngram_dropout=0.0, backoff=1e9)  # nearly always all
    net, tokens, styles = network(config), torch.tensor([[3, 4, 5, 6]]), torch.tensor([0])
    styled = net(tokens, styles)
    hidden = net.train()(tokens, styles)
    for table in net.ngrams:
        torch.nn.init.zeros_(table.weight)  # type: ignore[arg-type]
    without = net.eval()(tokens, styles)
    assert torch.allclose(hidden, without, atol=1e-5)
    assert not torch.allclose(styled, without, atol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"backoff": -1.0},
        {"width": 0},
        {"layers": 0},
        {"ngram_sizes": (8,) * 9},
        {"ngram_sizes": (0,)},
        {"dropout": 1.0},
    ],
)
def test_invalid_configurations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadArgument):
        replace(RECURRENT, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("quantize", [False, True])
def test_a_saved_model_loads_unchanged(tmp_path: Path, quantize: bool) -> None:
    path = tmp_path / "lyrics.safetensors"
    saved = model()
    fingerprint = saved.save(path, quantize=quantize)
    found = LanguageModel.load(path)
    assert found.fingerprint == fingerprint
    assert (found.artists, found.training_songs, found.metadata) == (
        saved.artists,
        SONGS,
        saved.metadata,
    )
    assert found.ngram_weights == {"Jón": 0.3}
    tokens = torch.arange(1, 30)[None]
    before, after = (one.network(tokens, torch.tensor([1])).softmax(-1) for one in (saved, found))
    assert torch.allclose(before, after, atol=0.02 if quantize else 0)


def test_a_quantized_model_is_small(tmp_path: Path) -> None:
    whole, short = tmp_path / "whole.safetensors", tmp_path / "short.safetensors"
    model().save(whole)
    model().save(short, quantize=True)
    assert short.stat().st_size < 0.5 * whole.stat().st_size


def test_models_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "lyrics.safetensors"
    with pytest.raises(BadCheckpoint, match="no checkpoint"):
        LanguageModel.load(path)
    model().save(path)
    save_file(load_file(path), path)
    with pytest.raises(BadCheckpoint):
        LanguageModel.load(path)


def test_voices_have_numbers() -> None:
    assert model().style_index("C") == 2
    with pytest.raises(BadArgument, match="Jón, C"):
        model().style_index("nobody")


def test_what_comes_with_segue() -> None:
    shipped = LanguageModel.pretrained()
    assert {"Robert Burns", "Emily Dickinson", "Walt Whitman"} <= set(shipped.artists)
    assert {one.tags.artist for one in shipped.training_songs} == set(shipped.artists)
