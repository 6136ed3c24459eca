"""Names of artists, titles and albums as people compare them."""

import unicodedata


def normalise(text: str) -> str:
    """Fold case, accents and punctuation away, for finding and comparing names."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return " ".join(kept.split())
