"""Neural networks: what all models share.

Tensors to tensors: no paths, no commands.

One run per model, from a configuration to a checkpoint.
"""
