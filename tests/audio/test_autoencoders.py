"""The autoencoders: sizes, that they learn, and what the recurrent form does with its steps."""

import pytest
import torch
from torch import nn

from segue.audio.autoencoders import (
    AutoencoderConfig,
    ConvAutoencoder,
    Preset,
    TransformAutoencoder,
    build,
    slot_means,
)
from segue.errors import BadArgument

SMALL: dict[Preset, AutoencoderConfig] = {
    "conv": AutoencoderConfig("conv", bands=32, frames=48),
    "plain-2d": AutoencoderConfig("plain-2d", bands=32, frames=32, latent=16),
    "dual-axis": AutoencoderConfig("dual-axis", bands=32, frames=32, latent=16),
    "default": AutoencoderConfig("default", bands=32, frames=32, latent=16),
}
EVERY = pytest.mark.parametrize("config", SMALL.values(), ids=SMALL.keys())


def images(config: AutoencoderConfig, count: int = 8) -> torch.Tensor:
    """Smooth random images in 0…1."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, config.channels, 4, 4, generator=generator)
    return nn.functional.interpolate(coarse, (config.bands, config.frames), mode="bilinear")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@EVERY
def test_reconstructions_have_the_size_of_their_images(config: AutoencoderConfig) -> None:
    network = build(config)
    x = images(config)
    code = network.encode(x)
    again = network.decode(code)
    assert again.shape == x.shape
    assert 0 <= again.min() <= again.max() <= 1
    torch.testing.assert_close(network.eval()(x), network.decode(network.encode(x)))


def test_sizes_of_codes_and_vectors() -> None:
    tile = torch.rand(2, 1, 128, 128)
    for preset in ("plain-2d", "dual-axis", "default"):
        network = build(AutoencoderConfig(preset))
        assert network.encode(tile).shape == network.vector(tile).shape == (2, 256)
    tall = build(AutoencoderConfig("conv", bands=512))
    for frames in (16, 24):
        assert tall.encode(torch.rand(2, 1, 512, frames)).shape == (2, 8, 64, frames // 8)
        assert tall.vector(torch.rand(2, 1, 512, frames)).shape == (2, 512)


@EVERY
def test_the_loss_falls_in_ten_steps(config: AutoencoderConfig) -> None:
    network, x = build(config), images(config)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = network.loss(x)
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@EVERY
def test_the_same_seed_gives_the_same_network(config: AutoencoderConfig) -> None:
    x, outcomes = images(config), []
    for _ in range(2):
        torch.manual_seed(5)
        outcomes.append(build(config).loss(x))
    assert torch.equal(*outcomes)


@EVERY
def test_images_of_three_channels(config: AutoencoderConfig) -> None:
    coloured = AutoencoderConfig(config.preset, 3, config.bands, config.frames, config.latent)
    x = images(coloured, 2)
    assert build(coloured)(x).shape == x.shape


@EVERY
def test_images_of_another_size_are_refused(config: AutoencoderConfig) -> None:
    with pytest.raises(BadArgument, match="expected"):
        build(config).encode(torch.rand(2, 1, config.bands + 8, config.frames))


def test_the_published_number_of_weights() -> None:
    network = build(AutoencoderConfig("dual-axis"))
    filters, dense = sum(5 * a * b for a, b in ((128, 32), (32, 64), (64, 128), (128, 256))), 2048
    encoder = filters + 480 + 2 * 480 + dense * 128 + 128
    pairs = ((256, 256), (256, 128), (128, 64), (64, 32), (32, 1))
    decoder = 257 * 16384 + sum(25 * a * b + b for a, b in pairs) + 2 * 480
    assert sum(weight.numel() for weight in network.parameters()) == 2 * encoder + decoder


@EVERY
def test_images_are_kept_in_the_fast_layout(config: AutoencoderConfig) -> None:
    network = build(config)
    seen: list[bool] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(
                lambda _module, _inputs, output: seen.append(
                    output.is_contiguous(memory_format=torch.channels_last)
                )
            )
    network(images(config))
    assert seen
    assert all(seen)


# ---- the recurrent form ------------------------------------------------------------------


RECURRENT = AutoencoderConfig("conv", bands=32, frames=48, recurrent=True)


def conv(config: AutoencoderConfig) -> ConvAutoencoder:
    network = build(config)
    assert isinstance(network, ConvAutoencoder)
    return network


def test_the_length_of_a_step_changes_the_code() -> None:
    network, x = conv(RECURRENT), images(RECURRENT, 2)
    by_bar = network.encode(x, torch.tensor([20.0, 17.3]))
    by_beat = network.encode(x, torch.tensor([20.0, 4.3]))
    assert by_bar.shape == by_beat.shape == (2, 8, 4, 6)
    torch.testing.assert_close(by_bar[0], by_beat[0])
    assert not torch.allclose(by_bar[1], by_beat[1])


def test_the_recurrent_form_learns_the_plain_image() -> None:
    network, x = conv(RECURRENT), images(RECURRENT, 2)
    steps = torch.tensor([1.0, 100.0])
    assert network(x, steps).shape == x.shape
    torch.autograd.backward(network.loss(x, steps))
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("steps", [None, torch.tensor([4.0]), torch.tensor([4.0, 0.5])])
def test_steps_that_do_not_suit_are_refused(steps: torch.Tensor | None) -> None:
    with pytest.raises(BadArgument, match="step"):
        conv(RECURRENT).encode(images(RECURRENT, 2), steps)


def test_steps_without_a_recurrent_encoder_are_refused() -> None:
    with pytest.raises(BadArgument, match="step"):
        conv(SMALL["conv"]).encode(images(SMALL["conv"], 2), torch.tensor([4.0, 4.0]))
    with pytest.raises(BadArgument, match="recurrent"):
        build(AutoencoderConfig("dual-axis", recurrent=True))


def test_slots_are_means_of_their_frames() -> None:
    x = torch.arange(8.0)[None, None]
    whole = slot_means(x, torch.tensor([2.0]), 5)[0, :, 0]
    torch.testing.assert_close(whole, torch.tensor([0.5, 2.5, 4.5, 6.5, 0.0]))
    part = slot_means(x, torch.tensor([1.5]), 2)[0, :, 0]
    torch.testing.assert_close(part, torch.tensor([0.5 / 1.5, (0.5 + 2) / 1.5]))
    halves = slot_means(x, torch.tensor([0.5]), 4)[0, :, 0]
    torch.testing.assert_close(halves, torch.tensor([0.0, 0.0, 1.0, 1.0]))


# ---- the transform -----------------------------------------------------------------------


def test_preparation_lowers_the_first_loss_and_equalises_the_latents() -> None:
    config = SMALL["default"]
    network, x = build(config), images(config, 64)
    assert isinstance(network, TransformAutoencoder)
    before = network.loss(x)
    network.prepare(x)
    after = network.loss(x)
    assert after < before
    spread = network.encode(x).square().mean(dim=0).sqrt()
    torch.testing.assert_close(spread, torch.ones(16), rtol=0.01, atol=0)


def test_the_gradient_passes_where_a_value_beyond_the_range_is_wrong() -> None:
    config = SMALL["default"]
    network = build(config)
    assert isinstance(network, TransformAutoencoder)
    network.mean.fill_(1.5)
    network.synthesis.zero_()
    white, grey = torch.ones(1, 1, 32, 32), torch.full((1, 1, 32, 32), 0.5)
    assert network.loss(white).item() == 0
    torch.autograd.backward(network.loss(grey))
    bias = network.output_refinement.proj_out.bias
    assert bias is not None
    assert bias.grad is not None
    assert (bias.grad > 0).all()
