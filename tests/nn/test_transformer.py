"""The transformer of tokens and that of chorales: what each position may know."""

from dataclasses import replace

import pytest
import torch

from segue.errors import BadArgument
from segue.generate.harmony.chorale_network import (
    NUM_PITCHES,
    NUM_VOICES,
    ChoraleConfig,
    ChoraleTransformer,
    DecoderState,
    encode_pitches,
)
from segue.nn.quantization import Precision, for_inference
from segue.nn.transformer import (
    KVCache,
    StackConfig,
    Transformer,
    TransformerConfig,
    dropout,
    medium,
)

TINY = StackConfig(32, 2, 4, 40, 0.1)
VOCABULARY = 19


@pytest.fixture
def network() -> Transformer:
    torch.manual_seed(2)
    transformer = Transformer(TransformerConfig(VOCABULARY, TINY)).eval()
    _enliven(transformer)
    return transformer


@pytest.fixture
def chorale() -> ChoraleTransformer:
    torch.manual_seed(3)
    transformer = ChoraleTransformer(ChoraleConfig(TINY)).eval()
    _enliven(transformer)
    return transformer


def _enliven(network: torch.nn.Module) -> None:
    """Make weights large, so that everything that can be seen shows."""
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)


def some_tokens(count: int = 2, length: int = 30) -> torch.Tensor:
    return torch.randint(VOCABULARY, (count, length), generator=torch.Generator().manual_seed(1))


def test_decoding_with_a_kv_cache_equals_decoding_at_once(network: Transformer) -> None:
    tokens = some_tokens()
    cache = KVCache(TINY, 2)
    with torch.inference_mode():
        whole = network(tokens)
        parts = [network(tokens[:, :7], cache), network(tokens[:, 7:12], cache)]
        parts += [network(tokens[:, position : position + 1], cache) for position in range(12, 30)]
        assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-4)
        cache.truncate(20)
        assert cache.free == 20
        assert torch.allclose(network.next_logits(tokens[:, 20:], cache), whole[:, -1], atol=1e-4)


def test_branches_of_a_cache_share_its_positions(network: Transformer) -> None:
    tokens = some_tokens()
    cache = KVCache(TINY, 2)
    with torch.inference_mode():
        network(tokens[:, :12], cache)
        branch = cache.branch(TINY, 2)
        steps = [network(tokens[:, at : at + 1].repeat(2, 1), branch) for at in range(12, 29)]
        expected = network(tokens)[:, 12:29]
        assert torch.allclose(torch.cat(steps, dim=1), expected.repeat(2, 1, 1), atol=1e-4)
        branch.select(torch.tensor([2, 1]))
        last = network.next_logits(tokens[:, 29:], branch)
        assert torch.allclose(last, network(tokens)[:, -1], atol=1e-4)
        assert cache.length == 12


def test_attention_is_causal(network: Transformer) -> None:
    tokens = some_tokens()
    changed = tokens.clone()
    changed[:, 11:] = (changed[:, 11:] + 1) % VOCABULARY
    with torch.inference_mode():
        first, second = network(tokens), network(changed)
    assert torch.allclose(first[:, :11], second[:, :11], atol=1e-5)
    assert not torch.allclose(first[:, 11:], second[:, 11:], atol=0.1)


def test_positions_are_relative() -> None:
    torch.manual_seed(5)
    layer = Transformer(TransformerConfig(VOCABULARY, replace(TINY, layers=1))).eval()
    _enliven(layer)
    tokens = some_tokens(1, 8)
    with torch.inference_mode():
        # What is compared is turned by its place; if all places are later, nothing changes.
        turned = layer.stack.cos.clone(), layer.stack.sin.clone()
        early = layer(tokens)
        layer.stack.cos, layer.stack.sin = (table.roll(-9, 0) for table in turned)
        late = layer(tokens)
        layer.stack.cos, layer.stack.sin = (table[::2].contiguous() for table in turned)
        stretched = layer(tokens)
    assert torch.allclose(early, late, atol=1e-4)
    assert not torch.allclose(early, stretched, atol=1e-2)


def test_more_tokens_than_the_context_are_refused(network: Transformer) -> None:
    with pytest.raises(BadArgument, match="41 positions exceed the context length of 40"):
        network(some_tokens(1, 41))
    cache = KVCache(TINY, 1)
    network(some_tokens(1, 40), cache)
    with pytest.raises(BadArgument, match="drop the oldest"):
        network(some_tokens(1, 1), cache)
    with pytest.raises(BadArgument, match="holds 40 positions, not 41"):
        cache.truncate(41)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8", None])
def test_a_network_for_inference_gives_the_same_logits(precision: Precision | None) -> None:
    torch.manual_seed(6)
    network = Transformer(TransformerConfig(VOCABULARY, replace(TINY, width=64))).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    writing = for_inference(network, precision, 2)
    dtype = writing.tokens.weight.dtype
    assert dtype == torch.float32 or precision != "float32"
    assert network.tokens.weight.dtype == torch.float32
    tokens = some_tokens()
    cache = KVCache(network.config.stack, 2, dtype)
    with torch.inference_mode():
        writing.next_logits(tokens[:, :-1], cache)
        short = writing.next_logits(tokens[:, -1:], cache).float().softmax(dim=-1)
        whole = network(tokens)[:, -1].softmax(dim=-1)
    assert (short - whole).abs().max() < (1e-5 if dtype == torch.float32 else 0.02)
    assert not any(parameter.requires_grad for parameter in writing.parameters())


def test_the_loss_ignores_ignored_targets(network: Transformer) -> None:
    tokens = some_tokens()
    targets = tokens.clone()
    targets[0, 5:] = -1
    log = network(tokens).log_softmax(dim=-1)
    costs = -log[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    expected = torch.cat([costs[0, :4], costs[1]]).mean()
    assert torch.allclose(network.loss(tokens, targets), expected, atol=1e-4)


def test_dropout_preserves_the_mean() -> None:
    torch.manual_seed(0)
    ones = torch.ones(300, 301, requires_grad=True)
    dropped = dropout(ones, 0.25)
    assert abs(float((dropped == 0).float().mean()) - 0.25) < 0.01
    assert sorted(set(dropped.flatten().tolist())) == pytest.approx([0, 256 / 192])
    (gradient,) = torch.autograd.grad(dropped.sum(), ones)
    assert torch.equal(gradient, dropped)
    assert dropout(ones, 0.0) is ones


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 30}, "a width of 30 cannot be divided among 4 heads"),
        ({"layers": 0}, "layers is 0"),
        ({"dropout": 1.0}, "a dropout of 1.0"),
    ],
)
def test_inconsistent_configurations_are_rejected(change: dict[str, float], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        replace(TINY, **change)  # type: ignore[arg-type]


def test_the_preset_has_the_size_that_it_names() -> None:
    count = sum(parameter.numel() for parameter in Transformer(medium(300)).parameters())
    assert count == pytest.approx(10.8e6, rel=0.08)
    with pytest.raises(BadArgument, match="a vocabulary of 0"):
        medium(0)


def test_a_voice_depends_on_the_past_and_on_the_voices_above(chorale: ChoraleTransformer) -> None:
    generator = torch.Generator().manual_seed(4)
    frames = torch.randint(NUM_PITCHES, (1, 12, NUM_VOICES), generator=generator)
    with torch.inference_mode():
        whole = chorale(frames)
        for frame, voice in ((0, 0), (0, 3), (6, 0), (6, 1), (6, 2), (6, 3), (11, 3)):
            changed = frames.clone()
            changed[0, frame, voice] = (changed[0, frame, voice] + 5) % NUM_PITCHES
            moved = (chorale(changed) - whole).abs().amax(dim=-1)[0].flatten() > 1e-4
            place = frame * NUM_VOICES + voice
            assert not moved[: place + 1].any()
            if voice < NUM_VOICES - 1:
                assert moved[place + 1 :].all()
            elif frame < 11:
                assert moved[place + 1]


def test_feature_dropout_acts_in_training_alone(chorale: ChoraleTransformer) -> None:
    frames = torch.randint(
        1, NUM_PITCHES, (1, 12, NUM_VOICES), generator=torch.Generator().manual_seed(4)
    )
    chorale.config = ChoraleConfig(replace(TINY, dropout=0.0), feature_dropout=0.5)
    chorale.stack.layers.eval()
    chorale.train()
    torch.manual_seed(1)
    first, second = chorale(frames), chorale(frames)
    assert not torch.allclose(first, second, atol=0.1)
    chorale.eval()
    assert torch.equal(chorale(frames), chorale(frames))
    with pytest.raises(BadArgument, match=r"a feature dropout of 1.0"):
        ChoraleConfig(TINY, feature_dropout=1.0)


def test_pitches_are_encoded_within_the_range_of_voices() -> None:
    encoded = encode_pitches(torch.tensor([[-1, 36, 60, 81]]))
    assert encoded.tolist() == [[0, 1, 25, 46]]
    for wrong in (35, 82, 0):
        with pytest.raises(BadArgument, match=f"a pitch of {wrong}; the voices sing from 36 to 81"):
            encode_pitches(torch.tensor([[wrong, 60]]))


def test_decoding_frame_by_frame_equals_decoding_at_once(chorale: ChoraleTransformer) -> None:
    generator = torch.Generator().manual_seed(5)
    frames = torch.randint(NUM_PITCHES, (3, 30, NUM_VOICES), generator=generator)
    frames[:, 8:13] = frames[:, 7:8]  # held, across the place where reading goes on
    frames[1, 20:24, 2] = 0
    before = torch.cat([torch.zeros_like(frames[:, :1]), frames[:, :-1]], dim=1)
    order = torch.tensor([2, 0, 0])
    with torch.inference_mode():
        whole = chorale(frames)[order]
        reading = DecoderState(chorale.config, 3)
        chorale.advance(before[:, :10], reading)
        reading.select(order)
        frames, before = frames[order], before[order]
        for position in range(10, 30):
            context = chorale.advance(before[:, position : position + 1], reading)
            for voice in range(NUM_VOICES):
                logits = chorale.voice_logits(
                    context, before[:, position], frames[:, position, :voice]
                )
                torch.testing.assert_close(logits, whole[:, position, voice], atol=1e-4, rtol=1e-4)
