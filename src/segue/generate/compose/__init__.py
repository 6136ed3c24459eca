"""Composing bar by bar with a transformer."""
