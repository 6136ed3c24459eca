"""Autoregressive prior of the latents of quarter notes, from which windows are sampled.

A VAE's samples from a normal distribution are poor where latents are many: the aggregate posterior
is far from normal. Here a GRU predicts the latent of each quarter note from those before it, as a
mixture of normal distributions (a mixture density network, Bishop 1994; as in sketch-rnn, Ha & Eck
2018). It is trained on the means of the posterior once the VAE is trained.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from segue.score.vae.frames import N_FRAMES

WIDTH: Final = 256
COMPONENTS: Final = 12
#: Scales the standard deviations of the components. Below, samples have ever fewer notes (20 a
#: window at 0.5, 56 at 1, music 74); above, more of them are out of the key.
TEMPERATURE: Final = 0.9
LEARNING_RATE: Final = 2e-3
BATCH_SIZE: Final = 96
_MIN_LOG_SCALE: Final = -4.0
_CLIP_NORM: Final = 1.0
_EPSILON: Final = 1e-6


class LatentPrior(nn.Module):
    """Prior of sequences of latents.

    Parameters
    ----------
    latent : int
        Dimensions of a quarter note's latent.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("scale", torch.ones(latent))
        self.position = nn.Embedding(N_FRAMES, WIDTH)
        self.proj_in = nn.Linear(latent, WIDTH)
        self.gru = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, COMPONENTS * (1 + 2 * latent))

    def nll(self, z_BD: Tensor) -> Tensor:
        """Return the negative log-likelihood of windows in nats, shape (B,)."""
        z_BFK = z_BD.reshape(len(z_BD), N_FRAMES, self.latent)
        standard = (z_BFK - self.mean) / self.scale
        before = torch.cat([torch.zeros_like(standard[:, :1]), standard[:, :-1]], dim=1)
        hidden, _ = self.gru(self.proj_in(before) + self.position.weight)
        weights, means, log_scales = self._mixture(hidden)
        deviation = (standard[:, :, None] - means) / log_scales.exp()
        log_density = -0.5 * deviation**2 - log_scales - 0.5 * np.log(2 * np.pi)
        likelihood = torch.logsumexp(weights.log_softmax(dim=-1) + log_density.sum(dim=-1), dim=-1)
        return -likelihood.sum(dim=1)

    def _mixture(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of the components' weights, their means and log standard deviations."""
        output = self.head(hidden).reshape(*hidden.shape[:-1], COMPONENTS, 1 + 2 * self.latent)
        weights, means, log_scales = output.split([1, self.latent, self.latent], dim=-1)
        return weights[..., 0], means, log_scales.clamp(min=_MIN_LOG_SCALE)

    @torch.inference_mode()
    def sample(self, count: int, seed: int, temperature: float = TEMPERATURE) -> Tensor:
        """Sample the latents of windows, shape (count, F * K)."""
        generator = torch.Generator().manual_seed(seed)
        before, state = torch.zeros(count, 1, self.latent), None
        frames = []
        for position in range(N_FRAMES):
            hidden, state = self.gru(self.proj_in(before) + self.position.weight[position], state)
            weights, means, log_scales = self._mixture(hidden[:, 0])
            chosen = torch.multinomial(weights.softmax(dim=-1), 1, generator=generator)[:, 0]
            row = torch.arange(count)
            noise = torch.randn(count, self.latent, generator=generator)
            frame = means[row, chosen] + temperature * log_scales[row, chosen].exp() * noise
            frames.append(frame)
            before = frame[:, None]
        z_BFK = torch.stack(frames, dim=1) * self.scale + self.mean
        return z_BFK.flatten(1)


def fit_prior(prior: LatentPrior, z_BD: Tensor, steps: int, seed: int) -> list[float]:
    """Train a prior on the latents of windows; return the loss of each step in nats per window.

    Parameters
    ----------
    prior : LatentPrior
    z_BD : Tensor, shape (B, F * K)
        Latents of the training set.
    steps : int
        Number of optimiser steps, of `BATCH_SIZE` windows each.
    seed : int
        Random seed.
    """
    rng = np.random.default_rng(seed)
    frames = z_BD.reshape(-1, prior.latent)
    prior.mean.copy_(frames.mean(dim=0))
    prior.scale.copy_(frames.std(dim=0) + _EPSILON)
    optimiser = torch.optim.AdamW(prior.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    for _ in range(steps):
        batch = torch.from_numpy(rng.integers(len(z_BD), size=BATCH_SIZE))
        loss = prior.nll(z_BD[batch]).mean()
        optimiser.zero_grad()
        (loss / N_FRAMES).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(prior.parameters(), _CLIP_NORM)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    prior.eval()
    return losses
