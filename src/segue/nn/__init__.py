"""Neural network components that all models share: transformer, training, sampling, checkpoints."""
