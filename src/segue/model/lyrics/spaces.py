"""The spaces that all lyrics are placed in. Known without loading what computes them."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from safetensors.numpy import load_file

from segue.records import Space

WEIGHTS: Final = Path(str(files("segue") / "weights"))
#: Mean and scale of what the network that comes with Segue makes of songs; made with that network.
LYRICS_SPACE: Final = WEIGHTS / "lyrics-space.safetensors"

#: Changes when, and only when, a golden vector moves by more than 1e-3.
REPRESENTATION_VERSION: Final = 1


@cache
def lyrics_spaces() -> dict[str, Space]:
    """Return the spaces that all lyrics are placed in, by name."""
    found = {}
    for name, file in (("style", WEIGHTS / "style.safetensors"), ("lyrics", LYRICS_SPACE)):
        size = load_file(file)["mean"].size
        model = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        found[name] = Space(name, "lyrics", size, "cosine", model, REPRESENTATION_VERSION)
    return found
