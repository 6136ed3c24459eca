"""What the published networks got from Keras without saying so."""

from typing import Final

from torch import nn

BATCH_NORM: Final = {"eps": 1e-3, "momentum": 0.01}
"""Keras's batch norm keeps 0.99 of its running figures at each step."""

#: Padding "same" of a kernel of 5 with stride 2 on an even size: one before, two behind.
SAME_PADDING: Final = (1, 2)


def initialise(network: nn.Module) -> None:
    """Draw weights as Keras does: Glorot's uniform distribution, biases zero.

    Reference: Glorot & Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010, eq. 16. In recurrent units the matrices from state to
    state are orthogonal.
    """
    for module in network.modules():
        if isinstance(module, nn.GRU):
            for name, weight in module.named_parameters(recurse=False):
                if name.startswith("bias"):
                    nn.init.zeros_(weight)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(weight)
                else:
                    nn.init.xavier_uniform_(weight)
        elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
