"""The spaces that every score is placed in. Known without loading what computes them."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from safetensors.numpy import load_file

from segue.model.score.shipped import DIMENSION
from segue.records import Space

WEIGHTS: Final = Path(str(files("segue") / "weights"))

#: Changes when, and only when, a golden vector moves by more than 1e-3.
REPRESENTATION_VERSION: Final = 1


@cache
def score_spaces() -> dict[str, Space]:
    """Return the spaces that every score is placed in, by name."""
    features = load_file(WEIGHTS / "score-features.safetensors")["mean"].size
    sizes = {"score-features": features, "roll-vae": DIMENSION}
    return {
        name: Space(name, "score", size, "cosine", _fingerprint(name), REPRESENTATION_VERSION)
        for name, size in sizes.items()
    }


def _fingerprint(name: str) -> str:
    return hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest()[:12]
