"""Where the shipped autoencoder of rolls lies; imports no torch."""

from pathlib import Path
from typing import Final

#: Numbers of a vector in the space `roll-vae`.
DIMENSION: Final = 224
WEIGHTS: Final = Path(__file__).parents[2] / "weights" / "roll-vae.safetensors"
