"""A plane with few false neighbours: the neighbour retrieval visualiser.

The source of the method: Venna, Peltonen, Nybo, Aidos & Kaski, "Information retrieval
perspective to nonlinear dimensionality reduction", JMLR 11, 2010. t-SNE minds first that what is
near in the space is near in the plane (recall); this minds first that what is near in the plane
is near in the space (precision), so that what a map shows together may be believed.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from segue.records import FloatArray

if TYPE_CHECKING:
    import torch

PERPLEXITY: Final = 10.0
#: What recall counts beside precision.
RECALL: Final = 0.1
STEPS: Final = 300
RATE: Final = 0.1
_HALVINGS: Final = 50
_FIRST_SCALE: Final = 100.0


def refine(unit: FloatArray, points: FloatArray, seed: int = 0) -> FloatArray:
    """Move the points of a plane so that fewer of those that lie together are false neighbours.

    Parameters
    ----------
    unit : ndarray, shape (n, d)
        Vectors of length 1. Every pair is compared: time and memory grow with n squared.
    points : ndarray, shape (n, 2)
        Where to start; of t-SNE, say.
    seed : int
        Of the tiny shifts that part points which lie in one place.

    Returns
    -------
    ndarray, shape (n, 2), float32
    """
    import torch

    n = len(unit)
    squared = torch.from_numpy(np.maximum(2 - 2 * unit @ unit.T, 0).astype(np.float32))
    own = torch.eye(n, dtype=torch.bool)
    wanted = _chances(squared.masked_fill(own, torch.inf), min(PERPLEXITY, (n - 1) / 2))
    log_wanted = wanted.clamp_min(1e-12).log()
    generator = torch.Generator().manual_seed(seed)
    place = torch.from_numpy(points / (points.std() or 1.0)).float()
    place += 1e-3 * torch.randn(place.shape, generator=generator)
    place.requires_grad_()
    log_scale = torch.tensor(float(np.log(_FIRST_SCALE)), requires_grad=True)
    optimiser = torch.optim.Adam([place, log_scale], lr=RATE)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        # Not cdist: the slope of a distance is undefined where points coincide.
        apart = (place[:, None] - place[None]).square().sum(2)
        log_shown = torch.log_softmax((-log_scale.exp() * apart).masked_fill(own, -1e9), 1)
        shown = log_shown.exp()
        surprise = (log_wanted - log_shown).masked_fill(own, 0)
        loss = (RECALL * wanted * surprise - (1 - RECALL) * shown * surprise).sum() / n
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return np.asarray(place.detach().numpy() * points.std(), np.float32)


def _chances(squared: "torch.Tensor", perplexity: float) -> "torch.Tensor":
    """Return how likely each track picks each other as a neighbour: Gaussian, rows sum to 1.

    Each row's width is such that its entropy is that of so many equally likely neighbours.
    """
    import torch

    low = torch.zeros(len(squared))
    high = torch.full_like(low, torch.inf)
    sharpness = torch.full_like(low, 10.0)
    chances = torch.empty_like(squared)
    for _ in range(_HALVINGS):
        chances = torch.softmax(-squared * sharpness[:, None], 1)
        entropy = -(chances * chances.clamp_min(1e-30).log()).sum(1)
        wide = entropy > np.log(perplexity)
        low, high = torch.where(wide, sharpness, low), torch.where(wide, high, sharpness)
        sharpness = torch.where(high.isinf(), 2 * sharpness, (low + high) / 2)
    return chances
