"""Names of artists, titles and albums as people compare them."""

import re
import unicodedata
from typing import Final

MAX_LENGTH: Final = 500  # characters kept of a foreign name

#: Between the names of several artists or genres of one track.
BETWEEN_NAMES: Final = "; "

_BETWEEN_GENRES: Final = re.compile(r"[;,/|]")
_JOINERS: Final = "\u200c\u200d"  # letters of Persian, parts of emoji


def normalise(text: str) -> str:
    """Fold case, accents and punctuation away, for finding and comparing names."""
    # Twice: a letter may only show its case once it is decomposed (Unicode 3.13, D146).
    decomposed = unicodedata.normalize("NFD", text)
    for _ in range(2):
        decomposed = unicodedata.normalize("NFKD", decomposed.casefold())
    kept = "".join(c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return " ".join(kept.split())


def clean(text: str) -> str:
    """Make a text of a foreign file fit to be shown: printable, one line, not too long.

    Control characters in a name would reach the user's terminal.
    """
    printable = text[: 4 * MAX_LENGTH].replace("\ufffd", "")  # what could not be decoded
    if not printable.isprintable():
        printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in printable)
    return " ".join(printable.split())[:MAX_LENGTH]


def split_names(text: str) -> list[str]:
    """List the artists of a tag, "Ann; Bob", as they are spelt."""
    return [name.strip() for name in text.split(BETWEEN_NAMES.strip()) if name.strip()]


def name_keys(text: str) -> frozenset[str]:
    """Return the artists of a tag as they are compared; empty where there is none."""
    return frozenset(map(normalise, split_names(text))) - {""}


def split_genres(text: str) -> list[str]:
    """Split a genre tag, ``Ambient; Dub`` say, into its genres as they are spelt."""
    parts = (part.strip() for part in _BETWEEN_GENRES.split(text))
    return [part for part in parts if normalise(part)]
