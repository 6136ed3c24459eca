"""What the published networks got from Keras without saying so."""

from typing import Final

from torch import nn

#: Of batch norm: it keeps 0.99 of its running figures at each step.
EPSILON: Final = 1e-3
MOMENTUM: Final = 0.01


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
