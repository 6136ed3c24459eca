"""The composing transformer: weights/composer.safetensors.

    python -m recipes.composer --data DATA --weights ../shared/pretrained/composer-384x8.safetensors

Packs the weights of a training run on a GPU in 8 bits, with an index of all pieces they were
trained on. That run's script is not part of the recipes yet.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open

from recipes.datasets import compositions
from segue.generate.compose.model import PRETRAINED, Composer
from segue.generate.compose.tokens import VOCABULARY_SIZE
from segue.generate.compose.training import index_pieces
from segue.nn.checkpoint import rename_parameters
from segue.nn.quantization import load_transformer
from segue.nn.transformer import StackConfig, TransformerConfig

Pieces = dict[str, list[compositions.Piece]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    parser.add_argument("--weights", type=Path, required=True)
    options = parser.parse_args()
    pack(options.weights, by_side(options.data, options.rolls)["train"])


def by_side(data: Path, rolls: Path) -> Pieces:
    """Return the pieces of the training, validation and test sets, with arrangements of them."""
    own = compositions.pieces(data, rolls)
    pieces = [*own, *compositions.bands(data, own)]
    return {
        side: [piece for piece in pieces if piece.side == side]
        for side in ("train", "validation", "test")
    }


def pack(path: Path, train: list[compositions.Piece]) -> None:
    """Write the weights of a run, whose parameters have the names of version 0.1."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = {
        name.removesuffix(".int8"): tensor.float() * arrays[name[:-5] + ".scale"].float()
        if name.endswith(".int8")
        else tensor.float()
        for name, tensor in arrays.items()
        if not name.endswith(".scale")
    }
    stack = StackConfig(about["width"], about["layers"], about["heads"], about["context"])
    network = load_transformer(
        TransformerConfig(VOCABULARY_SIZE, stack), rename_parameters(weights, "composer")
    )
    index = index_pieces([piece.piece for piece in train])
    metadata = {"trained by": path.name, "history": about["history"]}
    Composer(network, index, metadata).save(PRETRAINED, torch.int8)
    print(f"{PRETRAINED}: {PRETRAINED.stat().st_size / 1e6:.1f} MB, {len(index.keys)} bars known")


if __name__ == "__main__":
    main()
