"""Tensors to tensors: no paths, no commands."""
