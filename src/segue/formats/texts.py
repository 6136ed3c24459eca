"""Texts whose encoding nobody tells."""

from segue.formats.encodings import decode as decoded

__all__ = ["decoded"]
