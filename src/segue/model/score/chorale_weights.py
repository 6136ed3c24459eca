"""The network of chorales on disk: matrices in 8 bits, each row with a scale of its own."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from segue.errors import BadArgument, BadCheckpoint
from segue.model.checkpoint import load_checkpoint, save_checkpoint
from segue.model.score.chorale import ChoraleConfig, ChoraleTransformer
from segue.model.short_weights import restored, shortened
from segue.model.transformer import StackConfig

KIND: Final = "chorales"
#: Raised when a frame comes to mean something else.
VERSION: Final = 1
SHIPPED: Final = Path(__file__).parents[2] / "weights" / "chorales.safetensors"


def save_chorales(network: ChoraleTransformer, path: Path, told: Mapping[str, Any]) -> str:
    """Write a network, as a whole or not at all.

    Parameters
    ----------
    network : ChoraleTransformer
    path : Path
    told : mapping
        JSON values: how it was learned, and how well.

    Returns
    -------
    str
        The fingerprint.

    Raises
    ------
    DiskFull
    """
    about = {"configuration": asdict(network.config), "version": VERSION, "told": dict(told)}
    return save_checkpoint(path, KIND, about, shortened(network.state_dict()))


def load_chorales(path: Path = SHIPPED) -> ChoraleTransformer:
    """Read a network; else the one that comes with Segue.

    Raises
    ------
    BadCheckpoint
        The file is not there, damaged, or of another version.
    """
    checkpoint = load_checkpoint(path, KIND)
    about, tensors = checkpoint.about, checkpoint.tensors
    if about.get("version") != VERSION:
        raise BadCheckpoint(
            f"{path} knows chorales of version {about.get('version')}, this Segue writes version "
            f"{VERSION}; save it anew"
        )
    try:
        config = about["configuration"]
        network = ChoraleTransformer(
            ChoraleConfig(
                StackConfig(**config["stack"]), config["head_layers"], config["forgotten"]
            )
        )
        network.load_state_dict(restored(tensors))
    except (KeyError, TypeError, RuntimeError, BadArgument) as error:
        raise BadCheckpoint(f"{path} holds no whole network of chorales ({error})") from None
    return network.eval().requires_grad_(False)
