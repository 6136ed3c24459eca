"""One run per model, from a configuration to a checkpoint."""
