"""Texts whose encoding nobody tells."""

import codecs


def decoded(content: bytes) -> str:
    """Decode a text: UTF-16 where it says so, else UTF-8, else what older Windows wrote."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
